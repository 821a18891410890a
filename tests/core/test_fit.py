"""The fit on synthetic truth: geometry gets better, hidden points and outliers do not matter, bounds hold."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry import fitting
from core.geometry.camera import (
    camera_from_pose,
    default_focal,
    pose_from_camera,
    project,
)
from core.geometry.face_model import FaceModel
from core.stages.fit import Fit, likely_focal, observations
from core.types import EXPRESSION, IDENTITY, Crop, Landmarks

from .fit_people import PHOTO, SIZE, Person, make_person, shape_error


def errors(model: FaceModel, person: Person, landmarks: Landmarks | None = None) -> tuple[float, float, float]:
    """Shape error, mm, of the mean face, of the regression, and after the fit."""
    refined, _ = Fit(model)(landmarks or person.landmarks, person.regressed, person.crop, PHOTO)
    mean = replace(person.regressed, identity=np.zeros(IDENTITY), expression=np.zeros(EXPRESSION))
    return tuple(shape_error(model, params, person.vertices) for params in (mean, person.regressed, refined))


def test_shapes_get_better_than_the_regression_and_the_mean(face_model: FaceModel) -> None:
    found = np.array([errors(face_model, make_person(face_model, seed)) for seed in range(12)])
    mean, regressed, fitted = found.mean(axis=0)
    assert fitted < 0.9 * regressed < 0.9 * mean
    assert (found[:, 2] < found[:, 0]).all()


def test_outliers_and_hidden_points_do_little_harm(face_model: FaceModel) -> None:
    found = []
    for seed in range(8):
        person, rng = make_person(face_model, seed), np.random.default_rng(seed)
        wild = rng.random(len(person.landmarks.sigma)) < 0.3
        shift = rng.normal(size=(len(wild), 2)) * wild[:, None] * 30.0
        spoiled = replace(
            person.landmarks,
            points=(person.landmarks.points + shift[:68]).astype(np.float32),
            dense=(person.landmarks.dense + shift[68:]).astype(np.float32),
        )
        found.append(errors(face_model, person, spoiled))
    _, regressed, fitted = np.mean(found, axis=0)
    assert fitted < regressed


def test_hidden_points_weigh_nothing(face_model: FaceModel) -> None:
    person = make_person(face_model, 1)
    visibility = person.landmarks.visibility.copy()
    visibility[48:68] = 0.1
    hidden = replace(person.landmarks, visibility=visibility)
    moved = hidden.points.copy()
    moved[48:68] += 80.0
    fit = Fit(face_model)
    weight = observations(hidden, fitting.FitSettings()).weight
    assert (weight[48:68] == 0).all() and weight[:48].all()
    at_rest, camera = fit(hidden, person.regressed, person.crop, PHOTO)
    displaced, other = fit(replace(hidden, points=moved), person.regressed, person.crop, PHOTO)
    # the eyes' distance and the extent set the sigma floor, so the comparison is not exact to the bit
    np.testing.assert_allclose(at_rest.identity, displaced.identity, atol=0.12)
    np.testing.assert_allclose(camera.rotation, other.rotation, atol=5e-3)


def test_expression_stays_in_bounds(face_model: FaceModel) -> None:
    person = make_person(face_model, 2)
    rng = np.random.default_rng(0)
    shaken = replace(
        person.landmarks, points=(person.landmarks.points + rng.normal(size=(68, 2)) * 15).astype(np.float32)
    )
    refined, _ = Fit(face_model)(shaken, person.regressed, person.crop, PHOTO)
    assert refined.expression.min() >= 0.0 and refined.expression.max() <= 1.0
    assert np.isfinite(refined.to_vector()).all()


def test_wrong_regressed_pose_is_replaced(face_model: FaceModel) -> None:
    person = make_person(face_model, 3)
    pose = person.regressed.pose + np.array([0.5, -0.9, 0.4, 1.0, 0.15, -0.2], np.float32)
    refined, camera = Fit(face_model)(person.landmarks, replace(person.regressed, pose=pose), person.crop, PHOTO)
    turn = camera.rotation @ person.camera.rotation.T
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) < 6.0
    assert shape_error(face_model, refined, person.vertices) < 1.3 * shape_error(
        face_model, person.regressed, person.vertices
    )


def test_nothing_visible_keeps_the_regression(face_model: FaceModel) -> None:
    person = make_person(face_model, 4)
    blind = replace(person.landmarks, visibility=np.zeros_like(person.landmarks.visibility))
    refined, _ = Fit(face_model)(blind, person.regressed, person.crop, PHOTO)
    np.testing.assert_allclose(refined.to_vector(), person.regressed.to_vector(), atol=1e-4)


def test_returned_pose_is_the_camera(face_model: FaceModel) -> None:
    person = make_person(face_model, 5)
    refined, camera = Fit(face_model)(person.landmarks, person.regressed, person.crop, PHOTO)
    again = camera_from_pose(refined.pose, person.crop.matrix, SIZE, PHOTO, camera.focal)
    points = face_model.vertices[::500]
    np.testing.assert_allclose(project(again, points), project(camera, points), atol=1e-2)


def test_given_focal_is_used(face_model: FaceModel) -> None:
    person = make_person(face_model, 6)
    _, camera = Fit(face_model)(person.landmarks, person.regressed, person.crop, PHOTO, focal=1234.0)
    assert camera.focal == 1234.0


@pytest.mark.parametrize("seed", range(4))
def test_pose_and_camera_are_inverse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = np.array([*rng.uniform(-0.6, 0.6, 3), rng.uniform(2, 6), *rng.uniform(0.3, 0.7, 2)])
    angle, scale = rng.uniform(-0.6, 0.6), rng.uniform(0.2, 1.0)
    linear = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([linear, rng.uniform(-200, 20, 2)])
    camera = camera_from_pose(pose, matrix, SIZE, PHOTO, 700.0)
    np.testing.assert_allclose(pose_from_camera(camera, matrix, SIZE), pose, atol=1e-9)
    np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)


def test_centred_face_off_the_axis_looks_into_the_lens() -> None:
    """A face in a corner of the photo with zero crop angles is turned towards the camera, not along its axis."""
    matrix = np.array([[0.8, 0, -20.0], [0, 0.8, -10.0]])
    camera = camera_from_pose(np.array([0, 0, 0, 4.0, 0.5, 0.5]), matrix, SIZE, PHOTO, 600.0)
    outward = camera.rotation @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(outward, -camera.translation / np.linalg.norm(camera.translation), atol=1e-9)


def test_gaze_stays_as_regressed(face_model: FaceModel) -> None:
    person = make_person(face_model, 8)
    refined, _ = Fit(face_model)(person.landmarks, person.regressed, person.crop, PHOTO)
    gaze = [name.startswith("eyeLook") for name in face_model.expression_names]
    assert sum(gaze) == 8
    np.testing.assert_allclose(refined.expression[gaze], person.regressed.expression[gaze], atol=0.02)


@pytest.mark.parametrize("sides_per_metre", [0.5, 8.0])
def test_a_face_that_fills_its_photo_is_not_at_arms_length(sides_per_metre: float) -> None:
    crop = Crop(matrix=np.array([[0.2, 0, 0], [0, 0.2, 0.0]]), size=SIZE, image=np.zeros((SIZE, SIZE, 3), np.uint8))
    pose = np.array([0, 0, 0, sides_per_metre, 0.5, 0.5])
    focal = likely_focal(pose, crop, PHOTO)
    depth = camera_from_pose(pose, crop.matrix, SIZE, PHOTO, focal).translation[2]
    assert depth >= 1.0 - 1e-6
    assert focal == default_focal(PHOTO[1], PHOTO[0]) or depth < 1.0 + 1e-6
