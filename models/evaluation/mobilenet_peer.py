"""The network class that the light student's time is held against: MobileNet-V1 at half width, as in 3DDFA_V2's mb0.5.

Guo et al., "Towards fast, accurate and stable 3D dense face alignment" (2020): 120 pixels in, 62 parameters out. Its
weights are random here: they learned from photos for research alone, and a time does not depend on them.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from models.export.onnx_export import OPSET
from models.networks.blocks import ConvUnit

from .data import BUILD
from .speed import median_ms

SIDE, OUTPUTS = 120, 62
_BLOCKS = (  # stride and width
    (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *((1, 512),) * 5, (2, 1024), (1, 1024),
)  # fmt: skip
_WIDTH = 0.5
_ROUNDS = 40


def build_peer() -> nn.Module:
    """(N, 3, 120, 120) to (N, 62); Howard et al., "MobileNets" (2017), table 1, at half the channels."""
    channels = int(32 * _WIDTH)
    layers: list[nn.Module] = [ConvUnit(3, channels, stride=2)]
    for stride, width in _BLOCKS:
        layers += [ConvUnit(channels, channels, 3, stride, channels), ConvUnit(channels, int(width * _WIDTH), 1)]
        channels = int(width * _WIDTH)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, OUTPUTS)).eval()


def peer_ms(threads: int) -> float:
    """Median milliseconds of one face on so many cores."""
    path = BUILD / "mobilenet_peer.onnx"
    _export(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32)
    session.run(None, {"image": image})
    return median_ms(lambda: session.run(None, {"image": image}), _ROUNDS)


def _export(path: Path) -> None:
    torch.manual_seed(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            build_peer(),
            (torch.rand(1, 3, SIDE, SIDE),),
            path,
            input_names=["image"],
            opset_version=OPSET,
            dynamo=False,
        )
