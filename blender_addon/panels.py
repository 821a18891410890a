"""The panel Facewright in the 3D View's sidebar. Draws, never computes."""

from __future__ import annotations

from typing import ClassVar

import bpy

from . import job
from .animation import sliders
from .expression_groups import grouped
from .hair_builder import hairs_of, strands_of
from .identity import rebake_problem
from .image_views import showing
from .mask_brush import adds
from .masks import finding, is_mask, seems_painted
from .material_builder import shown_on_skin
from .operators.base import active_head, required_head
from .pictures import KINDS, LEVELS, SHARES, picture_of
from .previews import face_icon, mask_icon
from .properties import REGRESSORS, FacewrightScene
from .reconstruction import STAGE_LABELS

_OPEN_GROUPS = ("Jaw", "Mouth")
_SHOWN_IDENTITY = 20  # sliders; the rest, which do little, wait under "More"


class FACEWRIGHT_UL_faces(bpy.types.UIList):
    """The faces found in the photo."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        """One face: its picture and where it is."""
        x0, _, x1, _ = item.corners
        text = f"Face {index + 1}  ({x1 - x0:.0f} px)"
        shown = face_icon(index)
        if shown:
            layout.label(text=text, icon_value=shown)
        else:
            layout.label(text=text, icon="USER")


class FACEWRIGHT_UL_photos(bpy.types.UIList):
    """The other photos of the person."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        """One photo by its file's name."""
        layout.label(text=bpy.path.basename(item.filepath), icon="IMAGE_DATA")


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Facewright"


class _HeadPanel(_Sidebar):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is a head."""
        return active_head(context) is not None


class FACEWRIGHT_PT_photo(_Sidebar, bpy.types.Panel):
    """Photo, face, and the button."""

    bl_label = "Facewright"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, chosen = self.layout, context.scene.facewright
        running = job.current()
        column = layout.column()
        column.enabled = running is None
        column.row().prop(chosen, "source", expand=True)
        if chosen.source == "FILE":
            column.prop(chosen, "filepath", text="")
        else:
            column.template_ID(chosen, "image", open="image.open")
        column.operator("facewright.find_faces", icon="VIEWZOOM")
        if len(chosen.faces) > 1:
            column.template_list(
                "FACEWRIGHT_UL_faces",
                "",
                chosen,
                "faces",
                chosen,
                "face_index",
                rows=min(len(chosen.faces), 5),
            )
        header, body = column.panel("facewright_person", default_closed=True)
        header.label(text="More Photos of This Person")
        if body is not None:
            draw_person(body, chosen)
        header, body = column.panel("facewright_hidden", default_closed=True)
        header.label(text="What Hides the Face")
        if body is not None:
            draw_hidden(body, context, chosen)
        if len(REGRESSORS) > 1:
            column.prop(chosen, "regressor")
        row = column.row()
        row.prop(chosen, "match_scene")
        row.prop(chosen, "photo_light")
        row = column.row()
        row.prop(chosen, "hair")
        strands = row.row()
        strands.enabled = chosen.hair
        strands.prop(chosen, "strands")
        if running is None:
            row = layout.row()
            row.scale_y = 1.6
            row.operator("facewright.reconstruct", icon="USER")
        else:
            draw_progress(layout, running)


def draw_person(layout: bpy.types.UILayout, chosen: FacewrightScene) -> None:
    """The photos that the head is made from besides the first."""
    row = layout.row()
    rows = min(max(len(chosen.more_photos), 2), 5)
    row.template_list("FACEWRIGHT_UL_photos", "", chosen, "more_photos", chosen, "more_index", rows=rows)
    buttons = row.column(align=True)
    buttons.operator("facewright.add_photos", text="", icon="ADD")
    buttons.operator("facewright.remove_photo", text="", icon="REMOVE")


def draw_hidden(layout: bpy.types.UILayout, context: bpy.types.Context, chosen: FacewrightScene) -> None:
    """How to find, correct and fill what hides the face."""
    column = layout.column()
    column.prop(chosen, "deocclusion")
    body = layout.column()
    body.enabled = chosen.deocclusion != "none"
    mask = chosen.mask if is_mask(chosen.mask) else None
    painted = mask is not None and seems_painted(mask)
    text = "Find What Hides the Face" if mask is None else "Reset to Found Mask" if painted else "Find Again"
    body.operator("facewright.find_mask", text=text, icon="LOOP_BACK" if painted else "VIEWZOOM")
    if mask is not None:
        draw_mask(body, context, mask)
    sliders = body.column(align=True)
    sliders.enabled = not painted
    sliders.prop(chosen, "mask_threshold")
    sliders.prop(chosen, "mask_grow")
    sliders.prop(chosen, "keep_glasses")
    lenses = sliders.row()
    lenses.enabled = not chosen.keep_glasses
    lenses.prop(chosen, "keep_lenses")
    body.operator("facewright.complete_photo", icon="IMAGE_DATA")


def draw_mask(layout: bpy.types.UILayout, context: bpy.types.Context, mask: bpy.types.Image) -> None:
    """The mask over the photo, and the brush."""
    shown = mask_icon(mask.name)
    if shown:
        layout.template_icon(shown, scale=8.0)
    if not showing(context, mask):
        layout.operator("facewright.paint_mask", icon="BRUSH_DATA").mode = "ADD"
    else:
        row = layout.row(align=True)
        for mode, text, pressed in (("ADD", "Add", adds(context)), ("REMOVE", "Remove", not adds(context))):
            row.operator("facewright.paint_mask", text=text, depress=pressed).mode = mode
        row.operator("facewright.paint_mask", text="Done", icon="CHECKMARK").mode = "DONE"
    text = "Painted by hand: used as it is" if seems_painted(mask) else finding(mask)
    layout.label(text=text, icon="BRUSH_DATA" if seems_painted(mask) else "INFO")


def draw_progress(layout: bpy.types.UILayout, running: job.Job) -> None:
    """Stage name, bar and cancel button."""
    stage = "Cancelling" if running.cancelling else STAGE_LABELS.get(running.progress.stage, running.progress.stage)
    layout.progress(factor=running.progress.fraction, type="BAR", text=stage)
    layout.operator("facewright.cancel", icon="X")


class FACEWRIGHT_PT_expression(_HeadPanel, bpy.types.Panel):
    """The 64 expression sliders."""

    bl_label = "Expression"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, head = self.layout, required_head(context)
        row = layout.row(align=True)
        row.operator("facewright.expression_reset", text="Neutral").target = "NEUTRAL"
        row.operator("facewright.expression_reset", text="Photo").target = "PHOTO"
        row = layout.row(align=True)
        row.operator("facewright.expression_mirror", text="Mirror", icon="MOD_MIRROR")
        row.operator("facewright.expression_random", text="Random", icon="FILE_REFRESH")
        row = layout.row(align=True)
        row.operator("facewright.keyframe", text="Key All", icon="KEY_HLT").remove = False
        row.operator("facewright.keyframe", text="Unkey", icon="KEY_DEHLT").remove = True
        keys = sliders(head)
        for group, names in grouped(list(keys)).items():
            header, body = layout.panel(f"facewright_{group}", default_closed=group not in _OPEN_GROUPS)
            header.label(text=group)
            if body is not None:
                column = body.column(align=True)
                for name in names:
                    column.prop(keys[name], "value", text=name, slider=True)


class FACEWRIGHT_PT_identity(_HeadPanel, bpy.types.Panel):
    """Identity sliders, which rebake the head at rest."""

    bl_label = "Identity"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, head = self.layout, required_head(context)
        problem = rebake_problem(head)
        if problem is not None:
            layout.label(text=problem, icon="ERROR")
        row = layout.row(align=True)
        row.operator("facewright.identity_reset", text="Photo").target = "PHOTO"
        row.operator("facewright.identity_reset", text="Average").target = "AVERAGE"
        row.operator("facewright.identity_random", text="Random", icon="FILE_REFRESH")
        values = list(head.facewright_identity)
        body = layout.column()
        body.enabled = problem is None
        self._draw_sliders(body.column(align=True), values[:_SHOWN_IDENTITY], 1)
        header, more = body.panel("facewright_more_identity", default_closed=True)
        header.label(text="More")
        if more is not None:
            self._draw_sliders(more.column(align=True), values[_SHOWN_IDENTITY:], _SHOWN_IDENTITY + 1)

    @staticmethod
    def _draw_sliders(column: bpy.types.UILayout, coefficients: list, first: int) -> None:
        for number, coefficient in enumerate(coefficients, first):
            column.prop(coefficient, "value", text=f"Identity {number}", slider=True)


class FACEWRIGHT_PT_hair(_HeadPanel, bpy.types.Panel):
    """Strands on the hair."""

    bl_label = "Hair"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where the head has hair."""
        head = active_head(context)
        return head is not None and bool(hairs_of(head))

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        grown = strands_of(required_head(context))
        text = "Grow Strands Again" if grown else "Grow Strands"
        self.layout.operator("facewright.grow_strands", text=text, icon="CURVES_DATA")


