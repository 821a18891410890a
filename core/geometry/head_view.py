"""The posed head as a photo shows it: where each vertex lands, how it is turned, and what hides it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import Camera
from . import lighting
from .camera import project
from .delighting import smoothstep
from .face_model import FaceModel
from .rasterizer import rasterize, vertex_normals
from .uv_sampling import sample

_DEPTH_SIZE = 320  # pixels across the head in the depth buffer
_DEPTH_TOLERANCE = 0.003  # metres
_JUMP = 0.015  # metres of depth between neighbouring pixels
_JUMP_MARGIN = (0.001, 0.0045)  # metres from a jump of depth: unbelieved, fully believed
_TRANSPARENT = ("cornea", "lashes")  # parts, by the start of their names, that hide nothing
_LINEAR = lighting.srgb_to_linear(np.arange(256, dtype=np.float32) / 255.0)


@dataclass(frozen=True, eq=False)
class HeadView:
    """The part of a photo round the head, reduced to about the texture's own resolution."""

    photo: np.ndarray  # (h, w, 3) uint8 RGB
    points: np.ndarray  # (V, 3) float32: x, y in pixels of that part, depth in metres
    normals: np.ndarray  # (V, 3) float32, light frame
    facing: np.ndarray  # (V,) float32 cosine between normal and view
    visible: np.ndarray  # (V,) bool: within the photo and not hidden by the head itself
    metre: float  # pixels of `photo` per metre at the head
    depth: np.ndarray  # (d, e) float32 depth buffer, the farthest of each neighbourhood, metres
    edge: np.ndarray  # (d, e) float32 in [0, 1]: 0 at jumps of depth, where a misfit shows another surface
    depth_scale: float  # pixels of `depth` per pixel of `photo`

    def colors(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) linear colours of the photo at (N, 2) of its pixels."""
        return _LINEAR[sample(self.photo, points, cv2.INTER_CUBIC)]

    def averages(self, radius: float) -> np.ndarray:
        """(V, 3) linear colours at the vertices, averaged over `radius` metres."""
        blurred = cv2.GaussianBlur(self.photo, (0, 0), max(0.4, radius * self.metre))
        return _LINEAR[sample(blurred, self.points[:, :2])]

    def shown(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool: (N, 3) points, like `points`, that the head does not hide."""
        return points[:, 2] <= sample(self.depth, points[:, :2] * self.depth_scale) + _DEPTH_TOLERANCE

    def away_from_edges(self, points: np.ndarray) -> np.ndarray:
        """(N,) float32: 0 at silhouettes and jumps of depth, 1 a few millimetres away; points as in `shown`."""
        return sample(self.edge, points[:, :2] * self.depth_scale)


def view_head(model: FaceModel, vertices: np.ndarray, photo: np.ndarray, camera: Camera, size: int) -> HeadView:
    """See (V, 3) posed `vertices` in a (H, W, 3) uint8 photo, for a texture of `size` texels a side."""
    rotation = camera.rotation.astype(np.float32)
    normals = vertex_normals(vertices, model.triangles) @ rotation.T
    rays = vertices @ rotation.T + camera.translation.astype(np.float32)
    part, points, shrink = _cut_out(photo, project(camera, vertices).astype(np.float32), size)
    metre = shrink * camera.focal / float(camera.translation[2])
    depth, scale = _depth_buffer(model, points)
    jump = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > _JUMP
    away = cv2.distanceTransform((~jump).astype(np.uint8), cv2.DIST_L2, 3)
    farthest = cv2.dilate(depth, np.ones((2, 2), np.uint8))
    height, width = part.shape[:2]
    within = ((points[:, :2] >= 0) & (points[:, :2] <= [width - 1, height - 1])).all(axis=1)
    hidden_by = sample(farthest, points[:, :2] * scale)
    return HeadView(
        photo=part,
        points=points,
        normals=lighting.camera_normals_to_light(normals),
        facing=-(normals * rays).sum(axis=1) / np.linalg.norm(rays, axis=1),
        visible=within & (points[:, 2] <= hidden_by + _DEPTH_TOLERANCE),
        metre=metre,
        depth=farthest,
        edge=smoothstep(away, *(scale * metre * margin for margin in _JUMP_MARGIN)),
        depth_scale=scale,
    )


def _depth_buffer(model: FaceModel, points: np.ndarray) -> tuple[np.ndarray, float]:
    """Depth of all that hides, metres, a far wall elsewhere; and the buffer's scale over the pixels of `points`."""
    solid = [row for row, name in enumerate(model.part_names) if not name.startswith(_TRANSPARENT)]
    triangles = model.triangles[np.isin(model.triangle_part, solid)]
    extent = np.maximum(points[:, :2].max(axis=0), 1.0)
    scale = _DEPTH_SIZE / float(extent.max())
    width, height = np.ceil(extent * scale).astype(int) + 2
    scaled = points * np.array([scale, scale, 1.0], np.float32)
    depth = rasterize(scaled, triangles, int(width), int(height)).depth
    return np.where(np.isfinite(depth), depth, 1e3).astype(np.float32), scale


def _cut_out(photo: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The photo round (V, 3) projected points, shrunk where finer than the texture; moved points; its scale."""
    bounds = np.array([photo.shape[1], photo.shape[0]])
    low = np.clip(np.floor(points[:, :2].min(axis=0)) - 8, 0, bounds - 2).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(axis=0)) + 8, low + 2, bounds).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]]
    factor = min(1.0, 1.2 * size / float(np.ptp(points[:, 0])))
    if factor < 1.0:
        target = np.maximum(np.round((high - low) * factor), 2).astype(int)
        part = cv2.resize(part, (int(target[0]), int(target[1])), interpolation=cv2.INTER_AREA)
    scale = np.array([part.shape[1], part.shape[0]]) / (high - low)
    moved = points.copy()
    moved[:, :2] = (points[:, :2] - low + 0.5) * scale - 0.5
    return np.ascontiguousarray(part), moved, float(scale[0])
