"""Looks for the mask again a moment after a slider that it depends on has come to rest."""

from __future__ import annotations

import logging

import bpy

from . import job, masks

LOGGER = logging.getLogger(__name__)
_REST = 0.4  # seconds without a change


def schedule() -> None:
    """Count the moment from now; without a window there is nobody to wait for."""
    stop()
    if not bpy.app.background:
        bpy.app.timers.register(_look, first_interval=_REST)


def stop() -> None:
    """Forget what was scheduled."""
    if bpy.app.timers.is_registered(_look):
        bpy.app.timers.unregister(_look)


def due(scene: bpy.types.Scene) -> bool:
    """Whether the scene shows a mask that follows the sliders: found, and not painted on."""
    return masks.is_mask(scene.facewright.mask) and masks.painted(scene.facewright.mask) is None


def _look() -> float | None:
    """Seconds until the next look; None when there is nothing left to do."""
    if job.current() is not None:
        return _REST
    window = bpy.context.window_manager.windows[0]
    if due(window.scene):
        try:
            with bpy.context.temp_override(window=window):
                bpy.ops.facewright.find_mask("INVOKE_DEFAULT")
        except RuntimeError as error:  # what the operator reported; the mask stays as it was
            LOGGER.warning("The mask could not follow its sliders: %s", error)
    return None
