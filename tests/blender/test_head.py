"""FaceResult to head: mesh, shape keys, materials, camera, light."""

from __future__ import annotations

import numpy as np
import pytest


def _evaluated(bpy, head) -> np.ndarray:
    bpy.context.view_layer.update()
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    return points


def test_head_has_the_models_mesh(built, model) -> None:
    mesh = built.head.data
    quads = int((model.faces[:, 2] != model.faces[:, 3]).sum())
    assert len(mesh.vertices) == len(model.vertices)
    assert len(mesh.polygons) == len(model.faces)
    assert sum(polygon.loop_total == 4 for polygon in mesh.polygons) == quads
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    assert not mesh.validate()


def test_head_stands_upright_and_looks_to_the_front(built, model) -> None:
    points = np.empty((len(model.vertices), 3), np.float32)
    built.head.data.vertices.foreach_get("co", points.ravel())
    nose, chin, left_eye = (points[model.landmark_triangles[index, 0]] for index in (30, 8, 45))
    assert nose[1] < points[:, 1].mean()  # front is -Y
    assert chin[2] < nose[2]
    assert left_eye[0] > 0  # the subject's left is +X


def test_shape_keys_carry_apples_names_and_the_photos_expression(built, model, result) -> None:
    keys = built.head.data.shape_keys
    assert [key.name for key in keys.key_blocks] == ["Basis", *model.expression_names]
    values = [key.value for key in keys.key_blocks][1:]
    assert values == pytest.approx(result.params.expression.tolist())
    assert all((key.slider_min, key.slider_max) == (0.0, 1.0) for key in keys.key_blocks[1:])
    assert {"eyeBlinkLeft", "jawOpen", "mouthSmileRight", "tongueOut"} <= {key.name for key in keys.key_blocks}


def test_evaluated_mesh_is_the_posed_face(bpy, built, addon, result) -> None:
    wanted = addon("blender_addon.coordinates").to_blender(result.vertices)
    assert np.abs(_evaluated(bpy, built.head) - wanted).max() < 2e-6


def test_neutral_is_all_sliders_at_zero(bpy, built, addon, result) -> None:
    addon("blender_addon.animation").set_values(built.head, {})
    wanted = addon("blender_addon.coordinates").to_blender(result.neutral)
    assert np.abs(_evaluated(bpy, built.head) - wanted).max() < 2e-6


