"""A pool of tileable noise, made once, cut at random for every picture."""

from __future__ import annotations

from dataclasses import dataclass

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
