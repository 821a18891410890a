"""Two paintings of one hole as one: details are the fine one's, light and tone lie between both.

They err in different ways, so that a mean is nearer to the truth than either (Perrone and Cooper, 1993). It is also
flatter: where brows, lids and lips are drawn, the finer painting counts more.
"""

from __future__ import annotations

import cv2
import numpy as np

_FINE = 2.0  # cells, deviation of the blur that tells drawing from shading
_DRAWING, _SHADING, _TONE = 0.25, 0.5, 0.6  # share of the coarse painting in the two parts of brightness, and in colour


def with_coarse_colors(painted: np.ndarray, cells: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(S, S, 3) float32 painted crop, in its hole brought nearer to (s, s, 3) float32 `cells` in the same units.

    `hole` (S, S) uint8 is 1 where the crop was painted; elsewhere nothing changes. S is a multiple of s.
    """
    size = cells.shape[:2]
    covered = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    difference = cells - cv2.resize(painted, size, interpolation=cv2.INTER_AREA)
    light = difference.mean(axis=2)
    shading = _averaged(light, covered)
    brightness = _DRAWING * (light - shading) + _SHADING * shading
    change = (brightness[..., None] + _TONE * (difference - light[..., None])) * (covered > 0.0)[..., None]
    change = cv2.resize(change, painted.shape[:2], interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None] > 0, painted + change, painted)


def _averaged(cells: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(s, s) weighted mean of the surroundings."""
    both = np.stack([cells * weight, weight], axis=-1)
    total, share = cv2.split(cv2.GaussianBlur(both, (0, 0), _FINE, borderType=cv2.BORDER_CONSTANT))
    return total / np.maximum(share, 1e-4)
