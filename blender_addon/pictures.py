"""The pictures a head was made of, kept as images of the file: what was seen, deleted, painted, and what is sure."""

from __future__ import annotations

import bpy
import cv2
import numpy as np

from ..core.geometry.face_model import FaceModel
from ..core.types import COMPLETED, MIRRORED, MODEL, SEEN, Completion, FaceResult
from .images import packed_image, take_place

# Pictures of a head: their labels, and with them the names of the images. Each is a custom property of the head.
KINDS: dict[str, str] = {
    "photo": "Photo",
    "mask": "Mask",
    "completed": "Completed",
    "confidence": "Confidence",
}
OUTSIDE = (24, 24, 24)  # sRGB, texels that no part of the skin uses
# How well the skin is known: label, colour in the confidence picture (sRGB), icon of about that colour.
LEVELS: dict[int, tuple[str, tuple[int, int, int], str]] = {
    SEEN: ("Seen", (80, 170, 90), "COLORSET_03_VEC"),
    MIRRORED: ("Mirrored", (70, 130, 210), "COLORSET_04_VEC"),
    COMPLETED: ("Painted", (230, 120, 40), "COLORSET_02_VEC"),
    MODEL: ("Average", (150, 150, 150), "COLORSET_13_VEC"),
}
SHARES = "facewright_shares"  # custom property: share of the face by level, in the order of LEVELS
_COMPLETED_OF = "facewright_completed_of"  # custom property of a completed photo that no head is made of


def keep_pictures(
    head: bpy.types.Object, name: str, result: FaceResult, model: FaceModel, photo: bpy.types.Image | None
) -> None:
    """Pack what `result` knows of its photo into images and tie them and `photo` to the head."""
    if photo is not None:
        head[key("photo")] = photo
    if result.completion is not None:
        head[key("mask")] = packed_image(f"{name} {KINDS['mask']}", result.completion.mask, color=False)
        head[key("completed")] = packed_image(f"{name} {KINDS['completed']}", result.completion.photo)
    head[key("confidence")] = packed_image(f"{name} {KINDS['confidence']}", colored(result))
    head[SHARES] = shares(result, model)


def key(kind: str) -> str:
    """The custom property that holds a picture of `KINDS`."""
    return f"facewright_{kind}"


def picture_of(head: bpy.types.Object, kind: str) -> bpy.types.Image | None:
    """A picture of a head; None when it has none or the user removed it."""
    return head.get(key(kind))


def colored(result: FaceResult) -> np.ndarray:
    """(S, S, 3) uint8 sRGB: the confidence of each texel in the colours of `LEVELS`."""
    palette = np.array([LEVELS[level][1] for level in sorted(LEVELS)], np.uint8)
    picture = palette[result.confidence]
    picture[_margin(result.texture.source)] = OUTSIDE
    return picture


def _margin(source: np.ndarray) -> np.ndarray:
    """(S, S) bool: outside the layout, less a rim that filtering at its seams may touch."""
    rim = max(source.shape[0] // 256, 1)
    used = cv2.dilate((source > 0).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
    return used == 0


def shares(result: FaceResult, model: FaceModel) -> list[float]:
    """Share of the face's surface by level, in the order of `LEVELS`; scalp, ears and neck do not count."""
    sides = [f"{part}_{side}" for part in ("brow", "lids", "socket", "cheek") for side in ("right", "left")]
    inside = model.in_regions("forehead", "nose", "upper_lip", "lower_lip", "chin", "jaw", *sides)
    face = inside[model.faces].all(axis=1)
    corners = model.vertices[model.faces[face]]
    area = np.linalg.norm(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1)
    known, size = result.confidence, result.confidence.shape[0]
    uv = model.uv[model.uv_faces[face]].mean(axis=1)
    column, row = (np.stack([uv[:, 0], 1 - uv[:, 1]]) * size).astype(int).clip(0, size - 1)
    found = known[row, column]
    return [float(area[found == level].sum() / area.sum()) for level in LEVELS]


def store_completed(name: str, face: str, completion: Completion) -> bpy.types.Image:
    """The completed photo of `face`, in the place of an earlier one."""
    old = next((image for image in bpy.data.images if image.get(_COMPLETED_OF) == face), None)
    image = packed_image(f"{name} {KINDS['completed']}", completion.photo)
    image[_COMPLETED_OF] = face
    return take_place(image, old)
