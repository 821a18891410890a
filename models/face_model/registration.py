"""Registers the MakeHuman head to the ICT mean once; after that every MakeHuman shape or skin maps linearly.

Landmarks chosen by hand give a similarity and a smooth warp; non-rigid closest-point steps with a decreasing
Laplacian stiffness then bring MakeHuman's surface onto ICT's. Each ICT skin vertex ends up with a place (three
vertices and weights) on MakeHuman's head.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.sparse import csr_matrix, diags, vstack
from scipy.sparse.linalg import spsolve

from .sources import DECIMETRE, ICT_COUNT, IctModel, MakeHuman, ict_range, sphere_center
from .surface import closest_points, laplacian, triangulate, vertex_normals

LOG = logging.getLogger(__name__)

YOUNG = [f"macrodetails/{a}-{s}-young" for a in ("african", "asian", "caucasian") for s in ("female", "male")]
YOUNG_BODY = [f"macrodetails/universal-{s}-young-averagemuscle-averageweight" for s in ("female", "male")]
_LOWEST = -0.21  # metres below the eyes; MakeHuman's body below is cut away

# ICT vertex: MakeHuman vertices and weights that lie at the same anatomical place (subject's right half and midline).
PAIRS: dict[int, dict[int, float]] = {
    # lid margins: corners, then upper and lower points of the 68 landmarks
    1507: {4853: 1.0}, 1528: {4869: 1.0}, 1542: {6: 1.0}, 1537: {54: 1.0}, 1511: {36: 1.0}, 1518: {47: 1.0},
    # midline profile: nasion, nose tip, subnasale, labrale superius, stomion, labrale inferius, sulcus, chin
    1358: {132: 1.0}, 4841: {5054: 1.0}, 1178: {343: 1.0}, 0: {455: 1.0}, 5533: {474: 1.0}, 5517: {523: 1.0},
    5518: {492: 1.0}, 7: {724: 1.0}, 964: {5162: 1.0}, 965: {5225: 1.0},
    # lips: corner, upper and lower border, inner edges
    5708: {428: 1.0}, 2081: {450: 1.0}, 5695: {410: 1.0}, 5957: {486: 0.5, 480: 0.5}, 5841: {480: 0.5, 406: 0.5},
    5711: {470: 0.5, 471: 0.5}, 5966: {518: 0.7, 517: 0.3},
    # nose base
    1140: {358: 1.0}, 2075: {285: 1.0},
    # ear: helix top and back, lower back, lobe, tragus, notch, inner rim
    7571: {5413: 1.0}, 7965: {5441: 1.0}, 7733: {5454: 1.0}, 7849: {5420: 1.0}, 7821: {5509: 1.0},
    7499: {5480: 1.0}, 7573: {5481: 1.0},
}  # fmt: skip


@dataclass(frozen=True)
class Registration:
    """Where each ICT vertex of the skin lies on MakeHuman's head, and how MakeHuman's metres become ours."""

    vertices: np.ndarray  # (N,) ICT skin vertices (face and head, the inside of nose and mouth left out)
    triangles: np.ndarray  # (N, 3) MakeHuman vertices
    weights: np.ndarray  # (N, 3)
    uv: np.ndarray  # (N, 2) MakeHuman texture coordinates
    rotation: np.ndarray  # (3, 3) MakeHuman -> model axes, scale included (decimetres -> metres)
    shift: np.ndarray  # (3,) metres
    deformed: np.ndarray  # (M, 3) MakeHuman's vertices after registration, metres

    def delta(self, target: np.ndarray) -> np.ndarray:
        """(N, 3) metres: a MakeHuman (V, 3) delta at the registered ICT vertices."""
        return np.einsum("nk,nkd->nd", self.weights, target[self.triangles]) @ self.rotation.T


def makehuman_mean(makehuman: MakeHuman) -> np.ndarray:
    """(V, 3) mean young adult of all ancestries and both sexes, decimetres."""
    mean = makehuman.mesh.vertices.copy()
    for group in (YOUNG, YOUNG_BODY):
        mean += np.mean([makehuman.target(name) for name in group], axis=0)
    return mean


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scaled rotation about x (the frames share their mirror plane) and shift; target = source @ m.T + shift."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    fix = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ fix @ vt * ((s * np.diag(fix)).sum() / (a**2).sum())
    return rotation, target.mean(axis=0) - rotation @ source.mean(axis=0)


def register(ict: IctModel, mean: np.ndarray, ict_mirror: np.ndarray, makehuman: MakeHuman) -> Registration:
    """Register MakeHuman's mean head to the symmetric ICT mean `mean` (26719, 3)."""
    source = makehuman_mean(makehuman)
    faces, outer = _outer_head(makehuman, source)
    picks, places = _landmark_pairs(source, mean, ict_mirror, makehuman)
    rotation, shift = _similarity(picks @ source, places)
    start = source @ rotation.T + shift
    warp = RBFInterpolator(picks @ start, places - picks @ start, kernel="thin_plate_spline", smoothing=1e-6)
    warped = start + warp(start) * _near(start)[:, None]
    deformed = _nonrigid(warped, faces, outer, picks, places, mean, ict)
    return _correspond(deformed, faces, outer, rotation, shift, mean, ict, makehuman)


