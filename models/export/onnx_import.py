"""Shipped weights back into torch, to train on where no checkpoint is left: `python -m models.export.onnx_import NAME`.

The export folds every batch normalisation into the convolution before it. Here each becomes a normalisation again: its
statistics are those of its inputs on `--data`, its scale and shift undo them, so that the network computes what the
file does, and training may go on.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor, nn

from core.runtime.specs import CROP_SIZE
from models.networks.blocks import Normalise
from models.training.checkpoints import CHECKPOINT
from models.training.crops import Cropper, split
from models.training.data import Pictures, read_pictures

from . import weight_storage
from .onnx_export import (
    CARD,
    NETWORKS,
    PAINTERS,
    TOLERANCE,
    WEIGHTS,
    ParityError,
    Sample,
    check_parity,
    example_inputs,
    load_example,
    parity_samples,
)

LOG = logging.getLogger(__name__)
_CALIBRATED = 64  # pictures
_WEIGHT = "weight"
_SCENE = 256  # pixels, of a picture for the detector


def stored(path: Path) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Arrays by name, and the (weight, bias) names of the file's convolutions in their order, halves joined again.

    A convolution without a bias is none of them: it is a fixed filter, or has kept its name since no normalisation was
    folded into it.
    """
    model = onnx.load(str(path))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2]
    pairs = [(node.input[1], node.input[2]) for node in convolutions]
    arrays = weight_storage.widened(model)
    if f"classes.{_WEIGHT}" in arrays:
        pairs = _whole_parser(arrays, pairs)
    return arrays, pairs


def _whole_parser(arrays: dict[str, np.ndarray], pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Undo in `arrays` what `ParserExport` did to the parser; returns the pairs of the convolutions that are left."""
    first = pairs[0][0]
    arrays[first] = arrays[first] * Normalise().std.numpy()
    second_halves = {f"occluder.{_WEIGHT}"}
    for name in list(arrays):
        block, found, layer = name.rpartition(".enlarged.")
        if found:
            half = arrays.get(f"{block}.skip.{layer}")
            if half is not None and name != f"{block}.enlarged.1.bias":
                arrays[name] = np.concatenate([arrays[name], half], axis=1 if layer == f"1.{_WEIGHT}" else 0)
            second_halves.add(f"{block}.skip.{layer}")
    for kind in (_WEIGHT, "bias"):
        arrays[f"classes.{kind}"] = np.concatenate([arrays[f"classes.{kind}"], arrays[f"occluder.{kind}"]])
    return [pair for pair in pairs if pair[0] not in second_halves]


def restore(net: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    """Put a file's weights into `net`, whose convolutions run on the inputs `example` in the order of the file's."""
    arrays, pairs = stored(path)
    ran = _run_order(net, example)
    convolutions = [module for k, module in enumerate(ran) if isinstance(module, nn.Conv2d) and _has_bias(ran, k)]
    if len(convolutions) != len(pairs):
        raise ParityError(f"{path} has {len(pairs)} convolutions, the network {len(convolutions)}; sizes differ.")
    with torch.no_grad():
        for convolution, (weight, bias) in zip(convolutions, pairs, strict=True):
            convolution.weight.copy_(torch.from_numpy(arrays[weight]))
            _set_bias(convolution, ran, torch.from_numpy(arrays[bias]))
        for name, parameter in net.named_parameters():
            known = arrays.get(f"net.{name}", arrays.get(name))
            if known is not None and known.shape == tuple(parameter.shape):
                parameter.copy_(torch.from_numpy(known))


def _run_order(net: nn.Module, example: tuple[Tensor, ...]) -> list[nn.Module]:
    """Convolutions and normalisations as they run."""
    ran: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, *_: ran.append(module))
        for module in net.modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))
    ]
    with torch.no_grad():
        net.eval()(*example)
    for hook in hooks:
        hook.remove()
    return ran


def _has_bias(ran: list[nn.Module], index: int) -> bool:
    """Whether a convolution has a bias in the file: its own, or that of the normalisation after it."""
    convolution, after = ran[index], ran[index + 1 : index + 2]
    return convolution.bias is not None or any(isinstance(module, nn.BatchNorm2d) for module in after)


def _set_bias(convolution: nn.Conv2d, ran: list[nn.Module], bias: Tensor) -> None:
    if convolution.bias is not None:
        convolution.bias.copy_(bias)
        return
    norm = ran[ran.index(convolution) + 1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
    norm.weight.fill_(1.0)
    norm.bias.copy_(bias)


def calibrate(net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Give each normalisation the statistics of what reaches it from N `inputs`; what the network computes stays."""

    def settle(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
        mean, var = given[0].mean((0, 2, 3)), given[0].var((0, 2, 3))
        norm.bias.add_(mean * norm.weight / (norm.running_var + norm.eps).sqrt())
        norm.weight.mul_(((var + norm.eps) / (norm.running_var + norm.eps)).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)

    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(settle) for norm in norms]
    with torch.no_grad():
        net.eval()(*inputs)
    for hook in hooks:
        hook.remove()


def import_weights(name: str, pictures: Pictures, out: Path, weights: Path = WEIGHTS) -> dict[str, float]:
    """Write a checkpoint and the card of shipped weights to `out`; returns the largest differences from the file."""
    card: dict[str, Any] = json.loads((weights / f"{name}.json").read_text())
    config, build, wrap = NETWORKS[name]
    sizes = {key: tuple(value) if isinstance(value, list) else value for key, value in card["network"].items()}
    net = build(config(**sizes))
    example, _ = example_inputs(name)
    restore(net, example if isinstance(example, tuple) else (example,), weights / f"{name}.onnx")
    samples = _seen_by(name, pictures)
    calibrate(net, _inputs(samples[:_CALIBRATED]))
    exportable = load_example(name, wrap(net).eval())
    worst = check_parity(exportable, weights / f"{name}.onnx", samples[:8], 16)
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"average": {f"module.{key}": value for key, value in net.state_dict().items()}}, out / CHECKPOINT)
    (out / CARD).write_text(json.dumps(card, indent=2) + "\n")
    LOG.info("%s: differences from the file %s, allowed %s", name, worst, {key: TOLERANCE[key][1] for key in worst})
    return worst


