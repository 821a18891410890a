"""Lays out a pattern, of which samples are known, over a strip that closes to a ring."""

from __future__ import annotations

import cv2
import numpy as np

OVERLAP = 0.3  # of a side that a patch shares with its neighbours
_TRIED = 24  # patches for each place
_SPARSE = 2  # steps between texels that are compared
_SHORTEST = 0.7  # of the longest step from one patch to the next


def quilt(patches: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(h, w) float32 made of (N, S, S) float32 patches of zero mean where it is `wanted`, (h, w) bool; 0 elsewhere.

    Each place gets the one of some patches that differs least from its neighbours above and before it, into which it
    passes over (Efros and Freeman, "Image quilting for texture synthesis and transfer", 2001).
    """
    rng, side = np.random.default_rng(5), patches.shape[1]
    overlap = round(OVERLAP * side)
    share = _ramp(side, overlap)
    strength = share * share
    few = np.ascontiguousarray(patches[:, ::_SPARSE, ::_SPARSE]).reshape(len(patches), -1)
    squares = np.square(few)
    height, width = wanted.shape
    framed = cv2.copyMakeBorder(wanted.view(np.uint8), side, side, 0, 0, cv2.BORDER_CONSTANT)
    ahead = cv2.copyMakeBorder(framed, 0, 0, 0, side, cv2.BORDER_WRAP)
    needed = cv2.dilate(ahead, np.ones((side, side), np.uint8), anchor=(0, 0))
    total = np.zeros(ahead.shape, np.float32)
    power = np.zeros_like(total)
    for left in _steps(rng, width, side - overlap):
        if left + side > width and not power[:, width:].any():  # what begins here ends among the first patches
            total[:, width:], power[:, width:] = total[:, :side], power[:, :side]
        for top in _steps(rng, height + side, side - overlap):
            if needed[top, left]:
                here, before = (plane[top : top + side, left : left + side] for plane in (total, power))
                weight = before[::_SPARSE, ::_SPARSE].ravel()
                known = 2.0 * np.sqrt(weight) * here[::_SPARSE, ::_SPARSE].ravel()
                wrong = squares @ weight - few @ known  # but for what is the same for all
                tried = rng.integers(0, len(patches), _TRIED)
                here += share * patches[tried[wrong[tried].argmin()]]
                before += strength
    total[:, :side], power[:, :side] = total[:, width:], power[:, width:]
    total, power = (plane[side : side + height, :width] for plane in (total, power))
    return total / np.sqrt(np.maximum(power, 1e-3))  # as strong where patches pass over


def _steps(rng: np.random.Generator, length: int, longest: int) -> np.ndarray:
    """Places from 0 up to a `length`, unevenly apart, or one would see rows and columns."""
    steps = rng.integers(round(_SHORTEST * longest), longest + 1, 2 + int(length / (_SHORTEST * longest)))
    places = np.cumsum(steps) - steps[0]
    return places[places < length]


def _ramp(side: int, overlap: int) -> np.ndarray:
    """(side, side) weight of a patch, whose squares add up to one across an overlap."""
    rise = np.sin(np.pi / 2 * (np.arange(overlap) + 0.5) / overlap)
    along = np.concatenate([rise, np.ones(side - 2 * overlap), rise[::-1]])
    return np.outer(along, along).astype(np.float32)
