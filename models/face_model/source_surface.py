"""The scanned skin as a smooth surface: points walk on it, and every point is linear in the source vertices.

The surface is the source refined twice by Catmull-Clark, with control points corrected so that it passes through the
source vertices; so a position or a delta given on the source vertices is interpolated smoothly, not per flat facet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from .quads import edges_of, subdivide
from .surface import vertex_normals

CORRECTIONS = 3  # terms of the Neumann series that makes the surface interpolate


@dataclass(frozen=True)
class Places:
    """Points on the surface, each tied to a triangle of the refined mesh."""

    near: np.ndarray  # (N,) int: refined vertex a point is closest to, where the next walk starts
    corners: np.ndarray  # (N, 3) int: refined vertices
    weights: np.ndarray  # (N, 3) float64, barycentric


@dataclass(frozen=True)
class SourceSurface:
    """Refined source skin."""

    vertices: np.ndarray  # (R, 3) float64, metres, model frame; the first S are the source vertices
    normals: np.ndarray  # (R, 3) float64
    operator: sp.csr_matrix  # (R, S): refined = operator @ source
    ring: np.ndarray  # (R, 16) int: the vertex itself and its one-ring, padded with itself
    fans: np.ndarray  # (R, 16, 2) int: triangles round a vertex as the two other corners, padded with itself
    lines: dict[str, np.ndarray]  # feature -> (R, 3) int: the vertex and its two neighbours on the curve, -1 off it

    def positions(self, places: Places) -> np.ndarray:
        """(N, 3) points."""
        return np.einsum("nk,nkd->nd", places.weights, self.vertices[places.corners])

    def weights(self, places: Places) -> sp.csr_matrix:
        """(N, S) operator from source vertex fields to these points."""
        rows = np.repeat(np.arange(len(places.near)), 3)
        shape = (len(places.near), len(self.vertices))
        return (sp.csr_matrix((places.weights.ravel(), (rows, places.corners.ravel())), shape) @ self.operator).tocsr()

    def at_vertices(self, vertices: np.ndarray) -> Places:
        """Places exactly on refined (or source) vertices (N,)."""
        corners = np.repeat(vertices[:, None], 3, axis=1)
        return Places(vertices.copy(), corners, np.tile([1.0, 0, 0], (len(vertices), 1)))

    def bending(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Principal curvatures (N, 2), 1/m, absolute, and unit directions (N, 2, 3) at refined vertices (N,)."""
        normal, ring = self.normals[vertices], self.ring[vertices]
        step = self.vertices[ring] - self.vertices[vertices][:, None]
        step -= np.einsum("nrd,nd->nr", step, normal)[..., None] * normal[:, None]
        turn = self.normals[ring] - normal[:, None]
        square = np.einsum("nri,nrj->nij", step, step)
        cross = np.einsum("nri,nrj->nij", turn, step)
        floor = 1e-6 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-18 * np.eye(3)
        shape = cross @ np.linalg.inv(square + floor)
        tangent = np.eye(3) - normal[:, :, None] * normal[:, None, :]
        shape = tangent @ (shape + shape.transpose(0, 2, 1)) @ tangent / 2
        value, vector = np.linalg.eigh(shape)
        along = np.abs(np.einsum("ndk,nd->nk", vector, normal))
        order = np.argsort(along, axis=1)[:, :2]  # drop the eigenvector along the normal
        rows = np.arange(len(vertices))[:, None]
        return np.abs(value[rows, order]), vector.transpose(0, 2, 1)[rows, order]

    def walk(self, points: np.ndarray, near: np.ndarray) -> Places:
        """Closest places to (N, 3) points, found by walking from the refined vertices `near` (never across a gap)."""
        return self._in_fans(points, _descend(self.vertices, self.ring, points, near))

    def _in_fans(self, points: np.ndarray, near: np.ndarray) -> Places:
        fans = self.fans[near]
        a = self.vertices[near][:, None]
        b, c = self.vertices[fans[..., 0]], self.vertices[fans[..., 1]]
        weights = closest_barycentric(points[:, None], a, b, c)
        found = weights[..., :1] * a + weights[..., 1:2] * b + weights[..., 2:] * c
        best = np.argmin(((found - points[:, None]) ** 2).sum(axis=-1), axis=1)
        rows = np.arange(len(points))
        corners = np.concatenate([near[:, None], fans[rows, best]], axis=1)
        return Places(near, corners, weights[rows, best])

    def closest(self, points: np.ndarray, tries: int = 8) -> Places:
        """Closest places to (N, 3) points, in the fans round the `tries` closest refined vertices of each."""
        near = cKDTree(self.vertices).query(points, k=tries)[1]
        found = [self._in_fans(points, column) for column in near.T]
        distance = [((self.positions(places) - points) ** 2).sum(axis=1) for places in found]
        best, rows = np.argmin(distance, axis=0), np.arange(len(points))
        corners, weights = (np.stack([getattr(p, key) for p in found]) for key in ("corners", "weights"))
        return Places(near[rows, best], corners[best, rows], weights[best, rows])

    def walk_line(self, feature: str, points: np.ndarray, near: np.ndarray) -> Places:
        """As `walk`, along a feature curve; `near` must lie on it."""
        line = self.lines[feature]
        near = _descend(self.vertices, line, points, near)
        a = self.vertices[near]
        best_corner, best_weight = near.copy(), np.zeros(len(near))
        best_distance = ((points - a) ** 2).sum(axis=1)
        for k in (1, 2):
            other = line[near, k]
            along = self.vertices[other] - a
            t = np.einsum("nd,nd->n", points - a, along) / np.maximum(np.einsum("nd,nd->n", along, along), 1e-20)
            t = np.clip(t, 0, 1)
            distance = ((a + t[:, None] * along - points) ** 2).sum(axis=1)
            closer = distance < best_distance
            best_corner, best_weight = np.where(closer, other, best_corner), np.where(closer, t, best_weight)
            best_distance = np.where(closer, distance, best_distance)
        corners = np.stack([near, best_corner, best_corner], axis=1)
        return Places(near, corners, np.stack([1 - best_weight, best_weight, np.zeros(len(near))], axis=1))


