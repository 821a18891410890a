"""Rotations and the pinhole camera of docs/conventions.md."""

from __future__ import annotations

import numpy as np

from ..types import Camera

FLIP = np.diag([1.0, -1.0, -1.0])  # model axes -> camera axes for a face that looks into the camera


def rotation_from_angles(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """(3, 3) model -> camera rotation, `diag(1, -1, -1) @ Rz(roll) @ Rx(pitch) @ Ry(yaw)`."""
    (sp, sy, sr), (cp, cy, cr) = np.sin([pitch, yaw, roll]), np.cos([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return FLIP @ rz @ rx @ ry


def angles_from_rotation(rotation: np.ndarray) -> tuple[float, float, float]:
    """(pitch, yaw, roll) in radians of a (3, 3) model -> camera rotation; inverse of `rotation_from_angles`."""
    m = FLIP @ rotation
    pitch = np.arcsin(np.clip(m[2, 1], -1.0, 1.0))
    yaw = np.arctan2(-m[2, 0], m[2, 2])
    roll = np.arctan2(-m[0, 1], m[1, 1])
    return float(pitch), float(yaw), float(roll)


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Project (N, 3) model-frame points to (N, 3): x, y in pixels and depth in metres."""
    p = points @ camera.rotation.T + camera.translation
    xy = camera.focal * p[:, :2] / p[:, 2:3] + np.asarray(camera.center)
    return np.concatenate([xy, p[:, 2:3]], axis=1)


def default_focal(width: int, height: int) -> float:
    """Focal length in pixels assumed when the photo does not tell: 50 mm on a 36 x 24 mm frame (by diagonal)."""
    return float(np.hypot(width, height) * 50.0 / 43.267)
