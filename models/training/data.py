"""The synthetic pictures as one indexed set: pixels stay on disk (memory-mapped), labels are held in memory."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from core.types import LANDMARKS, Camera
from models.synthesis.labels import Label, Occluder
from models.synthesis.shards import Shard, Truth, list_shards, read_shard

BARE = (Occluder.NONE, Occluder.TOUCHED, Occluder.BORDER)  # add nothing to the cut-out person


@dataclass(frozen=True, eq=False)
class Pictures:
    """N square pictures of side S with their labels; coordinates in picture pixels."""

    shards: tuple[Shard, ...]
    starts: np.ndarray  # (shards,) index of each shard's first picture
    truth: Truth  # of all shards

    @staticmethod
    def of(shards: list[Shard]) -> Pictures:
        """Several shards as one set."""
        counts = [len(shard.images) for shard in shards]
        joined = {field.name: np.concatenate([getattr(s.truth, field.name) for s in shards]) for field in fields(Truth)}
        return Pictures(tuple(shards), np.cumsum([0, *counts[:-1]]), Truth(**joined))

    def __len__(self) -> int:
        return len(self.truth.landmarks)

    @property
    def size(self) -> int:
        """Side of the pictures, pixels."""
        return self.shards[0].images.shape[1]

    @property
    def points(self) -> np.ndarray:
        """(N, 68 + D, 2) float32, 68 first."""
        return self.truth.landmarks

    @property
    def visibility(self) -> np.ndarray:
        """(N, 68 + D) uint8."""
        return self.truth.visibility

    def image(self, index: int) -> np.ndarray:
        """(S, S, 3) uint8 RGB."""
        shard, row = self._place(index)
        return shard.images[row]

    def clean(self, index: int) -> np.ndarray:
        """(S, S, 3) uint8 RGB: the picture without its occluder."""
        shard, row = self._place(index)
        return shard.clean(row)

    def maps(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(S, S) uint8 `Label` as if no occluder were there, and (S, S) uint8 `Occluder`."""
        shard, row = self._place(index)
        return shard.labels[row], shard.occluder[row]

    def foreground(self, index: int) -> np.ndarray:
        """(S, S) bool: the person and what they hold or wear."""
        shard, row = self._place(index)
        return (shard.labels[row] != Label.BACKGROUND) | ~np.isin(shard.occluder[row], BARE)

    def box_points(self, index: int) -> np.ndarray:
        """(68, 2) float32 landmarks."""
        return self.truth.landmarks[index, :LANDMARKS]

    def camera(self, index: int) -> Camera:
        """The picture's camera."""
        truth = self.truth
        return Camera(
            focal=float(truth.focal[index]),
            center=(float(truth.center[index, 0]), float(truth.center[index, 1])),
            width=self.size,
            height=self.size,
            rotation=truth.rotation[index],
            translation=truth.translation[index],
        )

    def describe(self) -> dict[str, object]:
        """For the card."""
        seeds = sorted({int(seed) for seed in self.truth.seed[:, 0]})
        sides = sorted({shard.images.shape[1] for shard in self.shards})
        return {"pictures": len(self), "side": sides[0] if len(sides) == 1 else sides, "seeds": seeds}

    def _place(self, index: int) -> tuple[Shard, int]:
        shard = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.shards[shard], index - int(self.starts[shard])


def read_pictures(*folders: Path) -> Pictures:
    """All complete shards of some folders."""
    shards = []
    for folder in folders:
        paths = list_shards(folder)
        if not paths:
            raise FileNotFoundError(
                f"{folder} holds no pictures; make some with `python -m models.synthesis.dataset --out {folder}`."
            )
        shards += [read_shard(path) for path in paths]
    return Pictures.of(shards)
