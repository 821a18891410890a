"""Small pictures of the faces that were found, for the picker; they live with the session only."""

from __future__ import annotations

import bpy.utils.previews  # pyright: ignore[reportMissingImports]
import cv2
import numpy as np

from ..core.types import FaceBox

_SIZE = 128  # pixels
_shown: bpy.utils.previews.ImagePreviewCollection | None = None


def register() -> None:
    """Open the collection."""
    global _shown
    _shown = bpy.utils.previews.new()


def unregister() -> None:
    """Give the pictures back."""
    global _shown
    if _shown is not None:
        bpy.utils.previews.remove(_shown)
        _shown = None


def show_faces(photo: np.ndarray, faces: list[FaceBox]) -> None:
    """Make one picture per face out of the (H, W, 3) uint8 photo."""
    if _shown is None:
        return
    _shown.clear()
    for index, face in enumerate(faces):
        picture = np.ones((_SIZE, _SIZE, 4), np.float32)
        picture[..., :3] = cv2.resize(_square(photo, face), (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)[::-1] / 255.0
        preview = _shown.new(str(index))
        preview.image_size = preview.icon_size = (_SIZE, _SIZE)
        preview.image_pixels_float.foreach_set(picture.ravel())
        preview.icon_pixels_float.foreach_set(picture.ravel())


def face_icon(index: int) -> int:
    """Icon of a face, 0 when there is none (for example after a file was opened)."""
    return _shown[str(index)].icon_id if _shown is not None and str(index) in _shown else 0


def _square(photo: np.ndarray, face: FaceBox) -> np.ndarray:
    half = max(face.size * 0.7, 1.0)
    x, y = (face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)
    return photo[top : max(int(y + half), top + 1), left : max(int(x + half), left + 1)]
