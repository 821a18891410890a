"""What the parser minimises."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.networks.parser import ParserOutput
from models.synthesis.labels import Label, OccluderType

from .parsing_samples import IGNORED

# The overlap keeps small parts from drowning among skin and background. Weights of the entropy would do the same, but
# at a price: a part with weight w is then found wherever it is likelier than one in w + 1, which doubles eyes and lips.
_OVERLAP_PARTS = (
    Label.EYE_LEFT, Label.EYE_RIGHT, Label.BROW_LEFT, Label.BROW_RIGHT, Label.MOUTH, Label.UPPER_LIP, Label.LOWER_LIP,
    Label.NOSE, Label.GLASSES, Label.HAT, Label.EAR_LEFT, Label.EAR_RIGHT,
)  # fmt: skip
_OVERLAP_TYPES = tuple(kind for kind in OccluderType if kind != OccluderType.NONE)


def parser_terms(out: ParserOutput, classes: Tensor, occluder: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Entropy and overlap for (N, H, W) uint8 parts and occluder types and (N, H, W) weights of the parts' pixels."""
    parts, types = out.classes.float(), out.occluder.float()
    return {
        "parts": _entropy(parts, classes, weight),
        "overlap": 0.7 * _missed_overlap(parts, classes, _OVERLAP_PARTS),
        "occluder": _entropy(types, occluder, torch.ones_like(weight)),
        "occluder_overlap": 0.3 * _missed_overlap(types, occluder, _OVERLAP_TYPES),
    }


def _entropy(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean cross-entropy over known pixels, weighted by pixel."""
    known = truth != IGNORED
    entropy = nn.functional.cross_entropy(logits, torch.where(known, truth, 0).long(), reduction="none")
    weight = weight * known
    return (entropy * weight).sum() / weight.sum().clamp_min(1.0)


def _missed_overlap(logits: Tensor, truth: Tensor, wanted: Sequence[int]) -> Tensor:
    """One minus the Dice overlap of each class over the whole batch, averaged over the classes that it shows."""
    codes = [int(code) for code in wanted if code < logits.shape[1]]
    known = (truth != IGNORED)[:, None]
    share = logits.softmax(1)[:, codes] * known
    there = truth[:, None] == torch.tensor(codes, device=truth.device).view(1, -1, 1, 1)
    both = (share * there).sum((0, 2, 3))
    size = share.sum((0, 2, 3)) + there.sum((0, 2, 3))
    shown = there.any(dim=3).any(dim=2).any(dim=0)
    missed = 1.0 - (2.0 * both + 1.0) / (size + 1.0)
    return (missed * shown).sum() / shown.sum().clamp_min(1)
