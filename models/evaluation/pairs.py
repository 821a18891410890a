"""Held-out synthetic people with something before their faces, each with its clean twin."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry.alignment import apply, crop_matrix
from core.types import LANDMARKS, OCCLUDERS
from models.synthesis.dataset import make_dataset
from models.synthesis.labels import Occluder, occluder_type
from models.synthesis.shards import list_shards
from models.training.completion_samples import grown, lit
from models.training.data import Pictures, read_pictures

from .held_out import PAIRS, faces_camera
from .systems import digest
from .variants import MOST_HIDDEN

log = logging.getLogger(__name__)
SEED = 990_004  # no training draws from it
COUNT, RENDERED, SIDE = 1000, 2500, 320  # pairs; pictures of which they are the first that fit; pixels
KINDS = {
    "glasses": "clear_glasses", "sunglasses": "dark_glasses", "mask": "mask", "scarf": "scarf", "hand": "hand",
    "object": "object",
}  # fmt: skip
LEAST_COVERED = 0.02  # of the face, by what it wears or holds
SHADOW_REACH = 0.06  # crop sides round a cover within which its shadow and rim are deleted with it


@dataclass(frozen=True, eq=False)
class Pair:
    """One picture of side S and its clean twin."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    clean: np.ndarray  # (S, S, 3) uint8 RGB
    codes: np.ndarray  # (S, S) uint8 `Occluder`
    points: np.ndarray  # (68, 2) float32 true landmarks, pixels


@dataclass(frozen=True, eq=False)
class Pairs(Sequence[Pair]):
    """Pairs, and what covers most of each face."""

    pictures: Pictures
    rows: np.ndarray  # (N,) int, of the pictures
    kinds: np.ndarray  # (N,) str, of `KINDS`
    digest: str  # stands for the whole set

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Pair:
        return pair_of(self.pictures, int(self.rows[index]))

    @property
    def near_frontal(self) -> np.ndarray:
        """(N,) bool: those whose landmark errors may be divided by the distance of their eye corners."""
        return np.array([faces_camera(self.pictures.truth.coefficients[row]) for row in self.rows], bool)


def pair_of(pictures: Pictures, row: int) -> Pair:
    """One picture of a set with its twin."""
    points = pictures.points[row, :LANDMARKS]
    return Pair(np.array(pictures.image(row)), np.array(pictures.clean(row)), pictures.maps(row)[1], points)


def held_out_pairs(limit: int | None, folder: Path = PAIRS) -> Pairs:
    """The pairs, or as many spread evenly over them; rendered at first use, which takes long."""
    if len(list_shards(folder)) * _shard_size() < RENDERED:
        log.info("rendering %d pictures into %s", RENDERED, folder)
        make_dataset(folder, RENDERED, SEED, os.cpu_count() or 1, group=1, size=SIDE)
    return chosen_pairs(read_pictures(folder), digest(tuple(sorted(folder.glob("shard_*/truth.npz")))), limit)


def _shard_size() -> int:
    from models.synthesis.dataset import SHARD

    return SHARD


def chosen_pairs(pictures: Pictures, name: str, limit: int | None = None) -> Pairs:
    """The first `COUNT` pictures with something on a face that shows enough to go on, or part of them."""
    rows, kinds = [], []
    for row in np.flatnonzero((pictures.truth.clean_row >= 0) & lit(pictures)):
        kind = kind_of(pair_of(pictures, int(row)))
        if kind is not None:
            rows.append(int(row))
            kinds.append(kind)
        if len(rows) == COUNT:
            break
    some = np.arange(len(rows)) if limit is None else np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)
    return Pairs(pictures, np.array(rows, int)[some], np.array(kinds, str)[some], f"{name} {limit}")


def kind_of(pair: Pair) -> str | None:
    """What of `KINDS` covers most of the face; None where it is next to nothing or hides nearly everything."""
    hull = cv2.convexHull(np.rint(pair.points).astype(np.int32))
    face = cv2.fillConvexPoly(np.zeros(pair.codes.shape, np.uint8), hull, 1) > 0
    areas = np.bincount(occluder_type(pair.codes)[face], minlength=len(OCCLUDERS)) / max(face.sum(), 1)
    shares = {kind: areas[OCCLUDERS.index(name)] for kind, name in KINDS.items()}
    if sum(shares.values()) < LEAST_COVERED or _hidden(pair) > MOST_HIDDEN:
        return None
    return max(shares, key=lambda kind: shares[kind])


def _hidden(pair: Pair) -> float:
    """Share of the landmarks under what is laid over the face."""
    x, y = np.rint(pair.points).astype(int).clip(0, len(pair.codes) - 1).T
    return float((pair.codes[y, x] > Occluder.TOUCHED).mean())


def true_hole(pair: Pair, points: np.ndarray, grow: float) -> np.ndarray:
    """(S, S) bool: the covers within the face crop of (68, 2) `points`, with their shadows, grown by `grow` crop sides.

    The mask that a perfect parser would lead to, and somebody who paints the shadows in.
    """
    side = 1.0 / crop_scale(points)
    cover = ((occluder_type(pair.codes) > 0) | (pair.codes == Occluder.VISOR)).astype(np.uint8)
    cover |= grown(cover, round(SHADOW_REACH * side)) & (pair.codes == Occluder.TOUCHED)
    return (grown(cover, round(grow * side)) > 0) & in_face_crop(points, cover.shape)


def crop_scale(points: np.ndarray) -> float:
    """Face-crop sides per photo pixel at (68, 2) landmarks."""
    return float(np.sqrt(abs(np.linalg.det(crop_matrix(points, 1)[:, :2]))))


def in_face_crop(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: pixels within the face crop at (68, 2) landmarks."""
    rows, columns = np.indices(shape[:2])
    place = apply(crop_matrix(points, 1), np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float))
    return (np.abs(place) <= 0.5).all(axis=1).reshape(shape[:2])
