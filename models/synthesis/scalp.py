"""Where hair is rooted on the head, and how it lies on what is under it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from scipy.spatial import cKDTree

from .chart import AXIS_Z, locate
from .head import Head
from .labels import Label
from .prepared import prepared
from .strands import CENTER

ROOTS = 12000  # on the scalp: about 15 a square centimetre
CLUMPS = 220  # locks on the scalp
# Lowest hairline by angle from the face's middle (degrees): no root lies below it
_ANGLES, _LOWEST = (0, 30, 50, 66, 75, 90, 110, 180), (0.01, 0.01, 0.0, -0.03, -0.05, -0.05, -0.07, -0.115)
COMB_REACH = 0.06  # metres along a strand over which its combing fades
MAP = 64  # side of the octahedral map of the head's radius
_BARE = (Label.EAR_LEFT, Label.EAR_RIGHT, Label.MOUTH, Label.UPPER_LIP, Label.LOWER_LIP, Label.NOSE)


@dataclass(frozen=True, eq=False)
class Roots:
    """M places on the scalp where hair can grow, in random order, spread evenly."""

    corners: np.ndarray  # (M, 3) int32 vertices
    weights: np.ndarray  # (M, 3) float32
    rest: np.ndarray  # (M, 3) float32 metres, rest position
    places: np.ndarray  # (M, 2) float32 chart pixels
    clump: np.ndarray  # (M,) int32: nearest of the first `CLUMPS` roots
    directions: np.ndarray  # (MAP * MAP, 4) int32: skin vertices round each direction from the skull's centre
    shares: np.ndarray  # (MAP * MAP, 4) float32 weights of those

    def on(self, vertices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(N, 3) float32: values of (V, 3) vertices at the roots `rows`."""
        return np.einsum("nk,nkd->nd", self.weights[rows], vertices[self.corners[rows]]).astype(np.float32)

    def radius(self, vertices: np.ndarray) -> np.ndarray:
        """(MAP, MAP) float32 metres from `CENTER` to the skin of a (V, 3) head, by octahedral direction."""
        reach = np.linalg.norm(vertices - CENTER, axis=1)
        return (reach[self.directions] * self.shares).sum(axis=1).reshape(MAP, MAP).astype(np.float32)


@lru_cache(maxsize=2)
def roots_of(head: Head) -> Roots:
    """The roots of a face model; takes about half a second, kept."""
    arrays = prepared("roots", head.model, lambda: vars(_planted(head)))
    return Roots(**arrays)


