"""Packed Blender images from arrays."""

from __future__ import annotations

import bpy
import cv2
import numpy as np

from ..core.errors import OutputError


def packed_image(name: str, pixels: np.ndarray, *, lossless: bool = True) -> bpy.types.Image:
    """A Blender image that carries (H, W, 3) uint8 RGB sRGB `pixels` inside the .blend, row 0 on top."""
    height, width = pixels.shape[:2]
    suffix, flags = (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]) if lossless else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])
    done, encoded = cv2.imencode(suffix, np.ascontiguousarray(pixels[..., ::-1]), flags)
    if not done:
        raise OutputError(f"The image {name} of {width} x {height} pixels could not be packed; use a smaller photo.")
    data = encoded.tobytes()
    image = bpy.data.images.new(name, width, height)
    image.pack(data=data, data_len=len(data))
    image.source = "FILE"
    image.colorspace_settings.name = "sRGB"
    return image
