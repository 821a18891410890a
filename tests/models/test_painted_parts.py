"""Parts bounded as painters do: the nose below its root, lips within the red, eyes and lips drawn through landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from models.synthesis.labels import Label
from models.training.painted_parts import IGNORED, as_painted, inside, with_outlined_parts

SIDE = 200
_OUTER = range(48, 60)


@pytest.fixture(scope="module")
def points(model: FaceModel) -> np.ndarray:
    """(68, 2) landmarks of the mean face, upright, in pixels of a map of `SIDE`."""
    flat = model.landmarks(model.vertices)[:, :2] * [1.0, -1.0]
    low, high = flat.min(axis=0), flat.max(axis=0)
    return (flat - low) / (high - low).max() * 0.7 * SIDE + 0.15 * SIDE


def parted(points: np.ndarray, gap: float) -> np.ndarray:
    """The same with the lower lip's inner rim `gap` pixels below the upper one's."""
    out = points.copy()
    out[[67, 66, 65]] = out[[61, 62, 63]] + [0.0, gap]
    out[55:60, 1] += gap
    return out


def test_the_nose_ends_at_its_root(points: np.ndarray) -> None:
    labels = np.full((SIDE, SIDE), Label.NOSE, np.uint8)
    rows = np.flatnonzero((as_painted(labels, points) == Label.NOSE).any(axis=1))
    assert abs(rows.min() - points[27, 1]) <= 1.0
    assert rows.max() == SIDE - 1


def test_lips_end_where_the_red_ends_but_not_in_profile(points: np.ndarray) -> None:
    labels = np.full((SIDE, SIDE), Label.UPPER_LIP, np.uint8)
    left = as_painted(labels, points) == Label.UPPER_LIP
    rows, columns = np.nonzero(left)
    outline = points[list(_OUTER)]
    assert np.allclose([columns.min(), columns.max()], [outline[:, 0].min(), outline[:, 0].max()], atol=2.0)
    assert np.allclose([rows.min(), rows.max()], [outline[:, 1].min(), outline[:, 1].max()], atol=3.0)
    profile = points.copy()
    profile[48] = profile[51] + [1.0, 0.0]
    assert (as_painted(labels, profile) == Label.UPPER_LIP).all()


def test_open_lips_hold_a_mouth_and_shut_ones_none(points: np.ndarray) -> None:
    skin, trusted = np.full((SIDE, SIDE), Label.SKIN, np.uint8), np.ones(68, bool)
    wide, shut = (with_outlined_parts(skin, parted(points, gap), trusted) for gap in (14.0, 0.0))
    middle = tuple(np.rint(parted(points, 14.0)[[62, 66]].mean(axis=0)).astype(int)[::-1])
    assert wide[middle] == Label.MOUTH
    assert not (shut == Label.MOUTH).any()
    for labels in (wide, shut):
        for part in (Label.UPPER_LIP, Label.LOWER_LIP, Label.EYE_LEFT, Label.EYE_RIGHT):
            assert (labels == part).sum() > 20
        assert not (labels == IGNORED).any()


def test_a_doubtful_point_leaves_its_part_open(points: np.ndarray) -> None:
    skin, trusted = np.full((SIDE, SIDE), Label.SKIN, np.uint8), np.ones(68, bool)
    trusted[37] = False
    labels = with_outlined_parts(skin, points, trusted)
    eye = inside(points, ((36, 37, 38, 39), (39, 40, 41, 36)), labels.shape)
    assert (labels[eye] == IGNORED).all()
    assert (labels == Label.EYE_LEFT).any()
