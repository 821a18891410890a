"""Export of the active head."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy

from ..exporters import SUFFIXES, export_head
from ..paths import export_default
from .base import HeadOperator, required_head


class FACEWRIGHT_OT_export(HeadOperator, bpy.types.Operator):
    """Write the head with all its expressions to a file for other programs"""

    bl_idname = "facewright.export"
    bl_label = "Export Head"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    format: bpy.props.EnumProperty(
        name="Format",
        items=(
            (".glb", "glTF (.glb)", "All expressions as morph targets; game engines, the web"),
            (".fbx", "FBX (.fbx)", "All expressions as blend shapes; Maya, Unity, Unreal"),
            (".obj", "OBJ (.obj)", "The present expression only"),
            (".usdc", "USD (.usdc)", "All expressions as blend shapes"),
        ),
        default=".glb",
    )
    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN"})  # the file dialogue warns
    filter_glob: bpy.props.StringProperty(default=";".join(f"*{s}" for s in SUFFIXES), options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask where to."""
        self.filepath = export_default(bpy.data.filepath, required_head(context).name, self.format)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: bpy.types.Context) -> bool:
        """Keep the suffix in step with the format."""
        wanted = str(Path(self.filepath).with_suffix(self.format))
        changed, self.filepath = wanted != self.filepath, wanted
        return changed

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Write."""
        path = Path(bpy.path.abspath(self.filepath))
        export_head(head, path)
        self.report({"INFO"}, f"Wrote {path}")


CLASSES = (FACEWRIGHT_OT_export,)
