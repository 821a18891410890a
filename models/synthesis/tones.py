"""From light on the sensor to colours of a picture: white balance, tone curves, looks, black and white, old film."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from core.geometry.lighting import linear_to_srgb

from .chance import pick

_STEPS = 2048
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SEPIA = np.array([1.08, 0.98, 0.78], np.float32)
LOOKS = ("color", "grey", "sepia")


@dataclass(frozen=True, eq=False)
class Noise:
    """The noise of one picture and how strong it is; standard deviations are linear."""

    fine: np.ndarray  # (H, W, 3) float32 of deviation 1
    coarse: np.ndarray  # (H, W, 3) float32 of deviation 1, colours only
    rows: np.ndarray  # (H,) float32 added to whole rows
    chroma: float  # weight of `coarse`
    shot: float  # at white
    read: float  # at black


@dataclass(frozen=True, eq=False)
class Tones:
    """One development."""

    gains: np.ndarray  # (3,) float32 white balance
    table: np.ndarray  # (2048, 3) float32: linear [0, 1] to encoded [0, 1] of each channel
    saturation: float
    local: float  # how far large bright and dark areas are drawn together, as phones do
    look: str  # one of LOOKS
    sharpen: float
    sharpen_radius: float  # pixels of a 192 px picture


def sample_tones(rng: np.random.Generator, stage: bool = False) -> Tones:
    """Phones, television, film and plain cameras; now and then no colours at all."""
    wrong = rng.random() < 0.15  # the camera's guess of the light is off
    warm = rng.normal(0.0, 0.22 if wrong else 0.07)
    green = rng.normal(0.0, 0.08 if wrong else 0.025)
    gains = np.exp(np.array([warm, green, -warm]) + rng.normal(0.0, 0.015, 3))
    look = str(pick(rng, LOOKS, [0.905, 0.08, 0.015] if not stage else [0.98, 0.02, 0.0]))
    sharpened = rng.random() < 0.4
    return Tones(
        gains=(gains / gains.mean()).astype(np.float32),
        table=_table(rng),
        saturation=float(np.clip(rng.normal(1.05, 0.25), 0.25, 1.8)),
        local=float(rng.uniform(0.15, 0.5)) if rng.random() < 0.2 else 0.0,
        look=look,
        sharpen=float(min(rng.exponential(0.45), 2.2)) if sharpened else 0.0,
        sharpen_radius=float(rng.uniform(0.6, 1.8)),
    )


def _table(rng: np.random.Generator) -> np.ndarray:
    """(2048, 3) float32 tone curves: sRGB, then contrast, black level, shoulder and a split tint."""
    curve = linear_to_srgb(np.linspace(0.0, 1.0, _STEPS))
    kind = pick(rng, ["plain", "film", "flat", "hard"], [0.5, 0.2, 0.15, 0.15])
    contrast = {"plain": rng.normal(0.08, 0.18), "film": rng.normal(0.2, 0.15), "flat": rng.uniform(-0.55, -0.15),
                "hard": rng.uniform(0.25, 0.7)}[kind]  # fmt: skip
    power = np.exp(contrast)
    low = curve < 0.5
    curve = np.where(low, 0.5 * (2 * curve) ** power, 1 - 0.5 * (2 - 2 * curve) ** power)
    lift = max(0.0, rng.normal(0.0, 0.025)) + (rng.uniform(0.02, 0.1) if kind == "flat" else 0.0)
    top = 1.0 - (rng.uniform(0.0, 0.15) if kind in ("film", "flat") else 0.0)
    curve = lift + (top - lift) * curve
    curves = np.repeat(curve[:, None], 3, axis=1)
    if kind == "film":
        tint = rng.normal(0.0, 0.025, (2, 3))
        curves = curves + tint[0] * (1.0 - curves) ** 2 + tint[1] * curves**2
    return np.clip(curves, 0.0, 1.0).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _encode(light, fine, coarse, chroma, shot, read, rows, gains, table, saturation, look):
    """Noise, white balance, tone curve and saturation in one pass; see `expose`."""
    height, width = light.shape[:2]
    out = np.empty((height, width, 3), np.float32)
    last = np.float32(table.shape[0] - 1)
    for y in range(height):
        for x in range(width):
            luma = np.float32(0.0)
            for c in range(3):
                value = light[y, x, c]
                sigma = np.sqrt(max(value, np.float32(0.0)) * shot + read)
                value += (fine[y, x, c] + chroma * coarse[y, x, c]) * sigma + rows[y]
                value = min(max(value * gains[c], np.float32(0.0)), np.float32(1.0))
                value = table[int(value * last), c]
                out[y, x, c] = value
                luma += _LUMA[c] * value
            for c in range(3):
                if look == 0:
                    out[y, x, c] = luma + (out[y, x, c] - luma) * saturation
                else:
                    out[y, x, c] = luma * (_SEPIA[c] if look == 2 else np.float32(1.0))
    return out


def tone(light: np.ndarray, noise: Noise, tones: Tones) -> np.ndarray:
    """(H, W, 3) float32 linear light to encoded colours, about [0, 1], with the sensor's noise."""
    if tones.local:
        around = cv2.GaussianBlur(cv2.transform(light, _LUMA[None]), (0, 0), light.shape[1] / 10.0)
        light = light * ((np.maximum(around, 0.01) / 0.2) ** np.float32(-tones.local))[:, :, None]
    encoded = _encode(
        np.ascontiguousarray(light, np.float32), noise.fine, noise.coarse, np.float32(noise.chroma),
        np.float32(noise.shot**2), np.float32(noise.read**2), noise.rows, tones.gains, tones.table,
        np.float32(tones.saturation), LOOKS.index(tones.look),
    )  # fmt: skip
    if tones.sharpen:
        soft = cv2.GaussianBlur(encoded, (0, 0), tones.sharpen_radius * light.shape[1] / 192.0)
        encoded = cv2.addWeighted(encoded, 1.0 + tones.sharpen, soft, -tones.sharpen, 0.0)
    return encoded


def age_film(encoded: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) float32 with the grain, scratches and dust of an old print."""
    height, width = encoded.shape[:2]
    marks = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(0, 5))):
        x, drift = rng.uniform(0, width), rng.normal(0, width * 0.01)
        ends = ((round(x), 0), (round(x + drift), height))
        cv2.line(marks, *ends, float(rng.choice([-0.5, 0.6]) * rng.uniform(0.3, 1.0)), 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 12))):
        spot = (rng.random(2) * [width, height]).astype(int).tolist()
        cv2.circle(marks, spot, int(rng.integers(1, 3)), float(rng.choice([-0.6, 0.7])), -1, cv2.LINE_AA)
    return encoded + marks[:, :, None] * np.float32(0.6)
