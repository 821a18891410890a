"""Holes and things that cover, for batches on the device."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from core.types import LANDMARKS

from .completion_samples import COVERED, disc, free_form
from .device_crops import Cut, crop_matrices
from .device_pictures import DevicePictures

_POOL = 1024  # free forms drawn beforehand
_PARTS = 4  # of a batch; each part's holes grow by a radius of their own


def isin(codes: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """Bool of the shape of uint8 `codes`: those that are among the wanted ones."""
    table = torch.zeros(256, dtype=torch.bool, device=codes.device)
    table[list(wanted)] = True
    return table[codes.long()]


def grown(masks: Tensor, radius: int) -> Tensor:
    """(N, H, W) float masks of 0 and 1, grown by a disc of `radius` pixels."""
    if radius < 1:
        return masks
    kernel = torch.from_numpy(disc(radius)).to(masks)
    near = nn.functional.conv2d(masks[:, None], kernel[None, None], padding=radius)
    return (near[:, 0] > 0.5).to(masks.dtype)


def unevenly_grown(masks: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(N, H, W) masks, each part of the batch grown by a radius between `low` and `high` sides."""
    radii = torch.rand(_PARTS, generator=generator, device=generator.device).tolist()
    side = masks.shape[-1]
    parts = zip(masks.chunk(_PARTS), radii, strict=False)
    return torch.cat([grown(part, round((low + (high - low) * radius) * side)) for part, radius in parts])


class FreeForms:
    """Strokes, ellipses and boxes, drawn once and turned at random."""

    def __init__(self, size: int, device: str, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._pool = torch.from_numpy(np.stack([free_form(size, rng) for _ in range(_POOL)])).to(device)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, S, S) float masks."""
        device = self._pool.device
        masks = self._pool[torch.randint(len(self._pool), (count,), generator=generator, device=device)].float()
        for dims in ((1,), (2,)):
            flip = torch.rand(count, 1, 1, generator=generator, device=device) < 0.5
            masks = torch.where(flip, masks.flip(dims), masks)
        return masks


def patches(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(count, size, size) float masks in [0, 1] with soft edges: an ellipse or a box each, as `augment.cover` has."""
    device = generator.device

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, generator=generator, device=device)

    step = (torch.arange(size, device=device) + 0.5) / size
    x, y = step[None, None] - uniform(0.0, 1.0), step[None, :, None] - uniform(0.0, 1.0)
    angle, wide, high = uniform(0.0, math.pi), uniform(0.06, 0.3), uniform(0.06, 0.3)
    along, beside = (x * angle.cos() + y * angle.sin()) / wide, (y * angle.cos() - x * angle.sin()) / high
    boxed = uniform(0.0, 1.0) < 0.5
    far = torch.where(boxed, torch.maximum(along.abs(), beside.abs()), (along**2 + beside**2).sqrt())
    return ((1.0 - far) * torch.minimum(wide, high) * size + 0.5).clamp(0.0, 1.0)


def borrowed(pictures: DevicePictures, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(count, 3, size, size) crops of other covered people and (count, size, size) masks of what covers them."""
    rows = pictures.draw(count, generator, pictures.occluded)
    cut = Cut(crop_matrices(pictures.rows.points[rows, :LANDMARKS], size), size, pictures.size)
    mask = isin(cut.codes(pictures.planes["codes"][rows]), COVERED).float()
    return cut.pictures(pictures.planes["image"][rows]), mask
