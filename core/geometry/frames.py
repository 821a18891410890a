"""Where the frame of clear glasses runs: lines of the photo where a network is inclined to see a rim.

The network knows rims from brows, lids and wrinkles, but their place only to some pixels of its small crop. Lines of
the photo know their place.
"""

from __future__ import annotations

import cv2
import numpy as np

from . import alignment
from .masks import grown, without_pieces

_SIDE = 512  # pixels of the face crop in which the frame is looked for; lengths below are shares of this side
_WIDTH = 0.042  # what is wider is no line
_TEMPLES = 0.12  # reach of hinges and temples beyond what the parser calls glasses
_LEAST, _MOST = 8.0, 16.0  # levels of 255, bounds of the contrast from which on a line is seen
_OF_SKIN = 0.75  # share of the skin whose own lines are weaker than it
_CLEAREST = 3.0  # times that contrast: a stronger line is no likelier
_ENOUGH = 0.35  # contrast in that unit times the network's probability: what is surely a rim may be fainter
_LIDS = 0.006  # reach of the lids round the eyes, which are no rims
_CLOSED = 0.018  # breaks in a line, and highlights on it, that are closed
_SMALLEST = 0.0004  # share of the crop; smaller pieces are no frame
_AROUND = 0.06  # reach of the skin that a line is compared with
_COARSE = 8  # pixels of the crop to one of those in which that skin is averaged
_BLUR = 1.2  # photo pixels by which an edge reaches beyond its line
_ROUNDED = 1.5  # pixels of the crop over which the outline of what is deleted is smoothed
_EYES = (slice(36, 42), slice(42, 48))  # of the 68 landmarks


def frame_of(
    photo: np.ndarray, points: np.ndarray, rims: np.ndarray, glasses: np.ndarray, skin: np.ndarray, reach: float
) -> np.ndarray:
    """(H, W) uint8, 1 on the frame of glasses of the face at (68, 2) `points` in a (H, W, 3) uint8 photo.

    `rims` (S, S) uint8, of the face crop at any size, are 255 times the probability of a rim. `glasses` (H, W) uint8
    is set on them, lenses and all, `skin` where bare skin shows that tells its own lines. `reach` is in face-crop
    sides: the frame is grown by it, and its blurred edge swallowed.
    """
    matrix = alignment.crop_matrix(points, _SIDE)
    seen = alignment.extract(photo, matrix, _SIDE, cv2.BORDER_REFLECT_101).image
    glasses, skin = (cv2.warpAffine(part, matrix, (_SIDE, _SIDE), flags=cv2.INTER_NEAREST) for part in (glasses, skin))
    likely = cv2.resize(rims, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    eyes = _eyes(alignment.apply(matrix, points))
    part = _surroundings(glasses)
    pixel = float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) / _SIDE
    lines = _lines(seen[part], skin[part])
    lines[grown(eyes[part], _LIDS * _SIDE) > 0] = 0.0
    frame = (np.minimum(lines, _CLEAREST) * likely[part] > 255.0 * _ENOUGH).astype(np.uint8)
    frame = cv2.morphologyEx(frame & grown(glasses[part], _TEMPLES * _SIDE), cv2.MORPH_CLOSE, _disc(_CLOSED))
    frame = grown(without_pieces(frame, _SMALLEST * _SIDE**2, connectivity=8), max(reach, _BLUR * pixel) * _SIDE)
    out = np.zeros((_SIDE, _SIDE), np.float32)
    out[part] = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), _ROUNDED)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return (cv2.warpAffine(out, matrix, photo.shape[1::-1], flags=flags) >= 0.5).astype(np.uint8)


def _surroundings(glasses: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of (S, S) glasses, of their temples and of all that they are compared with."""
    margin, (left, top, width, height) = round(_TEMPLES * _SIDE), cv2.boundingRect(glasses)
    return slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin)


def _lines(picture: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(h, w) float32: how narrow things in a (h, w, 3) picture differ from skin, and from both sides.

    The unit is the contrast that few lines of the skin itself have. What counts is the channel where things differ
    most: frames may be as bright as skin, but of another colour.
    """
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    around = _disc(_WIDTH)
    dark, bright = (cv2.morphologyEx(smooth, how, around) for how in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    darker = _usual(smooth, skin) - smooth
    contrast = np.maximum(np.minimum(dark, darker), np.minimum(bright, -darker)).max(axis=2).clip(0.0)
    own = contrast[skin > 0]
    level = float(np.clip(np.quantile(own, _OF_SKIN), _LEAST, _MOST)) if len(own) else _MOST
    return (contrast / level).astype(np.float32)


def _usual(picture: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32 colour of the skin around."""
    weight = ((skin > 0).astype(np.float32) + np.float32(1e-6))[..., None]
    size = skin.shape[::-1]
    few = (max(size[0] // _COARSE, 1), max(size[1] // _COARSE, 1))
    sums = cv2.resize(np.concatenate([picture * weight, weight], axis=2), few, interpolation=cv2.INTER_AREA)
    sums = cv2.GaussianBlur(sums, (0, 0), _AROUND * _SIDE / _COARSE)
    sums = cv2.resize(sums, size, interpolation=cv2.INTER_LINEAR)
    return sums[..., :3] / sums[..., 3:]


def _eyes(points: np.ndarray) -> np.ndarray:
    """(S, S) uint8, 1 on the eyes of (68, 2) landmarks in the crop."""
    eyes = np.zeros((_SIDE, _SIDE), np.uint8)
    for eye in _EYES:
        cv2.fillConvexPoly(eyes, cv2.convexHull(np.rint(points[eye]).astype(np.int32)), 1)
    return eyes


def _disc(width: float) -> np.ndarray:
    """Structuring element, about as wide as so many crop sides."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(0.5 * width * _SIDE) + 1,) * 2)
