"""Error measures and bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.metrics import structural_similarity

INNER = slice(17, 68)
OUTER_EYES = (36, 45)
_LEAST_ERROR = 1e-2  # squared levels; keeps the PSNR of equal pictures finite
_SSIM_REACH = 7  # pixels; more than SSIM's window of 7 reaches round a pixel


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


def resized(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N, 3) points scaled about their centre until they lie as far from it as (M, 3) targets from theirs (r.m.s.)."""
    away, far = points - points.mean(axis=0), target - target.mean(axis=0)
    return points.mean(axis=0) + away * np.sqrt((far**2).sum(axis=1).mean() / (away**2).sum(axis=1).mean())


def similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3) similarity that brings (N, 2) points closest to (N, 2) targets (Umeyama, 1991)."""
    centre, centre_target = points.mean(axis=0), target.mean(axis=0)
    p, q = points - centre, target - centre_target
    u, singular, vt = np.linalg.svd(q.T @ p)
    sign = np.diag([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = (singular * np.diag(sign)).sum() / (p**2).sum() * u @ sign @ vt
    return np.column_stack([turn, centre_target - turn @ centre])


def hole_scores(found: np.ndarray, truth: np.ndarray, hole: np.ndarray) -> tuple[float, float]:
    """PSNR (dB) and mean SSIM of two (H, W, 3) uint8 pictures over an (H, W) bool hole; NaN where it is empty."""
    if not hole.any():
        return float("nan"), float("nan")
    error = np.square(found[hole].astype(float) - truth[hole]).mean()
    psnr = 10.0 * np.log10(255.0**2 / max(error, _LEAST_ERROR))
    rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
    part = tuple(slice(max(int(k[0]) - _SSIM_REACH, 0), int(k[-1]) + 1 + _SSIM_REACH) for k in (rows, columns))
    local = np.asarray(structural_similarity(found[part], truth[part], channel_axis=2, full=True)[1])
    return float(psnr), float(local[hole[part]].mean())
