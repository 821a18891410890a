"""Identity and expression sliders."""

from __future__ import annotations

import numpy as np
import pytest


def _key_points(head) -> np.ndarray:
    keys = head.data.shape_keys.key_blocks
    points = np.empty((len(keys), len(head.data.vertices), 3), np.float32)
    for row, key in zip(points, keys, strict=True):
        key.data.foreach_get("co", row.ravel())
    return points


def test_identity_slider_rebakes_and_keeps_every_expression(built, addon, model, result) -> None:
    head = built.head
    custom = head.shape_key_add(name="mine", from_mix=False)
    custom.value = 0.0
    custom.data[7].co.x += 0.01
    before = _key_points(head)
    head.facewright_identity[0].value += 1.5
    after = _key_points(head)
    wanted = addon("blender_addon.coordinates").to_blender(1.5 * model.identity_basis[0])
    assert np.abs(after[0] - before[0] - wanted).max() < 1e-6
    assert np.abs((after - after[:1]) - (before - before[:1])).max() < 1e-6
    vertices = np.empty_like(after[0])
    head.data.vertices.foreach_get("co", vertices.ravel())
    assert np.abs(vertices - after[0]).max() == 0


def test_identity_resets_to_photo_and_average(bpy, built, addon, model, result) -> None:
    to_blender = addon("blender_addon.coordinates").to_blender
    bpy.ops.facewright.identity_random(seed=5)
    assert np.abs(_key_points(built.head)[0] - to_blender(result.neutral)).max() > 1e-3
    bpy.ops.facewright.identity_reset(target="AVERAGE")
    assert np.abs(_key_points(built.head)[0] - to_blender(model.vertices)).max() < 5e-6
    assert all(item.value == 0 for item in built.head.facewright_identity)
    bpy.ops.facewright.identity_reset(target="PHOTO")
    assert np.abs(_key_points(built.head)[0] - to_blender(result.neutral)).max() < 5e-6


def test_identity_of_a_head_with_other_vertices_is_refused(bpy, built) -> None:
    built.head.data.shape_keys  # noqa: B018 - the head has keys; a new vertex makes it another mesh
    built.head.data.vertices.add(1)
    with pytest.raises(RuntimeError, match="reconstruct it again"):
        bpy.ops.facewright.identity_random(seed=1)


def test_expression_reset_photo_and_mirror(bpy, built, result) -> None:
    keys = built.head.data.shape_keys.key_blocks
    bpy.ops.facewright.expression_reset(target="NEUTRAL")
    assert all(key.value == 0 for key in keys)
    bpy.ops.facewright.expression_reset(target="PHOTO")
    assert keys["mouthSmileLeft"].value == pytest.approx(0.6)
    bpy.ops.facewright.expression_mirror()
    assert keys["mouthSmileRight"].value == pytest.approx(0.6)
    assert keys["mouthSmileLeft"].value == 0
    assert keys["jawOpen"].value == pytest.approx(0.25)


def test_random_expression_is_repeatable_and_plausible(bpy, built, addon) -> None:
    animation = addon("blender_addon.animation")
    for seed in range(50):
        values = animation.random_values(built.head, seed)
        assert values == animation.random_values(built.head, seed)
        assert all(0 <= value <= 1 for value in values.values())
        assert not {"jawLeft", "jawRight"} <= set(values)
    bpy.ops.facewright.expression_random(seed=4)
    assert any(key.value > 0 for key in built.head.data.shape_keys.key_blocks)


def test_renamed_or_deleted_key_is_left_alone(bpy, built) -> None:
    keys = built.head.data.shape_keys.key_blocks
    keys["jawOpen"].name = "myJaw"
    keys["myJaw"].value = 0.7
    built.head.shape_key_remove(keys["mouthSmileLeft"])
    bpy.ops.facewright.expression_reset(target="NEUTRAL")
    assert built.head.data.shape_keys.key_blocks["myJaw"].value == pytest.approx(0.7)


def test_keyframes_for_all_sliders(bpy, built) -> None:
    scene, keys = bpy.context.scene, built.head.data.shape_keys
    scene.frame_set(1)
    bpy.ops.facewright.keyframe()
    scene.frame_set(11)
    keys.key_blocks["jawOpen"].value = 1.0
    bpy.ops.facewright.keyframe()
    scene.frame_set(6)
    assert 0.25 < keys.key_blocks["jawOpen"].value < 1.0
    scene.frame_set(11)
    bpy.ops.facewright.keyframe(remove=True)
    scene.frame_set(20)
    assert keys.key_blocks["jawOpen"].value == pytest.approx(0.25)


def test_groups_hold_every_expression_once(addon, model) -> None:
    groups = addon("blender_addon.expression_groups").grouped(list(model.expression_names))
    members = [name for names in groups.values() for name in names]
    assert sorted(members) == sorted(model.expression_names)
    assert {"Eyes", "Brows", "Jaw", "Mouth", "Cheeks", "Nose", "Tongue"} <= set(groups)
    assert groups["Tongue"] == ["tongueOut"]


@pytest.mark.parametrize(
    ("name", "other"),
    [("eyeBlinkLeft", "eyeBlinkRight"), ("mouthLeft", "mouthRight"), ("jawOpen", "jawOpen")],
)
def test_mirrored_names(addon, model, name: str, other: str) -> None:
    mirrored = addon("blender_addon.expression_groups").mirrored
    assert mirrored(name, set(model.expression_names)) == other
    assert mirrored(other, set(model.expression_names)) == name


def test_operators_refuse_what_is_no_head(bpy) -> None:
    bpy.ops.mesh.primitive_cube_add()
    assert not bpy.ops.facewright.expression_reset.poll()
    assert not bpy.ops.facewright.export.poll()
