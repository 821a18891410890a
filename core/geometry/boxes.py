"""Boxes (4,) x0, y0, x1, y1 that keep to the axes."""

from __future__ import annotations

import numpy as np


def area(box: np.ndarray) -> float:
    """0 for a box that is turned inside out."""
    return float(np.prod(np.maximum(box[2:] - box[:2], 0.0)))


def shared(box: np.ndarray, other: np.ndarray) -> float:
    """Area of what both hold."""
    return area(np.concatenate([np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])]))


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    both = shared(box, other)
    return both / max(area(box) + area(other) - both, 1e-9)
