"""Strands on a head's hair."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

import bpy

from ...core.errors import FaceError
from ...core.geometry.hair_curves import USUAL_COUNT
from ..hair_builder import hairs_of
from ..strand_builder import THICKNESS, grow_strands
from .base import HeadOperator


class FACEWRIGHT_OT_grow_strands(HeadOperator, bpy.types.Operator):
    """Grow strands on the hair as it is now, coloured and combed as its picture shows, in place of those it has"""

    bl_idname = "facewright.grow_strands"
    bl_label = "Grow Strands"

    count: bpy.props.IntProperty(name="Strands", min=100, max=200_000, default=USUAL_COUNT)
    thickness: bpy.props.FloatProperty(
        name="Thickness", description="Millimetres, at the root", min=0.02, max=2.0, default=THICKNESS, precision=3
    )
    seed: bpy.props.IntProperty(name="Seed", min=0, options={"SKIP_SAVE"})

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Grow, on each hair that is not hidden."""
        hairs = [hair for hair in hairs_of(head) if hair.visible_get()]
        if not hairs:
            raise FaceError(f"{head.name} has no hair that is shown. Unhide it, or reconstruct the head with hair.")
        if any(item.mode != "OBJECT" for item in hairs):
            raise FaceError("Leave Edit Mode to grow strands: they follow the hair as it is in Object Mode.")
        for hair in hairs:
            grow_strands(head, hair, self.count, self.thickness, self.seed)


CLASSES = (FACEWRIGHT_OT_grow_strands,)
