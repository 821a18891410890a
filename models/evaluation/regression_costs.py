"""What each regressor costs: time for one face and photo, megabytes of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.look import believed
from core.pipeline import Pipeline
from core.regressors import NETWORKS, present
from core.runtime.sessions import open_network
from core.runtime.specs import CROP_SIZE, SPECS
from core.types import Landmarks

from .deocclusion_costs import CORES, processor_threads
from .rebuilding import NAMES, networks_behind, regressed
from .report import Table
from .sections import Bench
from .speed import median_ms

ROUNDS, PHOTO_ROUNDS = 40, 3
_AFTER = ("texture", "hair")  # stages that no regressor has a part in


def cost_tables(bench: Bench) -> list[Table]:
    """One row for every regressor of this build, and one for the peer."""
    from .mobilenet_peer import peer_ms

    rows = [_row(bench.pipeline, name) for name in present()]
    with processor_threads(CORES):
        alone = [f"{peer_ms(threads):.2f}" for threads in (1, CORES)]
    peer = ("MobileNet-V1 0.5 at 120 px, the class of 3DDFA_V2's mb0.5", *alone, "", "", "", "")
    return [
        Table(
            f"Regression: time for one face on {CORES} cores, ms, and weights",
            (
                "regressor",
                "network alone, one core",
                "network alone",
                "its stage",
                "stage + fit",
                "photo to coefficients",
                "weights, MB",
            ),
            (*rows, peer),
            "Medians, warm, CPU, on the NASA portrait of scikit-image. The stage cuts the crop and looks at it and at "
            "its mirror image at once. A photo is detected, marked, parsed and regressed, and fitted; it has nothing "
            "to complete. The PCA-free model is coloured by the student, which counts in its stage and weights. "
            "3DDFA_V2's smallest network is timed with random weights, which its time does not depend on; its authors "
            "name 0.5 ms on one core of theirs.",
        )
    ]


def _row(pipeline: Pipeline, name: str) -> tuple[str, ...]:
    from skimage.data import astronaut

    settings = replace(pipeline.settings, threads=CORES, regressor=name)
    chosen, photo = pipeline.with_settings(settings), astronaut()
    with processor_threads(CORES):
        landmarks = chosen.landmarks(photo, chosen.detect(photo)[0])
        alone = [_network_ms(chosen, name, threads) for threads in (1, CORES)]
        stage = median_ms(lambda: regressed(chosen, photo, landmarks.points), ROUNDS)
        fit = median_ms(_fitting(chosen, photo, landmarks), ROUNDS)
        whole = _photo_ms(chosen, photo)
    size = sum(Path(settings.weights_dir, f"{one}.onnx").stat().st_size for one in networks_behind(name)) / 1e6
    times = [f"{value:.2f}" for value in (*alone, stage, stage + fit)]
    return (NAMES[name], *times, f"{whole:.0f}", f"{size:.2f}")


def _network_ms(pipeline: Pipeline, name: str, threads: int) -> float:
    network = open_network(SPECS[NETWORKS[name]], pipeline.settings.weights_dir, "cpu", threads)
    image = np.random.default_rng(0).random((1, 3, CROP_SIZE, CROP_SIZE), np.float32)
    network.run(image=image)
    return median_ms(lambda: network.run(image=image), ROUNDS)


def _fitting(pipeline: Pipeline, photo: np.ndarray, landmarks: Landmarks) -> Callable[[], object]:
    """The fit of a photo, ready to be timed."""
    params, crop, own = regressed(pipeline, photo, landmarks.points)
    trusted = believed(landmarks, np.zeros(photo.shape[:2], np.uint8))
    fit = pipeline._fit if own is None else own.fit
    return lambda: fit(trusted, params, crop, (photo.shape[0], photo.shape[1]))


def _photo_ms(pipeline: Pipeline, photo: np.ndarray) -> float:
    """Milliseconds of all stages but texture and hair."""
    pipeline.reconstruct(photo)
    runs = [pipeline.reconstruct(photo).timings for _ in range(PHOTO_ROUNDS)]
    return float(np.median([sum(run[stage] for stage in run if stage not in _AFTER) for run in runs]) * 1000.0)
