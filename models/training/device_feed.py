"""What all feeds that make their batches on the device share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from core.types import LANDMARKS

from .augment import Jitter, Strength
from .device_augment import Draws, photometric
from .device_crops import Cut, apply, crop_matrices, jittered, mirrored
from .device_holes import patches
from .device_pictures import GrowingPictures

_REFRESH = 200  # steps between looks for new pictures
_GRAIN = 0.05  # deviation of the noise on plain colours, of full white


@dataclass(frozen=True, eq=False)
class Cutting:
    """A batch of moved crops before their pixels are cut."""

    rows: Tensor  # (N,) int64 rows of the pictures
    matrices: Tensor  # (N, 2, 3) picture -> crop, mirrored where `flip` says so
    flip: Tensor  # (N,) bool
    cut: Cut


class DeviceFeed:
    """Draws, cuts and changes crops of `size` pixels; subclasses say what a batch holds."""

    planes: ClassVar[tuple[str, ...]]  # of `DevicePictures`, needed here

    def __init__(self, pictures: GrowingPictures, size: int) -> None:
        self.pictures, self.size, self.device = pictures, size, pictures.device

    def describe(self) -> dict[str, object]:
        """For the card."""
        return self.pictures.describe()

    def _begin(self, seed: int, step: int) -> torch.Generator:
        """The random numbers of one batch; now and then a look for new pictures."""
        if step % _REFRESH == 0:
            self.pictures.refresh()
        mixed = np.random.SeedSequence((seed, step)).generate_state(1)  # the CPU's generator reads 32 bits, no more
        return torch.Generator(self.device).manual_seed(int(mixed[0]))

    def _cutting(self, rows: Tensor, jitter: Jitter, reflected: float, generator: torch.Generator) -> Cutting:
        """Moved face crops of (N,) rows, half of them mirrored; a share `reflected` mirrors the picture outside it."""
        matrices = crop_matrices(self.pictures.rows.points[rows, :LANDMARKS], self.size)
        flip = self._coin(len(rows), 0.5, generator)
        matrices = mirrored(jittered(matrices, self.size, jitter, generator), self.size, flip)
        outside = self._coin(len(rows), reflected, generator)
        return Cutting(rows, matrices, flip, Cut(matrices, self.size, self.pictures.size, outside))

    def _cut(self, cutting: Cutting, plane: str) -> Tensor:
        """(N, 3, S, S) crops of a coloured plane."""
        return cutting.cut.pictures(self.pictures.planes[plane][cutting.rows])

    def _codes(self, cutting: Cutting) -> Tensor:
        """(N, S, S) uint8 `Occluder` of the crops."""
        return cutting.cut.codes(self.pictures.planes["codes"][cutting.rows])

    def _fractions(self, cutting: Cutting, order: Tensor) -> Tensor:
        """(N, P, 2) points in crop fractions, in the (P,) `order` of their mirror images where crops are mirrored."""
        points = self.pictures.rows.points[cutting.rows, : len(order)]
        placed = (apply(cutting.matrices, points) + 0.5) / self.size
        return torch.where(cutting.flip[:, None, None], placed[:, order], placed)

    def _coin(self, count: int, share: float, generator: torch.Generator) -> Tensor:
        """(count,) bool, true for about that share."""
        return torch.rand(count, generator=generator, device=self.device) < share

    def _filler(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, S, S): another picture of the batch or a plain noisy colour."""
        draw = Draws(len(like), generator)
        plain = (draw.uniform(channels=3) + draw.field(like[:, None]) * _GRAIN).clamp(0.0, 1.0)[:, 0]
        return torch.where(draw.happens(0.5)[:, 0], plain, like.roll(1, 0).flip(3))

    def _patched(
        self, image: Tensor, filler: Tensor, happens: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """A patch of `filler` on each picture where (N,) bool `happens`, and (N, S, S) how much it covers."""
        alpha = patches(len(image), self.size, generator) * happens[:, None, None]
        return image + (filler - image) * alpha[:, None], alpha

    @staticmethod
    def _changed(image: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
        """Photometric changes, and the memory layout that networks are fastest with."""
        return photometric(image[:, None], strength, generator)[:, 0].contiguous(memory_format=torch.channels_last)
