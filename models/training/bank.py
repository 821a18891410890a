"""Samples that are cut before a training begins, for networks so small that loaders could not feed them."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from .data import Pictures, read_pictures
from .loop import Batch
from .options import common_arguments
from .portraits import Portraits, read_portraits

LOG = logging.getLogger(__name__)
_TOLD = 20  # parts after which it is told how far the cutting is


@dataclasses.dataclass(frozen=True)
class Sources:
    """Where samples come from."""

    folders: tuple[Path, ...]
    portraits: Path | None

    @staticmethod
    def of(arguments: argparse.Namespace) -> Sources:
        """What the command line names."""
        return Sources(tuple(arguments.data or [Path("build/faces")]), arguments.portraits)

    def open(self) -> tuple[Pictures, Portraits | None]:
        """All pictures as one set, and the portraits, if any."""
        return read_pictures(*self.folders), None if self.portraits is None else read_portraits(self.portraits)


def bank_arguments(name: str, description: str, samples: int) -> argparse.ArgumentParser:
    """The command line of a recipe that cuts so many `samples` beforehand."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = common_arguments(name, description, data=False)
    parser.add_argument("--data", type=Path, action="append", help="folder of picture shards; may be given again")
    parser.add_argument("--portraits", type=Path, default=None, help="public-domain portraits, if any")
    parser.add_argument("--samples", type=int, default=samples, help="cut beforehand, and kept in memory")
    return parser


def checked_count(samples: int) -> int:
    """`samples`; raises `ValueError` where they are none."""
    if samples < 1:
        raise ValueError(f"{samples} samples are none to learn from; ask for some thousands.")
    return samples


def cut(
    samples: int,
    part: int,
    seed: int,
    cutter: Callable[[np.random.Generator, int], Batch],
    opening: Callable[..., None],
    *given: object,
) -> Batch:
    """(samples, ...) arrays of what `cutter` cuts, `part` samples at a time, in one process for each core.

    Each process first calls `opening` with what is `given`. Part k depends on (seed, k) alone. Both functions are
    found by their names, so that they stand at the top of a module.
    """
    parts = [(cutter, seed, k, min(part, samples - first)) for k, first in enumerate(range(0, samples, part))]
    workers, done = max(1, min(os.cpu_count() or 1, len(parts))), []
    with multiprocessing.get_context("spawn").Pool(workers, _alone, (opening, *given)) as pool:
        for batch in pool.imap(_cut_part, parts):
            done.append(batch)
            if len(done) % _TOLD == 0:
                LOG.info("%d of %d samples cut", len(done) * part, samples)
    return {name: np.concatenate([batch[name] for batch in done]) for name in done[0]}


def _alone(opening: Callable[..., None], *given: object) -> None:
    """Begin a process that shares the cores with others."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    opening(*given)


def _cut_part(work: tuple[Callable[[np.random.Generator, int], Batch], int, int, int]) -> Batch:
    cutter, seed, k, count = work
    return cutter(np.random.default_rng((seed, k)), count)
