"""Strands where a photo shows none: the photo's own, mirrored at the edge of what it shows, and drawn ones beyond."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from .delighting import LUMINANCE, smoothstep
from .hair_grid import round_blur

_STRANDS = ((0.7, 40.0, 1.0), (1.6, 60.0, 0.8), (4.0, 90.0, 0.6))  # deviations across and along, texels of 1,024; share
_MOST_CONTRAST = 0.22  # log brightness
_FEW = 64  # texels
_CELL = 8  # texels a side of the cells in which the nearest place is looked for that the photo shows
_REACH = (2.0, 16.0)  # cells from there within which its strands are mirrored: all, none
_EVEN = 4.0  # cells over which neighbours agree on the mirror
_STRONGEST = 0.5  # log brightness of a mirrored strand


def detail(own: list[np.ndarray], smooth: list[np.ndarray], known: np.ndarray, strands: np.ndarray) -> np.ndarray:
    """(h, w) factor on smooth colours where nothing is known; a picture closes round the head.

    `own` are the photo's colours times (h, w) how far they are `known`, `smooth` the colours round them, three (h, w)
    planes each; `strands` (h, w) as in `strand_noise`.
    """
    bright, even = (_luminance(planes) for planes in (own, smooth))
    ratio = cv2.log((bright + 2e-3 * known + 1e-6) / (even * known + 2e-3 * known + 1e-6))
    sure = known > 0.95
    if sure.sum() < _FEW:
        return cv2.exp(0.5 * _MOST_CONTRAST * strands)
    low, high = np.quantile(ratio[::2, ::2][sure[::2, ::2]], (0.16, 0.84))
    drawn = min(float(high - low) / 2.0, _MOST_CONTRAST) * strands
    mirrored, share = _mirrored(np.clip(ratio, -_STRONGEST, _STRONGEST) * sure, sure)
    return cv2.exp(drawn + share * (mirrored - drawn))


def _luminance(planes: list[np.ndarray]) -> np.ndarray:
    red, green, blue = planes
    return LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue


def _mirrored(plane: np.ndarray, sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A (h, w) plane mirrored at the edge of the (h, w) bool that is sure, and in [0, 1] how far to believe it."""
    height, width = plane.shape
    cells = (width // _CELL, max(height // _CELL, 1))
    there = cv2.resize(sure.astype(np.float32), cells, interpolation=cv2.INTER_AREA) > 0.9
    if not there.any():
        return plane, np.zeros_like(plane)
    apart, across = _to_other(np.tile(there, 3))
    middle = slice(cells[0], 2 * cells[0])
    down, right = (round_blur(field[:, middle], _EVEN) for field in across)
    field = np.dstack([right * _CELL, down * _CELL, smoothstep(apart[:, middle], _REACH[1], _REACH[0])])
    right, down, near = cv2.split(cv2.resize(field.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = np.mod(x + 2.0 * right, width), np.clip(y + 2.0 * down, 0.0, height - 1.0)
    found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found, near * cv2.remap(sure.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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


@cache
def strand_noise(height: int, width: int) -> np.ndarray:
    """(height, width) float32 of unit deviation: strands from the crown down."""
    rng, scale = np.random.default_rng(11), width / 1024.0
    total, rows = np.zeros((height, width), np.float32), -(-height // _CELL)
    for across, along, share in _STRANDS:
        noise = np.tile(rng.standard_normal((rows, width)).astype(np.float32), 3)
        blurred = cv2.GaussianBlur(noise, (0, 0), sigmaX=across * scale, sigmaY=along * scale / _CELL)
        long = cv2.resize(blurred[:, width : 2 * width], (width, height), interpolation=cv2.INTER_CUBIC)
        total += share * long / long.std()
    return total / total.std()
