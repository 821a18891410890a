"""Where images are shown: an Image Editor that is open, or one made beside the 3D View and closed again."""

from __future__ import annotations

from collections.abc import Callable

import bpy

_SMALLEST = 500  # pixels; a narrower 3D View is not halved but turned into an Image Editor
_FIT_AFTER = 0.1  # seconds; a new area knows its size only when it was drawn
_made: set[int] = set()  # addresses of the areas that were split off here


Part = tuple[float, float, float, float]  # left, bottom, right, top of an image whose sides are 1 long


def show(
    context: bpy.types.Context, image: bpy.types.Image, part: Part = (0.0, 0.0, 1.0, 1.0), *, paint: bool = False
) -> bpy.types.Area | None:
    """Show a part of an image, ready for painting if asked to; None where there is no place for it."""
    window = context.window
    if window is None:
        return None
    area = _editor(window) or _split_off(window)
    if area is None:
        return None
    space = area.spaces.active
    space.image = image
    space.mode = "PAINT" if paint else "VIEW"
    space.display_channels = "COLOR"
    if not bpy.app.background:
        bpy.app.timers.register(_fitting(window.as_pointer(), area.as_pointer(), part), first_interval=_FIT_AFTER)
    return area


def showing(context: bpy.types.Context, image: bpy.types.Image | None) -> list[bpy.types.Area]:
    """The Image Editors on the screen in which an image is being painted on."""
    if image is None or context.window is None:
        return []
    areas = [area for area in context.window.screen.areas if area.type == "IMAGE_EDITOR"]
    return [area for area in areas if area.spaces.active.image == image and area.spaces.active.mode == "PAINT"]


def close(context: bpy.types.Context, area: bpy.types.Area) -> None:
    """End painting; an area that was made here goes away, any other stays and shows the image."""
    area.spaces.active.mode = "VIEW"
    if area.as_pointer() not in _made:
        return
    _made.discard(area.as_pointer())
    if bpy.app.background:  # Blender waits for a redraw here, which never comes without a window
        area.type = "VIEW_3D"
        return
    with context.temp_override(window=context.window, area=area, region=area.regions[-1]):
        bpy.ops.screen.area_close()


def _editor(window: bpy.types.Window) -> bpy.types.Area | None:
    """The largest Image Editor that is not used for UV editing."""
    areas = [area for area in window.screen.areas if area.type == "IMAGE_EDITOR" and area.ui_type == "IMAGE_EDITOR"]
    return max(areas, key=_size, default=None)


def _split_off(window: bpy.types.Window) -> bpy.types.Area | None:
    """Half of the largest 3D View as an Image Editor."""
    view = max((area for area in window.screen.areas if area.type == "VIEW_3D"), key=_size, default=None)
    if view is None:
        return None
    made = view
    if view.width >= _SMALLEST:
        before = {area.as_pointer() for area in window.screen.areas}
        with bpy.context.temp_override(window=window, area=view, region=view.regions[-1]):
            bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
        made = next((area for area in window.screen.areas if area.as_pointer() not in before), view)
        # the sidebar with our panel should stay with the view: the new area is the left one
        made = min((made, view), key=lambda area: (area.x, area.width))
        _made.add(made.as_pointer())
    made.ui_type = "IMAGE_EDITOR"
    return made


def _size(area: bpy.types.Area) -> int:
    return area.width * area.height


def _fitting(window_address: int, area_address: int, part: Part) -> Callable[[], None]:
    """A timer call that makes the part fill its area; areas may be gone by then, so they are looked up."""

    def fit() -> None:
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                if (window.as_pointer(), area.as_pointer()) == (window_address, area_address):
                    region = next(region for region in area.regions if region.type == "WINDOW")
                    with bpy.context.temp_override(window=window, area=area, region=region):
                        _zoom(region, part)

    return fit


def _zoom(region: bpy.types.Region, part: Part) -> None:
    bpy.ops.image.view_all(fit_view=True)
    left, bottom = region.view2d.view_to_region(part[0], part[1], clip=False)
    right, top = region.view2d.view_to_region(part[2], part[3], clip=False)
    bpy.ops.image.view_zoom_border(xmin=left, xmax=right, ymin=bottom, ymax=top, wait_for_input=False)
