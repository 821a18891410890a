"""Eyeballs, corneas and lashes, authored for the left side; they follow the scanned eye and lids linearly."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from core.geometry.eyes import IRIS_RADIUS, PUPIL_RADIUS

from .pieces import Piece, affine_weights, polar_grid, rows_on, spread
from .sources import ICT_RANGES, IctModel
from .surface import triangulate

SEGMENTS = 24
LID_CLEARANCE = 0.00025  # between the sharp lid edge and the sclera
PUPIL_FOLLOW = 0.45  # of the scanned dilation, so that a full one makes a pupil of 8 mm across
KAPPA = np.radians(5.0)  # the optical axis points this much outwards when a person looks straight ahead
CORNEA_RADIUS = 0.0081
ANCHORS = 48
SAME_DISTANCE = 1e-9  # metres: triangles of the scanned iris no farther apart are equally close


def gaze_axis() -> np.ndarray:
    """(3,) unit optical axis of the left eye."""
    return np.array([np.sin(KAPPA), 0.0, np.cos(KAPPA)])


def _frame() -> np.ndarray:
    """(3, 3) columns: right, up, along the optical axis of the left eye."""
    axis = gaze_axis()
    right = np.cross([0.0, 1.0, 0.0], axis)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(axis, right), axis], axis=1)


def _revolve(radius: np.ndarray, height: np.ndarray, start: float, end: float | None) -> np.ndarray:
    """Points of a surface of revolution in the eye's frame: pole at height `start`, rings, and an end pole."""
    angle = np.arange(SEGMENTS) / SEGMENTS * 2 * np.pi
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    levels = zip(radius, height, strict=True)
    rings = [np.concatenate([r * circle, np.full((SEGMENTS, 1), h)], axis=1) for r, h in levels]
    poles = [np.array([[0, 0, start]])], [] if end is None else [np.array([[0, 0, end]])]
    return np.concatenate(poles[0] + rings + poles[1])


def eyeball(ict: IctModel, lid_edge: np.ndarray, dilated: np.ndarray | None = None) -> tuple[Piece, float]:
    """Left eyeball with a sunken iris and pupil, and its radius; `lid_edge` (N, 3) are the points it must clear.

    The scanned iris has two layers; `dilated` (458, 3), how the ball moves when the pupil dilates, metres, tells which
    of them each point follows, the first without it.
    """
    center = ict.eye_centers[1]
    radius = float(np.linalg.norm(lid_edge - center, axis=1).min()) - LID_CLEARANCE
    limbus = np.arcsin(IRIS_RADIUS / radius)
    level = radius * np.cos(limbus)
    # pupil floor, pupil rim, cone of the iris, limbus (a small bevel), then the white
    inner_r = np.array([0.55, 1.0]) * PUPIL_RADIUS
    iris_r = PUPIL_RADIUS + (IRIS_RADIUS * 0.985 - PUPIL_RADIUS) * np.linspace(0, 1, 5)
    iris_h = level - 0.00055 - 0.00025 * np.linspace(1, 0, 5)
    white = limbus + (np.pi - limbus) * np.linspace(0, 1, 13)[:-1] ** 1.3
    rings_r = np.concatenate([inner_r, iris_r, radius * np.sin(white)])
    rings_h = np.concatenate([[level - 0.0016, level - 0.0011], iris_h, radius * np.cos(white)])
    local = _revolve(rings_r, rings_h, level - 0.0017, -radius)
    faces = polar_grid(len(rings_r), SEGMENTS, closed_end=True)
    positions = center + local @ _frame().T
    charts = (local[faces, 2].mean(axis=1) < -0.25 * radius).astype(int)  # front with the iris, and the back
    on_iris = np.hypot(local[:, 0], local[:, 1]) < IRIS_RADIUS * 0.99
    weights = _eye_weights(ict, positions, on_iris, dilated)
    weights = _only_front(weights, ict, positions, local[:, 2] > 0)
    return Piece("eyeball_left", positions, weights, faces, np.arange(len(positions)), charts), radius


def cornea(ict: IctModel, radius: float) -> Piece:
    """Left cornea shell: the clear dome with a skirt that hugs the white."""
    center = ict.eye_centers[1]
    limbus = np.arcsin(IRIS_RADIUS / radius)
    level = radius * np.cos(limbus)
    dip = np.sqrt(CORNEA_RADIUS**2 - IRIS_RADIUS**2)
    dome = np.linspace(0, 1, 7)[1:] * np.arcsin(IRIS_RADIUS / CORNEA_RADIUS)
    skirt = limbus + np.radians(9) * np.array([0.25, 0.6, 1.0])
    lift = 1.00006 + np.array([0.0045, 0.0022, 0.0])  # eases the dome into the white
    rings_r = np.concatenate([CORNEA_RADIUS * np.sin(dome), radius * lift * np.sin(skirt)])
    rings_h = np.concatenate([level + CORNEA_RADIUS * np.cos(dome) - dip, radius * lift * np.cos(skirt)])
    rings_h[5] += 0.00009
    local = _revolve(rings_r, rings_h, level + CORNEA_RADIUS - dip, None)
    faces = polar_grid(len(rings_r), SEGMENTS, closed_end=False)
    positions = center + local @ _frame().T
    weights = _eye_weights(ict, positions, follow_pupil=np.zeros(len(local), bool))
    return Piece("cornea_left", positions, weights, faces, np.arange(len(local)), np.zeros(len(faces), int))


