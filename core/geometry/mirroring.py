"""Which landmark takes which one's place in a mirrored picture."""

from __future__ import annotations

import numpy as np

from ..errors import FaceModelError
from ..types import LANDMARKS
from .face_model import FaceModel

MIRRORED_68 = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
)


def mirrored_landmarks(model: FaceModel) -> np.ndarray:
    """(68 + D,) index of the landmark that takes each one's place in a mirrored picture.

    A dense landmark's partner is the one nearest to its mirror image on the symmetric mean head.
    """
    dense = model.dense_landmarks(model.vertices)
    mirrored = dense * [-1.0, 1.0, 1.0]
    distance = np.linalg.norm(mirrored[:, None] - dense[None], axis=2)
    partner = distance.argmin(axis=1)
    if not np.array_equal(partner[partner], np.arange(len(dense))):
        raise FaceModelError("The dense landmarks are not symmetric. Reinstall Facewright.")
    return np.concatenate([MIRRORED_68, LANDMARKS + partner])
