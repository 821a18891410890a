"""Portraits in the memory of the device that trains."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from core.types import LANDMARKS

from .parsed_portraits import glasses_by_name
from .portraits import read_portraits
from .sources import PortraitSource


class DevicePortraits:
    """Grey portraits on one device, brought to one square size; only the 68 points are known."""

    def __init__(self, images: np.ndarray, points: np.ndarray, known: np.ndarray, device: str, size: int = 256) -> None:
        """(N, H, W) uint8 photos, (N, 68, 2) points in pixels, (N, 68) bool trusted ones."""
        self.device, self.size, self.count = device, size, len(images)
        placed = [self._framed(*pair, size) for pair in zip(images, points, strict=True)]
        squares, moved = (np.stack(column) for column in zip(*placed, strict=True))
        self.image = torch.from_numpy(squares).to(device)  # (N, S, S) uint8
        self.points = torch.from_numpy(moved.astype(np.float32)).to(device)
        self.known = torch.from_numpy(known.astype(np.float32)).to(device)

    @staticmethod
    def _framed(image: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The photo, made square from its top down, and its points."""
        side = min(image.shape[:2])
        left = (image.shape[1] - side) // 2
        square = cv2.resize(image[:side, left : left + side], (size, size), interpolation=cv2.INTER_CUBIC)
        return square, (points - [left, 0] + 0.5) * (size / side) - 0.5


def device_portraits(path: Path, device: str) -> tuple[DevicePortraits, DevicePortraits]:
    """All bare photos of `models.training.portraits` that are trained on, and those of them without glasses."""
    portraits = read_portraits(path)
    source = PortraitSource(portraits, LANDMARKS, 128)
    wears = glasses_by_name()
    bare = np.array([k for k in source.train if str(portraits.names[k]) not in wears])
    kinds = (
        DevicePortraits(portraits.images[rows, 0], portraits.points[rows], portraits.trusted[rows], device)
        for rows in (source.train, bare)
    )
    return next(kinds), next(kinds)
