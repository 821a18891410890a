"""The fit round the mouth: slivers between lips, and what the parser says of them."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry import fitting
from core.geometry.camera import (
    project,
)
from core.geometry.face_model import FaceModel
from core.geometry.mouth import Mouth
from core.stages.fit import Fit, lip_gaps, observations
from core.types import EXPRESSION, Camera, FaceParams

from .fit_people import PHOTO, Person, make_person


@pytest.mark.parametrize(("opening", "kept"), [(0.01, 0.0), (0.2, 1.0)])
def test_a_sliver_between_lips_is_none(opening: float, kept: float) -> None:
    points = np.zeros((68, 2))
    points[[61, 62, 63], 1] = -100.0 * opening
    gaps = lip_gaps(points, 100.0, fitting.FitSettings())
    np.testing.assert_allclose(gaps.offset, [[0.0, -100.0 * opening * kept]] * 3)


def test_lips_close_where_the_landmarks_nearly_touch(face_model: FaceModel) -> None:
    """The regression leaves the jaw ajar, the landmarks are those of closed lips."""
    person = make_person(face_model, 9, noise=0.001)
    rest = replace(person.regressed, expression=np.zeros(EXPRESSION, np.float32))
    vertices = face_model.shape(rest.identity)
    points = project(person.camera, face_model.visible_landmarks(vertices, person.camera.rotation))[:, :2]
    dense = project(person.camera, face_model.dense_landmarks(vertices))[:, :2]
    landmarks = replace(person.landmarks, points=points.astype(np.float32), dense=dense.astype(np.float32))
    ajar = rest.expression.copy()
    ajar[face_model.expression_names.index("jawOpen")] = 0.15
    refined, _ = Fit(face_model)(landmarks, replace(rest, expression=ajar), person.crop, PHOTO)
    inner = face_model.landmarks(face_model.shape(refined.identity, refined.expression))
    before = face_model.landmarks(face_model.shape(rest.identity, ajar))
    assert np.linalg.norm(inner[62] - inner[66]) < 0.35 * np.linalg.norm(before[62] - before[66])


def ajar(model: FaceModel, opening: float) -> Person:
    """Somebody whose landmarks and regression have the jaw open by a slider."""
    person = make_person(model, 9)
    expression = np.zeros(EXPRESSION, np.float32)
    expression[model.expression_names.index("jawOpen")] = opening
    vertices = model.shape(person.regressed.identity, expression)
    points = project(person.camera, model.visible_landmarks(vertices, person.camera.rotation))[:, :2]
    dense = project(person.camera, model.dense_landmarks(vertices))[:, :2]
    landmarks = replace(person.landmarks, points=points.astype(np.float32), dense=dense.astype(np.float32))
    regressed = replace(person.regressed, expression=0.6 * expression)
    return replace(person, landmarks=landmarks, regressed=regressed, vertices=vertices)


def lips_apart(model: FaceModel, fitted: tuple[FaceParams, Camera]) -> float:
    """Mean distance of the inner rims in the picture over that of the outer eye corners."""
    params, camera = fitted
    points = project(camera, model.landmarks(model.shape(params.identity, params.expression)))[:, :2]
    rims = np.linalg.norm(points[[61, 62, 63]] - points[[67, 66, 65]], axis=1)
    return float(rims.mean() / np.linalg.norm(points[36] - points[45]))


@pytest.mark.parametrize("opening", [0.1, 0.25])
def test_lips_close_where_the_parser_sees_them_shut(face_model: FaceModel, opening: float) -> None:
    person, fit = ajar(face_model, opening), Fit(face_model)
    by_points, between, shut = (
        fit(person.landmarks, person.regressed, person.crop, PHOTO, mouth=mouth)
        for mouth in (None, Mouth(0.17), Mouth(0.03))
    )
    assert lips_apart(face_model, by_points) > 0.05
    assert lips_apart(face_model, shut) < 0.01
    assert lips_apart(face_model, shut) < lips_apart(face_model, between) < lips_apart(face_model, by_points)
    # nothing but the mouth follows
    upper = face_model.in_regions("forehead", "brow_right", "brow_left", "lids_right", "lids_left", "nose")
    moved = [face_model.shape(params.identity, params.expression)[upper] for params, _ in (by_points, shut)]
    assert np.linalg.norm(moved[0] - moved[1], axis=1).max() < 0.0015


def test_a_mouth_that_is_overruled_makes_the_jaw_doubtful(face_model: FaceModel) -> None:
    settings = fitting.FitSettings()
    landmarks = ajar(face_model, 0.25).landmarks
    agreed, overruled = (observations(landmarks, settings, mouth).weight for mouth in (0.45, 0.03))
    assert (overruled[[7, 8, 9, *range(48, 68)]] < 0.3 * agreed[[7, 8, 9, *range(48, 68)]]).all()
    np.testing.assert_array_equal(overruled[17:31], agreed[17:31])
    sliver = ajar(face_model, 0.02).landmarks
    agreed, overruled = (observations(sliver, settings, mouth).weight for mouth in (None, 0.03))
    np.testing.assert_allclose(overruled, agreed, atol=0.3)


def test_an_open_mouth_stays_as_the_landmarks_have_it(face_model: FaceModel) -> None:
    person, fit = ajar(face_model, 0.4), Fit(face_model)
    by_points = fit(person.landmarks, person.regressed, person.crop, PHOTO)
    seen_open, _ = fit(person.landmarks, person.regressed, person.crop, PHOTO, mouth=Mouth(0.45))
    np.testing.assert_array_equal(by_points[0].to_vector(), seen_open.to_vector())
    assert lips_apart(face_model, by_points) > 0.15
