"""Portraits in the memory of the device that trains."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from core.geometry.mirroring import MIRRORED_68
from core.runtime.specs import CROP_SIZE
from core.types import LANDMARKS
from models.synthesis.labels import Occluder

from .augment import Jitter
from .device_augment import Draws
from .device_crops import Cut, apply, crop_matrices, jittered, mirrored
from .device_pictures import DevicePictures
from .parsed_portraits import ParsedPortraits, glasses_by_name
from .parsing_samples import targets
from .portraits import read_portraits
from .sources import BLUE, GREEN, WARMTH, PortraitSource

_SIDE = 256  # pixels


class DevicePortraits:
    """Grey portraits on one device, brought to one square size; only the 68 points are known."""

    def __init__(self, images: np.ndarray, points: np.ndarray, known: np.ndarray, device: str) -> None:
        """(N, H, W) uint8 photos, (N, 68, 2) points in pixels, (N, 68) bool trusted ones."""
        self.device, self.size, self.count = device, _SIDE, len(images)
        placed = [_squared(*pair, _SIDE) for pair in zip(images, points, strict=True)]
        squares, moved = (np.stack(column) for column in zip(*placed, strict=True))
        self.image = torch.from_numpy(squares).to(device)  # (N, S, S) uint8
        self.points = torch.from_numpy(moved.astype(np.float32)).to(device)  # (N, 68, 2) in pixels of the squares
        self.known = torch.from_numpy(known.astype(np.float32)).to(device)  # (N, 68)
        self._order = torch.from_numpy(MIRRORED_68).to(device)

    def crops(self, count: int, size: int, jitter: Jitter, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(count, 3, S, S) moved, mirrored, tinted crops, (count, 68, 2) crop fractions, (count, 68) trusted."""
        rows = torch.randint(self.count, (count,), generator=generator, device=self.device)
        points, known = self.points[rows], self.known[rows]
        flip = torch.rand(count, generator=generator, device=self.device) < 0.5
        matrices = mirrored(jittered(crop_matrices(points, size), size, jitter, generator), size, flip)
        grey = Cut(matrices, size, self.size, torch.ones_like(flip)).pictures(self.image[rows])
        placed = (apply(matrices, points) + 0.5) / size
        placed = torch.where(flip[:, None, None], placed[:, self._order], placed)
        return _tinted(grey, generator), placed, torch.where(flip[:, None], known[:, self._order], known)


def _squared(image: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo, made square from its top down, and its points."""
    side = min(image.shape[:2])
    left = (image.shape[1] - side) // 2
    square = cv2.resize(image[:side, left : left + side], (size, size), interpolation=cv2.INTER_CUBIC)
    return square, (points - [left, 0] + 0.5) * (size / side) - 0.5


def _tinted(grey: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 3, S, S) grey pictures tinted as `sources.tinted` does."""
    draw = Draws(len(grey), generator)
    warmth = draw.normal(WARMTH[1], WARMTH[0])
    bends = torch.cat([-warmth, draw.normal(GREEN), warmth * draw.uniform(*BLUE)], dim=2).exp()[:, 0]
    return grey.clamp_min(1e-4) ** bends


def device_portraits(path: Path, device: str, without_glasses: bool = False) -> DevicePortraits:
    """All photos of `models.training.portraits` that are trained on, nothing pasted on; perhaps none with glasses."""
    portraits = read_portraits(path)
    rows, wears = PortraitSource(portraits, LANDMARKS, CROP_SIZE).train, glasses_by_name()
    if without_glasses:
        rows = np.array([row for row in rows if str(portraits.names[row]) not in wears])
    return DevicePortraits(portraits.images[rows, 0], portraits.points[rows], portraits.trusted[rows], device)


def device_heads(portraits: ParsedPortraits, device: str) -> DevicePictures:
    """Parsed portraits with what the parser learns; neither coefficients nor cameras are known."""
    count, side = portraits.grey.shape[:2]
    pairs = [targets(*portraits.maps(index)) for index in range(count)]
    part, kind = (np.stack(column) for column in zip(*pairs, strict=True))
    coloured = np.stack([portraits.image(index) for index in range(count)])
    pixels = {"image": coloured, "codes": portraits.codes, "part": part, "kind": kind}
    nothing = np.empty((count, 0), np.float32)
    labels = {
        "points": portraits.points,
        "visibility": nothing,
        "coefficients": nothing,
        "camera": nothing,
        "person": np.arange(count),
        "lit": np.ones(count, bool),
        "covered": (portraits.codes > Occluder.TOUCHED).any(axis=(1, 2)),
    }
    pictures = DevicePictures(side, device, count, pixels)
    pictures.add(pixels, labels)
    return pictures
