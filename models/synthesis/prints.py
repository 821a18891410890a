"""Printed and creased cloth as small pictures, for masks and scarves."""

from __future__ import annotations

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

HEIGHT, WIDTH = 128, 160  # pixels
PRINTS = ("plain", "stripes", "checks", "dots", "blots", "camouflage")


def cloth_color(rng: np.random.Generator) -> np.ndarray:
    """(3,) float32 encoded colour as clothes have it: often dark or pale, seldom loud."""
    value = rng.beta(0.8, 0.9)
    return np.clip(value * (1 - rng.beta(1, 2) * rng.random(3)), 0.02, 0.98).astype(np.float32)


def printed(rng: np.random.Generator, kind: str, color: np.ndarray) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) float32 linear cloth of one of `PRINTS` over an encoded base colour."""
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = srgb_to_linear(color)
    other = srgb_to_linear(cloth_color(rng))
    if kind in ("stripes", "checks"):
        image += (other - image) * _bands(rng, kind == "checks")[:, :, None]
    elif kind == "dots":
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        pitch = rng.uniform(9, 22)
        share = (np.hypot(x % pitch - pitch / 2, y % pitch - pitch / 2) < pitch * rng.uniform(0.15, 0.35))[:, :, None]
        image += (other - image) * share
    elif kind in ("blots", "camouflage"):
        for color_here in (other, srgb_to_linear(cloth_color(rng)) if kind == "blots" else other * 0.4):
            coarse = rng.standard_normal((int(rng.integers(10, 30)),) * 2, dtype=np.float32)
            field = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
            image += (color_here - image) * (field > 0.35)[:, :, None]
    return image * creases(rng, 0.1)[:, :, None]


def _bands(rng: np.random.Generator, crossed: bool) -> np.ndarray:
    """(HEIGHT, WIDTH) float32 stripes or checks."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(6, 30)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    share = (np.sin(along * (2 * np.pi / pitch)) > rng.uniform(-0.3, 0.6)).astype(np.float32)
    return 0.5 * share + 0.5 * (np.sin(across * (2 * np.pi / pitch)) > 0) if crossed else share


def creases(rng: np.random.Generator, strength: float) -> np.ndarray:
    """(HEIGHT, WIDTH) float32 shading of soft folds, about 1."""
    coarse = rng.standard_normal((9, 7), dtype=np.float32)
    folds = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.standard_normal((48, 30), dtype=np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.exp(strength * folds + 0.3 * strength * fine)
