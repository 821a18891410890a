"""Geometry free of the linear basis: the grid on the layout, what follows it, and the stage in the pipeline."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.linalg import lsqr

from core.errors import WeightsError
from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.geometry.teeth_rows import TeethRows
from core.geometry.uv_grid import GridField, mirrored_grid
from core.pipeline import Pipeline
from core.runtime.specs import GRID_SIZE, NetworkSpec
from core.settings import Settings
from core.types import FaceTexture

from .networks import pca_free_network, specify


@pytest.fixture(scope="module")
def field(face_model: FaceModel) -> GridField:
    return GridField(face_model, GRID_SIZE)


@pytest.fixture(scope="module")
def person(face_model: FaceModel) -> np.ndarray:
    """(V, 3) displacement of somebody who is not symmetric."""
    identity = np.random.default_rng(4).normal(size=len(face_model.identity_basis))
    return np.tensordot(identity, face_model.identity_basis, axes=1)


def fitted(field: GridField, displacement: np.ndarray) -> np.ndarray:
    """(3, G, G) grid that comes nearest to a displacement of the charted skin."""
    rows = field.matrix[field.charted]
    columns = [lsqr(rows, displacement[field.charted, k], damp=0.01, iter_lim=60)[0] for k in range(3)]
    return np.array(columns, np.float32).reshape(3, field.size, field.size)


@pytest.fixture(scope="module")
def grid(field: GridField, person: np.ndarray) -> np.ndarray:
    return fitted(field, person)


def test_grid_holds_what_makes_a_person(
    field: GridField, face_model: FaceModel, person: np.ndarray, grid: np.ndarray
) -> None:
    error = np.linalg.norm(field.displacement(grid) - person, axis=1) * 1000
    size = np.linalg.norm(person, axis=1) * 1000
    face = np.intersect1d(field.charted, np.flatnonzero(face_model.in_regions("nose", "cheek_left", "lids_left")))
    assert size[face].mean() > 1.5
    assert error[face].mean() < 0.3
    lashes = face_model.vertex_part == face_model.part("lashes_left")
    assert error[lashes].mean() < 0.4 * size[lashes].mean()


def test_a_shift_moves_everything_alike(field: GridField, face_model: FaceModel) -> None:
    shift = np.array([0.003, -0.002, 0.005], np.float32)
    moved = field.neutral(field.displacement(np.broadcast_to(shift[:, None, None], (3, GRID_SIZE, GRID_SIZE))))
    assert moved - face_model.vertices == pytest.approx(np.broadcast_to(shift, moved.shape), abs=1e-6)


def test_solid_parts_keep_their_form(field: GridField, face_model: FaceModel, grid: np.ndarray) -> None:
    moved = field.neutral(field.displacement(grid))
    for name, grows in (("eyeball_left", False), ("cornea_right", False), ("teeth_upper", True)):
        part = face_model.vertex_part == face_model.part(name)
        before, after = (vertices[part] - vertices[part].mean(axis=0) for vertices in (face_model.vertices, moved))
        scale = (before * after).sum() / (before**2).sum()
        assert after == pytest.approx(scale * before, abs=1e-6)
        assert (abs(scale - 1.0) > 1e-3) == grows
        carried = np.linalg.norm((moved - face_model.vertices)[part].mean(axis=0))
        assert carried > 1e-4  # it does not stay behind


def test_lining_of_the_mouth_is_drawn_along(field: GridField, face_model: FaceModel, grid: np.ndarray) -> None:
    displacement = field.displacement(grid)
    bag = np.setdiff1d(np.flatnonzero(face_model.in_regions("mouth_bag")), field.charted)
    lips = np.flatnonzero(face_model.in_regions("upper_lip", "lower_lip"))
    assert len(bag) > 500
    middle = displacement[lips].mean(axis=0)
    assert np.linalg.norm(displacement[bag].mean(axis=0) - middle) < 0.5 * np.linalg.norm(middle)


def test_mirrored_grid_mirrors_the_head(field: GridField, face_model: FaceModel, grid: np.ndarray) -> None:
    seen = field.neutral(field.displacement(grid))
    mirrored = field.neutral(field.displacement(mirrored_grid(grid)))
    assert np.abs(seen - mirrored).max() > 1e-3
    assert mirrored == pytest.approx(seen[face_model.mirror] * [-1, 1, 1], abs=1e-4)  # as symmetric as the mean head


@pytest.fixture
def own(
    models_dir: Path,
    specs: dict[str, NetworkSpec],
    grid: np.ndarray,
    mean_pose: np.ndarray,
    grey_texture: Callable[..., FaceTexture],
) -> Pipeline:
    """A pipeline whose network answers with the person's grid, in its symmetric part, for any picture."""
    content = pca_free_network((grid + mirrored_grid(grid)) / 2, mean_pose)
    (models_dir / "weights" / "pca_free.onnx").write_bytes(content)
    settings = Settings(models_dir=models_dir, regressor="pca_free")
    pipeline = Pipeline(settings, specs | {"pca_free": specify("pca_free", content)})
    pipeline.__dict__["_texture"] = grey_texture
    return pipeline


def test_pipeline_takes_its_geometry_from_the_network(
    own: Pipeline,
    photo_with_faces: Callable[..., np.ndarray],
    field: GridField,
    grid: np.ndarray,
    face_model: FaceModel,
) -> None:
    result = own.reconstruct(photo_with_faces((300, 200, 150)))
    wanted = field.neutral(field.displacement((grid + mirrored_grid(grid)) / 2))
    wanted = TeethRows(face_model).lowered(wanted, result.teeth_lowered)
    assert result.neutral == pytest.approx(wanted, abs=2e-5)
    deltas = np.tensordot(result.params.expression, face_model.expression_basis, axes=1)
    assert result.vertices == pytest.approx(wanted + deltas, abs=1e-4)  # sliders move the person's own neutral
    nearest = face_model.shape(result.params.identity)
    skin = field.charted
    off, far = (np.linalg.norm((shape - wanted)[skin], axis=1).mean() for shape in (nearest, face_model.vertices))
    assert off < 0.2 * far  # the identity sliders start near it
    fit = project(result.camera, face_model.visible_landmarks(result.vertices, result.camera.rotation))
    assert np.median(np.linalg.norm(fit[17:, :2] - result.landmarks.points[17:], axis=1)) < 0.05 * 150


def test_colour_and_light_are_the_students(
    own: Pipeline, pipeline: Pipeline, photo_with_faces: Callable[..., np.ndarray]
) -> None:
    photo = photo_with_faces((300, 200, 150))
    pipeline.__dict__["_texture"] = own.__dict__["_texture"]
    result, plain = own.reconstruct(photo), pipeline.reconstruct(photo)
    assert np.array_equal(result.params.light, plain.params.light)
    assert result.params.light.any()
    assert np.array_equal(result.params.albedo, plain.params.albedo)
    assert not np.allclose(result.neutral, plain.neutral, atol=5e-4)


def test_a_network_that_does_not_ship_is_named(pipeline: Pipeline, specs: dict[str, NetworkSpec]) -> None:
    untrained = replace(specs["regressor"], name="pca_free", sha256="")
    with pytest.raises(WeightsError, match=r"pca_free is not part of this build; choose student"):
        Pipeline(replace(pipeline.settings, regressor="pca_free"), specs | {"pca_free": untrained})


def test_unknown_regressor_is_refused() -> None:
    with pytest.raises(ValueError, match="regressor"):
        Settings(regressor="guess")
