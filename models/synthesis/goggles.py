"""Ski and swimming goggles, and clear shields before the whole face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .eyewear import Glass, sample_glass
from .frames import LensSurface
from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles
from .prints import cloth_color
from .solids import Solid, joined, tube

_POINTS = 44  # round one pane
_RINGS = 4


@dataclass(frozen=True)
class GogglePlan:
    """One pair; metres."""

    kind: str  # ski, swim, visor
    half_width: float
    half_height: float
    stand: float  # of the pane before the brow
    raised: bool  # worn on the forehead
    glass: Glass
    color: np.ndarray  # (3,) float32 linear, of frame and strap
    strap: float  # half the strap's height


def sample_goggles(rng: np.random.Generator) -> GogglePlan:
    """Skiers, swimmers, and people behind clear shields."""
    kind = str(pick(rng, ["ski", "swim", "visor"], [0.5, 0.25, 0.25]))
    width, height, stand, strap = {
        "ski": ((0.068, 0.080), (0.036, 0.046), (0.014, 0.024), (0.012, 0.022)),
        "swim": ((0.025, 0.030), (0.014, 0.019), (0.0, 0.003), (0.003, 0.006)),
        "visor": ((0.085, 0.098), (0.10, 0.12), (0.03, 0.05), (0.012, 0.02)),
    }[kind]
    return GogglePlan(
        kind=kind,
        half_width=float(rng.uniform(*width)),
        half_height=float(rng.uniform(*height)),
        stand=float(rng.uniform(*stand)),
        raised=bool(kind != "visor" and rng.random() < 0.12),
        glass=sample_glass(rng, dark=kind == "ski" or (kind == "swim" and rng.random() < 0.6)),
        color=srgb_to_linear(cloth_color(rng)),
        strap=float(rng.uniform(*strap)),
    )


def goggle_parts(plan: GogglePlan, head: Head, posed: Posed) -> tuple[list[LensSurface], list[Mesh]]:
    """Panes, and the frame with its strap."""
    lm = head.model.landmarks(posed.vertices)
    axes, middle = _seat(plan, lm)
    centers, drop = {
        "ski": ((0.0,), -0.004),
        "swim": ((-0.0315, 0.0315), 0.0),
        "visor": ((0.0,), 0.055 - plan.half_height),
    }[plan.kind]
    bow = {"ski": 4.5, "swim": 3.5, "visor": 5.0}[plan.kind]
    panes = [_pane(plan, axes, middle, center, drop, bow) for center in centers]
    depth = {"ski": plan.stand + 0.012, "swim": 0.009, "visor": 0.002}[plan.kind]
    breadth = {"ski": 0.005, "swim": 0.003, "visor": 0.0012}[plan.kind]
    solids = [_frame(plan, axes, middle, center, drop, bow, depth, breadth) for center in centers]
    solids += [_strap(plan, axes, middle, lm, side) for side in (-1.0, 1.0)]
    if plan.kind == "swim":
        x = np.linspace(-0.0065, 0.0065, 5)
        bridge = middle + np.column_stack([x, np.zeros(5), 0.002 - 40 * x**2]) @ axes
        solids.append(tube(bridge, 0.0025, axes[2], 6))
    points, triangles = joined(solids)
    points = points.astype(np.float32)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(plan.color, (len(at), 1)).astype(np.float32), np.ones(len(at), np.float32)

    kind = Occluder.OBJECT if plan.kind == "visor" else Occluder.GOGGLES
    return panes, [Mesh(points, triangles, points, paint, int(kind), 0.8, 20.0)]


def _seat(plan: GogglePlan, lm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (across, up, forward) and the middle between the panes."""
    right, left = lm[36:42].mean(axis=0), lm[42:48].mean(axis=0)
    across = (left - right) / np.linalg.norm(left - right)
    forward = np.array([0.0, -0.05 if not plan.raised else 0.45, 1.0])
    forward -= across * (forward @ across)
    forward /= np.linalg.norm(forward)
    axes = np.stack([across, np.cross(forward, across), forward])
    middle = (right + left) / 2
    brow = max(lm[[19, 24]].mean(axis=0) @ forward, lm[27] @ forward)
    if plan.kind == "swim":
        brow = lm[[37, 38, 43, 44]].mean(axis=0) @ forward + 0.006
    middle = middle + forward * (brow + plan.stand - middle @ forward)
    return axes, middle + (np.array([0.0, 0.062, -0.012]) if plan.raised else 0.0)


