"""Batches of the regressors made on the device: `RegressorRecipe.batch`, perhaps with several views of each face."""

from __future__ import annotations

import torch
from torch import Tensor

from core.geometry.face_model import FaceModel
from core.geometry.mirroring import CoefficientMirror

from .completion_samples import COVERED
from .device_feed import Cutting, DeviceFeed
from .device_holes import borrowed, isin
from .device_labels import CropLabels
from .device_pictures import GrowingPictures
from .feed import DeviceBatch
from .variation import REGRESSOR


class CoefficientFeed(DeviceFeed):
    """Faces as photographed, bare, and behind other things, with their coefficients."""

    planes = ("image", "clean", "codes")

    def __init__(
        self, pictures: GrowingPictures, model: FaceModel, size: int, views: int = 1, bare: float = 0.0
    ) -> None:
        """With one view a share of `bare` faces is shown without their cover; with more the first view is bare."""
        super().__init__(pictures, size)
        self.views, self._bare = views, bare
        self._labels = CropLabels(CoefficientMirror.of(model), size, pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """(N V, 3, S, S), views of one face side by side; "coefficients" (N V, 239), "seen" (N V, S, S) uint8."""
        generator = self._begin(seed, step)
        rows = self.pictures.draw(size // self.views, generator)
        cutting = self._cutting(rows, REGRESSOR.jitter, REGRESSOR.reflected, generator)
        image, hidden = self._views(cutting, generator)
        happens = self._coin(len(image), REGRESSOR.cover, generator)
        if self.views > 1:
            happens[:: self.views] = False  # the first view stays bare
        image, alpha = self._patched(image, self._filler(image, generator), happens, generator)
        labels = {
            "coefficients": self._coefficients(cutting).repeat_interleave(self.views, 0),
            "seen": (~hidden & (alpha < 0.5)).to(torch.uint8),
        }
        return self._changed(image, REGRESSOR.strength, generator), labels

    def _views(self, cutting: Cutting, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(N V, 3, S, S) views of every face, (N V, S, S) bool where something hides it."""
        covered, clean = self._cut(cutting, "image"), self._cut(cutting, "clean")
        hidden = isin(self._codes(cutting), COVERED)
        if self.views == 1:
            bare = self._coin(len(clean), self._bare, generator)[:, None, None]
            return torch.where(bare[:, None], clean, covered), hidden & ~bare
        views = [(clean, torch.zeros_like(hidden)), (covered, hidden)]
        views += [self._behind(clean, generator) for _ in range(self.views - 2)]
        images, masks = zip(*views, strict=True)
        return torch.stack(images, dim=1).flatten(0, 1), torch.stack(masks, dim=1).flatten(0, 1)

    def _behind(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The faces behind what other people wear, and (N, S, S) bool where that is."""
        other, mask = borrowed(self.pictures, len(clean), self.size, generator)
        return torch.where(mask[:, None] > 0, other, clean), mask > 0

    def _coefficients(self, cutting: Cutting) -> Tensor:
        """(N, 239) of the crops."""
        known, camera = self.pictures.rows.coefficients[cutting.rows], self.pictures.rows.camera[cutting.rows]
        return self._labels(known, camera, cutting.matrices, cutting.flip)
