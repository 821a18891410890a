"""Shipped weights that come back into torch compute what the file does, and go on learning from there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from models.export import onnx_export, onnx_import  # noqa: E402
from models.networks.completer import CompleterConfig  # noqa: E402
from models.networks.detector import DetectorConfig  # noqa: E402
from models.networks.landmarker import LandmarkerConfig  # noqa: E402
from models.networks.parser import ParserConfig  # noqa: E402
from models.training import checkpoints  # noqa: E402
from models.training.data import Pictures  # noqa: E402

from .people import make_pictures  # noqa: E402

CONFIGS = {
    "landmarker": LandmarkerConfig(points=72, width=0.35, narrow=4, hidden=16, reaches=(0.05, 0.03), rank=4),
    "parser": ParserConfig(width=0.35, decoder=(8, 8, 8, 8)),
    "detector": DetectorConfig(stem=4, channels=(8, 8, 8), depth=(1, 1, 1), neck=8),
    "completer": CompleterConfig(channels=(4, 8, 8, 8), dilations=(1, 2)),
    "completer_coarse": CompleterConfig(size=64, fold=2, channels=(4, 8, 8, 8), dilations=(1,)),
}
SIDE = 128


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    return make_pictures(model)


def inputs(name: str, count: int) -> tuple[torch.Tensor, ...]:
    """Noise in the form that a network takes."""
    if name not in onnx_export.PAINTERS:
        return (torch.rand(count, 3, SIDE, SIDE),)
    mask = torch.zeros(count, 1, 256, 256)
    mask[:, :, 80:150, 60:200] = 1.0
    return torch.rand(count, 3, 256, 256), mask, torch.rand(count, 68, 2)


def answers(net: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """What a network says, as a tuple of tensors."""
    out = net(*given)
    if isinstance(out, torch.Tensor):
        return (out,)
    return (out.painted, out.completed) if hasattr(out, "painted") else tuple(out)


def shipped(name: str, folder: Path, bits: int) -> torch.nn.Module:
    """A network whose statistics fit no picture in particular, its file and card; returns the network."""
    torch.manual_seed(0)
    config, (_, build, wrap) = CONFIGS[name], onnx_export.NETWORKS[name]
    net = build(config)
    with torch.no_grad():
        for _ in range(3):
            net.train()(*inputs(name, 4))
    folder.mkdir()
    onnx_export.convert(onnx_export.load_example(name, wrap(net).eval()), folder / f"{name}.onnx", bits)
    card = {"name": name, "network": dataclasses.asdict(config)}
    (folder / f"{name}.json").write_text(json.dumps(card))
    return net.eval()


def _listed(name: str) -> dict[str, object]:
    """Sizes as JSON has them."""
    return json.loads(json.dumps(dataclasses.asdict(CONFIGS[name])))


def built(name: str) -> torch.nn.Module:
    return onnx_export.NETWORKS[name][1](CONFIGS[name])


@pytest.mark.parametrize("bits", [32, 16])
@pytest.mark.parametrize("name", list(CONFIGS))
def test_imported_network_computes_what_the_exported_one_does(
    name: str, bits: int, pictures: Pictures, tmp_path: Path
) -> None:
    net = shipped(name, tmp_path / "weights", bits)
    worst = onnx_import.import_weights(name, pictures, tmp_path / "run", tmp_path / "weights")
    assert max(worst.values()) < 1e-3  # of the rounded weights, not of the unrounded network
    again = built(name)
    checkpoints.load_averaged(again, tmp_path / "run" / checkpoints.CHECKPOINT)
    given = inputs(name, 2)
    with torch.no_grad():
        for found, wanted in zip(answers(again.eval(), given), answers(net, given), strict=True):
            if name == "parser":  # the file holds logits less the first
                found, wanted = (logits - logits[:, :1] for logits in (found, wanted))
            assert torch.allclose(found, wanted, atol=0.02 * wanted.abs().max().item())
    assert json.loads((tmp_path / "run" / "card.json").read_text())["network"] == _listed(name)
    onnx_export.load_exportable(name, tmp_path / "run")  # a run like any other


@pytest.mark.parametrize("name", list(CONFIGS))
def test_calibration_changes_statistics_and_no_answer(name: str, tmp_path: Path) -> None:
    shipped(name, tmp_path / "weights", 32)
    image, *rest = inputs(name, 8)
    net, given = built(name), (image**2, *rest)
    onnx_import.restore(net, given, tmp_path / "weights" / f"{name}.onnx")
    with torch.no_grad():
        folded, astray = answers(net.eval(), given), answers(net.train(), given)
        onnx_import.restore(net, given, tmp_path / "weights" / f"{name}.onnx")  # the pass above moved the statistics
        onnx_import.calibrate(net, given)
        kept, training = answers(net.eval(), given), answers(net.train(), given)
    for before, wrong, after, learning in zip(folded, astray, kept, training, strict=True):
        size = before.abs().max()
        assert (after - before).abs().max() < 1e-3 * size
        assert (learning - before).abs().mean() < 0.1 * (wrong - before).abs().mean()


def test_weights_of_8_bits_are_widened_too(tmp_path: Path) -> None:
    net = shipped("landmarker", tmp_path / "weights", 8)
    arrays, pairs = onnx_import.stored(tmp_path / "weights" / "landmarker.onnx")
    assert all(weight in arrays and bias in arrays for weight, bias in pairs)
    for name, parameter in net.named_parameters():
        if parameter.ndim == 2:
            wanted = parameter.detach().numpy()
            assert np.abs(arrays[f"net.{name}"] - wanted).max() <= 0.51 / 127 * np.abs(wanted).max()


def test_a_file_of_other_sizes_is_refused(tmp_path: Path) -> None:
    shipped("landmarker", tmp_path / "weights", 32)
    net = built("parser")
    with pytest.raises(onnx_export.ParityError, match="sizes differ"):
        onnx_import.restore(net, (torch.rand(1, 3, 64, 64),), tmp_path / "weights" / "landmarker.onnx")
