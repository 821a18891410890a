"""The zip, and what enabling and disabling leaves behind."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import ADDON, ROOT


def _footprint(bpy) -> dict[str, set[str]]:
    handlers = bpy.app.handlers
    lists = {name: getattr(handlers, name) for name in dir(handlers) if isinstance(getattr(handlers, name), list)}
    return {
        "classes": {name for name in dir(bpy.types) if "acewright" in name or "FACEWRIGHT" in name},
        "operators": set(dir(bpy.ops.facewright)),
        "scene": {name for name in set(bpy.types.Scene.bl_rna.properties.keys()) if "facewright" in name},
        "object": {name for name in set(bpy.types.Object.bl_rna.properties.keys()) if "facewright" in name},
        "handlers": {f"{name}:{f.__module__}" for name, found in lists.items() for f in found if ADDON in f.__module__},
    }


def test_zip_holds_what_ships_and_nothing_else(extension_zip: Path) -> None:
    with zipfile.ZipFile(extension_zip) as archive:
        names = archive.namelist()
    wheels = [name for name in names if name.endswith(".whl")]
    assert {Path(name).name.split("-")[0] for name in wheels} == {"onnxruntime", "opencv_python_headless", "scipy"}
    assert "models/face_model/face_model.npz" in names
    weights = {f"models/weights/{path.name}" for path in (ROOT / "models" / "weights").glob("*.onnx")}
    assert {name for name in names if name.endswith(".onnx")} == weights
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "NOTICE.md"} <= set(names)
    assert not [name for name in names if "test" in name.lower() or name.startswith(("models/networks", ".", "build"))]


def test_disable_leaves_nothing_and_enable_comes_back(bpy) -> None:
    import addon_utils

    enabled = _footprint(bpy)
    assert enabled["classes"] and enabled["operators"] and enabled["scene"] and enabled["handlers"]
    addon_utils.disable(ADDON, default_set=True)
    assert not any(_footprint(bpy).values())
    assert addon_utils.enable(ADDON, default_set=True) is not None
    assert _footprint(bpy) == enabled


def test_fresh_process_runs_from_the_wheels_in_the_zip(blender) -> None:
    """A later Blender finds the extension and its wheels in the user folder, not in this test's environment."""
    code = f"""
import bpy, addon_utils
assert addon_utils.enable({ADDON!r}) is not None
import cv2, onnxruntime, scipy
folder = bpy.utils.user_resource('EXTENSIONS')
for module in (cv2, onnxruntime, scipy):
    assert module.__file__.startswith(folder), module.__file__
import importlib
importlib.import_module({ADDON!r} + '.core.pipeline')
import numpy
assert not numpy.__file__.startswith(folder)
print('all from the extension')
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "all from the extension" in run.stdout, run.stdout + run.stderr