def _planted(head: Head) -> Roots:
    rng = np.random.default_rng(3)
    bare = np.isin(head.label, _BARE) | ~head.skin_vertices | (head.model.in_regions("socket_right", "socket_left"))
    turn = np.degrees(np.abs(np.arctan2(head.rest[:, 0], head.rest[:, 2] - AXIS_Z)))
    scalp = ~bare & (head.rest[:, 1] > np.interp(turn, _ANGLES, _LOWEST))
    triangles = head.triangles[scalp[head.triangles].all(axis=1)]
    a, b, c = (head.rest[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    corners = triangles[rng.choice(len(triangles), ROOTS, p=area / area.sum())].astype(np.int32)
    weights = rng.dirichlet(np.ones(3), ROOTS).astype(np.float32)
    rest = np.einsum("nk,nkd->nd", weights, head.rest[corners]).astype(np.float32)
    clump = cKDTree(rest[:CLUMPS]).query(rest)[1].astype(np.int32)
    directions, shares = _directions(head.rest, ~bare)
    return Roots(corners, weights, rest, locate(rest), clump, directions, shares)


def _directions(rest: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The skin vertices nearest to each direction of the octahedral map, and their weights."""
    rows = np.flatnonzero(usable)
    towards = rest[rows] - CENTER
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    u, v = np.meshgrid((np.arange(MAP) + 0.5) / MAP * 2 - 1, (np.arange(MAP) + 0.5) / MAP * 2 - 1)
    up = 1.0 - np.abs(u) - np.abs(v)
    below = up < 0
    x = np.where(below, (1 - np.abs(v)) * np.sign(u), u)
    z = np.where(below, (1 - np.abs(u)) * np.sign(v), v)
    rays = np.stack([x, up, z], axis=2).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    distance, nearest = cKDTree(towards).query(rays, k=4)
    weights = 1.0 / (distance + 0.02)
    return rows[nearest].astype(np.int32), (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Growth:
    """How N strands grow; metres, model frame."""

    roots: np.ndarray  # (N, 3) float32
    start: np.ndarray  # (N, 3) float32 unit: direction at the root
    comb: np.ndarray  # (N, 3) float32: pull towards where it is combed, fading from the root
    length: np.ndarray  # (N,) float32
    gravity: np.ndarray  # (N,) float32: pull downwards at every step
    clearance: np.ndarray  # (N,) float32: how far off the head it comes to lie
    opening: np.ndarray  # (N,) float32: |x| over depth before the axis that it keeps clear of; 0 for none
    parting: float  # x at which the opening divides
    floor: np.ndarray  # (N,) float32: height at which it is cut before the face


def grow(growth: Growth, steps: int, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, steps, 3) float32 points and (N,) int32 how many of them are used.

    `radius` is the head's octahedral map of `Roots.radius`; strands are pushed out of it.
    """
    points = np.empty((len(growth.roots), steps, 3), np.float32)
    counts = np.empty(len(growth.roots), np.int32)
    _grow(
        growth.roots, growth.start, growth.comb, growth.length, growth.gravity, growth.clearance, growth.opening,
        np.float32(growth.parting), growth.floor, radius, CENTER, points, counts,
    )  # fmt: skip
    return points, counts


@numba.njit(cache=True, nogil=True, fastmath=True)
def _reach(dx, dy, dz, radius):
    """Radius of the head in a direction: bilinear in the octahedral map."""
    total = abs(dx) + abs(dy) + abs(dz) + np.float32(1e-9)
    u, v = dx / total, dz / total
    if dy < 0:
        fold = (1 - abs(v)) * (1.0 if u >= 0 else -1.0)
        v = (1 - abs(u)) * (1.0 if v >= 0 else -1.0)
        u = fold
    size = radius.shape[0]
    column = min(max((u + 1) * 0.5 * size - 0.5, 0.0), size - 1.001)
    row = min(max((v + 1) * 0.5 * size - 0.5, 0.0), size - 1.001)
    i, j = int(row), int(column)
    s, t = row - i, column - j
    upper = radius[i, j] * (1 - t) + radius[i, j + 1] * t
    return upper * (1 - s) + (radius[i + 1, j] * (1 - t) + radius[i + 1, j + 1] * t) * s


@numba.njit(cache=True, nogil=True, fastmath=True)
def _grow(roots, start, comb, length, gravity, clearance, opening, parting, floor, radius, center, points, counts):
    steps = points.shape[1]
    comb_reach = np.float32(COMB_REACH)
    for n in range(roots.shape[0]):
        x, y, z = roots[n, 0], roots[n, 1], roots[n, 2]
        dx, dy, dz = start[n, 0], start[n, 1], start[n, 2]
        step = length[n] / (steps - 1)
        pull = min(step / 0.012, 1.0)  # of comb and gravity: stiffer over short steps
        points[n, 0, 0], points[n, 0, 1], points[n, 0, 2] = x, y, z
        counts[n] = steps
        for k in range(1, steps):
            held = pull * np.exp(-step * k / comb_reach)
            dx += comb[n, 0] * held
            dy += comb[n, 1] * held - gravity[n] * pull
            dz += comb[n, 2] * held
            before = z - center[2]
            if opening[n] > 0 and before > 0.02 and abs(x - parting) < opening[n] * before:
                dx += (0.9 if x > parting else -0.9) * pull
            size = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
            dx, dy, dz = dx / size, dy / size, dz / size
            ax, ay, az = x + dx * step, y + dy * step, z + dz * step
            cx, cy, cz = ax - center[0], ay - center[1], az - center[2]
            out = np.sqrt(cx * cx + cy * cy + cz * cz) + 1e-9
            least = _reach(cx, cy, cz, radius) + clearance[n] * min(1.0, k / (0.3 * steps))
            if cy < -0.12:
                least += 0.015  # clothes
            if out < least:
                ratio = least / out
                ax, ay, az = center[0] + cx * ratio, center[1] + cy * ratio, center[2] + cz * ratio
                dx, dy, dz = ax - x, ay - y, az - z
                size = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
                dx, dy, dz = dx / size, dy / size, dz / size
                ax, ay, az = x + dx * step, y + dy * step, z + dz * step
            x, y, z = ax, ay, az
            points[n, k, 0], points[n, k, 1], points[n, k, 2] = x, y, z
            if y < floor[n] and z - center[2] > 0.07 and abs(x) < 0.062:
                counts[n] = k + 1
                for rest in range(k + 1, steps):
                    points[n, rest, 0], points[n, rest, 1], points[n, rest, 2] = x, y, z
                break


def reach(directions: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(...) float32 metres from `CENTER` to the skin in (..., 3) directions, from an octahedral map."""
    flat = np.ascontiguousarray(directions.reshape(-1, 3), np.float32)
    out = np.empty(len(flat), np.float32)
    _reach_all(flat, radius, out)
    return out.reshape(directions.shape[:-1])


@numba.njit(cache=True, nogil=True, fastmath=True)
def _reach_all(directions, radius, out):
    for n in range(len(directions)):
        out[n] = _reach(directions[n, 0], directions[n, 1], directions[n, 2], radius)
