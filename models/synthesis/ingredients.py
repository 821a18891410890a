"""Which ingredients a picture used, drawn independently, so that a set can be filtered to learn what each one buys."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

OF_THE_PERSON = {  # share of people; constant within a group
    "texture": 0.85,  # full-resolution skin rather than per-vertex albedo alone
    "relief": 0.8,  # pores and wrinkles bend the shading normal
    "hair_strips": 0.8,  # hair made of strips rather than a painted cap
    "brows_strands": 0.75,  # brows of single hairs rather than the model's own
    "makeup": 0.6,  # lipstick, eye shadow, liner and blush may be worn
}
OF_THE_PICTURE = {  # share of pictures
    "hdri_light": 0.8,  # an environment map lights the head rather than plain lamps
    "dof_motion": 0.7,  # depth of field and motion blur may happen
    "background_map": 0.65,  # a view into an environment map rather than something drawn
}
NAMES = (*OF_THE_PERSON, *OF_THE_PICTURE, "occluder")  # bit k of the stored field is NAMES[k]
UNKNOWN = np.uint32(0xFFFFFFFF)  # what sets without the field are read as

Ingredients = Mapping[str, bool]


def sample_ingredients(rng: np.random.Generator, shares: Mapping[str, float]) -> dict[str, bool]:
    """One independent draw per name of `shares`."""
    return {
        name: bool(draw < share) for (name, share), draw in zip(shares.items(), rng.random(len(shares)), strict=True)
    }


def pack(ingredients: Ingredients) -> np.uint32:
    """The bit field of a mapping; names that are missing count as not used."""
    return np.uint32(sum(1 << bit for bit, name in enumerate(NAMES) if ingredients.get(name, False)))


def unpack(bits: int | np.integer) -> dict[str, bool]:
    """The mapping of a bit field."""
    return {name: bool(int(bits) >> bit & 1) for bit, name in enumerate(NAMES)}


def used(bits: np.ndarray, name: str) -> np.ndarray:
    """(N,) bool: which of (N,) uint32 bit fields have the ingredient."""
    if name not in NAMES:
        raise ValueError(f"There is no ingredient {name!r}; choose from {', '.join(NAMES)}.")
    return (bits >> np.uint32(NAMES.index(name)) & np.uint32(1)).astype(bool)
