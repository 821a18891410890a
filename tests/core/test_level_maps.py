"""Maps of levels, brought to another frame within their windows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.geometry.alignment import invert
from core.geometry.level_maps import FAINT, Window, sampled, seen, winner

TO_SOURCE = np.array([[0.31, 0.08, 3.0], [-0.08, 0.31, 9.0]])
SHAPE = (150, 170)


@pytest.fixture
def levels() -> np.ndarray:
    """(6, 64, 64) uint8: four blobs that overlap, and what they leave; the last class is nowhere."""
    y, x = np.mgrid[:64, :64]
    out = np.zeros((6, 64, 64))
    for k, (u, v, reach) in enumerate([(20, 20, 9), (30, 24, 6), (40, 45, 14), (12, 50, 3)], start=1):
        out[k] = np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2.0 * reach**2))
    out[0] = 0.4
    return (out / out.sum(axis=0) * 255.0).astype(np.uint8)


def test_windows_change_nothing(levels: np.ndarray) -> None:
    """The same answer as from all maps enlarged whole, but where every class is nearly absent."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    whole = np.stack([cv2.warpAffine(level, TO_SOURCE, SHAPE[::-1], flags=flags) for level in levels])
    found = winner(levels, TO_SOURCE, SHAPE)
    clear = whole.max(axis=0) > FAINT
    assert clear.mean() > 0.5
    won = np.take_along_axis(whole, found[None].astype(int), axis=0)[0].astype(int)
    assert (whole.max(axis=0) - won)[clear].max() <= 1  # sampled along outlines with OpenCV's other rounding
    assert (found == whole.argmax(axis=0))[clear].mean() > 0.999
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}


def test_a_window_holds_all_that_is_not_faint(levels: np.ndarray) -> None:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for level in levels[1:5]:
        shown = cv2.warpAffine(level, TO_SOURCE, SHAPE[::-1], flags=flags) > FAINT
        window = seen(level).carried(invert(TO_SOURCE), SHAPE)
        assert shown.any()
        assert shown[window.slices].sum() == shown.sum()
        assert window.size[0] * window.size[1] < shown.size


def test_nothing_seen_is_an_empty_window(levels: np.ndarray) -> None:
    window = seen(levels[5])
    assert 0 in window.size
    assert 0 in window.carried(invert(TO_SOURCE), SHAPE).size
    assert sampled(levels[5], TO_SOURCE, window).size == 0
    assert window.joined(Window(1, 2, 3, 4)) == Window(1, 2, 3, 4)
    assert Window(1, 2, 3, 4).joined(window) == Window(1, 2, 3, 4)


def test_joined_windows_hold_both() -> None:
    assert Window(1, 9, 4, 12).joined(Window(3, 2, 8, 10)) == Window(1, 2, 8, 12)


def test_shared_windows_are_in_both() -> None:
    assert Window(1, 2, 9, 12).shared(Window(3, 1, 20, 10)) == Window(3, 2, 9, 10)
    assert 0 in Window(1, 2, 4, 12).shared(Window(6, 1, 20, 10)).size


@pytest.mark.parametrize("scale", [0.1, 0.31, 1.7])
def test_the_winner_is_that_of_all_maps_in_every_frame(levels: np.ndarray, scale: float) -> None:
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]) * scale
    matrix = np.column_stack([turn, [31.0, 30.0] - turn @ [80.0, 70.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    whole = np.stack([cv2.warpAffine(level, matrix, SHAPE[::-1], flags=flags) for level in levels])
    found = winner(levels, matrix, SHAPE)
    won = np.take_along_axis(whole, found[None].astype(int), axis=0)[0].astype(int)
    clear = whole.max(axis=0) > FAINT
    assert (whole.max(axis=0) - won)[clear].max() <= 1
    assert not found[whole.max(axis=0) == 0].any()


def test_an_empty_target_has_no_winner(levels: np.ndarray) -> None:
    assert winner(levels, TO_SOURCE, (0, 7)).shape == (0, 7)
