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
    """(pitch, yaw, roll) in radians of a (3, 3) model -> camera rotation, undoing `rotation_from_angles`."""
    m = FLIP @ rotation
    pitch = np.arcsin(np.clip(m[2, 1], -1.0, 1.0))
    yaw = np.arctan2(-m[2, 0], m[2, 2])
    roll = np.arctan2(-m[0, 1], m[1, 1])
    return float(pitch), float(yaw), float(roll)


def rotation_without_roll(rotation: np.ndarray) -> np.ndarray:
    """(3, 3) model -> camera rotation with its roll removed."""
    pitch, yaw, _ = angles_from_rotation(rotation)
    return rotation_from_angles(pitch, yaw, 0.0)


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Project (N, 3) model-frame points to (N, 3): x, y in pixels and depth in metres."""
    p = points @ camera.rotation.T + camera.translation
    xy = camera.focal * p[:, :2] / p[:, 2:3] + np.asarray(camera.center)
    return np.concatenate([xy, p[:, 2:3]], axis=1)


def default_focal(width: int, height: int) -> float:
    """Focal length in pixels when the photo does not tell: 50 mm on a 36 x 24 mm frame, by the diagonal."""
    return float(np.hypot(width, height) * 50.0 / 43.267)


def camera_from_pose(
    pose: np.ndarray, crop_matrix: np.ndarray, size: int, photo_shape: tuple[int, int], focal: float
) -> Camera:
    """The photo's camera for a (6,) crop pose, the (2, 3) photo -> crop matrix and the crop's size in pixels.

    `photo_shape` is (height, width); `focal` is in photo pixels. Inverse of `pose_from_camera`.
    """
    height, width = photo_shape
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    pitch, yaw, roll, sides_per_metre, u, v = np.asarray(pose, dtype=np.float64)
    crop_scale = np.sqrt(abs(np.linalg.det(crop_matrix[:, :2])))
    depth = focal * crop_scale / (sides_per_metre * size)
    origin = np.linalg.solve(crop_matrix[:, :2], np.array([u, v]) * size - 0.5 - crop_matrix[:, 2])
    ray = np.append((origin - center) / focal, 1.0)
    turn = _photo_to_crop_rotation(crop_matrix, size, center, focal)
    return Camera(
        focal=float(focal),
        center=(float(center[0]), float(center[1])),
        width=int(width),
        height=int(height),
        rotation=turn.T @ rotation_from_angles(pitch, yaw, roll),
        translation=ray * depth,
    )


def pose_from_camera(camera: Camera, crop_matrix: np.ndarray, size: int) -> np.ndarray:
    """(6,) float64 crop pose (pitch, yaw, roll, f, t2d) of a camera; inverse of `camera_from_pose`."""
    center = np.asarray(camera.center)
    turn = _photo_to_crop_rotation(crop_matrix, size, center, camera.focal)
    crop_scale = np.sqrt(abs(np.linalg.det(crop_matrix[:, :2])))
    depth = camera.translation[2]
    origin = camera.focal * camera.translation[:2] / depth + center
    t2d = (crop_matrix[:, :2] @ origin + crop_matrix[:, 2] + 0.5) / size
    sides_per_metre = camera.focal * crop_scale / (depth * size)
    return np.array([*angles_from_rotation(turn @ camera.rotation), sides_per_metre, *t2d])


def _photo_to_crop_rotation(crop_matrix: np.ndarray, size: int, center: np.ndarray, focal: float) -> np.ndarray:
    """(3, 3) rotation from the photo's camera frame to that of the crop's camera.

    The crop's camera looks at the crop's centre (the shortest turn brings that viewing ray onto its axis) and
    is rolled like the crop, so that an off-centre face that looks into the lens has zero pitch and yaw.
    """
    linear = crop_matrix[:, :2]
    middle = np.linalg.solve(linear, (size - 1) / 2 - crop_matrix[:, 2])
    ray = np.append((middle - center) / focal, 1.0)
    x, y, z = ray / np.linalg.norm(ray)
    axis_cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])  # cross-product matrix of ray x (0, 0, 1)
    shortest = np.eye(3) + axis_cross + axis_cross @ axis_cross / (1.0 + z)
    in_plane = np.eye(3)
    in_plane[:2, :2] = linear / np.sqrt(abs(np.linalg.det(linear)))
    return in_plane @ shortest
