"""The camera that saw the photo, with the photo behind the head."""

from __future__ import annotations

import bpy
from mathutils import Matrix  # pyright: ignore[reportMissingImports]

from ..core.types import Camera
from .coordinates import camera_world_matrix, lens_of


def build_camera(
    name: str, camera: Camera, photo: bpy.types.Image | None, collection: bpy.types.Collection
) -> bpy.types.Object:
    """A camera object in `collection` through which a head at the origin covers the face in the photo."""
    lens = lens_of(camera)
    data = bpy.data.cameras.new(name)
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width, data.lens = lens.sensor_width, lens.focal_mm
    data.shift_x, data.shift_y = lens.shift_x, lens.shift_y
    data.clip_start, data.clip_end = 0.01, 100.0
    data.display_size = 0.1
    if photo is not None:
        _show_photo(data, photo)
    eye = bpy.data.objects.new(name, data)
    eye.matrix_world = Matrix(camera_world_matrix(camera).tolist())
    eye["facewright_resolution"] = [camera.width, camera.height]
    collection.objects.link(eye)
    return eye


def _show_photo(data: bpy.types.Camera, photo: bpy.types.Image) -> None:
    background = data.background_images.new()
    background.image = photo
    background.frame_method = "STRETCH"
    background.display_depth = "BACK"
    background.alpha = 1.0
    data.show_background_images = True


def look_through(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Make a render of `scene` cover the photo: active camera, picture size, colours shown as they are."""
    width, height = camera["facewright_resolution"]
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    scene.view_settings.view_transform = "Standard"  # filmic transforms would grey the photo's colours
    scene.view_settings.look = "None"
