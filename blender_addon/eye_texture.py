"""Paints the picture of an eyeball (sclera, limbus, iris, pupil) and the UV that fetch it; numpy only."""

from __future__ import annotations

import numpy as np

from ..core.geometry.eyes import Eye

SIZE = 512  # pixels
EDGE_ANGLE = np.radians(75.0)  # angle from the optic axis at the picture's edge; beyond it only sclera
_VEIN = np.array([0.91, 0.45, 0.39])  # sRGB, over the white


def eye_coordinates(points: np.ndarray, eye: Eye) -> np.ndarray:
    """(N, 2) float32 UV of (N, 3) eyeball points (model frame, at rest) by their angle from the optic axis."""
    ray = eye.local(points)
    radial = np.hypot(ray[:, 0], ray[:, 1])
    angle = np.arctan2(radial, ray[:, 2])
    reach = np.minimum(angle / EDGE_ANGLE, 1.0) * 0.5 / np.maximum(radial, 1e-9)
    return (0.5 + ray[:, :2] * reach[:, None]).astype(np.float32)


def _noise(rng: np.random.Generator, count: int, length: int) -> np.ndarray:
    """(length,) smooth periodic noise in [-1, 1] with `count` waves around the circle."""
    phase = rng.uniform(0, 2 * np.pi, 6)
    weight = rng.uniform(0.4, 1.0, 6)
    turns = np.rint(count * rng.uniform(0.6, 1.4, 6))
    t = np.linspace(0, 2 * np.pi, length, endpoint=False)
    return (weight[:, None] * np.sin(turns[:, None] * t + phase[:, None])).sum(0) / weight.sum()


def _ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _iris(radius: np.ndarray, turn: np.ndarray, color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) iris colours; `radius` is 1 at its rim, `turn` (S, S) in [0, 1) goes around."""
    table = 2048
    column = (turn * table).astype(int) % table
    fibres = 0.6 * _noise(rng, 90, table)[column] + 0.4 * _noise(rng, 200, table)[column]
    collarette = 0.5 + 0.05 * _noise(rng, 14, table)[column]
    light = 1.0 + 0.28 * fibres * _ramp(radius, 0.3, 0.55) + 0.22 * np.exp(-(((radius - collarette) / 0.09) ** 2))
    light *= 1.0 - 0.5 * _ramp(radius, 0.75, 1.0)  # limbal ring
    warm = np.array([0.07, 0.02, -0.03]) * (1 - _ramp(radius, 0.35, 0.6))[..., None]
    return (color + warm) * light[..., None]


def _sclera(angle: np.ndarray, turn: np.ndarray, white: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    table = 2048
    wander = 0.012 * np.sin(angle * 37 + 9 * turn)
    column = ((turn + wander) * table).astype(int) % table
    veins = np.clip(_noise(rng, 60, table)[column] - 0.35, 0, 1) * 1.1
    strength = veins * _ramp(angle, np.radians(34), np.radians(62)) * 0.55
    flush = 0.16 * _ramp(angle, np.radians(35), np.radians(72))
    mix = np.clip(strength + flush, 0, 1)[..., None]
    return white * (1 - mix * (1 - _VEIN))


def paint_eye(
    iris_color: np.ndarray,
    white: np.ndarray,
    iris_angle: float,
    pupil_angle: float,
    size: int = SIZE,
    seed: int = 7,
) -> np.ndarray:
    """(size, size, 3) uint8 sRGB picture of an eyeball, row 0 at v = 1, in the layout of `eye_coordinates`.

    `iris_color` and `white` are (3,) sRGB in [0, 1]; the angles (radians off the optic axis) are the rims of iris and
    pupil.
    """
    rng = np.random.default_rng(seed)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    angle = np.hypot(x, y) * EDGE_ANGLE
    turn = (np.arctan2(y, x) / (2 * np.pi)) % 1.0
    iris = _iris(angle / iris_angle, turn, np.asarray(iris_color, float), rng)
    soft = np.radians(2.4)
    limbus = _ramp(angle, iris_angle - soft, iris_angle + soft)[..., None]
    pupil = _ramp(angle, pupil_angle - soft / 4, pupil_angle + soft / 4)[..., None]
    color = iris * (1 - limbus) + _sclera(angle, turn, np.asarray(white, float), rng) * limbus
    color = color * pupil + 0.012 * (1 - pupil)
    return np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)
