"""A smooth surface through scattered data: what is missing between a painted patch and the picture round it.

Perez et al. ("Poisson Image Editing", 2003) paste gradients; that is the same as adding to the patch a membrane spanned
over the differences along its border. Here the border may be partly unknown and partly wrong.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..parallel import each

_SWEEPS = 24
_COARSEST = 8  # cells
_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)


def membrane(data: np.ndarray, weight: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """(S, S, C) float32 surface over an (S, S) bool domain, 0 elsewhere; S is a power of two times a small number.

    It minimises the sum of squared steps between neighbours of the domain plus `weight` (S, S) times the squared
    distance from `data` (S, S, C): where there is no data it is harmonic, and nothing flows through its edges.
    """
    inside = domain.astype(np.float32)
    weight = weight.astype(np.float32) * inside
    if not weight.any():
        return np.zeros_like(data, np.float32)
    planes = cv2.split(data.astype(np.float32))
    return cv2.merge(each(lambda plane: _solved(plane * weight, weight, inside), planes))


def _solved(pulled: np.ndarray, weight: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Cascade from coarse to fine for one plane; `pulled` is the data times its weight."""
    size = len(weight)
    if size % 2 or size <= _COARSEST:
        level = float(pulled.sum()) / max(float(weight.sum()), 1e-6)
        return _relaxed(np.float32(level) * inside, pulled, weight, inside)
    half = _solved(summed(pulled), summed(weight), np.minimum(summed(inside), 1.0))
    shares = cv2.resize(np.minimum(summed(inside), 1.0), (size, size), interpolation=cv2.INTER_LINEAR)
    start = cv2.resize(half, (size, size), interpolation=cv2.INTER_LINEAR) / np.maximum(shares, 1e-3)
    return _relaxed(start * inside, pulled, weight, inside)


def _relaxed(start: np.ndarray, pulled: np.ndarray, weight: np.ndarray, inside: np.ndarray) -> np.ndarray:
    degree = cv2.filter2D(inside, -1, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
    scale = inside / np.maximum(degree + weight, 1e-6)
    surface = start
    for _ in range(_SWEEPS):
        surface = cv2.filter2D(surface, -1, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
        surface += pulled
        surface *= scale
    return surface


def summed(values: np.ndarray) -> np.ndarray:
    """Sums over cells of two by two of (H, W) or (H, W, C) float32 values, C at most 4; the sides are even."""
    height, width = values.shape[:2]
    return cv2.resize(values, (width // 2, height // 2), interpolation=cv2.INTER_AREA) * np.float32(4.0)
