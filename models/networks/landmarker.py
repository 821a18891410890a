"""Landmarks with their uncertainty and visibility.

MobileNet-V3 (Howard et al., 2019) regresses positions and a standard deviation per point, trained with a Gaussian
likelihood on dense landmarks of synthetic faces (Wood et al., "3D face reconstruction with dense landmarks", 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .blocks import MobileNetTrunk, MultiScaleHead, Normalise

_SIGMA_START = 0.03  # crop fractions
_SIGMA_RANGE = (-7.0, 0.0)  # log of 0.1 % of the crop up to the whole crop


@dataclass(frozen=True)
class LandmarkerConfig:
    """Sizes of the network."""

    points: int  # 68 + dense
    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 24
    hidden: int = 256


class LandmarkerOutput(NamedTuple):
    """What the losses see."""

    points: Tensor  # (N, P, 2) crop fractions
    log_sigma: Tensor  # (N, P) log of the standard deviation, crop fractions
    visibility_logit: Tensor  # (N, P)


class Landmarker(nn.Module):
    """(N, 3, 128, 128) RGB in [0, 1] to P points."""

    def __init__(self, config: LandmarkerConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)
        self.head = MultiScaleHead(self.trunk.channels, config.size, config.narrow, config.hidden)
        self.out = nn.Linear(config.hidden, config.points * 4)
        nn.init.normal_(self.out.weight, std=0.01)
        self.set_mean_points(torch.full((config.points, 2), 0.5))

    def set_mean_points(self, points: Tensor) -> None:
        """Start from (P, 2) mean landmarks, crop fractions: the net then learns differences alone."""
        start = torch.zeros(self.config.points, 4)
        start[:, :2] = points
        start[:, 2] = torch.log(torch.tensor(_SIGMA_START))
        with torch.no_grad():
            self.out.bias.copy_(start.flatten())

    def forward(self, image: Tensor) -> LandmarkerOutput:
        hidden = self.head(self.trunk(self.normalise(image)))
        with torch.autocast(hidden.device.type, enabled=False):  # bf16 would round positions to half a pixel
            out = self.out(hidden.float()).view(-1, self.config.points, 4)
        return LandmarkerOutput(out[..., :2], out[..., 2].clamp(*_SIGMA_RANGE), out[..., 3])


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
