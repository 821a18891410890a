"""How far the parser sees a mouth open, and what shows in it: landmarks place lips that touch a little apart."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import PARTS
from . import lighting
from .delighting import LUMINANCE, smoothstep

_INTERIOR = PARTS.index("mouth")
_LIPS = (PARTS.index("upper_lip"), PARTS.index("lower_lip"))
_SKIN = (PARTS.index("skin"), PARTS.index("nose"))
_MOUTH = slice(48, 68)
_CORNERS = (48, 54)
_AROUND = 0.08  # of the mouth's width, beyond the landmarks' outline
_SKIN_AROUND = 0.5  # of the same, in which skin is looked at
_HIDDEN = 128  # of 255
LEAST_LIPS = 0.04  # area of the lips in sight over the mouth's squared width, below which they tell nothing
LEAST_PIXELS = 40  # of the lips
_MIDDLE = (0.25, 0.75)  # of the mouth's width, between which teeth are looked for
_TEETH = (0.2, 0.6)  # of the opening's height, in which upper teeth show if they show at all
_LEAST_OPENING = 40  # pixels of the opening between these
_BRIGHT, _DARK = 0.6, 0.4  # least brightness of teeth over the skin's; and of what is not dark over the teeth's
_AT_LIP = (0.7, 0.8)  # of the opening's height: dark below it is seen; it is the lip, which the parser has too low


@dataclass(frozen=True)
class Mouth:
    """What a photo shows of a mouth."""

    opening: float  # area of the interior over that of both lips
    teeth: float = 0.0  # how far down the opening the upper teeth reach, of its height; 0 where none are seen


def see_mouth(photo: np.ndarray, parts: np.ndarray, hidden: np.ndarray, points: np.ndarray) -> Mouth | None:
    """The mouth at (68, 2) landmarks, pixels, of a (H, W, 3) uint8 RGB photo.

    `parts` (H, W) uint8 is a `Parsing`'s; `hidden` (H, W) uint8 says from 128 on what stands before the head. None
    where too little of the lips is in sight: what the parser answers behind masks and hands is a guess.
    """
    mouth = points[_MOUTH].astype(np.float64)
    width = float(np.ptp(mouth, axis=0).max())
    low = np.floor(mouth.min(axis=0) - _SKIN_AROUND * width).astype(int).clip(0)
    high = np.ceil(mouth.max(axis=0) + _SKIN_AROUND * width).astype(int) + 1
    window = np.s_[low[1] : max(high[1], low[1]), low[0] : max(high[0], low[0])]
    photo, parts, hidden = photo[window], parts[window], hidden[window]
    counted = _outline(mouth - low, parts.shape, _AROUND * width) & (hidden < _HIDDEN)
    lips = int((np.isin(parts, _LIPS) & counted).sum())
    if lips < max(LEAST_PIXELS, LEAST_LIPS * width**2):
        return None
    interior = (parts == _INTERIOR) & counted
    skin = np.isin(parts, _SKIN) & (hidden < _HIDDEN)
    return Mouth(float(interior.sum() / lips), _teeth_reach(photo, interior, skin, points[list(_CORNERS)] - low))


def _teeth_reach(photo: np.ndarray, interior: np.ndarray, skin: np.ndarray, corners: np.ndarray) -> float:
    """`Mouth.teeth` of the (h, w) bool interior, by the (2, 2) corners of the mouth in its pixels."""
    x, y, column, height = _columns(interior, corners)
    if len(x) < _LEAST_OPENING or not skin.any():
        return 0.0
    bright = lighting.LINEAR[photo[y, x]] @ LUMINANCE
    among = (height > _TEETH[0]) & (height < _TEETH[1])
    if not among.any():
        return 0.0
    teeth = float(np.median(bright[among]))
    if teeth < _BRIGHT * np.median(lighting.LINEAR[photo[skin]] @ LUMINANCE):
        return 0.0
    gap = np.where((bright < _DARK * teeth) & (height > _TEETH[1]), height, 1.0)
    reach = np.ones(column.max() + 1)
    np.minimum.at(reach, column, gap)
    reach = float(np.median(reach[np.unique(column)]))
    return reach + (1.0 - reach) * float(smoothstep(reach, *_AT_LIP))


def _columns(interior: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, ...]:
    """(N,) x, y, column from corner to corner and height from 0 at the upper lip to 1 of the pixels in the middle."""
    across = (corners[1] - corners[0]).astype(np.float64)
    width = max(float(np.linalg.norm(across)), 1e-6)
    y, x = np.nonzero(interior)
    offset = np.stack([x, y], axis=1) - corners[0]
    along, down = offset @ across / width, offset @ np.array([-across[1], across[0]]) / width
    chosen = (along >= _MIDDLE[0] * width) & (along <= _MIDDLE[1] * width)
    x, y, column, down = x[chosen], y[chosen], np.rint(along[chosen]).astype(int), down[chosen]
    top, bottom = np.full(column.max(initial=0) + 1, np.inf), np.full(column.max(initial=0) + 1, -np.inf)
    np.minimum.at(top, column, down)
    np.maximum.at(bottom, column, down)
    return x, y, column, (down - top[column] + 0.5) / (bottom - top + 1.0)[column]


def _outline(points: np.ndarray, shape: tuple[int, ...], margin: float) -> np.ndarray:
    """(h, w) bool within `margin` pixels of the hull of (N, 2) points."""
    out = np.zeros(shape, np.uint8)
    if out.size:
        hull = cv2.convexHull(np.rint(points).astype(np.int32))
        cv2.fillConvexPoly(out, hull, 1)
        cv2.polylines(out, [hull], True, 1, thickness=max(2 * round(margin), 1))
    return out > 0
