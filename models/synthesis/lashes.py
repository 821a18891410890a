"""Lashes: the face model's own, drawn as single hairs from pale to mascara."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .head import Head
from .labels import Label
from .layers import Posed
from .strands import Strands, kinds_of

_POINTS = 7  # vertices of one lash: three pairs from root to tip, then the tip


@dataclass(frozen=True, eq=False)
class Lashes:
    """The lashes of one person."""

    color: np.ndarray  # (3,) float32 linear
    length: float  # over the model's own
    width: float  # metres at the root
    kept: float  # share of the lashes
    seed: int


def sample_lashes(rng: np.random.Generator, color: np.ndarray, made_up: bool) -> Lashes:
    """Lashes a little darker than the (3,) linear hair `color`; black, long and thick with mascara."""
    mascara = made_up and rng.random() < 0.75
    return Lashes(
        color=(np.full(3, 0.006) if mascara else color * rng.uniform(0.25, 0.9)).astype(np.float32),
        length=float(rng.uniform(0.9, 1.35) if mascara else rng.uniform(0.5, 1.05)),
        width=float(rng.uniform(0.0004, 0.0007) if mascara else rng.uniform(0.00012, 0.0004)),
        kept=float(rng.uniform(0.85, 1.0) if mascara else rng.uniform(0.45, 1.0)),
        seed=int(rng.integers(2**31)),
    )


@lru_cache(maxsize=2)
def _rows(head: Head) -> np.ndarray:
    """Rows of the lashes' vertices, lash by lash."""
    return np.unique(head.lashes)


def lash_strands(lashes: Lashes, head: Head, posed: Posed) -> Strands | None:
    """The lashes of a posed head; None where the face model has none."""
    rows = _rows(head)
    if len(rows) == 0 or len(rows) % _POINTS:
        return None
    rng = np.random.default_rng(lashes.seed)
    hairs = posed.vertices[rows].reshape(-1, _POINTS, 3)
    hairs = hairs[rng.random(len(hairs)) < lashes.kept]
    pairs = hairs[:, :6].reshape(-1, 3, 2, 3).mean(axis=2)
    points = np.concatenate([pairs, hairs[:, 6:]], axis=1)
    count, steps = points.shape[:2]
    size = lashes.length * rng.uniform(0.8, 1.1, (count, 1, 1))
    points = (
        points[:, :1]
        + (points - points[:, :1]) * size
        + rng.normal(0, 0.0002, (count, 1, 3)) * np.linspace(0, 1, steps)[None, :, None]
    )
    radius = 0.5 * lashes.width * np.array([1.0, 0.9, 0.65, 0.15])
    return Strands(
        points=points.astype(np.float32),
        counts=np.full(count, steps, np.int32),
        radius=np.repeat(radius[None], count, axis=0).astype(np.float32),
        albedo=np.broadcast_to(lashes.color, (count, steps, 3)).astype(np.float32),
        occlusion=np.full((count, steps), 0.7, np.float32),
        normals=np.repeat(np.array([[0, 0, 1]], np.float32), count, axis=0),
        kinds=kinds_of(Label.SKIN, count),
        opacity=0.85,
        gloss=0.1,
        hides=False,
    )
