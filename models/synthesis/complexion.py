"""One person's skin in numbers: age, blood, oil, make-up, marks; and how an expression folds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .skin_atlas import SIDE, Fold
from .skin_kernels import (
    BLUSH,
    DETAIL_A,
    DETAIL_B,
    DETAIL_RELIEF,
    FLUSH,
    FOLDS,
    FOUNDATION,
    FRECKLED,
    LID_COLOR,
    LINER,
    LIP_GLOSS,
    LIPSTICK,
    MOTTLE,
    NUMBERS,
    OILY,
    PORES,
    RINGS,
    STUBBLE,
    SWEAT,
    TAN,
)  # fmt: skip

# Deepest fold in millimetres, by age alone and by the full expression
_DEPTHS = {
    Fold.FOREHEAD: (0.30, 0.75), Fold.FROWN: (0.35, 0.9), Fold.CROW: (0.30, 0.6), Fold.NASOLABIAL: (0.75, 0.8),
    Fold.BAGS: (0.45, 0.3), Fold.MARIONETTE: (0.4, 0.4), Fold.BUNNY: (0.0, 0.5), Fold.LIPS: (0.10, 0.15),
    Fold.NECK: (0.45, 0.2), Fold.CHIN: (0.05, 0.6), Fold.LIDS: (0.15, 0.1),
}  # fmt: skip
# The sliders (subject's side appended where they have one) that fold the skin
_MUSCLES = {
    Fold.FOREHEAD: ("browInnerUp", "browOuterUp*", "browInnerUp*"),
    Fold.FROWN: ("browDown*", "browFurrow"),
    Fold.CROW: ("mouthSmile*", "eyeSquint*", "cheekSquint*", "cheekRaiser*"),
    Fold.NASOLABIAL: ("mouthSmile*", "noseSneer*", "mouthUpperUp*", "mouthDimple*"),
    Fold.BAGS: ("mouthSmile*", "cheekSquint*", "eyeSquint*"),
    Fold.MARIONETTE: ("mouthFrown*", "mouthPress*", "mouthShrugLower"),
    Fold.BUNNY: ("noseSneer*",),
    Fold.LIPS: ("mouthPucker", "mouthFunnel", "mouthPress*"),
    Fold.NECK: ("neckTense", "jawOpen"),
    Fold.CHIN: ("mouthShrugLower", "mouthFrown*"),
    Fold.LIDS: ("browInnerUp", "browOuterUp*"),
}


@dataclass(frozen=True, eq=False)
class Complexion:
    """What the skin's kernels need to know of a person."""

    age: float  # 0 to 1
    numbers: np.ndarray  # (NUMBERS,) float32 in the order of skin_kernels
    skins: tuple[float, float]  # which two painted skins, as shares of those there are
    shift: np.ndarray  # (2,) float32 texels of the noise
    spots: np.ndarray  # (S, 7) float32 moles and blemishes, see `paint_pixels`
    folding: np.ndarray  # (FOLDS,) float32 how readily this skin folds, 0 without relief


def sample_complexion(
    rng: np.random.Generator, luminance: float, made_up: bool, bearded: bool, ingredients: Mapping[str, bool]
) -> Complexion:
    """A person's skin; `luminance` of its albedo, `made_up` whether make-up is likely, `bearded` whether stubble is.

    Every number is drawn whether or not its ingredient is used, so that an ingredient changes nothing else.
    """
    age, light = float(rng.beta(1.3, 1.7)), float(np.clip((luminance - 0.08) / 0.25, 0.1, 1.0))
    numbers = np.zeros(NUMBERS, np.float32)
    _draw_skin(rng, numbers, age, light, bearded)
    _draw_makeup(rng, numbers, 0.75 if made_up else 0.12, ingredients["makeup"])
    skins = (float(rng.random()), float(rng.random()))
    shift = rng.uniform(0, 4096, 2).astype(np.float32)
    spots = _spots(rng, light, 1.0 if rng.random() < 0.12 else 0.0)
    folding = np.exp(rng.normal(0.0, 0.3, FOLDS)).astype(np.float32)
    if not ingredients["texture"]:
        numbers[[DETAIL_A, DETAIL_B, FRECKLED, MOTTLE]] = 0.0
        spots = spots[:0]
    if not ingredients["relief"]:
        numbers[[PORES, DETAIL_RELIEF]] = 0.0
        folding[:], spots[:, 6] = 0.0, 0.0
    return Complexion(age, numbers, skins, shift, spots, folding)


