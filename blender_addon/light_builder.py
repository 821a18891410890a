"""The photo's light: nine spherical-harmonics coefficients as a world, the strongest direction as a lamp."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector  # pyright: ignore[reportMissingImports]

from ..core.geometry import lighting
from ..core.types import Camera
from .coordinates import camera_world_matrix
from .nodes import empty_tree

_BANDS = np.array([1.0, *[2 / 3] * 3, *[1 / 4] * 5])  # the cosine lobe, which docs/conventions.md folds in
_HEIGHT = 32  # rows of the world picture; order two needs no more
_KEY_SHARE = 0.45  # of the light's directional part that becomes a lamp: eyes and skin need a highlight
_BACKDROP = (0.05, 0.05, 0.05, 1.0)  # what the camera sees: a sky of nine numbers is no sight
_KEY_AMBIENT_LIMIT = 0.5  # of the even light that the lamp may take along
_KEY_ANGLE = np.radians(18.0)  # diameter of the lamp in the sky: a large window
_MIRRORED = 0.3  # of the sky in reflections: so smooth a sky would lie on eyes and skin as a grey veil


@dataclass(frozen=True)
class SplitLight:
    """Nine coefficients as a lamp and what is left for the sky; together they light a matt head as before."""

    sky: np.ndarray  # (9,) float64
    direction: np.ndarray  # (3,) float64 unit vector towards the lamp, x right, y up, z towards the camera
    strength: float  # irradiance of a surface that faces the lamp, in the unit of the coefficients


def distant_lamp(direction: np.ndarray) -> np.ndarray:
    """(9,) irradiance coefficients of a lamp of strength one towards (3,) `direction`, to the second order."""
    x, y, z = direction
    second = 5 / 32 * np.array([6 * x * y, 6 * y * z, (3 * z * z - 1) / 2, 6 * x * z, 1.5 * (x * x - y * y)])
    return np.array([1 / 4, y / 2, z / 2, x / 2, *second])


def split_light(light: np.ndarray) -> SplitLight:
    """Take the strongest direction out of (9,) `light` as a lamp."""
    y, z, x = light[1:4].astype(float)
    slope = float(np.linalg.norm([x, y, z]))
    if slope < 1e-6:
        return SplitLight(light.astype(float), np.array([0.0, 0.0, 1.0]), 0.0)
    direction = np.array([x, y, z]) / slope
    strength = min(2 * _KEY_SHARE * slope, 4 * _KEY_AMBIENT_LIMIT * max(float(light[0]), 0.0))
    return SplitLight(light - strength * distant_lamp(direction), direction, strength)


def radiance(light: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N,) light from (N, 3) unit directions (x right, y up, z towards the camera), cosine lobe out."""
    return np.maximum(lighting.basis(directions) @ (light / _BANDS), 0.0)


def panorama(light: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, 2H) float32 equirectangular radiance of Blender's world, row 0 at the bottom as Blender has it."""
    rows = (np.arange(_HEIGHT) + 0.5) / _HEIGHT
    columns = (np.arange(2 * _HEIGHT) + 0.5) / (2 * _HEIGHT)
    longitude, latitude = np.meshgrid((0.5 - columns) * 2 * np.pi, (rows - 0.5) * np.pi)
    world = np.stack(
        [np.cos(longitude) * np.cos(latitude), np.sin(longitude) * np.cos(latitude), np.sin(latitude)],
        axis=-1,
    )
    to_camera = camera_world_matrix(camera)[:3, :3]
    return radiance(light, world.reshape(-1, 3) @ to_camera).reshape(_HEIGHT, -1).astype(np.float32)


def build_key(name: str, light: SplitLight, camera: Camera, collection: bpy.types.Collection) -> bpy.types.Object:
    """The lamp of a split light, in `collection`."""
    data = bpy.data.lights.new(name, "SUN")
    data.energy = np.pi * light.strength  # Blender's sun counts irradiance before the division by pi
    data.angle = _KEY_ANGLE
    lamp = bpy.data.objects.new(name, data)
    towards = camera_world_matrix(camera)[:3, :3] @ light.direction
    lamp.rotation_euler = Vector(towards.tolist()).to_track_quat("Z", "Y").to_euler()
    lamp.location = (0.6 * towards).tolist()
    collection.objects.link(lamp)
    return lamp


def build_world(name: str, light: np.ndarray, camera: Camera) -> bpy.types.World:
    """A world that lights the head as the photo was lit; grey light, the tint stays in the skin.

    Rooms are mirrored as a few bright patches, of which the lamp is one, amid much that is dark; nine numbers know
    only their mean. EEVEE takes matt light from what it mirrors, so there the sky is whole.
    """
    values = panorama(light, camera)
    image = bpy.data.images.new(name, values.shape[1], values.shape[0], float_buffer=True)
    pixels = np.ones((*values.shape, 4), np.float32)
    pixels[..., :3] = values[..., None]
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    world = bpy.data.worlds.new(name)
    tree = empty_tree(world)
    output, mix, path, sky, backdrop = (
        tree.nodes.new(f"ShaderNode{kind}")
        for kind in ("OutputWorld", "MixShader", "LightPath", "Background", "Background")
    )
    environment = tree.nodes.new("ShaderNodeTexEnvironment")
    environment.image = image
    backdrop.inputs["Color"].default_value = _BACKDROP
    for node, x, y in (
        (mix, -200, 0),
        (path, -450, 300),
        (sky, -450, 0),
        (backdrop, -450, -150),
        (environment, -750, 0),
    ):
        node.location = (x, y)
    tree.links.new(environment.outputs["Color"], sky.inputs["Color"])
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(sky.outputs[0], mix.inputs[1])
    tree.links.new(backdrop.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    output.target = "EEVEE"
    _dim_reflections(tree, mix, path, environment)
    return world


def _dim_reflections(
    tree: bpy.types.NodeTree, mix: bpy.types.Node, path: bpy.types.Node, environment: bpy.types.Node
) -> None:
    """Give Cycles an output of its own, whose mirrored rays see `_MIRRORED` of the sky of `environment`."""
    output, dimmed, chosen = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("OutputWorld", "Background", "MixShader")
    )
    output.target = "CYCLES"
    dimmed.inputs["Strength"].default_value = _MIRRORED
    for node, place in ((dimmed, (-450, -300)), (chosen, (-200, -250)), (output, (0, -250))):
        node.location = place
    tree.links.new(environment.outputs["Color"], dimmed.inputs["Color"])
    tree.links.new(path.outputs["Is Glossy Ray"], chosen.inputs[0])
    tree.links.new(mix.outputs[0], chosen.inputs[1])
    tree.links.new(dimmed.outputs[0], chosen.inputs[2])
    tree.links.new(chosen.outputs[0], output.inputs["Surface"])


def light_scene(scene: bpy.types.Scene, world: bpy.types.World) -> None:
    """Light `scene` with `world`; the world it had is kept in the file."""
    if scene.world is not None and scene.world.users == 1:
        scene.world.use_fake_user = True
    scene.world = world
