"""Eyeballs: iris, pupil, limbus and sclera, drawn by the rest position of each point on the ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick

_IRIS_COLORS = np.array(  # sRGB: dark brown, brown, light brown, hazel, green, blue, pale blue, grey
    [[48, 28, 18], [78, 46, 26], [112, 72, 40], [112, 96, 52], [92, 108, 72], [74, 106, 142], [128, 158, 180]]
    + [[116, 126, 132]],
    np.float32,
) / 255.0  # fmt: skip
_WEIGHTS = np.array([4, 4, 2, 1.5, 1, 1.8, 1, 1])
IRIS_RADIUS = 0.0060  # metres
_PALEST = np.float32(0.32)  # linear albedo of an iris


@dataclass(frozen=True)
class Eyes:
    """One person's eyes."""

    iris: np.ndarray  # (3,) float32 linear
    inner: np.ndarray  # (3,) float32 linear, ring round the pupil
    sclera: np.ndarray  # (3,) float32 linear
    radius: float  # of the iris, metres
    pupil: float  # radius over the iris's
    fibres: np.ndarray  # (64,) float32 brightness round the iris
    veins: float


def sample_eyes(rng: np.random.Generator) -> Eyes:
    """Natural eye colours; pupils from pin to wide."""
    base = _IRIS_COLORS[pick(rng, len(_IRIS_COLORS), _WEIGHTS / _WEIGHTS.sum())]
    iris = np.minimum(srgb_to_linear(np.clip(base * np.exp(rng.normal(0, 0.12, 3)), 0.03, 0.9)), _PALEST)
    white = rng.uniform(0.5, 0.88)
    return Eyes(
        iris=iris,
        inner=np.minimum(iris * rng.uniform(0.7, 1.7) * np.array([1.1, 1.0, 0.8], np.float32), _PALEST),
        sclera=srgb_to_linear(np.array([white, white * rng.uniform(0.9, 0.99), white * rng.uniform(0.84, 0.98)])),
        radius=IRIS_RADIUS * rng.uniform(0.94, 1.08),
        pupil=rng.uniform(0.28, 0.6),
        fibres=(1.0 + 0.25 * rng.standard_normal(64)).astype(np.float32),
        veins=rng.uniform(0.0, 0.5),
    )


def eye_albedo(eyes: Eyes, place: np.ndarray, dilation: np.ndarray) -> np.ndarray:
    """(N, 3) linear albedo at (N, 3) rest positions from the eyeball's centre.

    `dilation` is (N,), the pupil slider of the eye that each point lies on.
    """
    across = np.hypot(place[:, 0], place[:, 1])
    radius = np.where(place[:, 2] > 0, across, 1.0) / eyes.radius
    angle = np.arctan2(place[:, 1], place[:, 0])
    turn = (angle / (2 * np.pi) + 0.5) * 63
    wavy = turn + 1.5 * np.sin(radius * 9.0)  # fibres bend round the collarette
    fibre = 0.55 * eyes.fibres[turn.astype(np.int32)] + 0.45 * eyes.fibres[(wavy * 2.0).astype(np.int32) % 64]
    pupil = eyes.pupil + (0.8 - eyes.pupil) * 0.8 * dilation
    inward = _ramp((radius - pupil) / np.maximum(0.9 - pupil, 0.1), 0.0, 1.0)[:, None]
    iris = (eyes.inner * (1 - inward) + eyes.iris * inward) * fibre[:, None]
    iris = iris * (1.0 - 0.75 * _ramp(radius, 0.78, 1.0))[:, None]  # the dark limbus
    iris = iris * _ramp(radius, pupil - 0.06, pupil + 0.06)[:, None]
    vein = np.maximum(eyes.fibres[((angle * 40.0 + radius * 6.0).astype(np.int32)) % 64] - 1.15, 0.0) * 2.0
    pink = (np.clip(across / 0.011 - 0.5, 0.0, 1.0) * (0.7 + vein))[:, None] * eyes.veins
    sclera = eyes.sclera * (1.0 - np.minimum(pink, 1.0) * np.array([0.05, 0.4, 0.38], np.float32))
    white = _ramp(radius, 0.93, 1.1)[:, None]
    return iris * (1.0 - white) + sclera * white


def _ramp(x: np.ndarray, low: float | np.ndarray, high: float | np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)
