"""Where a photo shows hair, and how it lies to the rays of a grid round the head."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import PARTS, Camera
from .camera import project
from .head_view import PhotoCut

WORN = [PARTS.index(name) for name in ("hair", "hat")]  # what a mesh beside the head shows
_SOFT = 0.0012  # metres by which the edge of the hair is softened: parts are told no finer
WITHIN = 0.003  # metres from the edge of hair, nearer to which something else shows through
_STRAY = 0.1  # of the largest piece of hair; smaller ones are somebody else's, or earrings
_HOLE = 1e-4  # square metres; smaller gaps in hair are none
_FINEST = 0.8  # pixels of the photo that are kept per texel


@dataclass(frozen=True, eq=False)
class HairView:
    """The part of a photo round the hair, and a camera that sees it."""

    photo: np.ndarray  # (h, w, 3) uint8 RGB
    hair: np.ndarray  # (h, w) float32 in [0, 1]: it shows hair, or a hat
    metre: float  # pixels of `photo` per metre at the head
    eye: np.ndarray  # (3,) where the camera stands, model frame, metres
    _camera: Camera
    _cut: PhotoCut

    @staticmethod
    def of(photo: np.ndarray, parts: np.ndarray, camera: Camera, reached: np.ndarray, size: int) -> HairView:
        """Of a (H, W, 3) photo with (H, W) indices of `PARTS`, round (N, 3) points; for a texture of `size` texels."""
        points = project(camera, reached)[:, :2]
        cut = PhotoCut.round_points(points, photo.shape, round(_FINEST * size))
        metre = float(cut.scale[0]) * camera.focal / float(camera.translation[2])
        hair = _pieces(cut.of(np.isin(parts, WORN).astype(np.uint8), cv2.INTER_NEAREST), metre)
        soft = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), max(_SOFT * metre, 0.5))
        return HairView(cut.of(photo), soft, metre, -camera.rotation.T @ camera.translation, camera, cut)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) float32 pixels of `photo` at (..., 3) points, model frame."""
        projected = project(self._camera, points.reshape(-1, 3)).astype(np.float32)
        return self._cut.moved(projected)[:, :2].reshape(*points.shape[:-1], 2)

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """(...) bool: (..., 2) pixels lie in the photo, away from its borders, where parts are seldom told."""
        height, width = self.hair.shape
        margin = 2.0 * _SOFT * self.metre
        return ((pixels >= margin) & (pixels <= [width - 1 - margin, height - 1 - margin])).all(axis=-1)

    def hair_at(self, pixels: np.ndarray) -> np.ndarray:
        """(N, M) float32 in [0, 1]: how much the photo shows hair at (N, M, 2) pixels; its edge goes on outside."""
        x, y = (np.ascontiguousarray(pixels[..., axis], dtype=np.float32) for axis in (0, 1))
        return cv2.remap(self.hair, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def facing(self, points: np.ndarray, outward: np.ndarray) -> np.ndarray:
        """(...) cosine between (..., 3) unit vectors at (..., 3) points and the way to the camera."""
        rays = self.eye - points
        return (outward * rays).sum(axis=-1) / np.linalg.norm(rays, axis=-1)


def _pieces(hair: np.ndarray, metre: float) -> np.ndarray:
    """(h, w) uint8 0 or 1: hair without stray pieces and without small holes."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(hair)
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = (areas >= _STRAY * max(areas.max(), 1)).astype(np.uint8)[labels]
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - kept)
    hole = statistics[:, cv2.CC_STAT_AREA] < _HOLE * metre**2
    return kept | hole[labels]
