"""Error measures and bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INNER = slice(17, 68)
OUTER_EYES = (36, 45)


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """`mean (low - high)`."""
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} - {self.high:.{digits}f})"


def bootstrap(values: np.ndarray, rounds: int = 2000, seed: int = 0) -> Interval:
    """Mean of (N,) values and its 95 % interval over resampled sets."""
    values = np.asarray(values, float)
    if values.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    picks = np.random.default_rng(seed).integers(0, values.size, (rounds, values.size))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def landmark_error(predicted: np.ndarray, truth: np.ndarray, part: slice = slice(0, 68)) -> float:
    """Mean distance of (68, 2) points over the distance of the outer eye corners, per cent."""
    scale = np.linalg.norm(truth[OUTER_EYES[0]] - truth[OUTER_EYES[1]])
    return float(np.linalg.norm(predicted[part] - truth[part], axis=1).mean() / scale * 100.0)


def align(points: np.ndarray, target: np.ndarray, with_scale: bool = False) -> np.ndarray:
    """(N, 3) points moved onto (N, 3) targets by the best rigid (or similarity) transform (Umeyama, 1991)."""
    centre, centre_target = points.mean(axis=0), target.mean(axis=0)
    p, q = points - centre, target - centre_target
    u, singular, vt = np.linalg.svd(q.T @ p)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = (singular * np.diag(sign)).sum() / (p**2).sum() if with_scale else 1.0
    return scale * p @ rotation.T + centre_target


def vertex_error(points: np.ndarray, target: np.ndarray, with_scale: bool = False) -> float:
    """Mean vertex distance in millimetres after alignment, of (N, 3) arrays in metres."""
    return float(np.linalg.norm(align(points, target, with_scale) - target, axis=1).mean() * 1000.0)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two (4,) boxes x0, y0, x1, y1."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))
