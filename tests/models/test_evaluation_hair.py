"""Hair against truth: counted by hand, and drawn from sides from which it is seen or hidden."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import NoFaceFound
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.hair_grid import ROWS, HairGrids
from core.stages.hair import mesh
from core.types import PARTS, Camera, HairMesh
from models.evaluation import hair
from models.evaluation.hair import Cover, drawn_hair
from models.evaluation.sheets import draw_hair, hair_shown, render_head, studio_camera


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_face_model()


@pytest.fixture(scope="module")
def bun(model: FaceModel) -> HairMesh:
    """Hair at the back alone, four centimetres thick."""
    grid = HairGrids(model).round_head(model.vertices)
    picture = np.zeros((ROWS * 4, 512, 4), np.uint8)
    picture[: ROWS * 2, :60] = picture[: ROWS * 2, -60:] = (200, 30, 30, 255)
    return mesh(grid.points(grid.skin + 0.04), picture, ROWS)


def test_covers_are_counted_by_pixel() -> None:
    truth = np.array([[1, 1, 1, 0, 0, 0]], bool)
    none, half = np.zeros((1, 6), bool), np.array([[0, 1, 1, 1, 0, 0]], bool)
    cover = Cover.of(truth, [half, truth, none])
    assert cover.found == pytest.approx([2 / 3, 1.0, 0.0])
    assert cover.right == pytest.approx([2 / 3, 1.0, 0.0])
    assert cover.overlap == pytest.approx([0.5, 1.0, 0.0])


def test_hair_at_the_back_is_seen_from_there(model: FaceModel, bun: HairMesh) -> None:
    front, back = (hair_shown(model, model.vertices, bun, studio_camera(160, yaw)).sum() for yaw in (0, 180))
    assert front < 0.1 * back
    assert back > 1500
    left, right = (hair_shown(model, model.vertices, bun, studio_camera(160, yaw)) for yaw in (90, -90))
    assert left[:, ::-1] == pytest.approx(right, abs=0.02 * right.sum())
    middle = np.flatnonzero(right.any(axis=0)).mean()
    head = np.flatnonzero(
        (render_head(model, model.vertices, np.full((8, 8, 3), 255, np.uint8), studio_camera(160, -90)) != 60).any(
            axis=(0, 2)
        )
    )
    assert abs(middle - head.mean()) > 20  # behind the middle of the head


def test_hair_is_drawn_in_its_colour_where_it_is_seen(model: FaceModel, bun: HairMesh) -> None:
    camera, grey = studio_camera(160, 180), np.full((8, 8, 3), 128, np.uint8)
    bare = render_head(model, model.vertices, grey, camera)
    drawn, seen = draw_hair(bare, model, model.vertices, bun, camera), hair_shown(model, model.vertices, bun, camera)
    assert (drawn[~seen] == bare[~seen]).all()
    assert (drawn[seen][:, 0] > 2 * drawn[seen][:, 1]).all()
    assert draw_hair(bare, model, model.vertices, None, camera) is bare


def test_a_head_without_a_mesh_has_its_tint(model: FaceModel, bun: HairMesh) -> None:
    camera = studio_camera(160, 180)
    bare, haired = SimpleNamespace(hair=None), SimpleNamespace(hair=bun)
    tint, same = drawn_hair(model, bare, model.vertices, camera)
    assert tint.sum() > 1000
    assert (tint == same).all()
    tint_too, more = drawn_hair(model, haired, model.vertices, camera)
    assert (tint_too == tint).all()
    assert (more & ~tint).sum() > 300
    assert more[tint].all()


def test_people_without_a_face_or_hair_do_not_count(model: FaceModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people are asked for, of six scenes each: bald ones and those that are not found are passed over."""
    long = [True, True, True, False]
    scenes = [
        SimpleNamespace(row=row, vertices=model.vertices, hair=SimpleNamespace(long=long[row])) for row in range(4)
    ]
    labels = np.ones((hair._SIDE, hair._SIDE), np.uint8)
    haired = np.where(np.arange(hair._SIDE)[:, None] < 150, PARTS.index("hair"), labels)
    row = iter(range(4))
    monkeypatch.setattr(hair.Assets, "load", lambda model: None)
    monkeypatch.setattr(hair, "sample_scene", lambda *given, **named: scenes[next(row)])
    pictures = {0: labels, 1: haired, 2: haired, 3: haired}

    def drawn(scene: SimpleNamespace, assets: None, camera: Camera) -> SimpleNamespace:
        return SimpleNamespace(labels=pictures[scene.row], image=scene.row)

    def reconstruct(image: int, focal: float) -> SimpleNamespace:
        if image == 1:
            raise NoFaceFound("none")
        camera = studio_camera(hair._SIDE, 0)
        return SimpleNamespace(hair=None, vertices=model.vertices, neutral=model.vertices, camera=camera)

    monkeypatch.setattr(hair, "_drawn", drawn)
    made = hair._people(SimpleNamespace(face_model=model, reconstruct=reconstruct), 2)
    assert [hangs for hangs, _ in made] == [True, False]  # the third and the fourth
    for _, covers in made:
        assert list(covers) == list(hair.VIEWS)
        assert all(cover.overlap[0] == cover.overlap[1] > 0.0 for cover in covers.values())
