"""The 239 coefficients of a face from one crop.

A light student of the regression of Zhao & Qi (3.3) on MobileNet-V3 (Howard et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from core.types import COEFFICIENTS

from .blocks import MobileNetTrunk, MultiScaleHead, Normalise
from .coefficients import SingleHeadNetwork, output_layer


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of the network."""

    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 24
    hidden: int = 256


class Regressor(SingleHeadNetwork):
    """(N, 3, 128, 128) RGB in [0, 1] to (N, 239) coefficients; sliders in [0, 1]."""

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)
        self.head = MultiScaleHead(self.trunk.channels, config.size, config.narrow, config.hidden)
        self.out = output_layer(config.hidden, COEFFICIENTS)

    def features(self, image: Tensor) -> Tensor:
        return self.head(self.trunk(self.normalise(image)))


def build_regressor(config: RegressorConfig) -> Regressor:
    """A regressor with random weights."""
    return Regressor(config)
