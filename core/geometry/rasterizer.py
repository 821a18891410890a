"""A z-buffer on numpy arrays: which triangle each pixel sees, where on it, and how far away.

OpenCV finds the nearest triangle of each pixel; the place on it is then solved exactly from its corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

BACKGROUND = -1


@dataclass(frozen=True)
class Raster:
    """What a z-buffer of `height` x `width` pixels sees."""

    triangle_id: np.ndarray  # (H, W) int32, row of the triangle list, `BACKGROUND` where nothing is
    barycentric: np.ndarray  # (H, W, 3) float32 in [0, 1], perspective-correct, 0 where nothing is hit
    depth: np.ndarray  # (H, W) float32, unit of the input's third column, infinity where nothing is hit

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool: a triangle was hit."""
        return self.triangle_id >= 0


def rasterize(points: np.ndarray, triangles: np.ndarray, width: int, height: int, *, cull: bool = False) -> Raster:
    """Rasterise (T, 3) triangles over points given in pixels of a `width` x `height` picture.

    `points` is (V, 3): x, y as a pinhole projects them and the depth (z > 0, greater is farther, any unit),
    or (V, 2) for a flat layout such as UV space, where depth is 1 and triangles must not overlap. A pixel
    belongs to a triangle when its centre (integer coordinates) lies in it; the nearest triangle wins.
    Triangles with a corner at or behind depth 0 are dropped. `cull` drops triangles that show their back:
    faces are counter-clockwise seen from outside.
    """
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"points must be (V, 2) or (V, 3), got {points.shape}")
    points = points.astype(np.float32, copy=False)
    if points.shape[1] == 2:
        points = np.concatenate([points, np.ones((len(points), 1), np.float32)], axis=1)
    corners = points[triangles]  # (T, 3, 3)
    kept = _candidates(corners, width, height, cull)
    nearest = _nearest(corners[kept], width, height)
    hit = np.flatnonzero(nearest >= 0)
    weights, depth = _solve(corners[kept[nearest[hit]]], hit % width, hit // width)
    return _gather((height, width), hit, kept[nearest[hit]], weights, depth)


def _candidates(corners: np.ndarray, width: int, height: int, cull: bool) -> np.ndarray:
    """(N,) rows of (T, 3, 3) corners that can cover a pixel centre."""
    x, y, z = (corners[:, :, axis] for axis in range(3))
    low_x, high_x = np.ceil(_minimum(x)), np.floor(_maximum(x))
    low_y, high_y = np.ceil(_minimum(y)), np.floor(_maximum(y))
    keep = (low_x <= high_x) & (low_y <= high_y) & (_minimum(z) > 0)
    keep &= (high_x >= 0) & (high_y >= 0) & (low_x <= width - 1) & (low_y <= height - 1)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    keep &= (area < 0) if cull else (area != 0)
    return np.flatnonzero(keep)


def _minimum(columns: np.ndarray) -> np.ndarray:
    return np.minimum(np.minimum(columns[:, 0], columns[:, 1]), columns[:, 2])


def _maximum(columns: np.ndarray) -> np.ndarray:
    return np.maximum(np.maximum(columns[:, 0], columns[:, 1]), columns[:, 2])


def _nearest(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H * W,) int64: row of the nearest of (N, 3, 3) corners (pixels, depth) at each pixel, -1 for none."""
    count = len(corners)
    if count == 0:
        return np.full(height * width, BACKGROUND, np.int64)
    depth = corners[:, :, 2]
    near, far = float(depth.min()) * 0.9, float(depth.max()) * 1.1  # tight: OpenCV keeps 1/z in float32
    view = np.empty((count, 3, 3), np.float32)  # unprojected for OpenCV's camera: y up, z towards the viewer
    view[:, :, 0] = (corners[:, :, 0] - (width - 1) / 2) * depth / height
    view[:, :, 1] = ((height - 1) / 2 - corners[:, :, 1]) * depth / height
    view[:, :, 2] = -depth
    codes = np.empty((count, 3, 3), np.float32)  # the row as a flat colour; exact below 2^23 triangles
    codes[:] = ((np.arange(count) + 1) / (count + 1))[:, None, None]
    color = np.zeros((height, width, 3), np.float32)
    buffer = np.full((height, width), far, np.float32)
    cv2.triangleRasterize(
        view.reshape(-1, 1, 3),
        np.arange(3 * count, dtype=np.int32).reshape(-1, 1, 3),
        codes.reshape(-1, 1, 3),
        color,
        buffer,
        np.eye(4, dtype=np.float32),
        2.0 * np.arctan(0.5),
        near,
        far,
        _settings(),
    )
    return np.rint(color[:, :, 0].ravel().astype(np.float64) * (count + 1)).astype(np.int64) - 1


def _settings() -> cv2.TriangleRasterizeSettings:
    settings = cv2.TriangleRasterizeSettings()
    settings.setShadingType(cv2.RASTERIZE_SHADING_FLAT)
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)  # done beforehand, on the pixel coordinates
    return settings


def _solve(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) perspective-correct weights and (N,) depth at pixels x, y of (N, 3, 3) corners."""
    dx = corners[:, :, 0] - x[:, None].astype(np.float32)
    dy = corners[:, :, 1] - y[:, None].astype(np.float32)
    weights = np.empty((len(corners), 3), np.float32)
    for k, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        weights[:, k] = dx[:, i] * dy[:, j] - dx[:, j] * dy[:, i]
    weights /= weights.sum(axis=1, keepdims=True)
    weights = np.clip(weights, 0.0, 1.0) / corners[:, :, 2]
    nearness = weights.sum(axis=1)
    return weights / nearness[:, None], 1.0 / nearness


def _gather(shape: tuple[int, int], hit: np.ndarray, ids: np.ndarray, weights: np.ndarray, depth: np.ndarray) -> Raster:
    pixels = shape[0] * shape[1]
    triangle_id, barycentric = np.full(pixels, BACKGROUND, np.int32), np.zeros((pixels, 3), np.float32)
    depths = np.full(pixels, np.inf, np.float32)
    triangle_id[hit], barycentric[hit], depths[hit] = ids, weights, depth
    return Raster(triangle_id.reshape(shape), barycentric.reshape(*shape, 3), depths.reshape(shape))


def interpolate(raster: Raster, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(H, W, C) float32: (V, C) vertex values at each pixel's surface point; 0 where nothing is hit."""
    out = np.zeros((*raster.triangle_id.shape, values.shape[1]), np.float32)
    mask = raster.mask
    corners, weights = triangles[raster.triangle_id[mask]], raster.barycentric[mask]
    result = values[corners[:, 0]] * weights[:, :1]
    result += values[corners[:, 1]] * weights[:, 1:2]
    result += values[corners[:, 2]] * weights[:, 2:]
    out[mask] = result
    return out


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) float32 unit area-weighted normals of (V, 3) vertices and (T, 3) counter-clockwise triangles."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    face = np.empty_like(u)
    face[:, 0] = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
    face[:, 1] = u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2]
    face[:, 2] = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    total = np.empty(vertices.shape, np.float64)
    corner = triangles.ravel()
    for axis in range(3):
        total[:, axis] = np.bincount(corner, np.repeat(face[:, axis], 3), minlength=len(vertices))
    length = np.sqrt(np.einsum("vk,vk->v", total, total))
    return (total / np.maximum(length, 1e-20)[:, None]).astype(np.float32)


def visible_points(raster: Raster, points: np.ndarray, tolerance: float) -> np.ndarray:
    """(N,) bool: (N, 3) projected points (x, y pixels, depth) not hidden by more than `tolerance` of depth.

    Points outside the picture are not visible. The farthest surface among the four pixels round a point
    decides, so that a point on a silhouette is not lost to the pixel beside it.
    """
    height, width = raster.depth.shape
    x, y = points[:, 0], points[:, 1]
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    x0 = np.clip(np.floor(x).astype(np.int64), 0, width - 2)
    y0 = np.clip(np.floor(y).astype(np.int64), 0, height - 2)
    farthest = np.full(len(points), -np.inf, np.float32)
    for dy in (0, 1):
        for dx in (0, 1):
            farthest = np.maximum(farthest, raster.depth[y0 + dy, x0 + dx])
    return inside & (points[:, 2] <= farthest + tolerance)
