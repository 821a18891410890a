"""A head and its hair to GLB, FBX, OBJ or USD, written beside the target first: failing harms no file that is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bpy

from ..core.errors import OutputError
from ..core.files import output_error
from .hair_builder import hairs_of


def _glb(path: str) -> None:
    bpy.ops.export_scene.gltf(
        filepath=path,
        export_format="GLB",
        use_selection=True,
        export_morph=True,
        export_morph_normal=True,
        export_animations=True,
        export_extras=False,
    )


def _fbx(path: str) -> None:
    bpy.ops.export_scene.fbx(
        filepath=path,
        use_selection=True,
        object_types={"MESH"},
        use_mesh_modifiers=False,  # modifiers would drop the shape keys
        path_mode="COPY",
        embed_textures=True,
    )


def _obj(path: str) -> None:
    with unpacked_pictures(Path(path).parent):
        bpy.ops.wm.obj_export(
            filepath=path,
            export_selected_objects=True,
            path_mode="STRIP",
            up_axis="Y",
            forward_axis="NEGATIVE_Z",
        )


def _usd(path: str) -> None:
    bpy.ops.wm.usd_export(filepath=path, selected_objects_only=True, export_shapekeys=True)


_WRITERS: dict[str, Callable[[str], None]] = {".glb": _glb, ".fbx": _fbx, ".obj": _obj, ".usdc": _usd}
SUFFIXES = tuple(_WRITERS)


def export_head(head: bpy.types.Object, path: Path) -> None:
    """Write a head to `path`; its suffix is the format. Raises `OutputError` with nothing overwritten."""
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise OutputError(f"{path.suffix or 'No suffix'} is not a format Facewright writes. Use {', '.join(SUFFIXES)}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".facewright-") as folder:
            with only_selected(head, [hair for hair in hairs_of(head) if hair.visible_get()]):
                writer(str(Path(folder) / path.name))
            _move_files(Path(folder), path)
    except OSError as error:
        raise output_error(path, error) from error
    except RuntimeError as error:  # Blender's exporters report everything this way
        raise OutputError(f"{path} cannot be written ({reason(error)}). Choose another folder or format.") from error


def reason(error: RuntimeError) -> str:
    """What Blender says of a failed file operator, without its line breaks and labels."""
    return " ".join(str(error).replace("Error: ", "").split())


def _move_files(folder: Path, path: Path) -> None:
    """Put the file called as `path`, and those it came with, in their places."""
    if not (folder / path.name).exists():
        raise OutputError(f"{path.name} was not written. Look at Blender's console for the reason.")
    for item in sorted(folder.rglob("*")):
        if item.is_file():
            target = path.parent / item.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(item, target)


@contextmanager
def only_selected(head: bpy.types.Object, others: Sequence[bpy.types.Object] = ()) -> Iterator[None]:
    """Select the head and what goes with it, then give the selection back: exporters take what is selected."""
    layer = bpy.context.view_layer
    before, active = list(layer.objects.selected), layer.objects.active
    for item in before:
        item.select_set(False)
    for item in (head, *others):
        item.select_set(True)
    layer.objects.active = head
    try:
        yield
    finally:
        for item in (head, *others):
            item.select_set(False)
        for item in before:
            item.select_set(True)
        layer.objects.active = active


@contextmanager
def unpacked_pictures(folder: Path) -> Iterator[None]:
    """Put the selected objects' packed pictures into `folder` as files: OBJ refers to files only."""
    slots = [slot for item in bpy.context.view_layer.objects.selected for slot in item.material_slots]
    materials = [slot.material for slot in slots if slot.material]
    nodes = [node for material in materials for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
    images = {node.image for node in nodes if node.image is not None and node.image.packed_file is not None}
    before = {image: image.filepath_raw for image in images}
    for image in images:
        file = folder / f"{bpy.path.clean_name(image.name)}.png"
        file.write_bytes(image.packed_file.data)
        image.filepath_raw = str(file)
    try:
        yield
    finally:
        for image, path in before.items():
            image.filepath_raw = path
