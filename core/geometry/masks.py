"""Masks of 0 and 1: growth, and what of their pieces is large enough."""

from __future__ import annotations

import cv2
import numpy as np


def grown(mask: np.ndarray, radius: float) -> np.ndarray:
    """(H, W) uint8 0 or 1, grown by `radius` pixels."""
    left, top, width, height = cv2.boundingRect(mask)
    if radius <= 0.0 or not width:
        return mask
    margin, out = int(radius) + 1, np.zeros_like(mask)
    part = (slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin))
    out[part] = cv2.distanceTransform(1 - mask[part], cv2.DIST_L2, 5) <= radius
    return out


def without_pieces(mask: np.ndarray, area: float, connectivity: int = 4) -> np.ndarray:
    """(H, W) uint8 0 or 1 without connected pieces of fewer than `area` pixels."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    kept = statistics[:, cv2.CC_STAT_AREA] >= area
    kept[0] = False
    return kept[np.asarray(labels, np.int32)].astype(np.uint8)
