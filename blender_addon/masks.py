"""Masks as images: white where something hides the face. Found by the parser, painted on by the user.

A mask is an image of the user's file, packed, that belongs to one face of one photo (`OF`). It remembers what it was
when it was found, so that painting on it is noticed however it was done, and taking the strokes back as well. With it
comes a copy of the photo to lay over it, since only `core` reads photos the way the mask was made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import bpy
import cv2
import numpy as np

from ..core.errors import ImageError
from ..core.types import FaceBox
from .images import packed_image, raw_pixels, take_place
from .reconstruction import FoundMask

OF = "facewright_mask_of"  # custom property: the face the mask belongs to
_FOUND = "facewright_found"  # custom property: digest of the mask as it was found
_PAINTED = "facewright_painted"  # custom property: strokes were packed into the image
_BACKDROP = "facewright_photo"  # custom property: the image of the photo under the mask
_BOX = "facewright_box"  # custom property: corners, points and score of the face
_SHARE = "facewright_share"  # custom property: how much of the photo was found to hide the face
_MARGIN = 0.85  # face sizes to either side of its middle that are shown for painting
_BACKDROP_SIDE = 2048  # pixels; the photo under the mask is there to be looked at


def store(face: str, found: FoundMask) -> bpy.types.Image:
    """The mask of `face` as found, in the place of an earlier one; an undo brings that back with its strokes."""
    old = mask_of(face)
    if old is not None and old.is_dirty:
        pack_strokes()
        bpy.ops.ed.undo_push(message="Painted Mask")  # undo knows packed pixels only
    backdrop = packed_image(f"{found.name}_mask Photo", _reduced(found.photo), lossless=False)
    image = packed_image(f"{found.name}_mask", found.mask, color=False)
    image[OF], image[_FOUND], image[_SHARE] = face, _digest(found.mask), float((found.mask > 0).mean())
    box = found.box
    image[_BOX] = [float(value) for value in (box.x0, box.y0, box.x1, box.y1, box.score, *box.points.ravel())]
    image[_BACKDROP] = take_place(backdrop, None if old is None else backdrop_of(old))
    return take_place(image, old)


def mask_of(face: str) -> bpy.types.Image | None:
    """The mask of a face, if it was looked for."""
    return next((image for image in all_masks() if image[OF] == face), None)


def all_masks() -> Iterator[bpy.types.Image]:
    """The masks in the file that can be painted on."""
    return (image for image in bpy.data.images if OF in image and image.library is None)


def is_mask(image: bpy.types.Image | None) -> bool:
    """Whether an image is a mask made here."""
    return image is not None and OF in image


def pixels(image: bpy.types.Image) -> np.ndarray:
    """(H, W) uint8, 255 where a mask is nearer to its brightest than to black, in whatever colour it was painted."""
    if 0 in image.size[:]:
        raise ImageError(f"The mask {image.name} has no pixels. Find it again.")
    picture = raw_pixels(image)
    return np.where(picture[..., : min(3, image.channels)].max(axis=2) > 0.5, np.uint8(255), np.uint8(0))


def painted(image: bpy.types.Image | None) -> np.ndarray | None:
    """(H, W) uint8 of a mask that differs from the one that was found; None while it does not."""
    if image is None or not is_mask(image) or not seems_painted(image):
        return None
    mask = pixels(image)
    return None if _digest(mask) == image[_FOUND] else mask


def seems_painted(image: bpy.types.Image) -> bool:
    """Whether strokes were made on a mask, perhaps taken back again; quick enough for a panel."""
    return image.is_dirty or _PAINTED in image


def box_of(image: bpy.types.Image) -> FaceBox:
    """The face that a mask belongs to, in photo pixels."""
    x0, y0, x1, y1, score, *points = image[_BOX]
    return FaceBox(x0, y0, x1, y1, score, np.array(points, np.float32).reshape(5, 2))


def part_of(image: bpy.types.Image) -> tuple[float, float, float, float]:
    """What to look at when painting: left, bottom, right, top around the face, the image's sides being 1 long."""
    box, (width, height) = box_of(image), image.size
    x, y, half = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, _MARGIN * max(box.size, 1.0)
    low = max((x - half) / width, 0.0), max(1 - (y + half) / height, 0.0)
    return *low, min((x + half) / width, 1.0), min(1 - (y - half) / height, 1.0)


def finding(image: bpy.types.Image) -> str:
    """What was found, in words."""
    share = image[_SHARE]
    return f"Hidden: {share:.1%} of the photo" if share else "Nothing hides the face"


def backdrop_of(image: bpy.types.Image) -> bpy.types.Image | None:
    """The photo under a mask; None when the user removed it."""
    return image.get(_BACKDROP)


def pack_strokes() -> None:
    """Put what was painted into the file: Blender itself drops strokes on packed images when it saves."""
    for image in all_masks():
        if image.is_dirty:
            image.pack()
            image[_PAINTED] = True


def let_go(image: bpy.types.Image | None) -> None:
    """Keep a mask in the file although the panel turns to another face, if the user worked on it."""
    if image is not None and is_mask(image) and seems_painted(image):
        image.use_fake_user = True


def sweep() -> None:
    """Remove masks that nobody uses and nobody worked on, and what came with them."""
    for image in [image for image in all_masks() if image.users == 0 and not seems_painted(image)]:
        backdrop = backdrop_of(image)
        bpy.data.images.remove(image)
        if backdrop is not None and backdrop.users == 0:
            bpy.data.images.remove(backdrop)


def _digest(mask: np.ndarray) -> str:
    return hashlib.blake2b(np.packbits(mask > 0).tobytes(), digest_size=8).hexdigest()


def _reduced(photo: np.ndarray) -> np.ndarray:
    scale = _BACKDROP_SIDE / max(photo.shape[:2])
    return photo if scale >= 1 else cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
