"""Reads the shards of synthetic pictures: images stay on disk (memory-mapped), labels are held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.types import Camera


@dataclass(frozen=True)
class Pictures:
    """N square pictures of side S with their labels; coordinates in picture pixels."""

    folder: str
    images: tuple[np.ndarray, ...]  # per shard (K, S, S, 3) uint8 RGB
    segments: tuple[np.ndarray, ...]  # per shard (K, S, S) uint8 label map, 0 is background
    starts: np.ndarray  # (shards,) index of each shard's first picture
    points: np.ndarray  # (N, 68, 2) float32
    dense: np.ndarray  # (N, D, 2) float32
    visibility: np.ndarray  # (N, 68 + D) float32 in [0, 1]
    coefficients: np.ndarray  # (N, 239) float32
    focal: np.ndarray  # (N,) float64, pixels
    center: np.ndarray  # (N, 2) float64, pixels
    rotation: np.ndarray  # (N, 3, 3) float64
    translation: np.ndarray  # (N, 3) float64, metres

    def __len__(self) -> int:
        return len(self.points)

    @property
    def size(self) -> int:
        """Side of the pictures, pixels."""
        return self.images[0].shape[1]

    def image(self, index: int) -> np.ndarray:
        """(S, S, 3) uint8 RGB."""
        shard, row = self._place(index)
        return self.images[shard][row]

    def segment(self, index: int) -> np.ndarray:
        """(S, S) uint8 label map."""
        shard, row = self._place(index)
        return self.segments[shard][row]

    def camera(self, index: int) -> Camera:
        """The picture's camera."""
        return Camera(
            focal=float(self.focal[index]),
            center=(float(self.center[index, 0]), float(self.center[index, 1])),
            width=self.size,
            height=self.size,
            rotation=self.rotation[index],
            translation=self.translation[index],
        )

    def describe(self) -> dict[str, object]:
        """For the card."""
        return {"pictures": len(self), "side": self.size, "shards": len(self.images)}

    def _place(self, index: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self.starts, index, side="right")) - 1
        return shard, index - int(self.starts[shard])


def read_pictures(folder: Path) -> Pictures:
    """All shards of a folder."""
    raise NotImplementedError(folder)
