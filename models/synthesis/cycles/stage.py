"""The Blender scene that lives as long as its worker: geometry and maps are refilled for every picture.

Everything stands in the light frame of docs/conventions.md, which is the frame of Blender's camera at the origin.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.geometry.lighting import LIGHT_FLIP
from core.types import Camera
from models.synthesis.head import EYE, GUMS, INSIDE, SKIN, TEETH, Head
from models.synthesis.layers import Mesh
from models.synthesis.light import Light
from models.synthesis.strands import Strands

from . import materials
from .projection import SCALE, HeadMaps

_NOTHING = 1e4  # metres: Blender's depth of the empty background is larger
_SENSOR_WIDTH = 36.0  # millimetres; any
_ENVIRONMENT = (64, 128)  # rows and columns of the map that lights
_SUN_ANGLE = 13.0  # radians of lamp per picture side of shadow edge


@dataclass(frozen=True, eq=False)
class Film:
    """One exposure, rows from the top."""

    color: np.ndarray  # (H, W, 3) float32 linear, premultiplied
    alpha: np.ndarray  # (H, W) float32
    depth: np.ndarray  # (H, W) float32 metres along the optical axis, infinity where nothing is
    masks: dict[str, np.ndarray]  # (H, W) float32 cover by name of `materials.MASKS`


class Stage:
    """A set that is built once and dressed anew for every picture."""

    def __init__(self, head: Head, size: int, scratch: Path, samples: int = 4) -> None:
        import bpy  # noqa: TID251 - in a process of its own

        self._bpy, self._head, self._size = bpy, head, size
        self._file = scratch / "film.exr"
        self._oiio = _open_image_io(bpy)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene = bpy.context.scene
        self._settings(samples)
        self._camera = self._add_camera()
        self._world = self._add_world()
        self._sun = self._add_object("sun", bpy.data.lights.new("sun", "SUN"))
        self._albedo, self._normal = self._image("head albedo", size * SCALE), self._image("head normal", size * SCALE)
        self._add_head()
        self._hair = {name: materials.hair(bpy, name) for name in ("hair", "fur")}
        self._lens = materials.lens(bpy)
        self._layers: list[tuple[Any, Any, Any]] = []  # object, image, material
        self._visiting: list[Any] = []  # objects of one picture

    def _settings(self, samples: int) -> None:
        render, cycles = self._scene.render, self._scene.cycles
        render.engine = "CYCLES"
        render.resolution_x = render.resolution_y = self._size
        render.resolution_percentage = 100
        render.threads_mode, render.threads = "FIXED", 1
        render.film_transparent = True
        render.image_settings.media_type = "MULTI_LAYER_IMAGE"
        render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        render.image_settings.color_depth, render.image_settings.exr_codec = "32", "NONE"
        render.filepath = str(self._file)
        values = {
            "samples": samples, "use_adaptive_sampling": False, "max_bounces": 4, "diffuse_bounces": 2,
            "glossy_bounces": 2, "transmission_bounces": 4, "transparent_max_bounces": 8, "use_light_tree": False,
            "caustics_reflective": False, "caustics_refractive": False, "sample_clamp_indirect": 4.0,
            "blur_glossy": 0.5, "use_denoising": True, "denoiser": "OPENIMAGEDENOISE", "denoising_quality": "FAST",
            "denoising_prefilter": "FAST", "denoising_input_passes": "RGB_ALBEDO_NORMAL",
            "film_transparent_glass": True, "filter_width": 1.2,
        }  # fmt: skip
        for name, value in values.items():
            setattr(cycles, name, value)
        self._scene.cycles_curves.shape = "RIBBONS"
        self._scene.cycles_curves.subdivisions = 1
        self._scene.display_settings.display_device = "sRGB"
        self._scene.view_settings.view_transform = "Raw"
        layer = self._bpy.context.view_layer
        layer.use_pass_z = True
        materials.add_masks(layer)

    def _add_object(self, name: str, data: Any) -> Any:
        made = self._bpy.data.objects.new(name, data)
        self._scene.collection.objects.link(made)
        return made

    def _add_camera(self) -> Any:
        data = self._bpy.data.cameras.new("camera")
        data.sensor_width, data.sensor_fit, data.clip_start, data.clip_end = _SENSOR_WIDTH, "HORIZONTAL", 0.02, 100.0
        self._scene.camera = self._add_object("camera", data)
        return data

    def _image(self, name: str, width: int, height: int = 0) -> Any:
        image = self._bpy.data.images.new(name, width, height or width, alpha=True, float_buffer=True, is_data=True)
        image.alpha_mode = "CHANNEL_PACKED"
        return image

    def _add_world(self) -> Any:
        """The surroundings; the map's middle column is behind the head, Blender's own looks elsewhere."""
        world = self._bpy.data.worlds.new("surroundings")
        self._scene.world = world
        world.use_nodes = True
        tree = world.node_tree
        place, split = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeSeparateXYZ")
        join, picture = tree.nodes.new("ShaderNodeCombineXYZ"), tree.nodes.new("ShaderNodeTexEnvironment")
        picture.image = self._image("surroundings", _ENVIRONMENT[1], _ENVIRONMENT[0])
        tree.links.new(place.outputs["Generated"], split.inputs["Vector"])
        for source, target in (("Z", "X"), ("X", "Y")):
            flip = tree.nodes.new("ShaderNodeMath")
            flip.operation = "MULTIPLY"
            flip.inputs[1].default_value = -1.0
            tree.links.new(split.outputs[source], flip.inputs[0])
            tree.links.new(flip.outputs["Value"], join.inputs[target])
        tree.links.new(split.outputs["Y"], join.inputs["Z"])
        tree.links.new(join.outputs["Vector"], picture.inputs["Vector"])
        tree.links.new(picture.outputs["Color"], tree.nodes["Background"].inputs["Color"])
        world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 128
        return picture.image

    def _add_head(self) -> None:
        bpy, head = self._bpy, self._head
        slots = {
            SKIN: materials.skin(bpy, self._albedo, self._normal),
            EYE: materials.wet(bpy, "eye", self._albedo, 0.35, 1.0),
            TEETH: materials.wet(bpy, "teeth", self._albedo, 0.25, 0.6, 0.2),
            GUMS: materials.wet(bpy, "gums", self._albedo, 0.4, 0.5, 0.3),
            INSIDE: materials.wet(bpy, "inside", self._albedo, 0.5, 0.3),
        }  # fmt: skip
        order = sorted(slots)
        self._skin = self._add_object("head", bpy.data.meshes.new("head"))
        _fill(self._skin.data, head.model.vertices, head.triangles)
        for kind in order:
            self._skin.data.materials.append(slots[kind])
        index = np.searchsorted(order, head.material[head.triangles[:, 0]]).astype(np.int32)
        self._skin.data.polygons.foreach_set("material_index", index)
        self._skin.data.shade_smooth()

    def place(self, camera: Camera, vertices: np.ndarray, light: Light, environment: np.ndarray) -> None:
        """Set camera, head of (V, 3) model-frame vertices, lamp and (h, w, 3) surroundings."""
        self._view = camera
        data, size = self._camera, camera.width
        data.lens = camera.focal * _SENSOR_WIDTH / size
        data.shift_x = ((size - 1) / 2 - camera.center[0]) / size
        data.shift_y = (camera.center[1] - (size - 1) / 2) / size
        self._skin.data.vertices.foreach_set("co", self._to_stage(vertices).ravel())
        self._skin.data.update()
        sun = self._sun.data
        strength = np.pi * np.asarray(light.key_color, float)
        sun.energy = float(strength.max())
        sun.color = (strength / max(float(strength.max()), 1e-6)).tolist()
        sun.angle = float(np.clip(_SUN_ANGLE * light.key_softness, 0.01, 0.6))
        sun.use_shadow = light.casts_shadow
        self._sun.hide_render = bool(strength.max() < 1e-3)
        self._sun.rotation_euler = _aim(self._bpy, light.key_direction)
        _upload(self._world, environment)

    def _to_stage(self, points: np.ndarray) -> np.ndarray:
        moved = points @ self._view.rotation.T + self._view.translation
        return np.ascontiguousarray(moved * LIGHT_FLIP, np.float32)

    def paint(self, maps: HeadMaps) -> None:
        """Give the head its colours."""
        _upload(self._albedo, maps.albedo)
        _upload(self._normal, maps.normal)

    def add_strands(self, strands: Strands, mask: str, roughness: float) -> None:
        """Hair ("hair") or short hairs on the skin ("fur")."""
        used = np.arange(strands.points.shape[1])[None] < strands.counts[:, None]
        if not used.any():
            return
        curves = self._bpy.data.hair_curves.new(mask)
        curves.add_curves(strands.counts.tolist())
        curves.points.foreach_set("position", self._to_stage(strands.points[used]).ravel())
        curves.points.foreach_set("radius", np.ascontiguousarray(strands.radius[used], np.float32))
        tint = np.clip(strands.albedo[used], 0.004, 0.9).astype(np.float32)
        curves.attributes.new("tint", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", tint.ravel())
        node = self._hair[mask].node_tree.nodes["hair"]
        node.inputs["Roughness"].default_value = node.inputs["Radial Roughness"].default_value = roughness
        curves.materials.append(self._hair[mask])
        self._visiting.append(self._add_object(mask, curves))

    def add_mesh(
        self, mesh: Mesh, colors: np.ndarray, mask: str = "", roughness: float = 0.6, flesh: float = 0.0
    ) -> None:
        """Cloth, hats, masks, frames, hands: a mesh with its (H, W, 4) projected colour and cover."""
        used = sum(1 for item in self._layers if not item[0].hide_render)
        if used == len(self._layers):
            self._layers.append(self._new_layer(used))
        layer, image, material = self._layers[used]
        layer.hide_render = False
        _fill(layer.data, self._to_stage(mesh.vertices), mesh.triangles)
        layer.data.shade_smooth()
        _upload(image, colors)
        node = material.node_tree.nodes["layer"]
        node.inputs["Roughness"].default_value = roughness
        node.inputs["Subsurface Weight"].default_value = flesh
        materials.mark(material, mask)

    def _new_layer(self, number: int) -> tuple[Any, Any, Any]:
        name = f"layer {number}"
        image = self._image(name, self._size * SCALE)
        material = materials.layer(self._bpy, name, image)
        made = self._add_object(name, self._bpy.data.meshes.new(name))
        made.data.materials.append(material)
        made.hide_render = True
        return made, image, material

    def add_lens(self, vertices: np.ndarray, triangles: np.ndarray, tint: np.ndarray) -> None:
        """A closed lens of (N, 3) model-frame vertices; `tint` is the (3,) share of light it lets through."""
        mesh = self._bpy.data.meshes.new("lens")
        _fill(mesh, self._to_stage(vertices), triangles)
        mesh.shade_smooth()
        color = (*np.clip(tint, 0.0, 1.0).tolist(), 1.0)
        nodes = self._lens.node_tree.nodes
        nodes["glass"].inputs["Color"].default_value = nodes["clear"].inputs["Color"].default_value = color
        mesh.materials.append(self._lens)
        made = self._add_object("lens", mesh)
        self._visiting.append(made)

    def shoot(self, seed: int) -> Film:
        """Render what stands there."""
        self._scene.cycles.seed = seed & 0x7FFFFFFF
        self._bpy.ops.render.render(write_still=True)
        channel = self._read_film()
        color = np.stack([channel[f"Combined.{letter}"] for letter in "RGB"], axis=2)
        masks = {name: _single(channel, name) for name in materials.MASKS}
        depth = np.where(channel["Depth.Z"] < _NOTHING, channel["Depth.Z"], np.inf).astype(np.float32)
        return Film(np.nan_to_num(color).astype(np.float32), channel["Combined.A"].copy(), depth, masks)

    def _read_film(self) -> dict[str, np.ndarray]:
        """(H, W) float32 by pass and channel; each pass is a part of the file."""
        picture, out, part = self._oiio.ImageInput.open(str(self._file)), {}, 0
        while picture.seek_subimage(part, 0):
            pixels = picture.read_image(part, 0, 0, len(picture.spec().channelnames), "float")
            for row, name in enumerate(picture.spec().channelnames):
                out[name.split(".", 1)[1]] = pixels[:, :, row]
            part += 1
        picture.close()
        return out

    def clear(self) -> None:
        """Take away what one picture brought."""
        for item in self._visiting:
            data = item.data
            self._bpy.data.objects.remove(item)
            (self._bpy.data.meshes if isinstance(data, self._bpy.types.Mesh) else self._bpy.data.hair_curves).remove(
                data
            )
        self._visiting.clear()
        for layer, _, _ in self._layers:
            layer.hide_render = True


def _single(channel: dict[str, np.ndarray], name: str) -> np.ndarray:
    """(H, W) float32 of a one-value pass, whatever its channel is called."""
    found = [values for key, values in channel.items() if key.split(".")[0] == name]
    if not found:
        raise KeyError(f"The render has no pass {name!r}, only {sorted(channel)}.")
    return found[0].copy()


def _open_image_io(bpy: Any) -> Any:
    """Blender's own image library; it lies beside Blender's scripts."""
    folder = next(Path(bpy.utils.resource_path("LOCAL")).glob("python/lib/python*/site-packages"), None)
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    import OpenImageIO  # pyright: ignore[reportMissingImports]

    return OpenImageIO


def _fill(mesh: Any, vertices: np.ndarray, triangles: np.ndarray) -> None:
    """Give a Blender mesh new geometry: (V, 3), (T, 3)."""
    mesh.clear_geometry()
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(triangles.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(triangles, np.int32).ravel())
    mesh.polygons.add(len(triangles))
    mesh.polygons.foreach_set("loop_start", np.arange(0, triangles.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)


def _upload(image: Any, pixels: np.ndarray) -> None:
    """Put (H, W, 3 or 4) float32 pixels, rows from the top, into an image of that size."""
    full = np.ones((*pixels.shape[:2], 4), np.float32)
    full[:, :, : pixels.shape[2]] = pixels
    image.pixels.foreach_set(np.ascontiguousarray(full[::-1]).ravel())
    image.update()


def _aim(bpy: Any, towards: np.ndarray) -> Any:
    """Euler angles that turn a lamp, which shines along -z, so that its light comes from (3,) `towards`."""
    from mathutils import Vector  # pyright: ignore[reportMissingImports]

    return Vector([float(value) for value in towards]).to_track_quat("Z", "Y").to_euler()
