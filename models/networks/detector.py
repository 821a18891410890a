"""Faces of any number in a picture: anchor-free, single shot, on three strides.

The plan of FCOS (Tian et al., 2019) with the quality-focal score of GFL (Li et al., 2020) and five points as in
SCRFD (Guo et al., 2021) and YuNet (Wu et al., 2023), on a small residual trunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ConvUnit, Normalise, Separable

STRIDES = (8, 16, 32)
_PRIOR = 0.01  # share of cells that hold a face, the score's start
_CENTERS = 5  # points


@dataclass(frozen=True)
class DetectorConfig:
    """Sizes of the network."""

    stem: int = 12
    channels: tuple[int, int, int] = (40, 72, 128)  # of strides 8, 16, 32
    depth: tuple[int, int, int] = (1, 1, 2)  # residual blocks
    neck: int = 64


class DetectorOutput(NamedTuple):
    """All cells of all strides, finest first, row by row."""

    score_logit: Tensor  # (N, C)
    boxes: Tensor  # (N, C, 4) x0 y0 x1 y1, input pixels
    points: Tensor  # (N, C, 10) x y of five points, input pixels


class Residual(nn.Module):
    """Two dense convolutions added to their input; dense ones learn faster per second on CPUs than separable ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        self.act = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.act(features + self.second(self.first(features)))


class Trunk(nn.Module):
    """Features of strides 8, 16 and 32."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        stem = config.stem
        self.stem = nn.Sequential(ConvUnit(3, stem, stride=2), ConvUnit(stem, stem * 2, stride=2))
        inputs = [stem * 2, *config.channels[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(ConvUnit(a, b, stride=2), *(Residual(b) for _ in range(depth)))
            for a, b, depth in zip(inputs, config.channels, config.depth, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        features, out = self.stem(image), []
        for stage in self.stages:
            features = stage(features)
            out.append(features)
        return out


class Neck(nn.Module):
    """Top-down pyramid (Lin et al., 2017): coarse context added to fine features."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvUnit(c, config.neck, kernel=1) for c in config.channels)
        self.smooth = nn.ModuleList(Separable(config.neck, config.neck) for _ in config.channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        lateral = [layer(feature) for layer, feature in zip(self.lateral, features, strict=True)]
        for level in range(len(lateral) - 2, -1, -1):
            lateral[level] = lateral[level] + F.interpolate(lateral[level + 1], scale_factor=2.0)
        return [layer(feature) for layer, feature in zip(self.smooth, lateral, strict=True)]


class Head(nn.Module):
    """Score, box and points of each cell of one stride."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Sequential(Separable(channels, channels), _output(channels, 1, _logit(_PRIOR)))
        self.shape = nn.Sequential(Separable(channels, channels), _output(channels, 4 + 2 * _CENTERS, 0.0))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.score(features).flatten(2)[:, 0], self.shape(features).flatten(2).transpose(1, 2)


def _output(inputs: int, outputs: int, start: float) -> nn.Conv2d:
    """A pointwise convolution that begins near the constant `start`."""
    layer = nn.Conv2d(inputs, outputs, 1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, start)  # pyright: ignore[reportArgumentType]
    return layer


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


class Detector(nn.Module):
    """(N, 3, H, W) RGB in [0, 1], H and W multiples of 32."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk, self.neck = Trunk(config), Neck(config)
        self.heads = nn.ModuleList(Head(config.neck) for _ in STRIDES)

    def forward(self, image: Tensor) -> DetectorOutput:
        features = self.neck(self.trunk(self.normalise(image)))
        scores, boxes, points = [], [], []
        for stride, head, feature in zip(STRIDES, self.heads, features, strict=True):
            score, shape = head(feature)
            centers = cell_centers(feature, stride)
            reach = stride * 4.0  # a typical half face of this stride, so that outputs are about one
            sides = shape[..., :4].float().clamp(-4.0, 4.0).exp() * reach
            scores.append(score.float())
            boxes.append(torch.cat([centers - sides[..., :2], centers + sides[..., 2:]], dim=-1))
            points.append(centers.repeat(1, _CENTERS) + shape[..., 4:].float() * reach)
        return DetectorOutput(torch.cat(scores, 1), torch.cat(boxes, 1), torch.cat(points, 1))


def cell_centers(feature: Tensor, stride: int) -> Tensor:
    """(H * W, 2) x, y of the cells' middles in input pixels (pixel centres are whole numbers)."""
    height, width = feature.shape[-2:]
    x = torch.arange(width, device=feature.device, dtype=torch.float32) * stride + (stride - 1) / 2
    y = torch.arange(height, device=feature.device, dtype=torch.float32) * stride + (stride - 1) / 2
    grid_x, grid_y = x.repeat(height), y.repeat_interleave(width)
    return torch.stack([grid_x, grid_y], dim=-1)


class DetectorExport(nn.Module):
    """The application's view: boxes, scores in [0, 1], points."""

    input_names = ("image",)
    output_names = ("boxes", "scores", "points")

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out = self.net(image)
        return out.boxes, out.score_logit.sigmoid(), out.points


def build_detector(config: DetectorConfig | None = None) -> Detector:
    """A detector with random weights."""
    return Detector(config or DetectorConfig())
