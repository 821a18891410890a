"""A mirrored face: its landmarks, its coefficients."""

import numpy as np
import pytest

from core.geometry import alignment
from core.geometry.camera import camera_from_pose, project
from core.geometry.face_model import FaceModel
from core.geometry.lighting import irradiance
from core.geometry.mirroring import CoefficientMirror, mirrored_landmarks
from core.types import COEFFICIENTS, LAYOUT

FLIP = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def coefficients(face_model: FaceModel) -> np.ndarray:
    rng = np.random.default_rng(5)
    out = np.zeros(COEFFICIENTS, np.float32)
    out[LAYOUT["identity"]] = rng.normal(0, 1, 80)
    out[LAYOUT["expression"]] = rng.uniform(0, 0.6, 64) * (rng.random(64) < 0.15)
    out[LAYOUT["albedo"]] = rng.normal(0, 1, 80)
    out[LAYOUT["light"]] = rng.normal(0, 0.3, 9)
    out[LAYOUT["pose"]] = 0.1, 0.4, -0.2, 3.5, 0.56, 0.47
    return out


def test_mirrored_coefficients_make_the_mirrored_head(face_model: FaceModel, coefficients: np.ndarray) -> None:
    mirrored = CoefficientMirror.of(face_model)(coefficients)
    one = face_model.shape(coefficients[LAYOUT["identity"]], coefficients[LAYOUT["expression"]])
    other = face_model.shape(mirrored[LAYOUT["identity"]], mirrored[LAYOUT["expression"]])
    distance = np.linalg.norm(other[face_model.mirror] * FLIP - one, axis=1)
    assert np.percentile(distance, 99) < 1e-3  # metres
    assert distance.mean() < 2e-4
    color = np.abs(
        face_model.albedo(mirrored[LAYOUT["albedo"]])[face_model.mirror]
        - face_model.albedo(coefficients[LAYOUT["albedo"]])
    )
    assert color.mean() < 0.01


def test_mirrored_pose_projects_to_the_mirrored_crop(face_model: FaceModel, coefficients: np.ndarray) -> None:
    mirror, size = CoefficientMirror.of(face_model), 128
    crop = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

    def landmarks(y: np.ndarray) -> np.ndarray:
        camera = camera_from_pose(y[LAYOUT["pose"]], crop, size, (size, size), 400.0)
        vertices = face_model.shape(y[LAYOUT["identity"]], y[LAYOUT["expression"]])
        return project(camera, face_model.landmarks(vertices))[:, :2]

    one, other = landmarks(coefficients), landmarks(mirror(coefficients))
    expected = one[mirrored_landmarks(face_model)[:68]] * [-1, 1] + [size - 1, 0]
    assert np.abs(other - expected).max() < 1.0  # pixels
    assert alignment.roll_from_points(other) == pytest.approx(-alignment.roll_from_points(one), abs=0.02)


def test_mirrored_light_shines_from_the_other_side(face_model: FaceModel, coefficients: np.ndarray) -> None:
    mirrored = CoefficientMirror.of(face_model)(coefficients)
    normals = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    one = irradiance(normals, coefficients[LAYOUT["light"]])
    other = irradiance(normals * FLIP.astype(np.float32), mirrored[LAYOUT["light"]])
    assert other == pytest.approx(one, abs=1e-5)
    assert np.ptp(one) > 0.1


def test_mirroring_twice_changes_nothing(face_model: FaceModel, coefficients: np.ndarray) -> None:
    mirror = CoefficientMirror.of(face_model)
    assert mirror(mirror(coefficients)) == pytest.approx(coefficients, abs=1e-5)
