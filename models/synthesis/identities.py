"""Who is in the picture: identity and albedo coefficients."""

from __future__ import annotations

import numpy as np

from core.geometry.face_model import FaceModel
from core.types import ALBEDO, IDENTITY

SPREAD = 1.15  # slightly wider than the population, so that unusual faces are not the edge of the training set
LIMIT = 3.0  # standard deviations
DARKEST = np.array([0.045, 0.022, 0.012], np.float32)  # linear RGB of the darkest skins


def sample_identity(rng: np.random.Generator) -> np.ndarray:
    """(80,) float32 identity coefficients, standard deviations."""
    spread = SPREAD * rng.choice([0.6, 1.0, 1.25], p=[0.1, 0.7, 0.2])
    return np.clip(rng.normal(0.0, spread, IDENTITY), -LIMIT, LIMIT).astype(np.float32)


def sample_albedo(rng: np.random.Generator, model: FaceModel) -> np.ndarray:
    """(80,) float32 albedo coefficients, standard deviations; drawn in towards the mean until no skin is black."""
    coefficients = np.clip(rng.normal(0.0, 1.0, ALBEDO), -LIMIT, LIMIT).astype(np.float32)
    skin = model.in_regions("forehead", "cheek_right", "cheek_left")
    while (np.median(_albedo_of(model, coefficients, skin), axis=0) < DARKEST).any():
        coefficients *= np.float32(0.85)
    return coefficients


def _albedo_of(model: FaceModel, coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(rows)[::10]
    return model.albedo_mean[rows] + np.tensordot(coefficients, model.albedo_basis[:, rows], axes=1)
