"""What takes seconds to prepare and is always the same, kept in `build/` from one process to the next."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from core.geometry.face_model import FaceModel
from models.face_model.sources import DATA

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
CACHE = _ROOT / "build" / "prepared"
_CODE = ("models/synthesis", "models/face_model", "core/geometry")  # what the arrays are made with
_LARGE, _THIN = 1_000_000, 50


def prepared(
    name: str, model: FaceModel, make: Callable[[], Mapping[str, np.ndarray]], data: Path = DATA, cache: Path = CACHE
) -> dict[str, np.ndarray]:
    """The arrays that `make` gives for a face model, read back if they were made before.

    They are made anew when the model, the code, a library or the source data under `data` has changed.
    """
    file = cache / f"{name}_{_key(model, data)}.npz"
    if file.exists():
        try:
            with np.load(file) as arrays:
                return dict(arrays)
        except (OSError, ValueError, zipfile.BadZipFile):  # removed by another process, or damaged: made again below
            logger.warning("%s cannot be read and is made anew.", file)
    arrays = dict(make())
    cache.mkdir(parents=True, exist_ok=True)
    old = [other for other in cache.glob(f"{name}_*.npz") if other != file]
    _write(file, arrays)
    for other in old:  # of earlier code or data
        other.unlink(missing_ok=True)
    return arrays


def _write(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Whole or not at all: several workers may start together."""
    handle, draft = tempfile.mkstemp(dir=file.parent, suffix=".part")
    with os.fdopen(handle, "wb") as part:
        np.savez(part, **arrays)  # pyright: ignore[reportArgumentType]
    os.replace(draft, file)


@lru_cache(maxsize=4)
def _key(model: FaceModel, data: Path) -> str:
    total = hashlib.sha256(f"{np.__version__} {cv2.__version__} {_code()} {_listing(data)}".encode())
    for field in fields(model):
        value = getattr(model, field.name)
        if isinstance(value, np.ndarray):
            thin = value[:, ::_THIN] if value.size > _LARGE else value  # a basis is told by a part of it
            total.update(np.ascontiguousarray(thin).tobytes())
    return total.hexdigest()[:16]


@lru_cache(maxsize=1)
def _code() -> str:
    """Digest of the modules."""
    total = hashlib.sha256()
    for folder in _CODE:
        for file in sorted((_ROOT / folder).glob("*.py")):
            total.update(file.read_bytes())
    return total.hexdigest()


def _listing(data: Path) -> str:
    """Digest of the names, sizes and dates of the source files."""
    total = hashlib.sha256()
    for folder in ("makehuman", "hdri", "occluders"):
        for file in sorted((data / folder).rglob("*")):
            state = file.stat()
            total.update(f"{file.relative_to(data)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return total.hexdigest()
