"""Reset and random identity."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

import bpy
import numpy as np

from ...core.geometry.face_model import load_face_model
from ...core.types import IDENTITY
from ..identity import apply_identity
from ..properties import set_sliders
from .base import HeadOperator


class FACEWRIGHT_OT_identity_reset(HeadOperator, bpy.types.Operator):
    """Give the head back the identity of the photo, or make it the average head"""

    bl_idname = "facewright.identity_reset"
    bl_label = "Reset Identity"

    target: bpy.props.EnumProperty(
        name="To",
        items=(("PHOTO", "Photo", "The person in the photo"), ("AVERAGE", "Average", "The average head")),
    )

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Rebake."""
        photo = np.array(head["facewright_identity"], float)
        _apply(head, photo if self.target == "PHOTO" else np.zeros(IDENTITY))


class FACEWRIGHT_OT_identity_random(HeadOperator, bpy.types.Operator):
    """Try a random person"""

    bl_idname = "facewright.identity_random"
    bl_label = "Random Identity"

    seed: bpy.props.IntProperty(name="Seed", min=0, options={"SKIP_SAVE"})
    strength: bpy.props.FloatProperty(
        name="Strength", description="Standard deviations from the average", min=0.0, max=2.0, default=0.8
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A new person at each click."""
        import time

        self.seed = time.time_ns() % 1_000_000
        return self.execute(context)

    def work_on_head(self, context: bpy.types.Context, head: bpy.types.Object) -> None:
        """Rebake."""
        _apply(head, np.random.default_rng(self.seed).normal(size=IDENTITY) * self.strength)


def _apply(head: bpy.types.Object, identity: np.ndarray) -> None:
    apply_identity(head, load_face_model(), identity)
    set_sliders(head, identity)


CLASSES = (FACEWRIGHT_OT_identity_reset, FACEWRIGHT_OT_identity_random)
