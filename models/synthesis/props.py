"""Things in three dimensions that people hold before or to their face: phones, cups, microphones, food, paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chance import pick
from .labels import Occluder
from .layers import Mesh
from .prints import PRINTS, cloth_color
from .prop_shapes import BUILDERS, Look

SHARES = {
    "phone": 0.2, "call": 0.07, "microphone": 0.19, "cup": 0.11, "bottle": 0.08, "paper": 0.12, "book": 0.05,
    "stick": 0.08, "food": 0.07, "round": 0.05, "camera": 0.05,
}  # fmt: skip
_HELD = {"phone": 0.6, "call": 0.8, "microphone": 0.3, "cup": 0.8, "bottle": 0.7, "paper": 0.25, "stick": 0.35}


@dataclass(frozen=True)
class PropPlan:
    """One thing."""

    kind: str  # of `SHARES`
    look: Look
    size: float  # over the usual size
    side: float  # -1 the subject's right, 1 their left
    gap: float  # metres before the face
    turn: float  # radians in the face's plane
    tilt: tuple[float, float]  # radians about the horizontal and the vertical
    spot: int  # landmark that it hides, for things without a place of their own
    held: bool  # by a hand
    blur: float  # pixels of a 192 px picture: out of focus
    smear: tuple[float, float]  # pixels of a 192 px picture: moving
    seed: int


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing in its place."""

    mesh: Mesh
    grip: np.ndarray  # (3,) model frame: where a hand would hold it


def sample_prop(rng: np.random.Generator) -> PropPlan:
    """Anything."""
    kind = str(pick(rng, list(SHARES), np.array(list(SHARES.values())) / sum(SHARES.values())))
    held = bool(rng.random() < _HELD.get(kind, 0.0))
    near = kind in ("call", "cup", "bottle", "stick", "food")
    smear = rng.normal(0, 2.5, 2) if rng.random() < 0.1 else np.zeros(2)
    return PropPlan(
        kind=kind,
        look=Look(cloth_color(rng), str(pick(rng, PRINTS, [0.55, 0.1, 0.08, 0.07, 0.15, 0.05]))),
        size=float(np.exp(rng.normal(0.0, 0.1))),
        side=float(rng.choice([-1.0, 1.0])),
        gap=float(rng.uniform(0.002, 0.012) if near else rng.uniform(0.01, 0.12)),
        turn=float(rng.normal(0.0, 0.3)),
        tilt=(float(rng.normal(0.0, 0.2)), float(rng.normal(0.0, 0.25))),
        spot=int(rng.choice([30, 51, 57, 8, 36, 45, 27, 3, 13, 48, 54, 33])),
        held=held,
        blur=0.0 if near or rng.random() < 0.75 else float(rng.uniform(0.5, 2.5)),
        smear=(float(smear[0]), float(smear[1])),
        seed=int(rng.integers(2**31)),
    )


def make_prop(plan: PropPlan, lm: np.ndarray) -> Prop:
    """The thing before a face of (68, 3) model-frame landmarks."""
    rng = np.random.default_rng(plan.seed)
    solid, paint, gloss = BUILDERS[plan.kind](plan.look, rng)
    points, triangles = solid
    anchor, axes, grip = _place(plan, lm, points)
    placed = (points * plan.size) @ axes + anchor

    def painter(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.ascontiguousarray(paint(at), np.float32), np.ones(len(at), np.float32)

    mesh = Mesh(
        placed.astype(np.float32), triangles, points.astype(np.float32), painter, int(Occluder.OBJECT), gloss, 25.0
    )
    return Prop(mesh, (np.asarray(grip) * plan.size) @ axes + anchor)


def _place(plan: PropPlan, lm: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Anchor, axes (rows: own x, y, z in the model frame) and own grip point of a thing."""
    lips = lm[48:60].mean(axis=0)
    front = np.array([0.0, 0.0, plan.gap])
    if plan.kind == "call":  # from the ear to the corner of the mouth
        ear, corner = lm[0 if plan.side < 0 else 16], lm[48 if plan.side < 0 else 54]
        middle = 0.62 * ear + 0.38 * corner + [plan.side * 0.016, 0.006, 0.012]
        return middle, _axes(ear - corner, np.array([plan.side * 1.0, 0.0, 0.45])), (0.0, -0.01, 0.0)
    if plan.kind in ("cup", "bottle"):  # the rim or neck at the lips
        away = np.array([0.1 * plan.side, -1.0 + 0.5 * abs(plan.turn), 0.75 if plan.kind == "bottle" else 0.35])
        anchor = lips + [0.0, -0.002, 0.006] + front * 0.5
        return anchor, _axes(-away, np.array([plan.turn, 0.3, 1.0])), (0.0, -0.06 if plan.kind == "cup" else -0.12, 0.0)
    if plan.kind == "stick":
        away = np.array([plan.side * (0.3 + abs(plan.turn)), -0.3 + plan.tilt[0], 1.0])
        return lips + [plan.side * 0.012, 0.0, 0.0], _axes(-away, np.array([0.0, 1.0, 0.3])), (0.0, -0.07, 0.0)
    if plan.kind == "food":
        return lips + [0.0, -0.012, 0.012] + front, _turned_axes(plan), (0.0, -0.03, 0.0)
    if plan.kind == "microphone":
        low = lips + (lm[8] - lips) * (0.2 + 2.2 * abs(plan.turn))
        away = np.array([plan.side * (0.2 + abs(plan.tilt[0])), -1.0, 0.45 + plan.tilt[1]])
        anchor = low + [0.02 * plan.tilt[1], 0.0, 0.03] + front * 0.6
        return anchor, _axes(-away, np.array([0.0, 0.3, 1.0])), (0.0, -0.12, 0.0)
    if plan.kind == "camera":
        eye = lm[36:42].mean(axis=0) if plan.side < 0 else lm[42:48].mean(axis=0)
        return eye + [0.0, -0.012, 0.05] + front * 0.3, _turned_axes(plan), (0.055, -0.03, 0.0)
    depth = float(-points[:, 2].min())
    reach = float(np.abs(points[:, :2]).max())
    shift = np.array([0.35 * reach * np.sin(plan.seed), 0.35 * reach * np.cos(plan.seed), 0.0])
    clear = max(lm[30, 2] - lm[plan.spot, 2], 0.0) * 0.8
    return lm[plan.spot] + shift + front + [0, 0, depth + clear], _turned_axes(plan), (0.0, -0.8 * reach, 0.0)


def _axes(up: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """(3, 3) rows: side, up, and the direction nearest to `towards` at right angles to it."""
    up = up / np.linalg.norm(up)
    out = towards - up * (up @ towards)
    out /= np.linalg.norm(out)
    return np.stack([np.cross(up, out), up, out])


def _turned_axes(plan: PropPlan) -> np.ndarray:
    up = np.array([np.sin(plan.turn), np.cos(plan.turn), plan.tilt[0]])
    return _axes(up, np.array([plan.tilt[1], 0.0, 1.0]))