def _only_front(weights: sp.csr_matrix, ict: IctModel, positions: np.ndarray, front: np.ndarray) -> sp.csr_matrix:
    plain = _eye_weights(ict, positions, np.zeros(len(positions), bool))
    keep = sp.diags(front.astype(float))
    return (keep @ weights + sp.diags(1.0 - front) @ plain).tocsr()


def _eye_weights(
    ict: IctModel, positions: np.ndarray, follow_pupil: np.ndarray, dilated: np.ndarray | None = None
) -> sp.csr_matrix:
    """Rows that follow any affine motion of the scanned eyeball; iris points also follow its pupil."""
    start = ICT_RANGES["eyeball_left"].start
    shell = np.arange(start, start + 770)
    anchors = shell[spread(ict.vertices[shell], ANCHORS)]
    rows = rows_on(anchors, affine_weights(positions, ict.vertices[anchors]))
    if not follow_pupil.any():
        return rows
    offset = (positions[follow_pupil] - ict.eye_centers[1]) @ _frame()[:, :2]
    reach = np.linalg.norm(offset, axis=1)
    # the pupil's centre stays, and so does the rim of the iris
    share = PUPIL_FOLLOW * np.clip(np.minimum(reach / PUPIL_RADIUS, (IRIS_RADIUS - reach) / (0.3 * IRIS_RADIUS)), 0, 1)
    own_move = None if dilated is None else dilated[follow_pupil] / np.maximum(share, 1e-6)[:, None]
    columns, values = _on_scanned_iris(ict, positions[follow_pupil], own_move)
    touched = np.einsum("nk,nkd->nd", values, ict.vertices[columns])
    selector = sp.csr_matrix(
        (np.ones(len(columns)), (np.flatnonzero(follow_pupil), np.arange(len(columns)))), (len(positions), len(columns))
    )
    correction = rows_on(columns, values) - rows_on(anchors, affine_weights(touched, ict.vertices[anchors]))
    return (rows + selector @ sp.diags(share) @ correction).tocsr()


def _on_scanned_iris(ict: IctModel, points: np.ndarray, own_move: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Source vertices (N, 3) and barycentric weights of the points' polar counterparts on the scanned iris, in the
    layer that dilates most like the points, (N, 3) metres."""
    start = ICT_RANGES["eyeball_left"].start
    dilation = ict.expression[ict.expression_names.index("PupilDilate_L")]
    moved = np.linalg.norm(dilation, axis=1) > 1e-7
    faces = ict.mesh.faces[np.isin(ict.mesh.faces, np.arange(start + 770, start + 1570)).all(axis=1)]
    corner = triangulate(faces)
    corner = corner[moved[corner].any(axis=1)]
    center = ict.vertices[np.flatnonzero(moved)].mean(axis=0)
    flat = ict.vertices[:, :2] - center[:2]
    reach = np.linalg.norm(flat[np.unique(corner)], axis=1)
    axis_point = ict.eye_centers[1] + gaze_axis() * np.linalg.norm(center - ict.eye_centers[1])
    own = (points - axis_point) @ _frame()[:, :2]
    polar = np.linalg.norm(own, axis=1, keepdims=True)
    # own pupil rim -> scanned pupil rim, own limbus -> scanned limbus
    moving = np.linalg.norm(flat[moved], axis=1)
    scanned = [moving.min(), moving.min() * 1.02, min(reach.max(), 0.0055)]
    radius = np.interp(polar, [0, PUPIL_RADIUS, IRIS_RADIUS], scanned)
    target = own / np.maximum(polar, 1e-9) * radius
    weights, on = _locate(flat[corner], target)
    best = on.argmax(axis=1)
    if own_move is not None:
        unlike = np.linalg.norm(np.einsum("ntk,tkd->ntd", weights, dilation[corner]) - own_move[:, None], axis=2)
        best = np.where(on, unlike, np.inf).argmin(axis=1)
    return corner[best], weights[np.arange(len(points)), best]


def _locate(triangles: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric weights (N, T, 3) of (N, 2) points in (T, 3, 2) triangles, and (N, T) bool: the closest ones."""
    from .source_surface import closest_barycentric

    lift = np.zeros((1, 1))
    a, b, c = (np.concatenate([triangles[:, k], np.zeros((len(triangles), 1))], axis=1)[None] for k in range(3))
    query = np.concatenate([points, lift.repeat(len(points), axis=0)], axis=1)[:, None]
    weights = closest_barycentric(query, a, b, c)
    found = weights[..., :1] * a + weights[..., 1:2] * b + weights[..., 2:] * c
    distance = np.linalg.norm(found - query, axis=-1)
    return weights, distance < distance.min(axis=1, keepdims=True) + SAME_DISTANCE
