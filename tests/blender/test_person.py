"""Several photos of one person make one head."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def more_files(photo_file, tmp_path):
    """Two more photos on disk."""
    return [shutil.copy(photo_file, tmp_path / name) for name in ("left.png", "right.png")]


def add(bpy, *paths) -> None:
    bpy.ops.facewright.add_photos(directory=str(paths[0].parent), files=[{"name": path.name} for path in paths])


def test_one_head_from_all_photos(bpy, fake_pipeline, photo_file, more_files) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    add(bpy, *more_files)
    assert bpy.ops.facewright.reconstruct() == {"FINISHED"}
    assert fake_pipeline.people == [["ada.png", "left.png", "right.png"]]
    assert [item.name for item in bpy.data.objects if item.type == "MESH"] == ["ada"]
    assert bpy.context.scene.camera.name == "ada Camera"


def test_a_photo_is_listed_once_and_can_be_taken_off(bpy, fake_pipeline, photo_file, more_files) -> None:
    chosen = bpy.context.scene.facewright
    chosen.filepath = str(photo_file)
    assert not bpy.ops.facewright.remove_photo.poll()
    add(bpy, *more_files)
    add(bpy, more_files[0])
    assert [bpy.path.basename(item.filepath) for item in chosen.more_photos] == ["left.png", "right.png"]
    bpy.ops.facewright.remove_photo()
    assert [bpy.path.basename(item.filepath) for item in chosen.more_photos] == ["left.png"]
    bpy.ops.facewright.remove_photo()
    bpy.ops.facewright.reconstruct()
    assert fake_pipeline.people == []  # one photo alone goes the usual way


def test_the_head_of_several_photos_is_one_undo_step(bpy, fake_pipeline, photo_file, more_files) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    add(bpy, *more_files)
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.facewright.reconstruct("EXEC_DEFAULT", True) == {"FINISHED"}
    assert "ada" in bpy.data.objects
    bpy.ops.ed.undo()
    assert not bpy.data.objects
    assert len(bpy.context.scene.facewright.more_photos) == 2


def test_a_photo_that_cannot_be_used_is_named(bpy, fake_pipeline, photo_file, more_files) -> None:
    bpy.context.scene.facewright.filepath = str(photo_file)
    add(bpy, *more_files)
    more_files[1].write_bytes(b"text")
    with pytest.raises(RuntimeError, match=r"right\.png.*not a picture"):
        bpy.ops.facewright.reconstruct()
    assert not bpy.data.objects


def test_adding_nothing_says_what_to_do(bpy) -> None:
    with pytest.raises(RuntimeError, match="Pick one or more"):
        bpy.ops.facewright.add_photos()
