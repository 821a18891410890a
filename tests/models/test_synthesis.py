"""The picture factory: determinism, and labels that agree with the pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.geometry import alignment
from core.geometry.alignment import crop_matrix
from core.geometry.camera import pose_from_camera, project
from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import rasterize
from core.types import FaceParams
from models.synthesis import occluders
from models.synthesis.assets import Assets
from models.synthesis.dataset import held_out_pictures, make_dataset, make_picture
from models.synthesis.expressions import lip_gap, seal
from models.synthesis.identities import sample_identity
from models.synthesis.ingredients import unpack, used
from models.synthesis.labels import HIDING, Label, Occluder, labels_with_occluder
from models.synthesis.light import sample_light
from models.synthesis.optics import Optics, through_lens
from models.synthesis.renderer import Picture
from models.synthesis.scene import sample_scene
from models.synthesis.shards import list_shards, read_geometry, read_shard, write_shard

SIZE = 192


@pytest.fixture(scope="module")
def assets(model: FaceModel) -> Assets:
    return Assets.load(model)


@pytest.fixture(scope="module")
def pictures(assets: Assets) -> list[Picture]:
    return [make_picture(assets, 5, index) for index in range(24)]


def test_a_picture_depends_on_its_seed_alone(assets: Assets, pictures: list[Picture]) -> None:
    again, other = make_picture(assets, 5, 7), make_picture(assets, 6, 7)
    assert np.array_equal(again.image, pictures[7].image)
    assert np.array_equal(again.coefficients, pictures[7].coefficients)
    assert np.array_equal(again.occluder, pictures[7].occluder)
    assert not np.array_equal(other.image, pictures[7].image)


def test_landmarks_follow_from_coefficients_and_camera(assets: Assets, pictures: list[Picture]) -> None:
    model = assets.head.model
    for picture in pictures:
        vertices = model.shape(picture.identity, picture.expression)
        points = project(picture.camera, model.visible_landmarks(vertices, picture.camera.rotation))
        assert np.abs(points[:, :2] - picture.landmarks[:68]).max() < 0.05
        dense = project(picture.camera, model.dense_landmarks(vertices))
        assert np.abs(dense[:, :2] - picture.landmarks[68:]).max() < 0.05


def test_pose_is_that_of_the_true_face_crop(pictures: list[Picture]) -> None:
    for picture in pictures:
        matrix = crop_matrix(picture.landmarks[:68].astype(np.float64), 128)
        pose = pose_from_camera(picture.camera, matrix, 128)
        assert np.allclose(pose, FaceParams.from_vector(picture.coefficients).pose, atol=1e-3)


def test_the_face_fills_the_frame_as_promised(pictures: list[Picture]) -> None:
    for picture in pictures:
        matrix = crop_matrix(picture.landmarks[:68].astype(np.float64), SIZE)
        margin = 1.5 * np.sqrt(np.linalg.det(matrix[:, :2]))
        assert 1.75 < margin < 2.3
        middle = (SIZE - 1) / 2
        inside = np.linalg.solve(matrix[:, :2], middle - matrix[:, 2])
        right, below = (inside - middle) / SIZE
        assert abs(right) < 0.1
        assert -0.1 < below < 0.2  # many are left headroom for their hair


def test_pictures_of_whole_heads_hold_the_head_crop(assets: Assets) -> None:
    for index in range(6):
        picture = make_picture(assets, 4, index, 64, whole_head=True)
        matrix = alignment.head_matrix(picture.landmarks[:68], 100)
        roll = np.arctan2(matrix[1, 0], matrix[0, 0])
        middle = alignment.apply(alignment.invert(matrix), np.array([[49.5, 49.5]]))[0]
        assert np.abs(middle - 31.5).max() < 0.06 * 64 + 64 * 0.25 / 2.2 * abs(np.sin(roll))
        assert 100 / np.sqrt(np.linalg.det(matrix[:, :2])) < 64  # smaller than the picture


def test_landmarks_lie_on_their_parts(pictures: list[Picture]) -> None:
    expected = {
        30: {Label.NOSE}, 33: {Label.NOSE, Label.UPPER_LIP, Label.SKIN},
        51: {Label.UPPER_LIP, Label.SKIN}, 57: {Label.LOWER_LIP, Label.SKIN},
    }  # fmt: skip
    good = total = 0
    for picture in pictures:
        for row, labels in expected.items():
            x, y = np.rint(picture.landmarks[row]).astype(int)
            if picture.visibility[row] and 0 <= x < SIZE and 0 <= y < SIZE:
                total += 1
                patch = picture.labels[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                good += bool(set(patch.ravel().tolist()) & {int(label) for label in labels})
    assert total > 40
    assert good / total > 0.95


def test_eye_labels_keep_the_subjects_sides(pictures: list[Picture]) -> None:
    seen = 0
    for picture in pictures:
        for label, corners in ((Label.EYE_RIGHT, (36, 39)), (Label.EYE_LEFT, (42, 45))):
            rows, columns = np.nonzero(picture.labels == label)
            if len(rows) > 20:
                seen += 1
                center = picture.landmarks[list(corners)].mean(axis=0)
                assert np.hypot(columns.mean() - center[0], rows.mean() - center[1]) < 12
    assert seen > 15


def test_clean_twin_equals_the_picture_outside_the_occluder(assets: Assets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occluders, "ANY", 1.0)
    kinds: set[int] = set()
    for index in range(16):
        picture = make_picture(assets, 9, index)
        untouched = picture.occluder == Occluder.NONE
        assert np.array_equal(picture.linear[untouched], picture.clean_linear[untouched])
        kinds |= set(np.unique(picture.occluder).tolist())
        different = np.abs(picture.linear - picture.clean_linear).max(axis=2) > 0.05
        assert not (different & untouched).any()
    assert len(kinds & {int(kind) for kind in HIDING}) >= 3


def test_without_occluder_the_twin_is_the_picture(pictures: list[Picture]) -> None:
    bare = [picture for picture in pictures if not picture.occluder.any()]
    assert 0.2 < len(bare) / len(pictures) < 0.8
    for picture in bare:
        assert np.array_equal(picture.image, picture.clean)


def test_visibility_agrees_with_the_depth_buffer(assets: Assets) -> None:
    checked = 0
    for index in range(12):
        scene = sample_scene(assets, 5, index)
        picture = make_picture(assets, 5, index, group=1)
        model = assets.head.model
        points = project(scene.camera, scene.vertices)
        raster = rasterize(points, assets.head.triangles, SIZE, SIZE)
        marks = project(scene.camera, model.dense_landmarks(scene.vertices))
        column, row = np.rint(marks[:, :2]).astype(int).T
        inside = (column > 1) & (column < SIZE - 2) & (row > 1) & (row < SIZE - 2)
        for k in np.flatnonzero(inside):
            near = raster.depth[row[k] - 1 : row[k] + 2, column[k] - 1 : column[k] + 2]
            if marks[k, 2] > near.max() + 0.02:
                checked += 1
                assert not picture.visibility[68 + k]
    assert checked > 50


def test_hiding_occluders_hide_landmarks(assets: Assets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occluders, "ANY", 1.0)
    hidden = 0
    for index in range(10):
        picture = make_picture(assets, 12, index)
        column, row = np.clip(np.rint(picture.landmarks), 0, SIZE - 1).astype(int).T
        under = np.isin(picture.occluder[row, column], HIDING)
        assert not picture.visibility[under].any()
        hidden += int(under.sum())
        whole = labels_with_occluder(picture.labels, picture.occluder)
        assert np.array_equal(whole == Label.HAND, picture.occluder == Occluder.HAND)
    assert hidden > 50


def test_shards_hold_what_was_rendered_and_resume(tmp_path: Path, assets: Assets, monkeypatch) -> None:
    monkeypatch.setattr("models.synthesis.dataset.SHARD", 3)
    assert make_dataset(tmp_path, 5, seed=5, workers=1) == 5
    assert make_dataset(tmp_path, 5, seed=5, workers=1) == 0
    shards = [read_shard(folder) for folder in list_shards(tmp_path)]
    assert [len(shard.images) for shard in shards] == [3, 2]
    expected = make_picture(assets, 5, 4)
    shard = shards[1]
    assert np.array_equal(shard.images[1], expected.image)
    assert np.array_equal(shard.clean(1), expected.clean)
    assert np.array_equal(shard.occluder[1], expected.occluder)
    assert np.allclose(shard.truth.coefficients[1], expected.coefficients)
    assert shard.truth.seed[1].tolist() == [5, 4]


def test_held_out_people_are_clear_to_see(assets: Assets) -> None:
    (picture,) = held_out_pictures(assets.head.model, 1)
    assert picture.image.shape == (320, 320, 3)
    assert picture.visibility[17:68].mean() > 0.9


def test_neighbours_in_a_group_show_one_person(assets: Assets) -> None:
    first, second, other = (sample_scene(assets, 5, index, SIZE, group=2) for index in (6, 7, 8))
    assert first.person == second.person == 3
    assert other.person == 4
    assert np.array_equal(first.identity, second.identity)
    assert np.array_equal(first.vertex_albedo, second.vertex_albedo)
    assert not np.array_equal(first.identity, other.identity)
    assert not np.array_equal(first.camera.rotation, second.camera.rotation)
    assert not np.array_equal(first.background, second.background)


def test_shards_note_people_ingredients_and_geometry(tmp_path: Path, assets: Assets) -> None:
    pictures = [make_picture(assets, 5, index) for index in range(4)]
    write_shard(tmp_path / "shard_00000", iter(pictures), 5, 0, geometry=True)
    shard = read_shard(tmp_path / "shard_00000")
    assert shard.truth.person.tolist() == [0, 0, 1, 1]
    for row, picture in enumerate(pictures):
        assert unpack(shard.truth.ingredients[row]) == dict(picture.ingredients)
        assert picture.ingredients["occluder"] or not picture.occluder.any()
    geometry = read_geometry(tmp_path / "shard_00000")
    face = np.isfinite(pictures[0].depth)
    assert np.array_equal(np.isfinite(geometry["depth"][0]), face)
    assert np.allclose(np.linalg.norm(geometry["normals"][0][face] / 127.0, axis=1), 1.0, atol=0.03)


def test_first_generation_shards_are_read(tmp_path: Path, assets: Assets) -> None:
    folder = tmp_path / "shard_00000"
    write_shard(folder, [make_picture(assets, 5, 0), make_picture(assets, 5, 1)], 5, 0)
    with np.load(folder / "truth.npz") as data:
        old = {name: data[name] for name in data.files if name not in ("person", "ingredients")}
    np.savez(folder / "truth.npz", **old)
    truth = read_shard(folder).truth
    assert truth.person.tolist() == [0, 1]
    assert used(truth.ingredients, "texture").all()


def test_sealed_lips_touch_for_every_identity(assets: Assets) -> None:
    model = assets.head.model
    sealed = 0
    for index in range(120):
        rng = np.random.default_rng(index)
        neutral = model.shape(sample_identity(rng, model))
        sliders, shut = assets.expressions.sample(rng)
        if shut:
            sealed += 1
            vertices = neutral + np.tensordot(sliders, model.expression_basis, axes=1)
            sliders, vertices = seal(model, sliders, vertices)
            assert lip_gap(model, vertices) < 0.0003
            assert np.allclose(neutral + np.tensordot(sliders, model.expression_basis, axes=1), vertices, atol=1e-5)
            assert sliders.min() >= 0.0 and sliders.max() <= 1.0
    assert sealed > 0.4 * 120


def test_eyes_that_look_into_the_camera_turn_against_the_head(assets: Assets) -> None:
    sampler, yaw = assets.expressions, np.radians(25.0)  # to the subject's left: the eyes go to the right
    turned = [sampler.sample(np.random.default_rng(index), yaw)[0] for index in range(200)]
    right = np.mean([sliders[sampler.row("eyeLookOutRight")] for sliders in turned])
    left = np.mean([sliders[sampler.row("eyeLookOutLeft")] for sliders in turned])
    assert right > left + 0.15


def test_the_key_lamp_is_the_brightest_patch_of_the_map() -> None:
    panorama = np.full((32, 64, 3), 0.5, np.float32)
    panorama[8, 48] = 400.0
    light = sample_light(np.random.default_rng(3), [panorama])
    for seed in range(40):
        light = sample_light(np.random.default_rng(seed), [panorama])
        if light.kind == "map" and light.key_color.max() > 0:
            row = np.arccos(light.key_direction[1]) / np.pi * 32
            column = (np.arctan2(light.key_direction[0], -light.key_direction[2]) / (2 * np.pi) + 0.5) * 64
            assert abs(row - 8.5) < 1.0
            assert min(abs((column - 48.5 - light.turn * 64) % 64), abs((48.5 + light.turn * 64 - column) % 64)) < 1.5
            assert light.environment.max() < 0.1 * 400.0


def test_defocus_blurs_the_background_and_spares_the_face() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((SIZE, SIZE, 3), dtype=np.float32)
    depth = np.full((SIZE, SIZE), np.inf, np.float32)
    depth[60:140, 60:140] = 1.0
    sharp = Optics(0.4, 0.0, 0.0, (0.0, 0.0), 0.0, 0.0, 0.0)
    soft = replace(sharp, far_blur=5.0, near_blur=2.0)
    before, after = through_lens(image, sharp, depth, 1.0), through_lens(image, soft, depth, 1.0)
    assert np.allclose(before[70:130, 70:130], after[70:130, 70:130], atol=0.02)
    assert after[:40].std() < 0.4 * before[:40].std()
