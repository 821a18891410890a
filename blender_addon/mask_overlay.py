"""Lays the photo over its mask in the Image Editor, so that the user paints on what can be seen.

The editor shows the mask; over it comes the photo, tinted where the mask is white as it is painted.
"""

from __future__ import annotations

import bpy
import gpu  # pyright: ignore[reportMissingImports]
import numpy as np
from gpu_extras.batch import batch_for_shader  # pyright: ignore[reportMissingImports]

from . import masks
from .images import raw_pixels

TINT, VEIL = (1.0, 0.16, 0.1), 0.5  # sRGB colour of what will be deleted, and its opacity
_VERTEX = """
void main() {
    place = texCoord;
    gl_Position = ModelViewProjectionMatrix * vec4(pos, 0.0, 1.0);
}
"""
_FRAGMENT = """
void main() {
    vec3 seen = mix(texture(photo, place).rgb, tint.rgb, tint.a * step(0.5, texture(mask, place).r));
    vec3 linear = mix(seen / 12.92, pow((seen + 0.055) / 1.055, vec3(2.4)), step(vec3(0.04045), seen));
    color = vec4(srgbTarget ? linear : seen, 1.0);
}
"""
_handler: object | None = None
_shader: gpu.types.GPUShader | None = None
_photos: dict[tuple[str, int], gpu.types.GPUTexture] = {}  # the last photo, by image and its place in memory


def register() -> None:
    """Draw in every Image Editor from now on."""
    global _handler
    _handler = bpy.types.SpaceImageEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """Draw no more."""
    global _handler, _shader
    if _handler is not None:
        bpy.types.SpaceImageEditor.draw_handler_remove(_handler, "WINDOW")
    _handler = _shader = None
    _photos.clear()


def _draw() -> None:
    image = bpy.context.space_data.image
    photo = masks.backdrop_of(image) if masks.is_mask(image) else None
    if photo is None or 0 in photo.size[:]:
        return
    view = bpy.context.region.view2d
    low, high = view.view_to_region(0.0, 0.0, clip=False), view.view_to_region(1.0, 1.0, clip=False)
    shader = _compiled()
    shader.uniform_sampler("photo", _texture(photo))
    shader.uniform_sampler("mask", gpu.texture.from_image(image))  # follows every stroke
    shader.uniform_float("tint", (*TINT, VEIL))
    places = {
        "pos": (low, (high[0], low[1]), high, (low[0], high[1])),
        "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1)),
    }
    batch_for_shader(shader, "TRI_FAN", places).draw(shader)


def _compiled() -> gpu.types.GPUShader:
    """The shader, made when something is drawn for the first time: before there may be no graphics at all."""
    global _shader
    if _shader is None:
        between = gpu.types.GPUStageInterfaceInfo("facewright_mask")
        between.smooth("VEC2", "place")
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "ModelViewProjectionMatrix")
        info.push_constant("VEC4", "tint")
        info.push_constant("BOOL", "srgbTarget")  # Blender sets it where the screen's buffer encodes by itself
        info.sampler(0, "FLOAT_2D", "photo")
        info.sampler(1, "FLOAT_2D", "mask")
        info.vertex_in(0, "VEC2", "pos")
        info.vertex_in(1, "VEC2", "texCoord")
        info.vertex_out(between)
        info.fragment_out(0, "VEC4", "color")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        _shader = gpu.shader.create_from_info(info)
    return _shader


def _texture(photo: bpy.types.Image) -> gpu.types.GPUTexture:
    """The photo's bytes as they are: a texture of the image itself would be linear, the editor is not."""
    key = (photo.name_full, photo.as_pointer())
    if key not in _photos:
        _photos.clear()
        values = np.ascontiguousarray(raw_pixels(photo)[::-1]).ravel()
        buffer = gpu.types.Buffer("FLOAT", len(values), values)
        _photos[key] = gpu.types.GPUTexture(tuple(photo.size), format="RGBA8", data=buffer)
    return _photos[key]
