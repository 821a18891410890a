"""Mesh tools shared by the face-model scripts: adjacency, areas, mirror matching, closest points, smooth fields."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

MIRROR = np.array([-1.0, 1.0, 1.0])


def triangulate(faces: np.ndarray) -> np.ndarray:
    """(T, 3) triangles of (F, 4) faces; degenerate halves dropped."""
    triangles = faces[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return triangles[triangles[:, 1] != triangles[:, 2]]


def edges(faces: np.ndarray) -> np.ndarray:
    """(E, 2) unique undirected edges of (F, 4) faces."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 3]], faces[:, [3, 0]]])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def adjacency(faces: np.ndarray, vertices: np.ndarray) -> csr_matrix:
    """(V, V) symmetric matrix of edge lengths in the units of (V, 3) `vertices`."""
    pairs = edges(faces)
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1) + 1e-12
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return csr_matrix((np.tile(length, 2), both.T), shape=(len(vertices),) * 2)


def averaging(faces: np.ndarray, count: int) -> csr_matrix:
    """(V, V) operator that replaces a field by the mean over each vertex's neighbours."""
    pairs = edges(faces)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    matrix = csr_matrix((np.ones(len(both)), both.T), shape=(count, count))
    return diags(1.0 / np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)) @ matrix


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) third of the area of the triangles round each vertex, squared units of `vertices`."""
    tri = triangulate(faces)
    a, b, c = (vertices[tri[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(tri.ravel(), np.repeat(area, 3), minlength=len(vertices))


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) area-weighted unit normals."""
    tri = triangulate(faces)
    a, b, c = (vertices[tri[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    normal = np.stack(
        [np.bincount(tri.ravel(), np.repeat(face_normal[:, k], 3), minlength=len(vertices)) for k in range(3)], axis=1
    )
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)


def mirror_map(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) index of each vertex's mirror image across x = 0; an involution.

    Coincident and slightly asymmetric vertices are told apart by the mean positions of their first and second rings.
    """
    ring = averaging(faces, len(vertices))
    first = ring @ vertices
    key = np.concatenate([vertices, first, ring @ first], axis=1)
    image = key * np.tile(MIRROR, 3)
    _, mirror = cKDTree(key).query(image)
    wrong = np.flatnonzero(mirror[mirror] != np.arange(len(mirror)))
    if len(wrong):
        raise ValueError(f"{len(wrong)} vertices have no mirror image, first {wrong[:5]}")
    return mirror


def symmetrised(vertices: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """(V, 3) mean of a field of positions or deltas and its mirror image."""
    return (vertices + vertices[mirror] * MIRROR) / 2


def geodesic(faces: np.ndarray, vertices: np.ndarray, sources: np.ndarray, limit: float = np.inf) -> np.ndarray:
    """(V,) edge-path distance to the nearest of the `sources`; infinite where not reached."""
    return dijkstra(adjacency(faces, vertices), indices=np.atleast_1d(sources), min_only=True, limit=limit)


def path(graph: csr_matrix, start: int, end: int) -> np.ndarray:
    """Vertices of the shortest edge path from `start` to `end`, both included."""
    _, before = dijkstra(graph, indices=start, return_predecessors=True)
    steps = [end]
    while steps[-1] != start:
        steps.append(int(before[steps[-1]]))
    return np.array(steps[::-1])


def laplacian(faces: np.ndarray, count: int) -> csr_matrix:
    """(V, V) uniform (degree-normalised) graph Laplacian."""
    return diags(np.ones(count)) - averaging(faces, count)


class HarmonicExtension:
    """Prefactored smooth interpolation over a mesh of values given at some of its vertices.

    `order` 1 minimises the squared graph Laplacian (biharmonic), higher ones its powers.
    """

    def __init__(self, faces: np.ndarray, count: int, known: np.ndarray, order: int = 1):
        power = matrix = laplacian(faces, count)
        for _ in range(order - 1):
            power = power @ matrix
        system = csr_matrix(power.T @ power)
        given = np.zeros(count, bool)
        given[known] = True
        self.known, self.free = np.flatnonzero(given), np.flatnonzero(~given)
        rows = system[self.free]
        self._solver = splu((rows[:, self.free] + diags(np.full(len(self.free), 1e-9))).tocsc())
        self._cross = rows[:, self.known]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(V, C) field equal to the (V, C) `values` at the known vertices."""
        result = np.array(values, dtype=float)
        result[self.free] = self._solver.solve(-self._cross @ result[self.known])
        return result


def closest_points(
    vertices: np.ndarray, triangles: np.ndarray, points: np.ndarray, candidates: int = 24
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest point on (T, 3) triangles for each of (N, 3) points: triangle (N,), weights (N, 3), distance (N,)."""
    corners = vertices[triangles]  # (T, 3, 3)
    _, near = cKDTree(corners.mean(axis=1)).query(points, k=min(candidates, len(triangles)))
    near = near.reshape(len(points), -1)
    weights = _project(corners[near], points[:, None])
    spot = np.einsum("nkc,nkcd->nkd", weights, corners[near])
    distance = np.linalg.norm(spot - points[:, None], axis=2)
    best = distance.argmin(axis=1)
    rows = np.arange(len(points))
    return near[rows, best], weights[rows, best], distance[rows, best]


def _project(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Barycentric weights of the nearest point in each triangle; (..., 3, 3) corners, (..., 3) points."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    candidates = [_inside_plane(a, b, c, points)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        candidates.append(_on_edge(corners, points, i, j))
    stacked = np.stack(candidates)  # (4, ..., 3)
    spot = np.einsum("k...c,...cd->k...d", stacked, corners)
    distance = np.linalg.norm(spot - points, axis=-1)
    distance[0][(stacked[0] < 0).any(axis=-1)] = np.inf
    best = distance.argmin(axis=0)
    return np.take_along_axis(stacked, best[None, ..., None], axis=0)[0]


def _inside_plane(a: np.ndarray, b: np.ndarray, c: np.ndarray, p: np.ndarray) -> np.ndarray:
    ab, ac, ap = b - a, c - a, p - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    det = np.maximum(d00 * d11 - d01 * d01, 1e-30)
    v, w = (d11 * d20 - d01 * d21) / det, (d00 * d21 - d01 * d20) / det
    return np.stack([1 - v - w, v, w], axis=-1)


def _on_edge(corners: np.ndarray, points: np.ndarray, i: int, j: int) -> np.ndarray:
    start, end = corners[..., i, :], corners[..., j, :]
    along = end - start
    t = np.clip(((points - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-30), 0, 1)
    weights = np.zeros(points.shape[:-1] + (3,)) if points.shape[-2] == corners.shape[-3] else np.zeros(t.shape + (3,))
    weights[..., i], weights[..., j] = 1 - t, t
    return weights


def rigid_transform(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and shift (3,) that bring (N, 3) `source` onto `target` in the weighted least-squares sense."""
    w = (weights / weights.sum())[:, None]
    a, b = (source * w).sum(axis=0), (target * w).sum(axis=0)
    u, _, vt = np.linalg.svd(((source - a) * w).T @ (target - b))
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u @ flip @ vt).T
    return rotation, b - rotation @ a
