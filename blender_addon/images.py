"""Packed Blender images from arrays, and arrays from Blender images."""

from __future__ import annotations

import bpy
import cv2
import numpy as np

from ..core.errors import OutputError


def packed_image(name: str, pixels: np.ndarray, *, lossless: bool = True, color: bool = True) -> bpy.types.Image:
    """A Blender image that carries `pixels` inside the .blend, row 0 on top.

    `pixels` are (H, W, 3) or (H, W, 4) uint8 RGB or RGBA, sRGB-encoded, or (H, W) uint8 grey. Without `color` Blender
    takes the values as they are, not as something to be seen.
    """
    height, width = pixels.shape[:2]
    data = _encoded(name, pixels, lossless)
    image = bpy.data.images.new(name, width, height)
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"
    image.colorspace_settings.name = "sRGB" if color else "Non-Color"
    return image


def _encoded(name: str, pixels: np.ndarray, lossless: bool) -> bytes:
    suffix, flags = (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]) if lossless else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])
    # grey goes out as colour too: on a grey file Blender would have to guess what painting on it means
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    bgr = cv2.cvtColor(pixels, {1: cv2.COLOR_GRAY2BGR, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[channels])
    done, encoded = cv2.imencode(suffix, bgr, flags)
    if not done:
        height, width = pixels.shape[:2]
        raise OutputError(f"The image {name} of {width} x {height} pixels could not be packed; use a smaller photo.")
    return encoded.tobytes()


def raw_pixels(image: bpy.types.Image) -> np.ndarray:
    """(H, W, C) float32 of an image as Blender holds it, row 0 on top: encoded if it has bytes, else linear."""
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(height, width, image.channels)[::-1]


def take_place(new: bpy.types.Image, old: bpy.types.Image | None) -> bpy.types.Image:
    """Let `new` stand wherever `old` stood, under its name; undo brings `old` back as it was packed."""
    if old is None or old == new:
        return new
    name = old.name
    old.user_remap(new)
    bpy.data.images.remove(old)
    new.name = name
    return new
