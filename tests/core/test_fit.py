"""The fit on synthetic truth: geometry gets better, hidden points and outliers do not matter, bounds hold."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from core.fit_priors import FILE, read_priors
from core.geometry import alignment, fitting
from core.geometry.camera import (
    camera_from_pose,
    default_focal,
    pose_from_camera,
    project,
    rotation_from_angles,
)
from core.geometry.face_model import FaceModel
from core.geometry.landmark_basis import LandmarkBasis
from core.geometry.normal_equations import gram, solve
from core.stages.fit import Fit, Regressed, likely_focal, lip_gaps, observations, shared_focals
from core.types import ALBEDO, EXPRESSION, IDENTITY, Camera, Crop, FaceParams, Landmarks

PHOTO = (480, 640)  # height, width
SIZE = 128


@dataclass(frozen=True)
class Person:
    """The truth, and what noisy networks would say about it."""

    identity: np.ndarray
    vertices: np.ndarray
    camera: Camera
    landmarks: Landmarks
    regressed: FaceParams
    crop: Crop


def make_person(model: FaceModel, seed: int, noise: float = 0.02, identity: np.ndarray | None = None) -> Person:
    """`noise`: landmark error over the eye distance, half of it shared by neighbouring points."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=IDENTITY)
    identity = drawn if identity is None else identity
    expression = np.zeros(EXPRESSION)
    expression[rng.choice(EXPRESSION, 6, replace=False)] = rng.beta(1.2, 2.0, size=6)
    camera = random_camera(rng)
    vertices = model.shape(identity, expression)
    surface = np.concatenate([model.visible_landmarks(vertices, camera.rotation), model.dense_landmarks(vertices)])
    points = project(camera, surface)[:, :2]
    eyes = float(np.linalg.norm(points[36] - points[45]))
    centres = surface[rng.choice(len(surface), 6)]
    shared = np.exp(-((surface[:, None] - centres) ** 2).sum(axis=2) / (2 * 0.03**2)) @ rng.normal(size=(6, 2))
    error = 0.6 * rng.normal(size=points.shape) + 0.8 * shared / shared.std()
    points = points + error * noise * eyes / np.sqrt(2)
    matrix = alignment.crop_matrix(points[:68], SIZE)
    explained = np.linspace(0.8, 0.2, IDENTITY)
    pose = pose_from_camera(camera, matrix, SIZE) + rng.normal(size=6) * [0.05, 0.05, 0.03, 0.1, 0.01, 0.01]
    return Person(
        identity=identity,
        vertices=vertices,
        camera=camera,
        landmarks=Landmarks(
            points=points[:68].astype(np.float32),
            dense=points[68:].astype(np.float32),
            visibility=np.ones(len(points), np.float32),
            sigma=np.full(len(points), noise * eyes / np.sqrt(2), np.float32),
        ),
        regressed=FaceParams(
            identity=(explained * identity + rng.normal(size=IDENTITY) * np.sqrt(explained * (1 - explained))).astype(
                np.float32
            ),
            expression=np.clip(0.8 * expression + 0.08 * rng.normal(size=EXPRESSION), 0, 1).astype(np.float32),
            albedo=rng.normal(size=ALBEDO).astype(np.float32),
            light=np.ones(9, np.float32),
            pose=pose.astype(np.float32),
        ),
        crop=Crop(matrix=matrix, size=SIZE, image=np.zeros((SIZE, SIZE, 3), np.uint8)),
    )


def random_camera(rng: np.random.Generator) -> Camera:
    height, width = PHOTO
    distance = rng.uniform(0.5, 1.5)
    shift = np.append(rng.normal(size=2) * [0.08, 0.05] * distance, distance)
    rotation = rotation_from_angles(*(rng.normal(size=3) * [0.15, 0.35, 0.15]))
    return Camera(default_focal(width, height), ((width - 1) / 2, (height - 1) / 2), width, height, rotation, shift)


def shape_error(model: FaceModel, params: FaceParams, truth: np.ndarray) -> float:
    """Mean distance, mm, of the face's skin after rigid alignment."""
    face = model.in_regions("forehead", "nose", "cheek_right", "cheek_left", "upper_lip", "lower_lip", "chin")
    ours = model.shape(params.identity, params.expression)[face].astype(np.float64)
    target = truth[face].astype(np.float64)
    ours, target = ours - ours.mean(axis=0), target - target.mean(axis=0)
    u, _, vt = np.linalg.svd(ours.T @ target)
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return float(1000 * np.linalg.norm(ours @ turn - target, axis=1).mean())


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
        change = np.zeros(fitting.UNKNOWNS)
        change[column] = step
        ahead, _ = problem.residuals(problem.moved(state, change))
        behind, _ = problem.residuals(problem.moved(state, -change))
        numeric = (ahead - behind) / (2 * step)
        scale = max(float(np.abs(numeric).max()), 1.0)
        np.testing.assert_allclose(analytic[..., column], numeric, atol=5e-3 * scale, err_msg=str(column))
    assert seen.gaps is not None
    assert errors_here.shape == (basis.count + len(seen.gaps.pairs), 2)


def test_gaze_stays_as_regressed(face_model: FaceModel) -> None:
    person = make_person(face_model, 8)
    refined, _ = Fit(face_model)(person.landmarks, person.regressed, person.crop, PHOTO)
    gaze = [name.startswith("eyeLook") for name in face_model.expression_names]
    assert sum(gaze) == 8
    np.testing.assert_allclose(refined.expression[gaze], person.regressed.expression[gaze], atol=0.02)


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
        fit(person.landmarks, person.regressed, person.crop, PHOTO, mouth=mouth) for mouth in (None, 0.17, 0.03)
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
    seen_open, _ = fit(person.landmarks, person.regressed, person.crop, PHOTO, mouth=0.45)
    np.testing.assert_array_equal(by_points[0].to_vector(), seen_open.to_vector())
    assert lips_apart(face_model, by_points) > 0.15


