"""What de-occlusion costs: time on two cores, megabytes of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from core.pipeline import Pipeline
from core.runtime.sessions import Network

from . import parsing
from .completions import METHODS, is_there, networks_of, own_network, with_method
from .data import Photo, thinned
from .deocclusion import NOT_HERE
from .parsing import Seen
from .real_completions import of_any_face, wears_glasses
from .report import Table
from .sections import Bench
from .speed import median_ms

CORES, PHOTOS, ROUNDS = 2, 8, 3
ENLARGED = 4  # times: the second size that is timed


def cost_tables(bench: Bench) -> list[Table]:
    """Time of the stage for one face, and the size of its networks."""
    settings = replace(of_any_face(bench.pipeline).settings, threads=CORES)
    pipeline = bench.pipeline.with_settings(settings)
    with processor_threads(CORES):
        return [_time_table(pipeline, bench.limit), _weight_table(pipeline)]


@contextmanager
def processor_threads(count: int) -> Iterator[None]:
    """OpenCV on so many threads for a while."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _time_table(pipeline: Pipeline, limit: int | None) -> Table:
    photos = [photo for photo in parsing.parsing_photos() if wears_glasses(parsing.label_map(photo))]
    covered = _covered(pipeline, thinned(photos, min(limit or PHOTOS, PHOTOS)))
    rows = []
    for method, name in METHODS.items():
        if not is_there(pipeline, method):
            rows.append((name, NOT_HERE, "", "", "", ""))
            continue
        chosen = with_method(pipeline, method)
        network = own_network(chosen, method)
        alone = "" if network is None else f"{median_ms(lambda one=network: one.run(**_inputs(one)), 20):.0f}"
        times = [_times(chosen, *one) for one in covered]
        large = [_times(chosen, *_enlarged(*one)) for one in covered[::4]]
        find, paint = np.median(times, axis=0)
        rows.append(
            (name, alone, f"{find:.0f}", f"{paint:.0f}", f"{find + paint:.0f}", f"{np.median(large, axis=0).sum():.0f}")
        )
    height, width = covered[0][0].shape[:2]
    return Table(
        f"De-occlusion: time for one face on {CORES} cores, ms",
        (
            "method",
            "network alone",
            "finding the mask",
            "completing",
            f"both, at {width}x{height}",
            f"both, at {ENLARGED * width}x{ENLARGED * height}",
        ),
        tuple(rows),
        f"Medians over {len(covered)} photos of `parsing` with glasses; warm, CPU. The parser finds the mask.",
    )


Covered = tuple[np.ndarray, np.ndarray]  # (H, W, 3) photo, (68, 2) landmarks of a face on which something was found


def _covered(pipeline: Pipeline, photos: list[Photo]) -> list[Covered]:
    seen: list[tuple[Photo, Seen]] = [(photo, parsing.look(pipeline, photo)) for photo in photos]
    return [(photo.image(), one.points) for photo, one in seen if one.points is not None and one.covered().any()]


def _enlarged(photo: np.ndarray, points: np.ndarray) -> Covered:
    size = (ENLARGED * photo.shape[1], ENLARGED * photo.shape[0])
    large = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    return large, ((points + 0.5) * ENLARGED - 0.5).astype(np.float32)


def _times(pipeline: Pipeline, photo: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """Milliseconds of finding the mask and of completing."""
    mask, parsed = pipeline.occluder_mask(photo, points), pipeline.parse(photo, points)
    pipeline.complete(photo, points, mask)
    find = median_ms(lambda: pipeline.occluder_mask(photo, points), ROUNDS)
    return find, median_ms(lambda: pipeline._completed(photo, points, mask, parsed), ROUNDS)


def _inputs(network: Network) -> dict[str, np.ndarray]:
    shapes = {key: tuple(k if isinstance(k, int) else 1 for k in shape) for key, shape in network.spec.inputs.items()}
    return {key: np.full(shape, 0.5, np.float32) for key, shape in shapes.items()}


def _weight_table(pipeline: Pipeline) -> Table:
    rows, total = [], 0
    for method, network in [(name, network) for name in METHODS for network in networks_of(name)]:
        if not is_there(pipeline, method):
            rows.append((METHODS[method], network, NOT_HERE))
            continue
        size = _bytes(pipeline, network)
        total += size
        rows.append((METHODS[method], network, f"{size / 1e6:.2f}"))
    rims = _bytes(pipeline, "rims")
    total += rims
    rows.append(("finding the rims of glasses", "rims", f"{rims / 1e6:.2f}"))
    rows.append(("together", "", f"{total / 1e6:.2f}"))
    rows.append(("finding the mask, shared with parsing", "parser", f"{_bytes(pipeline, 'parser') / 1e6:.2f}"))
    return Table("De-occlusion: weights, MB", ("what", "network", "size"), tuple(rows))


def _bytes(pipeline: Pipeline, network: str) -> int:
    return Path(pipeline.settings.weights_dir, f"{network}.onnx").stat().st_size
