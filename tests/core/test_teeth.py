"""Teeth hang as low as the photo shows them, and are as bright and white as there."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.mouth import Mouth
from core.geometry.teeth_rows import USUAL, TeethRows
from core.geometry.tooth_color import WHITEST, tooth_factor
from core.geometry.uv_sampling import Atlas
from core.stages.texture import Texture
from core.types import EXPRESSION, IDENTITY, Camera

from .texture_scene import Scene, linear, make_scene, render, unwrap


@pytest.fixture(scope="module")
def rows(face_model: FaceModel) -> TeethRows:
    return TeethRows(face_model)


def bared(model: FaceModel, jaw: float = 0.0) -> np.ndarray:
    """(64,) sliders of lips drawn back from the teeth."""
    expression = np.zeros(EXPRESSION, np.float32)
    expression[model.expression_names.index("jawOpen")] = jaw
    for lip in ("UpperUp", "LowerDown"):
        for side in ("Left", "Right"):
            expression[model.expression_names.index(f"mouth{lip}{side}")] = 0.6
    return expression


def smiling(model: FaceModel, jaw: float = 0.0) -> np.ndarray:
    """(V, 3) vertices of the mean head with lips that part."""
    return model.shape(np.zeros(IDENTITY, np.float32), bared(model, jaw))


def camera(roll: float = 0.0) -> Camera:
    rotation = rotation_from_angles(0.0, 0.0, roll)
    return Camera(1500.0, (255.5, 255.5), 512, 512, rotation, np.array([0.0, 0.0, 1.0]))


def edge(model: FaceModel, vertices: np.ndarray, view: Camera) -> float:
    """How far down the opening, from rim to rim, the upper incisors end in the picture."""
    marks = project(view, model.landmarks(vertices))[:, :2]
    teeth = (model.vertex_part == model.part("teeth_upper")) & (np.abs(model.vertices[:, 0]) < 0.008)
    lowest = project(view, vertices[teeth][np.argsort(model.vertices[teeth, 1])[:4]].mean(axis=0)[None])[0, :2]
    down = marks[66] - marks[62]
    return float((lowest - marks[62]) @ down / (down @ down))


@pytest.mark.parametrize("roll", [0.0, 2.5])
def test_teeth_reach_as_far_as_in_the_photo(face_model: FaceModel, rows: TeethRows, roll: float) -> None:
    vertices, view = smiling(face_model, jaw=0.1), camera(roll)
    now = edge(face_model, vertices, view)
    metres = rows.lowering(Mouth(0.4, now + 0.15), vertices, view)
    assert metres is not None and 0.0003 < metres < 0.003
    assert edge(face_model, rows.lowered(vertices, metres), view) == pytest.approx(now + 0.15, abs=0.02)
    assert rows.lowering(Mouth(0.4, now - 0.1), vertices, view) == 0.0  # they are never lifted


def test_teeth_hang_down_only_so_far(face_model: FaceModel, rows: TeethRows) -> None:
    assert rows.lowering(Mouth(1.5, 1.0), smiling(face_model, jaw=0.6), camera()) == pytest.approx(0.003)


def test_shut_and_hidden_mouths_do_not_tell_how_teeth_hang(face_model: FaceModel, rows: TeethRows) -> None:
    vertices = smiling(face_model, jaw=0.1)
    assert rows.lowering(None, vertices, camera()) is None
    assert rows.lowering(Mouth(0.15), vertices, camera()) is None
    assert rows.lowering(Mouth(0.15, 1.0), vertices, camera()) is None  # what is bright is a lip
    assert rows.lowering(Mouth(0.3, 1.0), face_model.vertices, camera()) is None  # the head's own mouth is shut


def test_teeth_that_are_not_seen_end_above_the_gap(face_model: FaceModel, rows: TeethRows) -> None:
    vertices, view = smiling(face_model, jaw=0.1), camera()
    assert edge(face_model, vertices, view) > 0.0
    assert rows.lowering(Mouth(0.3), vertices, view) == 0.0
    opened = face_model.shape(np.zeros(IDENTITY, np.float32), _jaw(face_model, 0.6))
    now = edge(face_model, opened, view)
    metres = rows.lowering(Mouth(0.6), opened, view)
    assert now < 0.0 and metres is not None and 0.0 < metres <= USUAL
    after = edge(face_model, rows.lowered(opened, metres), view)
    assert now < after < 0.03


def _jaw(model: FaceModel, value: float) -> np.ndarray:
    expression = np.zeros(EXPRESSION, np.float32)
    expression[model.expression_names.index("jawOpen")] = value
    return expression


def test_the_upper_row_alone_is_lowered(face_model: FaceModel, rows: TeethRows) -> None:
    moved = face_model.vertices - rows.lowered(face_model.vertices, 0.002)
    assert np.abs(moved[:, [0, 2]]).max() == 0.0
    upper = face_model.vertex_part == face_model.part("teeth_upper")
    np.testing.assert_allclose(moved[upper, 1], 0.002, atol=1e-7)
    gums = face_model.vertex_part == face_model.part("gums")
    assert 0.0003 < moved[gums, 1].max() < 0.001  # they follow a little
    assert moved[gums & (face_model.vertices[:, 1] < face_model.vertices[upper, 1].min() - 0.003), 1].max() == 0.0
    assert np.abs(moved[~upper & ~gums]).max() == 0.0


def test_colour_of_teeth_is_told_from_lips_and_the_dark() -> None:
    rng = np.random.default_rng(0)
    usual = np.array([0.6, 0.55, 0.42])
    wanted = np.array([1.05, 1.1, 1.2])
    teeth = 0.75 * usual * wanted * rng.normal(1.0, 0.05, (600, 1))
    others = np.concatenate([np.tile([[0.3, 0.1, 0.1]], (300, 1)), np.tile([[0.02, 0.018, 0.018]], (400, 1))])
    factor = tooth_factor(np.concatenate([teeth, others]), usual)
    assert factor is not None
    np.testing.assert_allclose(factor, wanted, rtol=0.08)
    assert tooth_factor(np.concatenate([teeth[:40], others[:300]]), usual) is None  # too few


@pytest.mark.parametrize(("level", "least", "most"), [(0.2, 0.5, 0.6), (3.0, 1.2, 1.3)])
def test_teeth_stay_teeth(level: float, least: float, most: float) -> None:
    """Neither black in the shadow of lips nor glowing in a flash; nor green."""
    usual = np.array([0.6, 0.55, 0.42])
    gray = tooth_factor(np.tile(0.75 * usual * level, (500, 1)), usual)
    assert gray is not None and least < gray.mean() < most
    green = tooth_factor(np.tile(0.75 * usual * [0.5, 1.5, 0.5], (500, 1)), usual)
    assert green is not None and green[1] / green[0] < 1.5


def test_teeth_of_the_texture_are_as_white_as_the_photos(face_model: FaceModel, atlas: Atlas, stage: Texture) -> None:
    scene = make_scene(face_model, atlas, yaw=0.0)
    scene = replace(scene, params=replace(scene.params, expression=bared(face_model)))
    shown = [
        unwrap(stage, replace(scene, photo=_with_teeth(face_model, atlas, scene, tint)))
        for tint in ((0.8, 0.7, 0.5), (1.0, 1.0, 1.1))
    ]
    assert all(texture.teeth_seen for texture in shown)
    whites = [linear(texture) for texture in shown]
    for name in ("teeth_upper", "teeth_lower"):
        yellow, white = (picture.reshape(-1, 3)[atlas.parts[name].index].mean(axis=0) for picture in whites)
        assert white[2] > 1.25 * yellow[2]
        assert white[2] / white[0] > 1.1 * yellow[2] / yellow[0]
        assert max(yellow.max(), white.max()) <= WHITEST + 0.01


def test_a_shut_mouth_shows_no_color_of_teeth(face_model: FaceModel, atlas: Atlas, stage: Texture) -> None:
    scene = make_scene(face_model, atlas, yaw=0.0, mouth=0.0)
    shut = [
        unwrap(stage, replace(scene, photo=_with_teeth(face_model, atlas, scene, tint)))
        for tint in ((0.8, 0.7, 0.5), (1.0, 1.0, 1.1))
    ]
    assert not any(texture.teeth_seen for texture in shut)
    first, second = (texture.color.reshape(-1, 3) for texture in shut)
    for name in ("teeth_upper", "teeth_lower"):
        np.testing.assert_array_equal(first[atlas.parts[name].index], second[atlas.parts[name].index])


def _with_teeth(model: FaceModel, atlas: Atlas, scene: Scene, tint: tuple[float, float, float]) -> np.ndarray:
    painted = scene.truth.copy().reshape(-1, 3)
    for name in ("teeth_upper", "teeth_lower"):
        painted[atlas.parts[name].index] = 0.55 * np.array(tint)
    return render(model, scene.params, scene.camera, painted.reshape(scene.truth.shape))
