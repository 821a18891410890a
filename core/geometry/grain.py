"""The noise and fine texture of a photo's skin, measured in octaves and made anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

_TILE = 256  # pixels after which made grain repeats
_MOST_OCTAVES = 4
_WINDOW = 384  # pixels, side of the region that is looked at
_LEAST = 400  # pixels of skin below which its grain is not known
_CALM, _CALM_SIDE = 0.4, 9  # share of the skin, and side in pixels of the patches, that grain alone is seen on
_OUTLIER = 2.5  # deviations beyond which it is a line or an edge, no grain


@dataclass(frozen=True, eq=False)
class Grain:
    """Covariances of what lies between blurs of 0, 1, 2, 4 ... pixels."""

    octaves: np.ndarray  # (K, 3, 3) float64, levels of 255 squared, finest first

    def without(self, other: Grain) -> Grain:
        """What `other` lacks to be like this."""
        return Grain(np.array([_positive(a - b) for a, b in zip(self.octaves, other.octaves, strict=True)]))


def measured(picture: np.ndarray, where: np.ndarray, finest: float) -> Grain:
    """Grain of a (H, W, 3) picture in [0, 255] on the set pixels of (H, W) uint8 `where`, up to `finest` pixels."""
    count = int(np.clip(np.ceil(np.log2(max(finest, 1.0))) + 1, 1, _MOST_OCTAVES))
    window = _fullest(where)
    chosen = where[window] > 0
    if chosen.sum() < _LEAST:
        return Grain(np.zeros((count, 3, 3)))
    left, octaves = picture[window].astype(np.float32), []
    for k in range(count):
        blurred = cv2.GaussianBlur(left, (0, 0), _step(k))
        octave = left - blurred
        octaves.append(_covariance(octave[chosen & _calm(octave, chosen, k)]))
        left = blurred
    return Grain(np.array(octaves))


def noise(grain: Grain, shape: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) float32 of such grain, the same for every call."""
    out = np.zeros((*shape, 3), np.float32)
    repeats = (-(-shape[0] // _TILE), -(-shape[1] // _TILE), 1)
    tile = np.zeros((_TILE, _TILE, 3), np.float32)
    for k, covariance in enumerate(grain.octaves):
        tile += _unit_noise(k) @ _root(covariance).astype(np.float32)
    out += np.tile(tile, repeats)[: shape[0], : shape[1]]
    return out


@lru_cache(maxsize=_MOST_OCTAVES)
def _unit_noise(octave: int) -> np.ndarray:
    """(T, T, 3) float32 periodic noise of one octave, of deviation 1."""
    white = np.random.default_rng(octave).normal(size=(_TILE, _TILE, 3)).astype(np.float32)
    coarse = white
    margin = 64
    wide = np.pad(white, ((margin, margin), (margin, margin), (0, 0)), mode="wrap")
    for k in range(octave + 1):
        finer, wide = wide, cv2.GaussianBlur(wide, (0, 0), _step(k))
    coarse = (finer - wide)[margin:-margin, margin:-margin]
    return coarse / coarse.std()


def _calm(octave: np.ndarray, chosen: np.ndarray, index: int) -> np.ndarray:
    """(H, W) bool: where the octave is weakest for some pixels around; stronger parts are brows, lids and stubble."""
    side = (_CALM_SIDE << index) | 1
    red, green, blue = cv2.split(octave)
    energy = cv2.blur((red * red + green * green + blue * blue) * chosen, (side, side))
    energy /= cv2.blur(chosen.astype(np.float32), (side, side)).clip(1e-3)
    return energy <= np.quantile(energy[chosen], _CALM)


def _step(octave: int) -> float:
    """Blur, pixels, from one octave's upper end to its lower."""
    return 1.0 if octave == 0 else float(np.sqrt(4.0**octave - 4.0 ** (octave - 1)))


def _covariance(values: np.ndarray) -> np.ndarray:
    """(3, 3) covariance of (N, 3) values about 0 without the outliers."""
    red, green, blue = np.abs(values).T
    size = np.maximum(np.maximum(red, green), blue)
    kept = values[size <= _OUTLIER * 1.48 * np.median(size)]
    return kept.T.astype(np.float64) @ kept / max(len(kept), 1)


def _positive(matrix: np.ndarray) -> np.ndarray:
    return _mapped(matrix, lambda values: values)


def _root(matrix: np.ndarray) -> np.ndarray:
    return _mapped(matrix, np.sqrt)


def _mapped(matrix: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A symmetric matrix with a function of its eigenvalues, negative ones taken as 0."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * function(values.clip(0.0))) @ vectors.T


def _fullest(where: np.ndarray) -> tuple[slice, slice]:
    """The window with the most set pixels."""
    height, width = where.shape
    if max(height, width) <= _WINDOW:
        return slice(0, height), slice(0, width)
    step = 16
    small = cv2.resize(
        (where > 0).astype(np.float32), (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA
    )
    cells = _WINDOW // step
    sums = cv2.boxFilter(small, -1, (cells, cells), anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    top, left = int(row) * step, int(column) * step
    return slice(top, min(top + _WINDOW, height)), slice(left, min(left + _WINDOW, width))
