"""A pool of tileable noise, made once, cut at random for every picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .chart import HEIGHT, WIDTH


@dataclass(frozen=True, eq=False)
class NoisePool:
    """(N, 2 HEIGHT, 2 WIDTH) float32 periodic fields of mean 0 and deviation 1, repeated so that a cut is a view."""

    grain: np.ndarray  # pores: fine and round
    blotch: np.ndarray  # colour patches: a few centimetres
    strand: np.ndarray  # hair: fine across, long down

    @staticmethod
    def make(seed: int = 5, count: int = 4) -> NoisePool:
        """The pool; the same for every worker."""
        rng = np.random.default_rng(seed)
        kinds = {"grain": (1.0, 1.0), "blotch": (11.0, 11.0), "strand": (0.9, 14.0)}
        return NoisePool(**{kind: _fields(rng, count, *sigma) for kind, sigma in kinds.items()})

    def cut(self, rng: np.random.Generator, kind: str) -> np.ndarray:
        """(HEIGHT, WIDTH) float32: a read-only view of one field of `grain`, `blotch` or `strand`."""
        fields = getattr(self, kind)
        field = fields[rng.integers(len(fields))]
        row, column = int(rng.integers(HEIGHT)), int(rng.integers(WIDTH))
        return field[row : row + HEIGHT, column : column + WIDTH]


def _fields(rng: np.random.Generator, count: int, sigma_x: float, sigma_y: float) -> np.ndarray:
    pad = int(max(sigma_x, sigma_y) * 4)
    out = np.empty((count, 2 * HEIGHT, 2 * WIDTH), np.float32)
    for row in range(count):
        white = np.pad(rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32), pad, mode="wrap")
        field = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)[pad:-pad, pad:-pad]
        out[row] = np.tile((field - field.mean()) / field.std(), (2, 2))
    out.flags.writeable = False
    return out


SKIN_PERIOD = 512  # texels of the finest level of the skin's noise


def skin_noise(texel: float) -> np.ndarray:
    """(P, P, 4) float32, wraps: grain, blotch, freckles, stubble, at the level nearest to `texel` finest texels."""
    levels = _skin_levels()
    return levels[int(np.clip(np.rint(np.log2(max(texel, 1e-3))), 0, len(levels) - 1))]


@lru_cache(maxsize=1)
def _skin_levels(seed: int = 29, count: int = 5) -> tuple[np.ndarray, ...]:
    """The first two have mean 0 and, at the finest level, deviation 1; freckles and stubble are dots from 0 up."""
    rng = np.random.default_rng(seed)
    grain, blotch, freckles, stubble = (_periodic(rng, SKIN_PERIOD, sigma) for sigma in (1.5, 14.0, 5.0, 1.1))
    level = cv2.merge([grain, blotch, np.clip(freckles - 1.0, 0, 1.2), np.clip(stubble - 0.9, 0, 1.5) * 1.2])
    levels = []
    for _ in range(count):
        levels.append(np.ascontiguousarray(level))
        level = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return tuple(levels)


def _periodic(rng: np.random.Generator, side: int, sigma: float) -> np.ndarray:
    pad = int(sigma * 4) + 1
    white = np.pad(rng.standard_normal((side, side), dtype=np.float32), pad, mode="wrap")
    field = cv2.GaussianBlur(white, (0, 0), sigma)[pad:-pad, pad:-pad]
    return (field - field.mean()) / field.std()
