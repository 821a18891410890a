"""Which pixels of a photo are deleted because something stands before the face."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ..types import OCCLUDERS, PARTS, Parsing
from . import alignment
from .frames import frame_of
from .masks import grown, without_pieces

_UNIT = 1000  # sides of the face crop in its own thousandths: lengths below are shares of it
_CLOSED = 0.012  # half the width of a slit of seen skin that is closed
_SMALLEST_SEEN = 0.004  # share of the crop; smaller islands of seen skin within a hole are highlights on its cover
_SMALLEST_HOLE = 0.0008  # share of the crop; smaller finds are noise
_AROUND = 0.03  # reach of the face beyond the hull of its landmarks
_LIKELY = 0.5  # of the threshold: what hangs on a find is believed from here on
_RIM = 0.02  # what is unsure within this reach of kept glasses is theirs
_FRAME = 0.024  # width of a frame with what is unsure about its place
_EDGE = 1 / 3  # of the growth: a frame is seen in the photo, and its place is surer than that of other finds
_PARTLY = 0.4  # share of glasses that the parser calls clear, if they are
_BRIGHT, _BRIGHTER = 0.7, 0.75  # of the skin near them, and share of such lenses that is darker: the eyes, shadows
_NEARBY = 0.08  # reach of the skin that tells what glasses would show
_CLEAR, _DARK = _GLASSES = [OCCLUDERS.index(kind) for kind in ("clear_glasses", "dark_glasses")]
_SMALLEST = 0.085  # of the hull of the landmarks: 1 in 20 pairs of glasses is smaller, deep-set eyes are often
_ASIDE = 0.55  # ratio of the eyes' distances from the nose below which a face is seen too far from aside to say
_SKIN = PARTS.index("skin")

# Of a (H, W, 3) uint8 photo and (68, 2) landmarks: (S, S) uint8 of the face crop, 255 times the probability of a rim.
Rims = Callable[[np.ndarray, np.ndarray], np.ndarray]


class FaceWindow:
    """The face crop as a region of the photo: the only part of it that completion touches."""

    def __init__(self, points: np.ndarray, shape: tuple[int, int]) -> None:
        """`points` are (68, 2) landmarks in pixels of a photo of `shape` (height, width)."""
        matrix = alignment.crop_matrix(points, _UNIT)
        corners = np.array([[0, 0], [_UNIT, 0], [_UNIT, _UNIT], [0, _UNIT]], float) - 0.5
        corners = alignment.apply(alignment.invert(matrix), corners)
        self.side = _UNIT / float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))  # photo pixels
        limit = [shape[1], shape[0]]
        low = np.clip(np.floor(corners.min(axis=0)), 0, limit).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, limit).astype(int)
        self.part = (slice(low[1], high[1]), slice(low[0], high[0]))  # rows and columns of the photo
        self.corner = low  # (2,) int x, y of its first pixel
        self.inside = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)  # 1 in the crop
        if self.inside.size:
            cv2.fillConvexPoly(self.inside, np.rint(corners - low).astype(np.int32), 1)

    def whole(self, part: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """(H, W) uint8 0 or 255 of the photo's size for a part of it, truthy in the hole."""
        out = np.zeros(shape, np.uint8)
        out[self.part] = np.where(part, 255, 0)
        return out


def occluder_mask(
    photo: np.ndarray,
    parsing: Parsing,
    points: np.ndarray,
    *,
    threshold: float,
    grow: float,
    keep_glasses: bool,
    rims: Rims | None,
) -> np.ndarray:
    """(H, W) uint8, 255 where something stands before the face at (68, 2) `points` of a (H, W, 3) photo, else 0.

    `threshold` is of the parser's probability, `grow` in face-crop sides: rims and shadows are swallowed. The face that
    shows through clear lenses stays, if somebody tells their `rims`; without, glasses go whole.
    """
    shape = (parsing.parts.shape[0], parsing.parts.shape[1])
    window = FaceWindow(points, shape)
    found, occluder = _reached(parsing.occluded[window.part], 255.0 * threshold), parsing.occluder[window.part]
    frame = np.zeros(found.shape, np.uint8)
    if _too_small(found, occluder, points):
        found = _without_deep_eyes(found, occluder)
    elif keep_glasses:
        found = _without_glasses(found, occluder, window.side)
    elif rims is not None and found.any():
        glasses = _Glasses(photo[window.part], parsing.parts[window.part], occluder, window.side)
        if glasses.seen_through():
            frame = glasses.frame(rims(photo, points), points - window.corner, grow) & window.inside
            found = _without_glasses(found, occluder, window.side)
    hole = np.zeros(found.shape, np.uint8)
    if found.any():
        hole = _without_islands(grown(found, grow * window.side), window) & window.inside
    return window.whole(_on_face(hole | frame, points, window), shape)


