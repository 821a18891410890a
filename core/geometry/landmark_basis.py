"""The face model's linear bases restricted to its landmarks, with the jaw that slides along the contour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..types import EXPRESSION, IDENTITY
from .face_model import FaceModel

SHAPE = IDENTITY + EXPRESSION
DIRECTIONS = 30  # of identity that landmarks can tell; the others move them by less than a fifteenth of the first


@dataclass(frozen=True, eq=False)
class SlidLandmarks:
    """N = 68 + D landmarks, linear in the shape, while the jaw stays on the contour of one shape and pose."""

    mean: np.ndarray  # (N, 3) float64, metres
    basis: np.ndarray  # (N, 3, 144) float32, of the landmarks where they do not slide; shared, never written to
    moved: np.ndarray  # (M,) int rows that did slide
    moved_basis: np.ndarray  # (M, 3, 144) float32, of these
    tangent: np.ndarray  # (N, 3, K + E) float32: `basis` along K directions of identity, then E sliders; shared
    moved_tangent: np.ndarray  # (M, 3, K + E) float32

    def points(self, shape: np.ndarray) -> np.ndarray:
        """(N, 3) float64 for a (144,) shape, metres, model frame."""
        small = shape.astype(np.float32)
        offset = np.einsum("ndb,b->nd", self.basis, small)
        offset[self.moved] = np.einsum("ndb,b->nd", self.moved_basis, small)
        return self.mean + offset

    def derivatives(self, view: np.ndarray, out: np.ndarray) -> None:
        """Derivatives of what (N, 2, 3) float32 `view` makes of every point, into `out` (N, 2, K + E).

        By steps along the directions of identity, and by the sliders.
        """
        np.matmul(view, self.tangent, out=out)
        out[self.moved] = view[self.moved] @ self.moved_tangent


class LandmarkBasis:
    """All landmarks of one face model; made once.

    Attributes:
        count: N, the number of landmarks.
        directions: (80, K) float64, orthonormal: the changes of identity that move the landmarks most.
        sliders: (E,) int indices of the expression, ascending: those that a fit may move.
    """

    def __init__(self, model: FaceModel, directions: int = DIRECTIONS, sliders: np.ndarray | None = None) -> None:
        """`directions` is K, how many changes of identity a fit may make; of the sliders it may move all by default."""
        triangles = np.concatenate([model.landmark_triangles, model.dense_triangles])
        weights = np.concatenate([model.landmark_weights, model.dense_weights]).astype(np.float32)
        self._mean = np.einsum("nk,nkd->nd", weights.astype(np.float64), model.vertices[triangles].astype(np.float64))
        self._basis = _by_axis(model, lambda basis: np.einsum("nk,bnkd->ndb", weights, basis[:, triangles]))
        self._contour = _restrict(model)
        self._contour_basis = _by_axis(self._contour, lambda basis: basis.transpose(1, 2, 0))
        self.count = len(self._mean)
        _, _, rows = np.linalg.svd(self._basis[:, :, :IDENTITY].reshape(-1, IDENTITY).astype(np.float64), False)
        self.directions = rows[:directions].T
        self.sliders = np.arange(EXPRESSION) if sliders is None else sliders
        self._tangent, self._contour_tangent = (self._along(basis) for basis in (self._basis, self._contour_basis))

    def at(self, shape: np.ndarray, rotation: np.ndarray) -> SlidLandmarks:
        """The landmarks with the jaw on the contour as seen for this (144,) shape and (3, 3) rotation."""
        contour = self._contour
        vertices = contour.vertices + np.einsum("ndb,b->nd", self._contour_basis, shape.astype(np.float32))
        slid = contour.contour_vertices(vertices, rotation)
        moved = np.flatnonzero(slid != contour.contour_candidates[:, 0])
        mean = self._mean.copy()
        mean[moved] = contour.vertices[slid[moved]]
        moved_basis, moved_tangent = (basis[slid[moved]] for basis in (self._contour_basis, self._contour_tangent))
        return SlidLandmarks(mean, self._basis, moved, moved_basis, self._tangent, moved_tangent)

    def unslid(self, shape: np.ndarray) -> np.ndarray:
        """(N, 3) float64 landmarks of a (144,) shape with the jaw where it is seen from the front, metres."""
        return self._mean + np.einsum("ndb,b->nd", self._basis, shape.astype(np.float32))

    def _along(self, basis: np.ndarray) -> np.ndarray:
        """(n, 3, K + E) float32 of a (n, 3, 144) basis."""
        identity = basis[:, :, :IDENTITY] @ self.directions.astype(np.float32)
        return np.ascontiguousarray(np.concatenate([identity, basis[:, :, IDENTITY + self.sliders]], axis=2))


def _by_axis(model: FaceModel, arrange: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(n, 3, 144) float32, contiguous: identity and expression bases as `arrange` has them."""
    both = [arrange(basis) for basis in (model.identity_basis, model.expression_basis)]
    return np.ascontiguousarray(np.concatenate(both, axis=2), np.float32)


def _restrict(model: FaceModel) -> FaceModel:
    """The face model with only the vertices of its contour (what else refers to vertices is of no use then)."""
    used, row = np.unique(model.contour_candidates, return_inverse=True)
    return replace(
        model,
        vertices=model.vertices[used],
        identity_basis=model.identity_basis[:, used],
        expression_basis=model.expression_basis[:, used],
        contour_candidates=row.reshape(model.contour_candidates.shape),
    )
