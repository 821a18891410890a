"""Ground lenses from the single sheets that the fast renderer draws."""

from __future__ import annotations

import numpy as np

_EDGE = 0.0012  # metres: least thickness


def ground_lens(
    sheet: np.ndarray, triangles: np.ndarray, normals: np.ndarray, dioptres: float
) -> tuple[np.ndarray, np.ndarray]:
    """(2 N, 3) vertices and (M, 3) triangles of a closed lens whose front is a sheet of (N, 3) points and normals.

    Negative dioptres make the lens thicker at its rim and the eye behind it smaller, positive ones the reverse.
    """
    front = sheet.astype(np.float64)
    forward = normals.mean(axis=0) / np.linalg.norm(normals.mean(axis=0))
    corners = front[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(axis=0) @ forward
    outside = triangles if facing > 0 else triangles[:, ::-1]
    offset = front - front.mean(axis=0)
    radius2 = np.maximum((offset**2).sum(axis=1) - (offset @ forward) ** 2, 0.0)
    bulge = -dioptres * radius2  # thin lens of index 1.5: power * r^2 / (2 (n - 1))
    back = front - forward * (_EDGE + bulge - bulge.min())[:, None]
    rim, count = _boundary(outside), len(front)
    wall = [
        np.column_stack([rim[:, 1], rim[:, 0], rim[:, 0] + count]),
        np.column_stack([rim[:, 1], rim[:, 0] + count, rim[:, 1] + count]),
    ]
    return np.concatenate([front, back]).astype(np.float32), np.concatenate([outside, outside[:, ::-1] + count, *wall])


def _boundary(triangles: np.ndarray) -> np.ndarray:
    """(E, 2) directed edges that belong to one triangle alone."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, inverse, counts = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    return edges[counts[inverse.ravel()] == 1]
