"""What `build.py run` does inside Blender, with small pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def showcase(addon, monkeypatch):
    """The module with quick pictures."""
    module = addon("blender_addon.showcase")
    monkeypatch.setattr(module, "TILE", (96, 120))
    monkeypatch.setattr(module, "_SAMPLES", 1)
    return module


def test_run_writes_all_files(bpy, showcase, fake_pipeline, model, photo_file, tmp_path, result) -> None:
    import cv2

    folder = tmp_path / "out"
    seconds = showcase.run(photo_file, folder)
    assert set(seconds) == {"photo to face", "head", "files", "preview"}
    assert {path.name for path in folder.iterdir()} == {
        "head.blend", "head.glb", "coefficients.json", "preview.png",
    }  # fmt: skip
    record = json.loads((folder / "coefficients.json").read_text())
    assert record["coefficients"]["expression"]["mouthSmileLeft"] == pytest.approx(0.6)
    sheet = cv2.imread(str(folder / "preview.png"))
    assert sheet.shape == (240, 4 * 96, 3)
    tiles = [sheet[y : y + 100, x : x + 96].astype(float) for y in (0, 120) for x in range(0, 384, 96)]
    for one in range(8):
        for other in range(one):
            assert np.abs(tiles[one] - tiles[other]).max() > 20, (one, other)
    bpy.ops.wm.open_mainfile(filepath=str(folder / "head.blend"))
    keys = bpy.data.objects["ada"].data.shape_keys.key_blocks
    assert keys["mouthSmileLeft"].value == pytest.approx(0.6)  # as in the photo, not as in the last picture
    assert len(bpy.data.cameras) == 1


def test_head_covers_the_face_in_the_overlay(bpy, built, showcase, addon, result) -> None:
    framing = showcase.around_face(result.camera, result.box)
    picture = showcase.render(framing)
    points = addon("core.geometry.camera").project(framing, result.vertices)[:, :2]
    ys, _ = np.nonzero(picture[..., 3] > 127)
    assert abs(ys.min() - max(points[:, 1].min(), 0)) < 2
    row = int(points[:, 1].min()) + 30
    level = points[np.abs(points[:, 1] - row) < 1.5, 0]
    xs = np.flatnonzero(picture[row, :, 3] > 127)
    assert abs(xs.min() - max(level.min(), 0)) < 4


def test_photo_and_overlay_share_their_framing(showcase, addon, result, photo) -> None:
    """A spot drawn on a landmark of the photo is found where the overlay's camera sees that landmark."""
    framing = showcase.around_face(result.camera, result.box)
    project = addon("core.geometry.camera").project
    nose = project(result.camera, result.vertices)[result.vertices[:, 2].argmax(), :2]
    marked = np.zeros_like(photo)
    x, y = np.rint(nose).astype(int)
    marked[y - 4 : y + 5, x - 4 : x + 5] = 255
    shown = showcase.resample(marked, result.camera, framing)[..., 0].astype(float)
    shown[shown < 128] = 0
    ys, xs = np.mgrid[: shown.shape[0], : shown.shape[1]]
    found = np.array([(xs * shown).sum(), (ys * shown).sum()]) / shown.sum()
    assert np.abs(found - project(framing, result.vertices)[result.vertices[:, 2].argmax(), :2]).max() < 1


def test_rendering_a_view_leaves_the_scene_as_it_was(bpy, built, showcase) -> None:
    scene = bpy.context.scene
    scene.render.engine, scene.render.filepath = "BLENDER_WORKBENCH", "//mine.png"
    before = (scene.camera, scene.render.resolution_x, scene.render.filepath, len(bpy.data.objects))
    showcase.render(showcase.portrait_camera(0.3))
    assert (scene.camera, scene.render.resolution_x, scene.render.filepath, len(bpy.data.objects)) == before
    assert scene.render.engine == "BLENDER_WORKBENCH"


@pytest.mark.parametrize("name", ["head.blend", "preview.png", "coefficients.json"])
def test_files_of_others_are_not_replaced(bpy, addon, showcase, fake_pipeline, photo_file, tmp_path, name) -> None:
    (tmp_path / name).write_text("precious")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(addon("core.errors").OutputError, match=f"{name} is already there .* Choose another folder"):
        showcase.run(photo_file, tmp_path)
    assert (tmp_path / name).read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == before


def test_blend_that_cannot_be_saved(bpy, addon, showcase, tmp_path) -> None:
    (tmp_path / "head.blend").mkdir()
    with pytest.raises(addon("core.errors").OutputError, match=r"could not be written.*Check the folder"):
        showcase.save_blend(tmp_path / "head.blend")


def test_folder_that_cannot_be_made(bpy, addon, showcase, fake_pipeline, photo_file, tmp_path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("precious")
    with pytest.raises(addon("core.errors").OutputError, match="in the way"):
        showcase.run(photo_file, blocker / "out")
    assert blocker.read_text() == "precious"
