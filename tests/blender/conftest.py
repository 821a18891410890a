"""The add-on as a user has it: built into a zip, installed into a fresh user folder of bpy, used from there."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import synthetic_result

ROOT = Path(__file__).resolve().parents[2]
ADDON = "bl_ext.user_default.facewright"


def _build_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("facewright_build", ROOT / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for the running platform and Python."""
    tool = _build_tool()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    dist = tmp_path_factory.mktemp("extension")
    return tool.build_extension([tool.this_platform()], [python], False, dist)[0]


@pytest.fixture(scope="session")
def blender(extension_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """bpy with the extension installed and enabled."""
    if "bpy" in sys.modules:
        pytest.fail("bpy was imported before its user folder was set")
    os.environ["BLENDER_USER_RESOURCES"] = str(tmp_path_factory.mktemp("user"))
    import bpy

    bpy.ops.extensions.package_install_files(filepath=str(extension_zip), repo="user_default", enable_on_install=True)
    yield bpy


@pytest.fixture
def bpy(blender: ModuleType) -> ModuleType:
    """bpy with an empty file."""
    blender.ops.wm.read_homefile(use_empty=True)
    return blender


@pytest.fixture(scope="session")
def addon(blender: ModuleType) -> Callable[[str], ModuleType]:
    """Import a module of the installed extension, `addon("blender_addon.job")`."""
    return lambda name: importlib.import_module(f"{ADDON}.{name}")


@pytest.fixture(scope="session")
def model(addon):
    """The installed face model."""
    return addon("core.geometry.face_model").load_face_model()


@pytest.fixture(scope="session")
def result(addon, model):
    """A made-up FaceResult with a smile."""
    return synthetic_result(addon, model, expression={"mouthSmileLeft": 0.6, "jawOpen": 0.25})


@pytest.fixture(scope="session")
def photo(result) -> np.ndarray:
    """(H, W, 3) uint8: a gradient as large as the result's photo."""
    rows, columns = np.mgrid[: result.camera.height, : result.camera.width]
    return np.stack([columns % 256, rows % 256, np.full_like(rows, 90)], axis=-1).astype(np.uint8)


@pytest.fixture
def built(bpy, addon, model, result, photo):
    """The result built into an empty scene, by the code behind the operator."""
    reconstruction, source = addon("blender_addon.reconstruction"), addon("blender_addon.photo_source")
    opened = reconstruction.open_photo(source.PhotoSource("Ada", pixels=photo))
    outcome = reconstruction.Outcome("Ada", opened, result, model, "cpu")
    return addon("blender_addon.operators.reconstruct").build_outcome(bpy.context, outcome)


class FakePipeline:
    """Stands in for the networks: same calls, a made-up result, an optional failure at a stage."""

    provider = "cpu"

    def __init__(self, addon, model, result, fail_at: str | None = None, error: Exception | None = None):
        self.face_model, self._result = model, result
        self._completion = addon("core.types").Completion
        self.settings = None  # of the last call
        self.masks: list[np.ndarray | None] = []  # what every call was told to delete
        self.people: list[list[str]] = []  # the photos of every call for several
        self._stages = addon("core.pipeline").STAGES
        self._cancelled = addon("core.errors").Cancelled
        self._fail_at, self._error = fail_at, error
        self.at_stage: Callable[[str], None] = lambda stage: None

    def detect(self, photo: np.ndarray) -> list:
        """One face."""
        return [self._result.box]

    def landmarks(self, photo: np.ndarray, box):
        """Those of the result."""
        self._stop_at("landmark")
        return self._result.landmarks

    def occluder_mask(self, photo: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Glasses: a bar across the eyes, higher the more the mask is grown."""
        self._stop_at("parse")
        left, top = points[36:48].min(axis=0).astype(int)
        right, bottom = points[36:48].max(axis=0).astype(int)
        grow = int(1000 * self.settings.mask_grow)
        mask = np.zeros(photo.shape[:2], np.uint8)
        if not self.settings.keep_glasses:
            mask[top - grow : bottom + grow, left:right] = 255
        return mask

    def complete(self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray | None = None):
        """The hole in a colour that is nowhere else."""
        self.masks.append(mask)
        mask = self.occluder_mask(photo, points) if mask is None else mask
        filled = np.where(mask[..., None] > 0, np.uint8([1, 2, 3]), photo)
        return self._completion(filled, mask, self.settings.deocclusion)

    def _stop_at(self, stage: str) -> None:
        self.at_stage(stage)
        if stage == self._fail_at:
            raise self._error

    def reconstruct(self, photo, *, box=None, focal=None, mask=None, progress=None, cancelled=None):
        """Walk the stages."""
        completion = self.complete(photo, self._result.landmarks.points, mask)
        for index, stage in enumerate(self._stages):
            if cancelled():
                raise self._cancelled("Cancelled. Nothing was changed.")
            progress(stage, index / len(self._stages))
            self._stop_at(stage)
        return replace(self._result, completion=completion if completion.mask.any() else None)

    def reconstruct_person(self, photos, *, progress=None, cancelled=None):
        """The result for each, the identity shared."""
        self.people.append([photo.name for photo in photos])
        return tuple(
            self.reconstruct(photo.pixels, box=photo.box, mask=photo.mask, progress=progress, cancelled=cancelled)
            for photo in photos
        )


@pytest.fixture
def fake_pipeline(addon, model, result, monkeypatch) -> FakePipeline:
    """The add-on with made-up networks."""
    fake = FakePipeline(addon, model, result)

    def pipeline(settings):
        fake.settings = settings
        return fake

    monkeypatch.setattr(addon("blender_addon.reconstruction"), "pipeline", pipeline)
    return fake


@pytest.fixture
def photo_file(photo: np.ndarray, tmp_path: Path) -> Path:
    """A PNG on disk."""
    import cv2

    path = tmp_path / "ada.png"
    cv2.imwrite(str(path), photo[..., ::-1])
    return path
