"""Hands before the face: a rigged hand with bent fingers and a sleeve, in the colour of the face's skin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .hand_rig import HandModel, bend
from .head import Head
from .kernels import rasterize
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles

_RELIEF_SIZE, _RELIEF_CELL = 76, 0.004  # pixels, metres
_FOLLOW = 0.6  # how far a hand gives way to the face's roundness


@dataclass(frozen=True)
class Pose:
    """A way to hold a hand before the face, for the left hand; the right one mirrors it."""

    share: float
    curl: tuple[float, float, float, float, float]  # radians a joint, thumb first
    spread: float  # radians between neighbouring fingers
    target: str  # what the knuckle of the middle finger lies on
    turn: float  # radians in the face's plane; 0 points the fingers up, more towards the other side
    back: bool  # the back of the hand faces the camera
    gap: tuple[float, float] = (0.0, 0.004)  # metres off the face
    pair: float = 0.0  # chance that the other hand does the same


POSES = {
    "cheek": Pose(0.17, (0.1, 0.3, 0.25, 0.3, 0.35), 0.02, "cheek", 0.1, True, pair=0.25),
    "fist": Pose(0.12, (0.9, 1.3, 1.3, 1.3, 1.3), 0.0, "under", 0.1, True, pair=0.3),
    "chin": Pose(0.12, (0.3, 0.35, 0.5, 0.8, 1.0), 0.03, "jaw", -0.1, True),
    "mouth": Pose(0.15, (0.0, 0.1, 0.1, 0.12, 0.15), 0.0, "mouth", 0.9, True, pair=0.2),
    "gasp": Pose(0.06, (0.0, 0.25, 0.2, 0.25, 0.3), 0.05, "mouth", 0.2, True, pair=0.4),
    "eye": Pose(0.07, (0.0, 0.15, 0.1, 0.12, 0.2), 0.02, "eye", 0.4, True, pair=0.35),
    "palm": Pose(0.08, (0.1, 0.3, 0.25, 0.3, 0.3), 0.06, "bridge", 0.45, True, pair=0.25),
    "brow": Pose(0.05, (0.2, 0.15, 0.15, 0.2, 0.2), 0.0, "brow", 1.25, True),
    "peace": Pose(0.06, (1.0, 0.0, 0.0, 1.35, 1.35), 0.16, "eye", 0.1, False, (0.01, 0.06)),
    "hush": Pose(0.05, (0.6, 0.0, 1.3, 1.35, 1.35), 0.0, "chin", 0.15, True),
    "stop": Pose(0.07, (0.0, 0.1, 0.08, 0.1, 0.15), 0.09, "nose", 0.1, False, (0.04, 0.16), pair=0.2),
}  # fmt: skip
HOLD = Pose(0.0, (0.7, 0.9, 0.95, 0.95, 0.95), 0.0, "grip", 1.2, True)
_GLOVES = ((0.25, 0.45, 0.75), (0.9, 0.9, 0.88), (0.05, 0.05, 0.05), (0.3, 0.2, 0.15), (0.7, 0.15, 0.15))


@dataclass(frozen=True)
class HandPlan:
    """How a hand is held."""

    pose: Pose
    curl: np.ndarray  # (5,) radians per joint, thumb first
    turn: float  # radians, added to the pose's
    tilt: tuple[float, float]  # radians out of the plane
    gap: float  # metres off the face
    mirrored: bool
    pair: bool
    tone: float
    foreign: np.ndarray | None  # (3,) float32 linear: somebody else's skin
    glove: np.ndarray | None  # (3,) float32 linear
    nails: np.ndarray | None  # (3,) float32 linear, painted
    sleeve: np.ndarray  # (3,) float32 linear
    bare: bool  # no sleeve
    size: float
    seed: int


def sample_hand(rng: np.random.Generator, pose: Pose | None = None) -> HandPlan:
    """On a cheek, under the chin, over mouth or eyes, a sign to the camera; or the given pose."""
    if pose is None:
        names = list(POSES)
        pose = POSES[str(pick(rng, names, np.array([POSES[name].share for name in names])))]
    closing = np.array(pose.curl)
    return HandPlan(
        pose=pose,
        curl=np.clip(closing + rng.normal(0, 0.1, 5) * (closing < 1.2), -0.1, 1.4),
        turn=float(rng.normal(0, 0.22)),
        tilt=(float(rng.normal(0, 0.15)), float(rng.normal(0, 0.15))),
        gap=float(rng.uniform(*pose.gap)),
        mirrored=bool(rng.random() < 0.5),
        pair=bool(rng.random() < pose.pair),
        tone=float(np.exp(rng.normal(0.0, 0.12))),
        foreign=_other_skin(rng) if rng.random() < 0.1 else None,
        glove=srgb_to_linear(np.array(_GLOVES)[rng.integers(len(_GLOVES))]) if rng.random() < 0.06 else None,
        nails=srgb_to_linear(rng.random(3)) if rng.random() < 0.12 else None,
        sleeve=srgb_to_linear(rng.beta(0.8, 1.1) * (1 - rng.beta(1, 2) * rng.random(3))),
        bare=bool(rng.random() < 0.35),
        size=float(rng.uniform(0.92, 1.12)),
        seed=int(rng.integers(2**31)),
    )


def _other_skin(rng: np.random.Generator) -> np.ndarray:
    """(3,) linear."""
    dark, light = np.array([0.09, 0.05, 0.035]), np.array([0.58, 0.41, 0.32])
    return (dark + (light - dark) * rng.random()).astype(np.float32)


def hand_meshes(plan: HandPlan, model: HandModel, head: Head, posed: Posed, skin: np.ndarray) -> list[Mesh]:
    """The hands and their sleeves; `skin` is (3,) linear, the face's own albedo."""
    relief = Relief.of(head, posed)
    sides = (plan.mirrored, not plan.mirrored) if plan.pair else (plan.mirrored,)
    meshes: list[Mesh] = []
    for mirrored in sides:
        spot = _spot(plan, head.model.landmarks(posed.vertices), -1.0 if mirrored else 1.0)
        meshes += _one_hand(replace(plan, mirrored=mirrored), model, relief, spot, skin)
    return meshes


