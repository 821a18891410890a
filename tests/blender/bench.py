"""How long Blender takes: `build.py bench` runs it on the installed extension. Medians of repeated runs.

The baseline of a slider is the same change on a bare grid of as many vertices with one shape key.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import synthetic_result

ADDON = "bl_ext.user_default.facewright"


def addon(name: str):
    """A module of the installed extension."""
    return importlib.import_module(f"{ADDON}.{name}")


def median(run: Callable[[], object], times: int) -> float:
    """Milliseconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(taken)


def slide(head: bpy.types.Object, key: bpy.types.ShapeKey) -> None:
    """Change one slider and evaluate the mesh."""
    key.value = 0.3 if key.value > 0.5 else 0.9
    bpy.context.view_layer.update()
    head.evaluated_get(bpy.context.evaluated_depsgraph_get())


def plain_grid(vertices: int) -> bpy.types.Object:
    """A grid with one shape key."""
    side = int(np.sqrt(vertices))
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=side - 1, y_subdivisions=side - 1)
    grid = bpy.context.active_object
    grid.shape_key_add(name="Basis")
    grid.shape_key_add(name="Key")
    return grid


def tell(text: str) -> None:
    """One line for the reader."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    import addon_utils  # importable once bpy is

    if addon_utils.enable(ADDON, default_set=True) is None:
        raise SystemExit("The extension could not be enabled; the reason is above.")
    bpy.ops.wm.read_homefile(use_empty=True)
    model = addon("core.geometry.face_model").load_face_model()
    result = synthetic_result(addon, model, texture_size=1024)
    build = addon("blender_addon.face_builder").build_face
    photo = np.full((result.camera.height, result.camera.width, 3), 90, np.uint8)
    tell(f"FaceResult to head      {median(lambda: build(bpy.context.scene, 'A', result, model, photo), 5):8.1f} ms")
    bpy.ops.wm.read_homefile(use_empty=True)
    head = build(bpy.context.scene, "A", result, model, photo).head
    slider = median(lambda: slide(head, head.data.shape_keys.key_blocks["jawOpen"]), 50)
    identity, photos = addon("blender_addon.identity"), np.array(head["facewright_identity"])
    steps = iter(range(1, 100))
    rebake = median(lambda: identity.apply_identity(head, model, photos + next(steps) * 0.01), 10)
    bpy.data.objects.remove(head)
    grid = plain_grid(len(model.vertices))
    baseline = median(lambda: slide(grid, grid.data.shape_keys.key_blocks["Key"]), 50)
    tell(f"one expression slider   {slider:8.1f} ms   plain grid, one key {baseline:.1f} ms")
    tell(f"all identity sliders    {rebake:8.1f} ms")


if __name__ == "__main__":
    main()