def make_surface(positions: np.ndarray, faces: np.ndarray, curves: dict[str, np.ndarray]) -> SourceSurface:
    """Refine (S, 3) source positions with (F, 4) quads; `curves` maps features to their (N, 2) source edges."""
    count = len(positions)
    operator, refined, lines = sp.csr_matrix(sp.identity(count)), faces, dict(curves)
    rows = count
    for _ in range(2):
        lines = {name: _split_lines(refined, pairs, rows) for name, pairs in lines.items()}
        refined, step = subdivide(refined, rows)
        operator = sp.csr_matrix(step @ operator)
        rows = step.indptr.size - 1
    operator = sp.csr_matrix(operator @ _interpolating(sp.csr_matrix(operator[:count]), count))
    vertices = operator @ positions
    ring, fans = _rings(refined, len(vertices))
    tables = {name: _line_table(pairs, len(vertices)) for name, pairs in lines.items()}
    return SourceSurface(vertices, vertex_normals(vertices, refined), operator, ring, fans, tables)


def _interpolating(smoothing: sp.csr_matrix, count: int) -> sp.csr_matrix:
    """Approximate inverse of the (S, S) smoothing of the source vertices; rows sum to one."""
    rest = sp.csr_matrix(sp.identity(count) - smoothing)
    total = term = sp.csr_matrix(sp.identity(count))
    for _ in range(CORRECTIONS):
        term = sp.csr_matrix(term @ rest)
        total = sp.csr_matrix(total + term)
    total.data[np.abs(total.data) < 1e-4] = 0
    total.eliminate_zeros()
    return sp.csr_matrix(sp.diags(1 / np.asarray(total.sum(axis=1)).ravel()) @ total)


