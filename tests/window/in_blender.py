"""Runs inside the Blender window: opens the panel on a photo and keeps telling the driver what is going on.

The driver clicks like a person; this script never calls the add-on's operators.
"""

import json
import os
from pathlib import Path

import bpy

STATE = Path(os.environ["FACEWRIGHT_STATE"])
PHOTO = os.environ["FACEWRIGHT_PHOTO"]
ADDON = "bl_ext.user_default.facewright.blender_addon"


def view() -> tuple[bpy.types.Area, bpy.types.Region]:
    """The 3D View and its sidebar."""
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    return area, next(region for region in area.regions if region.type == "UI")


def prepare() -> None:
    """A large 3D View with the sidebar open, textures shown, and the photo chosen."""
    preferences = bpy.context.preferences
    preferences.inputs.use_mouse_continuous = False  # a warped pointer confuses the driver's drags
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    area, _ = view()
    space = area.spaces.active
    space.show_region_ui = True
    space.shading.color_type = "TEXTURE"
    space.shading.studio_light = "paint.sl"
    overlay = space.overlay
    overlay.show_floor = overlay.show_axis_x = overlay.show_axis_y = False
    overlay.show_cursor = overlay.show_extras = overlay.show_relationship_lines = overlay.show_outline_selected = False
    bpy.context.scene.facewright.filepath = PHOTO


def open_tab() -> None:
    """Bring our tab to the front; the sidebar must have been drawn once."""
    area, region = view()
    region.active_panel_category = "Facewright"
    area.tag_redraw()


def look_at(head: bpy.types.Object) -> None:
    """Frame the head from the front, a little to the side."""
    area, _ = view()
    space = area.spaces.active.region_3d
    space.view_perspective = "PERSP"
    from mathutils import Euler, Vector

    space.view_rotation = Euler((1.52, 0.0, 0.35)).to_quaternion()
    space.view_location = head.matrix_world @ Vector((0.03, 0.0, -0.03))
    space.view_distance = 0.42


def drawn_width(area: bpy.types.Area) -> float:
    """Pixels of the screen that an image took when it was drawn last."""
    view = next(region for region in area.regions if region.type == "WINDOW").view2d
    return view.view_to_region(1.0, 0.0, clip=False)[0] - view.view_to_region(0.0, 0.0, clip=False)[0]


def mask_state() -> dict[str, object] | None:
    """How much of the mask is white, and whether it is being painted on."""
    import importlib

    mask = bpy.context.window_manager.windows[0].scene.facewright.mask
    if mask is None:
        return None
    areas = [area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "IMAGE_EDITOR"]
    editors = [area for area in areas if area.spaces.active.image == mask]
    pixels = importlib.import_module(f"{ADDON}.masks").pixels(mask)
    return {
        "white": float((pixels > 0).mean()),
        "open": any(area.spaces.active.mode == "PAINT" for area in editors),
        "zoom": max((drawn_width(area) / mask.size[0] for area in editors), default=0.0),
        "adds": importlib.import_module(f"{ADDON}.mask_brush").adds(bpy.context),
    }


def state() -> dict[str, object]:
    """What the driver waits for and checks."""
    import importlib

    running = importlib.import_module(f"{ADDON}.job").current()
    head = next((item for item in bpy.data.objects if "facewright_identity" in item), None)
    _, region = view()
    keys = {} if head is None else {key.name: key.value for key in head.data.shape_keys.key_blocks}
    return {
        "drawn_with_materials": 0,
        "job": None if running is None else running.progress.stage,
        "head": None if head is None else head.name,
        "values": keys,
        "mask": mask_state(),
        "completed": head is not None and "facewright_completed" in head,
        "sidebar": [region.x, region.y, region.width, region.height],
        "tab": region.active_panel_category,
        "window": [bpy.context.window_manager.windows[0].width, bpy.context.window_manager.windows[0].height],
    }


SEEN = {"ticks": 0, "framed": False, "materials": 0}


def tick() -> float:
    """Called five times a second."""
    SEEN["ticks"] += 1
    if SEEN["ticks"] == 1:
        prepare()
    elif SEEN["ticks"] == 8:
        open_tab()
    now = state()
    if now["head"] is not None and not SEEN["framed"]:
        look_at(bpy.data.objects[now["head"]])
        SEEN["framed"] = True
    if (STATE.parent / "show_materials").exists():
        if SEEN["materials"] == 0:
            view()[0].spaces.active.shading.type = "RENDERED"
        SEEN["materials"] += 1  # ticks stand still while the materials compile
        now["drawn_with_materials"] = SEEN["materials"]
    partial = STATE.with_suffix(".part")
    partial.write_text(json.dumps(now))
    partial.replace(STATE)
    return 0.2


if os.environ.get("FACEWRIGHT_STAND_IN"):
    import sys

    sys.path.insert(0, str(Path(__file__).parent))
    import stand_in

    stand_in.install(ADDON.rpartition(".")[0])
bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(tick, first_interval=1.0)