@pytest.mark.parametrize("sides_per_metre", [0.5, 8.0])
def test_a_face_that_fills_its_photo_is_not_at_arms_length(sides_per_metre: float) -> None:
    crop = Crop(matrix=np.array([[0.2, 0, 0], [0, 0.2, 0.0]]), size=SIZE, image=np.zeros((SIZE, SIZE, 3), np.uint8))
    pose = np.array([0, 0, 0, sides_per_metre, 0.5, 0.5])
    focal = likely_focal(pose, crop, PHOTO)
    depth = camera_from_pose(pose, crop.matrix, SIZE, PHOTO, focal).translation[2]
    assert depth >= 1.0 - 1e-6
    assert focal == default_focal(PHOTO[1], PHOTO[0]) or depth < 1.0 + 1e-6


def person_errors(model: FaceModel, people: Sequence[Person]) -> tuple[float, float]:
    """Mean neutral shape error, mm, of photos fitted alone and of the same photos fitted together."""
    fit = Fit(model)
    photos = [Regressed(person.landmarks, person.regressed, person.crop, PHOTO) for person in people]
    truth = model.shape(people[0].identity)
    together = fit.person(photos)
    for params, _ in together[1:]:
        np.testing.assert_array_equal(params.identity, together[0][0].identity)
        np.testing.assert_array_equal(params.albedo, together[0][0].albedo)
    alone = [fit(photo.landmarks, photo.params, photo.crop, PHOTO)[0] for photo in photos]
    found = [[shape_error(model, at_rest(params), truth) for params in group] for group in (alone, [together[0][0]])]
    return float(np.mean(found[0])), float(np.mean(found[1]))


def at_rest(params: FaceParams) -> FaceParams:
    return replace(params, expression=np.zeros(EXPRESSION, np.float32))


def test_several_photos_tell_more_about_one_person(face_model: FaceModel) -> None:
    found = []
    for seed in range(5):
        first = make_person(face_model, seed)
        others = [make_person(face_model, 100 * (seed + 1) + k, identity=first.identity) for k in range(2)]
        found.append(person_errors(face_model, [first, *others]))
    alone, together = np.mean(found, axis=0)
    assert together < 0.92 * alone


def test_one_photo_of_a_person_is_a_photo(face_model: FaceModel) -> None:
    person, fit = make_person(face_model, 3), Fit(face_model)
    alone, camera = fit(person.landmarks, person.regressed, person.crop, PHOTO)
    [(together, other)] = fit.person([Regressed(person.landmarks, person.regressed, person.crop, PHOTO)])
    np.testing.assert_allclose(together.to_vector(), alone.to_vector(), atol=1e-5)
    np.testing.assert_allclose(other.translation, camera.translation, atol=1e-6)


def test_a_covered_photo_counts_less(face_model: FaceModel) -> None:
    clear = make_person(face_model, 3)
    stranger = make_person(face_model, 4)  # somebody else: what is believed of each photo shows
    photos = [Regressed(person.landmarks, person.regressed, person.crop, PHOTO) for person in (clear, stranger)]
    covered = replace(photos[1].landmarks, visibility=np.full_like(photos[1].landmarks.visibility, 0.3))
    fit = Fit(face_model)
    own, _ = fit(clear.landmarks, clear.regressed, clear.crop, PHOTO)
    mixed, _ = fit.person(photos)[0]
    alone, _ = fit.person([photos[0], replace(photos[1], landmarks=covered)])[0]
    distance = [np.linalg.norm(params.identity - own.identity) for params in (mixed, alone)]
    assert distance[1] < 0.5 * distance[0]


@pytest.mark.parametrize(
    ("focals", "shared"),
    [
        ((800.0, 810.0, None), (805.0, 805.0, 805.0)),  # a silent photo of the same size
        ((800.0, 1200.0, None), (800.0, 1200.0, None)),  # zoomed in between
        ((None, None, None), (None, None, None)),
    ],
)
def test_focal_lengths_are_shared_where_they_agree(
    face_model: FaceModel, focals: tuple[float | None, ...], shared: tuple[float | None, ...]
) -> None:
    person = make_person(face_model, 1)
    shapes = (PHOTO, PHOTO[::-1], PHOTO)  # upright and across
    photos = [
        Regressed(person.landmarks, person.regressed, person.crop, shape, focal)
        for shape, focal in zip(shapes, focals, strict=True)
    ]
    assert tuple(shared_focals(photos)) == shared
    other = replace(photos[2], photo_shape=(1000, 1000))
    assert shared_focals([*photos[:2], other])[2] is None


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


@pytest.mark.parametrize("unknowns", [6, 40, 150, 290])
def test_normal_equations_agree_with_numpy(unknowns: int) -> None:
    rng = np.random.default_rng(unknowns)
    rows = rng.normal(size=(800, unknowns)).astype(np.float32)
    if unknowns in (6, 150):
        scaled = rows * rng.random((800, 1)).astype(np.float32)
        np.testing.assert_allclose(gram(scaled, rows), scaled.T.astype(float) @ rows, atol=2e-3)
    matrix, right = rows.T.astype(float) @ rows, rng.normal(size=unknowns)
    np.testing.assert_allclose(solve(matrix, right), np.linalg.solve(matrix, right), rtol=1e-8, atol=1e-12)


def test_singular_equations_are_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        solve(np.zeros((30, 30)), np.ones(30))
