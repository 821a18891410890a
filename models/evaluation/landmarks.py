"""Landmark systems side by side on hand-placed points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .data import Photo
from .metrics import INNER, OUTER_EYES, Interval, bootstrap

FAILED = 10.0  # inner error, per cent of the eye distance, beyond which a photo counts as failed
ONE_BASED = 1.0  # pixels that labels counted from one lie right of and below the same labels counted from zero


@dataclass(frozen=True)
class LandmarkScore:
    """Point errors over the outer-eye distance, per cent, of the photos where the face was found."""

    inner: Interval
    all: Interval
    inner_one_based: Interval  # the labels read as counted from one
    median: float  # of the inner error, as the next
    worst_tenth: float  # 90th percentile
    failed: int  # photos beyond `FAILED`, the missed ones not among them
    missed: int


def truths(photos: Sequence[Photo]) -> np.ndarray:
    """(N, 68, 2) hand-placed points of all photos."""
    return np.array([photo.truth for photo in photos], float)


def errors(points: np.ndarray, truth: np.ndarray, part: slice = INNER) -> np.ndarray:
    """(N,) mean distance of (N, 68, 2) points over the outer-eye distance, per cent; NaN where a face was missed."""
    scale = np.linalg.norm(truth[:, OUTER_EYES[0]] - truth[:, OUTER_EYES[1]], axis=1)
    return np.linalg.norm((points - truth)[:, part], axis=2).mean(axis=1) / scale * 100.0


def score(points: np.ndarray, photos: Sequence[Photo]) -> LandmarkScore:
    """Score (N, 68, 2) predictions, NaN where a face was missed."""
    truth = truths(photos)
    inner, every = errors(points, truth), errors(points, truth, slice(0, 68))
    seen = ~np.isnan(inner)
    if not seen.any():
        nothing = bootstrap(np.array([]))
        return LandmarkScore(nothing, nothing, nothing, float("nan"), float("nan"), 0, len(photos))
    return LandmarkScore(
        bootstrap(inner[seen]),
        bootstrap(every[seen]),
        bootstrap(errors(points + ONE_BASED, truth)[seen]),
        float(np.median(inner[seen])),
        float(np.percentile(inner[seen], 90)),
        int((inner[seen] > FAILED).sum()),
        int((~seen).sum()),
    )


def ratio(above: np.ndarray, below: np.ndarray, rounds: int = 2000, seed: int = 0) -> Interval:
    """Mean of (N,) `above` over the mean of (N,) `below`, paired, with its 95 % bootstrap interval.

    Pairs with a NaN, a face that either missed, are left out.
    """
    both = ~(np.isnan(above) | np.isnan(below))
    above, below = above[both], below[both]
    if not len(above):
        return bootstrap(above)
    picks = np.random.default_rng(seed).integers(0, len(above), (rounds, len(above)))
    low, high = np.percentile(above[picks].mean(axis=1) / below[picks].mean(axis=1), [2.5, 97.5])
    return Interval(float(above.mean() / below.mean()), float(low), float(high))
