"""Where labelled faces come from: synthetic sets and pseudo-labelled portraits, cut into crops alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from core.geometry import alignment
from core.types import LANDMARKS

from .crops import Cropper, split
from .data import Pictures
from .portraits import Portraits
from .variation import LANDMARKER

PORTRAITS_SET = "official portraits of members of the US Congress, public domain"
_PORTRAITS_HELD_OUT = 80
# Spread of the logarithms of the exponents that tint a grey photo: mean and deviation of warmth, deviation of green.
WARMTH, GREEN = (0.18, 0.14), 0.05
BLUE = (0.6, 1.4)  # exponent of blue over warmth


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """One crop with its points."""

    image: np.ndarray  # (S, S, 3) uint8
    points: np.ndarray  # (P, 2) crop fractions
    visibility: np.ndarray  # (P,) float32
    known: np.ndarray  # (P,) float32, 0 where there is no label


class FaceSource(Protocol):
    """Faces of one origin; all give the same P points."""

    name: str
    train: np.ndarray  # indices
    held_out: np.ndarray
    matrices: np.ndarray  # (N, 2, 3) picture -> true crop of the size asked for

    def crop(self, index: int, matrix: np.ndarray, rng: np.random.Generator | None = None) -> LabelledCrop:
        """The face under a picture -> crop matrix; `rng` varies what may vary, None gives the plain crop."""
        ...

    def describe(self) -> dict[str, object]:
        """For the card."""
        ...


class PictureSource:
    """Synthetic pictures; all points are known."""

    def __init__(self, name: str, pictures: Pictures, size: int) -> None:
        self.name, self.pictures = name, pictures
        self._cropper = Cropper(pictures, size)
        self.matrices = self._cropper.matrices
        self.train, self.held_out = split(len(pictures))

    def crop(self, index: int, matrix: np.ndarray, rng: np.random.Generator | None = None) -> LabelledCrop:
        """Crop with all points."""
        image = self._cropper.cut(index, matrix, _border(rng))
        points = self._cropper.fractions(index, matrix)
        visibility = self.pictures.visibility[index].astype(np.float32)
        return LabelledCrop(image, points, visibility, np.ones(len(points), np.float32))

    def describe(self) -> dict[str, object]:
        """For the card."""
        return {"set": self.name, **self.pictures.describe(), "used": len(self.train)}


class PortraitSource:
    """Grey portraits, tinted at random; the 68 trusted points are known, the dense ones are not."""

    def __init__(self, portraits: Portraits, points: int, size: int) -> None:
        self.name, self.portraits = "portraits", portraits
        self._count, self._size = points, size
        self.matrices = np.stack([alignment.crop_matrix(p.astype(float), size) for p in portraits.points])
        held_out = min(_PORTRAITS_HELD_OUT, len(portraits) // 3)
        self.train, self.held_out = np.split(np.arange(len(portraits)), [len(portraits) - held_out])

    def crop(self, index: int, matrix: np.ndarray, rng: np.random.Generator | None = None) -> LabelledCrop:
        """Crop with the trusted points of the 68, of a random variant."""
        variants = self.portraits.images[index]
        variant = 0 if rng is None else int(rng.integers(len(variants)))
        grey = alignment.extract(_as_colour(variants[variant]), matrix, self._size).image
        if rng is not None:
            grey = tinted(grey[..., 0], rng)
        points = np.full((self._count, 2), 0.5)
        points[:LANDMARKS] = (alignment.apply(matrix, self.portraits.points[index]) + 0.5) / self._size
        visibility, known = np.zeros((2, self._count), np.float32)
        visibility[:LANDMARKS] = self.portraits.visibility[index, variant]
        known[:LANDMARKS] = self.portraits.trusted[index]
        return LabelledCrop(grey, points, visibility, known)

    def describe(self) -> dict[str, object]:
        """For the card."""
        return {
            "set": PORTRAITS_SET,
            "pictures": len(self.portraits),
            "used": len(self.train),
            "labels": "consensus of MediaPipe FaceMesh (Apache-2.0) and this project's own landmarker",
        }


def tinted(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 of (H, W) grey: dark and light stay, the middle takes a skin's or a light's hue."""
    level = np.arange(256, dtype=np.float32) / 255.0
    warmth, green = rng.normal(*WARMTH), rng.normal(0.0, GREEN)
    bends = np.exp([-warmth, green, warmth * rng.uniform(*BLUE)])
    tables = [(level**bend * 255.0).astype(np.uint8) for bend in bends]
    return cv2.merge([cv2.LUT(grey, table) for table in tables])


def _as_colour(grey: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def _border(rng: np.random.Generator | None) -> int:
    reflected = rng is not None and rng.random() < LANDMARKER.reflected
    return cv2.BORDER_REFLECT_101 if reflected else cv2.BORDER_CONSTANT
