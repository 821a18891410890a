"""Photo to head, finding faces, cancelling."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import bpy

from .. import job, photo_source
from ..face_builder import BuildOptions, BuiltFace, build_face
from ..preferences import settings
from ..previews import show_faces
from ..properties import set_sliders, store_faces
from ..reconstruction import Outcome, Request, find_faces, reconstruct
from .base import FacewrightOperator, JobOperator
from .mask import request_of, source_of


class FACEWRIGHT_OT_reconstruct(JobOperator, bpy.types.Operator):
    """Build an animatable head from the face in the photo, and from the other photos of the person if there are any"""

    bl_idname = "facewright.reconstruct"
    bl_label = "Reconstruct"
    title = "The reconstruction"

    filepath: bpy.props.StringProperty(
        name="Photo",
        description="Photo to use instead of the panel's choice",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def prepare(self, context: bpy.types.Context) -> job.Work:
        """Photo, picked face, painted mask, settings, and the other photos of the person."""
        chosen = context.scene.facewright
        if self.filepath:
            request = Request(photo_source.from_file(self.filepath), settings(chosen))
        else:
            others = tuple(photo_source.from_file(item.filepath) for item in chosen.more_photos)
            request = replace(request_of(chosen), others=others)
        return partial(reconstruct, request)

    def finish(self, context: bpy.types.Context, outcome: object) -> None:
        """Build the head and make it the active object."""
        assert isinstance(outcome, Outcome)
        built = build_outcome(context, outcome)
        for text in outcome.result.warnings:
            self.report({"WARNING"}, text)
        self.report({"INFO"}, f"Built {built.head.name}")


def build_outcome(context: bpy.types.Context, outcome: Outcome) -> BuiltFace:
    """Build a result into the scene in front of the user, select the head and set its identity sliders."""
    scene = context.scene
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    chosen = scene.facewright
    options = BuildOptions(match_scene=chosen.match_scene, photo_light=chosen.photo_light, strands=chosen.strands)
    built = build_face(scene, outcome.name, outcome.result, outcome.model, outcome.photo.pixels, options)
    set_sliders(built.head, outcome.result.params.identity)
    for other in context.view_layer.objects.selected:
        other.select_set(False)
    built.head.select_set(True)
    context.view_layer.objects.active = built.head
    return built


class FACEWRIGHT_OT_find_faces(JobOperator, bpy.types.Operator):
    """List the faces in the photo, to pick one of several"""

    bl_idname = "facewright.find_faces"
    bl_label = "Find Faces"
    title = "The search for faces"

    def prepare(self, context: bpy.types.Context) -> job.Work:
        """Photo and settings."""
        return partial(find_faces, Request(source_of(context.scene.facewright), settings()))

    def finish(self, context: bpy.types.Context, outcome: object) -> None:
        """Fill the picker."""
        assert isinstance(outcome, tuple)
        photo, faces = outcome
        store_faces(context.scene.facewright, faces)
        show_faces(photo, faces)
        self.report({"INFO"}, f"{len(faces)} face{'s' if len(faces) != 1 else ''} found")


class FACEWRIGHT_OT_cancel(FacewrightOperator, bpy.types.Operator):
    """Stop the work that is running; nothing is changed"""

    bl_idname = "facewright.cancel"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while something runs."""
        return job.current() is not None

    def work_on(self, context: bpy.types.Context) -> None:
        """Ask the worker to stop; it does so at its next stage."""
        running = job.current()
        if running is not None:
            running.cancel()


CLASSES = (FACEWRIGHT_OT_reconstruct, FACEWRIGHT_OT_find_faces, FACEWRIGHT_OT_cancel)
