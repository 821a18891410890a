"""Bounded robust fit of identity, expression and pose to landmarks, with the regressed coefficients as the prior.

Landmarks alone explain identity by expression and the other way round, so the data moves the coefficients only as
far as the regressor's own uncertainty allows; the priors of `FitSettings` were tuned on vertex errors, not on
reprojection. The bases are linear: everything is restricted to the few hundred landmark rows once per face model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..types import EXPRESSION, IDENTITY, Camera
from .camera import FLIP
from .face_model import FaceModel

SHAPE = IDENTITY + EXPRESSION
UNKNOWNS = SHAPE + 6  # shape, rotation vector, translation


@dataclass(frozen=True)
class FitSettings:
    """Strength of the priors and of the data; standard deviations unless said otherwise.

    On 300 unseen synthetic people the regression misses identity by 0.9 to 1.25 and sliders by 0.05 to 0.25. Priors
    that wide follow the landmarker's own errors, which move many points together: vertex errors grow.
    """

    identity_sigma: float | np.ndarray = 0.4  # of the regressed identity, scalar or (80,)
    expression_sigma: float | np.ndarray = 0.1  # of the regressed expression, scalar or (64,)
    rotation_sigma: float = 0.15  # radians, of the starting pose
    depth_sigma: float = 0.15  # of the starting depth, relative
    shift_sigma: float = 0.02  # metres, of the starting shift across the view
    model_sigma: float = 0.006  # what the model cannot follow, of the outer eye corners' distance
    independent_points: float = 40.0  # landmark errors move together: all points count as this many
    outlier: float = 2.5  # residual, in sigmas, at which a point weighs half
    gap_sigma: float = 0.008  # between facing lips, of the outer eye corners' distance
    closed_lips: tuple[float, float] = (0.026, 0.036)  # opening, of the same, that is none; that is believed
    closed_mouth: tuple[float, float] = (0.16, 0.42)  # interior over lips in area: shut, and as open as the points say
    hidden: float = 0.25  # visibility at and below which a point weighs nothing
    iterations: int = 8


@dataclass(frozen=True)
class Gaps:
    """Differences between M pairs of landmarks, as of facing lips: the errors of two neighbours cancel in them."""

    pairs: np.ndarray  # (M, 2) int rows of the points
    offset: np.ndarray  # (M, 2) float64, first point minus second, pixels
    sigma: float  # pixels
    outlier: float  # residual, in sigmas, at which a gap weighs half


@dataclass(frozen=True)
class Observations:
    """N = 68 + D landmarks of one face in photo pixels."""

    points: np.ndarray  # (N, 2) float64, pixels
    sigma: np.ndarray  # (N,) float64, pixels
    weight: np.ndarray  # (N,) float64 in [0, 1], 0 for hidden points
    gaps: Gaps | None = None


@dataclass(frozen=True)
class FitState:
    """Where the fit stands: coefficients and the model -> camera motion."""

    shape: np.ndarray  # (144,) float64: identity, expression
    rotation: np.ndarray  # (3, 3) float64
    translation: np.ndarray  # (3,) float64, metres


class LandmarkBasis:
    """The face model's linear bases restricted to its landmarks, with the jaw that slides along the contour."""

    def __init__(self, model: FaceModel) -> None:
        self._small = _restrict(model)
        small = self._small
        bases = np.concatenate([small.identity_basis, small.expression_basis])  # (144, v, 3)
        self._vertex_mean = small.vertices.astype(np.float64)
        self._vertex_basis = bases
        triangles = np.concatenate([small.landmark_triangles, small.dense_triangles])
        weights = np.concatenate([small.landmark_weights, small.dense_weights]).astype(np.float64)
        self._mean = np.einsum("nk,nkd->nd", weights, self._vertex_mean[triangles])
        self._basis = np.einsum("nk,bnkd->bnd", weights.astype(np.float32), bases[:, triangles])
        self.count = len(self._mean)

    def at(self, shape: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (N, 3) and basis (144, N, 3) of the landmarks with the contour as seen for this shape and pose."""
        vertices = self._vertex_mean + np.tensordot(shape.astype(np.float32), self._vertex_basis, axes=1)
        slid = self._small.contour_vertices(vertices, rotation)
        moved = np.flatnonzero(slid != self._small.contour_candidates[:, 0])
        mean, basis = self._mean.copy(), self._basis.copy()
        mean[moved] = self._vertex_mean[slid[moved]]
        basis[:, moved] = self._vertex_basis[:, slid[moved]]
        return mean, basis


def _restrict(model: FaceModel) -> FaceModel:
    """The face model with only the vertices its landmarks touch (faces and colours are of no use then)."""
    tables = ("landmark_triangles", "dense_triangles", "contour_candidates")
    used = np.unique(np.concatenate([getattr(model, name).ravel() for name in tables]))
    row = np.zeros(len(model.vertices), np.int32)
    row[used] = np.arange(len(used), dtype=np.int32)
    return replace(
        model,
        vertices=model.vertices[used],
        identity_basis=np.ascontiguousarray(model.identity_basis[:, used]),
        expression_basis=np.ascontiguousarray(model.expression_basis[:, used]),
        **{name: row[getattr(model, name)] for name in tables},
    )


def fit(basis: LandmarkBasis, seen: Observations, start: FitState, camera: Camera, settings: FitSettings) -> FitState:
    """Refine `start`, which is also the centre of the priors; only focal and centre of `camera` are used."""
    problem = Problem(basis, seen, start, camera, settings)
    state = start
    for _ in range(3):
        state = problem.step(state, pose_only=True)
    problem = Problem(basis, seen, replace(state, shape=start.shape), camera, settings)
    damping = 1e-3
    problem.refresh(state)
    cost = problem.cost(state)
    for _ in range(settings.iterations):
        candidate = problem.step(state, damping=damping)
        new_cost = problem.cost(candidate)
        if new_cost > cost:
            damping *= 10.0
            continue
        converged = cost - new_cost < 1e-3 * cost
        state, damping = candidate, damping * 0.3
        if converged:
            break
        problem.refresh(state)
        cost = problem.cost(state)
    return state


class Problem:
    """Residuals, Jacobian and cost of the fit; the contour's correspondences are held between refreshes."""

    def __init__(
        self, basis: LandmarkBasis, seen: Observations, prior: FitState, camera: Camera, settings: FitSettings
    ) -> None:
        self._basis, self._seen, self._prior, self._settings = basis, seen, prior, settings
        self._focal, self._center = camera.focal, np.asarray(camera.center)
        points = max(float(seen.weight.sum()), 1.0)
        trust = min(1.0, settings.independent_points / points)
        self._sigma, self._weight = seen.sigma, seen.weight * trust
        self._outlier = np.full(len(seen.sigma), settings.outlier)
        self._gaps = seen.gaps
        if seen.gaps is not None:
            both = seen.weight[seen.gaps.pairs].min(axis=1)
            self._sigma = np.append(self._sigma, np.full(len(both), seen.gaps.sigma))
            self._weight = np.append(self._weight, both)
            self._outlier = np.append(self._outlier, np.full(len(both), seen.gaps.outlier))
        self._prior_precision = prior_precision(settings, float(prior.translation[2]))
        self.refresh(prior)

    def refresh(self, state: FitState) -> None:
        """Slide the jaw onto the contour of `state`."""
        self._mean, self._rows = self._basis.at(state.shape, state.rotation)

    def residuals(self, state: FitState) -> tuple[np.ndarray, np.ndarray]:
        """Errors (N + M, 2) of points and gaps in pixels and the points (N, 3) in the camera frame."""
        points = self._mean + np.tensordot(state.shape.astype(np.float32), self._rows, axes=1)
        seen = points @ state.rotation.T + state.translation
        image = self._focal * seen[:, :2] / seen[:, 2:] + self._center
        errors = image - self._seen.points
        if self._gaps is not None:
            first, second = self._gaps.pairs.T
            errors = np.concatenate([errors, image[first] - image[second] - self._gaps.offset])
        return errors, seen

    def jacobian(self, state: FitState, seen: np.ndarray, pose_only: bool = False) -> np.ndarray:
        """(150, N + M, 2) float32 derivatives of the residuals by shape, rotation vector (left-hand) and shift.

        `seen` is (N, 3) in the camera frame; with `pose_only` the last six rows alone.
        """
        shape = 0 if pose_only else SHAPE
        motion = np.empty((shape + 6, len(seen), 3), np.float32)
        if not pose_only:
            np.matmul(self._rows, state.rotation.T.astype(np.float32), out=motion[:SHAPE])
        turned = seen - state.translation
        for axis, unit in enumerate(np.eye(3)):
            motion[shape + axis] = np.cross(unit, turned)
            motion[shape + 3 + axis] = unit
        scale = (self._focal / seen[:, 2:]).astype(np.float32)
        slope = (seen[:, :2] / seen[:, 2:]).astype(np.float32)
        rows = scale * (motion[..., :2] - slope * motion[..., 2:])
        if self._gaps is None:
            return rows
        first, second = self._gaps.pairs.T
        return np.concatenate([rows, rows[:, first] - rows[:, second]], axis=1)

    def cost(self, state: FitState) -> float:
        """Cauchy cost of the data plus the prior's quadratic form."""
        errors, _ = self.residuals(state)
        limit = self._outlier**2
        squared = (errors**2).sum(axis=1) / self._sigma**2
        data = (self._weight * limit * np.log1p(squared / limit)).sum()
        offset = self._from_prior(state)
        return float(data + offset @ (self._prior_precision * offset))

    def step(self, state: FitState, damping: float = 1e-3, pose_only: bool = False) -> FitState:
        """One Levenberg-Marquardt step inside the bounds; sliders that push against one are held."""
        errors, seen = self.residuals(state)
        squared = (errors**2).sum(axis=1) / self._sigma**2
        weight = self._weight / (1.0 + squared / self._outlier**2) / self._sigma**2
        rows = self.jacobian(state, seen, pose_only)
        scaled = (rows * np.sqrt(weight).astype(np.float32)[:, None]).reshape(len(rows), -1)
        hessian = (scaled @ scaled.T).astype(np.float64)
        gradient = np.einsum("unk,nk->u", rows, weight[:, None] * errors)
        if pose_only:
            change = np.zeros(UNKNOWNS)
            change[SHAPE:] = np.linalg.solve(hessian + np.diag(1e-6 * np.diag(hessian) + 1e-9), -gradient)
            return moved(state, change)
        precision = self._prior_precision
        gradient += precision * self._from_prior(state)
        hessian[np.diag_indices(UNKNOWNS)] += precision
        hessian[np.diag_indices(UNKNOWNS)] *= 1.0 + damping
        return moved(state, _bounded_step(hessian, gradient, state.shape))

    def _from_prior(self, state: FitState) -> np.ndarray:
        turn = cv2.Rodrigues(state.rotation @ self._prior.rotation.T)[0].ravel()
        shift = state.translation - self._prior.translation
        return np.concatenate([state.shape - self._prior.shape, turn, shift])


def prior_precision(settings: FitSettings, depth: float) -> np.ndarray:
    """(150,) inverse variances of identity, expression, rotation vector and shift at a depth in metres."""
    sigma = np.empty(UNKNOWNS)
    sigma[:IDENTITY] = settings.identity_sigma
    sigma[IDENTITY:SHAPE] = settings.expression_sigma
    sigma[SHAPE : SHAPE + 3] = settings.rotation_sigma
    sigma[SHAPE + 3 :] = [settings.shift_sigma, settings.shift_sigma, settings.depth_sigma * depth]
    return 1.0 / sigma**2


def _bounded_step(hessian: np.ndarray, gradient: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Newton step (150,) with the sliders kept in [0, 1]: those that would leave are fixed at their bound."""
    expression = shape[IDENTITY:]
    fixed = np.zeros(UNKNOWNS, bool)
    change = np.zeros(UNKNOWNS)
    for _ in range(4):
        free = ~fixed
        pull = gradient[free] + hessian[np.ix_(free, fixed)] @ change[fixed]
        change[free] = -np.linalg.solve(hessian[np.ix_(free, free)], pull)
        target = expression + change[IDENTITY:SHAPE]
        leaving = free[IDENTITY:SHAPE] & ((target < 0.0) | (target > 1.0))
        if not leaving.any():
            break
        at = IDENTITY + np.flatnonzero(leaving)
        change[at] = np.clip(target, 0.0, 1.0)[leaving] - expression[leaving]
        fixed[at] = True
    change[IDENTITY:SHAPE] = np.clip(expression + change[IDENTITY:SHAPE], 0.0, 1.0) - expression
    return change


def moved(state: FitState, change: np.ndarray) -> FitState:
    """`state` after a (150,) change of shape, rotation vector (left-hand) and shift, ordered as the Jacobian."""
    turn = cv2.Rodrigues(change[SHAPE : SHAPE + 3])[0]
    return FitState(
        shape=state.shape + change[:SHAPE],
        rotation=turn @ state.rotation,
        translation=state.translation + change[SHAPE + 3 :],
    )


def pose_from_points(
    model_points: np.ndarray, seen: Observations, camera: Camera
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rotation and translation from (N, 3) model points and where they are seen; None when there are too few.

    Used when the regressed pose is far off. Only points of some weight take part.
    """
    used = seen.weight > 0.3
    if used.sum() < 8:
        return None
    matrix = np.array([[camera.focal, 0, camera.center[0]], [0, camera.focal, camera.center[1]], [0, 0, 1.0]])
    threshold = float(4.0 * np.median(seen.sigma[used]))
    done, turn, shift, _ = cv2.solvePnPRansac(
        model_points[used].astype(np.float64),
        seen.points[used],
        matrix,
        np.zeros(4),
        reprojectionError=threshold,
        iterationsCount=60,
        flags=cv2.SOLVEPNP_EPNP,
    )
    rotation = cv2.Rodrigues(turn)[0]
    if not done or shift[2, 0] <= 0 or (FLIP @ rotation)[2, 2] < 0:  # a face seen from behind is no solution
        return None
    return rotation, shift.ravel()
