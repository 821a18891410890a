"""How far a head under the light of its photo looks like that photo: levels apart, by part of the face."""

from __future__ import annotations

import cv2
import numpy as np

from core.geometry import lighting
from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import interpolate, vertex_normals
from core.types import PARTS, Camera, FaceTexture

from .sheets import textured

_CLEAR = ("cornea", "lashes")  # parts, by the start of their names, that are not drawn
_SKIN = [PARTS.index(name) for name in ("skin", "nose")]
_EYES = [PARTS.index(name) for name in ("eye_left", "eye_right")]
_BROWS = [PARTS.index(name) for name in ("brow_left", "brow_right")]
_LIPS = [PARTS.index(name) for name in ("upper_lip", "lower_lip")]
_MOUTH = [PARTS.index("mouth")]
_LIDS = 0.1  # of the distance of the outer eye corners: how far from the eyes lids reach
_FEW = 40  # pixels of a part, with fewer of which nothing is said
COLUMNS = ("skin", "lids", "eyes", "brows", "lips", "mouth")


def relit(
    model: FaceModel, vertices: np.ndarray, texture: FaceTexture, camera: Camera, light: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 picture of a matt head of (V, 3) vertices, and the (H, W) bool that it covers.

    `light` is (9,) in the frame of a camera turned by (3, 3) `turn`, which need not be the one that looks.
    """
    raster, triangles, color = textured(model, vertices, texture.color, camera, _CLEAR)
    hit = raster.mask
    normals = lighting.camera_normals_to_light(vertex_normals(vertices, model.triangles) @ turn.T.astype(np.float32))
    normals = interpolate(raster, triangles, normals.astype(np.float32))[hit]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    picture = np.zeros((camera.height, camera.width, 3), np.uint8)
    picture[hit] = np.rint(255.0 * lighting.linear_to_srgb(lighting.shade(lighting.LINEAR[color], normals, light)))
    return picture, hit


def levels_apart(photo: np.ndarray, picture: np.ndarray, where: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(COLUMNS,) mean absolute difference of (H, W, 3) uint8 pictures on parts of the face; NaN where too few.

    Of (H, W) `labels`, indices of `PARTS`, those count that lie `where` (H, W) bool says.
    """
    apart = cv2.absdiff(photo, picture).mean(axis=2)
    eyes = np.isin(labels, _EYES).astype(np.uint8)
    columns = np.flatnonzero(eyes.any(axis=0))
    reach = round(_LIDS * float(np.ptp(columns))) if len(columns) else 0
    round_eyes = cv2.dilate(eyes, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    skin = np.isin(labels, _SKIN)
    named = (np.isin(labels, names) for names in (_BROWS, _LIPS, _MOUTH))
    parts = (skin & ~round_eyes, skin & round_eyes, eyes > 0, *named)
    return np.array([apart[part & where].mean() if (part & where).sum() >= _FEW else np.nan for part in parts])
