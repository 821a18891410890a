"""The pictures a head was made of: kept, tied to it, shown, and gone with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

KINDS = {"photo", "mask", "completed", "confidence"}


@pytest.fixture
def head(bpy, fake_pipeline, photo_file):
    """A head whose photo had something to complete."""
    bpy.ops.facewright.reconstruct(filepath=str(photo_file))
    return bpy.context.active_object


@pytest.fixture
def pictures(addon):
    """The module."""
    return addon("blender_addon.pictures")


def test_all_pictures_are_packed_and_tied_to_the_head(bpy, head, pictures, addon, photo, fake_pipeline, result) -> None:
    kept = {kind: pictures.picture_of(head, kind) for kind in pictures.KINDS}
    assert set(kept) == KINDS
    names = {"ada Photo", "ada Mask", "ada Completed", "ada Confidence"}
    assert {image.name for image in kept.values()} == names
    assert all(image.packed_file is not None and image.users > 0 for image in kept.values())
    pixels = addon("blender_addon.photo_source").pixels_of
    mask = fake_pipeline.occluder_mask(photo, result.landmarks.points) > 0
    assert np.array_equal(pixels(kept["mask"])[..., 0] > 127, mask)
    completed = pixels(kept["completed"])
    assert np.array_equal(completed[~mask], photo[~mask]) and (completed[mask] == [1, 2, 3]).all()
    assert bpy.context.scene.camera.data.background_images[0].image == kept["photo"]


def test_pictures_outlive_saving(bpy, head, pictures, tmp_path) -> None:
    path = str(tmp_path / "head.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    again = bpy.data.objects["ada"]
    assert all(pictures.picture_of(again, kind).size[0] > 0 for kind in KINDS)


def test_without_anything_hidden_there_is_no_completed_photo(bpy, fake_pipeline, photo_file, pictures) -> None:
    bpy.context.scene.facewright.keep_glasses = True
    bpy.ops.facewright.reconstruct(filepath=str(photo_file))
    made = {kind for kind in KINDS if pictures.picture_of(bpy.context.active_object, kind) is not None}
    assert made == {"photo", "confidence"}
    with pytest.raises(RuntimeError, match=r"has no picture Completed\. Reconstruct it again"):
        bpy.ops.facewright.show_picture(kind="completed")


def test_heads_keep_their_own_and_take_them_along(bpy, head, pictures, photo_file, tmp_path) -> None:
    bpy.ops.facewright.reconstruct(filepath=str(photo_file))
    other = bpy.context.active_object
    mine, others = (
        {pictures.picture_of(item, kind).name for kind in KINDS} for item in (bpy.data.objects["ada"], other)
    )
    assert len(mine | others) == 8
    bpy.data.collections.remove(bpy.data.collections["ada.001"])
    for item in [item for item in bpy.data.objects if item.users == 0]:
        bpy.data.objects.remove(item)
    path = str(tmp_path / "one.blend")
    bpy.ops.outliner.orphans_purge(do_recursive=True)
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    kept = {image.name for image in bpy.data.images}
    assert mine <= kept and not others & kept


def test_one_undo_step_removes_the_pictures(bpy, fake_pipeline, photo_file) -> None:
    bpy.ops.ed.undo_push(message="before")
    before = {image.name for image in bpy.data.images}
    bpy.ops.facewright.reconstruct("EXEC_DEFAULT", True, filepath=str(photo_file))
    bpy.ops.ed.undo()
    assert {image.name for image in bpy.data.images} == before


def test_confidence_says_where_each_texel_comes_from(pictures, addon, result) -> None:
    types = addon("core.types")
    size = 64
    source = np.zeros((size, size), np.uint8)
    for number, columns in enumerate(np.split(np.arange(8, 56), 4)):
        source[8:56, columns] = number + 1
    shown = replace(result, texture=replace(result.texture, source=source))
    picture = pictures.colored(shown)
    order = [types.MODEL, types.MIRRORED, types.COMPLETED, types.SEEN]
    for level, column in zip(order, (10, 22, 34, 46), strict=True):
        assert tuple(picture[30, column]) == pictures.LEVELS[level][1]
    assert tuple(picture[1, 1]) == pictures.OUTSIDE
    assert len({entry[1] for entry in pictures.LEVELS.values()} | {pictures.OUTSIDE}) == 5


def test_shares_are_of_the_face(pictures, addon, result, model) -> None:
    types = addon("core.types")

    def shares(seen_columns: slice) -> dict[int, float]:
        source = np.ones((64, 64), np.uint8)
        source[:, seen_columns] = 1 + types.SEEN
        shown = replace(result, texture=replace(result.texture, source=source))
        return dict(zip(pictures.LEVELS, pictures.shares(shown, model), strict=True))

    assert shares(slice(None)) == pytest.approx({types.SEEN: 1, types.MIRRORED: 0, types.COMPLETED: 0, types.MODEL: 0})
    half = shares(slice(0, 32))  # the layout is symmetric, but not quite in the middle
    assert half[types.SEEN] == pytest.approx(0.5, abs=0.1)
    assert sum(half.values()) == pytest.approx(1)
    assert shares(slice(0, 8))[types.SEEN] == 0  # the back of the scalp


def test_confidence_on_the_head_and_back(bpy, head, pictures, addon) -> None:
    materials = addon("blender_addon.material_builder")
    tree = head.material_slots[0].material.node_tree
    before = sorted(node.name for node in tree.nodes)
    skin = tree.nodes.active.image
    for _ in range(2):
        bpy.ops.facewright.show_confidence()
        assert materials.shown_on_skin(head) == pictures.picture_of(head, "confidence")
        assert tree.nodes.active.image == pictures.picture_of(head, "confidence")  # in Solid shading as well
        bpy.ops.facewright.show_confidence()
        assert materials.shown_on_skin(head) is None
        assert tree.nodes.active.image == skin
        assert sorted(node.name for node in tree.nodes) == before
        color = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED").inputs["Base Color"]
        assert color.links[0].from_node.image == skin


def test_confidence_on_a_material_of_the_users(bpy, head) -> None:
    head.material_slots[0].material = bpy.data.materials.new("Mine")
    with pytest.raises(RuntimeError, match="skin material of ada was changed"):
        bpy.ops.facewright.show_confidence()


def test_picture_that_the_user_removed(bpy, head, pictures) -> None:
    bpy.data.images.remove(pictures.picture_of(head, "confidence"))
    for operator in (bpy.ops.facewright.show_confidence, lambda: bpy.ops.facewright.show_picture(kind="confidence")):
        with pytest.raises(RuntimeError, match="has no picture Confidence"):
            operator()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_show_picture_opens_an_image_editor(bpy, head, pictures, kind) -> None:
    bpy.ops.facewright.show_picture(kind=kind)
    areas = [area for area in bpy.context.window.screen.areas if area.type == "IMAGE_EDITOR"]
    assert [area.spaces.active.image for area in areas] == [pictures.picture_of(head, kind)]
    assert areas[0].spaces.active.mode == "VIEW"
    bpy.ops.facewright.show_picture(kind="photo")  # the same editor again
    assert len([area for area in bpy.context.window.screen.areas if area.type == "IMAGE_EDITOR"]) == 1


@pytest.mark.parametrize("suffix", [".glb", ".fbx", ".usdc", ".obj"])
def test_heads_with_pictures_are_exported(bpy, head, tmp_path, suffix) -> None:
    path = tmp_path / f"head{suffix}"
    bpy.ops.facewright.export(filepath=str(path), format=suffix)
    assert path.stat().st_size > 0
