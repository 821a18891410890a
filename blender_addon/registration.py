"""Registers everything, in order, and takes it back in reverse."""

from __future__ import annotations

import bpy

from . import job, operators, panels, previews, properties
from .preferences import FacewrightPreferences

_CLASSES = (FacewrightPreferences, *operators.CLASSES, *panels.CLASSES)


@bpy.app.handlers.persistent
def _before_load(*_: object) -> None:
    """A file is about to be opened: what runs for the old one must not end up in the new one."""
    job.stop(0.0)


def register() -> None:
    """Put the add-on into Blender."""
    properties.register()
    previews.register()
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.app.handlers.load_pre.append(_before_load)


def unregister() -> None:
    """Take the add-on out of Blender; nothing stays."""
    job.stop()
    bpy.app.handlers.load_pre.remove(_before_load)
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
    previews.unregister()
    properties.unregister()
