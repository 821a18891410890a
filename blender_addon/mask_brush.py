"""The brush for masks: white adds, black removes, Ctrl does the other. The user's own brush comes back afterwards."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import bpy

LOGGER = logging.getLogger(__name__)
WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
_SHARED = {  # settings of a brush, and what tells whether all brushes share them
    "color": "use_unified_color",
    "secondary_color": "use_unified_color",
    "strength": "use_unified_strength",
    "size": "use_unified_size",
}
_before: dict[str, object] = {}  # what the brush was before the first mask


def take_up(context: bpy.types.Context, area: bpy.types.Area | None, width: float) -> None:
    """Make the brush of the Image Editor in `area` add to masks, `width` pixels of the mask wide."""
    if area is not None and not bpy.app.background:
        _take_draw_brush(context, area)
    if not _before:
        _before.update({name: _copied(getattr(_owner(context, name), name)) for name in _SHARED})
    size = width if bpy.app.version >= (5, 0) else width / 2  # Blender's size became a diameter
    _set(context, {"strength": 1.0, "size": max(int(size), 2)})
    turn(context, adding=True)


def turn(context: bpy.types.Context, *, adding: bool) -> None:
    """Make the brush add to the mask, or remove from it."""
    first, second = (WHITE, BLACK) if adding else (BLACK, WHITE)
    _set(context, {"color": first, "secondary_color": second})


def put_down(context: bpy.types.Context) -> None:
    """Give the brush back as it was."""
    _set(context, _before)
    _before.clear()


def adds(context: bpy.types.Context) -> bool:
    """Whether the brush adds to the mask as it is set now."""
    return sum(_owner(context, "color").color) > 1.5


def _take_draw_brush(context: bpy.types.Context, area: bpy.types.Area) -> None:
    """The brush tool, with a brush that draws: the one in hand, Blender's own, or where that is missing a new one."""
    paint = context.scene.tool_settings.image_paint
    region = next(region for region in area.regions if region.type == "WINDOW")
    with context.temp_override(window=context.window, area=area, region=region):
        if bpy.app.version < (4, 3):
            bpy.ops.wm.tool_set_by_id(name="builtin_brush.Draw")
            return
        bpy.ops.wm.tool_set_by_id(name="builtin.brush")
        if paint.brush is None or _kind(paint.brush) != "DRAW":
            _activate("ESSENTIALS", "brushes/essentials_brushes-mesh_texture.blend/Brush/Paint Hard")
        if paint.brush is None:  # some Linux distributions leave Blender's brushes out
            brush = bpy.data.brushes.new("Mask", mode="TEXTURE_PAINT")
            brush.asset_mark()
            _activate("LOCAL", f"Brush/{brush.name}")


def _kind(brush: bpy.types.Brush) -> str:
    return brush.image_brush_type if hasattr(brush, "image_brush_type") else brush.image_tool


def _activate(library: str, brush: str) -> None:
    try:
        bpy.ops.brush.asset_activate(asset_library_type=library, relative_asset_identifier=brush)
    except RuntimeError as error:
        LOGGER.warning("The brush %s is not there: %s", brush, error)


def _copied(value: object) -> object:
    """A setting as plain data: colours are views of Blender's memory."""
    return tuple(value) if hasattr(value, "__len__") else value  # pyright: ignore[reportArgumentType]


def _set(context: bpy.types.Context, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        setattr(_owner(context, name), name, value)


def _owner(context: bpy.types.Context, name: str) -> bpy.types.UnifiedPaintSettings | bpy.types.Brush:
    """Who holds a setting: all brushes together or the one in hand, before and after Blender 5.0."""
    paint = context.scene.tool_settings.image_paint
    shared = getattr(paint, "unified_paint_settings", None) or context.scene.tool_settings.unified_paint_settings
    return shared if getattr(shared, _SHARED[name]) or paint.brush is None else paint.brush
