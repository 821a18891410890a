"""Face crops cut out of the synthetic pictures, as the application will cut them out of photos."""

from __future__ import annotations

import cv2
import numpy as np

from core.geometry import alignment
from core.types import LANDMARKS

from .data import Pictures

_HOLD_OUT = 0.03  # share of the pictures, the last ones
_HOLD_OUT_MOST = 1000


def split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices for training and for validation."""
    held = min(_HOLD_OUT_MOST, max(1, round(count * _HOLD_OUT)))
    return np.arange(count - held), np.arange(count - held, count)


class Cropper:
    """Cuts crops of `size` pixels; the true crop's matrix of every picture is known beforehand."""

    def __init__(self, pictures: Pictures, size: int) -> None:
        self.pictures, self.size = pictures, size
        self.matrices = np.stack([alignment.crop_matrix(points[:LANDMARKS], size) for points in pictures.points])

    def fractions(self, index: int, matrix: np.ndarray) -> np.ndarray:
        """(P, 2) landmarks of one picture under a (2, 3) picture -> crop matrix, crop fractions."""
        return (alignment.apply(matrix, self.pictures.points[index]) + 0.5) / self.size

    def cut(self, index: int, matrix: np.ndarray, border: int = cv2.BORDER_CONSTANT, clean: bool = False) -> np.ndarray:
        """(size, size, 3) uint8 crop of one picture, or of its clean twin."""
        image = self.pictures.clean(index) if clean else self.pictures.image(index)
        return cv2.warpAffine(image, matrix, (self.size, self.size), flags=cv2.INTER_LINEAR, borderMode=border)
