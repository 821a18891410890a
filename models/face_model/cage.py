"""The coarse cage of half a head: chords of the scanned layout are removed until our own density is reached.

Work happens on the left half (x >= 0) with the midline as a boundary, so symmetry is built in. A chord is a strip of
quads; removing one keeps every face a quad and every loop across it whole. What stays is decided by `target_size`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from .quads import Edges, chords_of, edges_of, is_clean, loop_table, merge, trace_loop
from .sources import ICT_LANDMARKS, ict_range
from .surface import vertex_normals

log = logging.getLogger(__name__)

# Feature curves of the scanned layout as edge loops, each by two neighbouring source vertices on it.
FEATURE_SEEDS: dict[str, tuple[tuple[int, int], ...]] = {
    "lid_inner": ((3756, 3757),),  # waterline, carries landmarks 43-47
    "lid_edge": ((3791, 3792),),  # sharp edge towards the eyeball
    "lid_outer": ((3242, 2931), (3100, 2821)),  # lash line, upper and lower
    "lip_border_upper": ((6200, 6225),),  # vermilion, landmarks 49 and 53
    "lip_border_lower": ((5518, 6438),),  # landmarks 55-59
    "lip_body": ((5527, 6263),),  # crest of the lips
    "lip_upper": ((5533, 6301),),  # where the lips part, landmarks 60-64
    "lip_lower": ((5517, 6443),),  # landmarks 65-67
    "mouth_corner": ((6213, 6432),),  # row through landmark 54, from the cheek into the mouth
    "mouth_seam": ((5534, 5828),),  # inside the lips: border of the mouth bag in the UV layout
    "nostril": ((5041, 5428),),  # rim
    "nostril_seam": ((5113, 5120),),  # inside: border of the nostril's floor in the UV layout
    "ear_crest": ((7286, 7393),),
    "ear_front": ((7287, 7392),),
    "ear_back": ((7285, 7394),),
}
EAR_SIDE = 0.066  # metres: curves named `ear_*` count only where |x| is larger
# metres: these rows count only this near to their first seed
REACH = {"mouth_corner": 0.016}
STRETCH = 0.55  # how much the length of an edge in an expression counts against its length at rest
MIDLINE, RIM = "midline", "rim"
RIDGE = 0.6  # radians: a vertex whose normal turns more over an edge lies on a ridge (ear rim, wing of the nose)
CHOICES = 8  # chords compared before one goes
POLE_WEIGHT = 1.15  # a chord that takes a pole with it may be needed this much more
CORNERS = ICT_LANDMARKS[[42, 45]]  # where curves turn: kept as cage vertices


@dataclass(frozen=True)
class Source:
    """The left half of the scanned skin and what must not be lost on it."""

    positions: np.ndarray  # (S, 3) float64, metres: symmetrised skin of the whole head
    poses: np.ndarray  # (P, S, 3) float64, metres: the same in strong expressions
    faces: np.ndarray  # (F, 4) int: left half
    curves: dict[str, np.ndarray]  # feature -> (N, 2) int: its edges on the left half
    size: np.ndarray  # (S,) float64, metres: wanted edge length of the cage
    turn: np.ndarray  # (S,) float64, radians: largest turn of the normal over an edge at the vertex


@dataclass(frozen=True)
class Cage:
    """A coarse quad mesh of the left half whose vertices are source vertices."""

    faces: np.ndarray  # (F, 4) int, into `source_vertex`
    source_vertex: np.ndarray  # (C,) int
    curves: dict[str, np.ndarray]  # feature -> (N, 2) int: its edges, into `source_vertex`


def make_source(positions: np.ndarray, faces: np.ndarray, mirror: np.ndarray, poses: np.ndarray) -> Source:
    """Left half of the (S, 3) symmetrised skin with (F, 4) quads of the whole head, and its (P, S, 3) expressions."""
    on_mid = mirror == np.arange(len(mirror))
    half = faces[((positions[:, 0] > 0) | on_mid)[faces].all(axis=1)]
    edges = edges_of(half)
    border = edges.pairs[edges.faces == 1]
    curves = {MIDLINE: border[on_mid[border].all(axis=1)], RIM: border[~on_mid[border].all(axis=1)]}
    table = loop_table(faces)
    inside = np.zeros(len(positions), bool)
    inside[half.ravel()] = True
    for name, runs in FEATURE_SEEDS.items():
        pairs = np.concatenate([_run_edges(table, *run) for run in runs])
        kept = inside[pairs].all(axis=1)
        if name.startswith("ear"):
            kept &= _run_round(positions[pairs, 0] > EAR_SIDE)
        elif name in REACH:
            kept &= _run_round(np.linalg.norm(positions[pairs] - positions[runs[0][0]], axis=-1) < REACH[name])
        curves[name] = np.unique(np.sort(pairs[kept], axis=1), axis=0)
    turn, bend = _bending(positions, half, vertex_normals(positions, faces))
    return Source(positions, poses, half, curves, target_size(positions, bend), turn)


def _run_round(ends: np.ndarray) -> np.ndarray:
    """(N,) bool: the longest unbroken run of consecutive edges whose two ends (N, 2) bool are both wanted."""
    inside = ends.all(axis=1)
    run = np.cumsum(~inside)
    longest = np.argmax(np.bincount(run[inside]))
    return inside & (run == longest)


def _run_edges(table: dict[tuple[int, int], int], start: int, towards: int) -> np.ndarray:
    chain, closed = trace_loop(table, start, towards)
    if closed:
        chain = [*chain, start]
    elif (towards, start) in table:
        chain = trace_loop(table, start, table[towards, start])[0][:0:-1] + chain
    return np.stack([chain[:-1], chain[1:]], axis=1)


def _bending(positions: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest turn of the normal (radians) and largest curvature (1/m) over the edges of each vertex, (S,) each."""
    pairs = edges_of(faces).pairs
    length = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    angle = np.arccos(np.clip(np.einsum("ij,ij->i", normals[pairs[:, 0]], normals[pairs[:, 1]]), -1, 1))
    turn, bend = np.zeros(len(positions)), np.zeros(len(positions))
    np.maximum.at(turn, pairs.ravel(), np.repeat(angle, 2))
    np.maximum.at(bend, pairs.ravel(), np.repeat(angle / length, 2))
    return turn, bend