def within_face(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(H, W) uint8 0 or 255: the part of a (H, W) uint8 mask, set from 128 on, that completion can fill."""
    shape = (mask.shape[0], mask.shape[1])
    window = FaceWindow(points, shape)
    return window.whole((mask[window.part] > 127) & (window.inside > 0), shape)


def covers(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: which of (N, 2) points lie on set pixels of a (H, W) mask."""
    height, width = mask.shape
    column, row = np.rint(points).astype(int).T
    within = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return within & (mask[row.clip(0, height - 1), column.clip(0, width - 1)] > 0)


def _reached(occluded: np.ndarray, level: float) -> np.ndarray:
    """(h, w) uint8, 1 in pieces above the level and in what is likely and hangs on them: rims, cuffs, straps."""
    likely = (occluded > _LIKELY * level).astype(np.uint8)
    count, labels = cv2.connectedComponents(likely, connectivity=4)
    pieces, kept = np.asarray(labels, np.int32), np.zeros(count, bool)
    kept[pieces[occluded > level]] = True
    return (kept[pieces] & (likely > 0)).astype(np.uint8)


def _without_glasses(found: np.ndarray, occluder: np.ndarray, side: float) -> np.ndarray:
    glasses = np.isin(occluder, _GLASSES)
    other = (occluder > 0) & ~glasses
    theirs = grown(glasses.astype(np.uint8), _RIM * side) > 0
    return np.where(theirs & ~other, 0, found).astype(np.uint8)


def _without_deep_eyes(found: np.ndarray, occluder: np.ndarray) -> np.ndarray:
    """Without what is called glasses, and what hangs on it and is called nothing else."""
    glasses = np.isin(occluder, _GLASSES)
    alike = found * (glasses | (occluder == 0)).astype(np.uint8)
    _, labels = cv2.connectedComponents(alike, connectivity=8)
    pieces = np.asarray(labels, np.int32)
    return np.where((pieces > 0) & np.isin(pieces, np.unique(pieces[glasses])), 0, found).astype(np.uint8)


def _too_small(found: np.ndarray, occluder: np.ndarray, points: np.ndarray) -> bool:
    """Whether what looks like glasses is smaller than any are: dark, deep-set eyes."""
    outer, bridge = points[[36, 45]], points[27]
    across = (outer[1] - outer[0]) / max(float(np.linalg.norm(outer[1] - outer[0])), 1e-6)
    right, left = (float(abs((corner - bridge) @ across)) for corner in outer)
    if min(right, left) < _ASIDE * max(right, left):
        return False
    area = float((np.isin(occluder, _GLASSES) & (found > 0)).sum())
    return area < _SMALLEST * cv2.contourArea(cv2.convexHull(points.astype(np.float32)))


class _Glasses:
    """What stands before the eyes in a part of the photo, and may be looked through."""

    def __init__(self, photo: np.ndarray, parts: np.ndarray, occluder: np.ndarray, side: float) -> None:
        """`photo` is (h, w, 3) uint8, `parts` and `occluder` (h, w) of its `Parsing`, `side` the crop's in pixels."""
        self._photo, self._parts, self._side = photo, parts, side
        self._clear, self._all = occluder == _CLEAR, np.isin(occluder, _GLASSES)
        whole = np.pad(self._all.astype(np.uint8), 1)
        self._depth = cv2.distanceTransform(whole, cv2.DIST_L2, 5)[1:-1, 1:-1]
        self._skin = (grown(self._all.astype(np.uint8), _NEARBY * side) > 0) & ~self._all & (parts == _SKIN)

    def seen_through(self) -> bool:
        """Whether the lenses show the face."""
        lenses = self._depth > _FRAME * self._side
        if self._clear.sum() < _PARTLY * self._all.sum() or not lenses.any():
            return False
        if not self._skin.any():
            return True
        grey = cv2.cvtColor(self._photo, cv2.COLOR_RGB2GRAY)
        return bool(np.quantile(grey[lenses], _BRIGHTER) >= _BRIGHT * np.median(grey[self._skin]))

    def frame(self, rims: np.ndarray, points: np.ndarray, grow: float) -> np.ndarray:
        """(h, w) uint8, 1 on the frame: (S, S) uint8 levels of rims, (68, 2) landmarks, growth in crop sides."""
        glasses, skin = self._all.astype(np.uint8), self._skin.astype(np.uint8)
        return frame_of(self._photo, points, rims, glasses, skin, _EDGE * grow)


def _without_islands(hole: np.ndarray, window: FaceWindow) -> np.ndarray:
    """The hole without specks, slits and small islands of seen skin."""
    area = window.side**2
    radius = _CLOSED * window.side
    wide = grown(np.pad(hole, round(radius) + 1), radius)
    closed = 1 - grown(1 - wide, radius)
    margin = round(radius) + 1
    hole = hole | closed[margin:-margin, margin:-margin]
    hole = without_pieces(1 - hole, _SMALLEST_SEEN * area)
    return without_pieces(1 - hole, _SMALLEST_HOLE * area)


def _on_face(hole: np.ndarray, points: np.ndarray, window: FaceWindow) -> np.ndarray:
    """The pieces of the hole that reach the face: what covers a shoulder hides nothing of it."""
    face = np.zeros_like(hole)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(points - window.corner).astype(np.int32)), 1)
    _, labels = cv2.connectedComponents(hole, connectivity=8)
    pieces = np.asarray(labels, np.int32)
    reaching = np.unique(pieces[(grown(face, _AROUND * window.side) > 0) & (hole > 0)])
    return np.isin(pieces, reaching).astype(np.uint8)
