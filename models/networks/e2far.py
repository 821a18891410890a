"""The 239 coefficients from the occluded face itself: the thesis' E2FARMod, the opponent of completing first.

After Dou, Shah and Kakadiaris, "End-to-end 3D face reconstruction with deep neural networks" (2017): a plain stack of
convolutions. Identity is read off its last features alone, expression off features of several scales that are fused;
what the original lacks (albedo, light and pose) has a branch of its own beside them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.types import EXPRESSION, IDENTITY, LAYOUT

from .blocks import ConvUnit, Normalise
from .coefficients import CoefficientNetwork, output_layer

_REST = LAYOUT["pose"].stop - LAYOUT["albedo"].start  # albedo, light, pose
_STEM_STRIDE = 2
_STAGE_STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True)
class E2FARConfig:
    """Sizes of the network."""

    size: int = 128  # crop side, pixels
    stem: int = 16
    channels: tuple[int, int, int, int] = (32, 64, 96, 128)  # at strides 4, 8, 16, 32; two convolutions each
    narrow: int = 32  # channels in which a branch hands its features on
    hidden: int = 148  # of each of the three heads


class E2FARMod(CoefficientNetwork):
    """(N, 3, 128, 128) RGB in [0, 1] to (N, 239) coefficients; sliders in [0, 1]."""

    def __init__(self, config: E2FARConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.stem = ConvUnit(3, config.stem, kernel=5, stride=_STEM_STRIDE)
        widths = itertools.pairwise((config.stem, *config.channels))
        self.stages = nn.ModuleList(
            nn.Sequential(ConvUnit(inputs, outputs, stride=2), ConvUnit(outputs, outputs)) for inputs, outputs in widths
        )
        cells = (config.size // _STAGE_STRIDES[-1]) ** 2
        last = config.channels[-1]
        self.fusion = Fusion(config.channels[1:], config.narrow)
        self.identity = _head(2 * config.narrow * cells, config.hidden, IDENTITY, ConvUnit(last, 2 * config.narrow, 1))
        self.expression = _head(self.fusion.channels * cells, config.hidden, EXPRESSION)
        self.rest = _head(self.fusion.channels * cells, config.hidden, _REST)

    @property
    def expression_bias(self) -> Tensor:
        return self.expression[-1].bias  # pyright: ignore[reportReturnType]

    def raw(self, image: Tensor) -> Tensor:
        features, scales = self.stem(self.normalise(image)), []
        for stage in self.stages:
            features = stage(features)
            scales.append(features)
        fused = self.fusion(scales[1:])
        with torch.autocast(image.device.type, enabled=False):
            last, fused = features.float(), fused.float()
            return torch.cat([self.identity(last), self.expression(fused), self.rest(fused)], dim=1)


class Fusion(nn.Module):
    """Features of strides 8, 16 and 32 as one map at stride 32, each narrowed by a branch of its own."""

    def __init__(self, channels: tuple[int, ...], narrow: int) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.branches = nn.ModuleList(
            [
                nn.Sequential(ConvUnit(fine, narrow, stride=2), ConvUnit(narrow, narrow, stride=2)),
                ConvUnit(middle, narrow, stride=2),
                ConvUnit(coarse, narrow, kernel=1),
            ]
        )
        self.channels = len(self.branches) * narrow

    def forward(self, scales: list[Tensor]) -> Tensor:
        """(N, 3 * narrow, h, w) of the three scales."""
        return torch.cat([branch(scale) for branch, scale in zip(self.branches, scales, strict=True)], dim=1)


def _head(inputs: int, hidden: int, outputs: int, *before: nn.Module) -> nn.Sequential:
    layers = (nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(inplace=True), output_layer(hidden, outputs))
    return nn.Sequential(*before, *layers)


def build_e2far(config: E2FARConfig) -> E2FARMod:
    """An E2FARMod with random weights."""
    return E2FARMod(config)
