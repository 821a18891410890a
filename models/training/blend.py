"""Weights between two runs: `python -m models.training.blend --run FIRST --other SECOND --share 0.35 --out BLENDED`.

A network that was trained on from another's weights lies in the same valley; between the two it often does better than
either on pictures that neither learned from (Wortsman et al., "Model soups", 2022). What the second run learned late
and what it forgot of the first are weighed against each other.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import torch

from .cards import earlier_card, git_commit
from .checkpoints import CHECKPOINT, read_averaged

LOG = logging.getLogger(__name__)
_CARD = "card.json"


def blend(run: Path, other: Path, share: float, out: Path) -> None:
    """Write a run whose averaged weights are `share` of the way from one finished run's to another's.

    Raises:
        ValueError: the share is not between 0 and 1, or the runs are of different networks.
        FileNotFoundError: a run is not finished.
    """
    if not 0.0 < share < 1.0:
        raise ValueError("The share of the other run must lie between 0 and 1.")
    for folder in (run, other):
        if not all((folder / name).exists() for name in (CHECKPOINT, _CARD)):
            raise FileNotFoundError(
                f"{folder} holds no finished run; name a folder that a training has left a card in."
            )
    own, far = (read_averaged(folder / CHECKPOINT) for folder in (run, other))
    if own.keys() != far.keys() or any(own[key].shape != far[key].shape for key in own):
        raise ValueError(f"{run} and {other} hold different networks; only runs of one network can be blended.")
    between = {key: torch.lerp(own[key], far[key], share) if own[key].is_floating_point() else far[key] for key in own}
    card = json.loads((other / _CARD).read_text())
    told = {"share": share, "figures": "above: of this run before blending", "with": earlier_card(run / CHECKPOINT)}
    card |= {"code": git_commit(), "blended": told}
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"average": {f"module.{key}": value for key, value in between.items()}}, out / CHECKPOINT)
    (out / _CARD).write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Average the weights of two runs of one network.")
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training run")
    parser.add_argument("--other", type=Path, required=True, help="folder of one that went on from it")
    parser.add_argument("--share", type=float, required=True, help="of the other run, between 0 and 1")
    parser.add_argument("--out", type=Path, required=True, help="folder of the blended run")
    arguments = parser.parse_args()
    blend(arguments.run, arguments.other, arguments.share, arguments.out)
    LOG.info("wrote %s", arguments.out)


if __name__ == "__main__":
    main()
