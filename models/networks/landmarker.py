"""Landmarks with their uncertainty and visibility.

MobileNet-V3 (Howard et al., 2019) regresses positions and a standard deviation per point, trained with a Gaussian
likelihood on dense landmarks of synthetic faces (Wood et al., "3D face reconstruction with dense landmarks", 2022).
What it sees as a whole places the points roughly; a cascade of second looks moves them to where they belong
(refinement.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.types import LANDMARKS

from .blocks import MobileNetTrunk, MultiScaleHead, Normalise
from .refinement import Descent, Gradients

_SIGMA_START = 0.03  # crop fractions
_SIGMA_RANGE = (-7.0, 0.0)  # log of 0.1 % of the crop up to the whole crop
_DENSE_STEP = 10  # every so many dense points one is looked at again, beside all of the 68


@dataclass(frozen=True)
class LandmarkerConfig:
    """Sizes of the network."""

    points: int  # 68 + dense
    size: int = 128  # crop side, pixels
    width: float = 1.0
    narrow: int = 24
    hidden: int = 256
    reaches: tuple[float, ...] = ()  # half the side that each second look sees round a point, crop fractions
    rank: int = 96  # directions in which a second look may move the points together


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
        self.rest = nn.Linear(config.hidden, config.points * 4)
        nn.init.normal_(self.rest.weight, std=0.01)
        self.gradients = Gradients()
        seen = torch.cat([torch.arange(LANDMARKS), torch.arange(LANDMARKS, config.points, _DENSE_STEP)])
        self.descents = nn.ModuleList(Descent(config.points, seen, reach, config.rank) for reach in config.reaches)
        # second looks make points surer, and some points more than others: log sigma = offset + slope * regressed
        self.sigma_offset = nn.Parameter(torch.zeros(config.points))
        self.sigma_slope = nn.Parameter(torch.ones(config.points))
        self._start()

    def _start(self) -> None:
        """All points begin in the middle of the crop, each as uncertain as the others."""
        start = torch.zeros(self.config.points, 4)
        start[:, :2] = 0.5
        start[:, 2] = torch.log(torch.tensor(_SIGMA_START))
        with torch.no_grad():
            self.rest.bias.copy_(start.flatten())

    def hidden(self, image: Tensor) -> Tensor:
        """(N, hidden) float32 features that the first answer is read off."""
        return self.head(self.trunk(self.normalise(image))).float()

    def forward(self, image: Tensor) -> LandmarkerOutput:
        hidden = self.hidden(image)
        with torch.autocast(hidden.device.type, enabled=False):  # bf16 would round positions to half a pixel
            rest = self.rest(hidden).view(-1, self.config.points, 4)
            points = rest[..., :2]
            if self.descents:
                gradients = self.gradients(image.float())
                for descent in self.descents:
                    points = descent(gradients, points)
            log_sigma = self.sigma_offset + self.sigma_slope * rest[..., 2].clamp(*_SIGMA_RANGE)
        return LandmarkerOutput(points, log_sigma, rest[..., 3])


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
