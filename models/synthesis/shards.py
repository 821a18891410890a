"""How pictures lie on disk. One folder per shard, complete or absent:

shard_00000/images.npy      (N, S, S, 3) uint8 RGB
shard_00000/labels.npy      (N, S, S) uint8 `Label`, as if no occluder were there
shard_00000/occluder.npy    (N, S, S) uint8 `Occluder`; 0 where the picture equals its clean twin
shard_00000/clean.npy       (K, S, S, 3) uint8: clean twins of the K pictures that have an occluder
shard_00000/truth.npz       the arrays of `Truth`
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from .ingredients import UNKNOWN, pack
from .renderer import Picture


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


def write_shard(folder: Path, pictures: Sequence[Picture], seed: int, first: int) -> None:
    """Write pictures `first`, `first + 1`, ... of a set; the folder appears when it is complete."""
    draft = folder.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    occluded = [picture.occluder.any() for picture in pictures]
    twins = [picture.clean for picture, has in zip(pictures, occluded, strict=True) if has]
    np.save(draft / "images.npy", np.stack([picture.image for picture in pictures]))
    np.save(draft / "labels.npy", np.stack([picture.labels for picture in pictures]))
    np.save(draft / "occluder.npy", np.stack([picture.occluder for picture in pictures]))
    np.save(draft / "clean.npy", np.stack(twins) if twins else np.empty((0, *pictures[0].image.shape), np.uint8))
    truth = Truth(
        coefficients=np.stack([picture.coefficients for picture in pictures]),
        landmarks=np.stack([picture.landmarks for picture in pictures]),
        visibility=np.stack([picture.visibility for picture in pictures]),
        focal=np.array([picture.camera.focal for picture in pictures]),
        center=np.array([picture.camera.center for picture in pictures]),
        rotation=np.stack([picture.camera.rotation for picture in pictures]),
        translation=np.stack([picture.camera.translation for picture in pictures]),
        seed=np.array([(seed, first + row) for row in range(len(pictures))], np.int64),
        clean_row=np.where(occluded, np.cumsum(occluded) - 1, -1).astype(np.int32),
        person=np.array([picture.person for picture in pictures], np.int64),
        ingredients=np.array([pack(picture.ingredients) for picture in pictures], np.uint32),
    )
    np.savez(draft / "truth.npz", **{field.name: getattr(truth, field.name) for field in fields(Truth)})
    draft.rename(folder)


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


def list_shards(root: Path) -> list[Path]:
    """Complete shards of a set, in order."""
    return sorted(path for path in root.glob("shard_*") if path.is_dir() and path.suffix != ".part")
