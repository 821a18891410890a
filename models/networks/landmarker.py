"""Landmarks with their uncertainty and visibility.

MobileNet-V3 (Howard et al., 2019) regresses positions and a standard deviation per point, trained with a Gaussian
likelihood on dense landmarks of synthetic faces (Wood et al., "3D face reconstruction with dense landmarks", 2022).
A top-down decoder draws a heatmap per point, whose expectation is the position (Sun et al., "Integral human pose
regression", 2018); the regression adds what the heatmap cannot say, such as points outside the crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.types import LANDMARKS

from .blocks import ConvUnit, MobileNetTrunk, MultiScaleHead, Normalise, Separable

_SIGMA_START = 0.03  # crop fractions
_SIGMA_RANGE = (-7.0, 0.0)  # log of 0.1 % of the crop up to the whole crop
_FINE_STRIDE, _COARSE_STRIDE = 4, 8  # of the heatmaps of the 68 and of the dense points


@dataclass(frozen=True)
class LandmarkerConfig:
    """Sizes of the network."""

    points: int  # 68 + dense
    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 24
    hidden: int = 256
    decoder: int = 64  # channels that the heatmaps are drawn from


class LandmarkerOutput(NamedTuple):
    """What the losses see."""

    points: Tensor  # (N, P, 2) crop fractions
    log_sigma: Tensor  # (N, P) log of the standard deviation, crop fractions
    visibility_logit: Tensor  # (N, P)


class Expectation(nn.Module):
    """(N, P, cells, cells) logits to the (N, P, 2) mean place of their softmax, in fractions of the map."""

    centers: Tensor

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.register_buffer("centers", (torch.arange(cells) + 0.5) / cells, persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        share = logits.float().flatten(2).softmax(-1).view_as(logits)
        return torch.stack([share.sum(2) @ self.centers, share.sum(3) @ self.centers], dim=-1)


class Landmarker(nn.Module):
    """(N, 3, 128, 128) RGB in [0, 1] to P points."""

    def __init__(self, config: LandmarkerConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)
        self.head = MultiScaleHead(self.trunk.channels, config.size, config.narrow, config.hidden)
        self.rest = nn.Linear(config.hidden, config.points * 4)
        nn.init.normal_(self.rest.weight, std=0.01)
        wide = config.decoder
        fine, middle, coarse = self.trunk.channels
        quarter = self.trunk.stem_channels
        self.lateral = nn.ModuleList(ConvUnit(inputs, wide, kernel=1) for inputs in (coarse, middle, fine, quarter))
        self.smooth = nn.ModuleList(
            nn.Sequential(*(Separable(wide, wide) for _ in range(count))) for count in (1, 2, 2)
        )
        self.fine_map = nn.Conv2d(wide, LANDMARKS, 1)
        self.dense_map = nn.Conv2d(wide, config.points - LANDMARKS, 1)
        self.fine_place = Expectation(config.size // _FINE_STRIDE)
        self.dense_place = Expectation(config.size // _COARSE_STRIDE)
        self._start()

    def _start(self) -> None:
        """The heatmaps alone place the points; every point is as uncertain as the others."""
        start = torch.zeros(self.config.points, 4)
        start[:, 2] = torch.log(torch.tensor(_SIGMA_START))
        with torch.no_grad():
            self.rest.bias.copy_(start.flatten())

    def forward(self, image: Tensor) -> LandmarkerOutput:
        quarter, *features = self.trunk.with_stem(self.normalise(image))
        hidden = self.head(features)
        eighth, fourth = self._decode([quarter, *features])
        with torch.autocast(hidden.device.type, enabled=False):  # bf16 would round positions to half a pixel
            rest = self.rest(hidden.float()).view(-1, self.config.points, 4)
            fine = self.fine_place(self.fine_map(fourth.float()))
            dense = self.dense_place(self.dense_map(eighth.float()))
            points = torch.cat([fine, dense], dim=1) + rest[..., :2]
        return LandmarkerOutput(points, rest[..., 2].clamp(*_SIGMA_RANGE), rest[..., 3])

    def _decode(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Features of strides 8 and 4 that know of the coarser ones (Lin et al., 2017)."""
        *finer, coarsest = features
        maps = [self.lateral[0](coarsest)]
        for lateral, smooth, feature in zip(self.lateral[1:], self.smooth, reversed(finer), strict=True):
            enlarged = nn.functional.interpolate(maps[-1], scale_factor=2.0, mode="nearest")
            maps.append(smooth(enlarged + lateral(feature)))
        return maps[-2], maps[-1]


class LandmarkerExport(nn.Module):
    """The application's view: landmarks, visibility in [0, 1], sigma in crop fractions."""

    input_names = ("image",)
    output_names = ("landmarks", "visibility", "sigma")

    def __init__(self, net: Landmarker) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.net(image)
        return out.points, out.visibility_logit.sigmoid(), out.log_sigma.exp()


def build_landmarker(config: LandmarkerConfig) -> Landmarker:
    """A landmarker with random weights."""
    return Landmarker(config)
