"""Batches of the embedder made on the device: `EmbedderRecipe.batch`."""

from __future__ import annotations

import torch

from core.types import LAYOUT

from .device_feed import DeviceFeed
from .device_pictures import GrowingPictures
from .feed import DeviceBatch
from .variation import EMBEDDER, UNCOVERED


class EmbeddingFeed(DeviceFeed):
    """Several varied crops of each of several people, of sets in which `group` neighbours show one person."""

    planes = ("image", "clean")

    def __init__(self, pictures: GrowingPictures, size: int, group: int) -> None:
        super().__init__(pictures, size)
        self.group = group

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Neighbouring pictures, mostly of one person; "person" (N,) and "traits" (N, 160)."""
        generator, count = self._begin(seed, step), size // self.group
        start = torch.randint(self.pictures.count // self.group, (count,), generator=generator, device=self.device)
        rows = (start[:, None] * self.group + torch.arange(self.group, device=self.device)).flatten()
        cutting = self._cutting(rows, EMBEDDER.jitter, EMBEDDER.reflected, generator)
        bare = self._coin(len(rows), UNCOVERED, generator)[:, None, None, None]
        image = torch.where(bare, self._cut(cutting, "clean"), self._cut(cutting, "image"))
        happens = self._coin(len(rows), EMBEDDER.cover, generator)
        image, _ = self._patched(image, self._filler(image, generator), happens, generator)
        known = self.pictures.rows.coefficients[rows]
        traits = torch.cat([known[:, LAYOUT["identity"]], known[:, LAYOUT["albedo"]]], dim=1)
        # not the group's number: shards come in any order, and a person may begin in one and end in the next
        labels = {"person": self.pictures.rows.person[rows], "traits": traits}
        return self._changed(image, EMBEDDER.strength, generator), labels
