"""`python -m models.evaluation.fit_priors --people 300`: measures a regressor and tunes the fit's priors to it.

On rendered people that neither training nor the evaluation draws: the root mean square error of every regressed
coefficient, then vertex, slider and landmark errors after a fit whose prior deviations are those errors times a factor,
one for the identity and one for the expression. Landmarks count because narrow priors flatter the shape alone: the
head would no longer lie on the photo. The best pair is written beside the weights, where the pipeline reads it.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from core.errors import FaceError
from core.fit_priors import FILE, read_priors
from core.geometry.alignment import crop_matrix, extract
from core.geometry.camera import camera_from_pose, project
from core.geometry.face_model import FACE_REGIONS, FaceModel
from core.geometry.fitting import FitSettings
from core.geometry.landmark_basis import LandmarkBasis
from core.geometry.mouth import Mouth, see_mouth
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE
from core.settings import Settings
from core.stages.fit import Fit, likely_focal
from core.types import EXPRESSION, IDENTITY, LANDMARKS, Camera, Crop, FaceParams, Landmarks
from models.synthesis.dataset import held_out_pictures

from .data import ROOT
from .metrics import INNER, landmark_error, vertex_error
from .report import Table
from .shape_metrics import SLIDERS
from .variants import factory_digest

log = logging.getLogger(__name__)
SEED = 990_011  # of no training set and no evaluation
FACTORS = (0.2, 0.3, 0.45, 0.65, 1.0)
_THINNED = 5  # every so many vertices of the face are compared
_LEAST = (0.02, 0.004)  # deviations of identity and sliders; a prior of none would hold a coefficient for good


@dataclass(frozen=True, eq=False)
class Sample:
    """What the networks say about one picture, and the truth."""

    landmarks: Landmarks
    regressed: FaceParams
    crop: Crop
    mouth: Mouth | None
    shape: tuple[int, int]  # height, width
    truth: FaceParams
    points: np.ndarray  # (68, 2) true landmarks, pixels


class Ruler:
    """Errors of a fitted head: vertices at rest and posed, mm after rigid alignment, named sliders, inner landmarks."""

    def __init__(self, model: FaceModel) -> None:
        rows = np.flatnonzero(model.in_regions(*FACE_REGIONS))[::_THINNED]
        self._mean = model.vertices[rows]
        self._bases = model.identity_basis[:, rows], model.expression_basis[:, rows]
        self._landmarks = LandmarkBasis(model)
        self._named = [model.expression_names.index(name) for name in SLIDERS]

    def __call__(self, params: FaceParams, camera: Camera, sample: Sample) -> tuple[float, float, float, float]:
        """Neutral mm, posed mm, mean absolute slider error, inner landmarks in per cent of the eyes' distance."""
        (neutral, posed), (true_neutral, true_posed) = self._shapes(params), self._shapes(sample.truth)
        sliders = float(np.abs(params.expression - sample.truth.expression)[self._named].mean())
        shape = np.concatenate([params.identity, params.expression])
        points = project(camera, self._landmarks.at(shape, camera.rotation).points(shape)[:LANDMARKS])[:, :2]
        placed = landmark_error(points, sample.points, INNER)
        return vertex_error(neutral, true_neutral), vertex_error(posed, true_posed), sliders, placed

    def _shapes(self, params: FaceParams) -> tuple[np.ndarray, np.ndarray]:
        identity, expression = self._bases
        neutral = self._mean + np.tensordot(params.identity, identity, axes=1)
        return neutral, neutral + np.tensordot(params.expression, expression, axes=1)


def pictures(model: FaceModel, people: int) -> Iterator[tuple[np.ndarray, FaceParams, np.ndarray]]:
    """Pictures, their coefficients and (68, 2) landmarks, rendered once and kept under build/."""
    path = ROOT / "build" / "fit_priors" / f"{factory_digest()[:12]}-{people}.npz"
    if not path.exists():
        log.info("rendering %d people", people)
        made = held_out_pictures(model, people, seed=SEED)
        rows = [(picture.image, picture.coefficients, picture.landmarks[:LANDMARKS]) for picture in made]
        images, coefficients, points = map(np.array, zip(*rows, strict=True))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, images=images, coefficients=coefficients, points=points)
    with np.load(path) as data:
        images, coefficients, points = data["images"], data["coefficients"], data["points"]
    yield from zip(images, map(FaceParams.from_vector, coefficients), points, strict=True)


def look(pipeline: Pipeline, people: int) -> list[Sample]:
    """What the networks see on every picture; faces that the detector misses are left out."""
    samples = []
    for image, truth, points in pictures(pipeline.face_model, people):
        try:
            landmarks = pipeline.landmarks(image, pipeline.detect(image)[0])
        except (FaceError, IndexError):
            continue
        parsed = pipeline.parse(image, landmarks.points)
        height, width = image.shape[:2]
        samples.append(
            Sample(
                landmarks,
                pipeline.regress(image, landmarks.points),
                extract(image, crop_matrix(landmarks.points, CROP_SIZE), CROP_SIZE),
                see_mouth(image, parsed.parts, parsed.occluded, landmarks.points),
                (height, width),
                truth,
                points,
            )
        )
    return samples


