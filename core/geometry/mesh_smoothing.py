"""Smooth fields over a mesh's surface: low frequencies without regard to UV seams."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags


class MeshSmoother:
    """Solves for vertex fields that follow weighted data and are otherwise as smooth as the surface allows."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        """(V, 3) vertices in metres and (T, 3) triangles; vertices in no triangle are left alone."""
        edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        edges = np.unique(edges, axis=0)
        count = len(vertices)
        ones = np.ones(2 * len(edges), np.float32)
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        self._adjacency: csr_matrix = coo_matrix((ones, (rows, columns)), shape=(count, count)).tocsr()
        self._degree = np.asarray(self._adjacency.sum(axis=1)).ravel().astype(np.float32)
        self._average = diags(1.0 / np.maximum(self._degree, 1.0)).dot(self._adjacency).astype(np.float32)
        self.spacing = float(np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).mean())

    def blur(self, values: np.ndarray, radius: float) -> np.ndarray:
        """(V, C) or (V,) values averaged over neighbours; `radius` is the standard deviation in metres."""
        steps = max(1, round(2.0 * (radius / self.spacing) ** 2))
        out = np.asarray(values, np.float32)
        for _ in range(steps):
            out = 0.5 * out + 0.5 * (self._average @ out)
        return out

    def membrane(
        self, values: np.ndarray, weight: np.ndarray, radius: float, rest: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """(V, C) field near (V, C) `values` where the (V,) `weight` in [0, 1] is high, smooth elsewhere.

        Detail finer than `radius` (metres) is lost; far from any data the field relaxes to `rest`.
        """
        stiffness = (radius / self.spacing) ** 2
        tie = 1e-3 * stiffness / np.maximum((0.08 / radius) ** 2, 1.0)
        diagonal = (weight + tie + stiffness * self._degree).astype(np.float32)[:, None]
        right = weight[:, None] * values + tie * np.asarray(rest, np.float32)
        return _conjugate_gradients(self._adjacency, stiffness, diagonal, right.astype(np.float32))


def _conjugate_gradients(
    adjacency: csr_matrix, stiffness: float, diagonal: np.ndarray, right: np.ndarray, steps: int = 200
) -> np.ndarray:
    """Solve (diagonal - stiffness * adjacency) x = right for all columns at once, Jacobi-preconditioned."""
    x = right / diagonal
    residual = right - (diagonal * x - stiffness * (adjacency @ x))
    scaled = residual / diagonal
    direction = scaled.copy()
    energy = (residual * scaled).sum(axis=0)
    goal = 1e-7 * np.maximum((right**2 / diagonal).sum(axis=0), 1e-12)
    for _ in range(steps):
        if (energy <= goal).all():
            break
        moved = diagonal * direction - stiffness * (adjacency @ direction)
        length = energy / np.maximum((direction * moved).sum(axis=0), 1e-20)
        x += length * direction
        residual -= length * moved
        scaled = residual / diagonal
        following = (residual * scaled).sum(axis=0)
        direction = scaled + (following / np.maximum(energy, 1e-20)) * direction
        energy = following
    return x
