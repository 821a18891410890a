"""What painting a hole is judged by."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.completer import coarse_hole
from models.networks.embedder import Embedder
from models.networks.parser import Parser


def pixel_loss(painted: Tensor, clean: Tensor, mask: Tensor) -> Tensor:
    """Mean difference of colours in the hole, summed over the channels; each picture counts alike."""
    wrong = ((painted - clean).abs().sum(dim=1, keepdim=True) * mask).sum((1, 2, 3))
    return (wrong / mask.sum((1, 2, 3)).clamp_min(1.0)).mean()


def gram(features: Tensor) -> Tensor:
    """(N, C, C) mean products of channels over the places of (N, C, H, W) features, over the number of channels."""
    flat = features.float().flatten(2)
    with torch.autocast(flat.device.type, enabled=False):  # what counts are small differences of large sums
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean difference of the Gram matrices, averaged over the layers (Gatys et al., 2016).

    Each layer's features are in units of their root mean square, or the loudest layer alone would count.
    """
    terms = []
    for a, b in zip(found, wanted, strict=True):
        unit = b.float().square().mean().sqrt().clamp_min(1e-3)
        terms.append((gram(a.float() / unit) - gram(b.float() / unit)).abs().mean())
    return torch.stack(terms).mean()


def perceptual_loss(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean difference of features, each layer in units of its own spread (Johnson et al., 2016)."""
    terms = [((a - b).abs().mean() / b.std().clamp_min(1e-3)).float() for a, b in zip(found, wanted, strict=True)]
    return torch.stack(terms).mean()


def total_variation(image: Tensor, mask: Tensor) -> Tensor:
    """Mean step between neighbours of which one at least lies in the hole, so that the seam counts too."""
    inside = mask.bool()
    down, across = image.diff(dim=2).abs(), image.diff(dim=3).abs()
    steps = 0.0
    for step, touched in (
        (down, inside[:, :, 1:] | inside[:, :, :-1]),
        (across, inside[..., 1:] | inside[..., :-1]),
    ):
        steps = steps + (step.mean(dim=1, keepdim=True) * touched).sum() / touched.sum().clamp_min(1)
    return torch.as_tensor(steps)


def critic_loss(real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """Hinge loss of the critic's scores; of a painted picture only the patches that show the hole are fake."""
    share = patch_share(mask, fake)
    return 0.5 * (nn.functional.relu(1.0 - real).mean() + _weighted(nn.functional.relu(1.0 + fake), share))


def adversarial_loss(fake: Tensor, mask: Tensor) -> Tensor:
    """What the generator is told: the patches that show the hole should look real."""
    return -_weighted(fake, patch_share(mask, fake))


def patch_share(mask: Tensor, scores: Tensor) -> Tensor:
    """(N, 1, h, w) share of the hole round each of the (N, 1, h, w) scores' patches."""
    return nn.functional.adaptive_avg_pool2d(mask, (scores.shape[2], scores.shape[3]))


def distillation_loss(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean difference of (N, C, h, w) coarsest features in the hole, in units of the teacher's spread."""
    hole = coarse_hole(mask, mask.shape[-1] // student.shape[-1])
    wrong = (student - teacher).abs().mean(dim=1, keepdim=True) / teacher.std().clamp_min(1e-3)
    return _weighted(wrong, hole)


class PerceptualJudge(nn.Module):
    """Frozen networks as judges: the parser's encoder compares looks and style, an embedder, if any, who it is.

    The parser tells skin from lips and lids from lenses to the pixel, at every size; an embedder forgets places.
    """

    def __init__(self, parser: Parser, embedder: Embedder | None = None) -> None:
        super().__init__()
        self.parser, self.embedder = parser, embedder

    def forward(self, found: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Unweighted terms of (N, 3, H, W) pictures in [0, 1]; `wanted` carries no gradient."""
        features = self.parser.features(found)
        with torch.no_grad():
            features_wanted = self.parser.features(wanted)
        terms = {
            "perceptual": perceptual_loss(features, features_wanted),
            "style": style_loss(features, features_wanted),
        }
        return terms if self.embedder is None else terms | {"identity": self._identity(self.embedder, found, wanted)}

    @staticmethod
    def _identity(embedder: Embedder, found: Tensor, wanted: Tensor) -> Tensor:
        """Mean distance (1 - cosine) of the embeddings."""
        size = (embedder.config.size,) * 2
        small, small_wanted = (
            nn.functional.interpolate(image, size, mode="bilinear", antialias=True) for image in (found, wanted)
        )
        with torch.no_grad():
            person = embedder(small_wanted)
        return (1.0 - (embedder(small) * person).sum(dim=1)).mean()


def _weighted(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-6)
