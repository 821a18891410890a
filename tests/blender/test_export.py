"""Files for other programs keep every expression, and a failure harms nothing."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest


def _glb(path: Path) -> dict:
    data = path.read_bytes()
    assert data[:4] == b"glTF"
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length])


def test_glb_has_every_expression_as_a_named_morph_target(bpy, built, model, tmp_path) -> None:
    path = tmp_path / "head.glb"
    bpy.ops.facewright.export(filepath=str(path))
    scene = _glb(path)
    (mesh,) = scene["meshes"]
    assert mesh["extras"]["targetNames"] == list(model.expression_names)
    assert all(len(part["targets"]) == 64 for part in mesh["primitives"])
    smile = model.expression_names.index("mouthSmileLeft")
    assert mesh["weights"][smile] == pytest.approx(0.6)
    names = {material["name"] for material in scene["materials"]}
    assert {"Ada Skin", "Ada Eyes"} <= names
    skin = next(item for item in scene["materials"] if item["name"] == "Ada Skin")
    assert "baseColorTexture" in skin["pbrMetallicRoughness"]
    accessor = scene["accessors"][mesh["primitives"][0]["attributes"]["POSITION"]]
    height = accessor["max"][1] - accessor["min"][1]
    assert 0.15 < height < 0.6  # metres, Y up
    assert [node for node in scene["nodes"] if "camera" in node] == []


def test_fbx_comes_back_with_its_shape_keys(bpy, built, model, tmp_path) -> None:
    path = tmp_path / "head.fbx"
    bpy.ops.facewright.export(filepath=str(path), format=".fbx")
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(path))
    (head,) = (item for item in bpy.data.objects if item.type == "MESH")
    assert {key.name for key in head.data.shape_keys.key_blocks} >= set(model.expression_names)


def test_obj_holds_the_present_expression_and_its_picture(bpy, built, result, tmp_path) -> None:
    path = tmp_path / "head.obj"
    bpy.ops.facewright.export(filepath=str(path), format=".obj")
    lines = path.read_text().splitlines()
    points = np.array([line.split()[1:4] for line in lines if line.startswith("v ")], float)
    assert np.abs(points - result.vertices).max() < 1e-4  # model frame again: Y up, Z forward
    material = path.with_suffix(".mtl").read_text()
    assert "map_Kd Ada_Skin.png" in material
    assert (tmp_path / "Ada_Skin.png").read_bytes()[:4] == b"\x89PNG"
    assert bpy.data.images["Ada Skin"].filepath_raw == ""


def test_usd_is_written(bpy, built, tmp_path) -> None:
    path = tmp_path / "head.usdc"
    bpy.ops.facewright.export(filepath=str(path), format=".usdc")
    assert path.read_bytes()[:8] == b"PXR-USDC"


def test_selection_is_given_back(bpy, built, tmp_path) -> None:
    built.head.select_set(False)
    built.camera.select_set(True)
    bpy.context.view_layer.objects.active = built.camera
    bpy.ops.facewright.export(filepath=str(tmp_path / "head.glb"))
    assert [item.name for item in bpy.context.view_layer.objects.selected] == ["Ada Camera"]
    assert bpy.context.view_layer.objects.active == built.camera


def test_unknown_format_is_refused(bpy, built, addon, tmp_path) -> None:
    with pytest.raises(addon("core.errors").OutputError, match="not a format"):
        addon("blender_addon.exporters").export_head(built.head, tmp_path / "head.stl")


def test_folder_is_made_or_the_reason_said(bpy, built, tmp_path) -> None:
    bpy.ops.facewright.export(filepath=str(tmp_path / "new" / "head.glb"))
    assert (tmp_path / "new" / "head.glb").exists()
    with pytest.raises(RuntimeError, match=r"cannot be written\. A file is in the way"):
        bpy.ops.facewright.export(filepath=str(tmp_path / "new" / "head.glb" / "head.glb"))


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_failing_disk_leaves_the_old_file_alone(bpy, built, addon, tmp_path, monkeypatch, failure) -> None:
    path = tmp_path / "head.glb"
    path.write_bytes(b"precious")
    exporters = addon("blender_addon.exporters")

    def fail(target: str) -> None:
        Path(target).write_bytes(b"half")
        raise failure

    monkeypatch.setitem(exporters._WRITERS, ".glb", fail)
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.facewright.export(filepath=str(path))
    assert path.read_bytes() == b"precious"
    assert [item.name for item in tmp_path.iterdir()] == ["head.glb"]
