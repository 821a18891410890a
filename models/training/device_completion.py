"""Batches of completion made on the device: `CompletionSampler.varied` and `PortraitSampler.varied` in one."""

from __future__ import annotations

import torch
from torch import Tensor

from core.geometry.mirroring import MIRRORED_68
from models.synthesis.labels import Occluder

from . import completion_samples as samples
from .device_augment import photometric
from .device_crops import at_points
from .device_feed import DeviceFeed
from .device_holes import FreeForms, borrowed, grown, isin, unevenly_grown
from .device_pictures import GrowingPictures
from .device_portraits import DevicePortraits
from .feed import DeviceBatch

_WORN = 0.75  # share of covered people: holes round real covers teach more than made-up ones


class CompletionFeed(DeviceFeed):
    """Crops whose holes hide what covers the face, or hold made-up shapes; a share shows portraits, if there are."""

    planes = ("image", "clean", "codes")

    def __init__(
        self, pictures: GrowingPictures, size: int, portraits: DevicePortraits | None = None, share: float = 0.0
    ) -> None:
        super().__init__(pictures, size)
        self.portraits, self.share = portraits, share
        self._forms = FreeForms(size, pictures.device)
        self._order = torch.from_numpy(MIRRORED_68).to(pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Covered crops; "clean" (N, S, S, 3) uint8, "mask" (N, S, S) uint8, "landmarks" (N, 68, 2)."""
        generator = self._begin(seed, step)
        real = 0 if self.portraits is None else round(size * self.share)
        parts = [self._synthetic(size - real, generator)]
        if self.portraits is not None and real:
            parts.append(self._real(self.portraits, real, generator))
        image, clean, mask, landmarks = (torch.cat(column) for column in zip(*parts, strict=True))
        views = photometric(torch.stack([image, clean], dim=1), samples.STRENGTH, generator)
        labels = {
            "clean": (views[:, 1].permute(0, 2, 3, 1) * 255.0).round().to(torch.uint8),
            "mask": mask.to(torch.uint8),
            "landmarks": self._misplaced(landmarks, mask, generator),
        }
        return views[:, 0].contiguous(memory_format=torch.channels_last), labels

    def _synthetic(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Pictures, their clean twins, holes and landmarks."""
        covered, any_lit = (self.pictures.draw(count, generator, rows) for rows in self._kinds())
        rows = torch.where(self._coin(count, _WORN, generator), covered, any_lit)
        cutting = self._cutting(rows, samples.JITTER, 1.0, generator)
        image, clean, codes = self._cut(cutting, "image"), self._cut(cutting, "clean"), self._codes(cutting)
        cover = isin(codes, samples.COVERED).float()
        own = self._coin(count, samples.OWN, generator) & (cover.mean((1, 2)) > samples.LEAST)
        strange = self._strange(count, generator)
        hole = torch.where(own[:, None, None], self._round(cover, codes, generator), strange)
        both = torch.maximum(hole, strange)
        more = self._coin(count, samples.EXTRA, generator) & (both.mean((1, 2)) < samples.MOST)
        hole = torch.where(more[:, None, None], both, hole)
        # a cover that stays in the picture would go on inside the hole, where the clean twin has none
        image = torch.where(own[:, None, None, None], image, clean)
        return image, clean, hole, self._fractions(cutting, self._order)

    def _kinds(self) -> tuple[Tensor, Tensor]:
        """Rows of covered and of all pictures in which something is to be seen."""
        return self.pictures.occluded, self.pictures.bright

    def _round(self, cover: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        """(N, S, S) holes round what covers, and mostly over its shadow where that is near."""
        near = grown(cover, round(samples.SHADOW_REACH * self.size))
        within = self._coin(len(cover), samples.SHADOW, generator)[:, None, None]
        shadow = near * (codes == Occluder.TOUCHED) * within
        return unevenly_grown(torch.maximum(cover, shadow), *samples.GROWTH, generator)

    def _strange(self, count: int, generator: torch.Generator) -> Tensor:
        """(N, S, S) holes shaped as others' covers, or drawn freely."""
        _, cover = borrowed(self.pictures, count, self.size, generator)
        mask = grown(cover, round(samples.BORROWED_GROWTH * self.size))
        share = mask.mean((1, 2))
        fits = (share > samples.LEAST) & (share < samples.MOST) & self._coin(count, samples.BORROWED, generator)
        return torch.where(fits[:, None, None], mask, self._forms.draw(count, generator))

    def _real(self, portraits: DevicePortraits, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Real faces; the holes have the shapes of what synthetic people wear."""
        image, points, _ = portraits.crops(count, self.size, samples.JITTER, generator)
        return image, image, self._strange(count, generator), points

    def _misplaced(self, landmarks: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 68, 2) landmarks as a landmarker would find them: worse, and together, where the hole hides them."""
        hidden = at_points(mask, landmarks)[..., None] > 0
        noise = torch.randn(landmarks.shape, generator=generator, device=self.device)
        together = torch.randn((len(landmarks), 1, 2), generator=generator, device=self.device)
        return landmarks + noise * samples.FOUND + torch.where(hidden, together * samples.GUESSED, 0.0)
