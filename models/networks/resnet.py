"""Zhao & Qi's regressor (3.3): a ResNet-50 (He et al., 2016) reads the 239 coefficients off the face crop.

`bottleneck` is the width of the first stage's inner convolutions: 64 as published (24.0 million weights), 32 for half
the width (10.8 million), all fifty layers and the 2048 final features kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from core.types import COEFFICIENTS

from .blocks import Normalise
from .coefficients import SingleHeadNetwork, output_layer

_BLOCKS = [3, 4, 6, 3]
_FEATURES = 2048


@dataclass(frozen=True)
class ResnetConfig:
    """Sizes of the network."""

    size: int = 128  # crop side, pixels
    bottleneck: int = 32


class ResnetRegressor(SingleHeadNetwork):
    """(N, 3, 128, 128) RGB in [0, 1] to (N, 239) coefficients; sliders in [0, 1]."""

    def __init__(self, config: ResnetConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = ResNet(Bottleneck, _BLOCKS, width_per_group=config.bottleneck, zero_init_residual=True)
        self.trunk.fc = nn.Identity()
        self.out = output_layer(_FEATURES, COEFFICIENTS)

    def features(self, image: Tensor) -> Tensor:
        return self.trunk(self.normalise(image))


def build_resnet(config: ResnetConfig) -> ResnetRegressor:
    """A regressor with random weights."""
    return ResnetRegressor(config)
