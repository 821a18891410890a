"""F1 of label maps, counted over all pixels of a set."""

from __future__ import annotations

import numpy as np

from core.types import PARTS

from .metrics import Interval

# Both sides of a pair are one class, as CelebAMask-HQ's annotators did not always tell them apart in the same way.
GROUPS: dict[str, tuple[str, ...]] = {
    "skin": ("skin",),
    "nose": ("nose",),
    "eyes": ("eye_left", "eye_right"),
    "brows": ("brow_left", "brow_right"),
    "lips": ("upper_lip", "lower_lip"),
    "mouth": ("mouth",),
    "hair": ("hair",),
    "glasses": ("glasses",),
    "hat": ("hat",),
    "ears": ("ear_left", "ear_right"),
    "neck": ("neck",),
    "cloth": ("cloth",),
}
FACE_GROUPS = ("skin", "nose", "eyes", "brows", "lips", "mouth")  # their mean is the headline
_GROUP_OF = np.full(256, len(GROUPS), np.uint8)  # the last index: none of them
for _index, _names in enumerate(GROUPS.values()):
    _GROUP_OF[[PARTS.index(name) for name in _names]] = _index


def group_counts(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(3, groups) pixels found rightly, found, and there, of two uint8 maps of `PARTS` indices.

    Pixels whose truth is no part at all (255) are left out.
    """
    known = truth < len(PARTS)
    return code_counts(_GROUP_OF[found[known]], _GROUP_OF[truth[known]], len(GROUPS) + 1)[:, :-1]


def code_counts(found: np.ndarray, truth: np.ndarray, codes: int) -> np.ndarray:
    """(3, codes) pixels found rightly, found, and there, of two maps; pixels of a truth beyond `codes` are left out."""
    known = truth < codes
    found, truth = found[known].astype(np.int64), truth[known].astype(np.int64)
    hits = np.bincount(truth[found == truth], minlength=codes)
    return np.stack([hits, np.bincount(found, minlength=codes), np.bincount(truth, minlength=codes)])


def f1_percent(counts: np.ndarray) -> np.ndarray:
    """(...,) F1 in per cent of (..., 3, K) counts summed over nothing: (..., K); NaN where there is nothing to find."""
    hits, found, there = (counts[..., k, :].astype(float) for k in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there > 0, 200.0 * hits / (found + there), np.nan)


def f1_intervals(counts: np.ndarray, rounds: int = 2000, seed: int = 0) -> dict[str, Interval]:
    """F1 of each group and of the face's mean, with 95 % intervals over resampled photos; counts are (N, 3, groups)."""
    return {name: _interval(*of) for name, of in _resampled(counts, rounds, seed).items()}


def f1_gains(counts: np.ndarray, others: np.ndarray, rounds: int = 2000, seed: int = 0) -> dict[str, Interval]:
    """By how much the F1 of `counts` is above that of `others`, of the same photos in the same order."""
    ours, theirs = _resampled(counts, rounds, seed), _resampled(others, rounds, seed)
    return {name: _interval(ours[name][0] - theirs[name][0], ours[name][1] - theirs[name][1]) for name in ours}


def _resampled(counts: np.ndarray, rounds: int, seed: int) -> dict[str, tuple[float, np.ndarray]]:
    """F1 of all photos, and (rounds,) of photos drawn anew, by name."""
    picks = np.random.default_rng(seed).integers(0, len(counts), (rounds, len(counts)))
    drawn = np.stack([np.bincount(row, minlength=len(counts)) for row in picks])
    resampled = f1_percent(np.tensordot(drawn, counts, axes=1))
    whole = f1_percent(counts.sum(axis=0))
    face = [list(GROUPS).index(name) for name in FACE_GROUPS]
    columns = {"mean of the face": (float(whole[face].mean()), resampled[:, face].mean(axis=1))}
    return columns | {name: (float(whole[k]), resampled[:, k]) for k, name in enumerate(GROUPS)}


def _interval(value: float, spread: np.ndarray) -> Interval:
    known = spread[np.isfinite(spread)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))
