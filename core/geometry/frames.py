"""Where the frame of clear glasses runs: a line round what a parser calls glasses, found in the photo itself.

A parser knows that glasses are there, but their rims only as a wide band, and such a band holds brows and lids too.
"""

from __future__ import annotations

import cv2
import numpy as np

from . import alignment, rim_path

_SIDE = 512  # pixels of the face crop in which the frame is looked for; lengths below are shares of this side
_WIDTH = 0.042  # what is wider is no line
_INWARD, _OUTWARD = 0.045, 0.02  # reach of the frame within what the parser calls glasses, and beyond
_SHORTEST = 0.1  # outline of the smallest glasses
_LEAST, _MOST = 8.0, 16.0  # levels of 255, bounds of the contrast from which on a line is seen
_OF_SKIN = 0.75  # share of the skin whose own lines are weaker than it
_CLEAREST = 3.0  # times that contrast: a stronger line is no likelier
_FALL = 0.35  # of a line's contrast, down to which it is as wide as it is
_ALONG = 0.08  # over which a frame is about as wide as it is
_GAP, _PIECE = 0.12, 0.03  # a break in the frame that is closed, and a piece that is too short for a frame
_BROW, _EYE = 0.5, 0.25  # how much a line counts where a brow or an eye is
_LIDS, _LASHES = 0.006, 0.03  # reach of the lids round the eyes, and of all that is narrow and dark there
_JOINED = 0.03  # reach of hinges and pads beyond the rim
_AROUND = 0.06  # reach of the skin that a line is compared with
_COARSE = 8  # pixels of the crop to one of those in which that skin is averaged
_BLUR = 1.2  # photo pixels by which an edge reaches beyond its line
_ROUNDED = 1.5  # pixels of the crop over which the outline of what is deleted is smoothed
_EYES = (slice(36, 42), slice(42, 48))  # of the 68 landmarks


def frame_of(
    photo: np.ndarray, points: np.ndarray, glasses: np.ndarray, skin: np.ndarray, brows: np.ndarray, reach: float
) -> np.ndarray:
    """(H, W) uint8, 1 on the frame of glasses of the face at (68, 2) `points` in a (H, W, 3) uint8 photo.

    `glasses` (H, W) uint8 is set on them, lenses and all, `skin` where bare skin shows that tells its own lines and
    grain, `brows` on brows. `reach` is in face-crop sides: the frame is grown by it, and its blurred edge swallowed.
    """
    matrix = alignment.crop_matrix(points, _SIDE)
    seen = alignment.extract(photo, matrix, _SIDE, cv2.BORDER_REFLECT_101).image
    glasses, skin, brows = (
        cv2.warpAffine(part, matrix, (_SIDE, _SIDE), flags=cv2.INTER_NEAREST) for part in (glasses, skin, brows)
    )
    part = _surroundings(glasses)
    eyes = _eyes(alignment.apply(matrix, points))
    pixel = float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) / _SIDE
    near = _frame(seen[part], glasses[part], skin[part], brows[part], eyes[part], max(reach, _BLUR * pixel))
    rim = np.zeros((_SIDE, _SIDE), np.float32)
    rim[part] = near
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return (cv2.warpAffine(rim, matrix, photo.shape[1::-1], flags=flags) >= 0.5).astype(np.uint8)


