"""Real photos as cases: the face that is meant is the found one that lies best on the labelled one."""

from __future__ import annotations

import numpy as np

from core.geometry.boxes import overlap
from core.pipeline import Pipeline
from core.types import FaceBox

from .data import Photo
from .detection import FOUND
from .rebuilding import Cases
from .systems import content


def best_box(pipeline: Pipeline, photo: Photo, image: np.ndarray) -> FaceBox | None:
    """The found face that overlaps the labelled one most, if enough; the largest where none is labelled."""
    boxes = pipeline.detect(image)
    if photo.box is None:
        return boxes[0] if boxes else None
    truth = photo.box
    near = [box for box in boxes if overlap(box.corners, truth) >= FOUND]
    return max(near, key=lambda box: overlap(box.corners, truth), default=None)


def cases_of_photos(name: str, photos: list[Photo]) -> Cases:
    """The labelled faces of photos."""
    return Cases(
        name=name,
        digest=content(photos) + repr([None if photo.box is None else photo.box.tolist() for photo in photos]),
        count=len(photos),
        image=lambda index: photos[index].image(),
        box=lambda pipeline, index, image: best_box(pipeline, photos[index], image),
    )
