"""Gives a painted hole the colours that it has when seen from afar; details stay the painter's."""

from __future__ import annotations

import cv2
import numpy as np

# Deviations of the blurs that split cells into bands, cells, and the share of each band, finest first, that is laid out
# anew. Where lips and lids end the painter knows better than cells of four pixels; how bright a cheek is it does not.
_BLURS = (1.0, 2.0, 4.0)
_SHARES = (0.0, 0.5, 0.8, 1.0)


def with_coarse_colors(painted: np.ndarray, cells: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(S, S, 3) float32 painted crop with the colours of its hole nearer to (s, s, 3) float32 `cells`, same units.

    `hole` (S, S) uint8 is 1 where the crop was painted; elsewhere nothing changes.
    """
    size = cells.shape[:2]
    share = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    left = cells - cv2.resize(painted, size, interpolation=cv2.INTER_AREA)
    change = np.zeros_like(left)
    for sigma, part in zip((*_BLURS, None), _SHARES, strict=True):
        wider = np.zeros_like(left) if sigma is None else _averaged(left, share, sigma)
        change += part * (left - wider)
        left = wider
    change = cv2.resize(change * (share > 0)[..., None], painted.shape[:2], interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None] > 0, painted + change, painted)


def _averaged(cells: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """(s, s, 3) weighted mean of the surroundings."""
    total = cv2.GaussianBlur(cells * weight[..., None], (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), 1e-4)[..., None]
