"""Who is in the picture: identity and albedo coefficients."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.geometry.face_model import FaceModel
from core.types import ALBEDO, IDENTITY

from .chance import pick

SPREAD = 1.15  # slightly wider than the population, so that unusual faces are not the edge of the training set
LIMIT = 3.0  # standard deviations
DARKEST = np.array([0.045, 0.022, 0.012], np.float32)  # linear RGB of the darkest skins


def sample_identity(rng: np.random.Generator, model: FaceModel) -> np.ndarray:
    """(80,) float32 identity coefficients, standard deviations.

    Heads vary more in fullness than the population that the modes were learnt from: some are much heavier.
    """
    spread = SPREAD * pick(rng, [0.6, 1.0, 1.25], [0.1, 0.7, 0.2])
    coefficients = rng.normal(0.0, spread, IDENTITY)
    weight = rng.normal(0.0, 0.6) + (rng.uniform(0.8, 2.2) if rng.random() < 0.12 else 0.0)
    return np.clip(coefficients + weight * _fullness(model), -LIMIT, LIMIT).astype(np.float32)


@lru_cache(maxsize=2)
def _fullness(model: FaceModel) -> np.ndarray:
    """(80,) unit direction along which cheeks, jaw and neck widen while the distance of the eyes stays."""
    width = np.zeros(IDENTITY)
    for names in (("cheek_left", "cheek_right"), ("jaw",), ("neck",)):
        rows = np.flatnonzero(model.in_regions(*names))
        side = np.sign(model.vertices[rows, 0])
        width += (model.identity_basis[:, rows, 0] * side).mean(axis=1)
    left, right = (model.in_regions(name) for name in ("socket_left", "socket_right"))
    eyes = model.identity_basis[:, left, 0].mean(axis=1) - model.identity_basis[:, right, 0].mean(axis=1)
    direction = width - eyes * (width @ eyes) / (eyes @ eyes)
    return direction / np.linalg.norm(direction)


def sample_albedo(rng: np.random.Generator, model: FaceModel) -> np.ndarray:
    """(80,) float32 albedo coefficients, standard deviations; drawn in towards the mean until no skin is black."""
    coefficients = np.clip(rng.normal(0.0, 1.0, ALBEDO), -LIMIT, LIMIT).astype(np.float32)
    mean, basis = _plain_skin(model)
    tone = float(np.median(mean + coefficients @ basis) / np.median(mean))
    coefficients[1:] *= np.float32(np.clip(tone, 0.3, 1.0))  # what is a shade on fair skin is a blotch on dark skin
    while (np.median((mean + coefficients @ basis).reshape(-1, 3), axis=0) < DARKEST).any():
        coefficients *= np.float32(0.85)
    return coefficients


@lru_cache(maxsize=2)
def _plain_skin(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """(3 N,) mean albedo and (80, 3 N) basis of every tenth vertex of forehead and cheeks."""
    rows = np.flatnonzero(model.in_regions("forehead", "cheek_right", "cheek_left"))[::10]
    return model.albedo_mean[rows].ravel(), np.ascontiguousarray(model.albedo_basis[:, rows].reshape(ALBEDO, -1))
