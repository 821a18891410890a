"""The brush for masks: white adds, black removes, Ctrl does the other. The user's own brush comes back afterwards."""

from __future__ import annotations

import bpy

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
_before: dict[str, object] = {}  # what the brush was before the first mask


def take_up(context: bpy.types.Context, *, adding: bool = True) -> None:
    """Make the brush of the Image Editor paint masks."""
    if not _before:
        _before.update(_present(context))
    first, second = (WHITE, BLACK) if adding else (BLACK, WHITE)
    _set(context, {"color": first, "secondary_color": second, "strength": 1.0})


def put_down(context: bpy.types.Context) -> None:
    """Give the brush back as it was."""
    _set(context, _before)
    _before.clear()


def adds(context: bpy.types.Context) -> bool:
    """Whether the brush adds to the mask as it is set now."""
    return sum(_owner(context, "color").color) > 1.5


def _present(context: bpy.types.Context) -> dict[str, object]:
    colors = ("color", "secondary_color")
    kept: dict[str, object] = {name: tuple(getattr(_owner(context, name), name)) for name in colors}
    return kept | {"strength": _owner(context, "strength").strength}


def _set(context: bpy.types.Context, values: dict[str, object]) -> None:
    for name, value in values.items():
        setattr(_owner(context, name), name, value)


def _owner(context: bpy.types.Context, name: str) -> bpy.types.UnifiedPaintSettings | bpy.types.Brush:
    """Who holds a setting: all brushes together or the one in hand, before and after Blender 5.0."""
    paint = context.scene.tool_settings.image_paint
    shared = getattr(paint, "unified_paint_settings", None) or context.scene.tool_settings.unified_paint_settings
    together = shared.use_unified_strength if name == "strength" else shared.use_unified_color
    return shared if together or paint.brush is None else paint.brush
