"""Runs one checkout's detector and landmarker over a job's photos, in a process of its own.

`python worker_facewright.py CHECKOUT JOB.json OUT.npz`. A file by itself, started by path: the `core` that it imports
is the one of CHECKOUT, which may be an earlier revision with other networks and other code around them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

FOUND = 0.3  # intersection over union from which a box is the labelled face's
_LAYOUT = np.array([(0.28, 0.28), (0.72, 0.28), (0.5, 0.55), (0.32, 0.76), (0.68, 0.76)])  # of a face in its box


def overlap(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(B,) intersection over union of (B, 4) boxes x0 y0 x1 y1 with a (4,) one."""
    low, high = np.maximum(boxes[:, :2], truth[:2]), np.minimum(boxes[:, 2:], truth[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared / np.maximum(areas + (truth[2:] - truth[:2]).prod() - shared, 1e-9)


def use_cores(count: int, threads: int) -> None:
    """Keep this process to `count` processor cores where the system can (0 keeps all) and OpenCV to `threads`."""
    cv2.setNumThreads(threads)
    if count and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def read(path: str, size: list[int] | None) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a picture, stretched to `size` (width, height) if there is one."""
    pixels = cv2.imread(path, cv2.IMREAD_COLOR)
    if pixels is None:
        raise FileNotFoundError(f"Cannot read {path}")
    image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return image if size is None else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def timed(call: Callable, *arguments):
    """What a call returns, and its milliseconds."""
    start = time.perf_counter()
    answer = call(*arguments)
    return answer, (time.perf_counter() - start) * 1000.0


class Facewright:
    """One checkout's detector and landmarker."""

    def __init__(self, checkout: Path, threads: int) -> None:
        sys.path.insert(0, str(checkout))
        from core.errors import FaceError
        from core.pipeline import Pipeline
        from core.settings import Settings
        from core.types import FaceBox

        self._error, self._box = FaceError, FaceBox
        self._pipeline = Pipeline(Settings(models_dir=checkout / "models", threads=threads))

    def detect(self, image: np.ndarray) -> list:
        """Face boxes of a (H, W, 3) RGB photo."""
        return self._pipeline.detect(image)

    def landmarks(self, image: np.ndarray, box) -> np.ndarray | None:
        """(68, 2) pixels, or None when the face is refused."""
        try:
            return self._pipeline.landmarks(image, box).points
        except self._error:
            return None

    def in_box(self, corners: np.ndarray):
        """A face box that tells nothing but its (4,) corners: its five points are those of an upright face."""
        points = corners[:2] + _LAYOUT * (corners[2:] - corners[:2])
        return self._box(*corners.tolist(), score=1.0, points=points.astype(np.float32))


def run(system: Facewright, job: dict) -> dict[str, np.ndarray]:
    """Boxes of every photo, and landmarks of the labelled face where the job asks for them."""
    count = len(job["photos"])
    out: dict[str, np.ndarray] = {name: np.full((count, 68, 2), np.nan, np.float32) for name in ("points", "given")}
    out["detect_ms"], out["landmark_ms"] = np.full(count, np.nan), np.full(count, np.nan)
    boxes, owners = [np.empty((0, 4))], []
    for index, (path, truth) in enumerate(zip(job["photos"], np.array(job["truth"], float), strict=True)):
        image = read(path, job["size"])
        faces, out["detect_ms"][index] = timed(system.detect, image)
        corners = np.array([(f.x0, f.y0, f.x1, f.y1) for f in faces], float).reshape(-1, 4)
        boxes.append(corners)
        owners += [index] * len(corners)
        if not job["landmarks"] or np.isnan(truth).any():
            continue
        shares = overlap(corners, truth)
        if len(shares) and shares.max() >= FOUND:
            points, out["landmark_ms"][index] = timed(system.landmarks, image, faces[int(shares.argmax())])
            out["points"][index] = np.nan if points is None else points
        given = system.landmarks(image, system.in_box(truth)) if job["given"] else None
        out["given"][index] = np.nan if given is None else given
    return {**out, "boxes": np.concatenate(boxes), "owner": np.array(owners, int)}


def main(checkout: str, job_path: str, out_path: str) -> None:
    """Read the job, run it, write the answers."""
    job = json.loads(Path(job_path).read_text())
    use_cores(job["cores"], job["threads"])
    np.savez(out_path, **run(Facewright(Path(checkout), job["threads"]), job))


if __name__ == "__main__":
    main(*sys.argv[1:])
