"""Checks where data enters: array shapes, the photo, and whether a detected face is usable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import ImageError, NoFaceFound
from .types import FaceBox

MIN_PHOTO_SIDE = 32  # pixels; nothing smaller can hold a face


def check_shape(name: str, array: np.ndarray, shape: Sequence[int | None]) -> None:
    """Raise ValueError unless `array` has this shape; None stands for any length."""
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} has shape {array.shape}, expected ({wanted})")


def check_photo(photo: np.ndarray) -> None:
    """Raise ValueError unless `photo` is (H, W, 3) uint8 RGB, and ImageError when it is too small."""
    check_shape("photo", photo, (None, None, 3))
    if photo.dtype != np.uint8:
        raise ValueError(f"photo has type {photo.dtype}, expected uint8")
    height, width = photo.shape[:2]
    if min(height, width) < MIN_PHOTO_SIDE:
        raise ImageError(
            f"The picture is only {width} x {height} pixels. Use one of at least "
            f"{MIN_PHOTO_SIDE} pixels on each side, better 512."
        )


def check_mask(mask: np.ndarray | None, photo: np.ndarray) -> None:
    """Raise ValueError unless `mask` is None or (H, W) uint8 of the photo's size."""
    if mask is None:
        return
    check_shape("mask", mask, photo.shape[:2])
    if mask.dtype != np.uint8:
        raise ValueError(f"mask has type {mask.dtype}, expected uint8")


def choose_face(boxes: Sequence[FaceBox], min_size: int) -> FaceBox:
    """The first of `Detect`; raises `NoFaceFound` when there is none or it is smaller than `min_size` pixels."""
    if not boxes:
        raise no_face_found()
    check_face_size(boxes[0], min_size)
    return boxes[0]


def no_face_found() -> NoFaceFound:
    """The error for a picture without a face."""
    return NoFaceFound(
        "No face was found in the picture. Use a photo where the whole face is seen, upright, "
        "sharp and at least 64 pixels wide."
    )


def check_face_size(box: FaceBox, min_size: int) -> None:
    """Raise `NoFaceFound` when the face is smaller than `min_size` pixels."""
    if box.size < min_size:
        raise NoFaceFound(
            f"The face is only {box.size:.0f} pixels large and at least {min_size} are needed. "
            "Use a larger version of the photo, or one taken closer to the person."
        )
