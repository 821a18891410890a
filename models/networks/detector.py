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
from torch.onnx.operators import shape_as_tensor

from .blocks import ConvUnit, Separable

STRIDES = (8, 16, 32)
MOST_CELLS = 2000  # of a picture, the likeliest ones, that the application gets to see
_PRIOR = 0.01  # share of cells that hold a face, the score's start
_CENTERS = 5  # points
_REACH = 4.0  # strides; a typical half face, so that outputs are about one


@dataclass(frozen=True)
class DetectorConfig:
    """Sizes of the network. CPUs compute 16 channels at once; other numbers cost as much as the next multiple."""

    stem: int = 16
    channels: tuple[int, int, int] = (32, 64, 128)  # of strides 8, 16, 32
    depth: tuple[int, int, int] = (0, 1, 2)  # residual blocks
    neck: int = 48


class Cells(NamedTuple):
    """What the heads say of all cells of all strides, finest first, row by row."""

    score_logit: Tensor  # (N, C)
    shape: Tensor  # (N, 14, C): logarithms of a box' four reaches, and five points, in units of `reach`
    centers: Tensor  # (C, 2) x, y, input pixels
    reach: Tensor  # (C, 1) input pixels


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
        self.tower = Separable(channels, channels)
        self.out = nn.Conv2d(channels, 1 + 4 + 2 * _CENTERS, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)  # pyright: ignore[reportArgumentType]
        self.out.bias.data[0] = _logit(_PRIOR)  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, features: Tensor) -> Tensor:
        """(N, 15, cells): logit of the score, then what `Cells` has as its shape."""
        return self.out(self.tower(features)).flatten(2)


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


class Detector(nn.Module):
    """(N, 3, H, W) RGB in [0, 1], H and W multiples of 32."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk, self.neck = Trunk(config), Neck(config)
        self.heads = nn.ModuleList(Head(config.neck) for _ in STRIDES)

    def forward(self, image: Tensor) -> DetectorOutput:
        cells = self.cells(image)
        boxes, points = decoded(cells.shape, cells.centers, cells.reach)
        return DetectorOutput(cells.score_logit.float(), boxes, points)

    def cells(self, image: Tensor) -> Cells:
        """The heads' answers as they are."""
        features = self.neck(self.trunk(image))
        rows = torch.cat([head(feature) for head, feature in zip(self.heads, features, strict=True)], dim=2)
        centers = [cell_centers(feature, stride) for feature, stride in zip(features, STRIDES, strict=True)]
        reach = [torch.full_like(part[:, :1], stride * _REACH) for part, stride in zip(centers, STRIDES, strict=True)]
        return Cells(rows[:, 0], rows[:, 1:], torch.cat(centers), torch.cat(reach))


def decoded(shape: Tensor, centers: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C, 4) boxes and (N, C, 10) points of `Cells`."""
    rows = shape.transpose(1, 2).float()
    sides = rows[..., :4].clamp(-4.0, 4.0).exp() * reach
    boxes = torch.cat([centers - sides[..., :2], centers + sides[..., 2:]], dim=-1)
    return boxes, centers.repeat(1, _CENTERS) + rows[..., 4:] * reach


def cell_centers(feature: Tensor, stride: int) -> Tensor:
    """(H * W, 2) x, y of the cells' middles in input pixels (pixel centres are whole numbers)."""
    height, width = feature.shape[-2:]
    x = torch.arange(width, device=feature.device, dtype=torch.float32) * stride + (stride - 1) / 2
    y = torch.arange(height, device=feature.device, dtype=torch.float32) * stride + (stride - 1) / 2
    grid_x, grid_y = x.repeat(height), y.repeat_interleave(width)
    return torch.stack([grid_x, grid_y], dim=-1)


class DetectorExport(nn.Module):
    """The application's view of one picture: boxes, scores in [0, 1] and points of its likeliest cells.

    The others are left out before they are decoded, which would take as long as a stage of the trunk.
    """

    input_names = ("image",)
    output_names = ("boxes", "scores", "points")

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells = self.net.cells(image)
        count = shape_as_tensor(cells.score_logit)[1].clamp_max(MOST_CELLS)  # open in the exported file
        chosen = cells.score_logit[0].topk(count).indices.sort().values  # pyright: ignore[reportArgumentType]
        boxes, points = decoded(cells.shape[:, :, chosen], cells.centers[chosen], cells.reach[chosen])
        return boxes, cells.score_logit[:, chosen].sigmoid(), points


def build_detector(config: DetectorConfig | None = None) -> Detector:
    """A detector with random weights."""
    return Detector(config or DetectorConfig())
