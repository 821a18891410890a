"""Lashes: curved tapered blades grown from the lash line of the left eye; they turn with the lid that carries them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .pieces import Piece
from .quads import edges_of, loop_table

STEPS = 3  # segments of a blade


@dataclass(frozen=True)
class LashRow:
    """How the lashes of one lid grow."""

    count: int
    length: float  # metres at the longest
    lift: float  # rise of the tip over its length, + up
    first: float  # where along the lid they start and end, 0 inner corner to 1 outer corner
    last: float


UPPER = LashRow(count=56, length=0.0085, lift=0.48, first=0.14, last=0.985)
LOWER = LashRow(count=36, length=0.0060, lift=-0.34, first=0.22, last=0.97)
DAMPING = 0.25  # of the mean length of the lid's frame vectors
HALF_WIDTH = 0.00011  # metres at the root


def lashes(
    faces: np.ndarray, positions: np.ndarray, weights: sp.csr_matrix, lash_line: np.ndarray, eye_center: np.ndarray
) -> Piece:
    """Lashes of the left eye on the half head: (F, 4) faces, (H, 3) positions, (H, 26719) weights, and the (N, 2)
    edges of the lash line."""
    table = loop_table(faces)
    upper, lower = _split_lids(_ordered(lash_line), positions)
    blades = []
    for chain, row, away in ((upper, UPPER, 1.0), (lower, LOWER, -1.0)):
        frame = _lid_frame(table, faces, chain, positions, eye_center)
        blades += _grow(chain, row, away, frame, positions, eye_center)
    rows = sp.vstack([blade for blade, _ in blades]).tocsr()
    where = np.concatenate([points for _, points in blades])
    count, size = len(blades), 2 * STEPS + 1
    one = [[2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2] for k in range(STEPS - 1)]
    one.append([2 * STEPS - 2, 2 * STEPS - 1, 2 * STEPS, 2 * STEPS])
    all_faces = (np.arange(count)[:, None, None] * size + np.array(one)).reshape(-1, 4)
    charts = np.repeat(np.arange(count), STEPS)
    return Piece("lashes_left", where, (rows @ weights).tocsr(), all_faces, np.arange(len(where)), charts)


def _ordered(pairs: np.ndarray) -> list[int]:
    neighbours: dict[int, list[int]] = {}
    for a, b in pairs.tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    start = min(neighbours)
    loop, previous = [start], -1
    while True:
        onward = [n for n in neighbours[loop[-1]] if n != previous]
        if not onward or onward[0] == start:
            return loop
        previous = loop[-1]
        loop.append(onward[0])


def _split_lids(loop: list[int], positions: np.ndarray) -> tuple[list[int], list[int]]:
    """Upper and lower chain, each from the inner to the outer corner (+x)."""
    x = positions[loop, 0]
    inner = int(np.argmin(x))
    loop = loop[inner:] + loop[:inner]
    outer = int(np.argmax(positions[loop, 0]))
    one, other = loop[: outer + 1], [*loop[outer:], loop[0]][::-1]
    higher = positions[one, 1].mean() > positions[other, 1].mean()
    return (one, other) if higher else (other, one)


def _lid_frame(
    table: dict[tuple[int, int], int], faces: np.ndarray, chain: list[int], positions: np.ndarray, eye: np.ndarray
) -> tuple[sp.csr_matrix, sp.csr_matrix, sp.csr_matrix]:
    """(C, H) operators whose rows give, for each chain vertex, a vector along the lid, one across its margin and one
    up its skin. Smoothed along the lid, so neighbouring lashes stay parallel."""
    pairs = edges_of(faces).pairs
    on = set(chain)
    rows: list[list[tuple[int, float]]] = []
    skin: list[list[tuple[int, float]]] = []
    for vertex in chain:
        ends = pairs[(pairs == vertex).any(axis=1)].sum(axis=1) - vertex
        side = [int(n) for n in ends if n not in on]
        side.sort(key=lambda n: np.linalg.norm(positions[n] - eye))
        inward, outward = side[0], side[-1]
        inward = table.get((vertex, inward), inward)
        outward = table.get((vertex, outward), outward)
        rows.append([(vertex, 1.0), (inward, -1.0)])
        skin.append([(outward, 1.0), (vertex, -1.0)])
    index = np.arange(len(chain))
    ahead, behind = np.minimum(index + 2, len(chain) - 1), np.maximum(index - 2, 0)
    along = [[(chain[a], 1.0), (chain[b], -1.0)] for a, b in zip(ahead, behind, strict=True)]
    smooth = np.exp(-((index[:, None] - index[None]) ** 2) / 14.0)
    blur = sp.csr_matrix(smooth / smooth.sum(axis=1, keepdims=True))
    return tuple(blur @ _operator(entries, len(positions)) for entries in (along, rows, skin))  # type: ignore[return-value]


def _operator(entries: list[list[tuple[int, float]]], count: int) -> sp.csr_matrix:
    data = [(row, column, value) for row, items in enumerate(entries) for column, value in items]
    rows, columns, values = (np.array(item) for item in zip(*data, strict=True))
    return sp.csr_matrix((values, (rows, columns)), (len(entries), count))


def _grow(
    chain: list[int],
    row: LashRow,
    upward: float,
    frame: tuple[sp.csr_matrix, sp.csr_matrix, sp.csr_matrix],
    positions: np.ndarray,
    eye: np.ndarray,
) -> list[tuple[sp.csr_matrix, np.ndarray]]:
    """For each blade its (7, H) operator and (7, 3) points: pairs along the curve, then the tip."""
    points = positions[chain]
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    base = sp.csr_matrix((np.ones(len(chain)), (np.arange(len(chain)), chain)), (len(chain), len(positions)))
    blades = []
    for number, share in enumerate(np.linspace(row.first, row.last, row.count)):
        at = share * arc[-1]
        k = min(int(np.searchsorted(arc, at, side="right")) - 1, len(chain) - 2)
        t = (at - arc[k]) / (arc[k + 1] - arc[k])
        pick = sp.csr_matrix(([1 - t, t], ([0, 0], [k, k + 1])), (1, len(chain)))
        root, axes = pick @ base, sp.csr_matrix(sp.vstack([pick @ operator for operator in frame]))
        curve, across = _blade_curve(row, number, share, (root @ positions)[0], eye, (pick @ frame[0] @ positions)[0])
        blades.append(_follow(root, axes, curve, across, positions, upward))
    return blades


def _blade_curve(
    row: LashRow, number: int, share: float, root: np.ndarray, eye: np.ndarray, along: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (STEPS + 1, 3) of the blade's middle line from its root, and the unit vector across it."""
    jitter = np.modf(np.sin((number + 1) * 12.9898) * 43758.5453)[0]  # repeatable unevenness in [-1, 1]
    swell = 0.55 + 0.45 * np.sin(np.pi * np.clip(share, 0, 1) ** 1.3)
    length = row.length * swell * (1 + 0.10 * jitter)
    out = (root - eye) * [0.75, 0.35, 1.0]
    out = out / np.linalg.norm(out) + [0.10 * jitter + 0.25 * (share - 0.35), 0, 0]
    out /= np.linalg.norm(out)
    s = np.linspace(0, 1, STEPS + 1)[:, None]
    dip = -0.10 * np.sign(row.lift)  # lashes first lean away, then curl
    up = np.array([0.0, 1.0, 0.0])
    curve = length * (s * out * (1 - 0.25 * s) + (dip * s + (row.lift - dip) * s**2) * up)
    return curve, along / np.linalg.norm(along)


def _follow(
    root: sp.csr_matrix,
    axes: sp.csr_matrix,
    curve: np.ndarray,
    across: np.ndarray,
    positions: np.ndarray,
    upward: float,
) -> tuple[sp.csr_matrix, np.ndarray]:
    width = HALF_WIDTH * (1 - np.linspace(0, 1, STEPS + 1)) ** 0.7
    offsets = []
    for k in range(STEPS):
        offsets += [curve[k] - upward * width[k] * across, curve[k] + upward * width[k] * across]
    offsets = np.stack([*offsets, curve[STEPS]])
    frame = axes @ positions  # (3, 3), rows are the three vectors
    # damped: where the lid gives no clean frame (its corners) a lash moves along rather than swings about
    damping = (DAMPING * np.linalg.norm(frame, axis=1).mean()) ** 2 * np.eye(3)
    coefficients = offsets @ frame.T @ np.linalg.inv(frame @ frame.T + damping)
    ones = sp.csr_matrix(np.ones((len(coefficients), 1)))
    return (ones @ root + sp.csr_matrix(coefficients) @ axes).tocsr(), (root @ positions) + offsets
