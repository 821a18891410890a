"""How far the parser sees a mouth open: landmarks place the inner rims of lips that touch a little apart."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import PARTS

_INTERIOR = PARTS.index("mouth")
_LIPS = (PARTS.index("upper_lip"), PARTS.index("lower_lip"))
_MOUTH = slice(48, 68)
_AROUND = 0.08  # of the mouth's width, beyond the landmarks' outline
_HIDDEN = 128  # of 255
LEAST_LIPS = 0.04  # area of the lips in sight over the mouth's squared width, below which they tell nothing
LEAST_PIXELS = 40  # of the lips


def mouth_opening(parts: np.ndarray, hidden: np.ndarray, points: np.ndarray) -> float | None:
    """Area of the mouth's interior over that of both lips, for (68, 2) landmarks in photo pixels.

    `parts` (H, W) uint8 is a `Parsing`'s; `hidden` (H, W) uint8 says from 128 on what stands before the head. None
    where too little of the lips is in sight: what the parser answers behind masks and hands is a guess.
    """
    mouth = points[_MOUTH].astype(np.float64)
    width = float(np.ptp(mouth, axis=0).max())
    low = np.floor(mouth.min(axis=0) - _AROUND * width).astype(int)
    low, high = low.clip(0), np.ceil(mouth.max(axis=0) + _AROUND * width).astype(int) + 1
    window = np.s_[low[1] : max(high[1], low[1]), low[0] : max(high[0], low[0])]
    parts, hidden = parts[window], hidden[window]
    counted = _outline(mouth - low, parts.shape, _AROUND * width) & (hidden < _HIDDEN)
    lips = int((np.isin(parts, _LIPS) & counted).sum())
    if lips < max(LEAST_PIXELS, LEAST_LIPS * width**2):
        return None
    return float(((parts == _INTERIOR) & counted).sum() / lips)


def _outline(points: np.ndarray, shape: tuple[int, ...], margin: float) -> np.ndarray:
    """(h, w) bool within `margin` pixels of the hull of (N, 2) points."""
    out = np.zeros(shape, np.uint8)
    if out.size:
        hull = cv2.convexHull(np.rint(points).astype(np.int32))
        cv2.fillConvexPoly(out, hull, 1)
        cv2.polylines(out, [hull], True, 1, thickness=max(2 * round(margin), 1))
    return out > 0
