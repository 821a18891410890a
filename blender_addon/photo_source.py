"""Where the photo comes from: a file, or an image that is open in Blender."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..core.errors import ImageError
from ..core.geometry.lighting import linear_to_srgb
from .images import raw_pixels

_UNREADABLE = {"VIEWER", "MOVIE"}
_PHOTO_FILES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}  # others only Blender can read: EXR, HDR, ...


@dataclass(frozen=True)
class PhotoSource:
    """A photo by path, or by pixels when Blender alone has it. Plain data: safe to hand to a thread."""

    name: str  # for the collection and its objects
    path: Path | None = None
    pixels: np.ndarray | None = None  # (H, W, 3) uint8 RGB


def from_file(filepath: str) -> PhotoSource:
    """A photo on disk; `//` is the folder of the .blend."""
    if not filepath.strip():
        raise ImageError("No photo chosen. Pick an image or a photo file first.")
    path = Path(bpy.path.abspath(filepath))
    return PhotoSource(name=path.stem, path=path)


def from_image(image: bpy.types.Image | None) -> PhotoSource:
    """A photo that is open in Blender; unchanged ones are read from the file, which tells the orientation."""
    if image is None:
        raise ImageError("No image chosen. Pick an image or a photo file first.")
    name = Path(image.name).stem
    file = Path(bpy.path.abspath(image.filepath, library=image.library)) if image.filepath else None
    unchanged = image.source == "FILE" and image.packed_file is None and not image.is_dirty
    if unchanged and file is not None and file.suffix.lower() in _PHOTO_FILES:
        return PhotoSource(name=name, path=file)
    if image.source in _UNREADABLE:
        raise ImageError(f"The image {image.name} is a movie or a render. Save a frame as a picture and pick that.")
    return PhotoSource(name=name, pixels=pixels_of(image))


def pixels_of(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 3) uint8 RGB, sRGB-encoded, of an image's pixels; transparent parts become grey."""
    width, height = image.size
    if width == 0 or height == 0:
        raise ImageError(f"The image {image.name} has no pixels; its file may be missing. Reload it or pick another.")
    picture = raw_pixels(image)
    color = picture[..., :3] if image.channels >= 3 else np.repeat(picture[..., :1], 3, axis=2)
    if image.is_float and image.colorspace_settings.name != "sRGB":
        color = linear_to_srgb(color)
    if image.channels == 4:
        alpha = np.clip(picture[..., 3:], 0.0, 1.0)
        color = color * alpha + 0.5 * (1.0 - alpha)
    return np.rint(np.clip(color, 0.0, 1.0) * 255).astype(np.uint8)
