"""Writes a Completion as NAME.png, NAME_mask.png and NAME_completion.json, at the size of the upright original."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .errors import ImageError, OutputError
from .files import write_files
from .image_io import Photo, png_bytes, read_mask, read_photo
from .pipeline import Pipeline
from .result_io import GENERATOR, check_replaceable, original_pixels
from .settings import Settings
from .types import Completion

_ROUND_FACE = 2.0  # extents of the landmarks about their middle that hold the whole head


@dataclass(frozen=True)
class CompletionFiles:
    """The files of one completed photo."""

    photo: Path  # the completed photo
    mask: Path  # 255 where it was painted, else 0
    record: Path

    @staticmethod
    def of(folder: Path, name: str) -> CompletionFiles:
        """The files that the completion of a photo called `name` has in `folder`."""
        return CompletionFiles(
            photo=folder / f"{name}.png", mask=folder / f"{name}_mask.png", record=folder / f"{name}_completion.json"
        )

    def check_free(self, inputs: Sequence[Path]) -> None:
        """Raise `OutputError` when a file is in the way that is an input, or not an earlier result's."""
        files = (self.photo, self.mask, self.record)
        for path in files:
            if any(path.exists() and given.exists() and path.samefile(given) for given in inputs):
                raise OutputError(f"{path} is one of the files to read. Choose another folder for the results.")
        check_replaceable(files, self.record)


def complete_file(
    pipeline: Pipeline, path: Path, photo: Photo, points: np.ndarray, mask: np.ndarray | None
) -> Completion:
    """Complete the photo of a file at its own size; `points` are (68, 2) in `photo.pixels`.

    `mask` is of the original's size, or None. A photo that was reduced while reading is read again whole, and only the
    surroundings of the face are worked on.
    """
    if photo.scale == 1.0:
        return pipeline.complete(photo.pixels, points, mask)
    whole, points = read_photo(path, whole=True).pixels, original_pixels(points, photo)
    middle, reach = points.mean(axis=0), _ROUND_FACE * np.ptp(points, axis=0).max()
    limit = [whole.shape[1], whole.shape[0]]
    low, high = (np.clip(middle + side * reach, 0, limit).astype(int) for side in (-1, 1))
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    done = pipeline.complete(whole[part], points - low, None if mask is None else mask[part])
    out, painted = whole.copy(), np.zeros(whole.shape[:2], np.uint8)
    out[part], painted[part] = done.photo, done.mask
    return Completion(out, painted, done.method)


def mask_for(path: Path | None, photo: Photo) -> np.ndarray | None:
    """(H, W) uint8 mask of the upright original's size from a file; raises `ImageError` when it has another."""
    if path is None:
        return None
    mask = read_mask(path)
    if mask.shape[::-1] != photo.original_size:
        found, wanted = (f"{width} x {height}" for width, height in (mask.shape[::-1], photo.original_size))
        raise ImageError(f"The mask {path.name} has {found} pixels but the photo has {wanted}. Save it at that size.")
    return mask


def working_mask(mask: np.ndarray | None, photo: Photo) -> np.ndarray | None:
    """A mask of the original's size at the size of `photo.pixels`."""
    if mask is None or photo.scale == 1.0:
        return mask
    height, width = photo.pixels.shape[:2]
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)


def write_completion(
    folder: Path, name: str, completion: Completion, settings: Settings, warnings: Sequence[str]
) -> CompletionFiles:
    """Write all files, or none; an earlier result of the same name is replaced."""
    files = CompletionFiles.of(folder, name)
    files.check_free(())
    height, width = completion.mask.shape
    record = {
        "generator": GENERATOR,
        "photo": name,
        "size": [width, height],
        "files": {"photo": files.photo.name, "mask": files.mask.name},
        "method": completion.method,
        "painted": round(float((completion.mask > 0).mean()), 6),
        "threshold": settings.mask_threshold,
        "grow": settings.mask_grow,
        "keep_glasses": settings.keep_glasses,
        "keep_lenses": settings.keep_lenses,
        "warnings": list(warnings),
    }
    contents = {
        files.photo: png_bytes(completion.photo),
        files.mask: png_bytes(completion.mask),
        files.record: json.dumps(record, indent=1).encode(),
    }
    write_files(contents, overwrite=True)
    return files
