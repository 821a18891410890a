"""Folds that an expression makes are no part of the skin; brows are, wherever they lie."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from core.geometry.uv_sampling import Atlas
from core.stages.texture import Texture
from core.types import EXPRESSION, PARTS

from .test_texture_parts import parts_of, told
from .texture_scene import Scene, linear, make_scene, render, unwrap

_LINE, _BESIDE = 0.0012, (0.003, 0.005)  # metres from a fold's middle: in it, next to it
_MOLE = 0.0018  # metres


def reach(model: FaceModel, atlas: Atlas, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) metres, seen from the front, from a segment on the face at rest and its mirror image."""
    points = atlas.skin.interpolate(model.vertices)[:, :2]
    points[:, 0] = np.abs(points[:, 0])
    along = (end - start)[:2]
    share = np.clip((points - start[:2]) @ along / max(along @ along, 1e-12), 0.0, 1.0)
    away = np.linalg.norm(points - start[:2] - share[:, None] * along, axis=1)
    face = atlas.skin.interpolate(model.in_regions("cheek_left", "cheek_right", "jaw", "chin"))
    return atlas.skin.image(np.where(face > 0.5, away, 1.0), outside=1.0)


def smile_line(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the fold from the wing of the nose past the corner of the mouth, of the side of positive x."""
    points = model.landmarks(model.vertices)
    wing, corner = (max(points[pair], key=lambda point: point[0]) for pair in ([31, 35], [48, 54]))
    return wing + [0.008, -0.004, 0.0], corner + [0.009, 0.002, 0.0]


def photographed(model: FaceModel, atlas: Atlas, marked: np.ndarray, smile: float) -> Scene:
    """The scene with half of its light from the marked texels (SIZE, SIZE), smiling as much."""
    scene = make_scene(model, atlas, yaw=0.0, mouth=0.0)
    expression = np.zeros(EXPRESSION, np.float32)
    expression[[model.expression_names.index(f"mouthSmile{side}") for side in ("Left", "Right")]] = smile
    params, truth = replace(scene.params, expression=expression), np.where(marked[..., None], 0.5, 1.0) * scene.truth
    return replace(scene, params=params, photo=render(model, params, scene.camera, truth))


@pytest.mark.parametrize(("smile", "low", "high"), [(0.0, 0.0, 0.62), (0.9, 0.7, 1.1)])
def test_folds_of_a_smile_are_taken_out_of_a_smile_alone(
    face_model: FaceModel, atlas: Atlas, stage: Texture, smile: float, low: float, high: float
) -> None:
    away = reach(face_model, atlas, *smile_line(face_model))
    line, beside = away < _LINE, (away > _BESIDE[0]) & (away < _BESIDE[1])
    assert line.sum() > 100
    colors = linear(unwrap(stage, photographed(face_model, atlas, line, smile)))
    assert low < colors[line].mean() / colors[beside].mean() < high


def test_a_mole_in_a_fold_stays(face_model: FaceModel, atlas: Atlas, stage: Texture) -> None:
    start, end = smile_line(face_model)
    middle = (start + end) / 2
    away = reach(face_model, atlas, middle, middle)
    mole, beside = away < _MOLE, (away > 2.0 * _MOLE) & (away < 3.0 * _MOLE)
    assert mole.sum() > 20
    colors = linear(unwrap(stage, photographed(face_model, atlas, mole, 0.9)))
    assert colors[mole].mean() / colors[beside].mean() < 0.62


def test_a_brow_above_the_models_is_kept_where_the_parts_say_so(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    """By its darkness alone it would be taken for a rim of glasses."""
    points, parts, photo = scene.landmarks.points, parts_of(face_model, scene), scene.photo.copy()
    top = round(points[22:27, 1].min())
    rows, columns = slice(top - 7, top - 2), slice(round(points[22, 0]) + 4, round(points[26, 0]) - 6)
    photo[rows, columns] //= 6
    arched, dark = parts.copy(), replace(scene, photo=photo)
    arched[rows, columns] = PARTS.index("brow_left")
    shade = {name: linear(told(stage, dark, each)) for name, each in (("brow", arched), ("skin", parts))}
    bare = linear(told(stage, scene, parts))
    place = (bare - shade["brow"]).max(axis=2) > 0.1
    assert place.sum() > 40
    assert shade["brow"][place].mean() < 0.5 * bare[place].mean() < 0.6 * shade["skin"][place].mean()
