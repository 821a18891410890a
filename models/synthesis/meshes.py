"""Small helpers for meshes made in code."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, 3) cross products of (N, 3) vectors with (N, 3) or (3,) ones, without the checks of NumPy's own."""
    x, y, z = a[:, 0], a[:, 1], a[:, 2]
    u, v, w = b[..., 0], b[..., 1], b[..., 2]
    out = np.empty(a.shape, np.result_type(a, b))
    out[:, 0], out[:, 1], out[:, 2] = y * w - z * v, z * u - x * w, x * v - y * u
    return out


@lru_cache(maxsize=128)
def grid_triangles(rows: int, columns: int) -> np.ndarray:
    """(M, 3) int32 triangles of a `rows` x `columns` grid of vertices, row by row; shared, not to be changed."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