def test_render_covers_the_photo(bpy, built, addon, result) -> None:
    """Every vertex lands where the pipeline's camera saw it, in pixels of the photo."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    scene = bpy.context.scene
    bpy.context.view_layer.update()
    assert scene.camera == built.camera
    assert (scene.render.resolution_x, scene.render.resolution_y) == (result.camera.width, result.camera.height)
    rows = np.linspace(0, len(result.vertices) - 1, 400).astype(int)
    seen = _evaluated(bpy, built.head)[rows]
    views = np.array([world_to_camera_view(scene, built.camera, Vector(point)) for point in seen.astype(float)])
    pixels = np.stack([views[:, 0] * result.camera.width, (1 - views[:, 1]) * result.camera.height], axis=1) - 0.5
    wanted = addon("core.geometry.camera").project(result.camera, result.vertices[rows])[:, :2]
    assert np.abs(pixels - wanted).max() < 0.01


def test_rendered_silhouette_covers_the_projected_head(bpy, built, addon, result, tmp_path) -> None:
    """The same again through the renderer itself, which knows nothing of our projection."""
    import cv2

    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.render.film_transparent = True
    scene.render.filepath = str(tmp_path / "render.png")
    bpy.ops.render.render(write_still=True)
    alpha = cv2.imread(scene.render.filepath, cv2.IMREAD_UNCHANGED)[..., 3]
    projected = addon("core.geometry.camera").project(result.camera, result.vertices)[:, :2]
    ys, xs = np.nonzero(alpha > 127)
    inside = projected[
        (projected >= 0).all(axis=1) & (projected <= [result.camera.width - 1, result.camera.height - 1]).all(axis=1)
    ]
    assert abs(xs.min() - inside[:, 0].min()) < 2
    assert abs(ys.min() - inside[:, 1].min()) < 2
    assert abs(xs.max() - inside[:, 0].max()) < 2


def test_parts_wear_their_materials(built, model) -> None:
    slots = [material.name for material in built.head.data.materials]
    assert [name.removeprefix("Ada ") for name in slots] == [
        "Skin", "Eyes", "Cornea", "Teeth", "Gums", "Tongue", "Lashes",
    ]  # fmt: skip
    index = np.empty(len(model.faces), np.int32)
    built.head.data.polygons.foreach_get("material_index", index)
    for part, slot in (("skin", 0), ("eyeball_left", 1), ("teeth_upper", 3), ("lashes_right", 6)):
        assert (index[model.face_part == model.part(part)] == slot).all()
    for material in built.head.data.materials:
        assert any(node.type == "BSDF_PRINCIPLED" for node in material.node_tree.nodes)


def test_the_mouth_wears_the_texture_of_the_head(bpy, built) -> None:
    """The photo says how white teeth are; the tongue is rough, teeth and gums are not."""
    materials = {material.name: material for material in built.head.data.materials}
    for name, rough in (("Teeth", False), ("Gums", False), ("Tongue", True), ("Skin", True)):
        nodes = materials[f"Ada {name}"].node_tree.nodes
        shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
        assert shader.inputs["Base Color"].links[0].from_node.image == bpy.data.images["Ada Skin"]
        assert shader.inputs["Normal"].is_linked == rough
    size = {name: _cells(materials[f"Ada {name}"]) for name in ("Skin", "Tongue")}
    assert size["Tongue"] < size["Skin"]  # cells to the metre


def _cells(material) -> float:
    noise = next(node for node in material.node_tree.nodes if node.type == "TEX_VORONOI")
    return noise.inputs["Scale"].default_value


def test_pictures_are_packed_and_right_way_up(bpy, built, result, photo) -> None:
    for image in bpy.data.images:
        assert image.packed_file is not None or not image.users, image.name
    skin = bpy.data.images["Ada Skin"]
    assert tuple(skin.size) == result.texture.color.shape[1::-1]
    background = built.camera.data.background_images[0].image
    assert tuple(background.size) == photo.shape[1::-1]
    pixels = np.empty(background.size[0] * background.size[1] * 4, np.float32)
    background.pixels.foreach_get(pixels)
    shown = pixels.reshape(background.size[1], background.size[0], 4)[::-1, :, :3] * 255
    assert np.abs(shown - photo).mean() < 6  # JPEG


def test_texture_coordinates_fit_the_pictures(built, model) -> None:
    uv = np.empty((len(built.head.data.loops), 2), np.float32)
    built.head.data.uv_layers[0].uv.foreach_get("vector", uv.ravel())
    index = np.repeat(
        np.array([polygon.material_index for polygon in built.head.data.polygons]),
        np.array([polygon.loop_total for polygon in built.head.data.polygons]),
    )
    eyes = uv[index == 1]
    assert eyes.min() >= 0 and eyes.max() <= 1
    assert np.abs(eyes - 0.5).min(axis=0).max() < 0.05  # the optic axis hits the picture's middle


def test_custom_properties_say_what_the_photo_told(built, result) -> None:
    assert list(built.head["facewright_identity"]) == pytest.approx(result.params.identity.tolist())
    assert list(built.head["facewright_light"]) == pytest.approx(result.params.light.tolist())
    assert list(built.head["facewright_warnings"]) == list(result.warnings)


def test_sky_and_lamp_together_are_the_photos_light(addon, result) -> None:
    """A matt white ball shows the irradiance that the nine coefficients promise."""
    builder = addon("blender_addon.light_builder")
    light = np.array([0.8, 0.1, 0.2, 0.12, 0.02, 0.03, 0.01, 0.02, -0.01])
    split = builder.split_light(light)
    assert split.strength > 0.1
    directions = np.random.default_rng(0).normal(size=(40000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sky = builder.radiance(split.sky, directions)
    for normal in (np.array([0.0, 0.0, 1.0]), np.array([0.6, 0.0, 0.8]), np.array([0.0, 0.6, 0.8])):
        # over pi, as albedo times it is what is seen
        seen = 4 * (sky * np.maximum(directions @ normal, 0)).mean() + split.strength * max(
            float(split.direction @ normal), 0.0
        )
        x, y, z = normal
        basis = np.array([1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
        assert seen == pytest.approx(float(basis @ light), rel=0.05)


def test_rendered_ball_has_the_photos_shading(bpy, addon, tmp_path) -> None:
    """The same through the renderer: direction, unit and handedness of sky and lamp."""
    import cv2

    builder, types = addon("blender_addon.light_builder"), addon("core.types")
    camera = types.Camera(
        200.0, (49.5, 49.5), 100, 100, addon("core.geometry.camera").rotation_from_angles(0.3, 0.5, 0.1),
        np.array([0.0, 0.0, 5.0]),
    )  # fmt: skip
    light = np.array([0.4, 0.05, 0.1, 0.09, 0.01, 0.0, 0.01, 0.0, 0.0])
    scene = bpy.context.scene
    split = builder.split_light(light)
    builder.light_scene(scene, builder.build_world("Sky", split.sky, camera))
    builder.build_key("Key", split, camera, scene.collection)
    eye = addon("blender_addon.camera_builder").build_camera("Eye", camera, None, scene.collection)
    addon("blender_addon.camera_builder").look_through(scene, eye)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=1.0)
    ball = bpy.context.active_object
    bpy.ops.object.shade_smooth()
    matt = bpy.data.materials.new("Matt")
    if matt.node_tree is None:  # before 5.0
        matt.use_nodes = True
    matt.node_tree.nodes.clear()
    output = matt.node_tree.nodes.new("ShaderNodeOutputMaterial")
    diffuse = matt.node_tree.nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (1, 1, 1, 1)
    matt.node_tree.links.new(diffuse.outputs[0], output.inputs[0])
    ball.data.materials.append(matt)
    scene.render.engine, scene.cycles.samples = "CYCLES", 64
    scene.render.film_transparent = True
    scene.render.filepath = str(tmp_path / "ball.png")
    bpy.ops.render.render(write_still=True)
    shown = (cv2.imread(scene.render.filepath)[..., 0] / 255.0) ** 2.2
    distance, focal = 5.0, 200.0
    for u, v in ((49, 49), (65, 49), (33, 49), (49, 33), (49, 65)):
        ray = np.array([(u - 49.5) / focal, -(v - 49.5) / focal, -1.0])
        ray /= np.linalg.norm(ray)
        along = distance * -ray[2]
        hit = ray * (along - np.sqrt(1 - distance**2 + along**2)) + [0, 0, distance]
        x, y, z = hit
        basis = np.array([1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
        assert shown[v, u] == pytest.approx(float(basis @ light), abs=0.035)


def test_lamp_stands_where_the_photos_light_came_from(bpy, built, result) -> None:
    """The texture's light, not the regressed one: both together look as the photo did."""
    (lamp,) = (item for item in built.collection.objects if item.type == "LIGHT")
    bpy.context.view_layer.update()
    y, z, x = result.texture.light[1:4]
    towards = result.camera.rotation.T @ np.array([x, -y, -z])  # light axes -> camera axes -> model axes
    towards /= np.linalg.norm(towards)
    assert np.array(lamp.matrix_world)[:3, 2] == pytest.approx([towards[0], -towards[2], towards[1]], abs=1e-4)


