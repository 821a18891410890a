"""Renders sets of pictures: `python -m models.synthesis.dataset --out build/synthetic --count 40000 --workers 2`.

A picture depends on (seed, index) alone, so a set can be continued, extended or made anew in any number of processes.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2

from core.geometry.face_model import DEFAULT_PATH, FaceModel, load_face_model

from .assets import Assets
from .renderer import Picture, render
from .scene import sample_scene
from .sequences import make_frame
from .shards import write_shard

logger = logging.getLogger(__name__)
SHARD = 250  # pictures
PICTURE_SIZE = 192  # pixels
GROUP = 2  # pictures of each person
HELD_OUT_SEED = 990_001  # never used for training
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@lru_cache(maxsize=1)
def _assets(model_path: Path) -> Assets:
    return Assets.load(load_face_model(model_path))


def make_picture(
    assets: Assets, seed: int, index: int, size: int = PICTURE_SIZE, group: int = GROUP, whole_head: bool = False
) -> Picture:
    """Picture `index` of the set `seed`, in which `group` neighbours show one person."""
    return render(sample_scene(assets, seed, index, size, group, whole_head=whole_head), assets)


def held_out_pictures(model: FaceModel, count: int, size: int = 320, seed: int = HELD_OUT_SEED) -> Iterator[Picture]:
    """People that no training set contains, without occluders, rolled by at most what a photo would be."""
    assets = Assets.load(model)
    index = made = 0
    while made < count:
        picture = make_picture(assets, seed, index, size, group=1)
        index += 1
        if picture.visibility[17:68].mean() > 0.9 and not picture.occluder.any():
            made += 1
            yield picture


@dataclass(frozen=True)
class _Task:
    """One shard to be made."""

    folder: Path
    model_path: Path
    seed: int
    first: int
    count: int
    group: int
    geometry: bool
    frames: int  # of each clip; 0 for single pictures
    size: int  # pixels
    whole_head: bool


def _write(task: _Task) -> int:
    cv2.setNumThreads(1)
    assets = _assets(task.model_path)
    indices = range(task.first, task.first + task.count)
    if task.frames:
        pictures = (make_frame(assets, task.seed, index, task.frames, task.size) for index in indices)
    else:
        pictures = (make_picture(assets, task.seed, index, task.size, task.group, task.whole_head) for index in indices)
    write_shard(task.folder, pictures, task.seed, task.first, task.geometry)
    return task.count


def make_dataset(
    out: Path,
    count: int,
    seed: int,
    workers: int,
    model_path: Path = DEFAULT_PATH,
    group: int = GROUP,
    geometry: bool = False,
    frames: int = 0,
    size: int = PICTURE_SIZE,
    whole_head: bool = False,
) -> int:
    """Write the missing shards of a set; returns how many pictures were made.

    With `frames`, the set consists of clips of that length, one person each, instead of groups of pictures. With
    `whole_head`, pictures are framed as the parser's head crop is.
    """
    tasks = []
    for first in range(0, count, SHARD):
        folder = out / f"shard_{first // SHARD:05d}"
        if not folder.is_dir():
            number = min(SHARD, count - first)
            tasks.append(_Task(folder, model_path, seed, first, number, group, geometry, frames, size, whole_head))
    for variable in THREAD_VARIABLES:  # read by the workers' libraries when they start
        os.environ[variable] = "1"
    started, made = time.perf_counter(), 0
    with multiprocessing.get_context("spawn").Pool(max(1, min(workers, len(tasks)))) as pool:
        for done in pool.imap_unordered(_write, tasks):
            made += done
            rate = made / (time.perf_counter() - started)
            logger.info("%d of %d pictures, %.1f a second", made, sum(task.count for task in tasks), rate)
    return made


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Render labelled pictures of synthetic people.")
    parser.add_argument("--out", type=Path, default=Path("build/synthetic"))
    parser.add_argument("--count", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--group", type=int, default=GROUP, help="pictures of each person")
    parser.add_argument("--frames", type=int, default=0, help="length of clips; 0 renders single pictures")
    parser.add_argument("--size", type=int, default=PICTURE_SIZE, help="side of the pictures, pixels")
    parser.add_argument("--geometry", action="store_true", help="store depth, normals and UV too")
    parser.add_argument("--whole-head", action="store_true", help="frame head and shoulders, as the parser sees them")
    parser.add_argument("--model", type=Path, default=DEFAULT_PATH, help="face_model.npz")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_dataset(
        options.out,
        options.count,
        options.seed,
        options.workers,
        options.model,
        options.group,
        options.geometry,
        options.frames,
        options.size,
        options.whole_head,
    )


if __name__ == "__main__":
    main()
