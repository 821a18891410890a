"""Small helpers for meshes made in code."""

from __future__ import annotations

import numpy as np


def grid_triangles(rows: int, columns: int) -> np.ndarray:
    """(M, 3) int32 triangles of a `rows` x `columns` grid of vertices, row by row."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
