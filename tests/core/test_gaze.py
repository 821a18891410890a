"""Eyes look to where the photo's irises are; what tells nothing leaves them as they were."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.stages.gaze import Gaze

from .texture_scene import Scene, posed, render


@pytest.fixture(scope="module")
def gaze(face_model: FaceModel) -> Gaze:
    return Gaze(face_model)


def looking(gaze: Gaze, model: FaceModel, scene: Scene, degrees: float) -> Scene:
    """The scene with eyes turned so far towards the subject's left."""
    params = replace(scene.params, expression=gaze._looking(scene.params.expression, degrees))
    return replace(scene, params=params, photo=render(model, params, scene.camera, scene.truth))


def opening(model: FaceModel, scene: Scene) -> np.ndarray:
    return project(scene.camera, model.landmarks(posed(model, scene.params)))[:, :2]


@pytest.mark.parametrize("degrees", [-24.0, -10.0, 0.0, 10.0, 24.0])
def test_irises_are_found(face_model: FaceModel, gaze: Gaze, scene: Scene, degrees: float) -> None:
    shown = looking(gaze, face_model, scene, degrees)
    at_rest = face_model.shape(scene.params.identity)
    found = gaze(shown.photo, opening(face_model, shown), at_rest, scene.camera, scene.params.expression)
    assert gaze.aside(found) == pytest.approx(degrees, abs=4.1)
    left, right = (face_model.expression_names.index(f"eyeLookOut{side}") for side in ("Left", "Right"))
    assert (found[left] > 0.2) == (degrees > 8) and (found[right] > 0.2) == (degrees < -8)
    others = [row for row, name in enumerate(face_model.expression_names) if not name.startswith("eyeLook")]
    assert np.array_equal(found[others], scene.params.expression[others])


def test_a_regression_far_off_is_drawn_back(face_model: FaceModel, gaze: Gaze, scene: Scene) -> None:
    shown = looking(gaze, face_model, scene, 12.0)
    wrong = gaze._looking(scene.params.expression, -12.0)
    at_rest = face_model.shape(scene.params.identity)
    found = gaze(shown.photo, opening(face_model, shown), at_rest, scene.camera, wrong)
    assert abs(gaze.aside(found) - 12.0) < 6.0


def test_closed_painted_and_distant_eyes_tell_nothing(face_model: FaceModel, gaze: Gaze, scene: Scene) -> None:
    shown, points = looking(gaze, face_model, scene, 20.0), opening(face_model, scene)
    at_rest, expression = face_model.shape(scene.params.identity), scene.params.expression
    shut = points.copy()
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shut[[upper, lower]] = shut[[upper, lower]].mean(axis=0)
    painted = np.full(shown.photo.shape[:2], 255, np.uint8)
    for given, mask in ((shut, None), (points, painted), (points - 5000.0, None), (points * 0.1, None)):
        assert gaze(shown.photo, given, at_rest, scene.camera, expression, mask) is expression


def test_one_eye_is_enough(face_model: FaceModel, gaze: Gaze, scene: Scene) -> None:
    shown, points = looking(gaze, face_model, scene, 18.0), opening(face_model, scene)
    painted = np.zeros(shown.photo.shape[:2], np.uint8)
    painted[:, : int(points[27, 0])] = 255  # over the subject's right eye
    at_rest = face_model.shape(scene.params.identity)
    found = gaze(shown.photo, points, at_rest, scene.camera, scene.params.expression, painted)
    assert gaze.aside(found) == pytest.approx(18.0, abs=5.0)
