"""Cloth of headgear: where its colours lie, that letters show, and that shapes close."""

from dataclasses import replace

import numpy as np
import pytest

from models.synthesis.hat_cloth import Cloth, cloth_albedo, sample_cloth
from models.synthesis.headwear import edge_height, smooth_noise
from models.synthesis.noise import NoisePool

FIRST, SECOND, THIRD = np.array([[0.02, 0.02, 0.02], [0.8, 0.8, 0.8], [0.5, 0.02, 0.02]], np.float32)


@pytest.fixture(scope="module")
def noise() -> NoisePool:
    return NoisePool.make(count=1)


@pytest.fixture
def plain(noise: NoisePool) -> Cloth:
    """Smooth black cloth without anything on it, to be printed in white and trimmed in red."""
    cloth = sample_cloth(np.random.default_rng(0), noise, "cap")
    return replace(
        cloth, colors=np.stack([FIRST, SECOND, THIRD]), pattern="plain", picture=None, mark=None, panels=False,
        trimmed=False, folds=np.ones_like(cloth.folds), grain=np.zeros_like(cloth.grain),
    )  # fmt: skip


def albedo(cloth: Cloth, turn: np.ndarray, run: np.ndarray, crown: bool = True, cuff: float = 0.0) -> np.ndarray:
    """Colours at places of a crown 17 cm high."""
    turn, run = np.broadcast_arrays(turn, run)
    at = np.stack([turn, run / 0.17, run], axis=-1).reshape(-1, 3).astype(np.float32)
    return cloth_albedo(cloth, at, crown, cuff, False, False).reshape(*turn.shape, 3)


def test_plain_cloth_is_plain(plain: Cloth) -> None:
    seen = albedo(plain, np.linspace(0, 1, 40)[:, None], np.linspace(0, 0.16, 20)[None])
    np.testing.assert_allclose(seen, np.broadcast_to(FIRST, seen.shape), atol=1e-6)


def test_letters_stand_in_front_of_the_crown_alone(plain: Cloth, noise: NoisePool) -> None:
    marks = [
        cloth.mark
        for seed in range(40)
        if (cloth := sample_cloth(np.random.default_rng(seed), noise, "cap")).mark is not None
    ]
    assert 15 < len(marks) < 33
    turn, run = np.linspace(0, 1, 400)[:, None], np.linspace(0.0, 0.12, 120)[None]
    for mark in marks:
        marked = replace(plain, mark=mark, mark_place=(0.05, 0.08, 0.04))
        white = albedo(marked, turn, run).mean(axis=2) > 0.4
        assert 0.0004 < white.mean() < 0.16 * 0.34  # within its rectangle
        rows, columns = np.nonzero(white)
        assert (np.abs(turn[rows, 0] - 0.5) < 0.5 * 0.08 / 0.55 + 0.003).all()
        assert (np.abs(run[0, columns] - 0.05) < 0.0215).all()
        assert not (albedo(marked, turn, run, crown=False).mean(axis=2) > 0.4).any()  # no letters on the visor


def test_panels_visor_and_cuff_take_the_third_colour(plain: Cloth) -> None:
    turn = np.array([0.5, 0.02])
    front, back = albedo(replace(plain, panels=True), turn, np.array(0.08))
    assert front == pytest.approx(THIRD) and back == pytest.approx(FIRST)
    trimmed = replace(plain, trimmed=True)
    assert albedo(trimmed, turn, np.array(0.03), crown=False) == pytest.approx(np.stack([THIRD, THIRD]))
    assert albedo(trimmed, turn, np.array(0.03)) == pytest.approx(np.stack([FIRST, FIRST]))
    low, high = albedo(trimmed, np.array(0.3), np.array([0.01, 0.12]), cuff=0.04)
    assert low == pytest.approx(THIRD, rel=0.02) and high == pytest.approx(FIRST, rel=0.02)


def test_cloth_comes_in_every_pattern_and_can_be_seen(noise: NoisePool) -> None:
    turn, run = np.linspace(0, 1, 200)[:, None], np.linspace(0.0, 0.16, 60)[None]
    spread: dict[str, list[float]] = {}
    for seed in range(80):
        cloth = sample_cloth(np.random.default_rng(seed), noise, "beanie" if seed % 2 else "brimmed")
        seen = albedo(replace(cloth, mark=None), turn, run)
        assert np.isfinite(seen).all() and seen.min() > 0.0 and seen.max() < 2.5
        spread.setdefault(cloth.pattern, []).append(float(np.log(seen.mean(axis=2)).std()))
    assert set(spread) == {"plain", "knit", "stripes", "checks", "print"}
    assert min(np.median(spread[name]) for name in ("knit", "stripes", "checks", "print")) > np.median(spread["plain"])


def test_cloth_depends_on_its_seed(noise: NoisePool) -> None:
    one, same, other = (sample_cloth(np.random.default_rng(seed), noise, "cap") for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.colors, same.colors)
    np.testing.assert_array_equal(one.folds, same.folds)
    assert not np.array_equal(one.colors, other.colors)


def test_a_tilted_edge_is_higher_at_the_left(noise: NoisePool) -> None:
    turn = np.array([-np.pi / 2, 0.0, np.pi / 2])
    level, tilted = (edge_height(turn, 0.05, 0.02, 0.0, tilt) for tilt in (0.0, 0.01))
    assert tilted - level == pytest.approx([-0.01, 0.0, 0.01], abs=1e-6)


def test_lumps_meet_at_the_back() -> None:
    lumps = smooth_noise(np.random.default_rng(1), (40, 61), 2.5)
    assert lumps[:, 0] == pytest.approx(lumps[:, -1], abs=1e-5)
    assert 0.7 < lumps.std() < 1.3
    assert np.abs(np.diff(lumps, axis=1)).max() < 1.5
