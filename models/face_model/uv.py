"""One UV layout for all parts: the face large in the middle of one symmetric chart, the other charts packed below."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import igl
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from .cage import MIDLINE
from .pieces import Piece
from .quads import edges_of
from .surface import triangulate

log = logging.getLogger(__name__)

SEAM_CURVES = ("lid_edge", "mouth_seam", "nostril_seam")  # borders of the hidden charts of the skin
BACK = -0.070  # metres: the midline is cut behind this z, from the crown down to the neck
FACE_CENTRE = np.array([0.0, -0.025, 0.10])  # metres, near the tip of the nose
MAGNIFY = 2.2  # texel density of the face over that of the back of the head
SLIM_STEPS = 25
GUTTER = 0.004  # between charts, in units of the layout
SHELF = 0.17  # height of the strip below the skin that holds all other charts
KEEP_THE_SHIPPED = (
    "build without --new-topology, which keeps the shipped topology with its UVs, or design with another libigl release"
)
DENSITY = {  # texel density of the charts on the strip relative to each other
    "skin": 0.35,
    "eyeball_left": 1.6,
    "eyeball_right": 1.6,
    "cornea_left": 0.7,
    "cornea_right": 0.7,
    "teeth_upper": 0.9,
    "teeth_lower": 0.9,
    "gums": 0.5,
    "tongue": 0.8,
    "lashes_left": 0.5,
    "lashes_right": 0.5,
}


@dataclass(frozen=True)
class Layout:
    """UV coordinates of all parts, faces in the order of the parts."""

    uv: np.ndarray  # (T, 2) float32 in [0, 1], v up
    uv_faces: np.ndarray  # (F, 4) int32


@dataclass
class _Chart:
    part: str
    rows: np.ndarray  # (F',) faces of the whole head
    faces: np.ndarray  # (F', 4) into `uv`
    uv: np.ndarray  # (T', 2), metres times density


def lay_out(pieces: list[Piece], curves: dict[str, np.ndarray]) -> Layout:
    """Unwrap and pack all parts; `pieces[0]` is the skin, doubled from its left half with feature `curves`."""
    skin, *rest = pieces
    charts, start = _skin_charts(skin, curves), len(skin.faces)
    for piece in rest:
        charts += _part_charts(piece, start)
        start += len(piece.faces)
    return _pack(charts, start)


# --- charts ---


def _split(faces: np.ndarray, seams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut (F, 4) faces along (N, 2) seam edges. Returns faces into the new vertices and the old vertex of each."""
    corners = np.arange(faces.size).reshape(faces.shape)
    edges, ahead = {}, np.roll(faces, -1, axis=1)
    blocked = {tuple(pair) for pair in np.sort(seams, axis=1).tolist()}
    links: list[tuple[int, int]] = []
    for f, k in np.ndindex(*faces.shape):
        a, b = int(faces[f, k]), int(ahead[f, k])
        if a == b:  # the repeat of a triangle
            links.append((int(corners[f, k]), int(corners[f, (k + 1) % 4])))
            continue
        key = (a, b) if a < b else (b, a)
        here = (a, int(corners[f, k]), int(corners[f, (k + 1) % 4]))
        if key in edges and key not in blocked:
            there = edges[key]
            same = there[0] == a
            links += [(here[1], there[1 if same else 2]), (here[2], there[2 if same else 1])]
        edges[key] = here
    ends = np.array(links)
    graph = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (faces.size, faces.size))
    labels = sp.csgraph.connected_components(graph, directed=False)[1]
    old = np.zeros(labels.max() + 1, int)
    old[labels] = faces.ravel()
    return labels.reshape(faces.shape), old