def _inputs(samples: Sequence[Sample]) -> tuple[Tensor, ...]:
    """What a network is given, all samples as one batch."""
    named = [sample for sample in samples if isinstance(sample, dict)]
    if named:
        return tuple(torch.from_numpy(np.concatenate([sample[key] for sample in named])) for key in named[0])
    images = np.stack([sample for sample in samples if isinstance(sample, np.ndarray)])
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0,)


def _seen_by(name: str, pictures: Pictures) -> Sequence[Sample]:
    """Pictures of one size, or named inputs, as the network sees them."""
    if name == "parser" or name in PAINTERS:
        return parity_samples(name, pictures)
    if name == "detector":
        _, held_out = split(len(pictures))
        return [cv2.resize(pictures.image(int(i)), (_SCENE, _SCENE)) for i in held_out[:_CALIBRATED]]
    cropper = Cropper(pictures, CROP_SIZE)
    chosen = np.linspace(0, len(pictures) - 1, _CALIBRATED).astype(int)
    return [cropper.cut(int(index), cropper.matrices[index]) for index in chosen]


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Make a checkpoint of shipped weights, to train on from.")
    parser.add_argument("name", choices=("completer", "completer_coarse", "detector", "landmarker", "parser"))
    parser.add_argument("--data", type=Path, default=Path("build/synthetic"))
    parser.add_argument("--out", type=Path, default=None, help="build/training/NAME if not given")
    arguments = parser.parse_args()
    out = arguments.out or Path("build/training") / arguments.name
    import_weights(arguments.name, read_pictures(arguments.data), out)


if __name__ == "__main__":
    main()
