"""Who is in the picture: identity and albedo coefficients."""

from __future__ import annotations

import numpy as np

from core.types import ALBEDO, IDENTITY

SPREAD = 1.15  # slightly wider than the population, so that unusual faces are not the edge of the training set
LIMIT = 3.0  # standard deviations


def sample_identity(rng: np.random.Generator) -> np.ndarray:
    """(80,) float32 identity coefficients, standard deviations."""
    spread = SPREAD * rng.choice([0.6, 1.0, 1.25], p=[0.1, 0.7, 0.2])
    return np.clip(rng.normal(0.0, spread, IDENTITY), -LIMIT, LIMIT).astype(np.float32)


def sample_albedo(rng: np.random.Generator) -> np.ndarray:
    """(80,) float32 albedo coefficients, standard deviations."""
    return np.clip(rng.normal(0.0, SPREAD, ALBEDO), -LIMIT, LIMIT).astype(np.float32)