def _near(points: np.ndarray) -> np.ndarray:
    """(V,) 1 on the head, fading to 0 on the shoulders, where no landmark holds the warp."""
    return np.clip((points[:, 1] + 0.20) / 0.06, 0, 1)


def _outer_head(makehuman: MakeHuman, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces (F, 4) of the head and neck, and a (V,) mask of the skin without mouth bag and eye pouches."""
    mesh = makehuman.mesh
    centers = [sphere_center(source[np.unique(mesh.faces[mesh.groups == f"helper-{s}-eye"])])[0] for s in "rl"]
    height = (source[:, 1] - np.mean(centers, axis=0)[1]) * DECIMETRE
    faces = mesh.faces[mesh.groups == "body"]
    faces = faces[(height[faces] > _LOWEST - 0.03).all(axis=1)]
    return faces, _visible_from_outside(source * DECIMETRE, faces)


def _visible_from_outside(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V,) bool: seen from at least one of many directions round the head (nothing else in the way)."""
    from core.geometry.rasterizer import rasterize

    triangles = triangulate(faces)
    used = np.unique(faces)
    middle = (points[used].min(axis=0) + points[used].max(axis=0)) / 2
    seen = np.zeros(len(points), bool)
    for pitch in (-0.8, -0.4, 0.0, 0.5):
        for yaw in np.linspace(-np.pi, np.pi, 12, endpoint=False):
            (sp, cp), (sy, cy) = (np.sin(pitch), np.cos(pitch)), (np.sin(yaw), np.cos(yaw))
            turn = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
            turned = (points - middle) @ turn.T
            away = 2.0 - turned[:, 2]
            pixels = np.stack([5000 * turned[:, 0] / away + 640, 640 - 5000 * turned[:, 1] / away, away], axis=1)
            depth = rasterize(pixels, triangles, 1280, 1280).depth
            column, row = np.clip(np.round(pixels[:, :2]).astype(int), 0, 1279).T
            seen |= pixels[:, 2] < depth[row, column] + 0.0004
    return seen & np.isin(np.arange(len(points)), used)


def _landmark_pairs(
    source: np.ndarray, mean: np.ndarray, ict_mirror: np.ndarray, makehuman: MakeHuman
) -> tuple[csr_matrix, np.ndarray]:
    """(L, V) operator that picks the landmarks on MakeHuman and their (L, 3) places on ICT, both sides."""
    mirror = mirror_of(makehuman)
    rows, columns, values, places = [], [], [], []
    for vertex, mix in PAIRS.items():
        for side in (False, True):
            if side and abs(mean[vertex, 0]) < 1e-6:
                continue
            rows += [len(places)] * len(mix)
            columns += [int(mirror[k]) if side else k for k in mix]
            values += list(mix.values())
            places.append(mean[ict_mirror[vertex] if side else vertex])
    return csr_matrix((values, (rows, columns)), shape=(len(places), len(source))), np.array(places)


def mirror_of(makehuman: MakeHuman) -> np.ndarray:
    """(V,) mirror map of the MakeHuman base mesh, from the table that comes with it."""
    table = np.arange(len(makehuman.mesh.vertices))
    for line in (makehuman.folder / "hm08.mirror").read_text().splitlines():
        parts = line.split()
        if len(parts) >= 2 and parts[0].isdigit() and parts[1].isdigit():
            table[int(parts[0])], table[int(parts[1])] = int(parts[1]), int(parts[0])
    return table


def _nonrigid(
    warped: np.ndarray,
    faces: np.ndarray,
    outer: np.ndarray,
    picks: csr_matrix,
    places: np.ndarray,
    mean: np.ndarray,
    ict: IctModel,
) -> np.ndarray:
    """(V, 3) MakeHuman vertices drawn onto the ICT surface, keeping the shape of the warped head locally."""
    skin = np.isin(np.arange(ICT_COUNT), ict_range("face", "head"))
    quads = ict.mesh.faces[skin[ict.mesh.faces].all(axis=1)]
    triangles, normals = triangulate(quads), vertex_normals(mean, quads)
    used = np.unique(faces)
    smooth = laplacian(faces, len(warped))[used][:, used]
    pick = picks[:, used]
    current = warped[used].copy()
    for stiffness, rounds in ((30.0, 4), (10.0, 4), (3.0, 4), (1.0, 4), (0.4, 4)):
        for _ in range(rounds):
            full = warped.copy()
            full[used] = current
            goal, weight = _goals(full, faces, outer, mean, triangles, normals)
            system = vstack([np.sqrt(stiffness) * smooth, diags(np.sqrt(weight[used])), 3.0 * pick])
            right = np.concatenate(
                [np.sqrt(stiffness) * (smooth @ current), np.sqrt(weight[used])[:, None] * goal[used], 3.0 * places]
            )
            current = spsolve((system.T @ system).tocsc(), system.T @ right)
        LOG.info("stiffness %.1f: mean distance %.2f mm", stiffness, 1000 * _distance(full, outer, goal, weight))
    full = warped.copy()
    full[used] = current
    return full


def _distance(points: np.ndarray, outer: np.ndarray, goal: np.ndarray, weight: np.ndarray) -> float:
    valid = outer & (weight > 0)
    return float(np.linalg.norm(points[valid] - goal[valid], axis=1).mean())


def _goals(
    points: np.ndarray,
    faces: np.ndarray,
    outer: np.ndarray,
    mean: np.ndarray,
    triangles: np.ndarray,
    normals: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Closest ICT points (V, 3) and their trust (V,): 0 where hidden, far away or facing elsewhere."""
    own = vertex_normals(points, faces)
    goal, weight = points.copy(), np.zeros(len(points))
    index = np.flatnonzero(outer & (points[:, 1] > _LOWEST))
    owner, bary, distance = closest_points(mean, triangles, points[index])
    spot = np.einsum("nk,nkd->nd", bary, mean[triangles[owner]])
    facing = np.einsum("nd,nd->n", np.einsum("nk,nkd->nd", bary, normals[triangles[owner]]), own[index])
    goal[index] = spot
    weight[index] = np.clip((facing - 0.4) / 0.4, 0, 1) * (distance < 0.02)
    return goal, weight


def _correspond(
    deformed: np.ndarray,
    faces: np.ndarray,
    outer: np.ndarray,
    rotation: np.ndarray,
    shift: np.ndarray,
    mean: np.ndarray,
    ict: IctModel,
    makehuman: MakeHuman,
) -> Registration:
    """Closest place on the deformed MakeHuman head for each ICT skin vertex, same facing preferred."""
    mesh = makehuman.mesh
    rows = np.flatnonzero(np.isin(mesh.faces[:, 0], np.unique(faces)) & (mesh.groups == "body"))
    rows = rows[outer[mesh.faces[rows]].all(axis=1)]
    split = [0, 1, 2, 0, 2, 3]
    triangles = mesh.faces[rows][:, split].reshape(-1, 3)
    corners_uv = mesh.uv_faces[rows][:, split].reshape(-1, 3)
    target = ict_range("face", "head")
    target = target[mean[target, 1] > _LOWEST]
    owner, weights, distance = _facing_closest(deformed, triangles, mean, ict, target)
    uv = np.einsum("nk,nkd->nd", weights, mesh.uv[corners_uv[owner]])
    good = distance < 0.006
    LOG.info("%d of %d ICT vertices placed on MakeHuman", good.sum(), len(target))
    return Registration(target[good], triangles[owner][good], weights[good], uv[good], rotation, shift, deformed)


def _facing_closest(
    deformed: np.ndarray, triangles: np.ndarray, mean: np.ndarray, ict: IctModel, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `closest_points`, among triangles that face as the ICT vertex does (upper against lower lip, ear folds)."""
    a, b, c = (deformed[triangles[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    face_normal /= np.maximum(np.linalg.norm(face_normal, axis=1, keepdims=True), 1e-20)
    normal = vertex_normals(mean, ict.mesh.faces)[target]
    owner = np.zeros(len(target), int)
    weights, distance = np.zeros((len(target), 3)), np.full(len(target), np.inf)
    axes = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    axes = np.concatenate([axes, np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T / np.sqrt(3)])
    nearest_axis = (normal @ axes.T).argmax(axis=1)
    for k, axis in enumerate(axes):
        group = np.flatnonzero(nearest_axis == k)
        allowed = np.flatnonzero(face_normal @ axis > 0.1)
        if len(group) and len(allowed):
            found, bary, far = closest_points(deformed, triangles[allowed], mean[target[group]])
            owner[group], weights[group], distance[group] = allowed[found], bary, far
    return owner, weights, distance
