"""`python -m models.evaluation.bench`: our parts timed against a named baseline in the same run, as ratios."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import least_squares

from core.geometry.alignment import crop_matrix, extract
from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.hair_curves import USUAL_COUNT, grown_strands
from core.geometry.rasterizer import rasterize
from core.geometry.uv_sampling import build_atlas
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE
from core.settings import Settings
from core.stages.fit import Fit
from core.stages.hair import Hair
from core.stages.texture import Texture
from core.types import Camera, FaceResult

from .bench_factory import measure, opencv_rasterizer
from .data import PEERS
from .systems import YuNet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Median seconds of ours and of the baseline, measured in alternation."""

    name: str
    baseline: str
    ours: float
    theirs: float

    def text(self) -> str:
        """One line of the table."""
        ratio = self.ours / self.theirs
        ours, theirs = 1000 * self.ours, 1000 * self.theirs
        return f"{self.name:34s} {ours:9.2f} ms   {ratio:6.2f} x  {self.baseline} ({theirs:.2f} ms)"


def compare(name: str, ours: Callable, baseline: str, theirs: Callable, rounds: int) -> Timing:
    """Alternate the two, so that a busy machine slows both, and take medians."""
    ours()
    theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, into in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            call()
            into.append(time.perf_counter() - start)
    return Timing(name, baseline, float(np.median(times[0])), float(np.median(times[1])))


def detector(pipeline: Pipeline, photo: np.ndarray, rounds: int) -> Timing:
    """Detection at 640x480 against YuNet."""
    picture, peer = cv2.resize(photo, (640, 480)), YuNet(0.6)
    return compare("detect 640x480", lambda: pipeline.detect(picture), "YuNet", lambda: peer(picture), rounds)


def rasterizer(model: FaceModel, rounds: int) -> Timing:
    """Our exact z-buffer against the bare OpenCV call it builds on."""
    camera, bare = opencv_rasterizer(model, 512)
    points, triangles = project(camera, model.vertices), model.triangles
    return compare(
        "z-buffer, whole head, 512x512",
        lambda: rasterize(points, triangles, 512, 512),
        "cv2.triangleRasterize",
        bare,
        rounds,
    )


def factory(processes: int) -> Timing:
    """A labelled synthetic picture with its clean twin, in so many processes at once, against a bare unpainted head."""
    rates = measure(processes)
    ours = 1.0 / sum(1.0 / rate.picture for rate in rates)
    theirs = 1.0 / sum(1.0 / rate.baseline for rate in rates)
    log.info("%.1f pictures a second in %d process(es)", 1.0 / ours, processes)
    return Timing(f"picture and twin, 192x192, x{processes}", "cv2.triangleRasterize, bare head", ours, theirs)


def fit(pipeline: Pipeline, photo: np.ndarray, result: FaceResult, rounds: int) -> Timing:
    """The whole fit (identity, expression, pose) against SciPy solving the six pose values alone."""
    model = pipeline.face_model
    params = pipeline.regress(photo, result.landmarks.points)
    crop = extract(photo, crop_matrix(result.landmarks.points, CROP_SIZE), CROP_SIZE)
    solve = Fit(model, pipeline.fit_settings)
    points = model.landmarks(model.shape(params.identity, params.expression))
    camera, truth = result.camera, result.landmarks.points

    def residual(pose: np.ndarray) -> np.ndarray:
        moved = Camera(
            camera.focal, camera.center, camera.width, camera.height, rotation_from_angles(*pose[:3]), pose[3:]
        )
        return (project(moved, points)[:, :2] - truth).ravel()

    start = np.r_[params.pose[:3], camera.translation]
    return compare(
        "fit, 150 unknowns",
        lambda: solve(result.landmarks, params, crop, (camera.height, camera.width)),
        "scipy least_squares, pose alone, 6 unknowns",
        lambda: least_squares(residual, start, loss="soft_l1"),
        rounds,
    )


def texture(pipeline: Pipeline, photo: np.ndarray, result: FaceResult, rounds: int) -> Timing:
    """The skin read, de-lit, blended and filled in, against the bare photo projected on the same layout."""
    model, camera = pipeline.face_model, result.camera
    unwrap, skin = Texture(model), build_atlas(model, len(result.texture.source)).skin
    parts = pipeline.parse(photo, result.landmarks.points).parts

    def projected() -> np.ndarray:
        places = skin.image(skin.interpolate(project(camera, result.vertices)[:, :2]))
        return cv2.remap(photo, np.ascontiguousarray(places[..., 0]), places[..., 1].copy(), cv2.INTER_CUBIC)

    return compare(
        "texture, 1024x1024",
        lambda: unwrap(photo, result.params, camera, result.landmarks, parts=parts),
        "the photo projected, cv2.remap",
        projected,
        rounds,
    )


def hair(pipeline: Pipeline, photo: np.ndarray, result: FaceResult, rounds: int) -> Timing:
    """The hair's shape and picture, against the skin's texture."""
    shape, unwrap = Hair(pipeline.face_model), Texture(pipeline.face_model)
    parts = pipeline.parse(photo, result.landmarks.points).parts
    return compare(
        "hair, mesh and picture",
        lambda: shape(photo, parts, result.neutral, result.camera, result.texture),
        "the skin's texture, 1024x1024",
        lambda: unwrap(photo, result.params, result.camera, result.landmarks, parts=parts),
        rounds,
    )


def strands(pipeline: Pipeline, photo: np.ndarray, result: FaceResult, rounds: int) -> Timing:
    """The strands that Blender gets by default, against the mesh and picture that they grow on."""
    made, shape = result.hair, Hair(pipeline.face_model)
    assert made is not None
    parts = pipeline.parse(photo, result.landmarks.points).parts
    height = np.full(len(made.vertices), 0.02)
    return compare(
        f"hair, {USUAL_COUNT} strands",
        lambda: grown_strands(made, height, USUAL_COUNT, 1.2e-4),
        "hair, mesh and picture",
        lambda: shape(photo, parts, result.neutral, result.camera, result.texture),
        rounds,
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from skimage.data import astronaut

    photo, pipeline = astronaut(), Pipeline(Settings())
    result = pipeline.reconstruct(photo)
    timings = [detector(pipeline, photo, rounds)] if PEERS.exists() else []
    timings += [rasterizer(pipeline.face_model, rounds), fit(pipeline, photo, result, rounds)]
    timings += [texture(pipeline, photo, result, rounds), hair(pipeline, photo, result, rounds)]
    timings.append(strands(pipeline, photo, result, rounds))
    timings += [factory(processes) for processes in (1, 2)]
    for timing in timings:
        log.info(timing.text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
