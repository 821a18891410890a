"""Smooth fields over a mesh's surface: low frequencies without regard to UV seams."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix, diags
from scipy.sparse.linalg import SuperLU, splu

_FAITH = 0.05  # blurred weight at which data and rest count alike


def triangle_areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,) areas of (T, 3) triangles over (V, 3) vertices."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0


def vertex_areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V,) a third of the area of all triangles (T, 3) round each of (V, 3) vertices."""
    thirds = np.repeat(triangle_areas(vertices, triangles) / 3.0, 3)
    return np.bincount(triangles.ravel(), thirds, minlength=len(vertices))


class SurfaceBlur:
    """A blur of fixed radius over a surface, factorised once; one use costs a few milliseconds.

    The kernel is that of the screened Poisson equation, applied twice: like a Gaussian near by, with a tail that
    still tells a nearer from a farther point anywhere on the surface.
    """

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray, radius: float) -> None:
        """(V, 3) vertices and `radius` in metres, (T, 3) triangles; vertices in no triangle are left alone."""
        self._rows, compact = np.unique(triangles, return_inverse=True)
        compact = compact.reshape(-1, 3)
        points = vertices[self._rows].astype(np.float64)
        count = len(points)
        edges = np.unique(np.sort(compact[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
        rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
        adjacency = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
        laplacian = diags(np.asarray(adjacency.sum(axis=1)).ravel()) - adjacency
        self._mass = vertex_areas(points, compact) + 1e-12
        # applied twice the variance is four times this factor; unit weights on six neighbours double the stiffness
        self._solver = factorised((diags(self._mass) + radius**2 / 8.0 * laplacian).tocsc())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(V, C) or (V,) blurred, float32; untouched where there is no surface."""
        out = np.array(values, np.float32)
        inner = out[self._rows].astype(np.float64)
        mass = self._mass if inner.ndim == 1 else self._mass[:, None]
        for _ in range(2):
            inner = self._solver.solve(mass * inner)
        out[self._rows] = inner
        return out

    def extend(self, values: np.ndarray, weight: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(V, C) low frequencies of (V, C) `values` where the (V,) `weight` is high, carried on elsewhere.

        Beyond about twice the radius from any data the result goes over into `rest`, (C,) or (V, C). The second answer
        is the blurred weight, (V,).
        """
        stacked = np.concatenate([values * weight[:, None], weight[:, None]], axis=1)
        blurred = self(stacked)
        faith = np.maximum(blurred[:, -1:], 0.0)
        return (blurred[:, :-1] + _FAITH * rest) / (faith + _FAITH), blurred[:, -1]


def factorised(matrix: csc_matrix) -> SuperLU:
    """A symmetric, diagonally dominant matrix needs no pivoting, and an ordering of its own fills in half as much."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
