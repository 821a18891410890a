"""Our own head topology, designed anew, and how it follows the scanned model (kept_topology.py keeps the shipped one).

`build_topology()` returns every part of docs/conventions.md at rest on the ICT generic neutral, with a linear operator
that carries any position field of the ICT connectivity (26,719 vertices, metres, model frame) onto our vertices:
`transfer @ positions + offset`; deltas go by `transfer` alone. Run `python -m models.face_model.topology` to build the
cache, `build/face_model/topology.npz`, and print its figures.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from . import cage as cages
from . import relax as fairing
from . import topology_checks as checks
from .eyes import cornea, eyeball
from .lashes import lashes
from .mouth_parts import gums_and_tongue, teeth, touching
from .pieces import Piece, doubled, mirrored
from .rings import RingWish, insert_rings
from .source_surface import Places, SourceSurface, make_surface
from .sources import ICT_COUNT, ICT_RANGES, IctModel, load_ict
from .surface import MIRROR, symmetrised
from .uv import Layout, lay_out

log = logging.getLogger(__name__)

CACHE = Path(__file__).resolve().parents[2] / "build" / "face_model" / "topology.npz"
PART_NAMES = (
    "skin",
    "eyeball_left",
    "eyeball_right",
    "cornea_left",
    "cornea_right",
    "teeth_upper",
    "teeth_lower",
    "gums",
    "tongue",
    "lashes_left",
    "lashes_right",
)
SKIN_COUNT = 14062  # the first vertices of the source: skin with the linings of mouth and eye sockets
HALF_CAGE_QUADS = 1430  # quads of the coarse cage, half a head; the skin has eight times as many
# Expressions whose stretch the density of the cage must bear: eyes shut, jaw open, a wide mouth.
POSES = (
    ("eyeBlink_L", "eyeBlink_R"),
    ("jawOpen",),
    ("mouthStretch_L", "mouthStretch_R"),
    ("mouthUpperUp_L", "mouthUpperUp_R"),
)
EYE_RINGS = (RingWish("lid_outer", distance=0.0065, tolerance=0.003, count=2),)
CAGE_STEPS, FINE_STEPS = 30, 15  # fairing steps on the cage and on the refined half


@dataclass(frozen=True)
class Topology:
    """The head of our own topology at rest on the ICT generic neutral."""

    vertices: np.ndarray  # (V, 3) float64, metres, model frame; skin first
    faces: np.ndarray  # (F, 4) int32, counter-clockwise from outside; a triangle repeats its third index
    uv: np.ndarray  # (T, 2) float32
    uv_faces: np.ndarray  # (F, 4) int32
    part_names: tuple[str, ...]
    vertex_part: np.ndarray  # (V,) uint8
    face_part: np.ndarray  # (F,) uint8
    mirror: np.ndarray  # (V,) int32
    transfer: sp.csr_matrix  # (V, 26719) float64, rows sum to one
    offset: np.ndarray  # (V, 3) float64, metres
    curve_names: tuple[str, ...]  # feature curves of the left half: lid margins, lash line, lips, nostril, ear
    curve_edges: np.ndarray  # (N, 3) int32: curve, and the two vertices of each edge

    def curve(self, name: str) -> np.ndarray:
        """(N, 2) vertex pairs of a feature curve of the left half."""
        return self.curve_edges[self.curve_edges[:, 0] == self.curve_names.index(name), 1:]


@dataclass(frozen=True)
class Design:
    """What a design decides; everything else follows from it and the source."""

    half: Piece  # left half of the skin
    curves: dict[str, np.ndarray]  # feature -> (N, 2) int: its edges on the half
    gums: Piece
    tongue: Piece
    dilated: np.ndarray | None = None  # (458, 3) float, metres: the left eyeball when its pupil dilates


def build_topology(refresh: bool = False) -> Topology:
    """A topology of new design, from the cache when it is there."""
    if not refresh and CACHE.exists():
        return load_topology(CACHE)
    topology = assemble(load_ict())
    save_topology(topology, CACHE)
    return topology


def source_mirror_of(ict: IctModel) -> tuple[np.ndarray, sp.csr_matrix]:
    """Mirrored vertex of every source vertex (26719,), and the operator (26719, 26719) that moves columns to it."""
    mirror = np.arange(ICT_COUNT)
    groups = [
        (np.arange(0, SKIN_COUNT), np.arange(0, SKIN_COUNT)),
        *((np.array(ICT_RANGES[n]), np.array(ICT_RANGES[n])) for n in ("gums_tongue", "teeth")),
        (np.array(ICT_RANGES["eyeball_left"]), np.array(ICT_RANGES["eyeball_right"])),
        (np.array(ICT_RANGES["eyeball_right"]), np.array(ICT_RANGES["eyeball_left"])),
    ]
    for own, other in groups:
        mirror[own] = other[cKDTree(ict.vertices[other]).query(ict.vertices[own] * MIRROR)[1]]
    operator = sp.csr_matrix((np.ones(ICT_COUNT), (np.arange(ICT_COUNT), mirror)), (ICT_COUNT, ICT_COUNT))
    return mirror, operator


def assemble(ict: IctModel) -> Topology:
    """Design the skin, build every other part and join them."""
    mirror, source_mirror = source_mirror_of(ict)
    design = Design(*_half_skin(ict, mirror), *gums_and_tongue(ict, source_mirror))
    pieces = all_pieces(ict, design, source_mirror)
    return join(ict, pieces, design.curves, lay_out(pieces, design.curves))


def all_pieces(ict: IctModel, design: Design, source_mirror: sp.csr_matrix) -> list[Piece]:
    """The pieces of the whole head in the order of `PART_NAMES`."""
    half, curves = design.half, design.curves
    on_midline = np.zeros(len(half.positions), bool)
    on_midline[curves[cages.MIDLINE].ravel()] = True
    skin = doubled(half, source_mirror, on_midline)
    ball, radius = eyeball(ict, half.positions[np.unique(curves["lid_edge"])], design.dilated)
    left = [
        ball,
        cornea(ict, radius),
        lashes(half.faces, half.positions, half.weights, curves["lid_outer"], ict.eye_centers[1]),
    ]
    pieces = {piece.name: piece for piece in (skin, *left, design.gums, design.tongue)}
    for piece in left:
        twin = piece.name.replace("left", "right")
        pieces[twin] = mirrored(piece, twin, source_mirror)
    for upper in (True, False):
        piece = teeth(ict, upper, source_mirror)
        pieces[piece.name] = piece
    return [pieces[name] for name in PART_NAMES]


def _with_closed_rows(topology: Topology) -> Topology:
    """The teeth of either jaw touch each other; what is at rest moves, and with it everything that follows."""
    vertices = topology.vertices.copy()
    for name in ("teeth_upper", "teeth_lower"):
        rows = topology.vertex_part == topology.part_names.index(name)
        vertices[rows] = touching(vertices[rows])
    vertices = (vertices + vertices[topology.mirror] * MIRROR) / 2
    return replace(topology, vertices=vertices, offset=topology.offset + vertices - topology.vertices)


def scanned_skin(ict: IctModel, mirror: np.ndarray) -> tuple[cages.Source, SourceSurface]:
    """The scanned skin, symmetrised, with its feature curves and expressions, and as a smooth surface."""
    faces = ict.mesh.faces[(ict.mesh.faces < SKIN_COUNT).all(axis=1)].astype(int)
    mirror = mirror[:SKIN_COUNT]
    positions = symmetrised(ict.vertices[:SKIN_COUNT], mirror)
    chosen = [[ict.expression_names.index(name) for name in pose] for pose in POSES]
    moves = [ict.expression[rows].sum(axis=0)[:SKIN_COUNT] for rows in chosen]
    poses = np.stack([positions + symmetrised(move, mirror) for move in moves])
    source = cages.make_source(positions, faces, mirror, poses)
    return source, make_surface(positions, faces, source.curves)


def _half_skin(ict: IctModel, mirror: np.ndarray) -> tuple[Piece, dict[str, np.ndarray]]:
    source, surface = scanned_skin(ict, mirror)
    cage = cages.build_cage(source, HALF_CAGE_QUADS)
    for wish in EYE_RINGS:
        cage = insert_rings(cage, source.positions, ict.eye_centers[1], wish)
    mesh = fairing.relax(fairing.from_cage(cage, surface), surface, CAGE_STEPS)
    mesh = fairing.relax(fairing.refine(mesh, surface), surface, FINE_STEPS)
    mesh = fairing.untangle(mesh, surface)
    return skin_piece(mesh.faces, mesh.places, surface), mesh.curves


def skin_piece(faces: np.ndarray, places: Places, surface: SourceSurface) -> Piece:
    """The left half of the skin as a piece: (F, 4) faces over places (H,) on the scanned surface."""
    rows, points = surface.weights(places), surface.positions(places)
    weights = sp.csr_matrix((rows.data, rows.indices, rows.indptr), (len(points), ICT_COUNT))
    return Piece("skin", points, weights, faces, np.arange(len(points)), np.zeros(len(faces), int))


def join(ict: IctModel, pieces: list[Piece], curves: dict[str, np.ndarray], layout: Layout) -> Topology:
    """The head from its pieces, with each row of teeth closed."""
    return _with_closed_rows(_join(ict, pieces, curves, layout))


def _join(ict: IctModel, pieces: list[Piece], curves: dict[str, np.ndarray], layout: Layout) -> Topology:
    sizes = [len(piece.positions) for piece in pieces]
    starts = np.cumsum([0, *sizes])
    mirror = np.concatenate([piece.mirror + starts[_twin(number)] for number, piece in enumerate(pieces)])
    transfer = sp.csr_matrix(sp.vstack([piece.weights for piece in pieces]))
    vertices = np.concatenate([piece.positions for piece in pieces])
    vertices = (vertices + vertices[mirror] * MIRROR) / 2
    names = tuple(curves)
    edges = [np.column_stack([np.full(len(pairs), number), pairs]) for number, pairs in enumerate(curves.values())]
    faces = np.concatenate([piece.faces + start for piece, start in zip(pieces, starts, strict=False)])
    return Topology(
        vertices=vertices,
        faces=faces.astype(np.int32),
        uv=layout.uv,
        uv_faces=layout.uv_faces,
        part_names=PART_NAMES,
        vertex_part=np.repeat(np.arange(len(pieces)), sizes).astype(np.uint8),
        face_part=np.repeat(np.arange(len(pieces)), [len(piece.faces) for piece in pieces]).astype(np.uint8),
        mirror=mirror.astype(np.int32),
        transfer=transfer,
        offset=vertices - transfer @ ict.vertices,
        curve_names=names,
        curve_edges=np.concatenate(edges).astype(np.int32),
    )


def _twin(number: int) -> int:
    name = PART_NAMES[number]
    swap = {"left": "right", "right": "left"}
    base, _, side = name.rpartition("_")
    return PART_NAMES.index(f"{base}_{swap[side]}") if side in swap else number


def save_topology(topology: Topology, path: Path) -> None:
    """Write the topology as a plain npz; the operator goes as its CSR arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {key: np.asarray(value) for key, value in vars(topology).items() if key != "transfer"}
    operator = topology.transfer
    np.savez_compressed(
        path,
        transfer_data=operator.data,
        transfer_indices=operator.indices,
        transfer_indptr=operator.indptr,
        **arrays,
    )


