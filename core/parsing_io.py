"""Writes a Parsing as NAME_labels.png, NAME_occluder.png, NAME_occluder_type.png and NAME_parsing.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .files import write_files
from .image_io import Photo, png_bytes
from .result_io import GENERATOR, check_replaceable
from .types import OCCLUDERS, PARTS, Parsing


@dataclass(frozen=True)
class ParsingFiles:
    """The files of one parsed photo."""

    labels: Path  # grey value: index into `PARTS`
    occluder: Path  # 255 where something stands before the head, else 0
    occluder_type: Path  # grey value: index into `OCCLUDERS`
    record: Path

    @staticmethod
    def of(folder: Path, name: str) -> ParsingFiles:
        """The files that the parsing of a photo called `name` has in `folder`."""
        return ParsingFiles(
            labels=folder / f"{name}_labels.png",
            occluder=folder / f"{name}_occluder.png",
            occluder_type=folder / f"{name}_occluder_type.png",
            record=folder / f"{name}_parsing.json",
        )

    def check_free(self) -> None:
        """Raise `OutputError` when a file is in the way that is not an earlier result's."""
        check_replaceable((self.labels, self.occluder, self.occluder_type, self.record), self.record)


def write_parsing(folder: Path, name: str, parsing: Parsing, photo: Photo) -> ParsingFiles:
    """Write all files at the size of the upright original, or none; an earlier result of the same name is replaced."""
    files = ParsingFiles.of(folder, name)
    files.check_free()
    contents = {
        files.labels: png_bytes(_original_size(parsing.parts, photo)),
        files.occluder: png_bytes(_original_size(np.where(parsing.occluder > 0, 255, 0).astype(np.uint8), photo)),
        files.occluder_type: png_bytes(_original_size(parsing.occluder, photo)),
        files.record: json.dumps(_describe(name, parsing, photo, files), indent=1).encode(),
    }
    write_files(contents, overwrite=True)
    return files


def _describe(name: str, parsing: Parsing, photo: Photo, files: ParsingFiles) -> dict[str, object]:
    """The legend of the pictures, and how much of the photo each part and occluder fills."""

    def shares(index: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
        count = np.bincount(index.ravel(), minlength=len(names)) / index.size
        return {key: round(float(value), 6) for key, value in zip(names, count, strict=True)}

    return {
        "generator": GENERATOR,
        "photo": name,
        "size": list(photo.original_size),
        "files": {
            "labels": files.labels.name,
            "occluder": files.occluder.name,
            "occluder_type": files.occluder_type.name,
        },
        "labels": shares(parsing.parts, PARTS),
        "occluder_types": shares(parsing.occluder, OCCLUDERS),
    }


def _original_size(index: np.ndarray, photo: Photo) -> np.ndarray:
    """(H, W) uint8 codes at the size of the upright original."""
    if index.shape[::-1] == photo.original_size:
        return index
    return cv2.resize(index, photo.original_size, interpolation=cv2.INTER_NEAREST_EXACT)
