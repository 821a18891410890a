"""Hair of the picture factory: strands that are drawn, grown and labelled as they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.types import Camera
from models.synthesis.assets import Assets
from models.synthesis.beards import beard_strands, sample_beard
from models.synthesis.brows import brow_strands, sample_brows
from models.synthesis.cards import draw_cards
from models.synthesis.facial_hair import natural_color
from models.synthesis.grooms import groom_strands, sample_groom
from models.synthesis.hair import hair_cards, hair_strands, sample_hair
from models.synthesis.hats import WRAPS, hat_meshes, sample_hat
from models.synthesis.labels import Label
from models.synthesis.layers import Canvas, Posed, draw
from models.synthesis.light import Light
from models.synthesis.renderer import render
from models.synthesis.scalp import reach, roots_of
from models.synthesis.scene import Scene, sample_scene
from models.synthesis.strands import CENTER, Strands, draw_strands, kinds_of, pixels_of

SIZE = 96
BROWN = np.array([0.05, 0.03, 0.02])


@pytest.fixture(scope="module")
def assets(model: FaceModel) -> Assets:
    return Assets.load(model)


@pytest.fixture(scope="module")
def scene(assets: Assets) -> Scene:
    return sample_scene(assets, 4, 2, SIZE)


@pytest.fixture(scope="module")
def posed(assets: Assets) -> Posed:
    return Posed.of(_camera(), assets.head.rest, assets.head)


def _camera() -> Camera:
    """One that looks straight at the face: 3 pixels to the centimetre."""
    return Camera(
        focal=300.0, center=((SIZE - 1) / 2, (SIZE - 1) / 2), rotation=np.diag([1.0, -1.0, -1.0]),
        translation=np.array([0.0, 0.0, 1.0]), width=SIZE, height=SIZE,
    )  # fmt: skip


def _canvas(depth: float = np.inf) -> Canvas:
    shape = (SIZE, SIZE)
    return Canvas(np.zeros((*shape, 3), np.float32), np.full(shape, depth, np.float32), np.zeros(shape, np.uint8))


def _bar(width: float, z: float = 0.0) -> Strands:
    """One hair from left to right across the middle, `width` metres thick."""
    x = np.linspace(-0.1, 0.1, 9)
    points = np.stack([x, np.full(9, 0.0), np.full(9, z)], axis=1)[None].astype(np.float32)
    return Strands(
        points=points,
        counts=np.array([9], np.int32),
        radius=np.full((1, 9), width / 2, np.float32),
        albedo=np.full((1, 9, 3), 0.5, np.float32),
        occlusion=np.ones((1, 9), np.float32),
        normals=np.array([[0, 0, 1]], np.float32),
        kinds=kinds_of(Label.HAIR, 1),
    )


@pytest.mark.parametrize("width", [0.02, 0.002])
def test_a_strand_covers_as_much_as_it_is_wide(width: float, posed: Posed, scene: Scene) -> None:
    canvas = _canvas()
    cover = draw_strands(canvas, _bar(width), posed, scene.light, None)
    columns = cover[:, 20:76].sum(axis=0)  # pixels across, well inside its ends
    assert np.allclose(columns, width * 300.0, rtol=0.12)
    assert (canvas.label[cover > 0.5] == Label.HAIR).all()
    assert np.isfinite(canvas.color).all() and canvas.color[cover > 0.2].min() > 0


def test_pixels_are_those_of_the_camera() -> None:
    points = np.random.default_rng(2).normal(0, 0.1, (4, 5, 3)).astype(np.float32)
    expected = project(_camera(), points.reshape(-1, 3)).reshape(points.shape)
    assert np.allclose(pixels_of(_camera(), points), expected, atol=1e-3)


def test_a_strand_behind_a_surface_is_not_seen(posed: Posed, scene: Scene) -> None:
    assert draw_strands(_canvas(0.9), _bar(0.01), posed, scene.light, None).max() == 0.0
    assert draw_strands(_canvas(0.9), _bar(0.01, z=0.12), posed, scene.light, None).max() > 0.9


@pytest.mark.parametrize("style", ["crop", "side", "back", "long", "curls", "afro", "tied"])
def test_grown_hair_lies_on_the_head_and_repeats(style: str, assets: Assets, posed: Posed) -> None:
    groom = replace(sample_groom(np.random.default_rng(1), False, style), flyaways=0.0, curl=0.0, loose=0)
    scalp = np.zeros((448, 768), np.float32)
    scalp[:120] = 1.0
    first, again = (groom_strands(groom, scalp, assets.head, posed, BROWN).bundles[0] for _ in range(2))
    assert np.array_equal(first.points, again.points)
    assert len(first.points) > 500
    away = first.points - CENTER
    radius = roots_of(assets.head).radius(posed.vertices)
    depth = np.linalg.norm(away, axis=2) - reach(away, radius)
    used = np.arange(first.points.shape[1])[None] < first.counts[:, None]
    assert np.quantile(depth[used], 0.02) > -0.01  # next to nothing runs through the skull


def test_no_hair_stands_out_under_a_hat(assets: Assets, posed: Posed) -> None:
    places = roots_of(assets.head).places
    for seed in range(30):
        hat = sample_hat(np.random.default_rng(seed), assets.noise)
        hidden = hat.hides(places)
        crown = places[:, 1] < 50  # 8.5 cm and more above the eyes
        assert hidden[crown].all() or hat.kind == "band"
        assert hidden.all() == (hat.kind in WRAPS)


def test_every_kind_of_headgear_covers_the_crown(assets: Assets, posed: Posed, scene: Scene) -> None:
    kinds = set()
    for seed in range(40):
        hat = sample_hat(np.random.default_rng(seed), assets.noise)
        kinds.add(hat.kind)
        layers = [draw(mesh, posed, scene.light, None) for mesh in hat_meshes(hat, assets.head, posed)]
        cover = np.max([layer.cover * (layer.depth < 1.05) for layer in layers], axis=0)  # its front
        assert all(layer.kind == Label.HAT for layer in layers)
        assert cover[:30].sum() > (150 if hat.kind != "band" else 40)  # above the brows
        assert cover[48:70, 42:54].sum() == 0.0  # nose and mouth stay free
    assert len(kinds) == 9


def test_a_tenth_of_the_people_wears_something(assets: Assets) -> None:
    plans = [sample_hair(np.random.default_rng(seed), assets.noise, tuple(assets.hair)) for seed in range(400)]
    assert 0.08 < np.mean([plan.hat is not None for plan in plans]) < 0.18
    assert len({plan.groom.style for plan in plans if plan.groom is not None}) == 7


def test_painted_hair_has_neither_strips_nor_strands(assets: Assets, posed: Posed) -> None:
    for seed in range(20):
        plan = sample_hair(np.random.default_rng(seed), assets.noise, tuple(assets.hair), strips=False)
        assert hair_strands(plan, assets.head, posed, assets.head.rest, BROWN) == []
        assert hair_cards(plan, assets.hair, assets.head.rest, BROWN) == []


def test_long_hair_is_often_full(assets: Assets) -> None:
    """A sheet hangs beneath the strands, no longer than they, but never under a hat."""
    plans = [sample_hair(np.random.default_rng(seed), assets.noise, tuple(assets.hair)) for seed in range(400)]
    long = [plan for plan in plans if plan.groom is not None and plan.kind == "groom" and plan.groom.style == "long"]
    bare = [plan for plan in long if plan.hat is None]
    assert len(bare) > 30
    assert 0.4 < np.mean([plan.mane is not None for plan in bare]) < 0.8
    assert all(plan.mane is None for plan in long if plan.hat is not None)
    full = [plan for plan in bare if plan.mane is not None]
    assert all(plan.mane.length <= max(plan.groom.length - 0.1, 0.04) + 1e-6 for plan in full)


def test_brows_follow_their_landmarks(assets: Assets, posed: Posed) -> None:
    head = assets.head
    landmarks = head.model.landmarks(head.rest)[17:27]
    for seed in range(6):
        brows = sample_brows(np.random.default_rng(seed), head.chart, BROWN)
        strands = brow_strands(brows, head, posed)
        left = strands.kinds == Label.BROW_LEFT
        assert (strands.points[left, 0, 0] > 0).all() and (strands.points[~left, 0, 0] < 0).all()
        gap = np.linalg.norm(strands.points[None, :, 0] - landmarks[:, None], axis=2).min(axis=1)
        assert gap.max() < 0.008
        inner = np.abs(strands.points[:, 0, 0]) < 0.016
        rise = strands.points[:, -1, 1] - strands.points[:, 0, 1]
        assert (
            rise[inner].mean() > 0.001
            and np.abs(strands.points[:, -1, 0]).mean() > np.abs(strands.points[:, 0, 0]).mean()
        )


def test_a_beard_is_skin_until_it_hangs(assets: Assets, posed: Posed) -> None:
    seen = {}
    for seed in range(200):
        beard = sample_beard(np.random.default_rng(seed), assets.head.chart, assets.noise, BROWN, False)
        if beard is not None and beard.kind not in seen:
            seen[beard.kind] = beard_strands(beard, assets.head, posed)
    assert {"stubble", "full", "long", "goatee", "moustache"} <= set(seen)
    assert (seen["stubble"].kinds == Label.SKIN).all()
    assert (seen["long"].kinds == Label.HAIR).any() and (seen["long"].kinds == Label.SKIN).any()
    assert np.linalg.norm(np.diff(seen["full"].points, axis=1), axis=2).sum(axis=1).max() > 0.008


def test_brows_under_dyed_hair_stay_natural() -> None:
    rng = np.random.default_rng(0)
    green = [natural_color(rng, np.array([0.1, 0.6, 0.1])) for _ in range(40)]
    assert np.mean([color[0] > color[1] > color[2] for color in green]) > 0.7
    assert np.array_equal(natural_color(rng, BROWN), BROWN)


def test_landmarks_under_a_fringe_are_hidden(assets: Assets) -> None:
    hidden = total = 0
    for index in range(60):
        scene = sample_scene(assets, 9, index, SIZE)
        groom = scene.hair.groom
        if groom is None or scene.hair.hat is not None or scene.hair.kind != "groom":
            continue
        heavy = replace(groom, style="side", length=0.09, fringe=0.004, count=4000, width=0.003, volume=0.004)
        picture = render(replace(scene, hair=replace(scene.hair, groom=heavy)), assets)
        x, y = np.rint(picture.landmarks[17:27].T).astype(int).clip(1, SIZE - 2)
        under = np.array(
            [(picture.labels[b - 1 : b + 2, a - 1 : a + 2] == Label.HAIR).all() for a, b in zip(x, y, strict=True)]
        )
        hidden += int((picture.visibility[17:27][under] == 0).sum())
        total += int(under.sum())
        if total > 20:
            break
    assert total > 5 and hidden == total


def test_strip_hair_is_drawn_in_layers_and_labelled(assets: Assets, posed: Posed, scene: Scene) -> None:
    if not assets.hair:
        pytest.skip("needs ../shared/data/makehuman/hair")
    plan = next(
        plan for seed in range(50)
        if (plan := sample_hair(np.random.default_rng(seed), assets.noise, tuple(assets.hair))).kind == "strips"
    )  # fmt: skip
    soft = 0
    for style in assets.hair:
        cards = hair_cards(replace(plan, style=style), assets.hair, assets.head.rest, BROWN)[0]
        canvas = _canvas()
        cover = draw_cards(canvas, cards, posed, scene.light, None)
        assert cover.max() > 0.95, style
        soft += bool(((cover > 0.05) & (cover < 0.95)).any())
        assert (canvas.label[cover > 0.5] == Label.HAIR).all() and np.isfinite(canvas.color).all()
        assert draw_cards(_canvas(0.5), cards, posed, scene.light, None).max() == 0.0
    assert soft >= 7  # a few textures are solid


def _mean_color(light: Light, posed: Posed) -> float:
    canvas = _canvas()
    cover = draw_strands(canvas, _bar(0.02), posed, light, None)
    return float(canvas.color[cover > 0.9].mean())


def test_more_light_makes_brighter_hair(posed: Posed, scene: Scene) -> None:
    lamp = replace(scene.light, key_direction=np.array([0, 0, 1], np.float32), key_color=np.ones(3, np.float32))
    assert _mean_color(lamp, posed) > _mean_color(replace(lamp, key_color=np.zeros(3, np.float32)), posed) + 0.1


def test_hair_grows_once_and_follows_the_scalp(assets: Assets, posed: Posed, scene: Scene) -> None:
    groom = replace(sample_groom(np.random.default_rng(1), False, "crop"), loose=0)
    scalp = np.ones((448, 768), np.float32)
    plan = replace(scene.hair, groom=groom, scalp=scalp, hat=None)
    neutral = assets.head.rest
    raised = replace(posed, vertices=neutral + np.float32([0.0, 0.01, 0.0]))
    first = hair_strands(plan, assets.head, replace(posed, vertices=neutral), neutral, BROWN)[0]
    moved = hair_strands(plan, assets.head, raised, neutral, BROWN)[0]
    assert np.allclose(moved.points - first.points, [0.0, 0.01, 0.0], atol=1e-6)
    late = hair_strands(replace(plan), assets.head, raised, neutral, BROWN)[0]  # as in a process that starts here
    assert np.array_equal(late.points, moved.points)
