"""The 239 coefficients of a face from one crop.

A light student of the regression of Zhao & Qi (3.3) on MobileNet-V3 (Howard et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.types import COEFFICIENTS, LAYOUT

from .blocks import MobileNetTrunk, MultiScaleHead, Normalise

_SLIDER_RANGE = (0.01, 0.5)  # of the mean sliders to start from; they are mostly near zero
_LIGHT, _POSE = LAYOUT["light"], LAYOUT["pose"]
_SCALE_INDEX = _POSE.start + 3  # f, crop sides per metre: positive


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of the network."""

    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 24
    hidden: int = 256


class Regressor(nn.Module):
    """(N, 3, 128, 128) RGB in [0, 1] to (N, 239) coefficients; sliders in [0, 1]."""

    offset: Tensor
    scale: Tensor

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)
        self.head = MultiScaleHead(self.trunk.channels, config.size, config.narrow, config.hidden)
        self.out = nn.Linear(config.hidden, COEFFICIENTS)
        self.register_buffer("offset", torch.zeros(COEFFICIENTS))
        self.register_buffer("scale", torch.ones(COEFFICIENTS))
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Tell the (239,) mean and deviation of the training labels; outputs of about unit size learn evenly."""
        for part in (_LIGHT, _POSE):
            self.offset[part] = mean[part]
            self.scale[part] = std[part].clamp_min(1e-3)
        with torch.no_grad():
            self.out.bias[LAYOUT["expression"]] = mean[LAYOUT["expression"]].clamp(*_SLIDER_RANGE).logit()
        self.offset[_SCALE_INDEX] = mean[_SCALE_INDEX].log()
        self.scale[_SCALE_INDEX] = (std[_SCALE_INDEX] / mean[_SCALE_INDEX]).clamp_min(1e-3)

    def forward(self, image: Tensor) -> Tensor:
        hidden = self.head(self.trunk(self.normalise(image)))
        with torch.autocast(hidden.device.type, enabled=False):
            raw = self.out(hidden.float())
        free = self.offset + self.scale * raw
        f = _SCALE_INDEX
        return torch.cat(
            [
                free[:, LAYOUT["identity"]],
                raw[:, LAYOUT["expression"]].sigmoid(),
                free[:, LAYOUT["albedo"].start : f],
                free[:, f : f + 1].exp(),
                free[:, f + 1 :],
            ],
            dim=1,
        )


class RegressorExport(nn.Module):
    """The application's view: coefficients."""

    input_names = ("image",)
    output_names = ("coefficients",)

    def __init__(self, net: Regressor) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)


def build_regressor(config: RegressorConfig) -> Regressor:
    """A regressor with random weights."""
    return Regressor(config)
