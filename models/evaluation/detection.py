"""Detectors side by side: recall, false faces, turned and cut photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.geometry.boxes import overlap

from .data import Photo

FOUND = 0.3  # intersection over union from which a box is the labelled face's
SAME = 0.2  # ... from which a further box lies on a face that is there

Arbiter = Callable[[np.ndarray], list[np.ndarray]]  # (H, W, 3) uint8 RGB -> (4,) boxes x0, y0, x1, y1 in pixels


@dataclass(frozen=True)
class DetectionScore:
    """Counts of one detector on one set; scores of several sets add up."""

    photos: int
    found: int
    false_faces: int

    def __add__(self, other: DetectionScore) -> DetectionScore:
        return DetectionScore(
            self.photos + other.photos, self.found + other.found, self.false_faces + other.false_faces
        )

    @property
    def recall(self) -> float:
        """Share of photos whose labelled face was found, per cent."""
        return 100.0 * self.found / self.photos

    @property
    def false_per_200(self) -> float:
        """False faces per 200 photos."""
        return 200.0 * self.false_faces / self.photos


def score(boxes: Sequence[np.ndarray], photos: Sequence[Photo], arbiter: Arbiter) -> DetectionScore:
    """Recall and false faces of one detector's (B, 4) boxes per photo.

    Found: a box overlaps the labelled face by `FOUND`. A further box counts as false unless a known bystander or,
    where the bystanders are not known, the arbiter has a face there; in a crowd none is judged.
    """
    pairs = list(zip(boxes, photos, strict=True))
    found = sum(bool(_hits(own, photo).any()) for own, photo in pairs)
    return DetectionScore(len(pairs), found, sum(len(false_boxes(own, photo, arbiter)) for own, photo in pairs))


def missed(boxes: Sequence[np.ndarray], photos: Sequence[Photo]) -> list[int]:
    """Indices of the photos whose labelled face no box overlaps."""
    return [i for i, (own, photo) in enumerate(zip(boxes, photos, strict=True)) if not _hits(own, photo).any()]


def false_boxes(boxes: np.ndarray, photo: Photo, arbiter: Arbiter) -> np.ndarray:
    """Those of the (B, 4) boxes of one photo that lie on no face."""
    further = boxes[~_hits(boxes, photo)]
    if photo.crowd or not len(further):
        return further[:0]
    known = arbiter(photo.image()) if photo.others is None else list(photo.others)
    return further[[all(overlap(box, face) < SAME for face in known) for box in further]]


def _hits(boxes: np.ndarray, photo: Photo) -> np.ndarray:
    """(B,) bool: which boxes are the labelled face's."""
    if photo.box is None:
        raise ValueError(f"{photo.path} has no labelled face")
    truth = photo.box
    return np.array([overlap(box, truth) >= FOUND for box in boxes], bool)


def boxes_of(detect: Arbiter, photos: Sequence[Photo]) -> list[np.ndarray]:
    """(B, 4) boxes per photo of a detector that runs in this process."""
    return [np.array(detect(photo.image())).reshape(-1, 4) for photo in photos]
