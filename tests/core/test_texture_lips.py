"""Lips where the photo does not show them: their own colour where they touch, not that of what is between them."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from core.geometry.skin_regions import skin_regions
from core.geometry.uv_sampling import Atlas
from core.stages.texture import Texture
from core.types import PARTS

from .test_texture_parts import parts_of, told
from .texture_scene import Scene, in_regions, linear, make_scene, render, unwrap

ROUGE = np.array([0.30, 0.03, 0.10], np.float32)  # linear


@pytest.fixture(scope="module")
def shut(face_model: FaceModel, atlas: Atlas) -> Scene:
    return make_scene(face_model, atlas, yaw=0.0, mouth=0.0)


def texels_of(atlas: Atlas, values: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) float32 picture of (V,) values of the skin."""
    return atlas.skin.image(atlas.skin.interpolate(values.astype(np.float32)))


def test_lips_that_touch_are_painted_inside_too(
    face_model: FaceModel, atlas: Atlas, stage: Texture, shut: Scene
) -> None:
    painted = shut.truth.copy()
    painted[texels_of(atlas, face_model.in_regions("upper_lip", "lower_lip")) > 0.5] = ROUGE
    photo = render(face_model, shut.params, shut.camera, painted)
    found = unwrap(stage, replace(shut, photo=photo))
    inner = texels_of(atlas, skin_regions(face_model).inner_lips) > 0.95
    unseen, seen = inner & (found.source == 1), inner & (found.source == 4)
    assert unseen.sum() > 300 and seen.sum() > 100
    colors = linear(found)
    inside, outside = (np.median(colors[where], axis=0) for where in (unseen, seen))
    np.testing.assert_allclose(inside, outside, atol=0.05)
    plain = np.median(linear(unwrap(stage, shut))[unseen], axis=0)
    assert plain[1] > 2.5 * inside[1]  # without rouge they are as ever
    chin = in_regions(face_model, atlas, "chin") & (found.source == 1)
    assert np.median(colors[chin, 1]) > 2.5 * inside[1]


def test_inner_lips_are_without_their_rims(face_model: FaceModel) -> None:
    regions = skin_regions(face_model)
    lips = face_model.in_regions("upper_lip", "lower_lip")
    assert regions.inner_lips[~lips].max() == 0.0
    assert 0.3 < (regions.inner_lips[lips] > 0.95).mean() < 0.9
    around = face_model.vertices[face_model.in_regions("chin", "cheek_left", "cheek_right")]
    for vertex in np.flatnonzero(regions.inner_lips > 0.95)[::20]:
        assert np.linalg.norm(around - face_model.vertices[vertex], axis=1).min() > 0.005


def test_the_dark_between_lips_is_not_painted_on_them(
    face_model: FaceModel, atlas: Atlas, stage: Texture, shut: Scene
) -> None:
    """Where the head's mouth is shut and the photo's is open."""
    low, high = (shut.landmarks.points[48:68].min(axis=0), shut.landmarks.points[48:68].max(axis=0))
    middle = (low + high) / 2
    rows, columns = (
        slice(round(middle[axis] - reach), round(middle[axis] + reach) + 1) for axis, reach in ((1, 3), (0, 14))
    )
    photo, parts = shut.photo.copy(), parts_of(face_model, shut)
    photo[rows, columns] = (photo[rows, columns] * 0.6).astype(np.uint8)
    open_mouth = parts.copy()
    open_mouth[rows, columns] = PARTS.index("mouth")
    lips = in_regions(face_model, atlas, "upper_lip", "lower_lip")
    before = linear(told(stage, shut, parts))[lips]
    taken, left_out = (
        np.abs(linear(told(stage, replace(shut, photo=photo), given))[lips] - before).max(axis=1)
        for given in (parts, open_mouth)
    )
    assert np.quantile(taken, 0.9) > 0.1  # by its colour alone it is taken for lips
    assert np.quantile(left_out, 0.9) < 0.05


def test_skin_beside_the_mouth_is_seen(face_model: FaceModel, atlas: Atlas, stage: Texture, shut: Scene) -> None:
    """Unlike hair, the mouth's interior is not grown: lips show up to its edge."""
    parts = parts_of(face_model, shut)
    y = round(float(shut.landmarks.points[[62, 66], 1].mean()))
    x = round(float(shut.landmarks.points[[62, 66], 0].mean()))
    sliver, strand = parts.copy(), parts.copy()
    sliver[y, x - 12 : x + 13] = PARTS.index("mouth")
    strand[y, x - 12 : x + 13] = PARTS.index("hair")
    lips = in_regions(face_model, atlas, "upper_lip", "lower_lip")
    bare, slit, covered = ((told(stage, shut, given).source[lips] == 4).sum() for given in (parts, sliver, strand))
    assert bare >= slit > covered
    assert bare - slit < 0.6 * (bare - covered)
