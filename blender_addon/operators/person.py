"""The list of further photos of the person."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy

from ...core.errors import FaceError
from .base import FacewrightOperator


class FACEWRIGHT_OT_add_photos(FacewrightOperator, bpy.types.Operator):
    """Add photos of the same person; the head is then made from all of them"""

    bl_idname = "facewright.add_photos"
    bl_label = "Add Photos"
    bl_options: ClassVar[set[str]] = {"UNDO"}

    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask which."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def work_on(self, context: bpy.types.Context) -> None:
        """Put the files on the list, each once."""
        chosen = context.scene.facewright
        listed = {Path(bpy.path.abspath(item.filepath)) for item in chosen.more_photos}
        paths = [Path(bpy.path.abspath(self.directory)) / item.name for item in self.files if item.name]
        if not paths:
            raise FaceError("No photo chosen. Pick one or more photo files.")
        for path in paths:
            if path not in listed:
                chosen.more_photos.add().filepath = str(path)
        chosen.more_index = len(chosen.more_photos) - 1


class FACEWRIGHT_OT_remove_photo(FacewrightOperator, bpy.types.Operator):
    """Take the marked photo off the list"""

    bl_idname = "facewright.remove_photo"
    bl_label = "Remove Photo"
    bl_options: ClassVar[set[str]] = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where one is marked."""
        chosen = context.scene.facewright
        return 0 <= chosen.more_index < len(chosen.more_photos)

    def work_on(self, context: bpy.types.Context) -> None:
        """Remove it and mark its neighbour."""
        chosen = context.scene.facewright
        chosen.more_photos.remove(chosen.more_index)
        chosen.more_index = max(min(chosen.more_index, len(chosen.more_photos) - 1), 0)


CLASSES = (FACEWRIGHT_OT_add_photos, FACEWRIGHT_OT_remove_photo)
