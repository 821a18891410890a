"""Clips: one person, smooth motion, every frame made alone."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from models.synthesis.assets import Assets
from models.synthesis.dataset import make_dataset
from models.synthesis.renderer import Picture
from models.synthesis.sequences import make_frame, make_sequence, sample_clip
from models.synthesis.shards import list_shards, read_shard

FRAMES, SIZE = 10, 96


@pytest.fixture(scope="module")
def assets(model: FaceModel) -> Assets:
    return Assets.load(model)


@pytest.fixture(scope="module")
def clip(assets: Assets) -> list[Picture]:
    return list(make_sequence(assets, 8, 3, FRAMES, SIZE))


def test_a_clip_shows_one_person_who_moves_smoothly(clip: list[Picture]) -> None:
    assert {picture.person for picture in clip} == {3}
    assert all(np.array_equal(picture.identity, clip[0].identity) for picture in clip)
    points = np.stack([picture.landmarks[:68] for picture in clip])
    steps = np.abs(np.diff(points, axis=0)).mean(axis=(1, 2))
    eyes = np.linalg.norm(points[0, 36] - points[0, 45])
    assert steps.max() < 0.25 * max(eyes, 20.0)
    assert steps.min() > 0.0


def test_a_frame_needs_no_other(assets: Assets, clip: list[Picture]) -> None:
    sample_clip.cache_clear()
    again = make_frame(assets, 8, 3 * FRAMES + 6, FRAMES, SIZE)
    assert np.array_equal(again.image, clip[6].image)
    assert np.array_equal(again.coefficients, clip[6].coefficients)


def test_lids_close_and_open_again(assets: Assets) -> None:
    row = assets.expressions.row("eyeBlinkLeft")
    lids = [sample_clip(assets, 8, number, 60, SIZE).expressions[:, row] for number in range(12)]
    blinks = sum(int(((path[1:] > 0.95) & (path[:-1] < 0.95)).sum()) for path in lids)
    assert 2 <= blinks <= 40
    assert all(path.min() >= 0.0 and path.max() <= 1.0 for path in lids)


def test_clips_fill_shards(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.synthesis.dataset.SHARD", 4)
    assert make_dataset(tmp_path, 4, seed=8, workers=1, frames=2) == 4
    (folder,) = list_shards(tmp_path)
    assert read_shard(folder).truth.person.tolist() == [0, 0, 1, 1]
