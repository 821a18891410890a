"""What makes batches on the device that trains, in place of a recipe's own loader threads."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

DeviceBatch = tuple[Tensor, dict[str, Tensor]]  # (N, 3, S, S) in [0, 1], channels last, and the labels


class Feed(Protocol):
    """Batch k depends on (seed, k) and on the pictures there alone."""

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Batch `step` of `size` samples."""
        ...

    def describe(self) -> dict[str, object]:
        """For the card."""
        ...
