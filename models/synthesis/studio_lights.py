"""The eight environment maps (CC0) that come with Blender, reduced once into `build/` and read from there.

They are DWA-compressed OpenEXR, which OpenCV's wheels cannot read; Blender's own module can. It runs in a process of
its own, so that no worker carries it: `python -m models.synthesis.studio_lights OUT`.
"""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

logger = logging.getLogger(__name__)
CACHE = Path(__file__).resolve().parents[2] / "build" / "studio_lights.npz"
SIZE = (512, 256)  # width, height in pixels, as the other maps
NAMES = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")


def studio_lights(cache: Path = CACHE) -> tuple[np.ndarray, ...]:
    """(256, 512, 3) float32 linear RGB maps in the order of `NAMES`; none where Blender's module is not installed."""
    if not cache.exists() and not _make(cache):
        return ()
    with np.load(cache) as maps:
        return tuple(maps[name].astype(np.float32) for name in NAMES)


def _make(cache: Path) -> bool:
    if importlib.util.find_spec("bpy") is None:
        logger.warning("Blender's module is not installed: its eight environment maps are left out.")
        return False
    command = [sys.executable, "-m", "models.synthesis.studio_lights", str(cache)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        logger.warning("Blender's environment maps are left out; they could not be read: %s", done.stderr[-400:])
    return done.returncode == 0


def _convert(cache: Path) -> None:
    """Read the maps with Blender and write them, half precision, in one step."""
    import bpy  # noqa: TID251 - in a process of its own

    folder = Path(bpy.utils.system_resource("DATAFILES", path="studiolights/world"))
    maps = {}
    for name in NAMES:
        image = bpy.data.images.load(str(folder / f"{name}.exr"))
        image.colorspace_settings.name = "Non-Color"  # the file's own linear values
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        upright = pixels.reshape(image.size[1], image.size[0], 4)[::-1, :, :3]
        small = cv2.resize(np.ascontiguousarray(upright), SIZE, interpolation=cv2.INTER_AREA)
        maps[name] = np.minimum(small, 60_000.0).astype(np.float16)
    cache.parent.mkdir(parents=True, exist_ok=True)
    draft = cache.with_name(f"{cache.stem}.part.npz")
    np.savez(draft, **maps)
    draft.replace(cache)


if __name__ == "__main__":
    _convert(Path(sys.argv[1]))
