"""The one face crop, shared by training and application (docs/conventions.md, "Face box and crop")."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Crop

MARGIN = 1.5  # crop side over the larger side of the landmarks' upright bounding box
HEAD_MARGIN = 2.2  # the same of the head crop: hair, ears, hat and neck are in it
HEAD_LIFT = 0.25  # by how much of that side the head crop lies above the face crop: there is more head above the brows
CLOSE_MARGIN = 1.3  # the same of the close crop: eyes, brows and lips as large as may be
_EYES_UPRIGHT = {68: (slice(36, 42), slice(42, 48)), 5: (slice(0, 1), slice(1, 2))}


def roll_from_points(points: np.ndarray) -> float:
    """In-plane angle (radians, y down) of a face from its (68, 2) landmarks or (5, 2) points.

    The sum of the line from the right to the left eye and of the eye-to-mouth line turned onto it: beyond
    about 60 degrees of yaw the eyes nearly coincide and the second takes over by its length.
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
        side = float(max(box[2] - box[0], box[3] - box[1]))  # turning 68 points grows it by 4 % at most
    else:
        raise ValueError("five points need their box")
    scale = size / (MARGIN * max(side, 1.0))  # points that coincide still give a crop
    matrix = np.empty((2, 3))
    matrix[:, :2] = to_upright * scale
    matrix[:, 2] = (size - 1) / 2 - center * scale
    return matrix


def head_matrix(points: np.ndarray, size: int) -> np.ndarray:
    """(2, 3) similarity from photo to the pixels of the head crop, for (68, 2) landmarks."""
    return _framed(points, size, HEAD_MARGIN, HEAD_LIFT)


def close_matrix(points: np.ndarray, size: int) -> np.ndarray:
    """The same for the close crop."""
    return _framed(points, size, CLOSE_MARGIN, 0.0)


def _framed(points: np.ndarray, size: int, margin: float, lift: float) -> np.ndarray:
    scale = MARGIN / margin
    matrix = crop_matrix(points, size) * scale
    matrix[:, 2] += (1.0 - scale) * (size - 1) / 2
    matrix[1, 2] += size * lift / margin
    return matrix


def extract(photo: np.ndarray, matrix: np.ndarray, size: int, border: int = cv2.BORDER_CONSTANT) -> Crop:
    """Sample a (H, W, 3) uint8 photo through a (2, 3) photo -> crop matrix, antialiased.

    `border` is OpenCV's word for what lies outside the photo: black, unless it is told to reflect.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    image, to_crop = photo, matrix
    if scale < 0.5:  # shrink by area first: warpAffine alone would alias
        image, to_crop = _shrink(photo, matrix, size, int(1.0 / scale))
    if image.size == 0:  # the crop lies outside the photo altogether
        return Crop(matrix=matrix, size=size, image=np.zeros((size, size, 3), np.uint8))
    crop = cv2.warpAffine(image, to_crop, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return Crop(matrix=matrix, size=size, image=crop)


def _shrink(photo: np.ndarray, matrix: np.ndarray, size: int, times: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo under the crop, with one pixel for `times` x `times`, and its (2, 3) matrix to the crop.

    Whole pixels are averaged, which OpenCV does several times quicker than fractions of them.
    """
    limit = np.array([photo.shape[1], photo.shape[0]])
    corners = apply(invert(matrix), np.array([[0, 0], [size, 0], [0, size], [size, size]], float) - 0.5)
    border = 2 * times  # pixels that the interpolation at the crop's edge reaches
    low = np.clip(np.floor(corners.min(axis=0) - border), 0, limit).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0) + border), 0, limit).astype(int)
    side = -(-(high - low) // times) * times
    high = np.minimum(low + side, limit)
    low = np.maximum(high - side, 0)
    target = (high - low) // times  # what is left over at the photo's border, less than one pixel, is not seen
    if target.min() < 1:
        return photo[:0], matrix
    part = photo[low[1] : low[1] + target[1] * times, low[0] : low[0] + target[0] * times]
    small = cv2.resize(part, (int(target[0]), int(target[1])), interpolation=cv2.INTER_AREA)
    # pixel centres: small = (x - low + 0.5) / times - 0.5
    to_crop = matrix.copy()
    to_crop[:, :2] = matrix[:, :2] * times
    to_crop[:, 2] = apply(matrix, (low + 0.5 * times - 0.5)[None])[0]
    return small, to_crop


def mirrored(matrix: np.ndarray, size: int) -> np.ndarray:
    """The (2, 3) photo -> crop matrix whose crop of `size` pixels is the mirror image."""
    out = matrix.copy()
    out[0] = -out[0]
    out[0, 2] += size - 1
    return out


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (N, 2) points through a (2, 3) affine matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """(2, 3) inverse of a (2, 3) affine matrix."""
    return cv2.invertAffineTransform(matrix)
