"""Looking at what a head was made of."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

from typing import ClassVar

import bpy

from ...core.errors import FaceError
from .. import image_views
from ..material_builder import show_on_skin, shown_on_skin
from ..pictures import KINDS, picture_of
from .base import HeadOperator


class FACEWRIGHT_OT_show_picture(HeadOperator, bpy.types.Operator):
    """Show one of the pictures this head was made of in an Image Editor"""

    bl_idname = "facewright.show_picture"
    bl_label = "Show Picture"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    kind: bpy.props.EnumProperty(
        name="Picture",
        items=(
            ("photo", "Photo", "The photo as it was"),
            ("mask", "Mask", "White: what was deleted from the photo"),
            ("completed", "Completed", "The photo without what hid the face"),
            ("confidence", "Confidence", "What of the skin was seen, mirrored, painted, or taken from the average"),
        ),
    )

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Show."""
        image = picture_of(head, self.kind)
        if image is None:
            raise FaceError(f"{head.name} has no picture {KINDS[self.kind]}. Reconstruct it again to get one.")
        image_views.show(context, image)


class FACEWRIGHT_OT_show_confidence(HeadOperator, bpy.types.Operator):
    """Show on the head itself what of its skin was seen in the photo and what was invented, or its skin again"""

    bl_idname = "facewright.show_confidence"
    bl_label = "Show on Head"

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Exchange the picture that colours the skin."""
        image = picture_of(head, "confidence")
        if image is None:
            raise FaceError(f"{head.name} has no picture Confidence. Reconstruct it again to get one.")
        if not show_on_skin(head, None if shown_on_skin(head) == image else image):
            raise FaceError(f"The skin material of {head.name} was changed, so nothing can be shown on it.")


CLASSES = (FACEWRIGHT_OT_show_picture, FACEWRIGHT_OT_show_confidence)
