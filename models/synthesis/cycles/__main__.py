"""Renders or continues the Cycles set: `python -m models.synthesis.cycles --out build/cycles --count 4000`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from core.geometry.face_model import DEFAULT_PATH

from .sets import SEED, CyclesSet, make_set, write_one


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Path-trace labelled pictures of synthetic people with Cycles.")
    parser.add_argument("--out", type=Path, default=Path("build/cycles"))
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=192, help="side of a picture, pixels")
    parser.add_argument("--samples", type=int, default=4, help="light paths per pixel")
    parser.add_argument("--whole-head", action="store_true", help="frame head and shoulders, as the parser sees them")
    parser.add_argument("--model", type=Path, default=DEFAULT_PATH, help="face_model.npz")
    parser.add_argument("--shard", type=int, default=-1, help="render this shard alone, in this process")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wanted = CyclesSet(
        options.out,
        options.count,
        options.seed,
        options.size,
        options.samples,
        options.model,
        options.whole_head,
    )
    if options.shard >= 0:
        write_one(wanted, options.shard)
    else:
        make_set(wanted, options.workers)


if __name__ == "__main__":
    main()
