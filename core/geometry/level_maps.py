"""Maps of uint8 levels, one per class, brought from one frame to another where they say anything.

Most classes fill a small part of a picture: eyes, lips, an ear. What is done to them is done within their window.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from .alignment import apply

FAINT = 26  # of 255: a class that is nowhere likelier than this cannot win a pixel

_RANKS = 5  # bits below a level that tell maps apart, the first highest
_LAST = 2**_RANKS - 1
_LINE = 1024  # pixels sampled in a row; OpenCV takes no picture wider or taller than 32767


class Window(NamedTuple):
    """Pixels from `x0`, `y0` to just before `x1`, `y1`."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as OpenCV asks for them; 0 where nothing is left."""
        return max(self.x1 - self.x0, 0), max(self.y1 - self.y0, 0)

    def joined(self, other: Window) -> Window:
        """What holds both; an empty one adds nothing."""
        if 0 in self.size or 0 in other.size:
            return other if 0 in self.size else self
        return Window(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def shared(self, other: Window) -> Window:
        """What both hold."""
        return Window(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def carried(self, from_here: np.ndarray, shape: tuple[int, int]) -> Window:
        """The window of a (height, width) map that shows this one, for a (2, 3) matrix from here to there."""
        if 0 in self.size:
            return Window(0, 0, 0, 0)
        (a, b, c), (d, e, f) = from_here.tolist()  # plain numbers: this is done for every class
        corners = [(x, y) for x in (self.x0 - 1, self.x1) for y in (self.y0 - 1, self.y1)]
        across = [a * x + b * y + c for x, y in corners]
        down = [d * x + e * y + f for x, y in corners]
        x0, y0 = (min(max(math.floor(min(places)), 0), most) for places, most in ((across, shape[1]), (down, shape[0])))
        x1, y1 = (
            min(max(math.ceil(max(places)) + 1, 0), most) for places, most in ((across, shape[1]), (down, shape[0]))
        )
        return Window(x0, y0, x1, y1)


def seen(levels: np.ndarray) -> Window:
    """Window of what is not faint in a (H, W) uint8 map."""
    x, y, width, height = cv2.boundingRect((levels > FAINT).view(np.uint8))
    return Window(x, y, x + width, y + height)


def sampled(levels: np.ndarray, to_source: np.ndarray, window: Window, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """(h, w) uint8 part of a (H, W) map under a (2, 3) matrix from the target's pixels to the map's, bilinear."""
    if 0 in window.size:
        return np.zeros(window.size[::-1], np.uint8)
    matrix = to_source.copy()
    matrix[:, 2] = apply(to_source, np.array([[window.x0, window.y0]], float))[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(levels, matrix, window.size, flags=flags, borderMode=border)


def winner(levels: np.ndarray, to_source: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 index of the highest of (K, h, w) uint8 maps in a target of `shape`; the first one's beyond them.

    `to_source` is the (2, 3) matrix from the target's pixels to the maps'. Between four neighbours that have one
    winner, bilinear interpolation can find no other: the maps are sampled along outlines alone.
    """
    if 0 in shape:
        return np.zeros(shape, np.uint8)
    cells = highest(levels)
    if not cells.any():
        return np.zeros(shape, np.uint8)
    out = cv2.warpAffine(cells, to_source, shape[::-1], flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    rows = np.flatnonzero(_between(cells, to_source, shape))
    if len(rows):
        places = _places(rows, to_source, shape[1])
        best, found = _sampled_at(levels[0], places), np.zeros(places[0].shape, np.uint8)
        for k in range(1, len(levels)):
            if 0 not in seen(levels[k]).size:
                level = _sampled_at(levels[k], places)
                found[level > best] = k
                np.maximum(best, level, out=best)
        out.reshape(-1)[rows] = found.reshape(-1)[: len(rows)]
    return out


def highest(levels: np.ndarray) -> np.ndarray:
    """(h, w) uint8 index of the highest of (K, h, w) uint8 maps, K at most 32, the first of those that are alike."""
    ranked = levels.astype(np.uint16)
    ranked <<= _RANKS
    ranked |= np.arange(_LAST, _LAST - len(levels), -1, dtype=np.uint16)[:, None, None]
    first = ranked.max(axis=0)
    first &= _LAST
    return (_LAST - first).astype(np.uint8)


def _between(cells: np.ndarray, to_source: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: target pixels that do not lie among four source pixels with one (h, w) winner."""
    mixed = np.ones((cells.shape[0] + 1, cells.shape[1] + 1), np.uint8)  # [i, j]: among pixels i - 1, i and j - 1, j
    first = cells[:-1, :-1]
    mixed[1:-1, 1:-1] = (first != cells[1:, :-1]) | (first != cells[:-1, 1:]) | (first != cells[1:, 1:])
    to_squares = to_source + np.array([[0.0, 0.0, 0.5]])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mixed, to_squares, shape[::-1], flags=flags) > 0


def _places(rows: np.ndarray, to_source: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Source x and y, (n, _LINE) float32, of (N,) flat target pixels, padded with the last one."""
    padded = np.pad(rows, (0, -len(rows) % _LINE), mode="edge")
    y, x = np.divmod(padded, width)
    (a, b, c), (d, e, f) = to_source
    source = (a * x + b * y + c, d * x + e * y + f)
    return source[0].astype(np.float32).reshape(-1, _LINE), source[1].astype(np.float32).reshape(-1, _LINE)


def _sampled_at(level: np.ndarray, places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(n, _LINE) uint8 of a (h, w) map, bilinear, 0 beyond it."""
    return cv2.remap(level, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
