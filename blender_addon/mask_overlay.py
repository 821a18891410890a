"""Lays the photo over its mask in the Image Editor, so that the user paints on what can be seen.

The editor shows the mask; here it is coloured and the photo drawn over it, half transparent.
"""

from __future__ import annotations

import bpy
import gpu  # pyright: ignore[reportMissingImports]
import numpy as np
from gpu_extras.batch import batch_for_shader  # pyright: ignore[reportMissingImports]

from . import masks
from .images import raw_pixels

TINT = (1.0, 0.16, 0.1)  # of what will be deleted, sRGB
PHOTO = 0.62  # opacity of the photo
_handler: object | None = None
_textures: dict[tuple[str, int], gpu.types.GPUTexture] = {}  # the last photo, by image and version


def register() -> None:
    """Draw in every Image Editor from now on."""
    global _handler
    _handler = bpy.types.SpaceImageEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """Draw no more."""
    global _handler
    if _handler is not None:
        bpy.types.SpaceImageEditor.draw_handler_remove(_handler, "WINDOW")
        _handler = None
    _textures.clear()


def _draw() -> None:
    image = bpy.context.space_data.image
    if not masks.is_mask(image):
        return
    photo = masks.backdrop_of(image)
    if photo is None or 0 in photo.size[:]:
        return
    view = bpy.context.region.view2d
    low, high = view.view_to_region(0.0, 0.0, clip=False), view.view_to_region(1.0, 1.0, clip=False)
    corners = ((low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]))
    _color(corners)
    _lay_over(_texture(photo), corners)
    gpu.state.blend_set("NONE")


def _color(corners: tuple[tuple[float, float], ...]) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", (*TINT, 1.0))
    gpu.state.blend_set("MULTIPLY")
    batch_for_shader(shader, "TRI_FAN", {"pos": corners}).draw(shader)


def _lay_over(texture: gpu.types.GPUTexture, corners: tuple[tuple[float, float], ...]) -> None:
    shader = gpu.shader.from_builtin("IMAGE_COLOR")
    shader.uniform_sampler("image", texture)
    shader.uniform_float("color", (1.0, 1.0, 1.0, PHOTO))
    gpu.state.blend_set("ALPHA")
    places = {"pos": corners, "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1))}
    batch_for_shader(shader, "TRI_FAN", places).draw(shader)


def _texture(photo: bpy.types.Image) -> gpu.types.GPUTexture:
    """The photo's bytes as they are: a texture of the image itself would be linear, the editor is not."""
    key = (photo.name_full, photo.session_uid)
    if key not in _textures:
        _textures.clear()
        values = np.ascontiguousarray(raw_pixels(photo)[::-1]).ravel()
        buffer = gpu.types.Buffer("FLOAT", len(values), values)
        _textures[key] = gpu.types.GPUTexture(tuple(photo.size), format="RGBA8", data=buffer)
    return _textures[key]
