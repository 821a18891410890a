"""Patches of a photo's hair, turned so that its strands run down."""

from __future__ import annotations

import cv2
import numpy as np

from . import lighting
from .hair_view import WITHIN, HairView
from .planes import disk

_SIDES = (0.048, 0.034, 0.022)  # metres, of a sample: the largest that fits into the hair often enough
_FEWEST = 8  # pixels of a side
_LEAST, _MOST = 16, 64  # samples, each of which its mirror image joins
STRONGEST = 0.5  # log brightness of a strand
_SLOW = 0.012  # metres, deviation of what is light and form, not strands
_REACH = 0.6  # of a side, round a sample's middle, in which there is nothing but hair
DARK = 2e-3  # linear level that is added before brightnesses are compared


def strand_samples(view: HairView, pitch: float) -> np.ndarray | None:
    """(N, S, S) float32 log brightness over what lies round it, `pitch` metres per pixel; none if hair is scarce."""
    ratio, hair = _strands(view, pitch)
    framed = cv2.copyMakeBorder(hair, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    inside = np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 5))[1:-1, 1:-1]
    for length in _SIDES:
        side = max(round(length / pitch), _FEWEST)
        step = side // 4
        middles = np.argwhere(inside[::step, ::step] > _REACH * side)[:, ::-1] * step
        if len(middles) >= _LEAST:
            some = np.linspace(0, len(middles) - 1, min(_MOST, len(middles))).astype(int)
            return _turned(ratio, middles[some], side)
    return None


def _strands(view: HairView, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) float32 log brightness over its surroundings', 0 beyond hair, and (h, w) uint8 whether there is hair."""
    scale = 1.0 / (pitch * view.metre)
    size = tuple(max(round(side * scale), 1) for side in view.hair.shape[::-1])
    grey = cv2.LUT(cv2.cvtColor(view.photo, cv2.COLOR_RGB2GRAY), lighting.LINEAR)
    way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    bright, share = cv2.resize(grey, size, interpolation=way), cv2.resize(view.hair, size, interpolation=way)
    hair = cv2.erode((share > 0.5).astype(np.uint8), disk(WITHIN / pitch), borderValue=0)
    told = hair.astype(np.float32)
    around, weight = (cv2.GaussianBlur(plane, (0, 0), _SLOW / pitch) for plane in (bright * told, told))
    ratio = cv2.log(np.maximum(bright, 0.0) + DARK) - cv2.log(around / np.maximum(weight, 1e-3) + DARK)
    return np.clip(ratio, -STRONGEST, STRONGEST) * told, hair


def _turned(ratio: np.ndarray, middles: np.ndarray, side: int) -> np.ndarray:
    """(2 N, S, S) samples of a (h, w) plane about (N, 2) pixels, strands upright, and their mirror images."""
    right, down = (cv2.Scharr(ratio, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.GaussianBlur(a * b, (0, 0), side / 4) for a, b in ((right, right), (down, down), (right, down)))
    out = []
    for x, y in middles.tolist():
        across = 0.5 * np.arctan2(2.0 * xy[y, x], xx[y, x] - yy[y, x])  # brightness changes most there: from -90 to 90
        turn = cv2.getRotationMatrix2D((x, y), float(np.degrees(across)), 1.0)
        turn[:, 2] += (side - 1) / 2 - np.array([x, y])
        out.append(cv2.warpAffine(ratio, turn, (side, side), flags=cv2.INTER_LINEAR))
    return np.concatenate([out, np.array(out)[..., ::-1]])


def straightness(samples: np.ndarray) -> float:
    """How much more (N, S, S) samples change across than along the strands: 0 in curls, 1 in ideal straight hair."""
    across, along = (float(np.square(np.diff(samples, axis=axis)).mean()) for axis in (2, 1))
    return (across - along) / max(across + along, 1e-9)
