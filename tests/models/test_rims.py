"""The rim finder: what of glasses hides a face, strips of pictures and portraits, training, export."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry import alignment  # noqa: E402
from core.runtime.specs import FACE_SIZE, RIM_ROWS  # noqa: E402
from models.export import onnx_export  # noqa: E402
from models.networks.rims import RimsConfig, build_rims  # noqa: E402
from models.synthesis.labels import Occluder  # noqa: E402
from models.synthesis.shards import Shard  # noqa: E402
from models.training import loop, options, rims  # noqa: E402
from models.training.bank import Sources  # noqa: E402
from models.training.completion_portraits import PortraitSampler  # noqa: E402
from models.training.completion_samples import CompletionSampler  # noqa: E402
from models.training.data import Pictures  # noqa: E402
from models.training.portraits import Portraits  # noqa: E402
from models.training.rim_samples import RimSampler, hiding, wearers  # noqa: E402
from models.training.rims import RimsRecipe  # noqa: E402

from .people import COVER, SIDE, make_pictures, smooth, write_all  # noqa: E402

TINY = RimsConfig(channels=(8, 8, 8, 8), dilations=(1,))
SAMPLES = 24
HEIGHT = RIM_ROWS[1] - RIM_ROWS[0]
LENS = (slice(COVER[0].start + 4, COVER[0].stop - 4), slice(COVER[1].start + 4, COVER[1].stop - 4))


@pytest.fixture(scope="module")
def spectacled(model) -> Pictures:
    """People with a black frame round one wide lens, but for one in each shard."""
    shards = []
    for shard in smooth(make_pictures(model)).shards:
        images, occluder = shard.images.copy(), np.zeros_like(shard.occluder)
        rows = np.arange(-1, len(images) - 1, dtype=np.int32)  # the first is bare
        images[1:, *COVER], occluder[1:, *COVER] = 0, Occluder.FRAME
        images[1:, *LENS], occluder[1:, *LENS] = shard.images[1:, *LENS], Occluder.CLEAR_LENS
        truth = dataclasses.replace(shard.truth, clean_row=rows)
        shards.append(Shard(images, shard.labels, occluder, shard.images[1:], truth))
    return Pictures.of(shards)


@pytest.fixture(scope="module")
def worn_folder(spectacled, tmp_path_factory) -> Path:
    return write_all(spectacled, tmp_path_factory.mktemp("worn"))


@pytest.fixture(scope="module")
def recipe(worn_folder) -> RimsRecipe:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rims, "_PART", 10)
        torch.manual_seed(0)
        return RimsRecipe(Sources((worn_folder,), None), SAMPLES, 0, TINY)


def test_what_hides_is_the_rim_its_shadow_and_glare() -> None:
    bare = np.full((60, 90, 3), 120, np.uint8)
    worn, codes = bare.copy(), np.zeros((60, 90), np.uint8)
    codes[10:40, 10:80] = Occluder.CLEAR_LENS
    worn[10:40, 10:80] -= 12  # a tint
    codes[8:10, 10:80] = Occluder.FRAME
    worn[8:10, 10:80] = 10
    worn[10:11, 10:80] = 60  # the blurred edge of it
    worn[20:26, 20:26] = 200  # glare
    worn[30, 50:70] = 200  # too thin to be glare: what the lens shifts
    codes[40:60], worn[42:48, 30:60], worn[50:56, 30:60] = Occluder.TOUCHED, 70, 105
    true = np.zeros((60, 90), bool)
    true[8:11, 10:80] = true[20:26, 20:26] = true[42:48, 30:60] = True
    np.testing.assert_array_equal(hiding(worn, bare, codes), np.where(true, 255, 0))
    codes[:] = 0
    assert not hiding(worn, bare, codes).any()


def test_wearers_are_those_with_clear_lenses_and_nothing_dark(spectacled) -> None:
    assert wearers(spectacled).tolist() == 2 * [False, *5 * [True]]
    shards = [dataclasses.replace(shard, occluder=shard.occluder.copy()) for shard in spectacled.shards]
    shards[0].occluder[2, :2] = Occluder.DARK_LENS
    shards[1].occluder[3][shards[1].occluder[3] == Occluder.CLEAR_LENS] = Occluder.FRAME
    assert np.flatnonzero(~wearers(Pictures.of(shards))).tolist() == [0, 2, 6, 9]


def test_strips_are_rows_of_the_face_crop(spectacled) -> None:
    sample = RimSampler(spectacled, None).exact(3)
    matrix = alignment.crop_matrix(spectacled.box_points(3), FACE_SIZE)
    crop = alignment.extract(spectacled.image(3), matrix, FACE_SIZE, cv2.BORDER_REFLECT_101).image
    np.testing.assert_allclose(sample.image.astype(int), crop[slice(*RIM_ROWS)], atol=1)
    frame = (spectacled.maps(3)[1] == Occluder.FRAME).astype(np.uint8) * 255
    whole = alignment.extract(cv2.merge([frame] * 3), matrix, FACE_SIZE, cv2.BORDER_REFLECT_101).image[..., 0]
    inner = cv2.erode(whole[slice(*RIM_ROWS)], np.ones((5, 5)))
    assert (sample.rims[inner == 255] == 255).all() and inner.any()
    assert not RimSampler(spectacled, None).exact(0).rims.any()


def test_portraits_are_drawn_glasses_on(spectacled, model) -> None:
    large = make_pictures(model, 4, seed=3)
    faces = np.stack([cv2.resize(large.image(k), (240, 240))[..., 0] for k in range(4)])
    points = (large.points[:, :68] + 0.5) * (240 / SIDE) - 0.5
    seen = np.ones((4, 1, 68), bool)
    portraits = Portraits(
        np.array([f"{k}.jpg" for k in range(4)]), faces[:, None], points, seen[:, 0], seen, faces[:, None] > 0
    )
    sampler = RimSampler(spectacled, PortraitSampler(portraits, CompletionSampler(spectacled, FACE_SIZE)))
    worn, bare = (sampler.portrait(0, np.random.default_rng(1), without) for without in (False, True))
    assert worn.image.shape == bare.image.shape == (HEIGHT, FACE_SIZE, 3)
    assert 0.002 < (worn.rims > 127).mean() < 0.3
    assert not bare.rims.any()
    other = sampler.portrait(0, np.random.default_rng(2), False)
    assert (other.rims != worn.rims).any()


def test_the_bank_follows_the_seed_and_batches_are_mirrored_whole(worn_folder, recipe, monkeypatch) -> None:
    monkeypatch.setattr(rims, "_PART", 10)
    again, other = (RimsRecipe(Sources((worn_folder,), None), SAMPLES, seed, TINY) for seed in (0, 1))
    np.testing.assert_array_equal(again._bank["rims"], recipe._bank["rims"])
    assert (other._bank["rims"] != recipe._bank["rims"]).any()
    rng = np.random.default_rng(4)
    rows, steps = rng.integers(0, SAMPLES, 16), rng.choice((-1, 1), 16)
    assert set(steps) == {-1, 1}
    batch = recipe.batch(np.random.default_rng(4), 16)
    for k, (row, step) in enumerate(zip(rows, steps, strict=True)):
        np.testing.assert_array_equal(batch["image"][k], recipe._bank["image"][row][:, ::step])
        np.testing.assert_array_equal(batch["rims"][k], recipe._bank["rims"][row][:, ::step])


def test_nothing_to_learn_from_is_refused(worn_folder, folder) -> None:
    with pytest.raises(ValueError, match="none to learn from"):
        RimsRecipe(Sources((worn_folder,), None), 0, 0, TINY)
    with pytest.raises(ValueError, match="Too few people wear clear glasses"):
        RimsRecipe(Sources((folder,), None), SAMPLES, 0, TINY)


def test_training_finds_the_frame(recipe, tmp_path) -> None:
    run = loop.Run(recipe, options.TrainConfig(steps=150, batch=8, rate=1e-2, device="cpu", average=0.9), tmp_path)
    figures = run.train()
    assert figures["validation_f1"] > 0.5
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["name"] == "rims" and card["samples"] == SAMPLES
    assert card["network"]["channels"] == list(TINY.channels)


def test_the_exported_file_computes_what_torch_computes(spectacled, tmp_path) -> None:
    torch.manual_seed(0)
    item = onnx_export.load_example("rims", onnx_export.RimsExport(build_rims(TINY)).eval())
    onnx_export.convert(item, tmp_path / "net.onnx", bits=16)
    samples = onnx_export.parity_samples("rims", spectacled)
    onnx_export.check_parity(item, tmp_path / "net.onnx", samples, bits=16)
    other = onnx_export.load_example("rims", onnx_export.RimsExport(build_rims(TINY)).eval())
    with pytest.raises(onnx_export.ParityError):
        onnx_export.check_parity(other, tmp_path / "net.onnx", samples, bits=32)