class FACEWRIGHT_PT_export(_HeadPanel, bpy.types.Panel):
    """Formats for other programs, and what is worth knowing about this head."""

    bl_label = "Export"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, head = self.layout, required_head(context)
        row = layout.row(align=True)
        for suffix, label in ((".glb", "GLB"), (".fbx", "FBX"), (".obj", "OBJ"), (".usdc", "USD")):
            row.operator("facewright.export", text=label).format = suffix
        for text in head.get("facewright_warnings", ()):
            layout.label(text=text, icon="INFO")


class FACEWRIGHT_PT_pictures(_HeadPanel, bpy.types.Panel):
    """What of the head was seen, what was invented, and the pictures it was made of."""

    bl_label = "What Was Invented"
    bl_options: ClassVar[set[str]] = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the panel."""
        layout, head = self.layout, required_head(context)
        on = shown_on_skin(head) is not None
        layout.operator(
            "facewright.show_confidence", text="Show Skin Again" if on else "Show on Head", icon="HIDE_OFF", depress=on
        )
        legend = layout.column(align=True)
        for (text, _, icon), share in zip(LEVELS.values(), head.get(SHARES, ()), strict=False):
            legend.label(text=f"{text}: {share:.0%}", icon=icon)
        grid = layout.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
        for kind, text in KINDS.items():
            cell = grid.row(align=True)
            cell.enabled = picture_of(head, kind) is not None
            cell.operator("facewright.show_picture", text=text, icon="IMAGE_DATA").kind = kind


CLASSES = (
    FACEWRIGHT_UL_faces,
    FACEWRIGHT_UL_photos,
    FACEWRIGHT_PT_photo,
    FACEWRIGHT_PT_expression,
    FACEWRIGHT_PT_identity,
    FACEWRIGHT_PT_hair,
    FACEWRIGHT_PT_pictures,
    FACEWRIGHT_PT_export,
)
