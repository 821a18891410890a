"""Beards in the texture: dark on chin, jaw and cheeks, without passing for shadow, nor shadow for a beard."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import vertex_normals
from core.geometry.skin_regions import skin_regions
from core.geometry.uv_sampling import Atlas
from core.stages.texture import Texture

from .test_texture_parts import parts_of, told
from .texture_scene import Scene, in_regions, linear, posed, render

BEARD = np.array([0.2, 0.19, 0.19], np.float32)  # of the skin's colour


def where(atlas: Atlas, vertices: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) bool: texels of the skin where (V,) is high."""
    return atlas.skin.image(atlas.skin.interpolate(vertices.astype(np.float32))) > 0.99


def facing(model: FaceModel, scene: Scene) -> np.ndarray:
    """(V,) cosine between the surface and the view."""
    vertices, rotation = posed(model, scene.params), scene.camera.rotation
    rays = vertices @ rotation.T + scene.camera.translation
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return -(vertex_normals(vertices, model.triangles) @ rotation.T * rays).sum(axis=1)


@pytest.fixture(scope="module")
def bearded(face_model: FaceModel, atlas: Atlas, scene: Scene) -> Scene:
    """The scene with a full beard up to the ears, in dark and light tufts."""
    tufts = np.exp(0.9 * np.sin(atlas.skin.interpolate(face_model.vertices[:, 1]) * (2 * np.pi / 0.008)))
    growth = atlas.skin.interpolate((skin_regions(face_model).full_beard > 0.5).astype(np.float32))
    beard = atlas.skin.image(growth * (1.0 - atlas.skin.interpolate(lips(face_model))))[..., None]
    truth = scene.truth * (1.0 - beard * (1.0 - BEARD * atlas.skin.image(tufts)[..., None]))
    return replace(scene, photo=render(face_model, scene.params, scene.camera, truth), truth=truth)


def lips(model: FaceModel) -> np.ndarray:
    return model.in_regions("upper_lip", "lower_lip", "mouth_bag").astype(np.float32)


@pytest.fixture(scope="module")
def texture(face_model: FaceModel, stage: Texture, bearded: Scene) -> np.ndarray:
    """(SIZE, SIZE, 3) linear."""
    return linear(told(stage, bearded, parts_of(face_model, bearded)))


@pytest.mark.parametrize("turned", [(0.25, 0.5), (0.5, 0.7), (0.7, 1.0)])
def test_a_full_beard_reaches_the_ears(
    face_model: FaceModel,
    atlas: Atlas,
    scene: Scene,
    bearded: Scene,
    texture: np.ndarray,
    turned: tuple[float, float],
) -> None:
    regions, cosine = skin_regions(face_model), facing(face_model, scene)
    grown = (regions.full_beard > 0.9) & (regions.allowed > 0.99) & (lips(face_model) == 0.0)
    beard = where(atlas, grown & (cosine > turned[0]) & (cosine < turned[1]))
    assert beard.sum() > 100
    found, grown, shaved = (picture[beard].mean(axis=1) for picture in (texture, bearded.truth, scene.truth))
    assert (np.abs(np.log(found / grown)) < 0.5 * np.abs(np.log(found / shaved))).mean() > 0.8


def test_tufts_on_the_cheek_are_no_rims_of_glasses(
    face_model: FaceModel, atlas: Atlas, scene: Scene, bearded: Scene, texture: np.ndarray
) -> None:
    regions = skin_regions(face_model)
    cheeks = where(atlas, (regions.bare > 0.9) & (regions.full_beard > 0.9) & (facing(face_model, scene) > 0.5))
    assert cheeks.sum() > 100
    found, grown = (np.log(picture[cheeks].mean(axis=1)) for picture in (texture, bearded.truth))
    assert np.corrcoef(found, grown)[0, 1] > 0.8


def test_a_beard_darkens_neither_skin_nor_lips(
    face_model: FaceModel, atlas: Atlas, scene: Scene, texture: np.ndarray
) -> None:
    for names in (("nose",), ("forehead",), ("upper_lip", "lower_lip")):
        place = in_regions(face_model, atlas, *names)
        assert np.median(texture[place]) > 0.75 * np.median(scene.truth[place]), names


def test_a_shadow_on_one_side_is_no_beard(face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene) -> None:
    points = project(scene.camera, posed(face_model, scene.params))
    nose = points[face_model.in_regions("nose"), :2]
    photo, parts = scene.photo.copy(), parts_of(face_model, scene)
    below, beside = round(nose[:, 1].max()), round(nose[:, 0].mean())
    photo[below:, :beside] = photo[below:, :beside] * 0.55
    jaw = where(atlas, face_model.in_regions("chin", "jaw") & (skin_regions(face_model).allowed > 0.99))
    lit, dark = (
        np.median(linear(told(stage, replace(scene, photo=each), parts))[jaw]) for each in (scene.photo, photo)
    )
    assert dark > 0.65 * lit
