"""The rigged hand: reads it from binary glTF and bends its fingers."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .kernels import vertex_normals

FINGERS = ("thumb", "index-finger", "middle-finger", "ring-finger", "pinky-finger")
_JOINTS = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal")
_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True, eq=False)
class HandModel:
    """A rigged left hand. Its own frame: fingers along -y, palm towards +x, thumb towards -z; metres."""

    vertices: np.ndarray  # (N, 3) float32
    triangles: np.ndarray  # (M, 3) int32
    joint_names: tuple[str, ...]
    joint_places: np.ndarray  # (J, 3) float32
    weights: np.ndarray  # (N, J) float32
    normals: np.ndarray  # (N, 3) float32 unit, at rest


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
    vertices = read(primitive["attributes"]["POSITION"]).copy()
    triangles = read(primitive["indices"]).reshape(-1, 3).astype(np.int32)
    return HandModel(
        vertices=vertices,
        triangles=triangles,
        joint_names=tuple(scene["nodes"][row]["name"] for row in joints),
        joint_places=np.array([scene["nodes"][row]["translation"] for row in joints], np.float32),
        weights=weights,
        normals=vertex_normals(vertices, triangles),
    )


def bend(model: HandModel, curl: np.ndarray, spread: float = 0.0) -> np.ndarray:
    """(N, 3) float32 vertices with each finger's joints bent by (5,) radians, by linear blend skinning.

    `spread` parts neighbouring fingers by so many radians.
    """
    names = model.joint_names
    moves = {name: (np.eye(3), np.zeros(3)) for name in names}
    for finger, angle, rank in zip(FINGERS, curl, (0.0, -1.5, -0.4, 0.6, 1.5), strict=True):
        rotation, shift = np.eye(3), np.zeros(3)
        for part in (*_JOINTS, "tip"):
            name = f"{finger}-{part}"
            if name not in names:
                continue
            if part != "tip":
                pivot = model.joint_places[names.index(name)]
                turn = _about_z(angle) if finger != "thumb" else _about_y(-0.7 * angle)
                if part == "phalanx-proximal":
                    turn = _about_x(-spread * rank) @ turn
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


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
