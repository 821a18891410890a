"""The compiled loops give the numbers of the plain ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.geometry import camera as plain_camera
from core.geometry import rasterizer as plain
from core.geometry.camera import rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.lighting import irradiance
from core.types import Camera
from models.synthesis import kernels
from models.synthesis.light import sample_light
from models.synthesis.shading import shade

SIZE = 160


@pytest.fixture(scope="module")
def camera() -> Camera:
    middle = (SIZE - 1) / 2
    turn = rotation_from_angles(0.1, 0.6, -0.2)
    return Camera(3.0 * SIZE, (middle, middle), SIZE, SIZE, turn, np.array([0.01, 0.02, 1.3]))


@pytest.mark.parametrize("cull", [False, True])
def test_the_z_buffer_is_cores(model: FaceModel, camera: Camera, cull: bool) -> None:
    points = plain_camera.project(camera, model.vertices).astype(np.float32)
    ours = kernels.rasterize(points, model.triangles, SIZE, SIZE, cull=cull)
    theirs = plain.rasterize(points, model.triangles, SIZE, SIZE, cull=cull)
    assert (ours.mask != theirs.mask).sum() <= 3  # centres that fall on an edge
    assert theirs.mask.sum() > 4000
    both = ours.mask & theirs.mask
    assert np.abs(ours.depth[both] - theirs.depth[both]).max() < 1e-4
    same = ours.triangle_id == theirs.triangle_id
    assert same.mean() > 0.998
    assert np.abs(ours.barycentric - theirs.barycentric)[same].max() < 2e-3
    assert np.isinf(ours.depth[~ours.mask]).all()


def test_a_flat_layout_needs_no_depth() -> None:
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
    raster = kernels.rasterize(square, np.array([[0, 1, 2], [0, 2, 3]]), 12, 12)
    assert raster.mask[:10, :10].all()
    assert not raster.mask[10:].any()
    assert np.allclose(raster.barycentric[raster.mask].sum(axis=1), 1.0, atol=1e-5)


def test_triangles_behind_the_camera_are_dropped() -> None:
    points = np.array([[0, 0, -1], [9, 0, 1], [0, 9, 1]], np.float32)
    assert not kernels.rasterize(points, np.array([[0, 1, 2]]), 10, 10).mask.any()


def test_interpolation_is_cores(model: FaceModel, camera: Camera) -> None:
    raster = kernels.rasterize(kernels.project(camera, model.vertices), model.triangles, SIZE, SIZE)
    values = plain.interpolate(raster, model.triangles, model.vertices)[raster.mask]
    assert np.abs(kernels.interpolate_hits(raster, model.triangles, model.vertices) - values).max() < 1e-6


def test_projection_is_cores(model: FaceModel, camera: Camera) -> None:
    difference = kernels.project(camera, model.vertices) - plain_camera.project(camera, model.vertices)
    assert np.abs(difference).max() < 1e-3


def test_normals_are_cores(model: FaceModel) -> None:
    ours = kernels.vertex_normals(model.vertices, model.triangles)
    theirs = plain.vertex_normals(model.vertices, model.triangles)
    assert np.percentile(np.abs(ours - theirs), 99.9) < 1e-4  # folds whose faces cancel out may differ


def test_shading_without_gloss_is_albedo_times_irradiance() -> None:
    rng = np.random.default_rng(3)
    normals = rng.normal(size=(50, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    key = np.array([0.0, 0.6, 0.8], np.float32)
    light = replace(
        sample_light(rng, [np.ones((32, 64, 3), np.float32)]),
        ambient=rng.normal(0.2, 0.1, (9, 3)).astype(np.float32),
        key_direction=key,
        key_color=np.array([1.0, 0.5, 0.25], np.float32),
    )
    albedo, lit = rng.random((50, 3)).astype(np.float32), rng.random(50).astype(np.float32)
    color = shade(albedo, normals, normals, light, lit, np.ones(50), np.zeros(50), 20.0)
    direct = np.maximum(normals @ key, 0.0)[:, None] * lit[:, None] * light.key_color
    assert np.allclose(color, albedo * (irradiance(normals, light.ambient) + direct), atol=1e-5)