def _split_lines(faces: np.ndarray, pairs: np.ndarray, count: int) -> np.ndarray:
    edges = edges_of(faces)
    key = edges.pairs[:, 0] * count + edges.pairs[:, 1]
    ordered = np.sort(pairs, axis=1)
    middle = count + np.searchsorted(key, ordered[:, 0] * count + ordered[:, 1])
    return np.concatenate([np.stack([pairs[:, k], middle], axis=1) for k in (0, 1)])


def _line_table(pairs: np.ndarray, count: int) -> np.ndarray:
    table = np.full((count, 3), -1)
    on = np.unique(pairs)
    table[on] = on[:, None]
    slots = dict.fromkeys(on.tolist(), 1)
    for a, b in np.concatenate([pairs, pairs[:, ::-1]]).tolist():
        if slots[a] < 3:  # at a junction the two first branches count; junctions do not move
            table[a, slots[a]] = b
            slots[a] += 1
    return table


def _rings(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """One-rings (count, 16) and triangle fans (count, 16, 2) of a quad mesh, each quad seen as four triangles."""
    a = faces.ravel()
    b, c, d = (np.roll(faces, -k, axis=1).ravel() for k in (1, 2, 3))
    order = np.argsort(a, kind="stable")
    start = np.searchsorted(a[order], np.arange(count))
    slot = np.arange(len(a)) - start[a[order]]
    fans = np.tile(np.arange(count)[:, None, None], (1, 16, 2))
    fans[a[order], 2 * slot] = np.stack([b, c], axis=1)[order]
    fans[a[order], 2 * slot + 1] = np.stack([c, d], axis=1)[order]
    ring = np.tile(np.arange(count)[:, None], (1, 16))
    ring[a[order], 1 + 2 * slot] = b[order]
    ring[a[order], 2 + 2 * slot] = c[order]
    # on a border the last spoke has no face that starts with it: `d` fills it, harmless elsewhere
    ring[a[order], 11 + np.minimum(slot, 4)] = d[order]
    return ring, fans


def _descend(vertices: np.ndarray, ring: np.ndarray, points: np.ndarray, near: np.ndarray) -> np.ndarray:
    near = near.copy()
    active = np.arange(len(near))
    for _ in range(400):
        around = ring[near[active]]
        distance = ((vertices[around] - points[active][:, None]) ** 2).sum(axis=-1)
        step = around[np.arange(len(active)), np.argmin(distance, axis=1)]
        moved = step != near[active]
        near[active] = step
        active = active[moved]
        if not len(active):
            break
    return near


def closest_barycentric(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """(..., 3) barycentric weights of the point of triangle abc closest to p; degenerate triangles give a."""
    ab, ac, ap = b - a, c - a, p - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    det = d00 * d11 - d01 * d01
    safe = np.where(det > 1e-24, det, 1.0)
    v, w = (d11 * d20 - d01 * d21) / safe, (d00 * d21 - d01 * d20) / safe
    inside = (v >= 0) & (w >= 0) & (v + w <= 1) & (det > 1e-24)
    options = [_on_edge(d20, d00, 0), _on_edge(d21, d11, 1), _on_far_edge(ap, ab, ac)]
    best, best_distance = options[0], np.full(inside.shape, np.inf)
    for vw in options:
        gap = ap - vw[..., :1] * ab - vw[..., 1:] * ac
        distance = (gap * gap).sum(-1)
        closer = distance < best_distance
        best = np.where(closer[..., None], vw, best)
        best_distance = np.where(closer, distance, best_distance)
    vw = np.where(inside[..., None], np.stack([v, w], axis=-1), best)
    return np.concatenate([1 - vw.sum(-1, keepdims=True), vw], axis=-1)


def _on_edge(dot: np.ndarray, square: np.ndarray, axis: int) -> np.ndarray:
    t = np.clip(dot / np.maximum(square, 1e-24), 0, 1)
    zero = np.zeros_like(t)
    return np.stack([t, zero] if axis == 0 else [zero, t], axis=-1)


def _on_far_edge(ap: np.ndarray, ab: np.ndarray, ac: np.ndarray) -> np.ndarray:
    edge = ac - ab
    t = np.clip(((ap - ab) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-24), 0, 1)
    return np.stack([1 - t, t], axis=-1)
