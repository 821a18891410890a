"""Two paintings of one hole as one: details are the fine one's, light and tone lie between both.

They err in different ways, so that a mean is nearer to the truth than either (Perrone and Cooper, 1993).
"""

from __future__ import annotations

import cv2
import numpy as np

_LIGHT, _TONE = 0.5, 0.6  # share of the coarse painting: with more of its brightness brows and lids behind glasses fade


def with_coarse_colors(painted: np.ndarray, cells: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(S, S, 3) float32 painted crop, in its hole brought nearer to (s, s, 3) float32 `cells` in the same units.

    `hole` (S, S) uint8 is 1 where the crop was painted; elsewhere nothing changes. S is a multiple of s.
    """
    size = cells.shape[:2]
    covered = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None] > 0.0
    difference = cells - cv2.resize(painted, size, interpolation=cv2.INTER_AREA)
    light = difference.mean(axis=2, keepdims=True)
    change = (_LIGHT * light + _TONE * (difference - light)) * covered
    change = cv2.resize(change, painted.shape[:2], interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None] > 0, painted + change, painted)
