"""Occluders: exact masks, types that agree with labels, and pastes that land where they belong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from models.face_model.sources import DATA
from models.synthesis import occluders, props
from models.synthesis.assets import Assets
from models.synthesis.hands import POSES, sample_hand
from models.synthesis.labels import HIDING, Label, Occluder, OccluderType, labels_with_occluder, occluder_type
from models.synthesis.lenses import _surroundings
from models.synthesis.overlay import KINDS, paste_occluder
from models.synthesis.renderer import Picture, render
from models.synthesis.scene import Scene, sample_scene

SIZE = 160
_EXPECTED = {
    "glasses": {Occluder.FRAME, Occluder.CLEAR_LENS}, "sunglasses": {Occluder.DARK_LENS}, "mask": {Occluder.MASK},
    "goggles": {Occluder.GOGGLES, Occluder.VISOR}, "scarf": {Occluder.SCARF}, "hand": {Occluder.HAND},
}  # fmt: skip


@pytest.fixture(scope="module")
def assets(model: FaceModel) -> Assets:
    if not (DATA / "occluders").is_dir():
        pytest.skip("the source data of hands and masks is not here")
    return Assets.load(model)


@pytest.fixture(scope="module")
def frontal(assets: Assets) -> list[Scene]:
    """A few people who look at the camera and wear nothing."""
    nothing = occluders.plan_of(set(), np.random.default_rng(0), assets)
    scenes: list[Scene] = []
    index = 0
    while len(scenes) < 4:
        scene = sample_scene(assets, 41, index, SIZE)
        if scene.camera.rotation[2, 2] < -0.9 and scene.hair.hat is None:
            scenes.append(replace(scene, occluders=nothing))
        index += 1
    return scenes


@pytest.fixture(scope="module")
def bare(frontal: list[Scene], assets: Assets) -> list[Picture]:
    return [render(scene, assets) for scene in frontal]


def _wearing(scene: Scene, assets: Assets, kind: str, seed: int) -> Picture:
    plan = occluders.plan_of({kind}, np.random.default_rng(seed), assets)
    return render(replace(scene, occluders=plan), assets)


@pytest.mark.parametrize("kind", list(occluders.KINDS))
def test_the_mask_is_the_difference_between_picture_and_twin(kind: str, frontal: list[Scene], assets: Assets) -> None:
    codes: set[int] = set()
    for seed, scene in enumerate(frontal):
        picture = _wearing(scene, assets, kind, seed)
        difference = np.abs(picture.linear - picture.clean_linear).max(axis=2)
        untouched = picture.occluder == Occluder.NONE
        assert np.array_equal(picture.linear[untouched], picture.clean_linear[untouched])
        hidden = np.isin(picture.occluder, HIDING)
        if hidden.any():  # hardly any pixel is by chance as bright as what it hides
            assert (difference[hidden] > 1e-3).mean() > 0.9
        codes |= set(np.unique(picture.occluder).tolist())
    assert codes & _EXPECTED.get(kind, {Occluder.OBJECT, Occluder.PERSON, Occluder.BORDER, Occluder.LOOSE_HAIR})


def test_labels_and_types_agree_with_the_codes() -> None:
    codes = np.array([[int(code) for code in Occluder]], np.uint8)
    labels = labels_with_occluder(np.full(codes.shape, Label.NOSE, np.uint8), codes)[0]
    types = occluder_type(codes)[0]
    for code, label, kind in zip(Occluder, labels, types, strict=True):
        if code in (Occluder.NONE, Occluder.TOUCHED, Occluder.VISOR):
            assert label == Label.NOSE and kind == OccluderType.NONE
        else:
            assert label != Label.NOSE and kind != OccluderType.NONE
    assert types[Occluder.FRAME] == OccluderType.DARK_GLASSES  # dark lenses are in this map
    assert occluder_type(np.array([[Occluder.FRAME]], np.uint8))[0, 0] == OccluderType.CLEAR_GLASSES


def test_plans_follow_their_shares(assets: Assets) -> None:
    rng = np.random.default_rng(3)
    plans = [occluders.sample_occluder(rng, assets) for _ in range(1500)]
    assert abs(np.mean([not plan.empty for plan in plans]) - occluders.ANY) < 0.05
    assert 0.18 < np.mean([plan.frame is not None for plan in plans]) < 0.32
    assert 0.1 < np.mean([plan.mask is not None for plan in plans]) < 0.18
    assert 0.04 < np.mean([plan.hand is not None for plan in plans]) < 0.1


@pytest.mark.parametrize("name", list(POSES))
def test_hands_touch_the_face_from_outside(name: str, frontal: list[Scene], assets: Assets) -> None:
    scene = frontal[0]
    plan = replace(
        occluders.plan_of(set(), np.random.default_rng(1), assets),
        hand=sample_hand(np.random.default_rng(2), POSES[name]),
    )
    picture = render(replace(scene, occluders=plan), assets)
    assert (picture.occluder == Occluder.HAND).sum() > 0.01 * SIZE**2


@pytest.mark.parametrize("kind", list(props.SHARES))
def test_every_prop_stands_before_the_face(kind: str, assets: Assets) -> None:
    model = assets.head.model
    landmarks = model.landmarks(model.vertices)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        plan = replace(props.sample_prop(rng), kind=kind)
        mesh = props.make_prop(plan, landmarks).mesh
        assert mesh.triangles.max() < len(mesh.vertices)
        assert mesh.vertices[:, 2].max() > landmarks[:, 2].min()
        assert np.linalg.norm(mesh.vertices.mean(axis=0) - landmarks[30]) < 0.35
        albedo, cover = mesh.painter(mesh.attributes)
        assert albedo.shape == (len(mesh.vertices), 3) and albedo.min() >= 0.0 and albedo.max() <= 1.5
        assert np.array_equal(cover, np.ones(len(mesh.vertices)))


def _inside(mask: np.ndarray, points: np.ndarray) -> float:
    column, row = np.clip(np.rint(points), 0, SIZE - 1).astype(int).T
    return float(mask[row, column].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_pastes_land_where_they_belong(kind: str, bare: list[Picture]) -> None:
    for index, picture in enumerate(bare):
        points = picture.landmarks[:68]
        pasted, mask = paste_occluder(picture.image, points, kind, np.random.default_rng(index))
        labels = labels_with_occluder(np.zeros_like(mask), mask)
        changed = (pasted.astype(int) != picture.image.astype(int)).any(axis=2)
        assert not (changed & (mask == Occluder.NONE)).mean() > 0.03  # soft edges alone
        if kind in ("glasses", "sunglasses"):
            assert _inside(labels == Label.GLASSES, points[36:48]) > 0.7
            assert _inside(labels == Label.GLASSES, points[48:68]) == 0.0
        elif kind == "mask":
            assert _inside(labels == Label.MASK, points[48:68]) > 0.9
            assert _inside(labels == Label.MASK, points[36:48]) < 0.2
        else:
            code = Occluder.HAND if kind == "hand" else Occluder.OBJECT
            assert (mask == code).any()


def test_pastes_depend_on_their_arguments_alone(bare: list[Picture]) -> None:
    picture = bare[0]
    first, mask = paste_occluder(picture.image, picture.landmarks[:68], "mask", np.random.default_rng(4))
    again, same = paste_occluder(picture.image, picture.landmarks[:68], "mask", np.random.default_rng(4))
    assert np.array_equal(first, again) and np.array_equal(mask, same)
    with pytest.raises(ValueError, match="choose from"):
        paste_occluder(picture.image, picture.landmarks[:68], "halo", np.random.default_rng(4))


def test_grey_photos_stay_grey(bare: list[Picture]) -> None:
    picture = bare[1]
    grey = np.repeat(picture.image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    for kind in KINDS:
        pasted, _ = paste_occluder(grey, picture.landmarks[:68], kind, np.random.default_rng(5))
        assert np.ptp(pasted.astype(int), axis=2).max() <= 2


def test_large_photos_keep_their_size(bare: list[Picture]) -> None:
    picture = bare[2]
    large = np.kron(picture.image, np.ones((6, 6, 1), np.uint8))
    points = (picture.landmarks[:68] + 0.5) * 6 - 0.5
    pasted, mask = paste_occluder(large, points, "sunglasses", np.random.default_rng(6))
    assert pasted.shape == large.shape and mask.shape == large.shape[:2]
    center = np.rint(points[36:48].mean(axis=0)).astype(int)
    rows = slice(center[1] - 60, center[1] + 60)
    assert (labels_with_occluder(np.zeros_like(mask), mask)[rows] == Label.GLASSES).any()


def test_lenses_mirror_the_surroundings_at_any_number_of_places() -> None:
    directions = np.random.default_rng(0).normal(size=(40_000, 3)).astype(np.float32)  # beyond what one row may hold
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    light = SimpleNamespace(environment=np.full((32, 64, 3), 0.25, np.float32))
    assert _surroundings(light, directions) == pytest.approx(np.full((40_000, 3), 0.25))  # pyright: ignore[reportArgumentType]
