"""Pure quad-mesh topology: edges, chords (strips of quads), chord collapse, Catmull-Clark operators, edge loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Edges:
    """Undirected edges of a quad mesh."""

    pairs: np.ndarray  # (E, 2) int, sorted vertex indices
    of_face: np.ndarray  # (F, 4) int: edge k joins corners k and k + 1
    faces: np.ndarray  # (E,) int: number of faces at the edge, 1 on a boundary


def edges_of(faces: np.ndarray) -> Edges:
    """Edges of (F, 4) quads."""
    ahead = np.roll(faces, -1, axis=1)
    base = np.int64(faces.max()) + 1
    keys, inverse = np.unique(np.minimum(faces, ahead) * base + np.maximum(faces, ahead), return_inverse=True)
    inverse = inverse.reshape(-1, 4)
    pairs = np.stack([keys // base, keys % base], axis=1)
    return Edges(pairs, inverse, np.bincount(inverse.ravel(), minlength=len(keys)))


def chords_of(edges: Edges) -> tuple[int, np.ndarray]:
    """Number of chords and the chord of each edge (E,): edges opposite in a quad belong to one chord."""
    opposite = (edges.of_face[:, :2].ravel(), edges.of_face[:, 2:].ravel())
    graph = sp.coo_matrix((np.ones(len(opposite[0])), opposite), shape=(len(edges.pairs),) * 2)
    return sp.csgraph.connected_components(graph, directed=False)


def merge(faces: np.ndarray, pairs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Identify the vertices joined by (N, 2) pairs; returns the faces that stay quads and the label of each vertex."""
    graph = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    labels = sp.csgraph.connected_components(graph, directed=False)[1]
    merged = labels[faces]
    return merged[distinct_corners(merged) == 4], labels


def distinct_corners(faces: np.ndarray) -> np.ndarray:
    """(F,) number of different vertices of each face."""
    return 1 + (np.diff(np.sort(faces, axis=1), axis=1) != 0).sum(axis=1)


def _has_twins(faces: np.ndarray) -> bool:
    """True if two quads have the same corners (mesh of at most 55,000 vertices)."""
    base = np.int64(faces.max()) + 1
    a, b, c, d = np.sort(faces, axis=1).astype(np.int64).T
    return len(np.unique(((a * base + b) * base + c) * base + d)) < len(faces)


def is_clean(
    faces: np.ndarray, inner: tuple[int, int] = (3, 5), border: tuple[int, int] = (3, 4), corners: int = 0
) -> bool:
    """True for a manifold quad mesh whose inner and border valences stay within the limits (ends included).

    `corners` border vertices may have one face only.
    """
    edges = edges_of(faces)
    if edges.faces.max() > 2 or _has_twins(faces):
        return False
    count = int(faces.max()) + 1
    valence = np.bincount(edges.pairs.ravel(), minlength=count)
    around = np.bincount(faces.ravel(), minlength=count)
    rim = edges.pairs[edges.faces == 1]
    rim_edges = np.bincount(rim.ravel(), minlength=count)
    used, open_ = valence > 0, rim_edges > 0
    fans = np.where(open_, valence - 1, valence)  # faces round a vertex with one fan of faces
    low = np.where(open_, border[0], inner[0])
    high = np.where(open_, border[1], inner[1])
    single = used & open_ & (valence == 2)
    fine = (around == fans) & ((valence >= low) | single) & (valence <= high) & np.isin(rim_edges, (0, 2))
    return bool(fine[used].all()) and single.sum() <= corners


def subdivide(faces: np.ndarray, count: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Split each quad in four. Returns (4F, 4) faces over vertices + edge points + face points, and the (V', V)
    Catmull-Clark matrix (cubic B-spline along boundaries)."""
    edges = edges_of(faces)
    e, f = len(edges.pairs), len(faces)
    edge_id, face_id = count + edges.of_face, count + e + np.arange(f)
    parts = [np.stack([faces[:, k], edge_id[:, k], face_id, edge_id[:, k - 1]], axis=1) for k in range(4)]
    fine = np.stack(parts, axis=1).reshape(-1, 4)
    return fine, _catmull_clark(faces, edges, count)


def _incidence(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def _catmull_clark(faces: np.ndarray, edges: Edges, count: int) -> sp.csr_matrix:
    e, f = len(edges.pairs), len(faces)
    face_points = _incidence(np.repeat(np.arange(f), 4), faces.ravel(), (f, count)) / 4
    ends = _incidence(np.repeat(np.arange(e), 2), edges.pairs.ravel(), (e, count))
    edge_faces = _incidence(edges.of_face.ravel(), np.repeat(np.arange(f), 4), (e, f))
    rim = edges.faces == 1
    inner = sp.diags(np.where(rim, 0.0, 0.25))
    edge_points = sp.diags(np.where(rim, 0.5, 0.25)) @ ends + inner @ edge_faces @ face_points
    around = _incidence(faces.ravel(), np.repeat(np.arange(f), 4), (count, f))
    valence = np.maximum(np.bincount(edges.pairs.ravel(), minlength=count), 1)
    neighbours = ends.T @ ends - sp.diags(np.asarray((ends.T @ ends).diagonal()))
    per_face = np.maximum(np.asarray(around.sum(axis=1)).ravel(), 1)
    keep = sp.diags((valence - 2.0) / valence)
    smooth = keep + sp.diags(1 / valence**2) @ neighbours + sp.diags(1 / (valence * per_face)) @ around @ face_points
    rim_ends = ends[rim]
    curve = 0.125 * (rim_ends.T @ rim_ends) + sp.diags(np.full(count, 0.5))
    on_rim = np.zeros(count)
    on_rim[edges.pairs[rim].ravel()] = 1
    vertices = sp.diags(1 - on_rim) @ smooth + sp.diags(on_rim) @ curve
    return sp.csr_matrix(sp.vstack([vertices, edge_points, face_points]))


def loop_table(faces: np.ndarray) -> dict[tuple[int, int], int]:
    """For each directed edge (a, b) that ends in a valence-4 inner vertex b, the vertex c straight on."""
    edges = edges_of(faces)
    valence = np.bincount(edges.pairs.ravel())
    around = np.bincount(faces.ravel(), minlength=len(valence))
    neighbours: dict[int, set[int]] = {}
    beside: dict[tuple[int, int], set[int]] = {}
    for quad in faces.tolist():
        for k in range(4):
            a, b = quad[k], quad[(k + 1) % 4]
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
            beside.setdefault((a, b), set()).update(quad)
            beside.setdefault((b, a), set()).update(quad)
    table = {}
    for (a, b), corners in beside.items():
        if valence[b] == 4 and around[b] == 4:
            table[a, b] = next(iter(neighbours[b] - corners - {a}))
    return table


def trace_loop(table: dict[tuple[int, int], int], start: int, towards: int) -> tuple[list[int], bool]:
    """Follow an edge loop through valence-4 vertices; returns its vertices and whether it closed on its start."""
    loop, previous, current = [start], start, towards
    while (previous, current) in table and len(loop) <= len(table):
        loop.append(current)
        previous, current = current, table[previous, current]
        if (previous, current) == (loop[-1], start) and table.get((previous, start)) == towards:
            return loop, True
    return [*loop, current], False
