"""The mouth is the parser's, within this mouth, and unknown where it is not in sight; teeth are what is bright."""

import cv2
import numpy as np
import pytest

from core.geometry.mouth import Mouth, see_mouth
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


def opening_of(parts: np.ndarray, hidden: np.ndarray, points: np.ndarray) -> float | None:
    mouth = see_mouth(np.full((*parts.shape, 3), 120, np.uint8), parts, hidden, points)
    return None if mouth is None else mouth.opening


def seen(rows: int, teeth: float, bright: int = 190, skin: int = 150) -> Mouth:
    """A mouth `rows` high, in which teeth `bright` reach that far down, above the dark."""
    parts = painted(rows)
    photo = np.full((240, 300, 3), skin, np.uint8)
    photo[parts == INTERIOR] = 70
    top = int(CENTER[1]) - rows // 2
    down = round(teeth * rows)
    photo[top : top + down, 100:200] = bright
    mouth = see_mouth(photo, parts, np.zeros_like(parts), outline(half_height=34.0))
    assert mouth is not None
    return mouth


def test_opening_is_the_interior_over_the_lips() -> None:
    nothing = np.zeros((240, 300), np.uint8)
    shut, ajar, wide = (opening_of(painted(rows), nothing, outline()) for rows in (0, 4, 12))
    assert shut == 0.0
    assert ajar == pytest.approx(4 / 28, rel=0.3)  # the corners of the painted lips are beyond the outline
    assert wide is not None and ajar is not None and wide > 2.5 * ajar


def test_another_mouth_and_islands_do_not_count() -> None:
    nothing, parts = np.zeros((240, 300), np.uint8), painted(0)
    parts[200:220, 120:180] = INTERIOR  # on the chin
    parts[20:60, 20:80] = INTERIOR  # somebody behind
    assert opening_of(parts, nothing, outline()) == 0.0


def test_hidden_mouth_tells_nothing() -> None:
    hidden = np.zeros((240, 300), np.uint8)
    hidden[90:] = 255
    assert opening_of(painted(4), hidden, outline()) is None
    assert opening_of(np.zeros((240, 300), np.uint8), hidden * 0, outline()) is None  # no lips were found


@pytest.mark.parametrize("shift", [(-400.0, 0.0), (0.0, -400.0), (400.0, 400.0), (-150.0, 0.0)])
def test_mouth_at_and_beyond_the_border(shift: tuple[float, float]) -> None:
    parts = cv2.warpAffine(painted(6), np.array([[1, 0, shift[0]], [0, 1, shift[1]]], float), (300, 240))
    opening = opening_of(parts, np.zeros_like(parts), outline() + np.float32(shift))
    assert opening is None or opening == pytest.approx(6 / 28, rel=0.4)
    assert (opening is None) == (shift != (-150.0, 0.0))


@pytest.mark.parametrize("reach", [0.65, 0.75])
def test_teeth_reach_down_to_the_dark(reach: float) -> None:
    # the last tenths of the opening are the lip, which the parser has too low
    wanted = reach if reach < 0.7 else (reach + 1.0) / 2
    assert seen(40, reach).teeth == pytest.approx(wanted, abs=0.06)


def test_teeth_down_to_the_lip() -> None:
    assert seen(40, 1.0).teeth == 1.0
    assert seen(40, 0.9).teeth == 1.0


def test_dark_mouths_show_no_teeth() -> None:
    assert seen(40, 0.0).teeth == 0.0
    assert seen(40, 0.2).teeth == 0.0  # a glint below the lip
    assert seen(40, 0.65, bright=100).teeth == 0.0  # a tongue, a third as bright as the skin


def test_a_few_bright_pixels_are_no_teeth() -> None:
    parts, photo = painted(0), np.full((240, 300, 3), 150, np.uint8)
    parts[116:122, 147:153] = INTERIOR
    mouth = see_mouth(photo, parts, np.zeros_like(parts), outline())
    assert mouth is not None and mouth.opening > 0.0
    assert mouth.teeth == 0.0


def test_teeth_of_dark_skin_are_seen() -> None:
    assert seen(40, 1.0, bright=120, skin=70).teeth == 1.0


def test_teeth_of_a_rolled_head() -> None:
    """Down is away from the upper lip, wherever that lies."""
    parts, points = painted(40), outline(half_height=34.0)
    photo = np.full((240, 300, 3), 150, np.uint8)
    photo[parts == INTERIOR] = 20
    photo[100:126, 100:200] = 190
    turn = cv2.getRotationMatrix2D(tuple(CENTER), 150.0, 1.0)
    turned = [cv2.warpAffine(one, turn, (300, 240), flags=cv2.INTER_NEAREST) for one in (photo, parts)]
    mouth = see_mouth(*turned, np.zeros_like(parts), (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32))
    assert mouth is not None
    assert mouth.teeth == pytest.approx(0.65, abs=0.05)
