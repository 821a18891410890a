"""Telling people apart: the measure of likeness, and what is counted when pairs are judged by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .metrics import Interval, bootstrap

FOLDS = 10
_SHRINK = 0.2  # by how much the covariances within people are reduced, since few people tell them
_LEAST = 1e-6  # of the largest variance
MISSED = -1.0  # likeness of a pair in which a face was not found: the least


@dataclass(frozen=True, eq=False)
class Likeness:
    """Cosine of vectors after a linear map."""

    name: str
    origin: np.ndarray  # (D,)
    map: np.ndarray  # (D, D)

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(N,) in [-1, 1] of (N, D) and (N, D); `MISSED` where either has a NaN."""
        a, b = ((one - self.origin) @ self.map for one in (first, second))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        values = (a * b).sum(axis=1) / np.maximum(norms, 1e-12)
        return np.where(np.isnan(values), MISSED, values)


@dataclass(frozen=True)
class Verdict:
    """How well pairs are told apart, per cent."""

    equal: float  # 100 minus the error rate at which as many of the same person are refused as of others accepted
    accuracy: Interval  # with the threshold of the other nine of ten parts
    area: float  # under the curve of true over false acceptances


def plain(size: int) -> Likeness:
    """The cosine as it is."""
    return Likeness("cosine", np.zeros(size), np.eye(size))


def whitened(vectors: np.ndarray, people: np.ndarray) -> Likeness:
    """Directions that vary within (N,) `people` count less: their covariance within people becomes the unit matrix."""
    rows = np.isfinite(vectors).all(axis=1)
    vectors, people = vectors[rows].astype(float), people[rows]
    inner = np.concatenate([own - own.mean(axis=0) for own in (vectors[people == one] for one in np.unique(people))])
    within = inner.T @ inner / max(len(inner) - len(np.unique(people)), 1)
    within = (1.0 - _SHRINK) * within + _SHRINK * np.diag(np.diag(within))
    values, axes = np.linalg.eigh(within)
    values = np.maximum(values, _LEAST * values.max())  # a coefficient that never changes tells nobody from nobody
    return Likeness("whitened cosine", vectors.mean(axis=0), axes / np.sqrt(values) @ axes.T)


def chosen(vectors: np.ndarray, people: np.ndarray) -> Likeness:
    """The measure that tells (N,) synthetic `people` apart best by (N, D) vectors.

    The whitening is learned on one half of the people and judged on the other, then learned on all.
    """
    known = np.isin(people, np.unique(people)[::2])
    first, second, same = every_pair(people[~known])
    rest = vectors[~known]
    candidates = (plain(vectors.shape[1]), whitened(vectors[known], people[known]))
    areas = [area(one(rest[first], rest[second]), same) for one in candidates]
    return whitened(vectors, people) if areas[1] > areas[0] else candidates[0]


def every_pair(people: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of both members of all pairs of N rows, and whether (N,) `people` are the same in them."""
    first, second = np.triu_indices(len(people), 1)
    return first, second, people[first] == people[second]


def judge(likeness: np.ndarray, same: np.ndarray) -> Verdict:
    """Figures of (N,) likenesses of pairs, (N,) bool `same`."""
    right = folded_hits(likeness, same).astype(float) * 100.0
    return Verdict(100.0 - equal_error(likeness, same), bootstrap(right), area(likeness, same))


def rates(likeness: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of others accepted and of the same accepted, for every threshold from the strictest on, from 0 to 1."""
    levels = np.unique(likeness)[::-1]
    accepted = likeness[None, :] >= levels[:, None]
    false, true = accepted[:, ~same].mean(axis=1), accepted[:, same].mean(axis=1)
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], true])


def area(likeness: np.ndarray, same: np.ndarray) -> float:
    """Per cent: how often a pair of the same person is likelier than one of two; ties count half."""
    ordered = np.sort(likeness[~same])
    below = np.searchsorted(ordered, likeness[same], "left") + np.searchsorted(ordered, likeness[same], "right")
    return float(below.mean() / (2 * len(ordered)) * 100.0)


def equal_error(likeness: np.ndarray, same: np.ndarray) -> float:
    """Per cent: where the rates of false acceptances and false refusals cross."""
    false, true = rates(likeness, same)
    gap = false + true - 1.0  # rises from -1 to 1
    after = int(np.argmax(gap >= 0.0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float((false[after - 1] + share * (false[after] - false[after - 1])) * 100.0)


def folded_hits(likeness: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(N,) bool: pairs judged rightly by the best threshold of the other parts; every `FOLDS`-th pair makes a part."""
    part, right = np.empty(len(same), int), np.empty(len(same), bool)
    for kind in (True, False):
        part[same == kind] = np.arange((same == kind).sum()) % FOLDS
    for fold in range(FOLDS):
        own = part == fold
        threshold = best_threshold(likeness[~own], same[~own])
        right[own] = (likeness[own] >= threshold) == same[own]
    return right


def best_threshold(likeness: np.ndarray, same: np.ndarray) -> float:
    """The likeness from which on pairs are best taken for the same person; the middle of where that holds."""
    levels = np.unique(likeness)
    steps = np.concatenate([[levels[0] - 1.0], (levels[1:] + levels[:-1]) / 2, [levels[-1] + 1.0]])
    hits = ((likeness[None, :] >= steps[:, None]) == same[None, :]).sum(axis=1)
    return float(steps[hits == hits.max()].mean())
