"""What of clear glasses hides the face behind them: rims, bridge, temples, glare; not the lenses that one sees through.

A small U-Net (Ronneberger et al., 2015) over the strip of the face crop in which glasses lie.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .blocks import ConvUnit, Normalise
from .completer import DilatedResidual, Enlarge


@dataclass(frozen=True)
class RimsConfig:
    """Sizes of the network."""

    fold: int = 4  # side of the cells of pixels that become channels first
    channels: tuple[int, ...] = (24, 32, 40, 48)  # at strides of 1, 2, 4, 8 cells
    dilations: tuple[int, ...] = (2,)  # of the residual blocks


class RimFinder(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] to (N, 1, H, W) logits; sides are multiples of the coarsest stride."""

    def __init__(self, config: RimsConfig) -> None:
        super().__init__()
        self.config, self.normalise = config, Normalise()
        full, *coarser = config.channels
        self.stem = ConvUnit(3 * config.fold**2, full)
        inputs = (full, *coarser[:-1])
        self.down = nn.ModuleList(ConvUnit(a, b, stride=2) for a, b in zip(inputs, coarser, strict=True))
        self.middle = nn.Sequential(*(DilatedResidual(coarser[-1], dilation) for dilation in config.dilations))
        self.up = nn.ModuleList(Enlarge(a, b) for a, b in itertools.pairwise(reversed(config.channels)))
        self.out = nn.Conv2d(full, config.fold**2, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        skips = [self.stem(nn.functional.pixel_unshuffle(self.normalise(image), self.config.fold))]
        for block in self.down:
            skips.append(block(skips[-1]))
        features = self.middle(skips.pop())
        for block in self.up:
            features = block(features, skips.pop())
        return nn.functional.pixel_shuffle(self.out(features), self.config.fold).float()


class RimsExport(nn.Module):
    """The application's view: probabilities."""

    def __init__(self, net: RimFinder) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.net(image))


def build_rims(config: RimsConfig) -> RimFinder:
    """A network with random weights."""
    return RimFinder(config)
