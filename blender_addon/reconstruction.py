"""What the worker thread does: photo to faces, photo to FaceResult. No bpy in here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..core.checks import choose_face, no_face_found
from ..core.errors import Cancelled, ImageError
from ..core.settings import Settings
from ..core.types import Completion, FaceBox, FaceResult
from .job import IsCancelled, ReportProgress
from .photo_source import PhotoSource

if TYPE_CHECKING:
    from ..core.geometry.face_model import FaceModel
    from ..core.image_io import Photo
    from ..core.look import PersonPhoto
    from ..core.pipeline import Pipeline

STAGE_LABELS = {
    "open": "Opening the photo",
    "detect": "Finding the face",
    "landmark": "Placing landmarks",
    "parse": "Looking for what hides the face",
    "complete": "Painting what is hidden",
    "regress": "Estimating the shape",
    "fit": "Fitting the head",
    "texture": "Unwrapping the texture",
    "hair": "Shaping the hair",
    "done": "Building the head",
}


@dataclass(frozen=True, eq=False)
class Request:
    """One reconstruction, or a part of it."""

    source: PhotoSource
    settings: Settings
    box: FaceBox | None = None  # the picked face; the largest when None
    mask: np.ndarray | None = None  # (H, W) uint8, 255 where the user says that the face is hidden; None: find it
    others: tuple[PhotoSource, ...] = ()  # more photos of the same person


@dataclass(frozen=True)
class Outcome:
    """What a reconstruction gives to the scene builder."""

    name: str
    photo: Photo
    result: FaceResult
    model: FaceModel
    provider: str  # that ran the networks


@dataclass(frozen=True, eq=False)
class FoundMask:
    """What was found to hide one face."""

    name: str
    photo: np.ndarray  # (H, W, 3) uint8 RGB
    mask: np.ndarray  # (H, W) uint8, 255 where it is hidden, else 0
    box: FaceBox


@dataclass(frozen=True, eq=False)
class CompletedPhoto:
    """What painting the hidden parts of one face gives."""

    name: str
    completion: Completion


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
    check_painted(request, photo.pixels)
    engine = pipeline(request.settings)
    if request.others:
        result = engine.reconstruct_person(person_photos(request, photo), progress=report, cancelled=cancelled)[0]
    else:
        result = engine.reconstruct(
            photo.pixels, box=request.box, focal=photo.focal, mask=request.mask, progress=report, cancelled=cancelled
        )
    return Outcome(request.source.name, photo, result, engine.face_model, engine.provider)


def person_photos(request: Request, photo: Photo) -> list[PersonPhoto]:
    """All photos of the person, the opened one first; errors name the others by their files."""
    from ..core.look import PersonPhoto
    from ..core.run import naming

    photos = [PersonPhoto(_shown_name(request.source), photo.pixels, request.box, photo.focal, request.mask)]
    for source in request.others:
        with naming(_shown_name(source)):
            other = open_photo(source)
        photos.append(PersonPhoto(_shown_name(source), other.pixels, focal=other.focal))
    return photos


def _shown_name(source: PhotoSource) -> str:
    return source.name if source.path is None else source.path.name


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


def find_mask(request: Request, report: ReportProgress, cancelled: IsCancelled) -> FoundMask:
    """What hides the face of a photo; `Cancelled` when asked to stop."""
    photo, box, points = _located(request, report, cancelled)
    report("parse", 0.6)
    mask = pipeline(request.settings).occluder_mask(photo, points)
    return FoundMask(request.source.name, photo, mask, box)


def complete(request: Request, report: ReportProgress, cancelled: IsCancelled) -> CompletedPhoto:
    """The photo with the hidden parts of the face painted; `Cancelled` when asked to stop."""
    photo, _, points = _located(request, report, cancelled)
    report("complete", 0.6)
    return CompletedPhoto(request.source.name, pipeline(request.settings).complete(photo, points, request.mask))


def check_painted(request: Request, photo: np.ndarray) -> None:
    """Raise `ImageError` unless the user's mask, if any, fits the (H, W, 3) photo and leaves something of the face."""
    if request.mask is None:
        return
    (height, width), (rows, columns) = request.mask.shape, photo.shape[:2]
    if (height, width) != (rows, columns):
        raise ImageError(
            f"The mask has {width} x {height} pixels and the photo {columns} x {rows}. "
            "Find the mask again, or give it the photo's size."
        )
    if _around(request.mask, request.box).all():
        raise ImageError("The mask covers the whole face, so nothing is left to go by. Remove some of it.")


def _around(mask: np.ndarray, box: FaceBox | None) -> np.ndarray:
    """The part of a mask on the face, or all of it when the face is not known."""
    if box is None:
        return mask
    left, top = max(int(box.x0), 0), max(int(box.y0), 0)
    return mask[top : max(int(box.y1), top + 1), left : max(int(box.x1), left + 1)]


def _located(
    request: Request, report: ReportProgress, cancelled: IsCancelled
) -> tuple[np.ndarray, FaceBox, np.ndarray]:
    """The photo, the face asked for and its (68, 2) landmarks in photo pixels."""
    report("open", 0.0)
    photo = open_photo(request.source).pixels
    check_painted(request, photo)
    if cancelled():
        raise Cancelled
    report("detect", 0.2)
    engine = pipeline(request.settings)
    box = request.box or choose_face(engine.detect(photo), request.settings.min_face)
    if cancelled():
        raise Cancelled
    report("landmark", 0.4)
    points = engine.landmarks(photo, box).points
    if cancelled():
        raise Cancelled
    return photo, box, points
