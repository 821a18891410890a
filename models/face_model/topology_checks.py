"""Measures of a head topology: quads, poles, edge loops, fit to the scanned surface, UV layout. Plain arrays in."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from .quads import edges_of, loop_table, trace_loop


def quad_share(faces: np.ndarray) -> float:
    """Share of quads among (F, 4) faces (a triangle repeats its third index)."""
    return float((faces[:, 2] != faces[:, 3]).mean())


def valence_counts(faces: np.ndarray) -> dict[int, int]:
    """Number of inner vertices by valence, of (F, 4) quads."""
    edges = edges_of(faces)
    valence = np.bincount(edges.pairs.ravel())
    inner = valence > 0
    inner[edges.pairs[edges.faces == 1].ravel()] = False
    values, numbers = np.unique(valence[inner], return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))


def closed_loops(faces: np.ndarray) -> list[np.ndarray]:
    """Every closed edge loop of (F, 4) quads: vertex cycles that go straight on through valence-4 vertices."""
    table = loop_table(faces)
    seen: set[tuple[int, int]] = set()
    loops = []
    for start, towards in table:
        if (start, towards) in seen:
            continue
        loop, closed = trace_loop(table, start, towards)
        ring = [*loop, start] if closed else loop
        for a, b in pairwise(ring):
            seen.update(((a, b), (b, a)))
        if closed and len(set(loop)) == len(loop):
            loops.append(np.array(loop))
    return loops


def loops_round(
    loops: Iterable[np.ndarray], vertices: np.ndarray, center: np.ndarray, reach: float
) -> list[np.ndarray]:
    """Loops that go once round `center` (3,) seen from the front and stay within `reach` metres of it in the picture
    plane; pairwise disjoint, so nested, and ordered from the inside."""
    found = []
    for loop in loops:
        offset = vertices[loop] - center
        flat = offset[:, :2]
        if np.linalg.norm(flat, axis=1).max() > reach or np.linalg.norm(offset, axis=1).max() > 1.6 * reach:
            continue
        angle = np.unwrap(np.append(np.arctan2(flat[:, 1], flat[:, 0]), np.arctan2(flat[0, 1], flat[0, 0])))
        if abs(abs(angle[-1] - angle[0]) - 2 * np.pi) < 1e-6:
            found.append((float(np.linalg.norm(flat, axis=1).mean()), loop))
    kept: list[np.ndarray] = []
    used: set[int] = set()
    for _, loop in sorted(found, key=lambda item: item[0]):
        if not used.intersection(loop.tolist()):
            kept.append(loop)
            used.update(loop.tolist())
    return kept


def corner_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 4, 3) unit normals at the corners of quads."""
    corner = vertices[faces]
    ahead, behind = np.roll(corner, -1, axis=1) - corner, np.roll(corner, 1, axis=1) - corner
    normal = np.cross(ahead, behind)
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-20)


def folded_quads(vertices: np.ndarray, faces: np.ndarray, limit: float = 0.0) -> np.ndarray:
    """Quads whose corner normals disagree (smallest dot product with their mean below `limit`)."""
    normal = corner_normals(vertices, faces)
    mean = normal.mean(axis=1, keepdims=True)
    mean /= np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), 1e-20)
    return np.flatnonzero((normal * mean).sum(axis=-1).min(axis=1) < limit)


def sharp_edges(vertices: np.ndarray, faces: np.ndarray, degrees: float) -> float:
    """Share of inner edges over which the surface turns by more than `degrees`."""
    normal = corner_normals(vertices, faces).mean(axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    edges = edges_of(faces)
    order = np.argsort(edges.of_face.ravel(), kind="stable")
    flat = edges.of_face.ravel()[order]
    pair = (order[edges.faces[flat] == 2] // 4).reshape(-1, 2)
    turn = np.degrees(np.arccos(np.clip(np.einsum("nd,nd->n", normal[pair[:, 0]], normal[pair[:, 1]]), -1, 1)))
    return float((turn > degrees).mean())


def uv_areas(uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """(2F,) signed areas of the triangles of each face; a triangle's second half is zero."""
    triangles = uv[uv_faces[:, [0, 1, 2, 0, 2, 3]]].reshape(-1, 3, 2).astype(np.float64)
    one, two = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]) / 2


def uv_overlap(uv: np.ndarray, uv_faces: np.ndarray, size: int = 2048) -> int:
    """Number of texel centres covered by more than one face."""
    count = np.zeros((size, size), np.int32)
    for quad in uv[uv_faces] * size - 0.5:
        low = np.maximum(np.ceil(quad.min(axis=0)).astype(int), 0)
        high = np.minimum(np.floor(quad.max(axis=0)).astype(int), size - 1)
        if (high < low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        ahead = np.roll(quad, -1, axis=0)
        inside = np.ones(x.shape, bool)
        for (ax, ay), (bx, by) in zip(quad, ahead, strict=True):
            if (ax, ay) != (bx, by):
                inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0
        count[y, x] += inside
    return int((count > 1).sum())


def millimetres_per_texel(
    vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray, size: int
) -> np.ndarray:
    """(F,) side of a texel on the surface, mm, for a texture of `size` texels a side."""
    quad = vertices[faces]
    surface = np.linalg.norm(np.cross(quad[:, 2] - quad[:, 0], quad[:, 3] - quad[:, 1]), axis=1) / 2
    layout = np.abs(uv_areas(uv, uv_faces).reshape(-1, 2).sum(axis=1))
    return 1000 * np.sqrt(surface / np.maximum(layout, 1e-12)) / size
