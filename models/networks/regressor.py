"""The 239 coefficients of a face from one crop.

A light student of the regression of Zhao & Qi (3.3) on MobileNet-V3 (Howard et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.types import COEFFICIENTS, LAYOUT

from .blocks import MobileNetTrunk, MultiScaleHead, Normalise
from .coefficients import CoefficientNetwork, output_layer


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of the network."""

    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 24
    hidden: int = 256


class Regressor(CoefficientNetwork):
    """(N, 3, 128, 128) RGB in [0, 1] to (N, 239) coefficients; sliders in [0, 1]."""

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)
        self.head = MultiScaleHead(self.trunk.channels, config.size, config.narrow, config.hidden)
        self.out = output_layer(config.hidden, COEFFICIENTS)

    @property
    def expression_bias(self) -> Tensor:
        return self.out.bias[LAYOUT["expression"]]

    @property
    def rest_layer(self) -> tuple[nn.Linear, int]:
        return self.out, LAYOUT["light"].start

    def raw(self, image: Tensor) -> Tensor:
        hidden = self.head(self.trunk(self.normalise(image)))
        with torch.autocast(hidden.device.type, enabled=False):
            return self.out(hidden.float())


def build_regressor(config: RegressorConfig) -> Regressor:
    """A regressor with random weights."""
    return Regressor(config)
