"""Cloth: a weave pattern in two colours with soft folds, evaluated at points of the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick

_PATTERNS = ("plain", "stripes", "pinstripes", "checks", "dots", "heather", "print")
_SHARES = (0.5, 0.12, 0.06, 0.09, 0.06, 0.1, 0.07)


@dataclass(frozen=True, eq=False)
class Fabric:
    """One cloth."""

    pattern: str  # one of _PATTERNS
    colors: np.ndarray  # (2, 3) float32 linear
    period: float  # of the pattern, metres
    angle: float  # of stripes against the vertical, radians
    folds: np.ndarray  # (3, 3) float32: wave vectors of the folds, radians per metre
    depth: float  # of the folds' shading
    phase: np.ndarray  # (3,) float32


def sample_fabric(rng: np.random.Generator, dark: bool = False, light: bool = False) -> Fabric:
    """A fabric; `dark` as suits are, `light` as the shirts beneath."""
    value = rng.beta(0.9, 1.1, (2, 1))
    colors = value * (1 - rng.beta(1, 2.2, (2, 1)) * rng.random((2, 3)))
    if dark and rng.random() < 0.85:
        grey = rng.uniform(0.08, 0.35)
        colors = np.clip(grey * np.array([[1.0, 1.0, rng.uniform(1.0, 1.4)]]) * [[1.0], [1.5]], 0, 1)
    if light and rng.random() < 0.8:
        colors = rng.uniform(0.72, 0.97) * (1 - 0.15 * rng.random((2, 3)) * [[1.0], [3.0]])
    shares = np.array(_SHARES) * ([1.6, 0.2, 1.0, 0.3, 0.1, 1.0, 0.0] if dark else [1.0] * len(_SHARES))
    return Fabric(
        pattern=str(pick(rng, _PATTERNS, shares / shares.sum())),
        colors=srgb_to_linear(np.clip(colors, 0.02, 0.97)),
        period=float(np.exp(rng.uniform(np.log(0.004), np.log(0.04)))),
        angle=float(rng.choice([0.0, np.pi / 2, rng.uniform(0.4, 1.1)])),
        folds=rng.normal(0.0, [[30, 12, 20], [60, 25, 30], [110, 50, 60]]).astype(np.float32),
        depth=float(rng.uniform(0.05, 0.3)),
        phase=rng.uniform(0, 6.28, 3).astype(np.float32),
    )


def fabric_color(fabric: Fabric, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(N, 3) linear albedo at body positions x, y, z (N,), metres."""
    amount = _pattern(fabric, x, y, z).astype(np.float32)[:, None]
    color = fabric.colors[0] + (fabric.colors[1] - fabric.colors[0]) * amount
    waves = np.stack([x, y, z], axis=1) @ fabric.folds.T + fabric.phase
    fold = np.sin(waves[:, 0] + np.sin(waves[:, 1])) * 0.6 + np.sin(waves[:, 2] + 0.7 * np.sin(waves[:, 0])) * 0.4
    return color * (1.0 + fabric.depth * fold)[:, None]


def _pattern(fabric: Fabric, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(N,) mix of the second colour in [0, 1]."""
    turn = 2 * np.pi / fabric.period
    along = (x + 0.5 * z) * np.cos(fabric.angle) + y * np.sin(fabric.angle)
    across = y * np.cos(fabric.angle) - (x + 0.5 * z) * np.sin(fabric.angle)
    if fabric.pattern == "stripes":
        return np.sin(along * turn) > 0
    if fabric.pattern == "pinstripes":
        return 0.5 * (np.sin(x * 2 * np.pi / 0.012) > 0.9)
    if fabric.pattern == "checks":
        return 0.5 * (np.sin(along * turn) > 0) + 0.5 * (np.sin(across * turn) > 0)
    if fabric.pattern == "dots":
        return np.sin(along * turn) * np.sin(across * turn) > 0.55
    if fabric.pattern == "heather":
        return 0.5 + 0.5 * np.sin(x * 900 + 3 * np.sin(y * 700)) * np.sin(y * 1100 + 3 * np.sin(x * 600))
    if fabric.pattern == "print":
        return np.sin(along * turn * 0.4 + 2 * np.sin(across * turn * 0.3)) + np.sin(across * turn * 0.5) > 0.3
    return np.zeros(len(x))
