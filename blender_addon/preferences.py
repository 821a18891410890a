"""Add-on preferences: where the networks run, texture size, threads."""

# pyright: reportInvalidTypeForm=false
# Blender reads its properties from annotations that are calls.
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ..core.errors import FaceError
from ..core.settings import Settings
from .paths import ADDON
from .reconstruction import close_pipeline

if TYPE_CHECKING:
    from .properties import FacewrightScene

_PROVIDERS = (
    ("auto", "Automatic", "The best one present: CUDA, DirectML, CoreML, else the CPU"),
    ("cuda", "CUDA", "NVIDIA graphics card; needs the extension built with --gpu"),
    ("tensorrt", "TensorRT", "NVIDIA graphics card; the first photo takes minutes"),
    ("directml", "DirectML", "Graphics card on Windows"),
    ("coreml", "Core ML", "Apple's neural engine and graphics card"),
    ("cpu", "CPU", "Works everywhere"),
)


def _try_again(preferences: FacewrightPreferences, context: bpy.types.Context) -> None:
    close_pipeline()


class FacewrightPreferences(bpy.types.AddonPreferences):
    """Choices that hold for all files."""

    bl_idname = ADDON

    provider: bpy.props.EnumProperty(name="Run on", items=_PROVIDERS, default="auto", update=_try_again)
    texture_size: bpy.props.EnumProperty(
        name="Texture",
        items=(("1024", "1024 px", "Small and quick"), ("2048", "2048 px", "For large photos and close-ups")),
        default="1024",
    )
    threads: bpy.props.IntProperty(
        name="CPU Threads",
        description="Threads of a network on the CPU; 0 lets it choose",
        min=0,
        max=64,
        default=0,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the preferences."""
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "provider")
        column.prop(self, "texture_size")
        column.prop(self, "threads")
        for text in provider_lines():
            column.label(text=text, icon="INFO")


def preferences() -> FacewrightPreferences | None:
    """The add-on's preferences; None when a script enabled the add-on for its own process only."""
    addon = bpy.context.preferences.addons.get(ADDON)
    return None if addon is None else addon.preferences


def settings(panel: FacewrightScene | None = None) -> Settings:
    """The preferences, and the panel's choices if given, as the pipeline takes them."""
    made, chosen = Settings(), preferences()
    if chosen is not None:
        made = replace(made, provider=chosen.provider, texture_size=int(chosen.texture_size), threads=chosen.threads)
    if panel is None:
        return made
    return replace(
        made,
        deocclusion=panel.deocclusion,
        regressor=panel.regressor or made.regressor,  # empty: the file was saved by a build that has others
        mask_threshold=panel.mask_threshold,
        mask_grow=panel.mask_grow,
        keep_glasses=panel.keep_glasses,
        keep_lenses=panel.keep_lenses,
        hair=panel.hair,
    )


def provider_lines() -> list[str]:
    """What there is to run on, what a choice means here, and what failed so far."""
    from ..core.runtime import providers

    present = providers.available()
    lines = [f"Present here: {', '.join(name.upper() for name in present)}"]
    try:
        lines.append(f"The choice runs on: {providers.candidates(settings().provider)[0].upper()}")
    except FaceError as error:
        lines.append(str(error))
    return [*lines, *providers.failures()]
