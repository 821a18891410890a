"""Names and places of the installed add-on."""

from __future__ import annotations

from pathlib import Path

# `bl_ext.user_default.facewright` when installed, whatever holds this package otherwise
ADDON = __name__.rpartition(".blender_addon.")[0]
EXPORT_NAME = "head"


def export_default(blend_path: str, head_name: str, suffix: str) -> str:
    """Where an export goes unless the user says otherwise: beside the .blend, or just a name if unsaved."""
    folder = Path(blend_path).parent if blend_path else Path()
    return str(folder / f"{head_name or EXPORT_NAME}{suffix}")