def _components(faces: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    """(F,) component of each face when the mesh may not be crossed at the (N, 2) blocked edges."""
    cut, _ = _split(faces, blocked)
    edges = edges_of(cut)
    inner = np.flatnonzero(edges.faces == 2)
    order = np.argsort(edges.of_face.ravel(), kind="stable")
    flat = edges.of_face.ravel()[order]
    keep = np.isin(flat, inner)
    pair = (order[keep] // 4).reshape(-1, 2)
    graph = sp.coo_matrix((np.ones(len(pair)), (pair[:, 0], pair[:, 1])), (len(faces), len(faces)))
    return sp.csgraph.connected_components(graph, directed=False)[1]


def _skin_charts(skin: Piece, curves: dict[str, np.ndarray]) -> list[_Chart]:
    left = np.concatenate([curves[name] for name in SEAM_CURVES])
    borders = np.concatenate([left, skin.mirror[left]])
    component = _components(skin.faces, borders)
    main = int(np.argmax(np.bincount(component)))
    back = curves[MIDLINE][(skin.positions[curves[MIDLINE], 2] < BACK).all(axis=1)]
    charts = []
    for number in range(component.max() + 1):
        rows = np.flatnonzero(component == number)
        seams = np.concatenate([borders, back]) if number == main else borders
        cut, old = _split(skin.faces[rows], seams)
        positions = skin.positions[old]
        if number == main:
            uv = _main_chart(skin, rows, cut, positions)
            charts.insert(0, _Chart("skin", rows, cut, uv))
        else:
            charts.append(_Chart("skin", rows, cut, _unwrap(cut, positions) * DENSITY["skin"]))
    return charts


def _main_chart(skin: Piece, rows: np.ndarray, cut: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The face, scalp, ears and neck: symmetric about u = 0, the face magnified."""
    uv = _unwrap(cut, positions)
    half = len(skin.faces) // 2
    place = np.full(len(skin.faces), -1)
    place[rows] = np.arange(len(rows))
    own = rows[rows < half]
    twin = np.empty(len(uv), int)
    one, other = cut[place[own]], cut[place[own + half]][:, ::-1]
    twin[one], twin[other] = other, one
    middle = np.flatnonzero(twin == np.arange(len(uv)))
    uv = _upright(uv, middle, positions)
    uv = (uv + uv[twin] * [-1, 1]) / 2
    centre = uv[np.argmin(np.linalg.norm(positions - FACE_CENTRE, axis=1))] * [0, 1]
    return _magnify(uv - centre)


def _upright(uv: np.ndarray, middle: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Turn the chart so that the midline of the face is vertical at u = 0 and the subject's left is at larger u."""
    front = middle[positions[middle, 2] > 0]
    along = np.linalg.lstsq(
        np.column_stack([positions[front, 1], np.ones(len(front))]), uv[front] - uv[front].mean(axis=0), rcond=None
    )[0][0]
    up = along / np.linalg.norm(along)
    turned = (uv - uv[front].mean(axis=0)) @ np.array([[up[1], up[0]], [-up[0], up[1]]])
    flipped = np.dot(turned[:, 0], positions[:, 0]) < 0
    return turned * [-1, 1] if flipped else turned


def _magnify(uv: np.ndarray, inner: float = 0.085) -> np.ndarray:
    """Enlarge what lies within `inner` metres of the origin by `MAGNIFY`, easing to the plain scale outside."""
    radius = np.linalg.norm(uv, axis=1, keepdims=True)
    grid = np.linspace(0, float(radius.max()) * 1.01, 4000)
    rate = 1 + (MAGNIFY - 1) / (1 + (grid / inner) ** 4)
    grown = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2 * np.diff(grid))])
    return uv * np.interp(radius, grid, grown) / np.maximum(radius, 1e-12)


def _part_charts(piece: Piece, start: int) -> list[_Chart]:
    charts = []
    for number in np.unique(piece.charts):
        rows = np.flatnonzero(piece.charts == number)
        component = _components(piece.faces[rows], np.zeros((0, 2), int))
        for part in range(component.max() + 1):
            chosen = rows[component == part]
            cut, old = _split(piece.faces[chosen], np.zeros((0, 2), int))
            uv = _unwrap(cut, piece.positions[old]) * DENSITY[piece.name]
            charts.append(_Chart(piece.name, chosen + start, cut, uv))
    return charts


# --- one chart ---


