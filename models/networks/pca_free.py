"""A face without a linear basis: identity, expression and pose encoders; identity and expression decoders.

After the patent's scheme. The identity decoder draws the person's neutral head as displacements of the mean one on a
coarse grid over the skin's layout (`core.geometry.uv_grid`). The expression decoder sees the expression code and that
geometry; it sets the named sliders, whose offsets are added to the person's own neutral, and a small correction of the
shape for what no slider makes. The three encoders share one trunk (Howard et al., 2019) for the sake of size.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.runtime.specs import GRID_SIZE
from core.types import EXPRESSION, POSE

from .blocks import ConvUnit, MobileNetTrunk, MultiScaleHead, Normalise
from .coefficients import SLIDER_RANGE, output_layer

_REACH = 0.004  # metres that an output of one stands for: the deviation of people from the mean head
_SCALE_INDEX = 3  # of the pose: f, crop sides per metre, positive
_SUMMARY = 6  # side of the geometry that the expression decoder sees, cells
_COARSE = 12  # side of the decoders' coarse grid, cells
_START = 6  # side of the decoders' first features, cells


@dataclass(frozen=True)
class PcaFreeConfig:
    """Sizes of the network."""

    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 4  # of each encoder's head
    code: int = 96  # identity and expression
    pose_code: int = 48
    channels: tuple[int, ...] = (24, 24, 24, 16)  # of the identity decoder, from 6 cells to a side of GRID_SIZE
    correction_channels: tuple[int, ...] = (12, 12, 8, 8)


class PcaFreeOutput(NamedTuple):
    """What the losses see; metres, model frame."""

    neutral: Tensor  # (N, 3, G, G) displacement of the mean head at rest
    expression: Tensor  # (N, 64) sliders in [0, 1]
    correction: Tensor  # (N, 3, G, G) displacement beside the sliders' own
    pose: Tensor  # (N, 6) as in the coefficients


class GridDecoder(nn.Module):
    """(N, C) code to a (N, 3, G, G) grid: a coarse one, and convolutions that double a few cells for what it lacks.

    The coarse grid learns a head's proportions in half the steps that the convolutions need. These see the same edges
    of their cells everywhere; learnt maps of places, which their features multiply, tell a lid from a cheek.
    """

    def __init__(self, code: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.first, *_, last = channels
        self.mix = nn.Sequential(nn.Linear(code, code), nn.Hardswish())
        self.coarse = output_layer(code, 3 * _COARSE**2)
        self.spread = nn.Linear(code, self.first * _START**2)
        self.steps = nn.ModuleList(ConvUnit(a, b) for a, b in itertools.pairwise(channels))
        self.place = nn.Parameter(1.0 + 0.5 * torch.randn(last, GRID_SIZE, GRID_SIZE))
        self.out = nn.Conv2d(last, 3, 3, padding=1)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, code: Tensor) -> Tensor:
        code = self.mix(code)
        features = self.spread(code).relu().view(-1, self.first, _START, _START)
        for step in self.steps:
            features = step(nn.functional.interpolate(features, scale_factor=2.0, mode="bilinear"))
        coarse = self.coarse(code).view(-1, 3, _COARSE, _COARSE)
        coarse = nn.functional.interpolate(coarse, scale_factor=GRID_SIZE / _COARSE, mode="bilinear")
        return _REACH * (coarse + self.out(features * self.place))


class ExpressionDecoder(nn.Module):
    """Expression code and the geometry it belongs to, to sliders and a correction."""

    def __init__(self, config: PcaFreeConfig) -> None:
        super().__init__()
        pool = nn.AvgPool2d(GRID_SIZE // _SUMMARY)
        self.summary = nn.Sequential(pool, nn.Flatten(), nn.Linear(3 * _SUMMARY**2, 32))
        self.mix = nn.Sequential(nn.Linear(config.code + 32, config.code), nn.Hardswish())
        self.sliders = output_layer(config.code, EXPRESSION)
        self.correction = GridDecoder(config.code, config.correction_channels)

    def forward(self, code: Tensor, neutral: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.mix(torch.cat([code, self.summary(neutral / _REACH)], dim=1))
        return self.sliders(mixed).sigmoid(), self.correction(mixed)


class PoseDecoder(nn.Module):
    """Pose code to a pose, in units of what the pictures show."""

    offset: Tensor
    scale: Tensor

    def __init__(self, code: int) -> None:
        super().__init__()
        self.out = output_layer(code, POSE)
        self.register_buffer("offset", torch.zeros(POSE))
        self.register_buffer("scale", torch.ones(POSE))

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Tell the (6,) mean and deviation of the training labels."""
        self.offset.copy_(mean)
        self.scale.copy_(std.clamp_min(1e-3))
        self.offset[_SCALE_INDEX] = mean[_SCALE_INDEX].log()
        self.scale[_SCALE_INDEX] = (std[_SCALE_INDEX] / mean[_SCALE_INDEX]).clamp_min(1e-3)

    def forward(self, code: Tensor) -> Tensor:
        free, f = self.offset + self.scale * self.out(code), _SCALE_INDEX
        return torch.cat([free[:, :f], free[:, f : f + 1].exp(), free[:, f + 1 :]], dim=1)


class PcaFree(nn.Module):
    """(N, 3, 128, 128) RGB in [0, 1] to a head's geometry and pose."""

    def __init__(self, config: PcaFreeConfig) -> None:
        super().__init__()
        cells = _START << (len(config.channels) - 1), _START << (len(config.correction_channels) - 1)
        if set(cells) != {GRID_SIZE}:
            raise ValueError(f"{len(config.channels)} channels do not double {_START} cells to {GRID_SIZE}")
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)

        def encoder(code: int) -> MultiScaleHead:
            return MultiScaleHead(self.trunk.channels, config.size, config.narrow, code)

        self.identity_encoder, self.expression_encoder = encoder(config.code), encoder(config.code)
        self.pose_encoder = encoder(config.pose_code)
        self.identity_decoder = GridDecoder(config.code, config.channels)
        self.expression_decoder = ExpressionDecoder(config)
        self.pose_decoder = PoseDecoder(config.pose_code)

    def set_statistics(self, sliders: Tensor, pose_mean: Tensor, pose_std: Tensor) -> None:
        """Tell the (64,) mean sliders and the (6,) mean and deviation of the poses of the training labels."""
        self.pose_decoder.set_statistics(pose_mean, pose_std)
        with torch.no_grad():
            self.expression_decoder.sliders.bias.copy_(sliders.clamp(*SLIDER_RANGE).logit())

    def forward(self, image: Tensor) -> PcaFreeOutput:
        features = self.trunk(self.normalise(image))
        codes = [head(features) for head in (self.identity_encoder, self.expression_encoder, self.pose_encoder)]
        with torch.autocast(image.device.type, enabled=False):  # tenths of a millimetre matter
            identity, expression, pose = (code.float() for code in codes)
            neutral = self.identity_decoder(identity)
            sliders, correction = self.expression_decoder(expression, neutral)
            return PcaFreeOutput(neutral, sliders, correction, self.pose_decoder(pose))


class PcaFreeExport(nn.Module):
    """The application's view."""

    input_names = ("image",)
    output_names = ("neutral_uv", "expression", "correction_uv", "pose")

    def __init__(self, net: PcaFree) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return tuple(self.net(image))  # pyright: ignore[reportReturnType]


def build_pca_free(config: PcaFreeConfig) -> PcaFree:
    """A PCA-free model with random weights."""
    return PcaFree(config)
