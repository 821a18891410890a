"""Model and camera frames of docs/conventions.md to Blender's: the only place that knows Blender's axes.

Blender: +Z up; a head at rest looks along -Y (towards the front view), its left is +X. A Blender camera looks
along its local -Z with +Y up. Plain numpy, so that it is testable without Blender.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.types import Camera

MODEL_TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_OPENCV_TO_BLENDER_CAMERA = np.diag([1.0, -1.0, -1.0])
SENSOR_WIDTH = 36.0  # millimetres


@dataclass(frozen=True)
class Lens:
    """A pinhole camera in the terms of Blender's camera data (sensor fit HORIZONTAL)."""

    focal_mm: float
    sensor_width: float  # millimetres
    shift_x: float  # widths of the picture, as Blender counts with this sensor fit
    shift_y: float


def to_blender(points: np.ndarray) -> np.ndarray:
    """Turn (..., 3) model-frame points or directions into Blender's world axes, same dtype."""
    return (points @ MODEL_TO_BLENDER.T).astype(points.dtype)


def camera_world_matrix(camera: Camera) -> np.ndarray:
    """(4, 4) float64 world matrix of the Blender camera that sees a head standing at the world's origin."""
    view = np.eye(4)
    view[:3, :3] = _OPENCV_TO_BLENDER_CAMERA @ camera.rotation @ MODEL_TO_BLENDER.T
    view[:3, 3] = _OPENCV_TO_BLENDER_CAMERA @ camera.translation
    return np.linalg.inv(view)


def lens_of(camera: Camera) -> Lens:
    """Focal length and shift of a pinhole camera; pixel centres lie half a pixel inside the edge."""
    width, height = camera.width, camera.height
    return Lens(
        focal_mm=camera.focal / width * SENSOR_WIDTH,
        sensor_width=SENSOR_WIDTH,
        shift_x=(width / 2 - (camera.center[0] + 0.5)) / width,
        shift_y=((camera.center[1] + 0.5) - height / 2) / width,
    )
