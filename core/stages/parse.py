"""Tells the parts of a head apart and finds what stands before it."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import alignment
from ..runtime.sessions import Network
from ..runtime.specs import CELLS, HEAD_SIZE
from ..types import OCCLUDERS, PARTS, Parsing
from .landmark import network_input

CLOSE_SHARE = 0.75  # weight of the close look where it sees; the look at the whole head knows the surroundings
CLOSE_RAMP = 0.12  # of the close crop: its border, over which its weight falls to nothing
LEAST_SPOT = 0.0006  # share of the head crop; smaller islands of an occluder are noise
# Share of the head crop below which a thing is not there at all: less than one in a hundred synthetic pictures with
# such a thing shows so little of it.
LEAST_AREA: dict[tuple[str, ...], float] = {
    ("clear_glasses", "dark_glasses"): 0.009,
    ("mask", "scarf"): 0.02,
    ("hand",): 0.012,
    ("object",): 0.004,
}
_ABSENT = 26  # of 255: a class that is nowhere likelier than this cannot win a pixel
_NONE, _GLASSES = OCCLUDERS.index("none"), PARTS.index("glasses")
_GLASSES_KINDS = [OCCLUDERS.index(kind) for kind in ("clear_glasses", "dark_glasses")]


class Parse:
    """Photo and 68 landmarks -> parts and occluders of the head, at the photo's size.

    The network looks at the whole head, once more mirrored, and closer at the face, where eyes and lips are small. The
    looks are joined in the pixels of the head crop. Whether something stands before the head is seen from afar alone:
    the close crop ends where glasses, masks and hands go on, and takes shadows and wrinkles for them.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._other_side = np.array([PARTS.index(_other_side(name)) for name in PARTS])

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> Parsing:
        """Parse the head at (68, 2) `points`, pixels of a (H, W, 3) uint8 RGB photo."""
        head, close = alignment.head_matrix(points, HEAD_SIZE), alignment.close_matrix(points, HEAD_SIZE)
        wide, near = (network_input(alignment.extract(photo, matrix, HEAD_SIZE)) for matrix in (head, close))
        out = self._network.run(image=np.concatenate([wide, wide[..., ::-1], near]))
        parts, occluders = out["classes"], out["occluder"]
        far = _levels((parts[0] + parts[1, self._other_side, :, ::-1]) / 2)
        parts = _Join(head, close)(far, _levels(parts[2]))
        occluders = _fine(_levels((occluders[0] + occluders[1, ..., ::-1]) / 2))
        occluders = _without_spots(_without_traces(occluders))
        parts[_GLASSES] = occluders[_GLASSES_KINDS].max(axis=0)  # one answer for both maps
        frame = _Frame(head, (photo.shape[0], photo.shape[1]))
        return Parsing(
            parts=frame.winner(parts),
            occluder=frame.winner(occluders),
            occluded=frame.whole(frame.enlarged(255 - occluders[_NONE])),
        )


