"""Compiled inner loops of the renderer: z-buffer, interpolation, normals, projection.

The numbers are those of `core.geometry.rasterizer`, which has to do without a compiler and is several times slower.
Infinity marks empty depth, so the loops keep to the fast-math liberties that respect it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from core.geometry.rasterizer import BACKGROUND, Raster
from core.types import Camera

FAST = {"contract", "reassoc", "nsz", "arcp"}
_EDGE = -1e-9  # weight of a corner from which a pixel on the far edge counts as inside, whatever the sums' rounding


def rasterize(
    points: np.ndarray, triangles: np.ndarray, width: int, height: int, *, cull: bool = False,
    before: np.ndarray | None = None,
) -> Raster:  # fmt: skip
    """As `core.geometry.rasterizer.rasterize`: (V, 2 or 3) points in pixels (and depth), (T, 3) triangles.

    Only what lies nearer than the (height, width) depths `before` is seen, when they are given.
    """
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise ValueError(f"points must be (V, 2) or (V, 3), got {points.shape}")
    flat = _plain(points)
    if flat.shape[1] == 2:
        flat = np.concatenate([flat, np.ones((len(flat), 1), np.float32)], axis=1)
    corners = np.ascontiguousarray(triangles, np.int32)
    ids = np.full((height, width), BACKGROUND, np.int32)
    nearness = np.zeros((height, width), np.float32) if before is None else np.float32(1.0) / before
    _fill(flat, corners, cull, ids, nearness)
    barycentric, depth = np.zeros((height, width, 3), np.float32), np.full((height, width), np.inf, np.float32)
    _solve(flat, corners, ids, barycentric, depth)
    return Raster(ids, barycentric, depth)


def _plain(array: np.ndarray) -> np.ndarray:
    """Contiguous float32, so that each loop is compiled for one layout only."""
    return np.ascontiguousarray(array, np.float32)


@njit(cache=True, nogil=True, fastmath=FAST)
def _fill(points: np.ndarray, triangles: np.ndarray, cull: bool, ids: np.ndarray, nearness: np.ndarray) -> None:
    """The nearest triangle of each pixel; `nearness` keeps 1 / depth, which is linear in the picture."""
    height, width = ids.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0.0 or (cull and area > 0.0) or min(points[a, 2], points[b, 2], points[c, 2]) <= 0.0:
            continue
        left, right = np.ceil(max(min(ax, bx, cx), 0.0)), np.floor(min(max(ax, bx, cx), width - 1.0))
        top, bottom = np.ceil(max(min(ay, by, cy), 0.0)), np.floor(min(max(ay, by, cy), height - 1.0))
        if left > right or top > bottom:
            continue
        scale = 1.0 / area
        za, zb, zc = 1.0 / points[a, 2], 1.0 / points[b, 2], 1.0 / points[c, 2]
        da, db, dc = (by - cy) * scale, (cy - ay) * scale, (ay - by) * scale
        for y in range(int(top), int(bottom) + 1):
            wa = ((bx - left) * (cy - y) - (cx - left) * (by - y)) * scale
            wb = ((cx - left) * (ay - y) - (ax - left) * (cy - y)) * scale
            wc = ((ax - left) * (by - y) - (bx - left) * (ay - y)) * scale
            for x in range(int(left), int(right) + 1):
                if wa >= _EDGE and wb >= _EDGE and wc >= _EDGE:
                    near = np.float32(wa * za + wb * zb + wc * zc)
                    if near > nearness[y, x]:
                        nearness[y, x] = near
                        ids[y, x] = t
                wa, wb, wc = wa + da, wb + db, wc + dc


@njit(cache=True, nogil=True, fastmath=FAST)
def _solve(
    points: np.ndarray, triangles: np.ndarray, ids: np.ndarray, barycentric: np.ndarray, depth: np.ndarray
) -> None:
    """Perspective-correct weights and depth of the hit pixels."""
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            t = ids[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax, ay, bx, by = points[a, 0] - x, points[a, 1] - y, points[b, 0] - x, points[b, 1] - y
            cx, cy = points[c, 0] - x, points[c, 1] - y
            wa, wb, wc = bx * cy - cx * by, cx * ay - ax * cy, ax * by - bx * ay
            scale = 1.0 / (wa + wb + wc)
            wa = min(max(wa * scale, 0.0), 1.0) / points[a, 2]
            wb = min(max(wb * scale, 0.0), 1.0) / points[b, 2]
            wc = min(max(wc * scale, 0.0), 1.0) / points[c, 2]
            far = 1.0 / (wa + wb + wc)
            barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2] = wa * far, wb * far, wc * far
            depth[y, x] = far


def interpolate_hits(raster: Raster, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, C) float32: (V, C) vertex values at the N hit pixels of a raster, row by row."""
    flat, ids = _plain(values), raster.triangle_id
    out = np.empty((int(np.count_nonzero(ids >= 0)), flat.shape[1]), np.float32)
    _interpolate(ids, raster.barycentric, np.ascontiguousarray(triangles, np.int32), flat, out)
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def _interpolate(
    ids: np.ndarray, barycentric: np.ndarray, triangles: np.ndarray, values: np.ndarray, out: np.ndarray
) -> None:
    row = 0
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            t = ids[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v, w = barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2]
            for k in range(values.shape[1]):
                out[row, k] = values[a, k] * u + values[b, k] * v + values[c, k] * w
            row += 1


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) float32 unit area-weighted normals of (V, 3) vertices and (T, 3) counter-clockwise triangles."""
    return _normals(_plain(vertices), np.ascontiguousarray(triangles, np.int32))


@njit(cache=True, nogil=True, fastmath=FAST)
def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    total = np.zeros(vertices.shape, np.float64)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            total[corner, 0] += nx
            total[corner, 1] += ny
            total[corner, 2] += nz
    out = np.empty(vertices.shape, np.float32)
    for row in range(total.shape[0]):
        x, y, z = total[row, 0], total[row, 1], total[row, 2]
        scale = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-20)
        out[row, 0], out[row, 1], out[row, 2] = x * scale, y * scale, z * scale
    return out


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """(N, 3) float32 pixels and depth (metres) of (N, 3) model-frame points."""
    turn, shift = _plain(camera.rotation), _plain(camera.translation)
    lens = np.array([camera.focal, *camera.center], np.float32)
    return _project(_plain(points), turn, shift, lens)


@njit(cache=True, nogil=True, fastmath=FAST)
def _project(points: np.ndarray, turn: np.ndarray, shift: np.ndarray, lens: np.ndarray) -> np.ndarray:
    out = np.empty(points.shape, np.float32)
    for row in range(points.shape[0]):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        depth = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z + shift[2]
        scale = lens[0] / depth
        out[row, 0] = lens[1] + (turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z + shift[0]) * scale
        out[row, 1] = lens[2] + (turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z + shift[1]) * scale
        out[row, 2] = depth
    return out
