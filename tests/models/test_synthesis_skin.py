"""Painted skin: its colour stays the model's, its folds follow the muscles, its light wanders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from models.synthesis.complexion import fold_depths, sample_complexion
from models.synthesis.head import Head
from models.synthesis.ingredients import OF_THE_PERSON
from models.synthesis.noise import NoisePool
from models.synthesis.skin import Paint, PaintedSkin, paint_person, paint_skin
from models.synthesis.skin_atlas import Fold, Mask, SkinAtlas, vertex_uv
from models.synthesis.skin_details import RANGE
from models.synthesis.surface import bent_by_relief, scatter

FULL = dict.fromkeys(OF_THE_PERSON, True)
PIXEL = 0.0008  # metres


@pytest.fixture(scope="module")
def head(model: FaceModel) -> Head:
    return Head.of(model)


@pytest.fixture(scope="module")
def noise() -> NoisePool:
    return NoisePool.make()


def _person(head: Head, noise: NoisePool, seed: int, ingredients: dict[str, bool]) -> Paint:
    scalp = np.zeros(noise.cut(np.random.default_rng(0), "grain").shape, np.float32)
    return paint_person(np.random.default_rng(seed), head.chart, noise, 0.3, scalp, True, ingredients)


def _painted(head: Head, paint: Paint, expression: np.ndarray | None = None) -> tuple[np.ndarray, PaintedSkin]:
    """Rows of cheek and forehead vertices, and their paint."""
    rows = np.flatnonzero(head.model.in_regions("cheek_right", "cheek_left", "forehead"))
    uv, sliders = vertex_uv(head.model)[rows], np.zeros(64, np.float32) if expression is None else expression
    base = head.model.albedo_mean[rows]
    return rows, paint_skin(paint, head, uv, head.rest[rows], base, sliders, PIXEL)


def test_texture_keeps_the_mean_colour(head: Head, noise: NoisePool) -> None:
    bare = {**FULL, "makeup": False}
    ratios = []
    for seed in range(8):
        rows, painted = _painted(head, _person(head, noise, seed, bare))
        ratios.append((painted.albedo / head.model.albedo_mean[rows]).mean(axis=0))
    assert np.abs(np.mean(ratios, axis=0) - 1.0).max() < 0.12
    assert np.std([ratio.mean() for ratio in ratios]) < 0.15


def test_texture_adds_detail_only_when_it_is_an_ingredient(head: Head, noise: NoisePool) -> None:
    plain = {**FULL, "texture": False, "makeup": False}
    rows, without = _painted(head, _person(head, noise, 3, plain))
    _, textured = _painted(head, _person(head, noise, 3, {**FULL, "makeup": False}))
    base = head.model.albedo_mean[rows]
    rough_plain, rough_textured = ((skin.albedo / base)[:, 1].std() for skin in (without, textured))
    assert rough_textured > 1.2 * rough_plain


def test_details_average_to_one(head: Head) -> None:
    levels = head.details.levels
    if len(levels) == 1:
        pytest.skip("the painted skins of ../shared are not here")
    log = (np.asarray(levels[3]).astype(np.float32) - 128.0) * RANGE / 127.0
    assert np.abs(log.mean(axis=(1, 2))).max() < 0.02
    assert log.std() > 0.01


def test_folds_follow_the_muscles_of_their_side(model: FaceModel) -> None:
    complexion = sample_complexion(np.random.default_rng(1), 0.3, False, False, FULL)
    names, rest = model.expression_names, np.zeros(64, np.float32)
    smile = rest.copy()
    smile[names.index("mouthSmileLeft")] = 1.0
    still, moved = (fold_depths(complexion, sliders, names) for sliders in (rest, smile))
    assert moved[1, Fold.NASOLABIAL] > 1.3 * still[1, Fold.NASOLABIAL]
    assert moved[0, Fold.NASOLABIAL] == still[0, Fold.NASOLABIAL]
    assert moved[1, Fold.FOREHEAD] == still[1, Fold.FOREHEAD]


def test_relief_moves_with_the_expression_and_vanishes_without_the_ingredient(head: Head, noise: NoisePool) -> None:
    raised = np.zeros(64, np.float32)
    raised[head.model.expression_names.index("browInnerUp")] = 1.0
    paint = _person(head, noise, 5, FULL)
    rows, still = _painted(head, paint)
    _, moved = _painted(head, paint, raised)
    forehead = head.model.in_regions("forehead")[rows]
    change = np.abs(moved.height - still.height)
    assert change[forehead].max() > 1e-4  # metres
    assert change[~forehead].max() < 0.5 * change[forehead].max()
    _, flat = _painted(head, _person(head, noise, 5, {**FULL, "relief": False}), raised)
    assert not flat.height.any()


def test_makeup_is_worn_only_when_it_is_an_ingredient(head: Head, noise: NoisePool) -> None:
    changed = 0
    for seed in range(6):
        with_it, without = (_person(head, noise, seed, {**FULL, "makeup": worn}) for worn in (True, False))
        changed += not np.array_equal(with_it.complexion.numbers, without.complexion.numbers)
        assert np.array_equal(with_it.complexion.spots, without.complexion.spots)
        assert np.array_equal(with_it.hair_color, without.hair_color)
    assert changed >= 2


def test_normals_tilt_down_the_slope() -> None:
    size, pixel = 20, 0.001
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    places = np.stack([columns.ravel() * pixel, -rows.ravel() * pixel, np.zeros(size * size)], axis=1)
    flat = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (size * size, 1))
    bent = bent_by_relief(flat, places, 0.5 * places[:, 0], np.ones((size, size), bool))
    expected = np.array([-0.5, 0.0, 1.0]) / np.sqrt(1.25)
    assert np.allclose(bent, expected, atol=1e-4)
    assert np.array_equal(flat[0], [0.0, 0.0, 1.0])


def test_light_wanders_farthest_in_red_and_stays_in_skin() -> None:
    mask = np.ones((40, 40), bool)
    light = np.zeros((40, 40, 3), np.float32)
    light[:, :20] = 1.0
    skin = np.ones((40, 40), bool)
    skin[:10] = False
    out = scatter(light.reshape(-1, 3), mask, skin.ravel(), pixel=0.001).reshape(40, 40, 3)
    assert np.array_equal(out[:10], light[:10])
    assert out[25, 21, 0] > out[25, 21, 1] > out[25, 21, 2]
    assert np.allclose(out[25, 3], 1.0, atol=1e-3)


def test_masks_lie_where_their_names_say(model: FaceModel) -> None:
    atlas, uv = SkinAtlas.of(model), vertex_uv(model)
    masks = atlas.masks[0]
    column, row = (uv[:, 0] * 1024).astype(int), ((1.0 - uv[:, 1]) * 1024).astype(int).clip(0, 863)
    lips, brow = model.in_regions("upper_lip", "lower_lip"), model.in_regions("forehead")
    at = masks[row, column]
    assert np.median(at[lips, Mask.LIPS]) > 200
    assert at[brow, Mask.LIPS].max() == 0
    assert at[model.in_regions("ear_left"), Mask.FLUSH].mean() > 100
    mirrored = masks[row, (1023 - column).clip(0)]
    assert np.abs(at[:, Mask.CHEEKS].astype(int) - mirrored[:, Mask.CHEEKS]).mean() < 4


def test_a_person_is_drawn_the_same_again(head: Head, noise: NoisePool) -> None:
    first, second = (_painted(head, _person(head, noise, 11, FULL))[1] for _ in range(2))
    assert np.array_equal(first.albedo, second.albedo)
    assert np.array_equal(first.height, second.height)
    paint = replace(_person(head, noise, 11, FULL), roughness=0.4)
    assert np.array_equal(_painted(head, paint)[1].albedo, first.albedo)
