"""The mouth's opening is the parser's, within this mouth, and unknown where it is not in sight."""

import cv2
import numpy as np
import pytest

from core.geometry.mouth import mouth_opening
from core.types import PARTS

UPPER, LOWER, INTERIOR = (PARTS.index(name) for name in ("upper_lip", "lower_lip", "mouth"))
CENTER = np.array([150.0, 120.0])


def outline(half_width: float = 40.0, half_height: float = 16.0) -> np.ndarray:
    """(68, 2) landmarks of which the mouth's alone count: outer lips on an ellipse, inner ones on a smaller one."""
    points = np.zeros((68, 2), np.float32)
    for part, count, scale in ((slice(48, 60), 12, 1.0), (slice(60, 68), 8, 0.7)):
        angle = np.pi + 2 * np.pi * np.arange(count) / count
        points[part] = CENTER + scale * np.stack([half_width * np.cos(angle), half_height * np.sin(angle)], axis=1)
    return points


def painted(opening: int) -> np.ndarray:
    """(240, 300) parts: two lips of 14 rows and 80 columns, `opening` rows of mouth between them."""
    parts = np.full((240, 300), PARTS.index("skin"), np.uint8)
    x0, y = int(CENTER[0]) - 40, int(CENTER[1])
    top = y - opening // 2
    parts[top - 14 : top, x0 : x0 + 80] = UPPER
    parts[top : top + opening, x0 : x0 + 80] = INTERIOR
    parts[top + opening : top + opening + 14, x0 : x0 + 80] = LOWER
    return parts


def test_opening_is_the_interior_over_the_lips() -> None:
    nothing = np.zeros((240, 300), np.uint8)
    shut, ajar, wide = (mouth_opening(painted(rows), nothing, outline()) for rows in (0, 4, 12))
    assert shut == 0.0
    assert ajar == pytest.approx(4 / 28, rel=0.3)  # the corners of the painted lips are beyond the outline
    assert wide is not None and ajar is not None and wide > 2.5 * ajar


def test_another_mouth_and_islands_do_not_count() -> None:
    nothing, parts = np.zeros((240, 300), np.uint8), painted(0)
    parts[200:220, 120:180] = INTERIOR  # on the chin
    parts[20:60, 20:80] = INTERIOR  # somebody behind
    assert mouth_opening(parts, nothing, outline()) == 0.0


def test_hidden_mouth_tells_nothing() -> None:
    hidden = np.zeros((240, 300), np.uint8)
    hidden[90:] = 255
    assert mouth_opening(painted(4), hidden, outline()) is None
    assert mouth_opening(np.zeros((240, 300), np.uint8), hidden * 0, outline()) is None  # no lips were found


@pytest.mark.parametrize("shift", [(-400.0, 0.0), (0.0, -400.0), (400.0, 400.0), (-150.0, 0.0)])
def test_mouth_at_and_beyond_the_border(shift: tuple[float, float]) -> None:
    parts = cv2.warpAffine(painted(6), np.array([[1, 0, shift[0]], [0, 1, shift[1]]], float), (300, 240))
    opening = mouth_opening(parts, np.zeros_like(parts), outline() + np.float32(shift))
    assert opening is None or opening == pytest.approx(6 / 28, rel=0.4)
    assert (opening is None) == (shift != (-150.0, 0.0))
