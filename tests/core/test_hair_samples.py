"""Patches of a photo's hair, and how a pattern is laid out from such."""

import cv2
import numpy as np
import pytest

from core.geometry.camera import rotation_from_angles
from core.geometry.hair_samples import straightness, strand_samples
from core.geometry.hair_view import HairView
from core.geometry.quilting import quilt
from core.types import PARTS, Camera

SIDE, METRE = 400, 1000.0  # pixels of the photo, and of a metre


def _view(levels: np.ndarray, hair: np.ndarray) -> HairView:
    """A wall of hair, a metre away."""
    camera = Camera(METRE, (199.5, 199.5), SIDE, SIDE, rotation_from_angles(0.0, 0.0, 0.0), np.array([0, 0, 1.0]))
    corners = np.array([[x, y, 0.0] for x in (-0.19, 0.19) for y in (-0.19, 0.19)])
    photo = np.repeat(np.rint(levels).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return HairView.of(photo, np.where(hair, PARTS.index("hair"), 1).astype(np.uint8), camera, corners, 1024)


def _stripes(degrees: float) -> np.ndarray:
    """(SIDE, SIDE) levels that change along a direction, so many degrees from the horizontal, and never across it."""
    y, x = np.mgrid[:SIDE, :SIDE]
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return 90.0 + 30.0 * np.sin(along * 2.0 * np.pi / 9.0)


@pytest.mark.parametrize("degrees", [0.0, 35.0, 90.0, 140.0])
def test_strands_of_samples_run_down(degrees: float) -> None:
    samples = strand_samples(_view(_stripes(degrees), np.ones((SIDE, SIDE), bool)), 0.0012)
    assert samples is not None
    assert straightness(samples) > 0.85


def test_curls_are_not_straight() -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(2).standard_normal((SIDE, SIDE)), (0, 0), 4.0)
    samples = strand_samples(_view(90.0 + 20.0 * noise / noise.std(), np.ones((SIDE, SIDE), bool)), 0.0012)
    assert samples is not None
    assert abs(straightness(samples)) < 0.3


def test_samples_hold_nothing_but_hair_and_fit_into_it() -> None:
    hair = np.zeros((SIDE, SIDE), bool)
    hair[100:160, 60:340] = True  # six centimetres high
    levels = np.where(hair, 63.0 + 0.3 * _stripes(0.0), 250.0)
    samples = strand_samples(_view(levels, hair), 0.0012)
    assert samples is not None
    assert samples.shape[1] == round(0.034 / 0.0012)
    assert samples.max() < 0.3  # the wall is ten times as bright
    hair[120:] = False
    assert strand_samples(_view(levels, hair), 0.0012) is None


def test_a_quilt_is_as_strong_as_its_patches_and_closes_to_a_ring() -> None:
    rng = np.random.default_rng(7)
    field = cv2.GaussianBlur(rng.standard_normal((300, 300)).astype(np.float32), (0, 0), 3.0)
    field /= field.std()
    patches = np.array([field[y : y + 30, x : x + 30] for y, x in rng.integers(0, 270, (80, 2))])
    wanted = np.ones((150, 260), bool)
    out = quilt(patches, wanted)
    assert out.std() == pytest.approx(1.0, abs=0.25)
    steps = np.abs(np.diff(out, axis=1)).mean(axis=0)
    assert np.abs(out[:, 0] - out[:, -1]).mean() < 1.6 * steps.mean()
    assert steps.max() < 2.0 * steps.mean()  # no seams
    wanted[:, 100:200] = False
    assert not quilt(patches, wanted)[:, 140:160].any()


def test_patches_are_chosen_to_go_on_with_their_neighbours() -> None:
    stripes = np.sin(np.arange(400) * 2.0 * np.pi / 12.0).astype(np.float32)
    begins = np.random.default_rng(1).integers(0, 360, 60)
    patches = np.array([np.tile(stripes[begin : begin + 30], (30, 1)) for begin in begins])
    out = quilt(patches, np.ones((150, 260), bool))
    along, across = (np.abs(np.diff(out, axis=axis)).mean() for axis in (0, 1))
    assert along < 0.1 * across


def test_samples_keep_off_the_edge_of_hair() -> None:
    """What the parser calls hair may begin two millimetres outside."""
    hair = np.zeros((SIDE, SIDE), bool)
    hair[100:160, 60:340] = True
    told = cv2.dilate(hair.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    samples = strand_samples(_view(np.where(hair, 63.0 + 0.3 * _stripes(0.0), 250.0), told), 0.0012)
    assert samples is not None
    assert samples.min() > -0.3  # beside a bright rim hair would look dark
