"""How pictures lie on disk. One folder per shard, complete or absent:

shard_00000/images.npy      (N, S, S, 3) uint8 RGB
shard_00000/labels.npy      (N, S, S) uint8 `Label`, as if no occluder were there
shard_00000/occluder.npy    (N, S, S) uint8 `Occluder`; 0 where the picture equals its clean twin
shard_00000/clean.npy       (K, S, S, 3) uint8: clean twins of the K pictures that have an occluder
shard_00000/truth.npz       the arrays of `Truth`

and, when geometry was asked for, of the bare head:

shard_00000/depth.npy       (N, S, S) float16 metres from the camera's plane, infinity beside it
shard_00000/normals.npy     (N, S, S, 3) int8: unit normals in the light frame times 127, 0 beside it
shard_00000/uv.npy          (N, S, S, 2) float16 face-model UV, 0 beside it
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from .ingredients import UNKNOWN, pack
from .renderer import Picture

GEOMETRY = ("depth", "normals", "uv")


@dataclass(frozen=True)
class Truth:
    """Labels of N pictures; coordinates in picture pixels, camera as in `core.types.Camera`."""

    coefficients: np.ndarray  # (N, 239) float32, pose in the true face crop, light in the camera's frame
    landmarks: np.ndarray  # (N, 68 + D, 2) float32
    visibility: np.ndarray  # (N, 68 + D) uint8, 1 seen
    focal: np.ndarray  # (N,) float64 pixels
    center: np.ndarray  # (N, 2) float64 pixels
    rotation: np.ndarray  # (N, 3, 3) float64
    translation: np.ndarray  # (N, 3) float64 metres
    seed: np.ndarray  # (N, 2) int64: seed of the set, index in it
    clean_row: np.ndarray  # (N,) int32 row of clean.npy; -1: the picture is its own clean twin
    person: np.ndarray  # (N,) int64 who it is, unique within the set's seed
    ingredients: np.ndarray  # (N,) uint32 bit field, see ingredients.py


@dataclass(frozen=True)
class Shard:
    """One shard, pictures memory-mapped."""

    images: np.ndarray  # (N, S, S, 3) uint8
    labels: np.ndarray  # (N, S, S) uint8
    occluder: np.ndarray  # (N, S, S) uint8
    clean_twins: np.ndarray  # (K, S, S, 3) uint8
    truth: Truth

    def clean(self, row: int) -> np.ndarray:
        """(S, S, 3) uint8: the picture of a row without its occluder."""
        twin = int(self.truth.clean_row[row])
        return self.images[row] if twin < 0 else self.clean_twins[twin]


def write_shard(folder: Path, pictures: Iterable[Picture], seed: int, first: int, geometry: bool = False) -> None:
    """Write pictures `first`, `first + 1`, ... of a set; the folder appears when it is complete.

    Of each picture only what is written is kept, so a generator needs little memory.
    """
    draft = folder.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    pixels: dict[str, list[np.ndarray]] = {name: [] for name in ("images", "labels", "occluder", "clean")}
    geometries: dict[str, list[np.ndarray]] = {name: [] for name in GEOMETRY}
    rows: list[dict[str, np.ndarray | np.generic | float]] = []
    for picture in pictures:
        occluded = bool(picture.occluder.any())
        rows.append(_truth_row(picture, seed, first + len(rows), len(pixels["clean"]) if occluded else -1))
        pixels["images"].append(picture.image)
        pixels["labels"].append(picture.labels)
        pixels["occluder"].append(picture.occluder)
        if occluded:
            pixels["clean"].append(picture.clean)
        if geometry:
            geometries["depth"].append(picture.depth.astype(np.float16))
            geometries["normals"].append(np.rint(picture.normals * 127.0).astype(np.int8))
            geometries["uv"].append(picture.uv.astype(np.float16))
    if not pixels["clean"]:
        pixels["clean"] = [np.empty((0, *pixels["images"][0].shape), np.uint8)]
        np.save(draft / "clean.npy", pixels.pop("clean")[0])
    for name, arrays in (pixels | (geometries if geometry else {})).items():
        np.save(draft / f"{name}.npy", np.stack(arrays))
    np.savez(draft / "truth.npz", **{name: np.array([row[name] for row in rows]) for name in rows[0]})
    draft.rename(folder)


def _truth_row(picture: Picture, seed: int, index: int, clean_row: int) -> dict[str, np.ndarray | np.generic | float]:
    """One picture's share of `Truth`."""
    camera = picture.camera
    return {
        "coefficients": picture.coefficients,
        "landmarks": picture.landmarks,
        "visibility": picture.visibility,
        "focal": camera.focal,
        "center": np.array(camera.center),
        "rotation": camera.rotation,
        "translation": camera.translation,
        "seed": np.array((seed, index), np.int64),
        "clean_row": np.int32(clean_row),
        "person": np.int64(picture.person),
        "ingredients": pack(picture.ingredients),
    }


def read_shard(folder: Path) -> Shard:
    """Open one shard."""
    with np.load(folder / "truth.npz") as data:
        arrays = dict(data)
    if "person" not in arrays:  # sets of the first generation: one picture a person, ingredients not noted
        arrays["person"] = arrays["seed"][:, 1]
        arrays["ingredients"] = np.full(len(arrays["seed"]), UNKNOWN)
    truth = Truth(**{field.name: arrays[field.name] for field in fields(Truth)})
    images, labels, occluder, clean = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "labels", "occluder", "clean")
    )
    return Shard(images, labels, occluder, clean, truth)


def read_geometry(folder: Path) -> dict[str, np.ndarray]:
    """The memory-mapped `GEOMETRY` arrays of one shard; raises when it was written without them."""
    missing = [name for name in GEOMETRY if not (folder / f"{name}.npy").exists()]
    if missing:
        raise FileNotFoundError(f"{folder} holds no {', '.join(missing)}; render it anew with --geometry.")
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in GEOMETRY}


def list_shards(root: Path) -> list[Path]:
    """Complete shards of a set, in order."""
    return sorted(path for path in root.glob("shard_*") if path.is_dir() and path.suffix != ".part")
