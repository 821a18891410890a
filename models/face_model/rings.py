"""Authoring of closed loops: rings of quads are set into the cage round an eye, along a cycle with few corners."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .cage import Cage
from .quads import edges_of
from .sources import ICT_RANGES

TURN = 0.010  # metres of detour that a pole on the cycle is worth
OUTSIDE = 1e6
SHARE = 0.5  # how far towards the curve the innermost bank of new rings starts
FACE_VERTICES = ICT_RANGES["face"].stop
SOCKET = 0.016  # metres: nearer to the eyeball's centre lies the back of the lids


@dataclass(frozen=True)
class RingWish:
    """Where rings are wanted: at a distance from a feature curve, a number of them."""

    curve: str
    distance: float  # metres from the curve
    tolerance: float  # metres
    count: int


def insert_rings(cage: Cage, positions: np.ndarray, center: np.ndarray, wish: RingWish) -> Cage:
    """Set `wish.count` rings of quads round `center` (3,); `positions` (S, 3) are those of the source vertices."""
    points = positions[cage.source_vertex]
    curve = points[np.unique(cage.curves[wish.curve])]
    away = np.linalg.norm(points[:, None] - curve[None], axis=2).min(axis=1)
    cycle = _best_cycle(cage, points, center, away, wish)
    inside = _inside(cage.faces, cycle, np.unique(cage.curves[wish.curve]))
    for number in range(wish.count, 0, -1):  # the innermost bank first
        bank = _bank(points, cycle, curve, positions, center, SHARE * number / wish.count)
        cage = _inset(cage, cycle, inside, bank)
        inside = np.concatenate([inside, np.ones(len(cycle), bool)])
    return cage


def _bank(
    points: np.ndarray, cycle: list[int], curve: np.ndarray, positions: np.ndarray, center: np.ndarray, share: float
) -> np.ndarray:
    """Source vertices for the copies of the cycle, moved by `share` of the way towards the curve."""
    own = points[cycle]
    towards = curve[np.linalg.norm(own[:, None] - curve[None], axis=2).argmin(axis=1)]
    outside = np.flatnonzero(np.linalg.norm(positions - center, axis=1) > SOCKET)
    outside = outside[outside < FACE_VERTICES]
    return outside[cKDTree(positions[outside]).query(own + share * (towards - own))[1]]


def _spokes(faces: np.ndarray, count: int) -> list[list[int]]:
    """Neighbours of each vertex in counter-clockwise order; border vertices start at the border."""
    after: list[dict[int, int]] = [{} for _ in range(count)]
    for quad in faces.tolist():
        for k in range(4):
            after[quad[k]][quad[(k + 1) % 4]] = quad[k - 1]
    spokes = []
    for onward in after:
        starts = sorted(set(onward) - set(onward.values())) or sorted(onward)[:1]
        ring = list(starts[:1])
        while ring and ring[-1] in onward and onward[ring[-1]] != ring[0]:
            ring.append(onward[ring[-1]])
        spokes.append(ring)
    return spokes


def _corner_cost(ring: list[int], came: int, goes: int) -> float:
    """Poles made at a vertex of the cycle: spokes beyond one on its inner (left) and outer side."""
    i, j = ring.index(came), ring.index(goes)
    right = (j - i - 1) % len(ring)  # counter-clockwise from where it came to where it goes: the right-hand side
    left = len(ring) - 2 - right
    return OUTSIDE if max(left, right) > 2 else abs(left - 1) + abs(right - 1)


def _best_cycle(cage: Cage, points: np.ndarray, center: np.ndarray, away: np.ndarray, wish: RingWish) -> list[int]:
    """Cheapest cycle once round the centre, counter-clockwise from the front, off all feature curves."""
    flat = points[:, :2] - center[:2]
    open_ = (away < wish.distance + 4 * wish.tolerance) & (np.linalg.norm(points - center, axis=1) > SOCKET)
    for pairs in cage.curves.values():
        open_[pairs.ravel()] = False
    spokes = _spokes(cage.faces, len(points))
    cost = {}
    for a, b in edges_of(cage.faces).pairs.tolist():
        if open_[a] and open_[b]:
            drift = ((away[a] + away[b]) / 2 - wish.distance) / wish.tolerance
            cost[a, b] = cost[b, a] = float(np.linalg.norm(points[a] - points[b])) * (1 + drift**2)
    gates = [edge for edge in cost if _crosses(flat, *edge) > 0]
    best, best_cost = [], np.inf
    for gate in gates:
        cycle, total = _round_trip(gate, cost, spokes, flat)
        if total < best_cost:
            best, best_cost = cycle, total
    if not best:
        raise ValueError("no cycle of edges goes round the eye; widen the ring's tolerance")
    return best


def _crosses(flat: np.ndarray, a: int, b: int) -> int:
    """+1 where the edge crosses the half-line to the right upwards, -1 downwards, else 0."""
    (ax, ay), (bx, by) = flat[a], flat[b]
    if (ay < 0) == (by < 0):
        return 0
    return 0 if ax + (bx - ax) * ay / (ay - by) < 0 else (1 if by > ay else -1)


def _round_trip(
    gate: tuple[int, int], cost: dict[tuple[int, int], float], spokes: list[list[int]], flat: np.ndarray
) -> tuple[list[int], float]:
    """Dijkstra over directed edges from the gate once round back to it."""
    queue: list[tuple[float, tuple[int, int]]] = [(0.0, gate)]
    known: dict[tuple[int, int], float] = {gate: 0.0}
    before: dict[tuple[int, int], tuple[int, int]] = {}
    while queue:
        total, (a, b) = heapq.heappop(queue)
        if total > known[a, b]:
            continue
        for c in spokes[b]:
            step = (b, c)
            if c == a or step not in cost:
                continue
            price = total + cost[step] + TURN * _corner_cost(spokes[b], a, c)
            if step == gate:
                return _unroll(before, (a, b), gate), price
            if _crosses(flat, b, c) == 0 and price < known.get(step, OUTSIDE):
                known[step], before[step] = price, (a, b)
                heapq.heappush(queue, (price, step))
    return [], np.inf


def _unroll(before: dict[tuple[int, int], tuple[int, int]], last: tuple[int, int], gate: tuple[int, int]) -> list[int]:
    chain = [last]
    while chain[-1] != gate:
        chain.append(before[chain[-1]])
    return [edge[1] for edge in chain[::-1]]


def _inside(faces: np.ndarray, cycle: list[int], seeds: np.ndarray) -> np.ndarray:
    """(F,) bool: faces on the side of the cycle that holds the seed vertices."""
    blocked = {frozenset(pair) for pair in zip(cycle, [*cycle[1:], cycle[0]], strict=True)}
    edges = edges_of(faces)
    wall = np.array([frozenset(pair) in blocked for pair in edges.pairs.tolist()])
    by_edge: dict[int, list[int]] = {}
    for face, own in enumerate(edges.of_face.tolist()):
        for edge in own:
            by_edge.setdefault(edge, []).append(face)
    inside = np.isin(faces, seeds).any(axis=1)
    stack = np.flatnonzero(inside).tolist()
    while stack:
        for edge in edges.of_face[stack.pop()]:
            if not wall[edge]:
                for other in by_edge[int(edge)]:
                    if not inside[other]:
                        inside[other] = True
                        stack.append(other)
    return inside


def _inset(cage: Cage, cycle: list[int], inside: np.ndarray, bank: np.ndarray) -> Cage:
    """Cut along the cycle and set a ring of quads between its two banks, the inner one at source vertices `bank`."""
    ring = np.array(cycle)
    copy = np.arange(len(cage.source_vertex))
    copy[ring] = len(copy) + np.arange(len(ring))
    faces = np.where(inside[:, None], copy[cage.faces], cage.faces)
    ahead = np.roll(ring, -1)
    # the inner bank lies to the left of the counter-clockwise cycle
    band = np.stack([ring, ahead, copy[ahead], copy[ring]], axis=1)
    source = np.concatenate([cage.source_vertex, bank])
    return Cage(np.concatenate([faces, band]), source, cage.curves)
