"""Fairing of the half head on the scanned surface: even quads, features kept, midline exactly at x = 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .cage import CORNERS, MIDLINE, Cage
from .quads import edges_of, subdivide
from .source_surface import Places, SourceSurface
from .sources import ICT_LANDMARKS
from .topology_checks import folded_quads

EYE_CORNERS = ICT_LANDMARKS[[42, 45]]
TEAR_CORNER = int(EYE_CORNERS[0])  # fine folds round the caruncle, which fairing would flatten
TEAR_REACH = 0.0035  # metres
CROWDED = 0.005  # metres round the corners of the eye
BEND = 0.45  # radians over an edge at which a vertex off the feature curves becomes half as free across the bend


@dataclass(frozen=True)
class HalfMesh:
    """A quad mesh of the left half lying on the source surface."""

    faces: np.ndarray  # (F, 4) int
    places: Places  # (H,) points on the source surface
    curves: dict[str, np.ndarray]  # feature -> (N, 2) int edges
    fixed: np.ndarray  # (H,) bool


def from_cage(cage: Cage, surface: SourceSurface) -> HalfMesh:
    """Put the cage on the surface; corners and crossings of feature curves are fixed."""
    crossings = np.bincount(
        np.concatenate([np.unique(pairs) for pairs in cage.curves.values()]), minlength=len(cage.source_vertex)
    )
    fixed = np.isin(cage.source_vertex, CORNERS) | (crossings > 1)
    for pairs in cage.curves.values():  # ends and junctions of a curve
        degree = np.bincount(pairs.ravel(), minlength=len(fixed))
        fixed |= (degree == 1) | (degree > 2)
    return HalfMesh(cage.faces, surface.at_vertices(cage.source_vertex), cage.curves, fixed)


def refine(mesh: HalfMesh, surface: SourceSurface) -> HalfMesh:
    """Split every quad in four and project the new points onto the surface or their feature curve."""
    count = len(mesh.fixed)
    edges = edges_of(mesh.faces)
    faces, operator = subdivide(mesh.faces, count)
    old = surface.positions(mesh.places)
    points = operator @ old
    points[:count] = old
    near = np.concatenate([mesh.places.near, mesh.places.near[edges.pairs[:, 0]], mesh.places.near[mesh.faces[:, 0]]])
    fixed = np.concatenate([mesh.fixed, np.zeros(len(near) - count, bool)])
    key = edges.pairs[:, 0] * count + edges.pairs[:, 1]
    curves = {}
    for name, pairs in mesh.curves.items():
        middle = count + np.searchsorted(key, pairs[:, 0] * count + pairs[:, 1])
        points[middle] = (old[pairs[:, 0]] + old[pairs[:, 1]]) / 2
        near[middle] = _start_on(surface.lines[name], mesh.places, pairs)
        curves[name] = np.sort(np.concatenate([np.stack([pairs[:, k], middle], axis=1) for k in (0, 1)]), axis=1)
    fresh = HalfMesh(faces, Places(near, np.repeat(near[:, None], 3, axis=1), np.zeros((len(near), 3))), curves, fixed)
    places = _project(fresh, surface, points, keep=np.arange(len(near)) < count, old=mesh.places)
    return HalfMesh(faces, places, curves, fixed)


def _start_on(line: np.ndarray, places: Places, pairs: np.ndarray) -> np.ndarray:
    """For each curve edge an end whose place lies on the curve's table."""
    first, second = places.near[pairs[:, 0]], places.near[pairs[:, 1]]
    return np.where(line[first, 0] >= 0, first, second)


def _project(mesh: HalfMesh, surface: SourceSurface, points: np.ndarray, keep: np.ndarray, old: Places) -> Places:
    """Project all points; those with `keep` (a mask of leading vertices) retain their old places."""
    found = surface.walk(points, mesh.places.near)
    near, corners, weights = found.near, found.corners, found.weights
    for name, pairs in mesh.curves.items():
        on = np.setdiff1d(np.unique(pairs), np.flatnonzero(mesh.fixed))
        on = on[surface.lines[name][mesh.places.near[on], 0] >= 0]
        line = surface.walk_line(name, points[on], mesh.places.near[on])
        near[on], corners[on], weights[on] = line.near, line.corners, line.weights
    kept = np.flatnonzero(keep)
    near[kept], corners[kept], weights[kept] = old.near[kept], old.corners[kept], old.weights[kept]
    return Places(near, corners, weights)


