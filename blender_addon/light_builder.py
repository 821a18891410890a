"""The photo's light: nine spherical-harmonics coefficients as a world, the strongest direction as a lamp."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.types import Camera
from .coordinates import camera_world_matrix

_BANDS = np.array([1.0, *[2 / 3] * 3, *[1 / 4] * 5])  # the cosine lobe, which docs/conventions.md folds in
_HEIGHT = 32  # rows of the world picture; order two needs no more


def radiance(light: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(N,) light from (N, 3) unit directions (x right, y up, z towards the camera), cosine lobe out."""
    x, y, z = directions.T
    basis = np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=1)
    return np.maximum(basis @ (light / _BANDS), 0.0)


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


def build_world(name: str, light: np.ndarray, camera: Camera) -> bpy.types.World:
    """A world that lights the head as the photo was lit; grey light, the tint stays in the skin."""
    values = panorama(light, camera)
    image = bpy.data.images.new(name, values.shape[1], values.shape[0], float_buffer=True)
    pixels = np.ones((*values.shape, 4), np.float32)
    pixels[..., :3] = values[..., None]
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    world = bpy.data.worlds.new(name)
    if world.node_tree is None:  # before 5.0 the tree is made on request only
        world.use_nodes = True
    tree = world.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputWorld")
    background = tree.nodes.new("ShaderNodeBackground")
    environment = tree.nodes.new("ShaderNodeTexEnvironment")
    environment.image = image
    background.location, environment.location = (-200, 0), (-500, 0)
    tree.links.new(environment.outputs["Color"], background.inputs["Color"])
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
    return world


def light_scene(scene: bpy.types.Scene, world: bpy.types.World) -> None:
    """Light `scene` with `world`; the world it had is kept in the file."""
    if scene.world is not None and scene.world.users == 1:
        scene.world.use_fake_user = True
    scene.world = world
