"""The shipped head topology, kept: faces, UVs and mirror map as in face_model.npz, the transfer operator found again.

The skin of the shipped file lies on the smooth scanned surface, so the place of each vertex on it gives back its row of
the operator; gums and tongue have vertices of the source. The other parts are built as for a new topology and must
come out as shipped. No choice of the design is made again, so rounding and versions of libraries have no say.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from core.geometry.face_model import DEFAULT_PATH, FaceModel, load_face_model

from .mouth_parts import doubled_on
from .pieces import Piece
from .quads import edges_of, loop_table, subdivide
from .source_surface import SourceSurface
from .sources import IctModel, ict_range, load_ict
from .surface import mirror_map, symmetrised
from .topology import PART_NAMES, Design, Topology, all_pieces, join, scanned_skin, skin_piece, source_mirror_of
from .uv import Layout

ON_SURFACE = 1e-7  # metres: what is farther from the scanned surface or a curve is not on it; float32 rounds to 1e-8
SAME_PLACE = 1e-6  # metres: how far a rebuilt vertex may lie from the shipped one
ADVICE = "take face_model.npz and the source data as they were, or build with --new-topology and train all networks"
LONGEST_GAP = 4  # edges of the cage that a curve may have lost in the corners of the eye


def kept_topology(path: Path = DEFAULT_PATH) -> Topology:
    """The topology of the face model at `path`; its vertices differ from the shipped ones by rounding."""
    ict, shipped = load_ict(), load_face_model(path)
    mean = symmetrised(ict.vertices, mirror_map(ict.vertices, ict.mesh.faces))
    mirror, source_mirror = source_mirror_of(ict)
    _, surface = scanned_skin(ict, mirror)
    half = _half_skin(shipped, surface)
    curves = _curves(half, surface)
    gums, tongue = (_soft_part(ict, mean, shipped, part, source_mirror) for part in ("gums", "tongue"))
    design = Design(half, curves, gums, tongue, _dilated(shipped))
    pieces = all_pieces(ict, design, source_mirror)
    topology = join(ict, pieces, curves, Layout(shipped.uv, shipped.uv_faces))
    _check(topology, mean, shipped)
    return topology


def _half_skin(shipped: FaceModel, surface: SourceSurface) -> Piece:
    """The left half: the first half of the skin's faces and of its vertices, put back on the surface."""
    faces, points = _left_half(shipped, "skin")
    return skin_piece(faces, surface.closest(points), surface)


