"""The one face crop, shared by training and application (docs/conventions.md, "Face box and crop")."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Crop

MARGIN = 1.5  # crop side over the larger side of the landmarks' upright bounding box
_EYES_UPRIGHT = {68: (slice(36, 42), slice(42, 48)), 5: (slice(0, 1), slice(1, 2))}


def roll_from_points(points: np.ndarray) -> float:
    """In-plane angle (radians, y down) of the line from the right to the left eye of (68, 2) or (5, 2) points.

    Beyond about 60 degrees of yaw the eyes nearly coincide; the eye-to-mouth line then takes over by its length.
    """
    right, left = (points[part].mean(axis=0) for part in _EYES_UPRIGHT[len(points)])
    mouth = points[[48, 54] if len(points) == 68 else [3, 4]].mean(axis=0)
    across, down = left - right, mouth - (left + right) / 2
    upright = across + np.array([down[1], -down[0]])  # `down` turned onto the eye line
    return float(np.arctan2(upright[1], upright[0]))


def crop_matrix(points: np.ndarray, size: int, box: np.ndarray | None = None) -> np.ndarray:
    """(2, 3) similarity from photo to crop pixels for (68, 2) landmarks, or (5, 2) points with their box.

    `box` is (4,) x0, y0, x1, y1 in photo pixels, needed with five points only.
    """
    roll = roll_from_points(points)
    c, s = np.cos(roll), np.sin(roll)
    to_upright = np.array([[c, s], [-s, c]])
    if len(points) == 68:
        upright = points @ to_upright.T
        low, high = upright.min(axis=0), upright.max(axis=0)
        center, side = (low + high) / 2, float((high - low).max())
    elif box is not None:
        center = to_upright @ np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        width, height = box[2] - box[0], box[3] - box[1]
        side = float(max(width, height) / (abs(c) + abs(s) * 0.2))
    else:
        raise ValueError("five points need their box")
    scale = size / (MARGIN * side)
    matrix = np.empty((2, 3))
    matrix[:, :2] = to_upright * scale
    matrix[:, 2] = (size - 1) / 2 - center * scale
    return matrix


def extract(photo: np.ndarray, matrix: np.ndarray, size: int) -> Crop:
    """Sample a (H, W, 3) uint8 photo through a (2, 3) photo -> crop matrix; antialiased when it shrinks."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    image, inner = photo, matrix
    if scale < 0.5:  # shrink by area first: warpAffine alone would alias
        factor = max(scale * 1.5, 1.0 / min(photo.shape[:2]))
        image = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        fx, fy = image.shape[1] / photo.shape[1], image.shape[0] / photo.shape[0]
        # pixel centres: small = (x + 0.5) * f - 0.5
        inner = matrix.copy()
        inner[:, :2] = matrix[:, :2] / [fx, fy]
        inner[:, 2] = matrix[:, 2] + matrix[:, :2] @ [0.5 / fx - 0.5, 0.5 / fy - 0.5]
    crop = cv2.warpAffine(image, inner, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return Crop(matrix=matrix, size=size, image=crop)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (N, 2) points through a (2, 3) affine matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """(2, 3) inverse of a (2, 3) affine matrix."""
    return cv2.invertAffineTransform(matrix)
