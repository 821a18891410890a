"""Writes the Cycles set shard by shard, each in a process of its own, so that a crash costs one shard."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2

from core.geometry.face_model import load_face_model
from models.synthesis.assets import Assets
from models.synthesis.shards import write_shard

logger = logging.getLogger(__name__)
SHARD = 100  # pictures
SEED = 50_001
_ROOT = Path(__file__).resolve().parents[3]
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_TRIES = 2
_SLOWEST = 60.0  # seconds a picture; a worker that takes longer hangs


@dataclass(frozen=True)
class CyclesSet:
    """One set on disk."""

    out: Path
    count: int
    seed: int
    size: int  # pixels
    samples: int  # light paths per pixel
    model: Path  # face_model.npz
    whole_head: bool = False  # framed as the parser's head crop is

    def folder(self, shard: int) -> Path:
        """Where a shard lies."""
        return self.out / f"shard_{shard:05d}"

    def length(self, shard: int) -> int:
        """Pictures of a shard."""
        return min(SHARD, self.count - shard * SHARD)

    @property
    def missing(self) -> list[int]:
        """Shards that are still to be made."""
        return [shard for shard in range(-(-self.count // SHARD)) if not self.folder(shard).is_dir()]


def make_set(wanted: CyclesSet, workers: int) -> int:
    """Make the missing shards; returns how many pictures were made."""
    shards, started, made = wanted.missing, time.perf_counter(), 0
    total = sum(wanted.length(shard) for shard in shards)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        jobs = {pool.submit(_run_worker, wanted, shard): shard for shard in shards}
        for job in as_completed(jobs):
            if job.result():
                made += wanted.length(jobs[job])
                rate = (time.perf_counter() - started) / made
                logger.info("%d of %d pictures, %.2f s each", made, total, rate)
    return made


def _run_worker(wanted: CyclesSet, shard: int) -> bool:
    """Make one shard in its own process; a second try when it dies."""
    command = [sys.executable, "-W", "ignore", "-m", "models.synthesis.cycles", "--shard", str(shard)]
    for name in ("out", "count", "seed", "size", "samples", "model"):
        command += [f"--{name}", str(getattr(wanted, name))]
    command += ["--whole-head"] * wanted.whole_head
    environment = {**os.environ, **_THREADS}
    for _ in range(_TRIES):
        try:
            done = subprocess.run(
                command, cwd=_ROOT, env=environment, capture_output=True, text=True, errors="replace",
                timeout=60.0 + _SLOWEST * wanted.length(shard), check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            logger.warning("Shard %d took too long and was stopped.", shard)
            continue
        if done.returncode == 0:
            return True
        logger.warning("Shard %d ended with code %d: %s", shard, done.returncode, done.stderr[-1500:])
    return False


def write_one(wanted: CyclesSet, shard: int) -> None:
    """Render one shard in this process, which must not have used Blender before."""
    from .picture import cycles_picture
    from .stage import Stage

    cv2.setNumThreads(1)
    assets = Assets.load(load_face_model(wanted.model))
    first = shard * SHARD
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        stage = Stage(assets.head, wanted.size, Path(scratch), wanted.samples)
        rows = range(first, first + wanted.length(shard))
        pictures = [cycles_picture(stage, assets, wanted.seed, index, wanted.size, wanted.whole_head) for index in rows]
    write_shard(wanted.folder(shard), pictures, wanted.seed, first)
