"""What a mirrored picture does to landmarks and coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import FaceModelError
from ..types import COEFFICIENTS, LANDMARKS, LAYOUT, PARTS
from .face_model import FaceModel

MIRRORED_68 = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
)


def _other_side(name: str, left: str, right: str) -> str:
    """The name of what is on the other side; names end in `left` or `right`, or are in the middle."""
    if name.endswith(left):
        return name.removesuffix(left) + right
    return name.removesuffix(right) + left if name.endswith(right) else name


MIRRORED_PARTS = tuple(PARTS.index(_other_side(name, "_left", "_right")) for name in PARTS)


def mirrored_fractions(points: np.ndarray) -> np.ndarray:
    """(..., 68, 2) landmarks, crop fractions, of the mirrored crop."""
    swapped = points[..., MIRRORED_68, :]
    return np.stack([1.0 - swapped[..., 0], swapped[..., 1]], axis=-1).astype(points.dtype)


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


@dataclass(frozen=True, eq=False)
class CoefficientMirror:
    """Turns the 239 coefficients of a face crop into those of its mirror image."""

    order: np.ndarray  # (239,) where each value comes from
    sign: np.ndarray  # (239,) float32, 1 or -1

    @staticmethod
    def of(model: FaceModel) -> CoefficientMirror:
        """From a model whose modes are each symmetric or antisymmetric; raises `FaceModelError` if one is neither."""
        order, sign = np.arange(COEFFICIENTS), np.ones(COEFFICIENTS, np.float32)
        sign[LAYOUT["identity"]] = _mode_signs(model.identity_basis, model.mirror, np.array([-1.0, 1.0, 1.0]))
        sign[LAYOUT["albedo"]] = _mode_signs(model.albedo_basis, model.mirror, np.ones(3))
        names = model.expression_names
        others = (_other_side(name, "Left", "Right") for name in names)
        order[LAYOUT["expression"]] = [LAYOUT["expression"].start + names.index(other) for other in others]
        sign[LAYOUT["light"]] = LIGHT_SIGNS
        sign[LAYOUT["pose"]] = POSE_SIGNS
        return CoefficientMirror(order, sign)

    def __call__(self, coefficients: np.ndarray) -> np.ndarray:
        """(239,) coefficients, pose and light in the crop's frame, of the mirrored crop."""
        out = coefficients[self.order] * self.sign
        out[_T_X] += 1.0  # from -x to 1 - x crop sides
        return out.astype(np.float32)


LIGHT_SIGNS = np.array([1, 1, 1, -1, -1, 1, 1, -1, 1], np.float32)  # terms odd in x change their sign
POSE_SIGNS = np.array([1, -1, -1, 1, -1, 1], np.float32)  # pitch, yaw, roll, f, t2d
_T_X = LAYOUT["pose"].start + 4
_MIXED = 0.15  # share of a mode's size by which it may miss its mirror image


def _mode_signs(basis: np.ndarray, mirror: np.ndarray, flip: np.ndarray) -> np.ndarray:
    """(K,) 1 or -1 of (K, V, 3) modes that equal their mirror image up to sign."""
    image = basis[:, mirror] * flip
    product = (basis * image).sum(axis=(1, 2)) / np.maximum((basis**2).sum(axis=(1, 2)), 1e-20)
    if (np.abs(product) < 1.0 - _MIXED).any():
        raise FaceModelError("A mode of the face model is neither symmetric nor antisymmetric. Rebuild the face model.")
    return np.sign(product).astype(np.float32)