def holding_hand(plan: HandPlan, model: HandModel, grip: np.ndarray, skin: np.ndarray) -> list[Mesh]:
    """A hand closed round a thing at the (3,) model-frame point `grip`, before it."""
    return _one_hand(plan, model, None, grip, skin)


def _one_hand(
    plan: HandPlan, model: HandModel, relief: Relief | None, spot: np.ndarray, skin: np.ndarray
) -> list[Mesh]:
    vertices = bend(model, plan.curl, plan.pose.spread)
    wrist = model.joint_places[model.joint_names.index("wrist")]
    palm = model.joint_places[model.joint_names.index("middle-finger-phalanx-proximal")]
    arm = _sleeve(wrist)
    matrix = _turned(plan)
    placed = [((points - palm) @ matrix.T + spot) for points in (vertices, arm)]
    if relief is not None:
        placed = relief.seated(placed, spot, plan.gap)
    else:
        placed = [points + [0.0, 0.0, 0.012] for points in placed]
    flesh = plan.glove if plan.glove is not None else (skin if plan.foreign is None else plan.foreign) * plan.tone
    colors = _skin_colors(plan, model, flesh)
    cloth = flesh if plan.bare else plan.sleeve

    def paint_hand(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return at, np.ones(len(at), np.float32)

    def paint_sleeve(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(at > wrist[1] + 0.035, cloth, flesh).astype(np.float32), np.ones(len(at), np.float32)

    hand, sleeve = (points.astype(np.float32) for points in placed)
    return [
        Mesh(hand, model.triangles, colors, paint_hand, int(Occluder.HAND), 0.9, 14.0, 0.85),
        Mesh(sleeve, grid_triangles(6, 17), arm[:, 1:2], paint_sleeve, int(Occluder.HAND), 0.3, 8.0, 0.85),
    ]


def _skin_colors(plan: HandPlan, model: HandModel, flesh: np.ndarray) -> np.ndarray:
    """(N, 3) float32 linear: paler palms, darker creases at the joints, nails."""
    noise = np.random.default_rng(plan.seed).standard_normal((len(model.vertices), 1)).astype(np.float32)
    color = flesh * (1.0 + 0.05 * noise)
    if plan.glove is not None:
        return color.astype(np.float32)
    palm = np.clip(model.normals[:, :1] * 1.5 + 0.2, 0.0, 1.0)
    pale = 0.55 * flesh + 0.45 * np.array([0.5, 0.3, 0.24], np.float32)
    color = color + (np.maximum(pale, flesh) - color) * 0.7 * palm
    joints = [k for k, name in enumerate(model.joint_names) if name.endswith(("intermediate", "distal"))]
    near = np.linalg.norm(model.vertices[:, None] - model.joint_places[None, joints], axis=2).min(axis=1)
    along = np.abs(model.vertices[:, None, 1] - model.joint_places[None, joints, 1]).min(axis=1)
    color = color * (1.0 - 0.22 * (np.exp(-((along / 0.002) ** 2)) * (near < 0.014)))[:, None]
    tips = [k for k, name in enumerate(model.joint_names) if name.endswith("tip")]
    nail = np.linalg.norm(model.vertices[:, None] - model.joint_places[None, tips], axis=2).min(axis=1) < 0.012
    nail &= model.normals[:, 0] < -0.45
    color[nail] = plan.nails if plan.nails is not None else flesh * 0.75 + [0.17, 0.1, 0.09]
    return color.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Relief:
    """How far the face stands out, seen from the front."""

    height: np.ndarray  # (S, S) float32 model-frame z, metres
    smooth: np.ndarray  # (S, S) float32 the same without its details

    @staticmethod
    def of(head: Head, posed: Posed) -> Relief:
        """Of a posed head."""
        flat = np.column_stack([*(_relief_pixels(posed.vertices).T), 1.0 - posed.vertices[:, 2]])
        depth = rasterize(flat.astype(np.float32), head.triangles, _RELIEF_SIZE, _RELIEF_SIZE).depth
        height = np.where(np.isfinite(depth), 1.0 - depth, -0.12).astype(np.float32)
        return Relief(height, cv2.GaussianBlur(np.maximum(height, -0.05), (0, 0), 3.0))

    def seated(self, parts: list[np.ndarray], spot: np.ndarray, gap: float) -> list[np.ndarray]:
        """(N, 3) parts bent a little round the face and moved out until they touch it from outside."""
        level = _at(self.smooth, spot[None])[0]
        bent = []
        for points in parts:
            follow = np.clip(_at(self.smooth, points) - level, -0.04, 0.03) * _FOLLOW
            bent.append(points + np.column_stack([np.zeros((len(points), 2)), follow]))
        inside = _at(self.height, bent[0]) - bent[0][:, 2]
        push = float(np.quantile(inside, 0.97)) + gap
        return [points + [0.0, 0.0, push] for points in bent]


def _relief_pixels(points: np.ndarray) -> np.ndarray:
    return np.stack([points[:, 0] + 0.15, 0.1 - points[:, 1]], axis=1) / _RELIEF_CELL


def _at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) values of a relief picture under (N, 3) model-frame points."""
    column, row = (np.clip(np.rint(axis), 0, _RELIEF_SIZE - 1).astype(int) for axis in _relief_pixels(points).T)
    return image[row, column]


def _sleeve(wrist: np.ndarray) -> np.ndarray:
    """(6 * 17, 3) float32 lower arm from the wrist along +y of the hand's frame."""
    turn = np.linspace(0, 2 * np.pi, 17)
    rings = []
    for along, radius in ((-0.012, 0.021), (0.02, 0.027), (0.035, 0.03), (0.036, 0.037), (0.12, 0.043), (0.4, 0.055)):
        x, z = radius * 0.75 * np.cos(turn), radius * np.sin(turn)
        rings.append(np.stack([wrist[0] + x, np.full_like(turn, wrist[1] + along), wrist[2] + z], axis=1))
    return np.concatenate(rings).astype(np.float32)


def _spot(plan: HandPlan, lm: np.ndarray, side: float) -> np.ndarray:
    """(3,) model-frame place of the middle finger's knuckle; `side` is 1 for the left hand."""
    left = side > 0
    cheek, jaw = lm[13 if left else 3], lm[11 if left else 5]
    spots = {
        "mouth": lm[62] + [side * 0.012, -0.006, 0], "chin": lm[8] + [side * 0.01, 0.004, 0.01], "nose": lm[30],
        "cheek": cheek * 0.65 + lm[30] * 0.35, "jaw": jaw * 0.7 + lm[8] * 0.3, "under": lm[8] + [side * 0.02, -0.03, 0],
        "eye": lm[42:48].mean(axis=0) if left else lm[36:42].mean(axis=0), "bridge": lm[28] + [side * 0.02, 0, 0],
        "brow": lm[27] + [side * 0.03, 0.035, 0],
    }  # fmt: skip
    return spots[plan.pose.target] + np.random.default_rng(plan.seed).normal(0, 0.008, 3)


def _turned(plan: HandPlan) -> np.ndarray:
    """(3, 3) from the hand's frame to the model frame, size included."""
    side = -1.0 if plan.mirrored else 1.0
    flip = -1.0 if plan.pose.back else 1.0
    basis = np.array([[0, 0, flip], [0, -1, 0], [flip, 0, 0]], float)  # fingers up, palm to or from the face
    if plan.mirrored:
        basis = np.diag([-1.0, 1.0, 1.0]) @ basis
    angle = (plan.pose.turn + 0.25) * side + plan.turn
    c, s = np.cos(angle), np.sin(angle)
    roll = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    (ct, cu), (st, su) = np.cos(plan.tilt), np.sin(plan.tilt)
    tilt = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]]) @ np.array([[cu, 0, su], [0, 1, 0], [-su, 0, cu]])
    return tilt @ roll @ basis * plan.size
