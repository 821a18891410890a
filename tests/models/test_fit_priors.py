"""The tool that tunes the fit's priors: on people whose networks' errors are known."""

from pathlib import Path

import numpy as np
import pytest

from core.fit_priors import FILE, read_priors
from core.geometry.alignment import crop_matrix
from core.geometry.camera import pose_from_camera, project, rotation_from_angles
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.fitting import FitSettings
from core.runtime.specs import CROP_SIZE
from core.types import ALBEDO, EXPRESSION, IDENTITY, Camera, Crop, FaceParams, Landmarks
from models.evaluation import fit_priors
from models.evaluation.fit_priors import Sample, coefficient_errors, errors_after, errors_before, tune, write_priors

ERRORS = np.linspace(0.2, 0.8, IDENTITY)  # of the regressed identity


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_face_model()


@pytest.fixture(scope="module")
def samples(model: FaceModel) -> list[Sample]:
    return [make_sample(model, np.random.default_rng(seed)) for seed in range(6)]


def make_sample(model: FaceModel, rng: np.random.Generator) -> Sample:
    """A face with exact landmarks, badly regressed."""
    camera = Camera(700.0, (159.5, 159.5), 320, 320, rotation_from_angles(0.1, 0.3, 0.0), np.array([0.0, 0.0, 1.0]))
    identity, expression = rng.normal(size=IDENTITY), rng.uniform(0, 0.4, EXPRESSION) * (rng.random(EXPRESSION) < 0.2)
    vertices = model.shape(identity, expression)
    surface = np.concatenate([model.visible_landmarks(vertices, camera.rotation), model.dense_landmarks(vertices)])
    points = project(camera, surface)[:, :2].astype(np.float32)
    matrix = crop_matrix(points[:68], CROP_SIZE)
    pose = pose_from_camera(camera, matrix, CROP_SIZE).astype(np.float32)

    def params(identity: np.ndarray, expression: np.ndarray) -> FaceParams:
        vector = np.concatenate([identity, expression, np.zeros(ALBEDO), np.ones(9), pose])
        return FaceParams.from_vector(vector.astype(np.float32))

    wrong = identity + ERRORS * rng.normal(size=IDENTITY), np.clip(expression + rng.normal(0, 0.1, EXPRESSION), 0, 1)
    seen = Landmarks(points[:68], points[68:], np.ones(len(points), np.float32), np.full(len(points), 0.5, np.float32))
    crop = Crop(matrix, CROP_SIZE, np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8))
    return Sample(seen, params(*wrong), crop, None, (320, 320), params(identity, expression), points[:68])


def test_errors_per_coefficient(samples: list[Sample]) -> None:
    identity, expression = coefficient_errors(samples)
    assert np.corrcoef(identity, ERRORS)[0, 1] > 0.5
    assert identity.mean() == pytest.approx(ERRORS.mean(), rel=0.1)
    assert 0.02 < expression.mean() < 0.1


def test_the_best_factors_are_found_and_kept(
    model: FaceModel, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_priors, "FACTORS", (0.1, 1.0))
    settings, table = tune(model, samples, FitSettings())
    alone, after = errors_before(model, samples), errors_after(model, samples, settings)
    assert (after[:2] < 0.8 * alone[:2]).all() and after[3] < 0.5 * alone[3]
    assert len(table.rows) == 2 + 4  # without a fit, as it was, all pairs
    assert "best: 1.0" in table.note  # exact landmarks are to be followed
    write_priors(tmp_path / FILE, "student", settings, len(samples))
    write_priors(tmp_path / FILE, "teacher", FitSettings(), len(samples))
    np.testing.assert_allclose(read_priors(tmp_path, "student").identity_sigma, settings.identity_sigma, atol=1e-4)
    np.testing.assert_allclose(read_priors(tmp_path, "teacher").expression_sigma, np.full(EXPRESSION, 0.1))
