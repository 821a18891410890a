"""Batches of the landmarker made on the device: `LandmarkerRecipe.batch`."""

from __future__ import annotations

import torch
from torch import Tensor

from core.geometry.face_model import FaceModel
from core.geometry.mirroring import mirrored_landmarks
from core.types import LANDMARKS

from .augment import Jitter
from .device_crops import at_points
from .device_feed import DeviceFeed
from .device_pictures import GrowingPictures
from .device_portraits import DevicePortraits
from .feed import DeviceBatch
from .variation import LANDMARKER, WIDE, WIDE_JITTER


class LandmarkFeed(DeviceFeed):
    """Crops of synthetic pictures and, in a share, of portraits."""

    planes = ("image",)

    def __init__(
        self,
        pictures: GrowingPictures,
        model: FaceModel,
        size: int,
        portraits: DevicePortraits | None = None,
        share: float = 0.0,
    ) -> None:
        super().__init__(pictures, size)
        self.portraits, self.share = portraits, share
        self._order = torch.from_numpy(mirrored_landmarks(model)).to(pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Moved crops; "points" (N, P, 2) crop fractions, "visibility" and "known" (N, P)."""
        generator = self._begin(seed, step)
        real = 0 if self.portraits is None else round(size * self.share)
        wide = round((size - real) * WIDE)
        parts = [
            self._synthetic(wide, WIDE_JITTER, generator),
            self._synthetic(size - real - wide, LANDMARKER.jitter, generator),
        ]
        if self.portraits is not None and real:
            parts.append(self._real(self.portraits, real, generator))
        image, points, visibility, known = (torch.cat(column) for column in zip(*parts, strict=True))
        happens = self._coin(size, LANDMARKER.cover, generator)
        image, alpha = self._patched(image, self._filler(image, generator), happens, generator)
        seen = (at_points(alpha, points) < 0.5) & ((points > 0.0) & (points < 1.0)).all(-1)
        labels = {"points": points, "visibility": visibility * seen, "known": known}
        return self._changed(image, LANDMARKER.strength, generator), labels

    def _synthetic(self, count: int, jitter: Jitter, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Pictures, points, visibility and what is known: everything."""
        rows = self.pictures.draw(count, generator)
        cutting = self._cutting(rows, jitter, LANDMARKER.reflected, generator)
        visibility = self.pictures.rows.visibility[rows]
        visibility = torch.where(cutting.flip[:, None], visibility[:, self._order], visibility)
        points = self._fractions(cutting, self._order)
        return self._cut(cutting, "image"), points, visibility, torch.ones_like(visibility)

    def _real(self, portraits: DevicePortraits, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The same of portraits, of which the dense points are not known."""
        image, places, trusted = portraits.crops(count, self.size, LANDMARKER.jitter, generator)
        points = torch.full((count, len(self._order), 2), 0.5, device=self.device)
        visibility, known = torch.zeros(2, count, len(self._order), device=self.device)
        points[:, :LANDMARKS], known[:, :LANDMARKS], visibility[:, :LANDMARKS] = places, trusted, 1.0
        return image, points, visibility, known
