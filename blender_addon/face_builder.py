"""FaceResult to what is in the scene: one collection with head, hair and camera, and the world that lights it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import bpy
import numpy as np

from ..core.geometry.face_model import FaceModel
from ..core.types import FaceResult
from .camera_builder import build_camera, look_through
from .hair_builder import build_hair
from .head_builder import build_head
from .images import packed_image
from .light_builder import build_key, build_world, light_scene, split_light
from .pictures import KINDS, keep_pictures
from .strand_builder import NothingGrows, grow_strands


@dataclass(frozen=True)
class BuildOptions:
    """What to make besides the head."""

    match_scene: bool = True  # active camera, picture size and view transform follow the photo
    photo_light: bool = True  # the scene's world becomes the photo's light
    strands: bool = True  # on the hair, if there is any


@dataclass(frozen=True)
class BuiltFace:
    """What was made, by reference: valid until the next undo."""

    collection: bpy.types.Collection
    head: bpy.types.Object
    camera: bpy.types.Object


def build_face(
    scene: bpy.types.Scene,
    name: str,
    result: FaceResult,
    model: FaceModel,
    photo: np.ndarray | None = None,
    options: BuildOptions | None = None,
) -> BuiltFace:
    """Build `result` into a new collection of `scene`; `photo` is (H, W, 3) uint8 RGB, if at hand."""
    options = options or BuildOptions()
    with all_or_nothing():
        collection = bpy.data.collections.new(name)
        scene.collection.children.link(collection)
        head = build_head(name, result, model, collection)
        if result.hair is not None:
            hair = build_hair(name, result.hair, head, model, result.neutral)
            if options.strands:
                with suppress(NothingGrows):
                    grow_strands(head, hair)
        picture = None if photo is None else packed_image(f"{name} {KINDS['photo']}", photo, lossless=False)
        keep_pictures(head, name, result, model, picture)
        camera = build_camera(f"{name} Camera", result.camera, picture, collection)
        if options.photo_light:
            light = split_light(result.texture.light)
            build_key(f"{name} Key", light, result.camera, collection)
            light_scene(scene, build_world(f"{name} Sky", light.sky, result.camera))
        if options.match_scene:
            look_through(scene, camera)
    return BuiltFace(collection, head, camera)


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Take back all data-blocks made inside when it fails, so that no half head stays in the file."""
    kinds = ("objects", "collections", "meshes", "hair_curves", "cameras", "lights", "materials", "images", "worlds")
    before = {item for kind in kinds for item in getattr(bpy.data, kind)}
    try:
        yield
    except BaseException:
        made = [item for kind in kinds for item in getattr(bpy.data, kind) if item not in before]
        bpy.data.batch_remove(made)
        raise
