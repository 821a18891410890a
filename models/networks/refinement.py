"""Second looks: landmarks corrected by what the picture shows at the places where they were put.

A cascade of linear regressions on descriptors taken round the points of the step before (Xiong & De la Torre,
"Supervised descent method and its applications to face alignment", 2013). The descriptors are histograms of oriented
gradients (Dalal & Triggs, 2005): a point that misses its lid or lip by a pixel or two sees other gradients, which a
network that pools the whole face has long forgotten.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_LUMA = (0.299, 0.587, 0.114)
_AXES = 4  # of the gradients; each gives one channel for either sign
_CHANNELS = 2 * _AXES
_FAINT = 0.02  # length of a descriptor that says nothing, added to all
_SAMPLES = 3  # per side of a descriptor's square


class Gradients(nn.Module):
    """(N, 3, S, S) RGB in [0, 1] to (N, 8, S / 2, S / 2) smoothed gradients by direction."""

    turns: Tensor
    luma: Tensor

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.zeros(_CHANNELS, 1, 3, 3)
        for k in range(_CHANNELS):
            angle = math.pi * k / _AXES
            kernel[k, 0, 1, 2], kernel[k, 0, 1, 0] = math.cos(angle), -math.cos(angle)
            kernel[k, 0, 2, 1], kernel[k, 0, 0, 1] = math.sin(angle), -math.sin(angle)
        self.register_buffer("turns", kernel, persistent=False)
        self.register_buffer("luma", torch.tensor(_LUMA).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        grey = (image * self.luma).sum(1, keepdim=True)
        steep = nn.functional.conv2d(grey, self.turns, padding=1).relu()
        return nn.functional.avg_pool2d(steep, 5, 2, 2)


class Descent(nn.Module):
    """One step of the cascade: (N, P, 2) points, crop fractions, to better ones; until it is fitted, the same ones."""

    square: Tensor
    looked_at: Tensor

    def __init__(self, points: int, looked_at: Tensor, reach: float, rank: int) -> None:
        """`looked_at` are the indices of the points with descriptors; `reach` is half a descriptor's side in crops."""
        super().__init__()
        line = torch.linspace(-reach, reach, _SAMPLES)
        square = torch.stack([line.repeat(_SAMPLES), line.repeat_interleave(_SAMPLES)], dim=-1)
        self.register_buffer("square", square, persistent=False)
        self.register_buffer("looked_at", looked_at, persistent=False)
        self.inner = nn.Linear(len(looked_at) * _SAMPLES**2 * _CHANNELS, rank)
        self.outer = nn.Linear(rank, points * 2)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)
        self.points = points

    def describe(self, gradients: Tensor, points: Tensor) -> Tensor:
        """(N, F) descriptors of at most unit length, one after the other."""
        places = points[:, self.looked_at, None] + self.square
        seen = nn.functional.grid_sample(gradients, 2.0 * places - 1.0, padding_mode="border", align_corners=False)
        seen = seen.permute(0, 2, 3, 1).flatten(2)
        return (seen / (seen.square().sum(-1, keepdim=True).sqrt() + _FAINT)).flatten(1)

    def forward(self, gradients: Tensor, points: Tensor) -> Tensor:
        """Points moved by what the (N, 8, h, w) gradients show round them."""
        step = self.outer(self.inner(self.describe(gradients, points)))
        return points + step.view(-1, self.points, 2)
