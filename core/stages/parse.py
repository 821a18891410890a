"""Tells the parts of a head apart and finds what stands before it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..geometry import alignment, level_maps
from ..geometry.mirroring import MIRRORED_PARTS
from ..runtime.sessions import Network
from ..runtime.specs import CELLS, HEAD_SIZE
from ..types import OCCLUDERS, PARTS, Parsing
from .landmark import network_input

CLOSE_SHARE = 0.65  # weight of the close look where it sees; the two looks at the whole head are steadier
CLOSE_RAMP = 0.06  # of the close crop: its border, over which its weight falls to nothing
LEAST_SPOT = 0.0006  # share of the head crop; smaller islands of an occluder are noise
# Share of the head crop below which a thing is not there at all: less than one in a hundred synthetic pictures with
# such a thing shows so little of it.
LEAST_AREA: dict[tuple[str, ...], float] = {
    ("clear_glasses", "dark_glasses"): 0.009,
    ("mask", "scarf"): 0.02,
    ("hand",): 0.012,
    ("object",): 0.004,
}
# Glasses are one thing. Two spots at the eyes with little between them, small and nowhere quite sure, are eyes deep in
# shadow; one in seventeen rendered pairs that are found looks like that too.
SPOT, SPOTS = 0.003, 0.03  # shares of the head crop: of each of the spots at least, of both at most
SURE, BRIDGE = 253, 102  # levels: the highest of the spots, and of the bridge
_ACROSS, _DOWN = np.linspace(-0.18, 0.18, 5), np.linspace(0.0, 1.2, 7)  # where a bridge is looked for
# Hair and hats look alike piece by piece, so that they are told apart for the head as a whole: what hangs beside the
# face below the eyes is hair, or else a scarf or hood; and a hat is no patch of the hair. With these bounds 17 of 19
# rendered hats are found, and 4 on 169 bare heads; of what hangs down from hats, one half is called hair.
LEAST_HAT = 0.5  # of the hair's area above the eyes
LEAST_SCARF = 4.0  # the same below them: long hair is far commoner
PRINT = 0.75  # share of the outline of a thing that borders on a mask from which it is the mask's print or valve
WITHIN_LIPS = 0.8  # share of a thing within the lips' outline from which it is the mouth itself, wide open and dark
_BRIDGE = 28  # landmark between the eyes
_OUTER_LIPS = slice(48, 60)
_NONE, _GLASSES = OCCLUDERS.index("none"), PARTS.index("glasses")
_HAIR, _HAT = PARTS.index("hair"), PARTS.index("hat")
_GLASSES_KINDS = [OCCLUDERS.index(kind) for kind in ("clear_glasses", "dark_glasses")]
_MASK, _OBJECT = OCCLUDERS.index("mask"), OCCLUDERS.index("object")


def _to_cells(matrix: np.ndarray) -> np.ndarray:
    """A (2, 3) matrix to a crop's pixels, continued to its cells."""
    ratio = CELLS / HEAD_SIZE
    out = matrix * ratio
    out[:, 2] += 0.5 * (ratio - 1.0)
    return out


_TO_CELLS = _to_cells(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))  # from the head crop's pixels
_FROM_CELLS = alignment.invert(_TO_CELLS)
_OTHER_SIDE = np.array(MIRRORED_PARTS)
_WHOLE = level_maps.Window(0, 0, HEAD_SIZE, HEAD_SIZE)


