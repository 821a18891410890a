"""Earlier parsers that teach a new one (Hinton et al., "Distilling the knowledge in a neural network", 2015).

Of two trainings one may know the face better and the other hair and hats; weights between them know half of each. Put
together, their answers have the best of both, and one network can learn them, on pictures that need no labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from core.geometry.mirroring import MIRRORED_PARTS
from core.types import PARTS
from models.networks.parser import Parser, ParserOutput

from .cards import earlier_card
from .checkpoints import CHECKPOINT

AROUND = ("background", "hair", "hat")  # the parts among which the second teacher tells
_SMALL = [PARTS.index(name) for name in (
    "nose", "eye_left", "eye_right", "brow_left", "brow_right", "mouth", "upper_lip", "lower_lip"
)]  # fmt: skip
_SMALL_WEIGHT = 4.0  # by which pixels of the small parts count more; no part grows by it, as its edges count more too
_LEAST = 1e-6  # probability below which there is nothing to divide


@dataclass(frozen=True, eq=False)
class Teachers:
    """`face` teaches what is what; `around`, if there is one, how what is no face is shared among `AROUND`."""

    face: Parser
    around: Parser | None = None
    card: dict[str, object] = field(default_factory=dict)  # which runs they are

    @torch.no_grad()
    def told(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 19, h, w) probabilities of parts and (N, T, h, w) of occluders, for (N, 3, H, W) images.

        Each is the mean of what a teacher sees in the picture and in its mirror image.
        """
        parts, occluder = _both_ways(self.face, image)
        if self.around is not None:
            rows = [PARTS.index(name) for name in AROUND]
            other = _both_ways(self.around, image)[0][:, rows]
            all_around = parts[:, rows].sum(1, keepdim=True)
            parts[:, rows] = all_around * other / other.sum(1, keepdim=True).clamp_min(_LEAST)
        return parts, occluder

    def terms(self, out: ParserOutput, image: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Cross-entropy with what is told; (N, h, w) weights of the parts' pixels."""
        parts, occluder = self.told(image)
        weight = weight * (1.0 + _SMALL_WEIGHT * parts[:, _SMALL].sum(1))
        return {
            "parts": (_entropy(out.classes, parts) * weight).sum() / weight.sum(),
            "occluder": _entropy(out.occluder, occluder).mean(),
        }


def _both_ways(net: Parser, image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean probabilities of parts and of occluders, of (N, 3, H, W) images and of their mirror images."""
    size = len(image)
    classes, occluder = (logits.float().softmax(1) for logits in net(torch.cat([image, image.flip(3)])))
    mirrored = classes[size:, list(MIRRORED_PARTS)].flip(3)
    return (classes[:size] + mirrored) / 2, (occluder[:size] + occluder[size:].flip(3)) / 2


def _entropy(logits: Tensor, told: Tensor) -> Tensor:
    """(N, h, w)."""
    return nn.functional.cross_entropy(logits.float(), told, reduction="none")


def taught_by(face: Path, around: Path | None) -> dict[str, object]:
    """For the card: the runs that teach, each without what it began with."""
    runs = {"face": face} | ({} if around is None else {"around": around})
    cards = {name: earlier_card(run / CHECKPOINT) for name, run in runs.items()}
    return {name: {key: card[key] for key in card if key != "started_from"} for name, card in cards.items()}