def relax(mesh: HalfMesh, surface: SourceSurface, steps: int, step: float = 0.5) -> HalfMesh:
    """Laplacian fairing along the surface; stiff where the surface bends sharply within an edge."""
    points = surface.positions(mesh.places)
    return _smooth(mesh, surface, steps, _freedom(mesh, surface, points, step))


def untangle(mesh: HalfMesh, surface: SourceSurface, rounds: int = 24) -> HalfMesh:
    """Free the corners of folded quads, and nothing else, until none is folded. In the corners of the eye, where the
    curves crowd, they may leave their curve."""
    loose_curves = dict(mesh.curves)
    corners = surface.vertices[EYE_CORNERS]
    apart = np.linalg.norm(surface.positions(mesh.places)[:, None] - corners, axis=2).min(axis=1) > CROWDED
    bound = mesh.fixed & apart
    places = mesh.places
    for _ in range(rounds):
        folded = folded_quads(surface.positions(places), mesh.faces, limit=0.1)
        if not len(folded):
            break
        near = np.isin(mesh.faces, mesh.faces[folded]).any(axis=1)
        loose = np.zeros(len(mesh.fixed))
        loose[mesh.faces[near]] = 0.3
        loose[mesh.faces[folded]] = 0.6
        loose[bound] = 0.0
        for name, pairs in loose_curves.items():
            loose_curves[name] = pairs[~np.isin(pairs, mesh.faces[folded]).any(axis=1) | apart[pairs].any(axis=1)]
        current = HalfMesh(mesh.faces, places, loose_curves, bound)
        places = _smooth(current, surface, 3, loose[:, None, None] * np.eye(3)).places
    return HalfMesh(mesh.faces, places, mesh.curves, mesh.fixed)


def _smooth(mesh: HalfMesh, surface: SourceSurface, steps: int, freedom: np.ndarray) -> HalfMesh:
    average = _neighbour_average(mesh)
    midline = np.unique(mesh.curves[MIDLINE])
    places = mesh.places
    points = surface.positions(places)
    for _ in range(steps):
        target = average @ points
        target[midline, 0] = 0.0
        wanted = points + np.einsum("nij,nj->ni", freedom, target - points)
        current = HalfMesh(mesh.faces, places, mesh.curves, mesh.fixed)
        places = _project(current, surface, wanted, mesh.fixed, places)
        points = surface.positions(places)
    return HalfMesh(mesh.faces, places, mesh.curves, mesh.fixed)


def _neighbour_average(mesh: HalfMesh) -> sp.csr_matrix:
    pairs = edges_of(mesh.faces).pairs
    on_mid = np.zeros(len(mesh.fixed), bool)
    on_mid[np.unique(mesh.curves[MIDLINE])] = True
    both = np.concatenate([pairs, pairs[:, ::-1]])
    # a neighbour off the midline counts twice there: it stands for its mirror image too
    weight = np.where(on_mid[both[:, 0]] & ~on_mid[both[:, 1]], 2.0, 1.0)
    matrix = sp.csr_matrix((weight, (both[:, 0], both[:, 1])), (len(on_mid),) * 2)
    return sp.diags(1 / np.asarray(matrix.sum(axis=1)).ravel()) @ matrix


def _freedom(mesh: HalfMesh, surface: SourceSurface, points: np.ndarray, step: float) -> np.ndarray:
    """(H, 3, 3) maps a wanted displacement to the allowed one: stiff across ridges, free along them."""
    pairs = edges_of(mesh.faces).pairs
    length = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    count = np.bincount(pairs.ravel(), minlength=len(points))
    reach = np.bincount(pairs.ravel(), np.repeat(length, 2), minlength=len(points)) / count
    bend, direction = surface.bending(mesh.places.near)
    stiff = 1 / (1 + (bend * reach[:, None] / BEND) ** 2)
    for line in mesh.curves.values():
        stiff[line.ravel()] = 1.0  # the curve itself keeps these on the ridge
    near_tear = np.linalg.norm(points - surface.vertices[TEAR_CORNER], axis=1) / TEAR_REACH
    stiff *= np.clip(near_tear, 0.1, 1.0)[:, None]
    stiff[mesh.fixed] = 0.0
    return step * np.einsum("nk,nki,nkj->nij", stiff, direction, direction)
