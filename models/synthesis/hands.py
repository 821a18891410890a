"""Hands before the face: a rigged hand with bent fingers and a sleeve, in the colour of the face's skin."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles

FINGERS = ("thumb", "index-finger", "middle-finger", "ring-finger", "pinky-finger")
_JOINTS = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal")
_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True, eq=False)
class HandModel:
    """A rigged left hand. Its own frame: fingers along -y, palm towards +x or -x, thumb towards -z; metres."""

    vertices: np.ndarray  # (N, 3) float32
    triangles: np.ndarray  # (M, 3) int32
    joint_names: tuple[str, ...]
    joint_places: np.ndarray  # (J, 3) float32
    weights: np.ndarray  # (N, J) float32


@dataclass(frozen=True)
class HandPlan:
    """How a hand is held."""

    curl: np.ndarray  # (5,) radians per joint, thumb first
    target: str  # what it covers
    turn: float  # radians in the face's plane; 0 points the fingers up
    tilt: tuple[float, float]  # radians out of the plane
    gap: float  # metres off the face
    mirrored: bool
    back: bool  # the back of the hand faces the camera
    tone: float
    sleeve: np.ndarray  # (3,) float32 linear
    size: float
    seed: int


def load_hand(path: Path) -> HandModel | None:
    """Read the rigged hand (binary glTF); None without the source data."""
    if not path.is_file():
        return None
    data = path.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    scene, binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def read(index: int) -> np.ndarray:
        accessor = scene["accessors"][index]
        view = scene["bufferViews"][accessor["bufferView"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        width = _SIZES[accessor["type"]]
        kind = _TYPES[accessor["componentType"]]
        return np.frombuffer(binary, kind, accessor["count"] * width, start).reshape(accessor["count"], width)

    primitive = scene["meshes"][0]["primitives"][0]
    joints = scene["skins"][0]["joints"]
    bones, shares = read(primitive["attributes"]["JOINTS_0"]), read(primitive["attributes"]["WEIGHTS_0"])
    weights = np.zeros((len(bones), len(joints)), np.float32)
    for column in range(4):
        weights[np.arange(len(bones)), bones[:, column]] += shares[:, column]
    return HandModel(
        vertices=read(primitive["attributes"]["POSITION"]).copy(),
        triangles=read(primitive["indices"]).reshape(-1, 3).astype(np.int32),
        joint_names=tuple(scene["nodes"][row]["name"] for row in joints),
        joint_places=np.array([scene["nodes"][row]["translation"] for row in joints], np.float32),
        weights=weights,
    )


def sample_hand(rng: np.random.Generator) -> HandPlan:
    """Over the mouth, on a cheek or chin, before an eye, at the brow."""
    grip = rng.choice([rng.uniform(0, 0.25), rng.uniform(0.2, 0.7), rng.uniform(0.8, 1.3)], p=[0.45, 0.35, 0.2])
    return HandPlan(
        curl=np.clip(grip + rng.normal(0, 0.15, 5), -0.05, 1.4) * np.array([0.4, 1, 1, 1, 1]),
        target=str(rng.choice(["mouth", "chin", "cheek", "eye", "nose", "brow"], p=[0.3, 0.2, 0.22, 0.1, 0.1, 0.08])),
        turn=float(rng.normal(0, 0.8)),
        tilt=(float(rng.normal(0, 0.3)), float(rng.normal(0, 0.3))),
        gap=float(rng.uniform(0.008, 0.04)),
        mirrored=bool(rng.random() < 0.5),
        back=bool(rng.random() < 0.65),
        tone=float(np.exp(rng.normal(0.0, 0.15))),
        sleeve=srgb_to_linear(rng.beta(0.8, 1.1) * (1 - rng.beta(1, 2) * rng.random(3))),
        size=float(rng.uniform(0.92, 1.15)),
        seed=int(rng.integers(2**31)),
    )


def hand_meshes(plan: HandPlan, model: HandModel, head: Head, posed: Posed, skin: np.ndarray) -> list[Mesh]:
    """The hand and its sleeve; `skin` is (3,) linear, the face's own albedo."""
    vertices = bend(model, plan.curl)
    wrist = model.joint_places[model.joint_names.index("wrist")]
    palm = model.joint_places[model.joint_names.index("middle-finger-phalanx-proximal")]
    arm = _sleeve(wrist)
    place = _placement(plan, head, posed, palm)
    hand_points, arm_points = place(vertices), place(arm)
    tone = skin * plan.tone
    crease = 1.0 + 0.08 * np.random.default_rng(plan.seed).standard_normal(len(vertices)).astype(np.float32)

    def paint_hand(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tone * at[:, :1], np.ones(len(at), np.float32)

    def paint_sleeve(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cloth = at[:, 1:2] > wrist[1] + 0.035
        return np.where(cloth, plan.sleeve, tone).astype(np.float32), np.ones(len(at), np.float32)

    return [
        Mesh(hand_points, model.triangles, crease[:, None], paint_hand, int(Occluder.HAND), 0.9, 14.0, 0.85),
        Mesh(arm_points, grid_triangles(6, 17), arm, paint_sleeve, int(Occluder.HAND), 0.3, 8.0, 0.85),
    ]


def bend(model: HandModel, curl: np.ndarray) -> np.ndarray:
    """(N, 3) float32 vertices with each finger's joints bent by (5,) radians, by linear blend skinning."""
    names = model.joint_names
    moves = {name: (np.eye(3), np.zeros(3)) for name in names}
    for finger, angle in zip(FINGERS, curl, strict=True):
        rotation, shift = np.eye(3), np.zeros(3)
        for part in (*_JOINTS, "tip"):
            name = f"{finger}-{part}"
            if name not in names:
                continue
            if part != "tip":
                pivot = model.joint_places[names.index(name)]
                turn = _about_z(angle) if finger != "thumb" else _about_y(angle)
                here = rotation @ pivot + shift
                rotation = rotation @ turn
                shift = here - rotation @ pivot
            moves[name] = (rotation, shift)
    out = np.zeros_like(model.vertices)
    for column, name in enumerate(names):
        rotation, shift = moves[name]
        share = model.weights[:, column : column + 1]
        out += share * (model.vertices @ rotation.T + shift).astype(np.float32)
    return out


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _sleeve(wrist: np.ndarray) -> np.ndarray:
    """(6 * 17, 3) float32 lower arm from the wrist along +y of the hand's frame."""
    turn = np.linspace(0, 2 * np.pi, 17)
    rings = []
    for along, radius in ((-0.012, 0.021), (0.02, 0.027), (0.035, 0.03), (0.036, 0.037), (0.12, 0.043), (0.4, 0.055)):
        x, z = radius * 0.75 * np.cos(turn), radius * np.sin(turn)
        rings.append(np.stack([wrist[0] + x, np.full_like(turn, wrist[1] + along), wrist[2] + z], axis=1))
    return np.concatenate(rings).astype(np.float32)


def _placement(plan: HandPlan, head: Head, posed: Posed, palm: np.ndarray):
    """Function from the hand's frame to the model frame."""
    lm = head.model.landmarks(posed.vertices)
    side = -1.0 if plan.mirrored else 1.0
    spots = {
        "mouth": lm[62], "chin": lm[8] + [0, 0, 0.01], "nose": lm[30], "brow": lm[27] + [0, 0.03, 0],
        "cheek": lm[14 if side > 0 else 2] * 0.6 + lm[30] * 0.4, "eye": lm[45 if side > 0 else 36],
    }  # fmt: skip
    spot = spots[plan.target] + np.random.default_rng(plan.seed).normal(0, 0.01, 3)
    flip = -1.0 if plan.back else 1.0
    basis = np.array([[0, 0, flip], [0, -1, 0], [flip, 0, 0]], float)  # fingers up, palm to or from the face
    if plan.mirrored:
        basis = np.diag([-1.0, 1.0, 1.0]) @ basis
    c, s = np.cos(plan.turn + 0.5 * side), np.sin(plan.turn + 0.5 * side)
    roll = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    (ct, cu), (st, su) = np.cos(plan.tilt), np.sin(plan.tilt)
    tilt = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]]) @ np.array([[cu, 0, su], [0, 1, 0], [-su, 0, cu]])
    matrix = tilt @ roll @ basis * plan.size

    def place(points: np.ndarray) -> np.ndarray:
        moved = (points - palm) @ matrix.T + spot
        return (moved + np.array([0, 0, plan.gap + 0.02])).astype(np.float32)

    return place
