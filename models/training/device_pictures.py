"""Pictures that live in the memory of the device that trains: no loader can starve the network.

A set may still grow while it is used: `refresh` takes in what was rendered since.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.types import LANDMARKS
from models.synthesis.shards import Shard, list_shards, read_shard

from .completion_samples import bright
from .data import Pictures
from .painted_parts import as_painted
from .parsing_samples import targets

_COLOURED = ("image", "clean")  # planes of three channels; those of codes have none
_MOST = 40_000


@dataclass(frozen=True, eq=False)
class Rows:
    """Labels of N pictures, coordinates in picture pixels."""

    points: Tensor  # (N, 68 + D, 2) float32
    visibility: Tensor  # (N, 68 + D) float32
    coefficients: Tensor  # (N, 239) float32, light in the frame of the picture's camera
    camera: Tensor  # (N, 15) float32: focal, centre (2), rotation (9), translation (3)
    person: Tensor  # (N,) int64, unique over all sets
    lit: Tensor  # (N,) bool, the middle is not nearly black
    covered: Tensor  # (N,) bool, there is an occluder

    def followed_by(self, others: Rows) -> Rows:
        """Both, one after the other."""
        names = (field.name for field in fields(self))
        return Rows(*(torch.cat([getattr(self, name), getattr(others, name)]) for name in names))


class DevicePictures:
    """Up to `most` square pictures on one device.

    `planes` by name are (most, S, S) uint8: "image" and "clean" RGB, with a last dimension of 3; "codes" `Occluder`;
    "part" and "kind" what the parser learns. Of all only the first `count` are filled.
    """

    def __init__(self, size: int, device: str, most: int, planes: Collection[str]) -> None:
        """Memory for so many pictures of `size` pixels a side; of the planes those that are wanted."""
        self.size, self.device, self.most, self.count = size, device, most, 0
        shapes = {name: (most, size, size, 3) if name in _COLOURED else (most, size, size) for name in planes}
        self.planes = {name: torch.empty(shape, dtype=torch.uint8, device=device) for name, shape in shapes.items()}

    def add(self, pixels: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> None:
        """Append pictures: arrays of the planes, and of `Rows` by the names of its fields."""
        start, self.count = self.count, self.count + len(labels["points"])
        for name, plane in self.planes.items():
            plane[start : self.count] = self._moved(pixels[name])
        rows = Rows(**{name: self._moved(array) for name, array in labels.items()})
        self.rows = rows if start == 0 else self.rows.followed_by(rows)
        self.bright = self.rows.lit.nonzero().squeeze(1)
        self.occluded = self.rows.covered.nonzero().squeeze(1)

    def draw(self, count: int, generator: torch.Generator, among: Tensor | None = None) -> Tensor:
        """(count,) int64 rows, evenly drawn from all pictures or from (M,) rows `among` them, if there are any."""
        if among is None or len(among) == 0:
            return torch.randint(self.count, (count,), generator=generator, device=self.device)
        return among[torch.randint(len(among), (count,), generator=generator, device=self.device)]

    def _moved(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)


class GrowingPictures(DevicePictures):
    """The pictures of a folder into which more may be rendered."""

    def __init__(
        self, folder: Path, device: str, most: int, planes: Collection[str], validating: Collection[int] = ()
    ) -> None:
        """`validating` are the seeds of sets of which nothing may be learnt.

        Raises `FileNotFoundError` where no shard is complete, `ValueError` where one is of those sets.
        """
        first = next(iter(list_shards(folder)), None)
        if first is None:
            raise FileNotFoundError(
                f"{folder} holds no pictures; make some with `python -m models.synthesis.dataset --out {folder}`."
            )
        super().__init__(read_shard(first).images.shape[1], device, most, planes)
        self.folder, self.seeds = folder, set[int]()
        self._validating, self._read = set(validating), set[Path]()
        self.refresh()

    def refresh(self) -> int:
        """Take in the shards that were completed since, while there is room; returns how many pictures are here."""
        for path in list_shards(self.folder):
            if path not in self._read and self.count < self.most:
                self._take(path)
                self._read.add(path)
        return self.count

    def _take(self, path: Path) -> None:
        shard = read_shard(path)
        seeds = {int(seed) for seed in shard.truth.seed[:, 0]}
        if seeds & self._validating:
            raise ValueError(
                f"{path} shows people of the set that validates; render the device's pictures with another --seed."
            )
        self.seeds |= seeds
        count = min(len(shard.images), self.most - self.count)
        self.add(_pixels(shard, count, self.planes), _labels(shard, count))

    def describe(self) -> dict[str, object]:
        """For the card."""
        return {"pictures": self.count, "side": self.size, "seeds": sorted(self.seeds)}


def _pixels(shard: Shard, count: int, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The first `count` pictures of a shard, plane by plane."""
    pixels = {"image": shard.images[:count], "codes": shard.occluder[:count]}
    if "clean" in wanted:
        pixels["clean"] = np.stack([shard.clean(row) for row in range(count)])
    if "part" in wanted:
        faces = zip(shard.labels[:count], shard.truth.landmarks[:count, :LANDMARKS], strict=True)
        painted = (as_painted(np.array(labels), points) for labels, points in faces)
        pairs = [targets(labels, codes) for labels, codes in zip(painted, pixels["codes"], strict=True)]
        pixels["part"], pixels["kind"] = (np.stack(column) for column in zip(*pairs, strict=True))
    return pixels


def _labels(shard: Shard, count: int) -> dict[str, np.ndarray]:
    """Labels of the first `count` pictures of a shard."""
    truth = shard.truth
    camera = [truth.focal[:, None], truth.center, truth.rotation.reshape(-1, 9), truth.translation]
    return {
        "points": truth.landmarks[:count].astype(np.float32),
        "visibility": truth.visibility[:count].astype(np.float32),
        "coefficients": truth.coefficients[:count].astype(np.float32),
        "camera": np.concatenate(camera, axis=1)[:count].astype(np.float32),
        "person": ((truth.seed[:, 0] << 32) + truth.person)[:count],
        "lit": np.array([bright(image) for image in shard.images[:count]]),
        "covered": truth.clean_row[:count] >= 0,
    }


def device_arguments(parser: argparse.ArgumentParser) -> None:
    """Let the command line ask for batches made on the device."""
    parser.add_argument(
        "--device-data", type=Path, default=None, help="folder to learn from, kept on the device; it may still grow"
    )
    parser.add_argument("--device-most", type=int, default=_MOST, help="pictures that may be kept there")


def device_pictures(
    arguments: argparse.Namespace, device: str, planes: Collection[str], validating: Pictures
) -> GrowingPictures:
    """The pictures that the command line names; the recipe's own, which are on disk, still validate."""
    seeds = {int(seed) for seed in validating.truth.seed[:, 0]}
    return GrowingPictures(arguments.device_data, device, arguments.device_most, planes, seeds)
