"""Bounded robust fit of identity, expression and pose to landmarks, with the regressed coefficients as the prior.

Landmarks alone explain identity by expression and the other way round, so the data moves the coefficients only as
far as the regressor's own uncertainty allows; the priors of `FitSettings` were tuned on vertex errors, not on
reprojection. The bases are linear: everything is restricted to the few hundred landmark rows once per face model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..types import EXPRESSION, IDENTITY, Camera
from .landmark_basis import LandmarkBasis
from .normal_equations import bounded_step, gram, solve

POSE = 6  # rotation vector, translation


@dataclass(frozen=True)
class FitSettings:
    """Strength of the priors and of the data; standard deviations unless said otherwise.

    On 300 unseen synthetic people the regression misses identity by 0.9 to 1.25 and sliders by 0.05 to 0.25. Priors
    that wide follow the landmarker's own errors, which move many points together: from 0.7 on vertex errors grow.
    """

    identity_sigma: float | np.ndarray = 0.6  # of the regressed identity, scalar or (80,)
    expression_sigma: float | np.ndarray = 0.1  # of the regressed expression, scalar or (64,)
    expression_rate: float | np.ndarray = 4.0  # of an exponential prior: sliders rest unless the photo asks; (64,)
    rotation_sigma: float = 0.15  # radians, of the starting pose
    depth_sigma: float = 0.15  # of the starting depth, relative
    shift_sigma: float = 0.02  # metres, of the starting shift across the view
    model_sigma: float = 0.006  # what the model cannot follow, of the outer eye corners' distance
    independent_points: float = 80.0  # landmark errors move together: all points count as this many
    outlier: float = 2.5  # residual, in sigmas, at which a point weighs half
    gap_sigma: float = 0.0048  # between facing lips, of the outer eye corners' distance
    closed_lips: tuple[float, float] = (0.026, 0.036)  # opening, of the same, that is none; that is believed
    closed_mouth: tuple[float, float] = (0.16, 0.42)  # interior over lips in area: shut, and as open as the points say
    hidden: float = 0.25  # visibility at and below which a point weighs nothing
    pose_steps: int = 1  # of the pose alone, before all else
    iterations: int = 8
    tolerance: float = 0.1  # relative gain below which the fit ends; shapes and points are as good as with 0.001


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


@dataclass(frozen=True)
class IdentityPrior:
    """What is known of the identity before the landmarks are looked at."""

    mean: np.ndarray  # (80,) float64
    precision: np.ndarray  # (80,) float64, inverse variances


@dataclass(frozen=True)
class View:
    """One photo of a person."""

    seen: Observations
    start: FitState  # where the fit begins; also the centre of the priors of expression and pose
    camera: Camera  # only focal and centre are used


def fit(basis: LandmarkBasis, seen: Observations, start: FitState, camera: Camera, settings: FitSettings) -> FitState:
    """Refine `start`, which is also the centre of the priors; only focal and centre of `camera` are used."""
    prior = IdentityPrior(start.shape[:IDENTITY], identity_precision(settings))
    return fit_person(basis, [View(seen, start, camera)], prior, settings)[0]


def fit_person(
    basis: LandmarkBasis, views: Sequence[View], prior: IdentityPrior, settings: FitSettings
) -> list[FitState]:
    """One identity, and expression and pose for each view: Levenberg-Marquardt over all views at once."""
    problems = [_problem(basis, view, prior, settings) for view in views]
    states, damping = [problem.posed() for problem in problems], 1e-3
    cost = _cost(problems, states, prior)
    for _ in range(settings.iterations):
        candidates = _step(problems, states, prior, basis, damping)
        new_cost = _cost(problems, candidates, prior)
        if new_cost > cost:
            damping *= 10.0
            continue
        converged = cost - new_cost < settings.tolerance * cost
        states, damping = candidates, damping * 0.3
        if converged:
            break
        for problem, state in zip(problems, states, strict=True):
            problem.refresh(state)
        cost = _cost(problems, states, prior)
    return states


def identity_precision(settings: FitSettings) -> np.ndarray:
    """(80,) inverse variances of the regressed identity."""
    return np.broadcast_to(1.0 / np.square(settings.identity_sigma), (IDENTITY,)).astype(np.float64)


def _problem(basis: LandmarkBasis, view: View, prior: IdentityPrior, settings: FitSettings) -> Problem:
    """The problem of one view, which starts from the identity that all views share."""
    shape = np.concatenate([prior.mean, view.start.shape[IDENTITY:]])
    return Problem(basis, view.seen, replace(view.start, shape=shape), view.camera, settings)


def _cost(problems: Sequence[Problem], states: Sequence[FitState], prior: IdentityPrior) -> float:
    each = sum(problem.cost(state) for problem, state in zip(problems, states, strict=True))
    offset = states[0].shape[:IDENTITY] - prior.mean
    return each + float(offset @ (prior.precision * offset))


class Problem:
    """Residuals, Jacobian and cost of one view; the contour's correspondences are held between refreshes."""

    def __init__(
        self, basis: LandmarkBasis, seen: Observations, prior: FitState, camera: Camera, settings: FitSettings
    ) -> None:
        self._basis, self._seen, self._prior, self._settings = basis, seen, prior, settings
        self._shared = basis.directions.shape[1]  # identity moves along those directions that landmarks can tell
        self._sliders = IDENTITY + basis.sliders  # places in the shape of the sliders that may move
        self.unknowns = self._shared + len(basis.sliders) + POSE
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
        rate = np.broadcast_to(settings.expression_rate, (EXPRESSION,))[basis.sliders]
        self._rate = np.pad(rate * seen.weight.mean(), (0, POSE))  # nothing seen moves nothing
        self._set_precision()
        self.refresh(prior)

    def refresh(self, state: FitState) -> None:
        """Slide the jaw onto the contour of `state`."""
        self._landmarks = self._basis.at(state.shape, state.rotation)
        self._known: tuple[FitState, tuple[np.ndarray, np.ndarray]] | None = None

    def posed(self) -> FitState:
        """The start under the pose that its landmarks ask for, nothing else moved; the prior's centre from now on."""
        for _ in range(self._settings.pose_steps):
            self._prior = self.pose_step(self._prior)
        self._set_precision()
        self.refresh(self._prior)
        return self._prior

    def residuals(self, state: FitState) -> tuple[np.ndarray, np.ndarray]:
        """Errors (N + M, 2) of points and gaps in pixels and the points (N, 3) in the camera frame."""
        if self._known is None or self._known[0] is not state:
            self._known = state, self._errors(self._landmarks.points(state.shape), state)
        return self._known[1]

    def _errors(self, points: np.ndarray, state: FitState) -> tuple[np.ndarray, np.ndarray]:
        seen = points @ state.rotation.T + state.translation
        image = self._focal * seen[:, :2] / seen[:, 2:] + self._center
        errors = image - self._seen.points
        if self._gaps is not None:
            first, second = self._gaps.pairs.T
            errors = np.concatenate([errors, image[first] - image[second] - self._gaps.offset])
        return errors, seen

    def jacobian(self, state: FitState, seen: np.ndarray, pose_only: bool = False) -> np.ndarray:
        """(N + M, 2, U) float32 derivatives of the residuals by the `unknowns`.

        By steps along the directions of identity, sliders, rotation vector (left-hand) and shift. `seen` is (N, 3) in
        the camera frame; with `pose_only` the last six columns alone.
        """
        count, shape = len(seen), 0 if pose_only else self.unknowns - POSE
        gaps = 0 if self._gaps is None else len(self._gaps.pairs)
        out = np.empty((count + gaps, 2, shape + POSE), np.float32)
        camera = self._by_camera_point(seen)
        if not pose_only:
            view = (camera @ state.rotation).astype(np.float32)
            self._landmarks.derivatives(view, out[:count, :, :shape])
        arm = (seen - state.translation).T[:, :, None]
        for axis in range(3):  # the cross product of arm and view, which numpy's own takes five times as long for
            second, third = (axis + 1) % 3, (axis + 2) % 3
            out[:count, :, shape + axis] = arm[second] * camera[..., third] - arm[third] * camera[..., second]
        out[:count, :, shape + 3 :] = camera
        if self._gaps is not None:
            first, second = self._gaps.pairs.T
            np.subtract(out[first], out[second], out=out[count:])
        return out

    def _by_camera_point(self, seen: np.ndarray) -> np.ndarray:
        """(N, 2, 3) derivatives of pixels by points (N, 3) in the camera frame."""
        out = np.zeros((len(seen), 2, 3))
        scale = self._focal / seen[:, 2]
        out[:, 0, 0] = out[:, 1, 1] = scale
        out[:, :, 2] = -scale[:, None] * seen[:, :2] / seen[:, 2:]
        return out

    def cost(self, state: FitState) -> float:
        """Cauchy cost of the data plus the quadratic form of the priors of expression and pose."""
        errors, _ = self.residuals(state)
        limit = self._outlier**2
        squared = (errors**2).sum(axis=1) / self._sigma**2
        data = (self._weight * limit * np.log1p(squared / limit)).sum()
        offset = self._from_prior(state)
        resting = 2.0 * self._rate[:-POSE] @ state.shape[self._sliders]
        return float(data + offset @ (self._precision * offset) + resting)

    def normal_equations(self, state: FitState) -> tuple[np.ndarray, np.ndarray]:
        """Hessian (U, U) and gradient (U,) of the data and of the priors of expression and pose."""
        errors, seen = self.residuals(state)
        hessian, gradient = self._of_data(errors, self.jacobian(state, seen))
        gradient[self._shared :] += self._precision * self._from_prior(state) + self._rate
        own = np.arange(self._shared, self.unknowns)
        hessian[own, own] += self._precision
        return hessian, gradient

    def pose_step(self, state: FitState) -> FitState:
        """One Gauss-Newton step of the pose alone, without priors."""
        errors, seen = self.residuals(state)
        hessian, gradient = self._of_data(errors, self.jacobian(state, seen, pose_only=True))
        change = np.zeros(self.unknowns)
        change[-POSE:] = solve(hessian + np.diag(1e-6 * np.diag(hessian) + 1e-9), -gradient)
        return self.moved(state, change)

    def moved(self, state: FitState, change: np.ndarray) -> FitState:
        """`state` after a (U,) change of the unknowns, ordered as in the Jacobian."""
        identity, sliders, turn, shift = np.split(change, [self._shared, self.unknowns - POSE, self.unknowns - 3])
        shape = state.shape.copy()
        shape[:IDENTITY] += self._basis.directions @ identity
        shape[self._sliders] += sliders
        return FitState(
            shape=shape,
            rotation=cv2.Rodrigues(turn)[0] @ state.rotation,
            translation=state.translation + shift,
        )

    def _of_data(self, errors: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        squared = (errors**2).sum(axis=1) / self._sigma**2
        weight = self._weight / (1.0 + squared / self._outlier**2) / self._sigma**2
        weighted = rows * weight.astype(np.float32)[:, None, None]
        unknowns = rows.shape[2]
        hessian = gram(weighted.reshape(-1, unknowns), rows.reshape(-1, unknowns))
        return hessian, np.einsum("nku,nk->u", weighted, errors.astype(np.float32)).astype(np.float64)

    def _from_prior(self, state: FitState) -> np.ndarray:
        turn = cv2.Rodrigues(state.rotation @ self._prior.rotation.T)[0].ravel()
        shift = state.translation - self._prior.translation
        return np.concatenate([(state.shape - self._prior.shape)[self._sliders], turn, shift])

    def _set_precision(self) -> None:
        """Inverse variances of the sliders that may move, rotation vector and shift, about the present prior."""
        settings, depth = self._settings, float(self._prior.translation[2])
        sliders = np.broadcast_to(settings.expression_sigma, (EXPRESSION,))[self._basis.sliders]
        pose = [settings.rotation_sigma] * 3 + [settings.shift_sigma] * 2 + [settings.depth_sigma * depth]
        self._precision = 1.0 / np.square(np.concatenate([sliders, pose]))


def _step(
    problems: Sequence[Problem], states: Sequence[FitState], prior: IdentityPrior, basis: LandmarkBasis, damping: float
) -> list[FitState]:
    """One Levenberg-Marquardt step inside the bounds, from the normal equations of all views.

    Unknowns: steps along the directions of identity, then those of each view (sliders, rotation vector, translation),
    which meet those of other views in the identity alone.
    """
    directions, count = basis.directions, len(basis.sliders) + POSE
    shared = slice(0, directions.shape[1])
    unknowns = shared.stop + count * len(problems)
    hessian, gradient = np.zeros((unknowns, unknowns)), np.zeros(unknowns)
    hessian[shared, shared] = (directions.T * prior.precision) @ directions
    gradient[shared] = directions.T @ (prior.precision * (states[0].shape[:IDENTITY] - prior.mean))
    for number, (problem, state) in enumerate(zip(problems, states, strict=True)):
        own = slice(shared.stop + count * number, shared.stop + count * (number + 1))
        data, pull = problem.normal_equations(state)
        for rows, theirs in ((shared, shared), (own, slice(shared.stop, None))):
            hessian[rows, shared] += data[theirs, shared]
            hessian[rows, own] = data[theirs, shared.stop :]
            gradient[rows] += pull[theirs]
    hessian[np.diag_indices(unknowns)] *= 1.0 + damping
    sliders = np.full(unknowns, np.nan)
    sliders[shared.stop :].reshape(-1, count)[:, :-POSE] = [state.shape[IDENTITY + basis.sliders] for state in states]
    change = bounded_step(hessian, gradient, sliders)
    parts = change[shared.stop :].reshape(-1, count)
    return [
        problem.moved(state, np.concatenate([change[shared], part]))
        for problem, state, part in zip(problems, states, parts, strict=True)
    ]