def target_size(positions: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """(S,) wanted edge length of the cage, metres: fine near the features of the face and where it bends."""
    features = positions[ICT_LANDMARKS[17:]]
    features = np.concatenate([features, features * [-1, 1, 1]])
    distance = np.linalg.norm(positions[:, None] - features[None], axis=2).min(axis=1)
    size = np.clip(0.0034 + 0.20 * distance, 0.0034, 0.017)
    hidden = ict_range("mouth_socket", "eye_sockets")
    size[hidden] = np.maximum(size[hidden], 0.010)
    return np.minimum(size, np.maximum(np.radians(40) / np.maximum(bend, 1e-6), 0.0016))


@dataclass
class _State:
    faces: np.ndarray  # (F, 4) current quads, labels of the current vertices
    members: np.ndarray  # (S,) current vertex of every source vertex, -1 outside the half
    rank: np.ndarray  # (S,) who stands for merged vertices: 0 plain, 0.5 on a ridge, 1 or 2 curves, 3 a corner
    features: np.ndarray  # (S, K) bool


def build_cage(source: Source, quads: int) -> Cage:
    """Remove chords of the half head, least needed first, until at most `quads` quads are left or none can go."""
    state = _start(source)
    refused: set[tuple[int, ...]] = set()
    while len(state.faces) > quads:
        reduced = _best_collapse(source, state, refused)
        if reduced is None:
            log.warning("no further chord can go; the cage keeps %d quads", len(state.faces))
            break
        state = reduced
    return _finish(source, state)


def _best_collapse(source: Source, state: _State, refused: set[tuple[int, ...]]) -> _State | None:
    """The best of the `CHOICES` least needed chords that can go: one that takes poles with it goes first."""
    edges = edges_of(state.faces)
    representative, position = _representatives(source, state)
    chord, cost = _chord_needs(source, edges, representative, position)
    best, best_cost, seen = None, np.inf, 0
    poles = _poles(state.faces)
    for candidate in np.argsort(cost, kind="stable"):
        key = tuple(np.unique(representative[edges.pairs[chord == candidate]])[:6])
        if key in refused:
            continue
        reduced = _collapse(source, state, edges, chord == candidate)
        if reduced is None:
            refused.add(key)
            continue
        score = (0.02 + cost[candidate]) * POLE_WEIGHT ** (_poles(reduced.faces) - poles)
        if score < best_cost:
            best, best_cost = reduced, score
        seen += 1
        if seen == CHOICES:
            break
    return best


def _poles(faces: np.ndarray) -> int:
    edges = edges_of(faces)
    valence = np.bincount(edges.pairs.ravel())
    rim = np.zeros(len(valence), bool)
    rim[edges.pairs[edges.faces == 1].ravel()] = True
    return int(((valence > 0) & (valence != np.where(rim, 3, 4))).sum())


def _start(source: Source) -> _State:
    count = len(source.positions)
    features = np.zeros((count, len(source.curves)), bool)
    for column, pairs in enumerate(source.curves.values()):
        features[pairs.ravel(), column] = True
    rank = np.maximum(np.minimum(features.sum(axis=1), 2.0), np.where(source.turn > RIDGE, 0.5, 0.0))
    rank[CORNERS] = 3.0
    members = np.full(count, -1)
    used = np.unique(source.faces)
    members[used] = np.arange(len(used))
    return _State(members[source.faces], members, rank, features)


def _representatives(source: Source, state: _State) -> tuple[np.ndarray, np.ndarray]:
    """For each current vertex the source vertex that stands for it, (C,), and its position (C, 3)."""
    used = np.flatnonzero(state.members >= 0)
    label = state.members[used]
    count = int(label.max()) + 1
    size = np.bincount(label, minlength=count)
    centre = np.stack([np.bincount(label, source.positions[used, k], minlength=count) for k in range(3)], axis=1)
    centre /= np.maximum(size, 1)[:, None]
    away = np.linalg.norm(source.positions[used] - centre[label], axis=1)
    order = np.lexsort((used, away, -state.rank[used], label))
    first = np.unique(label[order], return_index=True)[1]
    representative = np.full(count, -1)
    representative[label[order][first]] = used[order][first]
    return representative, source.positions[representative]


def _chord_needs(
    source: Source, edges: Edges, representative: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The chord of each edge (E,) and how much each chord is needed."""
    count, chord = chords_of(edges)
    a, b = edges.pairs.T
    length = np.linalg.norm(position[a] - position[b], axis=1)
    for pose in source.poses[:, representative]:
        length = np.maximum(length, STRETCH * np.linalg.norm(pose[a] - pose[b], axis=1))
    size = np.minimum(source.size[representative[a]], source.size[representative[b]])
    need = np.clip(length / size, 0, 3) ** 4  # the widest places of a strip speak for it
    return chord, np.bincount(chord, need, minlength=count) / np.bincount(chord, minlength=count)


def _collapse(source: Source, state: _State, edges: Edges, chosen: np.ndarray) -> _State | None:
    """Collapse the chosen edges (E,) bool; None where a feature would be lost or the mesh would break."""
    pairs = edges.pairs[chosen]
    count = int(state.members.max()) + 1
    on = np.zeros((count, state.features.shape[1]), bool)
    used = state.members >= 0
    np.logical_or.at(on, state.members[used], state.features[used])
    faces, labels = merge(state.faces, pairs, count)
    members = np.where(used, labels[state.members], -1)
    if _merges_features(source, state.members, labels, on, pairs):
        return None
    corner = np.bincount(members[CORNERS], minlength=count)
    if corner.max() > 1 or not is_clean(faces, corners=2):
        return None
    return _State(faces, members, state.rank, state.features)


def _merges_features(
    source: Source, members: np.ndarray, labels: np.ndarray, on: np.ndarray, pairs: np.ndarray
) -> bool:
    """True if two curves, or two sides of one curve, would be welded along an edge that is not part of them."""
    both = on[pairs[:, 0]].any(axis=1) & on[pairs[:, 1]].any(axis=1)
    if not both.any():
        return False
    allowed: set[tuple[int, int]] = set()
    for edges in source.curves.values():
        allowed.update(map(tuple, np.sort(members[edges], axis=1).tolist()))
    return any(tuple(pair) not in allowed for pair in np.sort(pairs[both], axis=1).tolist())


def _finish(source: Source, state: _State) -> Cage:
    representative, _ = _representatives(source, state)
    used = np.unique(state.faces)
    compact = np.full(len(representative), -1)
    compact[used] = np.arange(len(used))
    curves = {}
    for name, edges in source.curves.items():
        ends = np.unique(np.sort(compact[state.members[edges]], axis=1), axis=0)
        curves[name] = ends[ends[:, 0] != ends[:, 1]]
    return Cage(compact[state.faces], representative[used], curves)
