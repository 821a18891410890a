"""Landmarks of pictures that were rendered before the model's 68 points moved, computed anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.geometry.face_model import FaceModel
from core.types import LANDMARKS, LAYOUT

from .data import Pictures

_INNER = slice(17, LANDMARKS)  # the jaw slides over the contour and keeps its labels
_FIRM = slice(27, 36)  # the nose: no lid or lip that is closed further than the coefficients say
_LOWER_LIP, _LOWER_MIDDLE = [65, 67], 66
_SAME = 0.05  # pixels: closer than this, on average, the points are where the model has them


def follow_model(pictures: Pictures, model: FaceModel) -> Pictures:
    """The same pictures with points 17-67 where the model now has them; visibility stays.

    Lips that the picture closes further than its coefficients say keep that: the middle of the lower lip tells.
    """
    truth = pictures.truth
    points = surface_points(truth.coefficients, model)[:, _INNER]
    camera = np.einsum("nij,npj->npi", truth.rotation, points) + truth.translation[:, None]
    landmarks = truth.landmarks.astype(float)
    landmarks[:, _INNER] = camera[..., :2] / camera[..., 2:] * truth.focal[:, None, None] + truth.center[:, None]
    if np.abs(landmarks - truth.landmarks)[:, _FIRM].mean() < _SAME:
        return pictures
    closed = truth.landmarks[:, _LOWER_MIDDLE] - landmarks[:, _LOWER_MIDDLE]
    landmarks[:, _LOWER_LIP] += closed[:, None]
    landmarks[:, _LOWER_MIDDLE] += closed
    return replace(pictures, truth=replace(truth, landmarks=landmarks.astype(np.float32)))


def surface_points(coefficients: np.ndarray, model: FaceModel) -> np.ndarray:
    """(N, 68, 3) metres, model frame, of (N, 239) coefficients."""
    flat = model.landmarks(model.vertices).reshape(1, -1).astype(float)
    for name in ("identity", "expression"):
        basis = np.stack([model.landmarks(field) for field in getattr(model, f"{name}_basis")])
        flat = flat + coefficients[:, LAYOUT[name]].astype(float) @ basis.reshape(len(basis), -1)
    return flat.reshape(len(coefficients), -1, 3)
