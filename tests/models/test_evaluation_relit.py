"""Heads over their photos: drawn under a light, and compared by part."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.camera import rotation_from_angles
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.lighting import directional_light, linear_to_srgb
from core.types import PARTS, Camera, FaceTexture
from models.evaluation.relit import COLUMNS, levels_apart, relit

SIDE, LEVEL = 200, 128
EVEN = np.array([0.5] + [0.0] * 8, np.float32)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_face_model()


def drawn(model: FaceModel, light: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A head of even grey, seen from the front."""
    grey, one = np.full((64, 64, 3), LEVEL, np.uint8), np.ones(3, np.float32)
    texture = FaceTexture(grey, np.full((64, 64), 4, np.uint8), one, one, one, EVEN)
    front = rotation_from_angles(0.0, 0.0, 0.0)
    camera = Camera(500.0, ((SIDE - 1) / 2,) * 2, SIDE, SIDE, front, np.array([0.0, 0.0, 0.9]))
    return relit(model, model.vertices, texture, camera, light, front @ turn)


def test_even_light_dims_the_texture_evenly(model: FaceModel) -> None:
    picture, hit = drawn(model, EVEN, np.eye(3))
    linear = ((LEVEL / 255 + 0.055) / 1.055) ** 2.4
    assert 0.1 < hit.mean() < 0.9 and not picture[~hit].any()
    assert np.abs(picture[hit] - 255.0 * linear_to_srgb(np.array(0.5 * linear))).max() <= 1.0


def test_light_comes_from_its_side_and_turns_with_its_frame(model: FaceModel) -> None:
    lamp = directional_light(np.array([1.0, 0.0, 0.3]), 0.8)  # from the picture's right
    for turn, brighter in ((np.eye(3), 1.0), (np.diag([-1.0, 1.0, 1.0]), -1.0)):
        picture, hit = drawn(model, lamp, turn)
        cheeks = picture[90:110].mean(axis=2)
        left, right = (cheeks[:, half][hit[90:110, half]].mean() for half in (slice(0, 100), slice(100, 200)))
        assert brighter * (right - left) > 20.0


def test_levels_are_told_by_part() -> None:
    labels, photo = np.zeros((60, 100), np.uint8), np.full((60, 100, 3), 100, np.uint8)
    labels[:, :] = PARTS.index("skin")
    labels[5:10, 20:80] = PARTS.index("brow_left")
    labels[20:26, 20:40], labels[20:26, 60:80] = PARTS.index("eye_left"), PARTS.index("eye_right")
    labels[45:50, 30:70] = PARTS.index("lower_lip")
    labels[42:45, 30:70] = PARTS.index("mouth")
    off = {"skin": 1, "brow_left": 40, "eye_left": 7, "eye_right": 9, "lower_lip": 20, "mouth": 60}
    picture = photo.copy()
    for name, levels in off.items():
        picture[labels == PARTS.index(name)] -= np.uint8(levels)
    picture[14:32, 14:86][labels[14:32, 14:86] == PARTS.index("skin")] = 70  # lids, and more beside them
    where = np.ones(labels.shape, bool)
    found = dict(zip(COLUMNS, levels_apart(photo, picture, where, labels), strict=True))
    assert found["brows"] == 40 and found["lips"] == 20 and found["eyes"] == 8 and found["mouth"] == 60
    assert found["lids"] > 25 > 5 > found["skin"] >= 1
    where[40:] = False
    unseen = dict(zip(COLUMNS, levels_apart(photo, picture, where, labels), strict=True))
    assert np.isnan(unseen["lips"]) and unseen["brows"] == 40
