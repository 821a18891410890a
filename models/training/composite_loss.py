"""What a regressor minimises beside the truth: what its face looks like, and what other covers of it say."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.types import LAYOUT
from models.networks.embedder import Embedder
from models.synthesis.torch_renderer import Picture, RenderingLayer

from .losses import CoefficientLoss

PIXELS, FEATURES = 1.4, 0.25  # of Zhao & Qi, 3.3
_IN_MILLIMETRES = 400.0  # as `CoefficientLoss` weighs metres
_COLOURS = 8.0


def agreement(criterion: CoefficientLoss, predicted: Tensor, wanted: Tensor) -> Tensor:
    """How far (N V, 239) coefficients of V variants of N faces are from (N, 239) `wanted` ones, by shape and colour.

    The multi-occlusion term of the Occlusion Resistant Network: whatever hides a face, it stays the same face.
    `wanted`, of a teacher that saw the bare face or of the own answer on it, carries no gradient.
    """
    wrong = predicted - wanted.detach().repeat_interleave(len(predicted) // len(wanted), 0)
    shape = (
        criterion.shape_distance(criterion.moved(wrong, "identity"))
        + criterion.moved(wrong, "expression").norm(dim=-1).mean()
    )
    colour = (wrong[:, LAYOUT["albedo"]] @ criterion.albedo).abs().mean()
    return _IN_MILLIMETRES * shape + _COLOURS * colour


class RenderingLoss(nn.Module):
    """Draws the predicted face and compares it with the picture, pixel by pixel and by the features of a face."""

    def __init__(self, layer: RenderingLayer, embedder: Embedder | None, most: int) -> None:
        """At most so many faces of a batch are drawn."""
        super().__init__()
        self.layer, self.embedder, self.most = layer, embedder, most

    def forward(self, predicted: Tensor, image: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """Weighted terms for (N, 239) coefficients of (N, 3, S, S) pictures, (N, S, S) uint8 1 where nothing hides."""
        chosen = slice(None, None, max(len(image) // self.most, 1))
        predicted, image, seen = predicted[chosen], image[chosen], seen[chosen]
        side = (self.layer.size,) * 2
        small = nn.functional.interpolate(image, side, mode="bilinear", antialias=True)
        with torch.autocast(image.device.type, enabled=False):
            drawn = self.layer(predicted.float())
        bare = nn.functional.interpolate(seen[:, None].float(), side)[:, 0] > 0.5
        shown = (drawn.visible.mask & bare)[:, None].float()
        color = drawn.color.permute(0, 3, 1, 2)
        wrong = ((color - small).abs().mean(1, keepdim=True) * shown).sum((1, 2, 3)) / shown.sum((1, 2, 3)).clamp_min(1)
        terms = {"pixel": PIXELS * wrong.mean()}
        if self.embedder is not None:
            terms["feature"] = FEATURES * self._feature(self.embedder, drawn, image)
        return terms

    @staticmethod
    def _feature(embedder: Embedder, drawn: Picture, image: Tensor) -> Tensor:
        """Mean distance (1 - cosine) of the drawn face, put into its picture, to the picture."""
        size = (embedder.config.size,) * 2
        color = nn.functional.interpolate(drawn.color.permute(0, 3, 1, 2), size, mode="bilinear")
        mask = nn.functional.interpolate(drawn.visible.mask[:, None].float(), size, mode="bilinear")
        picture = nn.functional.interpolate(image, size, mode="bilinear", antialias=True)
        with torch.no_grad():
            person = embedder(picture)
        return (1.0 - (embedder(picture + (color - picture) * mask) * person).sum(1)).mean()
