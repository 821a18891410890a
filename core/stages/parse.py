"""Tells the parts of a head apart and finds what stands before it."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import alignment
from ..runtime.sessions import Network
from ..runtime.specs import CELLS, HEAD_SIZE
from ..types import OCCLUDERS, PARTS, Parsing
from .landmark import network_input

LEAST_SPOT = 0.0006  # share of the head crop; smaller islands of an occluder are noise
# Share of the head crop below which a thing is not there at all: less than one in a hundred synthetic pictures with
# such a thing shows so little of it.
LEAST_AREA: dict[tuple[str, ...], float] = {
    ("clear_glasses", "dark_glasses"): 0.009,
    ("mask", "scarf"): 0.02,
    ("hand",): 0.012,
    ("object",): 0.004,
}
_NONE, _GLASSES = OCCLUDERS.index("none"), PARTS.index("glasses")
_ABSENT = 26  # of 255: a class that is nowhere likelier than this cannot win a pixel


class Parse:
    """Photo and 68 landmarks -> parts and occluders of the head, at the photo's size.

    The head crop and its mirror image are looked at together; their mean is steadier than either.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._other_side = np.array([PARTS.index(_other_side(name)) for name in PARTS])

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> Parsing:
        """Parse the head at (68, 2) `points`, pixels of a (H, W, 3) uint8 RGB photo."""
        matrix = alignment.head_matrix(points, HEAD_SIZE)
        parts, occluders = self._look(network_input(alignment.extract(photo, matrix, HEAD_SIZE)))
        occluders = _without_spots(_without_traces(occluders))
        if not occluders[[OCCLUDERS.index(kind) for kind in ("clear_glasses", "dark_glasses")]].any():
            parts[_GLASSES] = 0.0
        frame = _Frame(matrix, (photo.shape[0], photo.shape[1]))
        return Parsing(
            parts=frame.winner(parts),
            occluder=frame.winner(occluders),
            occluded=frame.whole(frame.enlarged(_levels(1.0 - occluders[_NONE]))),
        )

    def _look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(19, C, C) and (7, C, C) probabilities of a (1, 3, S, S) crop."""
        out = self._network.run(image=np.concatenate([image, image[..., ::-1]]))
        parts, twin = out["classes"]
        occluders, occluder_twin = out["occluder"]
        return (parts + twin[self._other_side, :, ::-1]) / 2, (occluders + occluder_twin[..., ::-1]) / 2


class _Frame:
    """Brings maps of the head crop's cells to the photo, of which they cover a rectangle."""

    def __init__(self, matrix: np.ndarray, shape: tuple[int, int]) -> None:
        """`matrix` is the (2, 3) photo -> head crop matrix, `shape` the photo's (height, width)."""
        self._shape = shape
        corners = np.array([[0, 0], [HEAD_SIZE, 0], [0, HEAD_SIZE], [HEAD_SIZE, HEAD_SIZE]], float) - 0.5
        reach = alignment.apply(alignment.invert(matrix), corners)
        limit = [shape[1], shape[0]]
        self._low = np.clip(np.floor(reach.min(axis=0)), 0, limit).astype(int)
        self._high = np.clip(np.ceil(reach.max(axis=0)) + 1, 0, limit).astype(int)
        ratio = CELLS / HEAD_SIZE
        self._to_cells = matrix * ratio
        self._to_cells[:, 2] = alignment.apply(matrix, self._low[None].astype(float))[0] * ratio + 0.5 * (ratio - 1.0)

    def winner(self, shares: np.ndarray) -> np.ndarray:
        """(H, W) uint8 index of the likeliest of (K, C, C) probabilities; the first one's beyond the crop."""
        best = self.enlarged(_levels(shares[0]))
        index = np.zeros(best.shape, np.uint8)
        for k, share in enumerate(map(_levels, shares[1:]), start=1):
            if share.max() > _ABSENT:
                level = self.enlarged(share)
                index[level > best] = k
                np.maximum(best, level, out=best)
        return self.whole(index)

    def enlarged(self, levels: np.ndarray) -> np.ndarray:
        """(h, w) uint8 part of the photo for a (C, C) uint8 map, bilinear; 0 beyond the crop."""
        width, height = self._high - self._low
        if width * height == 0:
            return np.zeros((height, width), np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(levels, self._to_cells, (int(width), int(height)), flags=flags)

    def whole(self, part: np.ndarray) -> np.ndarray:
        """(H, W) uint8 of the photo's size with a (h, w) part in its place."""
        out = np.zeros(self._shape, np.uint8)
        out[self._low[1] : self._high[1], self._low[0] : self._high[0]] = part
        return out


def _levels(share: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 levels, which enlarge four times as fast as floats."""
    return np.rint(share * 255.0).astype(np.uint8)


def _without_traces(occluders: np.ndarray) -> np.ndarray:
    """(7, C, C) probabilities without the things of which too little is seen; their share goes to none."""
    out, winner = occluders.copy(), occluders.argmax(axis=0)
    for kinds, least in LEAST_AREA.items():
        codes = [OCCLUDERS.index(kind) for kind in kinds]
        if np.isin(winner, codes).mean() < least:
            out[_NONE] += out[codes].sum(axis=0)
            out[codes] = 0.0
    return out


def _without_spots(occluders: np.ndarray) -> np.ndarray:
    """(7, C, C) probabilities without islands of occluders that are too small to be one."""
    covered = (occluders.argmax(axis=0) > 0).astype(np.uint8)
    count, islands, statistics, _ = cv2.connectedComponentsWithStats(covered)
    small = np.flatnonzero(statistics[:, cv2.CC_STAT_AREA] < LEAST_SPOT * covered.size)
    if count == 1 or not len(small):
        return occluders
    out = occluders.copy()
    spots = np.isin(islands, small) & (covered > 0)
    out[:, spots] = 0.0
    out[_NONE, spots] = 1.0
    return out


def _other_side(name: str) -> str:
    if name.endswith("_left"):
        return name.removesuffix("_left") + "_right"
    return name.removesuffix("_right") + "_left" if name.endswith("_right") else name