def _outline(plan: GogglePlan, center: float, grow: float) -> np.ndarray:
    """(_POINTS + 1, 2) closed outline of a pane, metres."""
    turn = np.linspace(0, 2 * np.pi, _POINTS + 1)
    c, s = np.cos(turn), np.sin(turn)
    power = {"ski": 3.2, "swim": 2.4, "visor": 5.0}[plan.kind]
    x = np.sign(c) * np.abs(c) ** (2 / power) * (plan.half_width + grow)
    y = np.sign(s) * np.abs(s) ** (2 / power) * (plan.half_height + grow)
    if plan.kind == "ski":  # room for the nose
        y = y + np.where(s < 0, 0.6 * plan.half_height * np.exp(-((x / 0.016) ** 2)), 0.0)
    if plan.kind == "swim":
        y = y * (1.0 + 0.2 * np.sign(center) * c)
    return np.stack([x, y], axis=1)


def _on_front(
    axes: np.ndarray, middle: np.ndarray, flat: np.ndarray, bow: float, lift: np.ndarray | float
) -> np.ndarray:
    return middle + np.column_stack([flat, lift - bow * flat[:, 0] ** 2]) @ axes


def _pane(
    plan: GogglePlan, axes: np.ndarray, middle: np.ndarray, center: float, drop: float, bow: float
) -> LensSurface:
    flat = np.concatenate([_outline(plan, center, 0.0) * share for share in np.linspace(0, 1, _RINGS)])
    moved = flat + [center, drop]
    normals = axes[2] + 2 * bow * moved[:, :1] * axes[0] + 1.5 * flat[:, 1:] * axes[1]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = _on_front(axes, middle, moved, bow, 0.0)
    return LensSurface(
        points.astype(np.float32),
        grid_triangles(_RINGS, _POINTS + 1),
        normals.astype(np.float32),
        (flat / [plan.half_width, plan.half_height]).astype(np.float32),
        _on_front(axes, middle, np.array([[center, drop]]), bow, 0.0)[0],
    )


def _frame(
    plan: GogglePlan, axes: np.ndarray, middle: np.ndarray, center: float, drop: float, bow: float, depth: float,
    breadth: float,
) -> Solid:  # fmt: skip
    """The rubber from the pane's rim back to the face."""
    rings = []
    for grow, lift in ((-0.3, -0.001), (0.0, 0.0015), (1.0, 0.001), (1.2, -0.3 * depth), (0.9, -depth)):
        flat = _outline(plan, center, breadth * grow) + [center, drop]
        rings.append(_on_front(axes, middle, flat, bow, lift))
    return np.concatenate(rings), grid_triangles(5, _POINTS + 1)


def _strap(plan: GogglePlan, axes: np.ndarray, middle: np.ndarray, lm: np.ndarray, side: float) -> Solid:
    """A band from the frame's side round the back of the head."""
    reach = plan.half_width if plan.kind != "swim" else plan.half_width + 0.0315
    rise = 0.045 if plan.kind == "visor" else 0.0
    bow = 4.5 if plan.kind != "visor" else 5.0
    start = _on_front(axes, middle, np.array([[side * reach, rise]]), bow, -0.004)[0]
    ear = lm[0 if side < 0 else 16] + np.array([side * 0.012, 0.028 + rise, -0.02])
    back = ear + np.array([-side * 0.03, 0.012, -0.075])
    share = np.linspace(0, 1, 7)[:, None]
    path = np.concatenate([start + (ear - start) * share, back[None]])
    path[1:-2] += side * axes[0] * 0.006
    return tube(path, (plan.strap, 0.001), axes[1], 6)
