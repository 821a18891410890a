"""What goes wrong in Blender gets a sentence that says what to do, and the scene stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def _objects(bpy) -> set[str]:
    return {item.name for item in bpy.data.objects}


@pytest.fixture
def cube(bpy):
    """Something of the user's that must survive."""
    bpy.ops.mesh.primitive_cube_add()
    yield
    assert _objects(bpy) == {"Cube"}
    assert len(bpy.data.collections) == 0


@pytest.mark.parametrize("source", ["FILE", "IMAGE"])
def test_nothing_chosen(bpy, cube, source: str) -> None:
    bpy.context.scene.facewright.source = source
    for operator in (bpy.ops.facewright.reconstruct, bpy.ops.facewright.find_faces):
        with pytest.raises(RuntimeError, match="Pick an image or a photo file first"):
            operator()


def test_missing_file(bpy, cube, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"nowhere\.jpg"):
        bpy.ops.facewright.reconstruct(filepath=str(tmp_path / "nowhere.jpg"))


def test_text_file_called_jpg_and_empty_file(bpy, cube, tmp_path: Path) -> None:
    text, empty = tmp_path / "text.jpg", tmp_path / "empty.jpg"
    text.write_text("I am not a photo. " * 20)
    empty.touch()
    for path in (text, empty):
        with pytest.raises(RuntimeError, match=path.name):
            bpy.ops.facewright.reconstruct(filepath=str(path))


def test_image_whose_file_is_gone(bpy, cube, photo_file: Path) -> None:
    image = bpy.data.images.load(str(photo_file))
    photo_file.unlink()
    chosen = bpy.context.scene.facewright
    chosen.source, chosen.image = "IMAGE", image
    with pytest.raises(RuntimeError, match=r"ada\.png"):
        bpy.ops.facewright.reconstruct()


def test_image_without_pixels(bpy, cube, addon) -> None:
    chosen = bpy.context.scene.facewright
    chosen.source = "IMAGE"
    chosen.image = bpy.data.images.new("Empty", 4, 4)
    chosen.image.source = "MOVIE"
    with pytest.raises(RuntimeError, match="movie or a render"):
        bpy.ops.facewright.reconstruct()


def test_grey_float_and_transparent_images_are_read(bpy, addon) -> None:
    source = addon("blender_addon.photo_source")
    linear = bpy.data.images.new("Linear", 4, 2, float_buffer=True)
    linear.pixels.foreach_set(np.tile(np.array([0.5, 0.5, 0.5, 1.0], np.float32), 8))
    assert np.abs(source.pixels_of(linear).astype(int) - 188).max() <= 1
    clear = bpy.data.images.new("Clear", 4, 2, alpha=True)
    clear.pixels.foreach_set(np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), 8))
    assert np.abs(source.pixels_of(clear).astype(int) - 128).max() <= 1


@pytest.mark.parametrize(
    "name", ["NoFaceFound", "ImageError", "WeightsError", "FaceModelError", "RuntimeProviderError"]
)
def test_core_errors_are_reported_as_they_are(bpy, cube, addon, fake_pipeline, photo_file, name: str) -> None:
    error = getattr(addon("core.errors"), name)("Something is wrong. Do this.")
    fake_pipeline._fail_at, fake_pipeline._error = "detect", error
    with pytest.raises(RuntimeError, match=r"Something is wrong\. Do this\."):
        bpy.ops.facewright.reconstruct(filepath=str(photo_file))


def test_no_face_in_the_picker(bpy, cube, fake_pipeline, photo_file, monkeypatch) -> None:
    monkeypatch.setattr(fake_pipeline, "detect", lambda photo: [])
    bpy.context.scene.facewright.filepath = str(photo_file)
    with pytest.raises(RuntimeError, match=r"No face was found.*Use a photo"):
        bpy.ops.facewright.find_faces()


def test_choosing_a_provider_again_tries_it_again(bpy, addon) -> None:
    providers = addon("core.runtime.providers")
    preferences = addon("blender_addon.preferences").preferences()
    providers.report_failure("cuda", "lost")
    assert any("CUDA" in line and "failed" in line for line in addon("blender_addon.preferences").provider_lines())
    try:
        preferences.provider = "cpu"
        assert providers.failures() == ()
    finally:
        preferences.provider = "auto"


def test_absent_provider_is_named(bpy, cube, addon, photo_file) -> None:
    preferences = addon("blender_addon.preferences").preferences()
    preferences.provider = "coreml"
    try:
        lines = addon("blender_addon.preferences").provider_lines()
        assert any("Choose 'auto'" in line for line in lines)
    finally:
        preferences.provider = "auto"