@pytest.mark.parametrize(("kind", "shares"), [("Glossy", (0.2, 0.45)), ("Diffuse", (0.9, 1.1))])
def test_mirrored_sky_is_dim_and_the_rest_is_whole(
    bpy, addon, tmp_path, kind: str, shares: tuple[float, float]
) -> None:
    import cv2

    builder, types = addon("blender_addon.light_builder"), addon("core.types")
    camera = types.Camera(200.0, (24.5, 24.5), 50, 50, np.eye(3), np.array([0.0, 0.0, 5.0]))
    scene = bpy.context.scene
    builder.light_scene(scene, builder.build_world("Sky", np.array([0.5] + [0.0] * 8), camera))
    eye = addon("blender_addon.camera_builder").build_camera("Eye", camera, None, scene.collection)
    addon("blender_addon.camera_builder").look_through(scene, eye)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16, radius=1.0)
    material = bpy.data.materials.new(kind)
    if material.node_tree is None:  # before 5.0
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output, surface = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new(f"ShaderNodeBsdf{kind}")
    surface.inputs["Color"].default_value = (1, 1, 1, 1)
    tree.links.new(surface.outputs[0], output.inputs[0])
    bpy.context.active_object.data.materials.append(material)
    scene.render.engine, scene.cycles.samples = "CYCLES", 16
    scene.render.filepath = str(tmp_path / "ball.png")
    bpy.ops.render.render(write_still=True)
    shown = (cv2.imread(scene.render.filepath)[25, 25, 0] / 255.0) ** 2.2
    assert shares[0] < shown / 0.5 < shares[1]


def test_eevee_takes_matt_light_from_what_it_mirrors(addon, result) -> None:
    """So its world must not tell mirrored rays from others."""
    world = addon("blender_addon.light_builder").build_world("Sky", result.texture.light, result.camera)
    outputs = {node.target: node for node in world.node_tree.nodes if node.type == "OUTPUT_WORLD"}
    assert set(outputs) == {"CYCLES", "EEVEE"}

    def asked(node) -> set[str]:
        links = [link for socket in node.inputs for link in socket.links]
        names = {link.from_socket.name for link in links}
        return names.union(*(asked(link.from_node) for link in links))

    assert "Is Glossy Ray" in asked(outputs["CYCLES"])
    assert "Is Glossy Ray" not in asked(outputs["EEVEE"])


def test_scenes_own_world_is_kept(bpy, addon, model, result) -> None:
    scene = bpy.context.scene
    mine = bpy.data.worlds.new("Mine")
    scene.world = mine
    addon("blender_addon.face_builder").build_face(scene, "Ada", result, model)
    assert scene.world != mine
    assert mine.use_fake_user


def test_file_round_trip_keeps_head_and_pictures(bpy, built, tmp_path) -> None:
    path = str(tmp_path / "head.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    head = bpy.data.objects["Ada"]
    assert len(head.data.shape_keys.key_blocks) == 65
    assert bpy.data.images["Ada Skin"].packed_file is not None
    assert len(head.facewright_identity) == 80


def test_second_face_gets_its_own_everything(bpy, built, addon, model, result) -> None:
    second = addon("blender_addon.face_builder").build_face(bpy.context.scene, "Ada", result, model)
    assert second.collection != built.collection
    assert second.head.data != built.head.data
    assert not set(second.head.data.materials) & set(built.head.data.materials)
