"""What is done to pictures as single planes in several places."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .delighting import LUMINANCE


def luminance(planes: Sequence[np.ndarray]) -> np.ndarray:
    """(h, w) luminance of three linear planes."""
    red, green, blue = planes
    return LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue


def disk(radius: float) -> np.ndarray:
    """A round structuring element of a radius in pixels, at least 3 x 3."""
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
