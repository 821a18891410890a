"""The hair beside the head: an object of its own that follows the head, is exported with it, and may go."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree


@pytest.fixture(scope="session")
def haired(addon, model, result):
    """The made-up result with a cap of hair two centimetres over the scalp: half a picture of cover."""
    stage = addon("core.stages.hair")
    grid = addon("core.geometry.hair_grid").HairGrids(model).round_head(result.neutral)
    rows = len(grid.skin) - 12
    picture = np.full((rows * 6, 384, 4), (60, 40, 30, 255), np.uint8)
    picture[rows * 4 :, :, 3] = 0
    return replace(result, hair=stage.mesh(grid.points(grid.skin + 0.02), picture, rows))


@pytest.fixture
def crowned(bpy, addon, model, haired, photo):
    """The result with hair built into an empty scene: the head, and its hair."""
    reconstruction, source = addon("blender_addon.reconstruction"), addon("blender_addon.photo_source")
    opened = reconstruction.open_photo(source.PhotoSource("Ada", pixels=photo))
    outcome = reconstruction.Outcome("Ada", opened, haired, model, "cpu")
    head = addon("blender_addon.operators.reconstruct").build_outcome(bpy.context, outcome).head
    return head, bpy.data.objects["Ada Hair"]


def _points(mesh) -> np.ndarray:
    points = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    return points


def test_hair_is_a_mesh_of_its_own_on_the_head(crowned, addon, haired) -> None:
    head, hair = crowned
    assert hair.parent == head
    assert hair.users_collection == head.users_collection
    assert addon("blender_addon.hair_builder").hairs_of(head) == [hair]
    assert _points(hair.data) == pytest.approx(addon("blender_addon.coordinates").to_blender(haired.hair.vertices))
    assert len(hair.data.polygons) == len(haired.hair.faces)
    assert sum(polygon.loop_total == 4 for polygon in hair.data.polygons) > 0.9 * len(hair.data.polygons)
    assert not hair.data.validate()
    assert all(polygon.use_smooth for polygon in hair.data.polygons)
    assert hair.data.shape_keys is None


def test_hair_wears_its_picture_and_ends_where_the_picture_does(crowned, haired) -> None:
    _, hair = crowned
    (material,) = hair.data.materials
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    image = shader.inputs["Base Color"].links[0].from_node.image
    assert tuple(image.size) == haired.hair.color.shape[1::-1]
    assert image.packed_file is not None
    assert shader.inputs["Alpha"].is_linked
    height, width = haired.hair.color.shape[:2]
    flat = np.empty(height * width * 4, np.float32)
    image.pixels.foreach_get(flat)
    pixels = flat.reshape(height, width, 4)[::-1]
    assert pixels[0, 0] == pytest.approx(np.array([60, 40, 30, 255]) / 255, abs=1e-3)
    assert pixels[-1, 0, 3] == 0.0
    uv = np.empty(len(hair.data.loops) * 2, np.float32)
    hair.data.uv_layers[0].uv.foreach_get("vector", uv)
    crown = _points(hair.data)[:, 2].argmax()
    corners = np.empty(len(hair.data.loops), np.int32)
    hair.data.loops.foreach_get("vertex_index", corners)
    assert uv.reshape(-1, 2)[corners == crown, 1] == pytest.approx(1.0)


def test_hair_goes_along_with_the_identity(bpy, crowned, addon, model) -> None:
    head, hair = crowned
    before, skin = _points(hair.data), _points(head.data)
    head.facewright_identity[0].value += 2.0
    moved = _points(hair.data) - before
    own = _points(head.data) - skin
    assert np.linalg.norm(moved, axis=1).max() > 0.001
    top, crown = before[:, 2].argmax(), skin[:, 2].argmax()
    assert moved[top] == pytest.approx(own[crown], abs=5e-4)
    bpy.ops.facewright.identity_reset(target="PHOTO")
    assert np.abs(_points(hair.data) - before).max() < 1e-5


def test_hair_that_was_sculpted_keeps_its_shape_and_its_own_keys(bpy, crowned) -> None:
    head, hair = crowned
    hair.shape_key_add(name="Basis", from_mix=False)
    key = hair.shape_key_add(name="wind", from_mix=False)
    key.points[0].co.x += 0.1
    rest = hair.data.shape_keys.key_blocks["Basis"]
    apart = key.points[0].co.x - rest.points[0].co.x
    start = rest.points[0].co.copy()
    head.facewright_identity[0].value += 2.0
    assert key.points[0].co.x - rest.points[0].co.x == pytest.approx(apart, abs=1e-5)
    assert (rest.points[0].co - start).length > 1e-4


@pytest.mark.parametrize("kind", ["MESH", "CURVES"])
def test_identity_waits_until_the_hair_leaves_edit_mode(bpy, crowned, kind: str) -> None:
    head, _ = crowned
    bpy.context.view_layer.objects.active = next(child for child in head.children if child.type == kind)
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(RuntimeError, match="Leave Edit Mode"):
        bpy.ops.facewright.identity_random(seed=1)
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.facewright.identity_random(seed=1)


def test_the_panel_knows_the_head_by_its_hair(bpy, crowned, addon) -> None:
    head, hair = crowned
    bpy.context.view_layer.objects.active = hair
    assert addon("blender_addon.operators.base").active_head(bpy.context) == head


def test_a_head_without_its_hair_is_still_whole(bpy, crowned, tmp_path) -> None:
    _, hair = crowned
    bpy.data.objects.remove(hair)
    bpy.ops.facewright.identity_random(seed=1)
    bpy.ops.facewright.export(filepath=str(tmp_path / "head.glb"))
    assert [mesh["name"] for mesh in _glb(tmp_path / "head.glb")["meshes"]] == ["Ada"]


def test_somebody_elses_hair_is_left_alone(bpy, crowned) -> None:
    head, _ = crowned
    mine = bpy.data.objects.new("Wig", bpy.data.meshes.new("Wig"))
    mine.data.from_pydata([(0, 0, 0.3)], [], [])
    head.users_collection[0].objects.link(mine)
    mine.parent = head
    bpy.ops.facewright.identity_random(seed=1)
    assert tuple(mine.data.vertices[0].co) == pytest.approx((0, 0, 0.3))


def test_no_hair_no_object(bpy, built, addon) -> None:
    assert addon("blender_addon.hair_builder").hairs_of(built.head) == []
    assert "Ada Hair" not in bpy.data.objects


def test_glb_has_the_hair_and_cuts_it_out(bpy, crowned, tmp_path) -> None:
    path = tmp_path / "head.glb"
    bpy.ops.facewright.export(filepath=str(path))
    scene = _glb(path)
    assert sorted(mesh["name"] for mesh in scene["meshes"]) == ["Ada", "Ada Hair"]
    material = next(item for item in scene["materials"] if item["name"] == "Ada Hair")
    assert material["alphaMode"] == "MASK"
    assert material["doubleSided"]
    assert "baseColorTexture" in material["pbrMetallicRoughness"]
    parent = next(node for node in scene["nodes"] if node["name"] == "Ada")
    assert scene["nodes"][parent["children"][0]]["name"] == "Ada Hair"


def test_hidden_hair_is_not_exported_and_stays_hidden(bpy, crowned, tmp_path) -> None:
    _, hair = crowned
    hair.hide_set(True)
    path = tmp_path / "head.glb"
    bpy.ops.facewright.export(filepath=str(path))
    assert [mesh["name"] for mesh in _glb(path)["meshes"]] == ["Ada"]
    assert hair.hide_get()


def test_obj_has_the_hairs_picture_beside_it(bpy, crowned, tmp_path) -> None:
    path = tmp_path / "head.obj"
    bpy.ops.facewright.export(filepath=str(path), format=".obj")
    assert "o Ada_Hair" in path.read_text()
    assert "map_Kd Ada_Hair.png" in path.with_suffix(".mtl").read_text()
    assert (tmp_path / "Ada_Hair.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("wanted", [True, False])
def test_the_panel_says_whether_hair_is_made(bpy, addon, fake_pipeline, photo_file, wanted: bool) -> None:
    bpy.context.scene.facewright.hair = wanted
    bpy.context.scene.facewright.filepath = str(photo_file)
    bpy.ops.facewright.reconstruct()
    assert fake_pipeline.settings.hair is wanted


@pytest.fixture
def grown(crowned):
    """The head, its hair and the strands on it."""
    head, hair = crowned
    return head, hair, next(child for child in head.children if child.type == "CURVES")


def _strand_points(strands) -> np.ndarray:
    points = np.empty((len(strands.data.position_data), 3), np.float32)
    strands.data.position_data.foreach_get("vector", points.ravel())
    return points


def test_strands_are_hair_curves_on_the_hairs_surface(grown, addon) -> None:
    head, hair, strands = grown
    assert strands.name == "Ada Hair Strands" and strands.parent == head
    assert strands.users_collection == head.users_collection
    assert len(strands.data.curves) == addon("core.geometry.hair_curves").USUAL_COUNT
    apart = cKDTree(_points(hair.data)).query(_strand_points(strands))[0]
    assert np.quantile(apart, 0.95) < 0.012  # vertices lie nine millimetres apart
    assert not strands.visible_shadow  # the mesh casts it
    radius = strands.data.attributes["radius"]
    assert radius.domain == "POINT" and 0.0 < radius.data[0].value < 2e-4


def test_strands_wear_the_colours_of_the_hair_where_cycles_reads_them(grown) -> None:
    _, _, strands = grown
    (material,) = strands.data.materials
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    name = shader.inputs["Base Color"].links[0].from_node.attribute_name
    assert name != "color"  # which Cycles gives as black
    colors = np.empty(4 * len(strands.data.attributes[name].data), np.float32)
    strands.data.attributes[name].data.foreach_get("color_srgb", colors)
    assert np.median(colors.reshape(-1, 4), axis=0) == pytest.approx(np.array([60, 40, 30, 255]) / 255, abs=0.04)
    turned = shader.inputs["Normal"].links[0].from_node
    normals = strands.data.attributes[turned.inputs[0].links[0].from_node.attribute_name]
    assert normals.domain == "CURVE"
    outward = np.empty((len(normals.data), 3), np.float32)
    normals.data.foreach_get("vector", outward.ravel())
    points = _strand_points(strands).reshape(len(outward), -1, 3)[:, 0]
    assert (outward * (points - points.mean(axis=0))).sum(axis=1).mean() > 0.0
    assert np.linalg.norm(outward, axis=1) == pytest.approx(1.0, abs=1e-3)


def test_strands_go_along_with_the_identity(bpy, grown) -> None:
    head, hair, strands = grown
    before, mesh = _strand_points(strands), _points(hair.data)
    head.facewright_identity[0].value += 2.0
    moved, own = _strand_points(strands) - before, _points(hair.data) - mesh
    near = cKDTree(mesh).query(before[::12])[1]
    assert np.linalg.norm(moved[::12] - own[near], axis=1).max() < 5e-4 < np.linalg.norm(moved, axis=1).max()
    bpy.ops.facewright.identity_reset(target="PHOTO")
    assert np.abs(_strand_points(strands) - before).max() < 1e-5


def test_strands_that_were_cut_still_go_along(grown) -> None:
    head, _, strands = grown
    strands.data.resize_curves(sizes=[4] * 10, indices=list(range(10)))
    strands.data.remove_curves(indices=list(range(100, 200)))
    before = _strand_points(strands)
    head.facewright_identity[0].value += 2.0
    assert np.linalg.norm(_strand_points(strands) - before, axis=1).max() > 1e-3


def test_strands_grow_anew_on_hair_that_was_sculpted(bpy, grown) -> None:
    head, hair, strands = grown
    name, curves = strands.name, strands.data.name
    points = _points(hair.data)
    points[:, 2] += 0.05
    hair.data.vertices.foreach_set("co", points.ravel())
    bpy.context.view_layer.objects.active = head
    bpy.ops.facewright.grow_strands(count=500, thickness=0.5)
    (again,) = (child for child in head.children if child.type == "CURVES")
    assert again.name == name and len(again.data.curves) == 500
    assert [item.name for item in bpy.data.hair_curves if item.users == 0 or item.name == curves] == []
    assert sum(item.name.startswith("Ada Hair Strands") for item in bpy.data.materials) == 1
    assert again.data.attributes["radius"].data[0].value == pytest.approx(0.00025, rel=1e-3)
    assert np.quantile(cKDTree(points).query(_strand_points(again))[0], 0.95) < 0.012


def test_strands_stay_on_hair_that_was_moved(bpy, grown) -> None:
    head, hair, _ = grown
    hair.location.x += 0.3
    bpy.context.view_layer.objects.active = hair
    bpy.ops.facewright.grow_strands(count=300)
    (again,) = (child for child in head.children if child.type == "CURVES")
    bpy.context.view_layer.update()
    there = np.array(again.matrix_world)
    points = _strand_points(again) @ there[:3, :3].T + there[:3, 3]
    assert np.quantile(cKDTree(_points(hair.data) + [0.3, 0.0, 0.0]).query(points)[0], 0.95) < 0.012


def test_strands_need_hair_that_is_shown_and_has_its_picture(bpy, grown) -> None:
    head, hair, strands = grown
    bpy.context.view_layer.objects.active = head
    hair.hide_set(True)
    with pytest.raises(RuntimeError, match="no hair that is shown"):
        bpy.ops.facewright.grow_strands()
    hair.hide_set(False)
    (material,) = hair.data.materials
    texture = next(node for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
    shown, texture.image = texture.image, bpy.data.images.new("gone", 1, 1)
    with pytest.raises(RuntimeError, match="has lost its picture"):
        bpy.ops.facewright.grow_strands()
    texture.image = shown
    hair.data.materials.clear()
    with pytest.raises(RuntimeError, match="has lost its picture"):
        bpy.ops.facewright.grow_strands()
    assert [child for child in head.children if child.type == "CURVES"] == [strands]  # what was there stays


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_no_strands_on_a_hat(bpy, addon, model, haired, photo, edge: float) -> None:
    reconstruction, source = addon("blender_addon.reconstruction"), addon("blender_addon.photo_source")
    worn = np.ones(len(haired.hair.vertices), np.float32)
    worn[haired.hair.vertices[:, 1].argsort()[:64]] = edge  # below the hat there is hair of which the picture has none
    hat = replace(haired, hair=replace(haired.hair, hat=worn))
    opened = reconstruction.open_photo(source.PhotoSource("Ada", pixels=photo))
    outcome = reconstruction.Outcome("Ada", opened, hat, model, "cpu")
    head = addon("blender_addon.operators.reconstruct").build_outcome(bpy.context, outcome).head
    assert [child.type for child in head.children] == ["MESH"]
    with pytest.raises(RuntimeError, match="shows no hair"):
        bpy.ops.facewright.grow_strands()


def test_the_panel_says_whether_strands_grow(bpy, addon, model, haired, photo) -> None:
    bpy.context.scene.facewright.strands = False
    reconstruction, source = addon("blender_addon.reconstruction"), addon("blender_addon.photo_source")
    opened = reconstruction.open_photo(source.PhotoSource("Ada", pixels=photo))
    outcome = reconstruction.Outcome("Ada", opened, haired, model, "cpu")
    head = addon("blender_addon.operators.reconstruct").build_outcome(bpy.context, outcome).head
    assert [child.type for child in head.children] == ["MESH"]


def test_the_panel_knows_the_head_by_its_strands(bpy, grown, addon) -> None:
    head, _, strands = grown
    bpy.context.view_layer.objects.active = strands
    assert addon("blender_addon.operators.base").active_head(bpy.context) == head


def test_a_head_whose_strands_fail_leaves_nothing_behind(bpy, addon, model, haired, photo, monkeypatch) -> None:
    builder, face = addon("blender_addon.strand_builder"), addon("blender_addon.face_builder")
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "hair_curves", "materials")}

    def fail(*given: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(builder, "_replace", fail)
    with pytest.raises(RuntimeError, match="no room"):
        face.build_face(bpy.context.scene, "Ada", haired, model, photo)
    assert {kind: len(getattr(bpy.data, kind)) for kind in before} == before


def test_exports_have_the_mesh_and_no_strands(bpy, grown, tmp_path) -> None:
    bpy.ops.facewright.export(filepath=str(tmp_path / "head.glb"))
    assert sorted(mesh["name"] for mesh in _glb(tmp_path / "head.glb")["meshes"]) == ["Ada", "Ada Hair"]


def _glb(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])
