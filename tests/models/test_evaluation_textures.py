"""What the seen texels of textures show, on made-up label maps."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.uv_sampling import Atlas, build_atlas
from core.types import PARTS
from models.evaluation.part_scores import GROUPS
from models.evaluation.textures import brows_kept, hair_counts, shares, shown

SKIN, HAIR, NOSE, BACKGROUND = (PARTS.index(name) for name in ("skin", "hair", "nose", "background"))


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_face_model()


@pytest.fixture(scope="module")
def atlas(model: FaceModel) -> Atlas:
    return build_atlas(model, 128)


def test_shares_count_what_is_foreign_and_what_is_kept() -> None:
    parts = np.array([SKIN, SKIN, NOSE, HAIR, BACKGROUND, SKIN], np.uint8)
    greedy, careful = np.array([1, 1, 1, 1, 1, 0], bool), np.array([1, 0, 1, 0, 0, 0], bool)
    found = shares({"greedy": greedy, "careful": careful}, parts)
    assert found["greedy"] == pytest.approx((0.4, 1.0))
    assert found["careful"] == pytest.approx((0.0, 2 / 3))  # skin that nobody saw is no one's loss


def test_nothing_seen_is_no_share() -> None:
    nothing = np.zeros(3, bool)
    assert shares({"one": nothing, "other": nothing}, np.full(3, SKIN, np.uint8)) == {"one": (0, 0), "other": (0, 0)}


def test_brows_count_where_they_are_in_sight() -> None:
    brow, skin = PARTS.index("brow_left"), np.uint8(SKIN)
    parts = np.repeat(np.array([brow, brow, skin, PARTS.index("brow_right")], np.uint8), 100)
    seen, there = np.repeat([True, False, False, True], 100), np.repeat([True, True, True, False], 100)
    assert brows_kept(seen, parts, there) == pytest.approx(0.5)
    assert np.isnan(brows_kept(seen, parts, np.repeat([False, False, True, False], 100)))


def test_texels_show_the_part_that_they_project_to(model: FaceModel, atlas: Atlas) -> None:
    """The labels of the subject's left and right, in a picture of one pixel per millimetre."""
    points = model.vertices[:, :2] * np.array([1000.0, -1000.0]) + 400.0
    labels = np.full((800, 800), HAIR, np.uint8)
    labels[:, 400:] = SKIN
    parts = shown(atlas, points, labels)
    side = atlas.skin.interpolate(model.vertices)[:, 0]
    assert (parts[side > 0.002] == SKIN).all() and (parts[side < -0.002] == HAIR).all()
    assert not shown(atlas, points + 1000.0, labels).any()


def test_hair_is_counted_by_its_colour_where_something_is_known() -> None:
    hair, skin = np.array([0.03, 0.02, 0.01]), np.array([0.5, 0.3, 0.25])
    colors = np.array([hair * 1.5, hair, skin * 0.7, skin, hair])
    parts = np.array([HAIR, SKIN, HAIR, NOSE, PARTS.index("hat")], np.uint8)
    counts = hair_counts(colors, hair, skin, parts)[:, list(GROUPS).index("hair")]
    assert counts.tolist() == [1, 2, 2]  # rightly, called, truly hair; under the hat nobody knows
