"""Teeth, gums and tongue at our own density; each point is tied to the scanned part it lies on."""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse as sp

from core.geometry.delighting import smoothstep

from .pieces import Piece, doubled, mirrored, polar_grid, rows_on, stack
from .quads import chords_of, distinct_corners, edges_of, merge
from .source_surface import closest_barycentric
from .sources import ICT_RANGES, IctModel
from .surface import triangulate

TOOTH_SEGMENTS = 12
CROWN_LENGTH = 0.0125  # metres from the biting end to where the tooth vanishes in the gum
RING_DEPTHS = (0.0005, 0.0015, 0.0032, 0.0056, 0.0088, CROWN_LENGTH)  # metres below the biting end
SQUARENESS = 0.7
# What stays open between neighbours at each ring, metres, and how far one side of a crown may be widened for that: the
# rings cut the corners of the scanned crowns, by which they touch. At the gum each is as wide as it was.
GAPS = (0.0008, 0.0002, -0.00006, -0.00006, 0.00035, np.inf)
WIDEST = 0.0014  # metres
# How far the corners of the outer side stay behind the touching sides at each ring, metres: rounder ones leave dark
# wedges between the teeth. Of a corner that is a share of the half width from the middle: left as it is, moved.
BEVELS, CORNER = (0.0005, 0.00025, 0.0002, 0.00025, 0.0006, np.inf), (0.45, 0.85)
ON_MIDLINE = 0.0004  # metres
GUM_SIZE, TONGUE_SIZE = 0.0021, 0.0032  # wanted edge lengths


def teeth(ict: IctModel, upper: bool, source_mirror: sp.csr_matrix) -> Piece:
    """All teeth of one jaw as closed crowns, left half authored and mirrored."""
    left = [tooth for tooth in _scanned_teeth(ict) if ict.vertices[tooth, 0].mean() > 0]
    middle = np.median([ict.vertices[tooth, 1].mean() for tooth in left])
    chosen = [tooth for tooth in left if (ict.vertices[tooth, 1].mean() > middle) == upper]
    crowns = [_crown(ict, tooth, -1.0 if upper else 1.0) for tooth in chosen]
    twins = [mirrored(crown, crown.name, source_mirror) for crown in crowns]
    joined = stack("teeth_upper" if upper else "teeth_lower", crowns + twins)
    half = len(joined.positions) // 2
    twin = np.concatenate([np.arange(half) + half, np.arange(half)])
    return Piece(joined.name, joined.positions, joined.weights, joined.faces, twin, joined.charts)


def touching(jaw: np.ndarray) -> np.ndarray:
    """(N, 3) vertices of one jaw's teeth, in the order of `teeth`, each widened along the arch to its neighbours.

    What is done to crowns that touch is next to nothing.
    """
    crowns = jaw.reshape(-1, 1 + len(RING_DEPTHS) * TOOTH_SEGMENTS, 3)
    rings = crowns[:, 1:].reshape(len(crowns), len(RING_DEPTHS), TOOTH_SEGMENTS, 3)
    wider, middle = np.zeros_like(crowns), crowns.mean(axis=1)
    moved = wider[:, 1:].reshape(rings.shape)  # a view
    right, left = (sorted(np.flatnonzero(side * middle[:, 0] > 0), key=lambda k: -middle[k, 2]) for side in (-1.0, 1.0))
    order = [*reversed(right), *left]
    inside = np.array([0.0, middle[:, 2].min()])
    for one, other in itertools.pairwise(order):
        for k, (gap, bevel) in enumerate(zip(GAPS, BEVELS, strict=True)):
            between = rings[other, k].mean(axis=0) - rings[one, k].mean(axis=0)
            between[1] = 0.0
            distance = np.linalg.norm(between)
            along = between / distance
            reaches = [
                (rings[tooth, k] - rings[tooth, k].mean(axis=0)) @ (sign * along)
                for tooth, sign in ((one, 1.0), (other, -1.0))
            ]
            apart = distance - sum(reach.max() for reach in reaches)
            step = float(np.clip((apart - gap) / 2, 0.0, WIDEST))
            for tooth, sign, reach in zip((one, other), (1.0, -1.0), reaches, strict=True):
                share = reach / reach.max()
                shift = step * np.clip(share, 0.0, 1.0)
                center = rings[tooth, k].mean(axis=0)
                outer = (rings[tooth, k] - center)[:, [0, 2]] @ (center[[0, 2]] - inside) > 0.0
                filled = np.maximum(reach.max() + step - bevel - reach - shift, 0.0)
                shift = np.minimum(shift + np.where(outer, smoothstep(share, *CORNER), 0.0) * filled, WIDEST)
                moved[tooth, k] += sign * shift[:, None] * along
    return (crowns + wider).reshape(-1, 3)


