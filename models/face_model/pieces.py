"""A piece of the head: its quads, where it rests, and how it follows the source vertices linearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .sources import ICT_COUNT
from .surface import MIRROR


@dataclass(frozen=True)
class Piece:
    """One part of the head."""

    name: str
    positions: np.ndarray  # (N, 3) float64, metres, model frame, at rest
    weights: sp.csr_matrix  # (N, 26719): how the points follow the source vertices; rows sum to one
    faces: np.ndarray  # (F, 4) int, counter-clockwise from outside; a triangle repeats its third index
    mirror: np.ndarray  # (N,) int: mirrored vertex within the piece, or in its twin on the other side
    charts: np.ndarray  # (F,) int: faces of one UV chart share a number


def mirrored(piece: Piece, name: str, source_mirror: sp.csr_matrix) -> Piece:
    """The twin of a one-sided piece; `source_mirror` (26719, 26719) permutes source vertices left to right."""
    identity = np.arange(len(piece.positions))
    weights = (piece.weights @ source_mirror).tocsr()
    return Piece(name, piece.positions * MIRROR, weights, flip(piece.faces), identity, piece.charts)


def flip(faces: np.ndarray) -> np.ndarray:
    """(F, 4) faces turned inside out; triangles keep the repeat at their end."""
    triangle = faces[:, 2] == faces[:, 3]
    flipped = faces[:, ::-1].copy()
    flipped[triangle] = faces[triangle][:, [2, 1, 0, 0]]
    return flipped


def doubled(half: Piece, source_mirror: sp.csr_matrix, on_midline: np.ndarray) -> Piece:
    """A whole piece from its left half; `on_midline` (N,) bool marks the shared vertices, put at x = 0 exactly."""
    count = len(half.positions)
    right = np.flatnonzero(~on_midline)
    twin = np.arange(count)
    twin[right] = count + np.arange(len(right))
    reflected = half.weights @ source_mirror
    balance = sp.diags(np.where(on_midline, 0.5, 0.0))
    left_weights = half.weights - balance @ half.weights + balance @ reflected
    positions = half.positions.copy()
    positions[on_midline, 0] = 0.0
    return Piece(
        half.name,
        np.concatenate([positions, positions[right] * MIRROR]),
        sp.csr_matrix(sp.vstack([left_weights, reflected[right]])),
        np.concatenate([half.faces, flip(twin[half.faces])]),
        np.concatenate([twin, right]),
        np.concatenate([half.charts, _twin_charts(half, on_midline)]),
    )


def _twin_charts(half: Piece, on_midline: np.ndarray) -> np.ndarray:
    """Charts of the mirrored faces: one that touches the midline runs on, the others get numbers of their own."""
    across = np.unique(half.charts[on_midline[half.faces].any(axis=1)])
    return np.where(np.isin(half.charts, across), half.charts, half.charts + half.charts.max() + 1)


def stack(name: str, pieces: list[Piece]) -> Piece:
    """Several pieces as one (teeth of a jaw); the mirror map is that of each piece, shifted."""
    starts = np.cumsum([0, *(len(piece.positions) for piece in pieces)])
    charts = np.cumsum([0, *(int(piece.charts.max()) + 1 for piece in pieces)])
    return Piece(
        name,
        np.concatenate([piece.positions for piece in pieces]),
        sp.csr_matrix(sp.vstack([piece.weights for piece in pieces])),
        np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=False)]),
        np.concatenate([piece.mirror + start for piece, start in zip(pieces, starts, strict=False)]),
        np.concatenate([piece.charts + start for piece, start in zip(pieces, charts, strict=False)]),
    )


def polar_grid(rings: int, segments: int, closed_end: bool) -> np.ndarray:
    """Faces of a polar grid: vertex 0 is the pole, ring r starts at 1 + r * segments; with `closed_end` one more
    vertex, the last, closes the far side. Counter-clockwise seen from the pole's outside when angles grow so."""
    first = np.arange(segments)
    second = (first + 1) % segments
    faces = [np.stack([np.zeros(segments, int), 1 + first, 1 + second, 1 + second], axis=1)]
    for ring in range(rings - 1):
        a, b = 1 + ring * segments, 1 + (ring + 1) * segments
        faces.append(np.stack([a + first, b + first, b + second, a + second], axis=1))
    if closed_end:
        last, a = 1 + rings * segments, 1 + (rings - 1) * segments
        faces.append(np.stack([a + first, np.full(segments, last), a + second, a + second], axis=1))
    return np.concatenate(faces)


def affine_weights(points: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """(N, A) least-norm weights, rows summing to one, that carry (N, 3) points along any affine motion of the
    (A, 3) anchors."""
    system = np.concatenate([anchors, np.ones((len(anchors), 1))], axis=1)  # (A, 4)
    wanted = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    return wanted @ np.linalg.pinv(system)


def spread(points: np.ndarray, count: int) -> np.ndarray:
    """(count,) indices of well-spread points: farthest-point sampling from the first."""
    chosen = [0]
    distance = np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def rows_on(columns: np.ndarray, values: np.ndarray) -> sp.csr_matrix:
    """(N, 26719) operator with `values` (N, K) at source vertices `columns` (N, K) or (K,)."""
    columns = np.broadcast_to(columns, values.shape)
    rows = np.repeat(np.arange(len(values)), values.shape[1])
    return sp.csr_matrix((values.ravel(), (rows, columns.ravel())), (len(values), ICT_COUNT))
