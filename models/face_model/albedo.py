"""The albedo basis: a population of skins from a two-chromophore model, MakeHuman's painted detail and facial hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.types import ALBEDO

from .skin_fields import SkinFields

_PEOPLE = 2400
# Relative absorption of linear R, G, B: melanin falls towards red; blood absorbs green most (Krishnaswamy & Baranoski).
MELANIN = np.array([1.00, 1.38, 1.72])
BLOOD = np.array([0.24, 1.00, 0.86])
CAROTENE = np.array([0.00, 0.22, 1.00])
# Tone runs on a line in linear RGB, from Fitzpatrick VI at -2 to I-II at +2 standard deviations: the basis is linear,
# and a curved (multiplicative) tone axis would leave green or black skin at the ends of independent coefficients.
TONE_MEAN = np.array([0.430, 0.254, 0.175])
TONE_STEP = np.array([0.156, 0.100, 0.071])
# Everything else is multiplicative on a colour between the person's own and this one, for the same reason.
REFERENCE = np.array([0.20, 0.112, 0.074])
_OWN_SHARE = 0.45
_MELANIN_AT_REFERENCE, _BLOOD_AT_REFERENCE = 0.60, 0.32
# Linear RGB of hair: black, dark brown, brown, dark blond, blond, red, grey, white.
HAIR = np.array(
    [
        [0.010, 0.008, 0.007],
        [0.026, 0.016, 0.011],
        [0.060, 0.034, 0.020],
        [0.120, 0.078, 0.046],
        [0.220, 0.155, 0.090],
        [0.160, 0.062, 0.024],
        [0.200, 0.195, 0.190],
        [0.420, 0.410, 0.400],
    ]
)
_HAIR_DARK = np.array([0.68, 0.23, 0.04, 0.0, 0.0, 0.0, 0.04, 0.01])
_HAIR_LIGHT = np.array([0.12, 0.30, 0.28, 0.13, 0.06, 0.05, 0.045, 0.015])
PART_COLORS: dict[str, tuple[float, float, float]] = {  # linear RGB
    "sclera": (0.72, 0.67, 0.63),
    "iris": (0.14, 0.09, 0.055),
    "pupil": (0.004, 0.004, 0.004),
    "teeth": (0.66, 0.60, 0.48),
    "gums": (0.40, 0.13, 0.11),
    "tongue": (0.42, 0.15, 0.13),
    "mouth_bag": (0.24, 0.065, 0.055),
    "socket": (0.46, 0.20, 0.16),
    "lashes": (0.015, 0.011, 0.009),
}


@dataclass(frozen=True)
class AlbedoBasis:
    """Mean, ordered unit-variance modes and the people they came from."""

    mean: np.ndarray  # (N, 3) float32 linear RGB
    modes: np.ndarray  # (80, N, 3) float32
    parity: np.ndarray  # (80,) int8: 1 mirror-symmetric, -1 antisymmetric
    explained: np.ndarray  # (80,) share of the weighted variance
    held_out: float  # mean absolute error over the face of held-out skins, linear RGB


def absorption(melanin: np.ndarray, blood: np.ndarray, carotene: np.ndarray) -> np.ndarray:
    """(..., 3) Beer-Lambert absorbance of linear RGB by three pigments (arrays of one shape)."""
    return melanin[..., None] * MELANIN + blood[..., None] * BLOOD + carotene[..., None] * CAROTENE


def sample_people(fields: SkinFields, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, N, 3) float32 linear RGB skins of random people over the fields' N vertices."""
    return np.stack([_person(fields, rng) for _ in range(count)]).astype(np.float32)


def _person(fields: SkinFields, rng: np.random.Generator) -> np.ndarray:
    tone = float(np.clip(rng.standard_normal(), -2.4, 2.4))
    base = TONE_MEAN + tone * TONE_STEP
    light = float(np.clip(0.5 + 0.4 * tone, 0, 1))  # how much blood and freckles show
    age = rng.beta(1.6, 1.8)
    pigment = _MELANIN_AT_REFERENCE * _pigment_pattern(fields, age, light, rng)
    blood = _BLOOD_AT_REFERENCE * (0.18 * rng.standard_normal() + _blood_pattern(fields, light, rng))
    carotene = np.full_like(pigment, 0.07 * rng.standard_normal())
    change = np.exp(_detail(fields, tone, rng) - absorption(pigment, blood, carotene)) - 1
    carrier = base**_OWN_SHARE * REFERENCE ** (1 - _OWN_SHARE)
    return np.clip(_hair(base + carrier * change, fields, tone, age, rng), 0.002, 0.95)


