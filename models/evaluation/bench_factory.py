"""How fast the picture factory is: labelled pictures with their clean twins, in one process and in two at a time."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from unittest import mock

import cv2
import numpy as np

from core.geometry.camera import rotation_from_angles
from core.geometry.face_model import FaceModel, load_face_model
from core.types import Camera
from models.synthesis.assets import Assets
from models.synthesis.dataset import PICTURE_SIZE, THREAD_VARIABLES, make_picture

SEED = 5
WARM = 8  # pictures made before the clock starts: loops are loaded, caches filled
_together: Barrier | None = None  # of this worker process


@dataclass(frozen=True)
class Rate:
    """What one process measured; wall seconds a picture and a call of the baseline."""

    picture: float
    baseline: float


def opencv_rasterizer(model: FaceModel, size: int) -> tuple[Camera, Callable[[], None]]:
    """A camera before the mean head, and `cv2.triangleRasterize` of that head without paint; `size` x `size` pixels."""
    middle = (size - 1) / 2
    turn = rotation_from_angles(0.1, 0.4, 0.0)
    camera = Camera(900.0 * size / 512, (middle, middle), size, size, turn, np.array([0, 0, 0.7]))
    triangles = model.triangles
    rows = np.arange(triangles.size, dtype=np.int32).reshape(-1, 1, 3)
    corners = (model.vertices @ camera.rotation.T + camera.translation)[triangles] * [1, -1, -1]
    corners = corners.astype(np.float32).reshape(-1, 1, 3)
    colors, view = np.ones_like(corners), 2 * np.arctan(size / 2 / camera.focal)

    def draw() -> None:
        color, depth = np.zeros((size, size, 3), np.float32), np.full((size, size), 2.0, np.float32)
        settings = cv2.TriangleRasterizeSettings()
        settings.setShadingType(cv2.RASTERIZE_SHADING_FLAT)
        cv2.triangleRasterize(
            corners, rows, colors, color, depth, np.eye(4, dtype=np.float32), view, 0.1, 2.0, settings
        )

    return camera, draw


def measure(processes: int, count: int = 60) -> list[Rate]:
    """Make `count` pictures in each of so many processes at once, on one thread each."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with (
        mock.patch.dict(os.environ, dict.fromkeys(THREAD_VARIABLES, "1")),  # read by the workers' libraries
        context.Pool(processes, initializer=_join, initargs=(barrier,)) as pool,
    ):
        return pool.starmap(_timed, [(1000 * worker, count) for worker in range(processes)], chunksize=1)


def _join(barrier: Barrier) -> None:
    global _together
    _together = barrier


def _timed(first: int, count: int) -> Rate:
    """Pictures `first` to `first` + `count`, each followed by the baseline, so that a busy machine slows both."""
    cv2.setNumThreads(1)
    model = load_face_model()
    assets, (_, baseline) = Assets.load(model), opencv_rasterizer(model, PICTURE_SIZE)
    for index in range(WARM):
        make_picture(assets, SEED, first + count + index)
        baseline()
    if _together is not None:
        _together.wait(timeout=300)
    ours = theirs = 0.0
    for index in range(first, first + count):
        start = time.perf_counter()
        make_picture(assets, SEED, index)
        middle = time.perf_counter()
        baseline()
        ours, theirs = ours + middle - start, theirs + time.perf_counter() - middle
    return Rate(ours / count, theirs / count)
