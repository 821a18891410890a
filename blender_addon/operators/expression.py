"""Presets and keyframes of the expression sliders."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

import bpy

from .. import animation
from .base import HeadOperator


class FACEWRIGHT_OT_expression_reset(HeadOperator, bpy.types.Operator):
    """Set all expression sliders to rest, or to the photo's expression"""

    bl_idname = "facewright.expression_reset"
    bl_label = "Reset Expression"

    target: bpy.props.EnumProperty(
        name="To",
        items=(
            ("NEUTRAL", "Neutral", "All sliders at zero"),
            ("PHOTO", "Photo", "The expression in the photo"),
        ),
    )

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Set the sliders."""
        animation.set_values(head, {} if self.target == "NEUTRAL" else animation.photo_values(head))


class FACEWRIGHT_OT_expression_mirror(HeadOperator, bpy.types.Operator):
    """Exchange the left and right side of the expression"""

    bl_idname = "facewright.expression_mirror"
    bl_label = "Mirror Expression"

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Set the sliders."""
        animation.set_values(head, animation.mirrored_values(head))


class FACEWRIGHT_OT_expression_random(HeadOperator, bpy.types.Operator):
    """Try a random expression"""

    bl_idname = "facewright.expression_random"
    bl_label = "Random Expression"

    seed: bpy.props.IntProperty(name="Seed", min=0, options={"SKIP_SAVE"})
    strength: bpy.props.FloatProperty(name="Strength", min=0.0, max=1.5, default=1.0)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A new expression at each click."""
        import time

        self.seed = time.time_ns() % 1_000_000
        return self.execute(context)

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Set the sliders."""
        animation.set_values(head, animation.random_values(head, self.seed, self.strength))


class FACEWRIGHT_OT_keyframe(HeadOperator, bpy.types.Operator):
    """Key all expression sliders at the current frame, or remove their keys"""

    bl_idname = "facewright.keyframe"
    bl_label = "Key Expression"

    remove: bpy.props.BoolProperty(name="Remove", options={"SKIP_SAVE"})

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Insert or remove keyframes."""
        frame = context.scene.frame_current
        act = animation.clear_keyframes if self.remove else animation.insert_keyframes
        self.report({"INFO"}, f"{act(head, frame)} keys {'removed' if self.remove else 'set'} at frame {frame}")


CLASSES = (
    FACEWRIGHT_OT_expression_reset,
    FACEWRIGHT_OT_expression_mirror,
    FACEWRIGHT_OT_expression_random,
    FACEWRIGHT_OT_keyframe,
)