class Parse:
    """Photo and 68 landmarks -> parts and occluders of the head, at the photo's size.

    The network looks at the whole head, once more mirrored, and closer at the face, where eyes and lips are small. The
    looks are joined in the pixels of the head crop. Whether something stands before the head is seen from afar alone:
    the close crop ends where glasses, masks and hands go on, and takes shadows and wrinkles for them.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> Parsing:
        """Parse the head at (68, 2) `points`, pixels of a (H, W, 3) uint8 RGB photo."""
        head, close = alignment.head_matrix(points, HEAD_SIZE), alignment.close_matrix(points, HEAD_SIZE)
        wide, near = (network_input(alignment.extract(photo, matrix, HEAD_SIZE)) for matrix in (head, close))
        out = self._network.run(image=np.concatenate([wide, wide[..., ::-1], near]))
        parts, occluders = out["classes"], out["occluder"]
        far, sharp = _levels(parts[0], parts[1][_OTHER_SIDE]), _levels(parts[2])
        in_head, in_close = (alignment.apply(_to_cells(matrix), points) for matrix in (head, close))
        _tell_hats_from_hair(far, sharp, _row(in_head), _row(in_close))
        parts = _Join(head, close)(far, sharp)
        occluders = _with_prints(_without_spots(_without_traces(_levels(occluders[0], occluders[1]))))
        occluders = _without_eye_shadows(_without_open_mouth(occluders, in_head), in_head)
        occluders = _fine(occluders)
        parts[_GLASSES] = occluders[_GLASSES_KINDS].max(axis=0)  # one answer for both maps
        frame = _Frame(head, (photo.shape[0], photo.shape[1]))
        return Parsing(
            parts=frame.winner(parts),
            occluder=frame.winner(occluders),
            occluded=frame.enlarged(255 - occluders[_NONE]),
        )


class _Join:
    """Joins cells of the head crop and of the close crop into maps as fine as the head crop's pixels."""

    def __init__(self, head: np.ndarray, close: np.ndarray) -> None:
        """`head` and `close` are (2, 3) matrices from the photo to their crops."""
        back = np.vstack([alignment.invert(head), [0.0, 0.0, 1.0]])
        self._to_close = _to_cells(close @ back)
        self._from_close = alignment.invert(self._to_close)
        ramp = max(round(CLOSE_RAMP * CELLS), 1)
        inside = np.zeros((CELLS, CELLS), np.float32)
        inside[ramp:-ramp, ramp:-ramp] = CLOSE_SHARE
        inside = cv2.blur(inside, (2 * ramp - 1, 2 * ramp - 1), borderType=cv2.BORDER_CONSTANT)
        self._near = level_maps.sampled(inside, self._to_close, _WHOLE)
        self._far = 1.0 - self._near
        self._overlap = level_maps.seen((self._near > 0.0).view(np.uint8) * np.uint8(255))

    def __call__(self, far: np.ndarray, near: np.ndarray) -> np.ndarray:
        """(K, S, S) uint8 levels of (K, C, C) uint8 levels of both looks; 0 where both are faint."""
        out, shape = np.zeros((len(far), HEAD_SIZE, HEAD_SIZE), np.uint8), (HEAD_SIZE, HEAD_SIZE)
        for k in range(len(far)):
            window = level_maps.seen(far[k]).carried(_FROM_CELLS, shape)
            window = window.joined(level_maps.seen(near[k]).carried(self._from_close, shape))
            if 0 in window.size:
                continue
            out[k][window.slices] = level_maps.sampled(far[k], _TO_CELLS, window, cv2.BORDER_REPLICATE)
            both = window.shared(self._overlap)
            if 0 not in both.size:
                there = both.slices
                sharp = level_maps.sampled(near[k], self._to_close, both)
                out[k][there] = cv2.blendLinear(sharp, out[k][there], self._near[there], self._far[there])
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
        self._size = (int(self._high[1] - self._low[1]), int(self._high[0] - self._low[0]))

    def winner(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 index of the highest of (K, S, S) uint8 levels; the first one's beyond the crop."""
        return self.whole(level_maps.winner(levels, self._to_crop, self._size))

    def enlarged(self, levels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 of the photo's size for a (S, S) uint8 map, bilinear; 0 beyond the crop."""
        window = level_maps.Window(0, 0, self._size[1], self._size[0])
        return self.whole(level_maps.sampled(levels, self._to_crop, window))

    def whole(self, part: np.ndarray) -> np.ndarray:
        """(H, W) uint8 of the photo's size with a (h, w) part in its place."""
        out = np.zeros(self._shape, np.uint8)
        out[self._low[1] : self._high[1], self._low[0] : self._high[0]] = part
        return out


def _levels(share: np.ndarray, mirrored: np.ndarray | None = None) -> np.ndarray:
    """(K, C, C) uint8 levels of probabilities, or of their mean with those of a mirrored look."""
    flat = share.reshape(-1, share.shape[-1])
    if mirrored is None:
        return cv2.convertScaleAbs(flat, alpha=255.0).reshape(share.shape)
    other = cv2.flip(mirrored.reshape(flat.shape), 1)
    return cv2.addWeighted(flat, 127.5, other, 127.5, 0.0, dtype=cv2.CV_8U).reshape(share.shape)


def _fine(levels: np.ndarray) -> np.ndarray:
    """(K, S, S) uint8 levels of the head crop's pixels for (K, C, C) levels of its cells."""
    out = np.zeros((len(levels), HEAD_SIZE, HEAD_SIZE), np.uint8)
    for k in np.flatnonzero(levels.any(axis=(1, 2))):
        cv2.resize(levels[k], (HEAD_SIZE, HEAD_SIZE), dst=out[k], interpolation=cv2.INTER_LINEAR)
    return out


def _row(points: np.ndarray) -> int:
    """Row of cells at the bridge of the nose of (68, 2) points in cells of a crop."""
    return round(float(np.clip(points[_BRIDGE, 1], 0, CELLS)))


def _tell_hats_from_hair(far: np.ndarray, near: np.ndarray, far_row: int, near_row: int) -> None:
    """Decide in (K, C, C) levels of the whole head where there are hats; in place, in those of the close look too.

    Above and below the row of the eyes, of each look, on its own.
    """
    first = level_maps.highest(far)
    (hair_above, hat_above), (hair_beside, hat_beside) = (
        [int(np.count_nonzero(first[rows] == part)) for part in (_HAIR, _HAT)]
        for rows in (slice(None, far_row), slice(far_row, None))
    )
    wrapped = hat_beside > LEAST_SCARF * hair_beside
    for levels, row in ((far, far_row), (near, near_row)):
        _hand_over(levels[:, row:], *((_HAIR, _HAT) if wrapped else (_HAT, _HAIR)))
        if hat_above < LEAST_HAT * hair_above:
            _hand_over(levels[:, :row], _HAT, _HAIR)


def _hand_over(levels: np.ndarray, giver: int, taker: int) -> None:
    """Give all levels of one class to another, in place."""
    levels[taker] = cv2.add(levels[taker], levels[giver])  # saturates
    levels[giver] = 0


def _without_traces(occluders: np.ndarray) -> np.ndarray:
    """(7, C, C) levels without the things of which too little is seen; their share goes to none."""
    out, first = occluders.copy(), level_maps.highest(occluders)
    for kinds, least in LEAST_AREA.items():
        codes = [OCCLUDERS.index(kind) for kind in kinds]
        if sum(int(np.count_nonzero(first == code)) for code in codes) < least * first.size:
            _drop(out, codes)
    return out


def _without_eye_shadows(occluders: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(7, C, C) levels without glasses that are eyes in shadow, for (68, 2) landmarks in cells."""
    glasses = cv2.add(*occluders[_GLASSES_KINDS])
    worn = np.isin(level_maps.highest(occluders), _GLASSES_KINDS).view(np.uint8)
    _, _, statistics, _ = cv2.connectedComponentsWithStats(worn)
    spots = statistics[1:, cv2.CC_STAT_AREA]
    if (spots >= SPOT * worn.size).sum() < 2 or spots.sum() > SPOTS * worn.size or glasses[worn > 0].max() > SURE:
        return occluders
    middles = points[27] + _DOWN[:, None] * (points[28] - points[27])
    places = (middles[:, None] + _ACROSS[:, None] * (points[42] - points[39])).astype(np.float32)
    between = cv2.remap(glasses, places[..., 0], places[..., 1], cv2.INTER_LINEAR).mean(axis=1)
    out = occluders
    if between.max() < BRIDGE:
        out = occluders.copy()
        _drop(out, _GLASSES_KINDS)
    return out


def _drop(occluders: np.ndarray, codes: list[int]) -> None:
    """Give the levels of some occluders to none, in place."""
    for code in codes:
        cv2.add(occluders[_NONE], occluders[code], dst=occluders[_NONE])  # saturates
    occluders[codes] = 0


def _without_spots(occluders: np.ndarray) -> np.ndarray:
    """(7, C, C) levels without islands of occluders that are too small to be one."""
    covered = (level_maps.highest(occluders) > 0).view(np.uint8)
    count, islands, statistics, _ = cv2.connectedComponentsWithStats(covered)
    small = np.flatnonzero(statistics[:, cv2.CC_STAT_AREA] < LEAST_SPOT * covered.size)
    if count == 1 or not len(small):
        return occluders
    out = occluders.copy()
    spots = np.isin(islands, small) & (covered > 0)
    out[:, spots] = 0
    out[_NONE, spots] = 255
    return out


def _with_prints(occluders: np.ndarray) -> np.ndarray:
    """(7, C, C) levels in which a thing within a mask is part of it: a printed mouth, a badge, a valve.

    Of 41 rendered things before a mask, one has `PRINT` of its outline on it.
    """
    out, first = occluders, level_maps.highest(occluders)
    if not (first == _MASK).any():
        return occluders
    for thing, outline in _things(first):
        if (first[outline] == _MASK).mean() >= PRINT:
            out = occluders.copy() if out is occluders else out
            out[_MASK, thing], out[_OBJECT, thing] = occluders[_OBJECT, thing], occluders[_MASK, thing]
    return out


def _without_open_mouth(occluders: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(7, C, C) levels without things that are nothing but an open mouth, for (68, 2) landmarks in cells.

    Of 212 rendered things that reach over the lips, one has `WITHIN_LIPS` of itself there.
    """
    out, first = occluders, level_maps.highest(occluders)
    lips = np.zeros(first.shape, np.uint8)
    cv2.fillConvexPoly(lips, cv2.convexHull(np.rint(points[_OUTER_LIPS]).astype(np.int32)), 1)
    for thing, outline in _things(first):
        if lips[thing].mean() >= WITHIN_LIPS and not first[outline].any():
            out = occluders.copy() if out is occluders else out
            out[_NONE, thing], out[_OBJECT, thing] = 255, 0
    return out


def _things(first: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(C, C) bool of each piece of (C, C) codes that is called a thing, and of the cells round it."""
    things = (first == _OBJECT).view(np.uint8)
    if things.any():
        count, pieces = cv2.connectedComponents(things)
        for piece in range(1, count):
            inside = pieces == piece
            yield inside, (cv2.dilate(inside.view(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~inside