def _draw_skin(rng: np.random.Generator, numbers: np.ndarray, age: float, light: float, bearded: bool) -> None:
    strength, blend = rng.uniform(0.45, 1.15), rng.choice([0.0, rng.uniform(0.2, 0.5)])
    numbers[DETAIL_A], numbers[DETAIL_B] = strength * (1.0 - blend), strength * blend
    numbers[FLUSH] = (0.1 + 0.6 * rng.beta(1.2, 3.0)) * (0.3 + 0.7 * light)
    numbers[RINGS] = 0.7 * rng.beta(1.2, 2.5) * (0.6 + 0.6 * age)
    numbers[FRECKLED] = rng.uniform(0.3, 1.0) * light if rng.random() < 0.14 else 0.0
    numbers[TAN] = pick(rng, [0.0, rng.normal(0.0, 0.1)], [0.6, 0.4])
    numbers[MOTTLE] = 0.02 + 0.05 * rng.beta(1.0, 2.0)
    numbers[STUBBLE] = rng.uniform(0.08, 0.5) if bearded and rng.random() < 0.65 else 0.0
    numbers[OILY] = pick(rng, [rng.uniform(0.0, 0.4), rng.uniform(0.4, 1.2)], [0.65, 0.35])
    numbers[SWEAT] = rng.uniform(0.2, 0.9) if rng.random() < 0.07 else 0.0
    numbers[PORES] = 1e-5 * rng.uniform(1.0, 3.0)
    numbers[DETAIL_RELIEF] = rng.uniform(0.5e-4, 1.3e-4) * (0.7 + 0.6 * age)


def _draw_makeup(rng: np.random.Generator, numbers: np.ndarray, chance: float, allowed: bool) -> None:
    """Lipstick, eye shadow, liner, blush and foundation, mostly together."""
    worn = rng.random() < chance
    lips = pick(rng, [0.0, rng.uniform(0.15, 0.5), rng.uniform(0.5, 0.92)], [0.2, 0.4, 0.4])
    lids, shadow = rng.uniform(0.1, 0.65), rng.random() < 0.45
    liner, blush = rng.uniform(0.3, 0.95), rng.uniform(0.05, 0.5)
    foundation, gloss = rng.uniform(0.1, 0.7), rng.uniform(0.2, 1.5) * (rng.random() < 0.4)
    lash_line, damp = rng.uniform(0.0, 0.45), rng.uniform(0.02, 0.2)
    numbers[LINER], numbers[LIP_GLOSS] = lash_line, damp  # lashes darken the lid's rim, lips are moist
    if worn and allowed:
        numbers[[LIPSTICK, LID_COLOR, BLUSH, FOUNDATION]] = lips, lids * shadow, blush, foundation
        numbers[LINER], numbers[LIP_GLOSS] = max(liner, lash_line), max(gloss, damp)


def _spots(rng: np.random.Generator, light: float, spotty: float) -> np.ndarray:
    """(S, 7) float32: moles, and the blemishes of `spotty` skin."""
    moles, blemishes = int(rng.integers(0, 6)), int(spotty * rng.integers(4, 14))
    count = moles + blemishes
    out = np.zeros((count, 7), np.float32)
    out[:, 0] = SIDE / 2 + rng.normal(0.0, 110.0, count)
    out[:, 1] = rng.uniform(120.0, 640.0, count)
    out[:, 2] = rng.uniform(1.8, 5.0, count)  # texels of 0.38 mm
    out[:moles, 3:6] = -np.array([0.6, 0.9, 1.1]) * rng.uniform(0.3, 1.3, (moles, 1)) * light
    out[:moles, 6] = rng.choice([0.0, 5e-4], moles)
    out[moles:, 3:6] = np.array([0.1, -0.45, -0.3]) * rng.uniform(0.3, 1.0, (blemishes, 1))
    out[moles:, 6] = rng.uniform(1e-4, 4e-4, blemishes)
    return out


def fold_depths(complexion: Complexion, expression: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(2, FOLDS) float32 metres on the subject's right and left for (64,) sliders."""
    depth = np.zeros((2, FOLDS), np.float32)
    at_rest = 0.15 + 1.1 * complexion.age**1.5
    for fold, (old, moved) in _DEPTHS.items():
        for side, suffix in enumerate(("Right", "Left")):
            wanted = [muscle.replace("*", suffix) for muscle in _MUSCLES[fold]]
            pull = max(float(expression[names.index(name)]) for name in wanted if name in names)
            depth[side, fold] = old * at_rest + moved * pull * (0.35 + 0.65 * complexion.age)
    return (depth * complexion.folding * 1e-3).astype(np.float32)


def makeup_colors(rng: np.random.Generator, luminance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear RGB (3,) of lipstick, eye shadow and liner."""
    lips = srgb_to_linear(np.array([rng.uniform(0.4, 0.8), rng.uniform(0.12, 0.4), rng.uniform(0.15, 0.4)]))
    lips = lips * np.clip(luminance / 0.3, 0.35, 1.2)
    hue = pick(rng, 4, [0.5, 0.2, 0.15, 0.15])
    tints = np.array([[0.36, 0.25, 0.2], [0.3, 0.26, 0.34], [0.25, 0.3, 0.42], [0.5, 0.34, 0.34]])
    lids = srgb_to_linear(tints[hue] * rng.uniform(0.5, 1.4)) * np.clip(luminance / 0.25, 0.3, 1.2)
    liner = srgb_to_linear(np.array([0.1, 0.08, 0.08]) if rng.random() < 0.85 else rng.random(3) * 0.5)
    return lips.astype(np.float32), lids.astype(np.float32), liner.astype(np.float32)
