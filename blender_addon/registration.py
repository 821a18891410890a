"""Registers everything, in order, and takes it back in reverse."""

from __future__ import annotations

import bpy

from . import job, mask_overlay, mask_refresh, masks, operators, panels, previews, properties
from .preferences import FacewrightPreferences

_CLASSES = (FacewrightPreferences, *operators.CLASSES, *panels.CLASSES)


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    """A file is about to be opened: what runs for the old one must not end up in the new one."""
    job.stop(0.0)
    mask_refresh.stop()


@bpy.app.handlers.persistent
def _before_save(*_: object) -> None:
    """The file is about to be written: strokes on masks must be in it."""
    masks.pack_strokes()


def register() -> None:
    """Put the add-on into Blender."""
    properties.register()
    previews.register()
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    mask_overlay.register()
    bpy.app.handlers.load_pre.append(_before_load)
    bpy.app.handlers.save_pre.append(_before_save)


def unregister() -> None:
    """Take the add-on out of Blender; nothing stays."""
    job.stop()
    mask_refresh.stop()
    bpy.app.handlers.save_pre.remove(_before_save)
    bpy.app.handlers.load_pre.remove(_before_load)
    mask_overlay.unregister()
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    previews.unregister()
    properties.unregister()