def load_topology(path: Path = CACHE) -> Topology:
    """Read what `save_topology` wrote."""
    with np.load(path, allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files}
    parts = [arrays.pop(f"transfer_{key}") for key in ("data", "indices", "indptr")]
    arrays["transfer"] = sp.csr_matrix(tuple(parts), (len(arrays["vertices"]), ICT_COUNT))
    for key in ("part_names", "curve_names"):
        arrays[key] = tuple(str(name) for name in arrays[key])
    return Topology(**arrays)


def measure(topology: Topology) -> dict[str, float]:
    """Figures for the card: counts, share of quads, worst valence, texel size on the face at 1024 texels (mm)."""
    skin = topology.faces[topology.face_part == 0].astype(int)
    valence = checks.valence_counts(skin)
    texel = checks.millimetres_per_texel(topology.vertices, topology.faces, topology.uv, topology.uv_faces, size=1024)
    center = topology.vertices[topology.faces].mean(axis=1)
    face = (topology.face_part == 0) & (center[:, 2] > 0) & (np.abs(center[:, 1] + 0.02) < 0.06)
    return {
        "vertices": len(topology.vertices),
        "skin_quads": len(skin),
        "quad_share": checks.quad_share(skin),
        "valence_max": max(valence),
        "poles": sum(number for value, number in valence.items() if value != 4),
        "folded_quads": len(checks.folded_quads(topology.vertices, skin)),
        "closed_loops": len(checks.closed_loops(skin)),
        "mirror_error_m": float(np.abs(topology.vertices[topology.mirror] * MIRROR - topology.vertices).max()),
        "face_mm_per_texel_1024": float(np.median(texel[face])),
        "uv_overlap_texels_2048": checks.uv_overlap(topology.uv, topology.uv_faces),
    }


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for figure, value in measure(build_topology(refresh=True)).items():
        log.info("%s: %g", figure, value)
