"""What the fit is solved with: Jacobian, directions of identity, priors, normal equations."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from core.fit_priors import FILE, read_priors
from core.geometry import fitting
from core.geometry.face_model import FaceModel
from core.geometry.landmark_basis import LandmarkBasis
from core.geometry.normal_equations import gram, solve
from core.stages.fit import Fit, observations
from core.types import EXPRESSION, IDENTITY

from .fit_people import PHOTO, make_person


def test_landmarks_see_nothing_else_of_the_identity(face_model: FaceModel) -> None:
    basis = LandmarkBasis(face_model)
    moves = basis._basis[:, :, :IDENTITY].reshape(-1, IDENTITY)
    np.testing.assert_allclose(basis.directions.T @ basis.directions, np.eye(basis.directions.shape[1]), atol=1e-12)
    other = np.eye(IDENTITY) - basis.directions @ basis.directions.T
    assert np.linalg.norm(moves @ other, 2) < 0.07 * np.linalg.norm(moves, 2)
    person = make_person(face_model, 10)
    refined, _ = Fit(face_model)(person.landmarks, person.regressed, person.crop, PHOTO)
    change = refined.identity - person.regressed.identity
    assert np.linalg.norm(change) > 0.1
    # the fit's own directions are those of half of the dense landmarks
    assert np.linalg.norm(other @ change) < 0.2 * np.linalg.norm(change)


def test_jacobian_agrees_with_finite_differences(face_model: FaceModel) -> None:
    person = make_person(face_model, 7)
    basis = LandmarkBasis(face_model)
    seen = observations(person.landmarks, fitting.FitSettings())
    shape = np.concatenate([person.regressed.identity, person.regressed.expression]).astype(np.float64)
    state = fitting.FitState(shape, person.camera.rotation, person.camera.translation)
    problem = fitting.Problem(basis, seen, state, person.camera, fitting.FitSettings())
    errors_here, points = problem.residuals(state)
    analytic = problem.jacobian(state, points)
    step = 1e-3  # shapes are moved in float32
    for column in (0, 3, 29, 30, 50, 93, 94, 95, 96, 97, 98, 99):
        change = np.zeros(problem.unknowns)
        change[column] = step
        ahead, _ = problem.residuals(problem.moved(state, change))
        behind, _ = problem.residuals(problem.moved(state, -change))
        numeric = (ahead - behind) / (2 * step)
        scale = max(float(np.abs(numeric).max()), 1.0)
        np.testing.assert_allclose(analytic[..., column], numeric, atol=5e-3 * scale, err_msg=str(column))
    assert seen.gaps is not None
    assert errors_here.shape == (basis.count + len(seen.gaps.pairs), 2)


def test_gradient_is_that_of_the_cost(face_model: FaceModel) -> None:
    """Half of it, and but for identity, whose prior the views share; the robust weights are held by a wide outlier."""
    person, settings = make_person(face_model, 7), fitting.FitSettings(outlier=1e4, expression_rate=30.0)
    basis, seen = LandmarkBasis(face_model), replace(observations(person.landmarks, settings), gaps=None)
    shape = np.concatenate([person.regressed.identity, person.regressed.expression]).astype(np.float64)
    problem = fitting.Problem(
        basis, seen, fitting.FitState(shape, person.camera.rotation, person.camera.translation), person.camera, settings
    )
    state = problem.posed()
    _, gradient = problem.normal_equations(state)
    for column in (31, 45, 60, 80, 94, 97):
        change = np.zeros(problem.unknowns)
        change[column] = 1e-3
        ahead, behind = (problem.cost(problem.moved(state, sign * change)) for sign in (1, -1))
        assert gradient[column] == pytest.approx((ahead - behind) / 4e-3, rel=0.03, abs=0.5), column


def test_sliders_rest_unless_the_photo_asks(face_model: FaceModel) -> None:
    person = make_person(face_model, 3)
    (resting, _), (moved, _) = (
        Fit(face_model, fitting.FitSettings(expression_rate=rate))(
            person.landmarks, person.regressed, person.crop, PHOTO
        )
        for rate in (40.0, 0.0)
    )
    assert resting.expression.sum() < 0.9 * moved.expression.sum()
    assert np.abs(resting.expression - moved.expression).max() < 0.35


def test_sliders_that_no_landmark_tells_of_stay_as_regressed(face_model: FaceModel) -> None:
    person = make_person(face_model, 4)
    refined, _ = Fit(face_model)(person.landmarks, person.regressed, person.crop, PHOTO)
    held = np.array([name.startswith(("eyeLook", "pupilDilate")) for name in face_model.expression_names])
    regressed = np.clip(person.regressed.expression, 0.0, 1.0)
    np.testing.assert_allclose(refined.expression[held], regressed[held], atol=1e-7)
    assert np.abs(refined.expression - regressed)[~held].max() > 0.02


def test_priors_of_a_regressor_are_read(tmp_path: Path) -> None:
    assert read_priors(tmp_path, "student").identity_sigma == fitting.FitSettings.identity_sigma
    entry = {"identity_sigma": [0.3] * IDENTITY, "expression_sigma": [0.05] * EXPRESSION}
    (tmp_path / FILE).write_text(json.dumps({"student": entry}))
    settings = read_priors(tmp_path, "student")
    np.testing.assert_array_equal(settings.identity_sigma, np.full(IDENTITY, 0.3))
    assert read_priors(tmp_path, "teacher").expression_sigma == fitting.FitSettings.expression_sigma
    (tmp_path / FILE).write_text(json.dumps({"student": {**entry, "expression_sigma": [0.05]}}))
    with pytest.raises(WeightsError, match="expression_sigma has shape"):
        read_priors(tmp_path, "student")


def test_narrow_priors_hold_single_coefficients(face_model: FaceModel) -> None:
    person, sigma = make_person(face_model, 2), np.full(IDENTITY, 0.4)
    sigma[5] = 1e-3
    refined, _ = Fit(face_model, fitting.FitSettings(identity_sigma=sigma))(
        person.landmarks, person.regressed, person.crop, PHOTO
    )
    moved = np.abs(refined.identity - person.regressed.identity)
    assert moved[5] < 1e-3 < 0.05 < np.median(moved[:5])


@pytest.mark.parametrize("unknowns", [6, 40, 90, 150, 200, 290])
def test_normal_equations_agree_with_numpy(unknowns: int) -> None:
    rng = np.random.default_rng(unknowns)
    rows = rng.normal(size=(800, unknowns)).astype(np.float32)
    if unknowns in (6, 90, 150, 200):
        scaled = rows * rng.random((800, 1)).astype(np.float32)
        np.testing.assert_allclose(gram(scaled, rows), scaled.T.astype(float) @ rows, atol=2e-3)
    matrix, right = rows.T.astype(float) @ rows, rng.normal(size=unknowns)
    np.testing.assert_allclose(solve(matrix, right), np.linalg.solve(matrix, right), rtol=1e-8, atol=1e-12)


def test_singular_equations_are_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        solve(np.zeros((30, 30)), np.ones(30))
