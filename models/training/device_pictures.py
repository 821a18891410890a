"""Pictures that live in the memory of the device that trains: no loader can starve the network.

A set may still grow while it is used: `refresh` takes what was rendered since.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from core.geometry import alignment
from core.types import LANDMARKS
from models.synthesis.labels import Occluder
from models.synthesis.shards import Shard, list_shards, read_shard

from .painted_parts import as_painted
from .parsing_samples import targets

if TYPE_CHECKING:
    from .parsed_portraits import ParsedPortraits

_DARK = 20.0  # mean level of 255 in the middle, below which a face shows nothing to go on
DeviceBatch = tuple[Tensor, dict[str, Tensor]]  # (N, 3, S, S) in [0, 1] and the labels


class Feed(Protocol):
    """What makes batches on the device; batch k depends on (seed, k) and the pictures there alone."""

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Batch `step` of `size` samples."""
        ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Labels of N pictures, coordinates in picture pixels."""

    points: Tensor  # (N, 68 + D, 2) float32
    visibility: Tensor  # (N, 68 + D) float32
    coefficients: Tensor  # (N, 239) float32
    camera: Tensor  # (N, 15) float32: focal, centre (2), rotation (9), translation (3)
    lit: Tensor  # (N,) bool, the middle is not nearly black
    covered: Tensor  # (N,) bool, there is an occluder


class DevicePictures:
    """Up to `most` square pictures of the shards of `folder` on one device."""

    def __init__(self, folder: Path, device: str, most: int, parts: bool = False) -> None:
        """`parts` keeps the parser's targets too. Raises `FileNotFoundError` where no shard is complete."""
        first = next(iter(list_shards(folder)), None)
        if first is None:
            raise FileNotFoundError(f"{folder} holds no pictures; make some with `python -m models.synthesis.dataset`.")
        self._reserve(read_shard(first).images.shape[1], device, most, parts)
        self.folder = folder
        self.refresh()

    @classmethod
    def of_portraits(cls, portraits: ParsedPortraits, device: str) -> DevicePictures:
        """Parsed portraits, of which neither coefficients nor cameras are known."""
        count, size = portraits.grey.shape[:2]
        self = cls.__new__(cls)
        self._reserve(size, device, count, True)
        self.folder, self.count = None, count
        pairs = [targets(*portraits.maps(index)) for index in range(count)]
        part, kind = (np.stack(column) for column in zip(*pairs, strict=True))
        pictures = np.stack([portraits.image(index) for index in range(count)])
        planes = {"image": pictures, "clean": pictures, "codes": np.array(portraits.codes), "part": part, "kind": kind}
        for name, array in planes.items():
            getattr(self, name)[:] = self._moved(array)
        nothing = np.zeros((count, 0), np.float32)
        lit, worn = np.ones(count, bool), (portraits.codes > Occluder.TOUCHED).any(axis=(1, 2))
        arrays = (np.array(portraits.points), nothing, nothing, nothing, lit, worn)
        self._rows = [Rows(*(self._moved(array) for array in arrays))]
        self._joined()
        return self

    def _reserve(self, size: int, device: str, most: int, parts: bool) -> None:
        """Memory for `most` pictures of so many pixels a side."""
        self.size, self.device, self._most, self._parts = size, device, most, parts
        self.folder: Path | None = None
        self._read: set[Path] = set()
        self._rows: list[Rows] = []
        self.count = 0
        plane = (most, size, size)
        self.image, self.clean = (torch.empty((*plane, 3), dtype=torch.uint8, device=device) for _ in range(2))
        self.codes = torch.empty(plane, dtype=torch.uint8, device=device)
        shape = plane if parts else (0, size, size)
        self.part, self.kind = (torch.empty(shape, dtype=torch.uint8, device=device) for _ in range(2))

    def _joined(self) -> None:
        names = Rows.__annotations__
        self.rows = Rows(*(torch.cat([getattr(rows, name) for rows in self._rows]) for name in names))
        self.bright = self.rows.lit.nonzero().squeeze(1)
        self.occluded = self.rows.covered.nonzero().squeeze(1)

    def refresh(self, shards: int | None = None) -> int:
        """Take in at most so many shards that were completed since; returns the number of pictures now here."""
        if self.folder is None:
            return self.count
        new = [path for path in list_shards(self.folder) if path not in self._read][:shards]
        for path in new:
            if self.count < self._most:
                self._add(read_shard(path))
            self._read.add(path)
        if new:
            self._joined()
        return self.count

    def draw(self, count: int, generator: torch.Generator, among: Tensor | None = None) -> Tensor:
        """(count,) int64 rows, evenly drawn from all pictures or from (M,) rows `among` them."""
        total = self.count if among is None else len(among)
        chosen = torch.randint(total, (count,), generator=generator, device=self.device)
        return chosen if among is None else among[chosen]

    def _add(self, shard: Shard) -> None:
        start, end = self.count, min(self.count + len(shard.images), self._most)
        number = end - start
        images, codes, truth = np.array(shard.images[:number]), np.array(shard.occluder[:number]), shard.truth
        self.image[start:end] = self._moved(images)
        self.clean[start:end] = self._moved(np.stack([shard.clean(row) for row in range(number)]))
        self.codes[start:end] = self._moved(codes)
        if self._parts:
            labels = shard.labels[:number]
            points = truth.landmarks[:number, :LANDMARKS]
            painted = [as_painted(np.array(one), at) for one, at in zip(labels, points, strict=True)]
            pairs = [targets(part, code) for part, code in zip(painted, codes, strict=True)]
            self.part[start:end], self.kind[start:end] = (self._moved(np.stack(c)) for c in zip(*pairs, strict=True))
        self.count = end
        camera = [truth.focal[:, None], truth.center, truth.rotation.reshape(-1, 9), truth.translation]
        middle = images[:, self.size // 4 : -self.size // 4 : 8, self.size // 4 : -self.size // 4 : 8]
        arrays = (
            truth.landmarks[:number].astype(np.float32),
            truth.visibility[:number].astype(np.float32),
            truth.coefficients[:number].astype(np.float32),
            np.concatenate(camera, axis=1)[:number].astype(np.float32),
            middle.mean(axis=(1, 2, 3)) > _DARK,
            truth.clean_row[:number] >= 0,
        )
        self._rows.append(Rows(*(self._moved(array) for array in arrays)))

    def _moved(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def device_arguments(parser: argparse.ArgumentParser) -> None:
    """Let the command line ask for batches made on the device."""
    parser.add_argument("--device-data", type=Path, default=None, help="pictures to keep on the device; may still grow")
    parser.add_argument("--device-most", type=int, default=40_000, help="pictures that may be kept there")


def device_pictures(arguments: argparse.Namespace, device: str, parts: bool = False) -> DevicePictures:
    """The pictures that the command line names."""
    return DevicePictures(arguments.device_data, device, arguments.device_most, parts)


def base_matrices(points: Tensor, size: int, margin: float = alignment.MARGIN, lift: float = 0.0) -> Tensor:
    """(N, 2, 3) picture -> crop similarities of (N, 68, 2) landmarks, framed as `alignment` does."""
    right, left = points[:, 36:42].mean(1), points[:, 42:48].mean(1)
    mouth = points[:, [48, 54]].mean(1)
    across, down = left - right, mouth - (left + right) / 2
    upright = across + torch.stack([down[:, 1], -down[:, 0]], dim=1)
    roll = torch.atan2(upright[:, 1], upright[:, 0])
    c, s = roll.cos(), roll.sin()
    turn = torch.stack([torch.stack([c, s], -1), torch.stack([-s, c], -1)], dim=1)
    turned = points @ turn.transpose(1, 2)
    low, high = turned.amin(1), turned.amax(1)
    scale = size / (margin * (high - low).amax(1).clamp_min(1.0))
    linear = turn * scale[:, None, None]
    middle = torch.full_like(low, (size - 1) / 2)
    middle[:, 1] += size * lift / margin
    shift = middle - (low + high) / 2 * scale[:, None]
    return torch.cat([linear, shift[:, :, None]], dim=2)
