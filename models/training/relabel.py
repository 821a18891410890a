"""Landmarks of pictures that were rendered before the 68 points moved to the markup's places, moved there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.geometry.face_model import FaceModel
from core.types import LANDMARKS, LAYOUT
from models.face_model.landmarks import Embedding
from models.face_model.markup import BASE, NOSE, PARTNER, markup_embedding, slid

from .data import Pictures

_ON_NOSE = [*NOSE, *BASE, *(PARTNER[row] for row in BASE if row in PARTNER)]
_SAME = 0.1  # pixels: closer than this, on average, the points are where the markup has them


def follow_markup(pictures: Pictures, model: FaceModel) -> Pictures:
    """The same pictures with all points at the markup's places; visibility stays.

    The nose moves with the coefficients alone, so its points are computed from them. Lids and lips may be closed
    by more than the coefficients say: there points slide along the labelled contour.
    """
    truth = pictures.truth
    points = surface_points(truth.coefficients, model, markup_embedding(model))[:, _ON_NOSE]
    camera = np.einsum("nij,npj->npi", truth.rotation, points) + truth.translation[:, None]
    nose = camera[..., :2] / camera[..., 2:] * truth.focal[:, None, None] + truth.center[:, None]
    if np.abs(nose - truth.landmarks[:, _ON_NOSE]).mean() < _SAME:
        return pictures
    landmarks = truth.landmarks.copy()
    landmarks[:, :LANDMARKS] = slid(landmarks[:, :LANDMARKS])
    landmarks[:, _ON_NOSE] = nose
    return replace(pictures, truth=replace(truth, landmarks=landmarks))


def surface_points(coefficients: np.ndarray, model: FaceModel, embedding: Embedding) -> np.ndarray:
    """(N, 68, 3) metres, model frame, of (N, 239) coefficients."""
    flat = embedding.points(model.vertices).reshape(1, -1).astype(float)
    for name in ("identity", "expression"):
        basis = np.stack([embedding.points(field) for field in getattr(model, f"{name}_basis")])
        flat = flat + coefficients[:, LAYOUT[name]].astype(float) @ basis.reshape(len(basis), -1)
    return flat.reshape(len(coefficients), -1, 3)