def _scanned_teeth(ict: IctModel) -> list[np.ndarray]:
    part = ICT_RANGES["teeth"]
    faces = ict.mesh.faces[np.isin(ict.mesh.faces, part).all(axis=1)] - part.start
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 3]]])
    graph = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(part), len(part)))
    count, labels = sp.csgraph.connected_components(graph, directed=False)
    return [np.flatnonzero(labels == k) + part.start for k in range(count)]


def _crown(ict: IctModel, tooth: np.ndarray, bite: float) -> Piece:
    """A crown shot from rays inside the scanned tooth; `bite` is the sign of y towards the biting end."""
    points = ict.vertices[tooth]
    height = bite * points[:, 1]
    tip = height.max()
    near = points[height > tip - 0.8 * CROWN_LENGTH]
    half = np.ptp(near, axis=0)[[0, 2]] / 2
    angle = np.arange(TOOTH_SEGMENTS) / TOOTH_SEGMENTS * 2 * np.pi
    around = np.stack([np.cos(angle), np.sin(angle) * -bite], axis=1)
    around = np.sign(around) * np.abs(around) ** SQUARENESS * half  # crowns are boxes rather than barrels
    heart = _middle(points, height, tip - 0.3 * CROWN_LENGTH)
    starts, rays = [heart], [np.array([0.0, bite, 0.0])]
    for depth in RING_DEPTHS:
        middle = _middle(points, height, tip - depth)
        starts += [np.array([middle[0], bite * (tip - depth), middle[2]])] * TOOTH_SEGMENTS
        rays += list(np.stack([around[:, 0], np.zeros(TOOTH_SEGMENTS), around[:, 1]], axis=1))
    faces = ict.mesh.faces[np.isin(ict.mesh.faces, tooth).all(axis=1)]
    corners, weights = _shoot(ict.vertices, triangulate(faces), np.array(starts), np.array(rays))
    rows = rows_on(corners, weights)
    grid = polar_grid(len(RING_DEPTHS), TOOTH_SEGMENTS, closed_end=False)
    where = rows @ ict.vertices
    return Piece("tooth", where, rows, grid, np.arange(len(where)), np.zeros(len(grid), int))


def _middle(points: np.ndarray, height: np.ndarray, level: float) -> np.ndarray:
    """(3,) middle of the tooth's cross-section at a height."""
    slab = points[np.abs(height - level) < 0.0025]
    return (slab.min(axis=0) + slab.max(axis=0)) / 2