def _pigment_pattern(fields: SkinFields, age: float, light: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) relative change of melanin: blotches, freckles, age spots, dark rings, lips."""
    freckled = light * max(0.0, rng.standard_normal() - 0.7)
    amounts = freckled * rng.dirichlet(np.ones(len(fields.freckles)))
    pattern = 0.03 * rng.standard_normal(len(fields.waves)) @ fields.waves
    pattern += 0.9 * amounts @ fields.freckles
    pattern += 1.2 * max(0.0, age - 0.5) * rng.random(len(fields.age_spots)) @ fields.age_spots
    pattern += (0.12 + 0.10 * rng.standard_normal()) * fields.under_eyes
    return pattern + (0.10 * rng.standard_normal() - 0.15 * (1 - light)) * fields.lips


def _blood_pattern(fields: SkinFields, light: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) relative change of blood: flush of cheeks, nose and ears, blotches, red lips."""
    pattern = 0.03 * rng.standard_normal(len(fields.waves)) @ fields.waves
    pattern += (0.20 + 0.16 * rng.standard_normal()) * (0.4 + 0.6 * light) * fields.flush
    pattern += 0.12 * rng.standard_normal() * fields.under_eyes
    return pattern + (0.30 + 0.20 * rng.standard_normal()) * fields.lips


def _detail(fields: SkinFields, tone: float, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) log detail: a random blend of a few painted skins of about the same tone."""
    fitting = np.flatnonzero(fields.dark == (tone < rng.uniform(-1.3, -0.3)))
    chosen = rng.choice(fitting, 3, replace=False)
    share = rng.dirichlet(np.full(3, 0.6)) * rng.uniform(0.5, 0.9)
    return np.tensordot(share, fields.details[chosen], axes=1)


def _hair(color: np.ndarray, fields: SkinFields, tone: float, age: float, rng: np.random.Generator) -> np.ndarray:
    """Blend brows, stubble and a shaved scalp into (N, 3) skin."""
    chances = np.where(tone < 0.0, _HAIR_DARK, _HAIR_LIGHT) * np.where(np.arange(8) > 5, 0.4 + 3.0 * age**2, 1.0)
    hair = HAIR[rng.choice(8, p=chances / chances.sum())] * rng.uniform(0.8, 1.25)
    share = 0.4 * rng.dirichlet(np.full(len(fields.brows), 0.15)) + 0.6 / len(fields.brows)
    brow = np.clip(share @ fields.brows * rng.uniform(0.9, 1.4), 0, 0.9)[:, None]
    color = color * (1 - brow) + (0.15 * color + 0.85 * hair) * brow
    if rng.random() < 0.35:
        amount = rng.uniform(0.1, 0.6)
        cover = (amount * fields.stubble)[:, None]
        color = color * (1 - cover) + cover * (0.25 * color + 0.4 * hair + 0.02 * np.array([1.0, 1.0, 1.04]))
    cover = (rng.beta(0.8, 2.0) * 0.6 * fields.scalp)[:, None]
    return color * (1 - cover) + cover * (0.3 * color + 0.7 * hair)


def learn_albedo(fields: SkinFields, weights: np.ndarray, mirror: np.ndarray, seed: int = 11) -> AlbedoBasis:
    """Mean and 80 modes of random people and their mirror images.

    `weights` (N,) say where precision counts, `mirror` (N,) pairs the fields' vertices.
    """
    rng = np.random.default_rng(seed)
    people = sample_people(fields, _PEOPLE, rng)
    mean = people.mean(axis=0)
    mean = (mean + mean[mirror]) / 2
    people -= mean
    root = np.sqrt(weights)[:, None].astype(np.float32)
    found, total = [], 0.0
    for parity in (1, -1):
        half = ((people + parity * people[:, mirror]) / 2).reshape(_PEOPLE, -1)
        flat = half * np.repeat(root, 3)
        values, vectors = np.linalg.eigh((flat @ flat.T).astype(float) / _PEOPLE)
        total += values.sum()
        best = np.argsort(values)[::-1][:ALBEDO]
        modes = (vectors[:, best].T.astype(np.float32) / np.sqrt(_PEOPLE)) @ half
        found += list(zip(values[best], [parity] * ALBEDO, modes, strict=True))
    found = sorted(found, key=lambda item: -item[0])[:ALBEDO]
    modes = np.stack([mode * np.sign(mode[np.abs(mode).argmax()]) for _, _, mode in found]).reshape(ALBEDO, -1, 3)
    explained = np.array([item[0] for item in found]) / total
    parity = np.array([item[1] for item in found], np.int8)
    error = _held_out(modes, mean, weights, sample_people(fields, 100, rng))
    return AlbedoBasis(mean, modes, parity, explained, error)


def _held_out(modes: np.ndarray, mean: np.ndarray, weights: np.ndarray, people: np.ndarray) -> float:
    """Mean absolute error (linear RGB, over heavily weighted vertices) of unseen skins rebuilt from the modes."""
    flat, heavy = modes.reshape(len(modes), -1), np.repeat(weights, 3)
    solve = np.linalg.inv((flat * heavy) @ flat.T)
    rest = (people - mean).reshape(len(people), -1)
    coefficients = (rest * heavy) @ flat.T @ solve
    error = np.abs(rest - coefficients @ flat).reshape(len(people), -1, 3)
    return float(error[:, weights > np.percentile(weights, 60)].mean())
