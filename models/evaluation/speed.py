"""Times: the systems in turns on the same photos and cores, single networks, the stages of a reconstruction."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from core.errors import WeightsError
from core.pipeline import Pipeline
from core.runtime.sessions import open_network
from core.runtime.specs import SPECS, NetworkSpec

from . import data
from .data import Photo
from .report import Table
from .sections import YUNET, YUNET_THRESHOLD, Bench
from .systems import VGA, Predictions, YuNet

PHOTOS, ROUNDS = 24, 3
CORES = (2, 1)
NETWORK_ROUNDS = 40


def speed_tables(bench: Bench) -> list[Table]:
    """Times of every system on the same photos and cores, in turns."""
    photos = data.thinned(data.landmarks68(), PHOTOS)
    rows = []
    for cores in CORES:
        runs: dict[str, list[Predictions]] = {system.name: [] for system in bench.systems}
        yunet: list[float] = []
        for _ in range(ROUNDS):
            for system in bench.systems:
                runs[system.name].append(system.time(photos, cores))
            yunet += _yunet_times(photos, cores)
        for name, answers in runs.items():
            detect = np.concatenate([answer.detect_ms for answer in answers])
            marks = np.concatenate([answer.landmark_ms for answer in answers])
            rows.append((str(cores), name, *_times(detect, marks)))
        rows.append((str(cores), YUNET, f"{np.median(yunet):.1f}", "", ""))
    return [
        Table(
            "Time per photo at 640x480, ms",
            ("cores", "system", "detect", "landmarks", "both"),
            tuple(rows),
            f"Medians over {PHOTOS} photos and {ROUNDS} rounds in which the systems take turns. MediaPipe "
            "detects and places points in one call. Facewright's landmarks are several looks; see the next table for "
            "one look.",
        ),
        _network_times(bench),
    ]


def _times(detect: np.ndarray, marks: np.ndarray) -> tuple[str, str, str]:
    both = f"{np.nanmedian(detect + marks):.1f}"
    if np.nanmax(marks, initial=0.0) == 0.0:  # one call for both
        return "", "", both
    return f"{np.median(detect):.1f}", f"{np.nanmedian(marks):.1f}", both


def _yunet_times(photos: list[Photo], cores: int) -> list[float]:
    detect, before = YuNet(YUNET_THRESHOLD), cv2.getNumThreads()
    cv2.setNumThreads(cores)
    pictures = [cv2.resize(photo.image(), VGA, interpolation=cv2.INTER_AREA) for photo in photos]
    detect(pictures[0])
    times = [median_ms(lambda picture=picture: detect(picture), 1) for picture in pictures]
    cv2.setNumThreads(before)
    return times


def median_ms(call: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of a call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000.0)


def _network_times(bench: Bench) -> Table:
    """One look of every network that takes a picture of fixed size."""
    rows = []
    for name, spec in SPECS.items():
        side = spec.inputs["image"][-1]
        if isinstance(side, int):
            rows.append((name, f"{side}x{side}", *(_network_time(bench, spec, cores) for cores in CORES)))
    header = ("network", "input", *(f"ms, cores: {cores}" for cores in CORES))
    return Table(
        "Time per look of each network", header, tuple(rows), f"Medians of {NETWORK_ROUNDS}, CPU, without cropping."
    )


def _network_time(bench: Bench, spec: NetworkSpec, cores: int) -> str:
    try:
        network = open_network(spec, bench.pipeline.settings.weights_dir, "cpu", cores)
    except WeightsError:
        return "not in this build"
    rng = np.random.default_rng(0)
    count = spec.batch or 1
    shapes = {key: (count, *(int(length) for length in shape[1:])) for key, shape in spec.inputs.items()}
    inputs = {key: rng.random(shape, np.float32) for key, shape in shapes.items()}
    network.run(**inputs)
    return f"{median_ms(lambda: network.run(**inputs), NETWORK_ROUNDS) / count:.1f}"


def stage_table(pipeline: Pipeline, rounds: int = 7) -> Table:
    """Median milliseconds per stage of a warm reconstruction of the NASA portrait."""
    from skimage.data import astronaut

    photo = astronaut()
    pipeline.reconstruct(photo)
    runs = [pipeline.reconstruct(photo).timings for _ in range(rounds)]
    medians = {stage: float(np.median([run[stage] for run in runs])) for stage in runs[0]}
    rows = [(stage, f"{1000 * seconds:.0f}") for stage, seconds in medians.items()]
    rows.append(("total", f"{1000 * sum(medians.values()):.0f}"))
    return Table("Warm photo to FaceResult, ms", ("stage", "median"), tuple(rows))
