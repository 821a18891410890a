"""Strands where a photo shows none: the photo's own, mirrored at the edge of what it shows, and drawn ones beyond."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from ..parallel import each
from .delighting import smoothstep
from .hair_grid import round_blur
from .hair_samples import DARK, STRONGEST, straightness
from .planes import luminance
from .quilting import quilt

_STRANDS = ((0.7, 40.0, 1.0), (1.6, 60.0, 0.8), (4.0, 90.0, 0.6))  # deviations across and along, texels of 1,024; share
_ROWS = 8  # of strands that are drawn as one, and smoothed: none bends so soon
_MOST_CONTRAST = 0.22  # log brightness
_MOST_LAID = 0.25  # the same of what samples are laid out
_STRAIGHT = (0.2, 1.0)  # straightness of hair of which none and all is drawn strands
_FEW = 32  # texels of the picture at half its size
_CELLS = 128  # round the head, in which the nearest place is looked for that the photo shows
_REACH = (2.0, 16.0)  # cells from there within which its strands are mirrored: all, none
_EVEN = 4.0  # cells over which neighbours agree on the mirror


def detail(
    own: list[np.ndarray],
    smooth: list[np.ndarray],
    known: np.ndarray,
    strands: np.ndarray,
    samples: np.ndarray | None = None,
) -> np.ndarray:
    """(h, w) factor on smooth colours where nothing is known; a picture closes round the head.

    `own` are the photo's colours times (h, w) how far they are `known`, `smooth` the colours round them, three (h, w)
    planes each. Strands (h, w) as in `strand_noise` are drawn; the less straight hair is, the more (N, S, S)
    `samples` of half as many texels are laid out instead.
    """
    height, width = known.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    bright, even, told = each(lambda plane: _shrunk(plane, half), (*each(luminance, (own, smooth)), known))
    ratio = cv2.log((bright + DARK * told + 1e-6) / ((even + DARK) * told + 1e-6))
    sure = told > 0.95
    if sure.sum() < _FEW:
        return cv2.exp(0.5 * _MOST_CONTRAST * strands)
    low, high = np.quantile(ratio[sure][::2], (0.16, 0.84))
    mirrored, share = _mirrored(np.clip(ratio, -STRONGEST, STRONGEST) * sure, sure)
    drawn = min(float(high - low) / 2.0, _MOST_CONTRAST) * strands
    if samples is not None:
        straight = float(smoothstep(np.array(straightness(samples)), *_STRAIGHT))
        strength = min(_MOST_LAID / max(float(samples.std()), 1e-6), 1.0) * np.sqrt(1.0 - straight)
        laid = quilt(samples, ~sure & (share < 1.0))
        drawn = np.sqrt(straight) * drawn + np.float32(strength) * _enlarged(laid, (width, height))
    mirrored, share = (_enlarged(plane, (width, height)) for plane in (mirrored, share))
    return cv2.exp(drawn + share * (mirrored - drawn))


def _mirrored(plane: np.ndarray, sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A (h, w) plane mirrored at the edge of the (h, w) bool that is sure, and in [0, 1] how far to believe it."""
    height, width = plane.shape
    cells = (_CELLS, max(height * _CELLS // width, 1))
    wide, high = width / cells[0], height / cells[1]  # texels of a cell
    there = cv2.resize(sure.astype(np.float32), cells, interpolation=cv2.INTER_AREA) > 0.9
    if not there.any():
        return plane, np.zeros_like(plane)
    apart, across = _to_other(np.tile(there, 3))
    middle = slice(cells[0], 2 * cells[0])
    down, right = (round_blur(field[:, middle], _EVEN) for field in across)
    column, row = np.meshgrid(np.arange(cells[0]) + 0.5, np.arange(cells[1]) + 0.5)
    x, y = wide * (column + 2.0 * right) - 0.5 + width / 2, high * (row + 2.0 * down) - 0.5
    near = smoothstep(apart[:, middle], _REACH[1], _REACH[0])
    x, y, near = each(lambda field: _enlarged(field, (width, height)), (x, y, near))
    both = cv2.merge([plane, sure.astype(np.float32)])
    half = width // 2
    round_twice = cv2.copyMakeBorder(both, 0, 0, half, half, cv2.BORDER_WRAP)
    found, told = cv2.split(cv2.remap(round_twice, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return found, near * told


def _shrunk(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def _enlarged(field: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 of a coarse field, for a `size` of width and height."""
    return cv2.resize(field.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)


def _to_other(there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) cells to the nearest one that is there, and (2, h, w) rows and columns to the edge between both kinds."""
    apart = np.asarray(distance_transform_edt(~there))
    across = np.zeros((2, *there.shape))
    for kind in (there, ~there):
        nearest = np.asarray(distance_transform_edt(kind, return_distances=False, return_indices=True))
        steps = nearest - np.indices(there.shape)
        length = np.maximum(np.hypot(*steps), 1.0)
        across += np.where(kind, steps * (1.0 - 0.5 / length), 0.0)
    return apart, across


@lru_cache(maxsize=1)
def strand_noise(height: int, width: int) -> np.ndarray:
    """(height, width) float32 of unit deviation: strands from the crown down."""
    rng, scale = np.random.default_rng(11), width / 1024.0
    total, rows = np.zeros((height, width), np.float32), -(-height // _ROWS)
    for across, along, share in _STRANDS:
        noise = np.tile(rng.standard_normal((rows, width)).astype(np.float32), 3)
        blurred = cv2.GaussianBlur(noise, (0, 0), sigmaX=across * scale, sigmaY=along * scale / _ROWS)
        long = cv2.resize(blurred[:, width : 2 * width], (width, height), interpolation=cv2.INTER_CUBIC)
        total += share * long / long.std()
    return total / total.std()