def _unwrap(faces: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(T, 2) nearly isometric coordinates, metres, without flips, of a chart with one outer border (holes allowed)."""
    triangles = triangulate(faces)
    loops = sorted(igl.boundary_loop_all(triangles.astype(np.int64)), key=lambda loop: -_length(positions, loop))
    filled, count = [triangles], len(positions)
    points = [positions]
    for loop in loops[1:]:
        ring = np.asarray(loop)
        filled.append(np.stack([np.roll(ring, -1), ring, np.full(len(ring), count)], axis=1))
        points.append(positions[ring].mean(axis=0, keepdims=True))
        count += 1
    everything, place = np.concatenate(filled), np.concatenate(points)
    start = _tutte(everything, place, np.asarray(loops[0]))
    a, b, c = (place[everything[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    start *= np.sqrt(area / np.pi)
    data = igl.slim_precompute(
        np.asfortranarray(place),
        np.asfortranarray(everything.astype(np.int32)),
        np.asfortranarray(np.column_stack([start, np.zeros(len(start))])[:, :2]),
        igl.MappingEnergyType.SYMMETRIC_DIRICHLET,
        np.zeros(0, np.int32),
        np.asfortranarray(np.zeros((0, 2))),
        0.0,
    )
    uv = np.asarray(igl.slim_solve(data, SLIM_STEPS))[: len(positions), :2]
    if not np.isfinite(uv).all():
        raise ValueError(f"libigl's SLIM unwraps a chart of {len(uv)} vertices to NaN: {KEEP_THE_SHIPPED}")
    return uv


def _length(positions: np.ndarray, loop: list[int]) -> float:
    ring = positions[np.asarray(loop)]
    return float(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum())


def _tutte(triangles: np.ndarray, positions: np.ndarray, border: np.ndarray) -> np.ndarray:
    """(T, 2) embedding with the border on the unit circle and every other vertex at the mean of its neighbours."""
    circle = igl.map_vertices_to_circle(np.asfortranarray(positions), border.astype(np.int32))
    count = len(positions)
    both = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([both, both[:, ::-1]])
    weights = (sp.coo_matrix((np.ones(len(both)), both.T), (count, count)).tocsr() > 0).astype(float)
    laplacian = sp.csr_matrix(sp.diags(np.asarray(weights.sum(axis=1)).ravel()) - weights)
    free = np.setdiff1d(np.arange(count), border)
    uv = np.zeros((count, 2))
    uv[border] = circle
    inner = laplacian[free]
    uv[free] = spsolve(inner[:, free].tocsc(), -(inner[:, border] @ circle))
    return uv


# --- packing ---


def _pack(charts: list[_Chart], face_count: int) -> Layout:
    skin, rest = charts[0], charts[1:]
    low, high = skin.uv.min(axis=0), skin.uv.max(axis=0)
    room = np.array([1 - 2 * GUTTER, 1 - SHELF - 2 * GUTTER])
    scale = float((room / (high - low)).min())
    skin.uv = (skin.uv - (low + high) / 2) * scale + [0.5, SHELF + room[1] / 2 + GUTTER]
    _shelves(rest, scale)
    uv_faces = np.zeros((face_count, 4), int)
    start = 0
    for chart in charts:
        uv_faces[chart.rows] = chart.faces + start
        start += len(chart.uv)
    return Layout(np.concatenate([c.uv for c in charts]).astype(np.float32), uv_faces.astype(np.int32))


def _shelves(charts: list[_Chart], scale: float) -> None:
    """Place charts in rows below the skin, as large as fits."""
    for chart in charts:
        chart.uv = _lying(chart.uv)
    while not _try_shelves(charts, scale):
        scale *= 0.97
    log.info("charts below the skin have %.3f layout units a metre", scale)


def _lying(uv: np.ndarray) -> np.ndarray:
    """Turn a chart so that its longer side lies flat."""
    centred = uv - uv.mean(axis=0)
    axis = np.linalg.svd(centred.T @ centred)[0][:, 0]
    turned = centred @ np.array([[axis[0], -axis[1]], [axis[1], axis[0]]])
    return turned - turned.min(axis=0)


def _try_shelves(charts: list[_Chart], scale: float) -> bool:
    order = sorted(range(len(charts)), key=lambda i: (-round(charts[i].uv[:, 1].max(), 4), i))
    x, y, row = GUTTER, GUTTER, 0.0
    where = []
    for i in order:
        width, height = charts[i].uv.max(axis=0) * scale
        if x + width > 1 - GUTTER:
            x, y, row = GUTTER, y + row + GUTTER, 0.0
        if x + width > 1 - GUTTER or y + height > SHELF - GUTTER:
            return False
        where.append((i, x, y))
        x, row = x + width + GUTTER, max(row, height)
    for i, x, y in where:
        charts[i].uv = charts[i].uv * scale + [x, y]
    return True
