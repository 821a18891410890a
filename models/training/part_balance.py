"""Sets how readily a trained parser names each part: `python -m models.training.part_balance --run RUN --out BALANCED`.

The overlap in the loss draws rare parts larger than they are. Here each part's logits are shifted by what makes the
mean F1 on held-out synthetic pictures largest, and the shifts become part of the last layer's bias. Occluders are as
frequent in the pictures as it takes to learn them, some far more than in photos: `--factor clear_glasses=0.35` makes up
for that (prior shift: their odds in photos over those in the pictures). Without `--data` the parts stay as they are.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.types import OCCLUDERS, PARTS
from models.evaluation.part_scores import GROUPS, f1_percent, group_counts
from models.networks.parser import Parser

from .checkpoints import CHECKPOINT
from .crops import split
from .data import read_pictures
from .painted_parts import IGNORED
from .parser import load_parser
from .parsing_samples import LOOKED_THROUGH, ParsingSampler

LOG = logging.getLogger(__name__)
FACTORS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0)  # of a part's probability
_LEFT = ("glasses",)  # named by the occluders' map instead
_ROUNDS = 2
_CARD, _BIAS = "card.json", "module.out.bias"


@dataclass(frozen=True, eq=False)
class Seen:
    """What a parser makes of M crops."""

    logits: np.ndarray  # (K, M, C, C) float16
    truth: np.ndarray  # (M, C, C) uint8 parts, `IGNORED` where nothing counts

    def f1(self, shifts: np.ndarray) -> float:
        """Mean F1 of the groups, per cent, with (K,) shifts of the logits."""
        found = (self.logits + shifts[:, None, None, None].astype(np.float16)).argmax(axis=0)
        return float(np.nanmean(f1_percent(group_counts(found.astype(np.uint8), self.truth))))


@torch.no_grad()
def looked_at(net: Parser, samplers: list[ParsingSampler], count: int) -> Seen:
    """Head and close crops of `count` held-out pictures of each set; what is hidden does not count."""
    logits, truth = [], []
    for sampler in samplers:
        for sample in _samples(sampler, count, net.config.size):
            image = torch.from_numpy(sample.image.copy()).permute(2, 0, 1)[None].float() / 255.0
            logits.append(net(image).classes[0].half().numpy())
            truth.append(np.where(np.isin(sample.occluder, LOOKED_THROUGH), IGNORED, sample.classes).astype(np.uint8))
    return Seen(np.stack(logits, axis=1), np.stack(truth))


def _samples(sampler: ParsingSampler, count: int, size: int) -> Iterator:
    _, held_out = split(len(sampler.pictures))
    for index in held_out[np.linspace(0, len(held_out) - 1, min(count, len(held_out))).round().astype(int)]:
        for close in (False, True):
            yield sampler.exact(int(index), size, close)


def balance(seen: Seen) -> np.ndarray:
    """(K,) shifts of the logits, found part by part."""
    shifts = np.zeros(len(seen.logits), np.float32)
    for _ in range(_ROUNDS):
        for name, members in GROUPS.items():
            if name not in _LEFT:
                rows = [PARTS.index(member) for member in members]
                shifts[rows] = _best_shift(seen, shifts, rows)
    return shifts


def _best_shift(seen: Seen, shifts: np.ndarray, rows: list[int]) -> float:
    """The shift of some classes, alike, that gives the highest mean F1 beside those of the others."""
    others = np.setdiff1d(np.arange(len(shifts)), rows)
    own, rest = (
        _highest(seen.logits, shifts * np.isin(np.arange(len(shifts)), others), part) for part in (rows, others)
    )
    scores = []
    for factor in FACTORS:
        found = np.where(own[0] + np.log(factor) > rest[0], own[1], rest[1])
        scores.append(np.nanmean(f1_percent(group_counts(found, seen.truth))))
    return float(np.log(FACTORS[int(np.argmax(scores))]))


def _highest(logits: np.ndarray, shifts: np.ndarray, rows: list[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, C, C) float32 highest shifted logit among some classes, and (M, C, C) uint8 whose it is."""
    best = np.full(logits.shape[1:], -np.inf, np.float32)
    index = np.zeros(logits.shape[1:], np.uint8)
    for row in rows:
        level = logits[row] + shifts[row]
        np.copyto(index, row, where=level > best)
        np.maximum(best, level, out=best)
    return best, index


def save_balanced(run: Path, out: Path, shifts: np.ndarray, figures: dict[str, float]) -> None:
    """Write a run whose averaged network has the shifts, of parts and then occluders, in its last bias.

    Its card says so.
    """
    state = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    state["average"][_BIAS] += torch.from_numpy(shifts)
    card = json.loads((run / _CARD).read_text())
    card["balance"] = {"factors": _factors(shifts), **figures}
    out.mkdir(parents=True, exist_ok=True)
    torch.save(state, out / CHECKPOINT)
    (out / _CARD).write_text(json.dumps(card, indent=2) + "\n")


def _factors(shifts: np.ndarray) -> dict[str, float]:
    """What the probability of every part and occluder that is shifted is multiplied by, by name."""
    return {name: round(float(np.exp(s)), 2) for name, s in zip((*PARTS, *OCCLUDERS), shifts, strict=True) if s}


def occluder_shifts(factors: list[str]) -> np.ndarray:
    """(7,) float32 shifts of the occluders' logits for factors given as "name=factor"."""
    shifts = np.zeros(len(OCCLUDERS), np.float32)
    for text in factors:
        name, _, value = text.partition("=")
        if name not in OCCLUDERS or not value.replace(".", "", 1).isdigit() or float(value) <= 0.0:
            raise ValueError(
                f"{text!r} is no factor; write one of {', '.join(OCCLUDERS)}, then = and a number above 0."
            )
        shifts[OCCLUDERS.index(name)] = np.log(float(value))
    return shifts


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Set how readily a trained parser names each part.")
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training run")
    parser.add_argument("--data", type=Path, action="append", default=[], help="picture shards; none: parts stay")
    parser.add_argument("--count", type=int, default=60, help="held-out pictures of each folder")
    parser.add_argument("--factor", action="append", default=[], help="OCCLUDER=FACTOR on its odds")
    parser.add_argument("--out", type=Path, required=True, help="folder of the balanced run")
    arguments = parser.parse_args()
    others = occluder_shifts(arguments.factor)
    torch.set_num_threads(1)
    shifts, figures = np.zeros(len(PARTS), np.float32), {}
    if arguments.data:
        samplers = [ParsingSampler(read_pictures(path), []) for path in arguments.data]
        seen = looked_at(load_parser(arguments.run), samplers, arguments.count)
        shifts = balance(seen)
        figures = {"mean_f1_before": round(seen.f1(0.0 * shifts), 2), "mean_f1_after": round(seen.f1(shifts), 2)}
    joined = np.concatenate([shifts, others])
    save_balanced(arguments.run, arguments.out, joined, figures)
    LOG.info("%s %s", figures, _factors(joined))


if __name__ == "__main__":
    main()