def coefficient_errors(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square errors of the regressed identity (80,) and expression (64,)."""
    identity = [sample.regressed.identity - sample.truth.identity for sample in samples]
    expression = [sample.regressed.expression - sample.truth.expression for sample in samples]
    return _rms(identity), _rms(expression)


def _rms(errors: list[np.ndarray]) -> np.ndarray:
    return np.sqrt(np.square(np.array(errors, np.float64)).mean(axis=0))


def errors_before(model: FaceModel, samples: Sequence[Sample]) -> np.ndarray:
    """(4,) mean errors of `Ruler` without a fit."""
    ruler, rows = Ruler(model), []
    for sample in samples:
        pose, crop = sample.regressed.pose, sample.crop
        focal = likely_focal(pose, crop, sample.shape)
        camera = camera_from_pose(pose, crop.matrix, crop.size, sample.shape, focal)
        rows.append(ruler(sample.regressed, camera, sample))
    return np.mean(rows, axis=0)


def errors_after(model: FaceModel, samples: Sequence[Sample], settings: FitSettings) -> np.ndarray:
    """(4,) mean errors of `Ruler` after the fit under `settings`."""
    fit, ruler = Fit(model, settings), Ruler(model)
    rows = []
    for sample in samples:
        params, camera = fit(sample.landmarks, sample.regressed, sample.crop, sample.shape, mouth=sample.mouth)
        rows.append(ruler(params, camera, sample))
    return np.mean(rows, axis=0)


def tune(model: FaceModel, samples: Sequence[Sample], present: FitSettings) -> tuple[FitSettings, Table]:
    """The best settings and the table of all that were tried; judged by the four errors over the regression's."""
    errors = coefficient_errors(samples)
    tried = [("as it was", "", present)]
    for factors in product(FACTORS, FACTORS):
        sigma = [np.maximum(factor * size, least) for factor, size, least in zip(factors, errors, _LEAST, strict=True)]
        settings = replace(present, identity_sigma=sigma[0], expression_sigma=sigma[1])
        tried.append((str(factors[0]), str(factors[1]), settings))
    alone = errors_before(model, samples)
    rows, scores = [("regression alone", "", *_cells(alone, alone))], []
    for one, other, settings in tried:
        found = errors_after(model, samples, settings)
        scores.append((found / alone).sum())
        rows.append((one, other, *_cells(found, alone)))
        log.info(" ".join(rows[-1]))
    best = int(np.argmin(scores))
    header = ("identity", "expression", "neutral, mm", "posed, mm", "named sliders", "inner 51, %", "sum of shares")
    note = f"{len(samples)} people. Factors on the regressor's errors; best: {' '.join(tried[best][:2]).rstrip()}."
    return tried[best][2], Table("Priors of the fit", header, tuple(rows), note)


def _cells(errors: np.ndarray, alone: np.ndarray) -> tuple[str, ...]:
    neutral, posed, sliders, placed = errors
    return f"{neutral:.3f}", f"{posed:.3f}", f"{sliders:.4f}", f"{placed:.2f}", f"{(errors / alone).sum():.4f}"


def coefficient_table(model: FaceModel, samples: Sequence[Sample]) -> Table:
    """The regressor's error per coefficient beside what the truth itself varies by."""
    identity, expression = coefficient_errors(samples)
    spread = _rms([sample.truth.identity for sample in samples]), _rms([sample.truth.expression for sample in samples])
    names = *(f"identity {number}" for number in range(1, IDENTITY + 1)), *model.expression_names
    columns = zip(names, np.concatenate([identity, expression]), np.concatenate(spread), strict=True)
    rows = tuple((name, f"{error:.3f}", f"{size:.3f}") for name, error, size in columns)
    return Table("Regressed coefficients", ("coefficient", "RMS error", "RMS of the truth"), rows)


def write_priors(path: Path, regressor: str, settings: FitSettings, people: int) -> None:
    """Put the priors of one regressor into the file, which keeps those of others."""
    record = json.loads(path.read_text()) if path.exists() else {}
    sizes = {"identity_sigma": IDENTITY, "expression_sigma": EXPRESSION}
    entry = {name: np.broadcast_to(getattr(settings, name), size).round(4).tolist() for name, size in sizes.items()}
    record[regressor] = {**entry, "people": people, "seed": SEED}
    path.write_text(json.dumps(record, indent=1) + "\n")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--regressor", default="regressor", help="whose priors these are: its name in the weights")
    parser.add_argument("--coefficients", action="store_true", help="print the error of every coefficient too")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pipeline = Pipeline(Settings())
    model, folder = pipeline.face_model, pipeline.settings.weights_dir
    samples = look(pipeline, chosen.people)
    if chosen.coefficients:
        log.info(coefficient_table(model, samples).markdown())
    settings, table = tune(model, samples, read_priors(folder, chosen.regressor))
    log.info(table.markdown())
    write_priors(folder / FILE, chosen.regressor, settings, len(samples))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
