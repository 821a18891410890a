"""The coarse completer: crops cut beforehand, mirrored with their landmarks, and an error that counts holes alike."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.mirroring import MIRRORED_68  # noqa: E402
from core.runtime.specs import COARSE_SIZE, FACE_SIZE  # noqa: E402
from models.export import onnx_export  # noqa: E402
from models.networks.completer import CompleterConfig, build_coarse_completer  # noqa: E402
from models.training import completer_coarse, loop, options  # noqa: E402
from models.training.bank import Sources  # noqa: E402
from models.training.completer_coarse import CoarseRecipe, hole_square  # noqa: E402
from models.training.data import read_pictures  # noqa: E402

TINY = CompleterConfig(size=32, fold=2, channels=(4, 4, 8, 8), dilations=(1,))
SAMPLES = 24


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(completer_coarse, "_PART", 10)


@pytest.fixture(scope="module")
def recipe(folder) -> CoarseRecipe:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completer_coarse, "_PART", 10)
        return CoarseRecipe(Sources((folder,), None), SAMPLES, 0, TINY)


def test_sets_are_joined(folder) -> None:
    one, two = read_pictures(folder), read_pictures(folder, folder)
    assert len(two) == 2 * len(one)
    np.testing.assert_array_equal(two.image(len(one) + 3), one.image(3))
    assert two.describe()["pictures"] == len(two)


def test_cells_are_means_of_the_crop_with_nothing_of_the_cover(folder, recipe) -> None:
    """A cut sample is what the network would have made of the crop itself."""
    crops = completer_coarse._recipe_of(Sources((folder,), None))
    batch = crops.batch(np.random.default_rng((0, 1)), 10)
    rows = slice(10, 20)
    clean, mask = (batch[name].astype(float) for name in ("clean", "mask"))
    pooled = [one.reshape(10, 32, 4, 32, 4, -1).mean((2, 4)) for one in (clean, mask)]
    np.testing.assert_allclose(recipe._bank["clean"][rows], pooled[0], atol=0.51)
    np.testing.assert_allclose(recipe._bank["mask"][rows] / 255.0, pooled[1][..., 0], atol=0.003)
    np.testing.assert_array_equal(recipe._bank["landmarks"][rows], batch["landmarks"])
    net = build_coarse_completer(TINY).eval()
    image, labels = loop.to_device({"image": batch["image"]}, "cpu")
    hole = torch.from_numpy(batch["mask"])[:, None].float()
    points = torch.from_numpy(batch["landmarks"])
    whole = net(image, hole, points)
    cells = torch.from_numpy(recipe._bank["image"][rows]).permute(0, 3, 1, 2).float() / 255.0
    share = torch.from_numpy(recipe._bank["mask"][rows])[:, None].float() / 255.0
    assert float((net(cells, share, points) - whole).detach().abs().mean()) < 0.01
    assert not labels
    covered = torch.where(hole > 0, 1.0 - image, image)
    assert torch.equal(net(covered, hole, points), whole)


def test_nothing_to_learn_from_is_refused(folder) -> None:
    with pytest.raises(ValueError, match="none to learn from"):
        CoarseRecipe(Sources((folder,), None), 0, 0, TINY)


def test_batches_are_mirrored_with_their_landmarks(recipe) -> None:
    rng = np.random.default_rng(3)
    batch = recipe.batch(rng, 64)
    rng = np.random.default_rng(3)
    rows, flip = rng.integers(0, SAMPLES, 64), rng.random(64) < 0.5
    assert 0 < flip.sum() < 64
    for k, (row, mirrored) in enumerate(zip(rows, flip, strict=True)):
        own = {name: values[row] for name, values in recipe._bank.items()}
        if mirrored:
            own = {name: own[name] if name == "landmarks" else own[name][:, ::-1] for name in own}
            own["landmarks"] = own["landmarks"][MIRRORED_68] * np.float32([-1, 1]) + np.float32([1, 0])
        for name, values in own.items():
            np.testing.assert_allclose(batch[name][k], values, atol=1e-6)


def test_the_error_is_that_of_the_hole_and_of_each_alike() -> None:
    clean, mask = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    mask[0, :, :8, :8], mask[1, :, :32, :32] = 1.0, 1.0
    cells = torch.nn.functional.avg_pool2d(clean, 4)
    assert float(hole_square(cells, clean, mask).max()) < 1e-12
    wrong = cells.clone()
    wrong[:, :, 10:, 10:] = 0.0  # beside both
    assert float(hole_square(wrong, clean, mask).max()) < 1e-12
    wrong[:, :, :8, :8] += 0.1
    torch.testing.assert_close(hole_square(wrong, clean, mask), torch.full((2,), 0.01))


def test_the_exported_file_computes_what_torch_computes(tmp_path) -> None:
    net = build_coarse_completer(dataclasses.replace(TINY, size=COARSE_SIZE)).eval()
    item = onnx_export.load_example("completer_coarse", net)
    onnx_export.convert(item, tmp_path / "net.onnx", bits=16)
    hole = np.zeros((1, 1, FACE_SIZE, FACE_SIZE), np.float32)
    hole[..., 60:120, 30:200] = 1.0
    rng = np.random.default_rng(0)
    sample: dict[str, np.ndarray] = {
        "image": rng.random((1, 3, FACE_SIZE, FACE_SIZE), np.float32),
        "mask": hole,
        "landmarks": rng.random((1, 68, 2), np.float32),
    }
    onnx_export.check_parity(item, tmp_path / "net.onnx", [sample], bits=16)
    other = onnx_export.load_example("completer_coarse", build_coarse_completer(net.config).eval())
    with pytest.raises(onnx_export.ParityError):
        onnx_export.check_parity(other, tmp_path / "net.onnx", [sample], bits=32)


def test_the_cells_follow_the_seed_and_training_lowers_the_error(folder, recipe, tmp_path) -> None:
    again = CoarseRecipe(Sources((folder,), None), SAMPLES, 0, TINY)
    other = CoarseRecipe(Sources((folder,), None), SAMPLES, 1, TINY)
    np.testing.assert_array_equal(again._bank["image"], recipe._bank["image"])
    assert (other._bank["image"] != recipe._bank["image"]).any()
    run = loop.Run(again, options.TrainConfig(steps=40, batch=8, rate=1e-2, device="cpu"), tmp_path)
    figures = run.train()
    assert set(figures) == {"validation_psnr_db", "validation_smooth_psnr_db"}
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    curve = [row["loss"] for row in rows if "loss" in row]
    assert np.mean(curve[-5:]) < 0.9 * np.mean(curve[:5])
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["name"] == "completer_coarse"
    assert card["samples"] == SAMPLES
    assert card["network"]["size"] == 32
