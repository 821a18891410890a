"""Small pictures for the panel, of the faces that were found and of the mask; they live with the session only."""

from __future__ import annotations

import bpy.utils.previews  # pyright: ignore[reportMissingImports]
import cv2
import numpy as np

from ..core.types import FaceBox

_FACE_SIZE, _MASK_SIZE = 128, 256  # pixels
_TINT, _VEIL = np.array([255, 40, 25], np.float32), 0.55  # sRGB colour of what will be deleted, and its opacity
_faces: bpy.utils.previews.ImagePreviewCollection | None = None
_masks: bpy.utils.previews.ImagePreviewCollection | None = None


def register() -> None:
    """Open the collections."""
    global _faces, _masks
    _faces, _masks = bpy.utils.previews.new(), bpy.utils.previews.new()


def unregister() -> None:
    """Give the pictures back."""
    global _faces, _masks
    for collection in (_faces, _masks):
        if collection is not None:
            bpy.utils.previews.remove(collection)
    _faces = _masks = None


def show_faces(photo: np.ndarray, faces: list[FaceBox]) -> None:
    """Make one picture per face out of the (H, W, 3) uint8 photo."""
    if _faces is None:
        return
    _faces.clear()
    for index, face in enumerate(faces):
        _add(_faces, str(index), _thumbnail(_square(photo, face), _FACE_SIZE))


def face_icon(index: int) -> int:
    """Icon of a face, 0 when there is none (for example after a file was opened)."""
    return _icon(_faces, str(index))


def show_mask(name: str, photo: np.ndarray, mask: np.ndarray, face: FaceBox) -> None:
    """Make the picture of a mask: the photo around the face, tinted where (H, W) uint8 `mask` is set.

    `photo` is (h, w, 3) uint8 RGB, which may be smaller than the photo that the mask and the face belong to.
    """
    if _masks is None:
        return
    _masks.clear()  # the panel shows one at a time
    picture = _thumbnail(_square(photo, face, photo.shape[0] / mask.shape[0]), _MASK_SIZE)
    veil = _VEIL * (_thumbnail(_square(mask, face), _MASK_SIZE)[..., None] / 255.0)
    _add(_masks, name, picture * (1 - veil) + _TINT * veil)


def mask_icon(name: str) -> int:
    """Icon of the mask called `name`, 0 when there is none."""
    return _icon(_masks, name)


def _icon(collection: bpy.utils.previews.ImagePreviewCollection | None, name: str) -> int:
    return collection[name].icon_id if collection is not None and name in collection else 0


def _add(collection: bpy.utils.previews.ImagePreviewCollection, name: str, picture: np.ndarray) -> None:
    """Put a (S, S, 3) picture, sRGB in [0, 255], row 0 on top, into a collection."""
    size = picture.shape[0]
    values = np.ones((size, size, 4), np.float32)
    values[..., :3] = picture[::-1] / 255.0
    preview = collection.new(name)
    preview.image_size = preview.icon_size = (size, size)
    preview.image_pixels_float.foreach_set(values.ravel())
    preview.icon_pixels_float.foreach_set(values.ravel())


def _thumbnail(picture: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def _square(picture: np.ndarray, face: FaceBox, scale: float = 1.0) -> np.ndarray:
    """The part of a (H, W, ...) picture around a face; `scale` is of the picture to what the face was found in."""
    half = max(face.size * 0.7 * scale, 1.0)
    x, y = (face.x0 + face.x1) / 2 * scale, (face.y0 + face.y1) / 2 * scale
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    return picture[top : max(int(y + half), top + 1), left : max(int(x + half), left + 1)]
