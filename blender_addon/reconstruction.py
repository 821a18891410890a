"""What the worker thread does: photo to faces, photo to FaceResult. No bpy in here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..core.checks import no_face_found
from ..core.errors import Cancelled
from ..core.settings import Settings
from ..core.types import FaceBox, FaceResult
from .job import IsCancelled, ReportProgress
from .photo_source import PhotoSource

if TYPE_CHECKING:
    from ..core.geometry.face_model import FaceModel
    from ..core.image_io import Photo
    from ..core.pipeline import Pipeline

STAGE_LABELS = {
    "open": "Opening the photo",
    "detect": "Finding the face",
    "landmark": "Placing landmarks",
    "regress": "Estimating the shape",
    "fit": "Fitting the head",
    "texture": "Unwrapping the texture",
    "done": "Building the head",
}


@dataclass(frozen=True)
class Request:
    """One reconstruction."""

    source: PhotoSource
    settings: Settings
    box: FaceBox | None = None  # the picked face; the largest when None


@dataclass(frozen=True)
class Outcome:
    """What a reconstruction gives to the scene builder."""

    name: str
    photo: Photo
    result: FaceResult
    model: FaceModel
    provider: str  # that ran the networks


@lru_cache(maxsize=1)
def pipeline(settings: Settings) -> Pipeline:
    """The pipeline with its open networks, kept for the next photo."""
    from ..core.pipeline import Pipeline  # brings onnxruntime, which is slow to import

    return Pipeline(settings)


def close_pipeline() -> None:
    """Open the networks anew for the next photo, and let providers that failed be tried again."""
    from ..core.runtime.sessions import close_networks

    pipeline.cache_clear()
    close_networks()


def open_photo(source: PhotoSource) -> Photo:
    """The photo's pixels and what its file tells about them."""
    from ..core.image_io import Photo, read_photo

    if source.path is not None:
        return read_photo(source.path)
    assert source.pixels is not None, "a photo source has a path or pixels"
    height, width = source.pixels.shape[:2]
    return Photo(source.pixels, scale=1.0, original_size=(width, height), focal=None)


def reconstruct(request: Request, report: ReportProgress, cancelled: IsCancelled) -> Outcome:
    """Photo to FaceResult; `Cancelled` when asked to stop."""
    report("open", 0.0)
    photo = open_photo(request.source)
    if cancelled():
        raise Cancelled
    engine = pipeline(request.settings)
    result = engine.reconstruct(photo.pixels, box=request.box, focal=photo.focal, progress=report, cancelled=cancelled)
    return Outcome(request.source.name, photo, result, engine.face_model, engine.provider)


def find_faces(request: Request, report: ReportProgress, cancelled: IsCancelled) -> tuple[np.ndarray, list[FaceBox]]:
    """The photo and all its faces, largest first; raises `NoFaceFound` when there is none."""
    report("open", 0.0)
    photo = open_photo(request.source).pixels
    if cancelled():
        raise Cancelled
    report("detect", 0.3)
    faces = pipeline(request.settings).detect(photo)
    if not faces:
        raise no_face_found()
    return photo, faces