def _surroundings(glasses: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of (S, S) glasses and of all that they are compared with."""
    margin, (left, top, width, height) = round(_AROUND * _SIDE), cv2.boundingRect(glasses)
    return slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin)


def _frame(
    picture: np.ndarray, glasses: np.ndarray, skin: np.ndarray, brows: np.ndarray, eyes: np.ndarray, reach: float
) -> np.ndarray:
    """(h, w) float32, from 0.5 on where the frame is: `frame_of` in a part of the crop."""
    contrast = _lines(picture, skin)
    level = _level(contrast, skin)
    contrast[brows > 0] *= _BROW
    contrast[_wider(eyes, _LIDS) > 0] *= _EYE
    rim = _rims(contrast / level, glasses)
    rim |= _joined(contrast > level, rim, glasses, eyes)
    return cv2.GaussianBlur(_wider(rim, reach).astype(np.float32), (0, 0), _ROUNDED)


def _lines(picture: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(h, w) float32: by how many levels narrow things in a (h, w, 3) picture differ from skin, and from both sides.

    That is in the channel where they do most: frames may be as bright as skin, but of another colour.
    """
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    around = _disc(0.5 * _WIDTH)
    dark, bright = (cv2.morphologyEx(smooth, how, around) for how in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    darker = _usual(smooth, skin) - smooth
    contrast = np.maximum(np.minimum(dark, darker), np.minimum(bright, -darker))
    return contrast.max(axis=2).clip(0.0).astype(np.float32)


def _usual(picture: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32 colour of the skin around."""
    weight = ((skin > 0).astype(np.float32) + np.float32(1e-6))[..., None]
    size = skin.shape[::-1]
    few = (max(size[0] // _COARSE, 1), max(size[1] // _COARSE, 1))
    sums = cv2.resize(np.concatenate([picture * weight, weight], axis=2), few, interpolation=cv2.INTER_AREA)
    sums = cv2.GaussianBlur(sums, (0, 0), _AROUND * _SIDE / _COARSE)
    sums = cv2.resize(sums, size, interpolation=cv2.INTER_LINEAR)
    return sums[..., :3] / sums[..., 3:]


def _level(contrast: np.ndarray, skin: np.ndarray) -> float:
    """Contrast that few lines of the skin itself have."""
    own = contrast[skin > 0]
    return float(np.clip(np.quantile(own, _OF_SKIN), _LEAST, _MOST)) if len(own) else _MOST


def _rims(contrast: np.ndarray, glasses: np.ndarray) -> np.ndarray:
    """(h, w) uint8, 1 on the lines round the glasses, as wide as they are seen."""
    out = np.zeros_like(glasses)
    for strip in rim_path.strips_round(glasses, _INWARD * _SIDE, _OUTWARD * _SIDE, _SHORTEST * _SIDE):
        across = strip.sampled(contrast)
        line = rim_path.best_line(np.minimum(across, _CLEAREST))
        low, high = _flanks(across, line)
        seen = _unbroken(across[np.arange(len(line)), line] > 1.0)
        low, high = (_median(side, seen) for side in (low, high))
        middle = strip.at(strip.offsets[line] + 0.5 * (high + low))
        _draw(out, middle, 0.5 * (high - low) + 1.0, seen)
    return out


def _flanks(across: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far, in pixels, a line in (N, D) contrasts reaches to either side of its (N,) columns: <= 0 and >= 0."""
    rows, columns = np.arange(len(line))[:, None], np.arange(across.shape[1])[None]
    weak = across <= _FALL * across[rows, line[:, None]]
    low = np.where(weak & (columns < line[:, None]), columns, -1).max(axis=1) + 1
    high = np.where(weak & (columns > line[:, None]), columns, across.shape[1]).min(axis=1) - 1
    return (low - line).astype(np.float32), (high - line).astype(np.float32)


def _unbroken(seen: np.ndarray) -> np.ndarray:
    """(N,) bool without short breaks, and then without short pieces."""
    rounds = len(seen)
    ring = np.tile(seen.astype(np.uint8), 3)[None]
    for how, length in ((cv2.MORPH_CLOSE, _GAP), (cv2.MORPH_OPEN, _PIECE)):
        places = max(round(length * _SIDE / rim_path.STEP), 1) | 1
        ring = cv2.morphologyEx(ring, how, np.ones((1, places), np.uint8))
    return ring[0, rounds : 2 * rounds] > 0


def _median(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(N,) running median of a closed line's (N,) values."""
    count, half = len(values), max(round(0.5 * _ALONG * _SIDE / rim_path.STEP), 1)
    around = (np.arange(count)[:, None] + np.arange(-half, half + 1)[None]) % count
    near = np.where(seen[around], values[around], np.nan)
    near[np.isnan(near).all(axis=1)] = 0.0
    return np.nanmedian(near, axis=1).astype(np.float32)


def _draw(out: np.ndarray, middle: np.ndarray, half: np.ndarray, seen: np.ndarray) -> None:
    """Closed polyline through (N, 2) points as (N,) pixels wide to either side, where it is (N,) seen."""
    following = np.roll(middle, -1, axis=0)
    for place in np.flatnonzero(seen & np.roll(seen, -1)):
        begin, end = (np.rint(point).astype(int).tolist() for point in (middle[place], following[place]))
        cv2.line(out, begin, end, 1, max(round(2.0 * float(half[place])), 1))


def _joined(strong: np.ndarray, rim: np.ndarray, glasses: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """(h, w) uint8: hinges, bridge and pads, that hang on the rim; not what is seen through the lenses."""
    near = (_wider(rim, _JOINED) > 0) & (glasses > 0) & (_wider(eyes, _LASHES) == 0)
    pieces = (strong & near).astype(np.uint8) | rim
    _, labels = cv2.connectedComponents(pieces, connectivity=8)
    labels = np.asarray(labels, np.int32)
    return np.isin(labels, np.unique(labels[rim > 0])).astype(np.uint8)


def _eyes(points: np.ndarray) -> np.ndarray:
    """(S, S) uint8, 1 on the eyes of (68, 2) landmarks in the crop."""
    eyes = np.zeros((_SIDE, _SIDE), np.uint8)
    for eye in _EYES:
        cv2.fillConvexPoly(eyes, cv2.convexHull(np.rint(points[eye]).astype(np.int32)), 1)
    return eyes


def _wider(mask: np.ndarray, reach: float) -> np.ndarray:
    return (cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) <= reach * _SIDE).astype(np.uint8)


def _disc(radius: float) -> np.ndarray:
    """Structuring element of `radius` crop sides."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(radius * _SIDE) + 1,) * 2)