def _shoot(
    vertices: np.ndarray, triangles: np.ndarray, starts: np.ndarray, rays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Farthest hit of each ray (N, 3) with the triangles: corners (N, 3) and barycentric weights (N, 3)."""
    a, ab = vertices[triangles[:, 0]], vertices[triangles[:, 1]] - vertices[triangles[:, 0]]
    ac = vertices[triangles[:, 2]] - a
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    across = np.cross(rays[:, None], ac[None])
    det = np.einsum("td,ntd->nt", ab, across)
    det = np.where(np.abs(det) < 1e-18, np.inf, det)
    offset = starts[:, None] - a[None]
    u = np.einsum("ntd,ntd->nt", offset, across) / det
    q = np.cross(offset, ab[None])
    v = np.einsum("nd,ntd->nt", rays, q) / det
    t = np.einsum("td,ntd->nt", ac, q) / det
    slack = 1e-6
    hit = (u >= -slack) & (v >= -slack) & (u + v <= 1 + slack) & (t > 0) & np.isfinite(det)
    reach = np.where(hit, t, -np.inf)
    best = np.argmax(reach, axis=1)
    rows = np.arange(len(starts))
    missed = ~np.isfinite(reach[rows, best])
    weights = np.stack([1 - u[rows, best] - v[rows, best], u[rows, best], v[rows, best]], axis=1)
    weights = np.clip(weights, 0, 1)
    weights /= weights.sum(axis=1, keepdims=True)
    if missed.any():  # between the roots of a molar: the closest point of the tooth
        best[missed], weights[missed] = _closest(vertices, triangles, starts[missed] + 0.002 * rays[missed])
    return triangles[best], weights


def _closest(vertices: np.ndarray, triangles: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = (vertices[triangles[:, k]][None] for k in range(3))
    weights = closest_barycentric(points[:, None], a, b, c)
    found = weights[..., :1] * a + weights[..., 1:2] * b + weights[..., 2:] * c
    best = np.argmin(((found - points[:, None]) ** 2).sum(axis=-1), axis=1)
    return best, weights[np.arange(len(points)), best]


def gums_and_tongue(ict: IctModel, source_mirror: sp.csr_matrix) -> tuple[Piece, Piece]:
    """Gums (with palate and floor) and tongue, thinned to our density on the left half and mirrored."""
    part = ICT_RANGES["gums_tongue"]
    chosen = np.isin(ict.mesh.faces, part).all(axis=1)
    faces, islands = ict.mesh.faces[chosen], _uv_islands(ict.mesh.uv_faces[chosen])
    tongue = np.zeros(len(faces), bool)
    for island in np.unique(islands):
        low = ict.vertices[np.unique(faces[islands == island])]
        # the two shells of the tongue are the islands that stay within 22 mm of the midline, its size across
        span = np.abs(low[:, 0]).max()
        tongue |= (islands == island) & (span < 0.022) & (span > 0.012)
    return tuple(  # type: ignore[return-value]
        _thinned(ict, name, faces[mask], islands[mask], size, source_mirror)
        for name, mask, size in (("gums", ~tongue, GUM_SIZE), ("tongue", tongue, TONGUE_SIZE))
    )


def _uv_islands(uv_faces: np.ndarray) -> np.ndarray:
    pairs = np.concatenate([uv_faces[:, [0, 1]], uv_faces[:, [1, 2]], uv_faces[:, [2, 3]]])
    count = int(uv_faces.max()) + 1
    graph = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    return sp.csgraph.connected_components(graph, directed=False)[1][uv_faces[:, 0]]


def _thinned(
    ict: IctModel, name: str, faces: np.ndarray, islands: np.ndarray, size: float, source_mirror: sp.csr_matrix
) -> Piece:
    on_mid = np.abs(ict.vertices[:, 0]) < ON_MIDLINE
    left = ((ict.vertices[:, 0] > 0) | on_mid)[faces].all(axis=1)
    half = faces[left]
    used, local = np.unique(half, return_inverse=True)
    kept, stands_for, charts = thin(local.reshape(half.shape), ict.vertices[used], on_mid[used], size, islands[left])
    return doubled_on(ict, name, kept, used[stands_for], charts, source_mirror)


def doubled_on(
    ict: IctModel, name: str, faces: np.ndarray, source: np.ndarray, charts: np.ndarray, source_mirror: sp.csr_matrix
) -> Piece:
    """A whole piece from (F, 4) faces of its left half, whose vertices are the source vertices (N,)."""
    rows = rows_on(source[:, None], np.ones((len(source), 1)))
    half = Piece(name, ict.vertices[source], rows, faces, np.arange(len(source)), charts)
    return doubled(half, source_mirror, np.abs(ict.vertices[source, 0]) < ON_MIDLINE)


def thin(
    faces: np.ndarray, positions: np.ndarray, on_mid: np.ndarray, size: float, tags: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Collapse chords whose mean width is below `size`; returns compact faces, the vertex each of their vertices
    stands for, and the tags (F,) of the faces that stay."""
    stands_for = np.arange(len(positions))
    refused: set[int] = set()
    while True:
        edges = edges_of(faces[faces[:, 2] != faces[:, 3]])  # triangles end a chord
        count, chord = chords_of(edges)
        a, b = stands_for[edges.pairs].T
        length = np.linalg.norm(positions[a] - positions[b], axis=1)
        mean = np.bincount(chord, length**2, minlength=count) / np.bincount(chord, minlength=count)
        order = [c for c in np.argsort(mean, kind="stable") if mean[c] < size**2]
        for candidate in order:
            chosen = edges.pairs[chord == candidate]
            key = hash(tuple(sorted(stands_for[chosen].ravel().tolist())))
            if key in refused:
                continue
            reduced = _weld(faces, chosen, stands_for, positions, on_mid)
            if reduced is not None:
                faces, stands_for, kept = reduced
                tags = tags[kept]
                break
            refused.add(key)
        else:
            return faces, stands_for, tags


def _weld(
    faces: np.ndarray, pairs: np.ndarray, stands_for: np.ndarray, positions: np.ndarray, on_mid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    count = len(stands_for)
    middle = on_mid[stands_for]
    if (middle[pairs].all(axis=1) & ~_is_border(faces, pairs)).any():
        return None
    _, labels = merge(faces, pairs, count)
    merged = labels[faces]
    distinct = distinct_corners(merged)
    was_triangle = faces[:, 2] == faces[:, 3]
    if ((distinct == 3) & ~was_triangle).any():
        return None
    stays = np.where(was_triangle, distinct == 3, distinct == 4)
    kept = merged[stays]
    if not _manifold(kept):
        return None
    used, compact = np.unique(kept, return_inverse=True)
    leader = _leaders(labels, stands_for, positions, middle)
    return compact.reshape(kept.shape), leader[used], stays


def _is_border(faces: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    corner = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    corner = np.sort(corner[corner[:, 0] != corner[:, 1]], axis=1)
    unique, number = np.unique(corner, axis=0, return_counts=True)
    border = {tuple(edge) for edge in unique[number == 1].tolist()}
    return np.array([tuple(pair) in border for pair in np.sort(pairs, axis=1).tolist()])


def _manifold(faces: np.ndarray) -> bool:
    directed = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    directed = directed[directed[:, 0] != directed[:, 1]]
    if len(np.unique(directed, axis=0)) < len(directed):
        return False
    valence = np.bincount(np.unique(np.sort(directed, axis=1), axis=0).ravel())
    return bool(valence.max() <= 7) and len(np.unique(np.sort(faces, axis=1), axis=0)) == len(faces)


def _leaders(labels: np.ndarray, stands_for: np.ndarray, positions: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Source vertex of each label: on the midline if any is, else the one nearest the middle of the group."""
    count = int(labels.max()) + 1
    size = np.bincount(labels, minlength=count)
    own = positions[stands_for]
    center = np.stack([np.bincount(labels, own[:, k], minlength=count) for k in range(3)], axis=1) / size[:, None]
    away = np.linalg.norm(own - center[labels], axis=1)
    order = np.lexsort((stands_for, away, ~middle, labels))
    first = np.unique(labels[order], return_index=True)[1]
    return stands_for[order][first]
