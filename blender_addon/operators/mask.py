"""What hides the face: finding it, painting on the mask, and the photo without it."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

from functools import partial
from typing import ClassVar

import bpy

from ...core.errors import FaceError
from .. import image_views, job, mask_brush, masks, photo_source, pictures
from ..preferences import settings
from ..previews import show_mask
from ..properties import FacewrightScene, face_key, picked_face
from ..reconstruction import CompletedPhoto, FoundMask, Request, complete, find_mask
from .base import FacewrightOperator, JobOperator

_BRUSH = 0.14  # width of the brush in faces


def source_of(chosen: FacewrightScene) -> photo_source.PhotoSource:
    """The photo chosen in the panel."""
    if chosen.source == "IMAGE":
        return photo_source.from_image(chosen.image)
    return photo_source.from_file(chosen.filepath)


def request_of(chosen: FacewrightScene) -> Request:
    """What the panel asks for: photo, face, settings, and the mask where the user painted it."""
    mask = None if chosen.deocclusion == "none" else masks.painted(chosen.mask)
    face = picked_face(chosen) if mask is None else masks.box_of(chosen.mask)
    return Request(source_of(chosen), settings(chosen), face, mask)


def required_mask(chosen: FacewrightScene) -> bpy.types.Image:
    """The mask in the panel; `FaceError` when there is none."""
    if not masks.is_mask(chosen.mask):
        raise FaceError("There is no mask yet. Press Find What Hides the Face first.")
    return chosen.mask


class FACEWRIGHT_OT_find_mask(JobOperator, bpy.types.Operator):
    """Look for what hides the face and show it over the photo; what was painted on the mask is replaced"""

    bl_idname = "facewright.find_mask"
    bl_label = "Find What Hides the Face"
    title = "The search for what hides the face"
    face = ""  # the face that the mask is looked for; the panel may have turned to another one by the end

    def prepare(self, context: bpy.types.Context) -> job.Work:
        """Photo, picked face and settings."""
        chosen = context.scene.facewright
        self.face = face_key(chosen)
        return partial(find_mask, Request(source_of(chosen), settings(chosen), picked_face(chosen)))

    def finish(self, context: bpy.types.Context, outcome: object) -> None:
        """Keep the mask as an image and show it."""
        assert isinstance(outcome, FoundMask)
        chosen = context.scene.facewright
        image = masks.store(self.face, outcome)
        if face_key(chosen) == self.face:
            chosen.mask = image
            show_mask(image.name, outcome.photo, outcome.mask, outcome.box)
        self.report({"INFO"}, masks.finding(image))
        masks.sweep()


class FACEWRIGHT_OT_paint_mask(FacewrightOperator, bpy.types.Operator):
    """Paint on the mask, over the photo, what is to be deleted; with Ctrl, Add removes and Remove adds"""

    bl_idname = "facewright.paint_mask"
    bl_label = "Paint Mask"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    mode: bpy.props.EnumProperty(
        name="Brush",
        items=(
            ("ADD", "Add", "Paint over what hides the face"),
            ("REMOVE", "Remove", "Paint over what should stay as it is"),
            ("DONE", "Done", "Put the brush down; the mask stays as you painted it"),
        ),
        options={"SKIP_SAVE"},
    )

    def work_on(self, context: bpy.types.Context) -> None:
        """Open or close the Image Editor and set its brush."""
        image = required_mask(context.scene.facewright)
        if self.mode == "DONE":
            self._end(context, image)
            return
        if not image_views.showing(context, image):
            area = image_views.show(context, image, masks.part_of(image), paint=True)
            mask_brush.take_up(context, area, _BRUSH * masks.box_of(image).size)
        mask_brush.turn(context, adding=self.mode == "ADD")

    def _end(self, context: bpy.types.Context, image: bpy.types.Image) -> None:
        mask_brush.put_down(context)
        refresh_preview(image)
        for area in image_views.showing(context, image):
            image_views.close(context, area)


def refresh_preview(image: bpy.types.Image) -> None:
    """Show a mask in the panel as it was painted."""
    photo = masks.backdrop_of(image)
    if photo is None:
        return
    show_mask(image.name, photo_source.pixels_of(photo), masks.pixels(image), masks.box_of(image))


class FACEWRIGHT_OT_complete_photo(JobOperator, bpy.types.Operator):
    """Delete what hides the face from the photo and paint the face behind it, without building a head"""

    bl_idname = "facewright.complete_photo"
    bl_label = "Complete Photo"
    title = "The completion of the photo"
    face = ""

    def prepare(self, context: bpy.types.Context) -> job.Work:
        """Photo, face, mask and settings."""
        chosen = context.scene.facewright
        if chosen.deocclusion == "none":
            raise FaceError("Leave As It Is deletes nothing. Choose what to paint with first.")
        self.face = face_key(chosen)
        return partial(complete, request_of(chosen))

    def finish(self, context: bpy.types.Context, outcome: object) -> None:
        """Keep the photo as an image and show it."""
        assert isinstance(outcome, CompletedPhoto)
        if not outcome.completion.mask.any():
            self.report({"INFO"}, "Nothing hides the face, so there is nothing to complete")
            return
        image = pictures.store_completed(outcome.name, self.face, outcome.completion)
        context.scene.facewright.completed = image
        image_views.show(context, image)
        self.report({"INFO"}, f"Painted {(outcome.completion.mask > 0).mean():.1%} of the photo: {image.name}")


CLASSES = (FACEWRIGHT_OT_find_mask, FACEWRIGHT_OT_paint_mask, FACEWRIGHT_OT_complete_photo)