def _left_half(shipped: FaceModel, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(F, 4) faces and (H, 3) vertices of the left half of a part: they come before those of the right half."""
    faces = shipped.faces[shipped.face_part == PART_NAMES.index(part)].astype(int)
    start = np.flatnonzero(shipped.vertex_part == PART_NAMES.index(part))[0]
    faces = faces[: len(faces) // 2] - start
    return faces, shipped.vertices[start : start + faces.max() + 1].astype(float)


def _soft_part(ict: IctModel, mean: np.ndarray, shipped: FaceModel, part: str, source_mirror: sp.csr_matrix) -> Piece:
    """Gums or tongue: vertices of the left half are vertices of the source, at rest on its (26719, 3) mean head."""
    faces, points = _left_half(shipped, part)
    candidates = ict_range("gums_tongue")
    source = candidates[cKDTree(mean[candidates]).query(points)[1]]
    return doubled_on(ict, part, faces, source, np.zeros(len(faces), int), source_mirror)


def _curves(half: Piece, surface: SourceSurface) -> dict[str, np.ndarray]:
    """Feature -> (N, 2) int: its edges on the half, which is a cage with every quad split in four."""
    cage = half.faces[:, 0].reshape(-1, 4)
    count = int(cage.max()) + 1
    if not np.array_equal(subdivide(cage, count)[0], half.faces):
        raise ValueError("the skin's faces are no refined cage: take face_model.npz from the repository again")
    pairs, table = edges_of(cage).pairs, loop_table(cage)
    middle = count + np.arange(len(pairs))
    curves = {}
    for name in surface.lines:
        on = _on_line(half.positions, surface, name)
        chosen = _bridged(pairs, on[pairs].all(axis=1) & on[middle], table)
        curves[name] = np.concatenate([np.stack([pairs[chosen, k], middle[chosen]], axis=1) for k in (0, 1)])
    return curves


def _on_line(points: np.ndarray, surface: SourceSurface, feature: str) -> np.ndarray:
    """(N,) bool: which of the (N, 3) points lie on a feature curve of the surface."""
    line = np.flatnonzero(surface.lines[feature][:, 0] >= 0)
    near = line[cKDTree(surface.vertices[line]).query(points)[1]]
    found = surface.positions(surface.walk_line(feature, points, near))
    return np.linalg.norm(found - points, axis=1) < ON_SURFACE


def _bridged(pairs: np.ndarray, on: np.ndarray, table: dict[tuple[int, int], int]) -> np.ndarray:
    """(E,) bool: the edges of a curve, from those known to be `on` it, with its gaps closed.

    Fairing lets folded quads leave their curve in the corners of the eye. The curve goes straight on from its loose
    ends; where two of these ways meet, or touch at a pole, they belong to it.
    """
    number = {(a, b): k for k, (a, b) in enumerate(pairs.tolist())}
    degree = np.bincount(pairs[on].ravel(), minlength=pairs.max() + 1)
    ends, tips = np.flatnonzero(degree == 1), []
    bridge = np.zeros(len(pairs), bool)
    for end in ends.tolist():
        before = int(pairs[on & (pairs == end).any(axis=1)].sum()) - end
        way = _straight_on(table, before, end, degree > 0)
        bridge[[number[min(step), max(step)] for step in pairwise(way)]] = True
        tips.append(way[-1])
    bridge |= np.isin(pairs, tips).all(axis=1) & ~np.isin(pairs, ends).all(axis=1)
    while True:
        degree = np.bincount(pairs[on | bridge].ravel(), minlength=pairs.max() + 1)
        dangling = bridge & (degree[pairs] == 1).any(axis=1)
        if not dangling.any():
            return on | bridge
        bridge &= ~dangling


def _straight_on(table: dict[tuple[int, int], int], before: int, end: int, stops: np.ndarray) -> list[int]:
    """Vertices from `end` straight on, at most `LONGEST_GAP` edges, up to a pole or one of the `stops` (V,) bool."""
    way = [end]
    while len(way) <= LONGEST_GAP and (before, way[-1]) in table:
        onward = table[before, way[-1]]
        before = way[-1]
        way.append(onward)
        if stops[onward]:
            break
    return way


def _dilated(shipped: FaceModel) -> np.ndarray:
    """(458, 3) metres: how the left eyeball moves at pupilDilateLeft 1."""
    rows = shipped.vertex_part == PART_NAMES.index("eyeball_left")
    return shipped.expression_basis[shipped.expression_names.index("pupilDilateLeft"), rows].astype(float)


def _check(topology: Topology, mean: np.ndarray, shipped: FaceModel) -> None:
    """Refuse a topology that, carrying the (26719, 3) mean head, is not the shipped one."""
    for name in ("faces", "vertex_part", "face_part", "mirror"):
        if not np.array_equal(getattr(topology, name), getattr(shipped, name)):
            raise ValueError(f"`{name}` of the rebuilt parts differs from the shipped: {ADVICE}")
    vertices = symmetrised(topology.transfer @ mean + topology.offset, topology.mirror)
    apart = np.linalg.norm(vertices - shipped.vertices, axis=1)
    for number, name in enumerate(PART_NAMES):
        worst = apart[topology.vertex_part == number].max()
        if worst > SAME_PLACE:
            raise ValueError(f"the rebuilt {name} lies {1e6 * worst:.1f} micrometres from the shipped: {ADVICE}")
