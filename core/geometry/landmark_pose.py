"""The pose that landmarks alone ask for."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Camera
from .camera import FLIP
from .fitting import Observations


def pose_from_points(
    model_points: np.ndarray, seen: Observations, camera: Camera
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rotation and translation from (N, 3) model points and where they are seen; None when there are too few.

    Used when the regressed pose is far off. Only points of some weight take part.
    """
    used = seen.weight > 0.3
    if used.sum() < 8:
        return None
    matrix = np.array([[camera.focal, 0, camera.center[0]], [0, camera.focal, camera.center[1]], [0, 0, 1.0]])
    threshold = float(4.0 * np.median(seen.sigma[used]))
    done, turn, shift, _ = cv2.solvePnPRansac(
        model_points[used].astype(np.float64),
        seen.points[used],
        matrix,
        np.zeros(4),
        reprojectionError=threshold,
        iterationsCount=60,
        flags=cv2.SOLVEPNP_EPNP,
    )
    rotation = cv2.Rodrigues(turn)[0]
    if not done or shift[2, 0] <= 0 or (FLIP @ rotation)[2, 2] < 0:  # a face seen from behind is no solution
        return None
    return rotation, shift.ravel()
