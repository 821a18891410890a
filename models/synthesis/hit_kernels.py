"""Compiled steps between z-buffer and picture: what light meets at each hit, compositing."""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import FAST

NO_SHADOW = np.zeros((1, 1), np.float32)  # depth map that hides nothing


@njit(cache=True, nogil=True, fastmath=FAST)
def hit_frames(
    ids: np.ndarray, barycentric: np.ndarray, triangles: np.ndarray, vertices: np.ndarray, normals: np.ndarray,
    turn: np.ndarray, lens: np.ndarray, both_sides: bool, depth: np.ndarray, shadow_turn: np.ndarray,
    shadow_shift: np.ndarray, bias: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Unit normals (N, 3), unit directions to the eye (N, 3), both in the light frame, and the lit share (N,).

    `vertices`, `normals` (V, 3) model frame; `turn` (3, 3) model to light frame; `lens` focal length and centre,
    pixels; `depth` the (S, S) shadow map or `NO_SHADOW`, whose pixels and depth are `point @ shadow_turn +
    shadow_shift`. `both_sides` turns normals towards the eye.
    """
    count = 0
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            count += ids[y, x] >= 0
    facing, eye = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    lit = np.ones(count, np.float32)
    side = depth.shape[0]
    n = 0
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            t = ids[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v, w = barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2]
            mx = normals[a, 0] * u + normals[b, 0] * v + normals[c, 0] * w
            my = normals[a, 1] * u + normals[b, 1] * v + normals[c, 1] * w
            mz = normals[a, 2] * u + normals[b, 2] * v + normals[c, 2] * w
            nx = turn[0, 0] * mx + turn[0, 1] * my + turn[0, 2] * mz
            ny = turn[1, 0] * mx + turn[1, 1] * my + turn[1, 2] * mz
            nz = turn[2, 0] * mx + turn[2, 1] * my + turn[2, 2] * mz
            ex, ey = -(x - lens[1]) / lens[0], (y - lens[2]) / lens[0]
            far = 1.0 / np.sqrt(ex * ex + ey * ey + 1.0)
            scale = 1.0 / max(np.sqrt(nx * nx + ny * ny + nz * nz), np.float32(1e-6))
            if both_sides and nx * ex + ny * ey + nz < 0.0:
                scale = -scale
            facing[n, 0], facing[n, 1], facing[n, 2] = nx * scale, ny * scale, nz * scale
            eye[n, 0], eye[n, 1], eye[n, 2] = ex * far, ey * far, far
            if side > 1:
                px = vertices[a, 0] * u + vertices[b, 0] * v + vertices[c, 0] * w
                py = vertices[a, 1] * u + vertices[b, 1] * v + vertices[c, 1] * w
                pz = vertices[a, 2] * u + vertices[b, 2] * v + vertices[c, 2] * w
                sx = px * shadow_turn[0, 0] + py * shadow_turn[1, 0] + pz * shadow_turn[2, 0] + shadow_shift[0]
                sy = px * shadow_turn[0, 1] + py * shadow_turn[1, 1] + pz * shadow_turn[2, 1] + shadow_shift[1]
                sz = px * shadow_turn[0, 2] + py * shadow_turn[1, 2] + pz * shadow_turn[2, 2] + shadow_shift[2]
                lit[n] = _taps(depth, sx, sy, sz - bias)
            n += 1
    return facing, eye, lit


@njit(cache=True, nogil=True, fastmath=FAST, inline="always")
def _taps(depth: np.ndarray, x: float, y: float, z: float) -> float:
    """Share of five taps of a depth map that lie behind depth z."""
    size, total = depth.shape[0], np.float32(0.0)
    for tap in range(5):
        dx = 1.0 if tap == 2 or tap == 4 else (-1.0 if tap > 0 else 0.0)
        dy = 1.0 if tap >= 3 else (-1.0 if tap > 0 else 0.0)
        column = int(min(max(x + dx + 0.5, 0.0), size - 1.0))
        row = int(min(max(y + dy + 0.5, 0.0), size - 1.0))
        total += 0.2 if z < depth[row, column] else 0.0
    return float(total)


@njit(cache=True, nogil=True, fastmath=FAST)
def spread_hits(ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(H, W, C) float32: the (N, C) rows at the hit pixels, 0 elsewhere."""
    out = np.zeros((ids.shape[0], ids.shape[1], rows.shape[1]), np.float32)
    n = 0
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            if ids[y, x] >= 0:
                for k in range(rows.shape[1]):
                    out[y, x, k] = rows[n, k]
                n += 1
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def spread_layer(ids: np.ndarray, color: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) and (H, W) float32: the (N, 3) colours and (N,) covers at the hit pixels, 0 elsewhere."""
    image, amount = np.zeros((ids.shape[0], ids.shape[1], 3), np.float32), np.zeros(ids.shape, np.float32)
    n = 0
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            if ids[y, x] >= 0:
                image[y, x, 0], image[y, x, 1], image[y, x, 2] = color[n, 0], color[n, 1], color[n, 2]
                amount[y, x] = cover[n]
                n += 1
    return image, amount


@njit(cache=True, nogil=True, fastmath=FAST)
def nearest_corners(
    ids: np.ndarray, barycentric: np.ndarray, triangles: np.ndarray, first: np.ndarray, second: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(count,) each: two (V,) classes of vertices at the hit pixels, taken from the nearest corner."""
    out, other = np.empty(count, first.dtype), np.empty(count, second.dtype)
    n = 0
    for y in range(ids.shape[0]):
        for x in range(ids.shape[1]):
            t = ids[y, x]
            if t < 0:
                continue
            u, v, w = barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2]
            corner = 0 if u >= v and u >= w else (1 if v >= w else 2)
            vertex = triangles[t, corner]
            out[n], other[n] = first[vertex], second[vertex]
            n += 1
    return out, other


@njit(cache=True, nogil=True, fastmath=FAST)
def at_places(
    places: np.ndarray, ids: np.ndarray, barycentric: np.ndarray, triangles: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """(N, 3) float32: (V, 3) vertex values at the pixels of a raster that are nearest to (N, 2) places."""
    height, width = ids.shape
    out = np.empty((places.shape[0], 3), np.float32)
    for n in range(places.shape[0]):
        x = int(min(max(np.rint(places[n, 0]), np.float32(0.0)), np.float32(width - 1)))
        y = int(min(max(np.rint(places[n, 1]), np.float32(0.0)), np.float32(height - 1)))
        t = ids[y, x]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        u, v, w = barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2]
        for k in range(3):
            out[n, k] = values[a, k] * u + values[b, k] * v + values[c, k] * w
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def composite(
    color: np.ndarray, depth: np.ndarray, label: np.ndarray, over: np.ndarray, cover: np.ndarray, near: np.ndarray,
    kind: int,
) -> np.ndarray:  # fmt: skip
    """Lay (H, W, 3) `over` with its cover and depth onto colour, depth and label, in place; the visible cover."""
    seen = np.zeros(cover.shape, np.float32)
    for y in range(cover.shape[0]):
        for x in range(cover.shape[1]):
            amount = cover[y, x]
            if amount <= 0.0 or not near[y, x] < depth[y, x]:
                continue
            seen[y, x] = amount
            for k in range(3):
                color[y, x, k] += (over[y, x, k] - color[y, x, k]) * amount
            if amount > 0.5:
                depth[y, x] = near[y, x]
                label[y, x] = kind
    return seen