class _Join:
    """Joins cells of the head crop and of the close crop into maps as fine as the head crop's pixels."""

    def __init__(self, head: np.ndarray, close: np.ndarray) -> None:
        """`head` and `close` are (2, 3) matrices from the photo to their crops."""
        size = (HEAD_SIZE, HEAD_SIZE)
        back = np.vstack([alignment.invert(head), [0.0, 0.0, 1.0]])
        self._to_close = _to_cells(close @ back)
        ramp = max(round(CLOSE_RAMP * CELLS), 1)
        inside = np.zeros((CELLS, CELLS), np.float32)
        inside[ramp:-ramp, ramp:-ramp] = CLOSE_SHARE
        inside = cv2.blur(inside, (2 * ramp - 1, 2 * ramp - 1), borderType=cv2.BORDER_CONSTANT)
        self._near = cv2.warpAffine(inside, self._to_close, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        self._far = 1.0 - self._near

    def __call__(self, far: np.ndarray, near: np.ndarray) -> np.ndarray:
        """(K, S, S) uint8 levels of (K, C, C) uint8 levels of both looks; what neither sees stays 0."""
        out, flags = _fine(far), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for k in np.flatnonzero(np.maximum(far.max(axis=(1, 2)), near.max(axis=(1, 2))) > _ABSENT):
            sharp = cv2.warpAffine(near[k], self._to_close, out.shape[1:], flags=flags)
            out[k] = cv2.blendLinear(sharp, out[k], self._near, self._far)
        return out


class _Frame:
    """Brings maps of the head crop to the photo, of which they cover a rectangle."""

    def __init__(self, matrix: np.ndarray, shape: tuple[int, int]) -> None:
        """`matrix` is the (2, 3) photo -> head crop matrix, `shape` the photo's (height, width)."""
        self._shape = shape
        corners = np.array([[0, 0], [HEAD_SIZE, 0], [0, HEAD_SIZE], [HEAD_SIZE, HEAD_SIZE]], float) - 0.5
        reach = alignment.apply(alignment.invert(matrix), corners)
        limit = [shape[1], shape[0]]
        self._low = np.clip(np.floor(reach.min(axis=0)), 0, limit).astype(int)
        self._high = np.clip(np.ceil(reach.max(axis=0)) + 1, 0, limit).astype(int)
        self._to_crop = matrix.copy()
        self._to_crop[:, 2] = alignment.apply(matrix, self._low[None].astype(float))[0]

    def winner(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 index of the highest of (K, S, S) uint8 levels; the first one's beyond the crop."""
        best = self.enlarged(levels[0])
        index = np.zeros(best.shape, np.uint8)
        for k, level in enumerate(levels[1:], start=1):
            if level.max() > _ABSENT:
                level = self.enlarged(level)
                index[level > best] = k
                np.maximum(best, level, out=best)
        return self.whole(index)

    def enlarged(self, levels: np.ndarray) -> np.ndarray:
        """(h, w) uint8 part of the photo for a (S, S) uint8 map, bilinear; 0 beyond the crop."""
        width, height = self._high - self._low
        if width * height == 0:
            return np.zeros((height, width), np.uint8)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(levels, self._to_crop, (int(width), int(height)), flags=flags)

    def whole(self, part: np.ndarray) -> np.ndarray:
        """(H, W) uint8 of the photo's size with a (h, w) part in its place."""
        out = np.zeros(self._shape, np.uint8)
        out[self._low[1] : self._high[1], self._low[0] : self._high[0]] = part
        return out


def _levels(share: np.ndarray) -> np.ndarray:
    """Probabilities as uint8 levels, which are enlarged four times as fast as floats."""
    return np.rint(share * 255.0).astype(np.uint8)


def _fine(levels: np.ndarray) -> np.ndarray:
    """(K, S, S) uint8 levels of the head crop's pixels for (K, C, C) levels of its cells."""
    size = (HEAD_SIZE, HEAD_SIZE)
    return np.stack([cv2.resize(level, size, interpolation=cv2.INTER_LINEAR) for level in levels])


def _to_cells(matrix: np.ndarray) -> np.ndarray:
    """A (2, 3) matrix to a crop's pixels, continued to its cells."""
    ratio = CELLS / HEAD_SIZE
    out = matrix * ratio
    out[:, 2] += 0.5 * (ratio - 1.0)
    return out


def _without_traces(occluders: np.ndarray) -> np.ndarray:
    """(7, S, S) levels without the things of which too little is seen; their share goes to none."""
    out, winner = occluders.copy(), occluders.argmax(axis=0)
    for kinds, least in LEAST_AREA.items():
        codes = [OCCLUDERS.index(kind) for kind in kinds]
        if np.isin(winner, codes).mean() < least:
            for code in codes:
                cv2.add(out[_NONE], out[code], dst=out[_NONE])  # saturates
            out[codes] = 0
    return out


def _without_spots(occluders: np.ndarray) -> np.ndarray:
    """(7, S, S) levels without islands of occluders that are too small to be one."""
    covered = (occluders.argmax(axis=0) > 0).astype(np.uint8)
    count, islands, statistics, _ = cv2.connectedComponentsWithStats(covered)
    small = np.flatnonzero(statistics[:, cv2.CC_STAT_AREA] < LEAST_SPOT * covered.size)
    if count == 1 or not len(small):
        return occluders
    out = occluders.copy()
    spots = np.isin(islands, small) & (covered > 0)
    out[:, spots] = 0
    out[_NONE, spots] = 255
    return out


def _other_side(name: str) -> str:
    if name.endswith("_left"):
        return name.removesuffix("_left") + "_right"
    return name.removesuffix("_right") + "_left" if name.endswith("_right") else name
