"""What the parser minimises."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.parser import ParserOutput
from models.synthesis.labels import Label, OccluderType

from .parsing_samples import IGNORED

# Small parts would drown among skin and background; the square root of how rare they are is enough beside the overlap.
_PART_WEIGHTS = {
    Label.EYE_LEFT: 4.0, Label.EYE_RIGHT: 4.0, Label.BROW_LEFT: 3.0, Label.BROW_RIGHT: 3.0, Label.MOUTH: 4.0,
    Label.UPPER_LIP: 3.0, Label.LOWER_LIP: 3.0, Label.NOSE: 2.0, Label.GLASSES: 1.2, Label.HAT: 1.5,
    Label.EAR_LEFT: 2.0, Label.EAR_RIGHT: 2.0,
}  # fmt: skip
_TYPE_WEIGHTS = {
    OccluderType.CLEAR_GLASSES: 1.2, OccluderType.DARK_GLASSES: 1.2, OccluderType.MASK: 1.2, OccluderType.HAND: 1.0,
    OccluderType.SCARF: 1.2, OccluderType.OBJECT: 1.0,
}  # fmt: skip
_OVERLAP_PARTS = tuple(int(label) for label in _PART_WEIGHTS)
_OVERLAP_TYPES = tuple(int(kind) for kind in _TYPE_WEIGHTS)


def _table(weights: dict[Label, float] | dict[OccluderType, float], count: int) -> Tensor:
    table = torch.ones(count)
    for code, weight in weights.items():
        table[int(code)] = weight
    return table


def parser_terms(out: ParserOutput, classes: Tensor, occluder: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Weighted entropy and overlap for (N, H, W) uint8 parts and occluder types and (N, H, W) weights of the parts."""
    parts, types = out.classes.float(), out.occluder.float()
    table = _table(_PART_WEIGHTS, parts.shape[1]).to(parts.device)
    kinds = _table(_TYPE_WEIGHTS, types.shape[1]).to(types.device)
    return {
        "parts": _entropy(parts, classes, weight, table),
        "overlap": 0.5 * _missed_overlap(parts, classes, _OVERLAP_PARTS),
        "occluder": _entropy(types, occluder, torch.ones_like(weight), kinds),
        "occluder_overlap": 0.3 * _missed_overlap(types, occluder, _OVERLAP_TYPES),
    }


def _entropy(logits: Tensor, truth: Tensor, weight: Tensor, table: Tensor) -> Tensor:
    """Mean cross-entropy over known pixels, weighted by pixel and by class."""
    known = truth != IGNORED
    index = torch.where(known, truth, 0).long()
    entropy = nn.functional.cross_entropy(logits, index, reduction="none")
    weight = weight * table[index] * known
    return (entropy * weight).sum() / weight.sum().clamp_min(1.0)


def _missed_overlap(logits: Tensor, truth: Tensor, codes: tuple[int, ...]) -> Tensor:
    """One minus the Dice overlap of each class over the whole batch, averaged over the classes that it shows."""
    codes = tuple(code for code in codes if code < logits.shape[1])
    known = (truth != IGNORED)[:, None]
    share = logits.softmax(1)[:, codes] * known
    there = truth[:, None] == torch.tensor(codes, device=truth.device).view(1, -1, 1, 1)
    both = (share * there).sum((0, 2, 3))
    size = share.sum((0, 2, 3)) + there.sum((0, 2, 3))
    shown = there.any(dim=3).any(dim=2).any(dim=0)
    missed = 1.0 - (2.0 * both + 1.0) / (size + 1.0)
    return (missed * shown).sum() / shown.sum().clamp_min(1)
