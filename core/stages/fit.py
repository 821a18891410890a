"""Fit stage: refines the regressed coefficients on the landmarks and places the photo's camera."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry import fitting
from ..geometry.camera import camera_from_pose, default_focal, pose_from_camera, project
from ..geometry.delighting import smoothstep
from ..geometry.face_model import FaceModel
from ..geometry.landmark_basis import LandmarkBasis
from ..geometry.landmark_pose import pose_from_points
from ..geometry.mouth import Mouth
from ..types import EXPRESSION, IDENTITY, LANDMARKS, Camera, Crop, FaceParams, Landmarks

_log = logging.getLogger(__name__)
_UNSEEN_SLIDERS = ("eyeLook", "pupilDilate")
_FREE_SLIDERS = ("mouthClose",)
_LIPS = np.array([(61, 67), (62, 66), (63, 65)])  # landmarks on the inner rims, upper and lower
_TOLD = 30.0  # sigmas: where the parser closes the lips, a regression that has them open is no reason to doubt it
_OVERRULED, _DOUBTED = (0.03, 0.12), 0.84  # of the eyes' distance: no doubt, full doubt; weight that this costs
_NEAREST = 1.0  # metres: nearer than that few photos are taken, and a crop hides its lens; see `likely_focal`
_SAME_LENS = 1.05  # ratio of focal lengths up to which they are one
_LEAST_SEEN = 0.05  # share of the inner landmarks that a photo counts for when fewer are seen
_EVERY = 2  # dense landmark that is fitted: neighbours err alike, so half of them say as much, in half the time
_FAR_OFF = 0.12  # median reprojection error, of the landmarks' extent, beyond which the regressed pose is dropped


@dataclass(frozen=True, eq=False)
class Regressed:
    """What the networks say about the face in one photo."""

    landmarks: Landmarks
    params: FaceParams
    crop: Crop  # that `params` was read from
    photo_shape: tuple[int, int]  # height, width
    focal: float | None = None  # pixels; None when the photo is silent
    mouth: Mouth | None = None  # as `see_mouth` tells it; None where it cannot


class Fit:
    """(landmarks, regressed coefficients, crop, photo size, focal) -> (refined coefficients, camera)."""

    def __init__(self, model: FaceModel, settings: fitting.FitSettings | None = None) -> None:
        thin = slice(None, None, _EVERY)
        thinned = replace(model, dense_triangles=model.dense_triangles[thin], dense_weights=model.dense_weights[thin])
        self._basis = LandmarkBasis(thinned, sliders=_free(model.expression_names))
        self._settings = _by_name(settings or fitting.FitSettings(), model.expression_names)

    def __call__(
        self,
        landmarks: Landmarks,
        params: FaceParams,
        crop: Crop,
        photo_shape: tuple[int, int],
        focal: float | None = None,
        mouth: Mouth | None = None,
    ) -> tuple[FaceParams, Camera]:
        """Refine `params`; the arguments are the fields of `Regressed`.

        Albedo and light pass through unchanged.
        """
        photo = Regressed(landmarks, params, crop, photo_shape, focal, mouth)
        view = self._view(photo)
        state = fitting.fit(self._basis, view.seen, view.start, view.camera, self._settings)
        return _refined(photo, view.camera, state)

    def person(self, photos: Sequence[Regressed]) -> list[tuple[FaceParams, Camera]]:
        """The same for several photos of one person: one identity and one albedo, all else photo by photo.

        A photo counts for these as much as its inner landmarks are seen.
        """
        focals = shared_focals(photos)
        views = [self._view(replace(photo, focal=focal)) for photo, focal in zip(photos, focals, strict=True)]
        weights = np.array([max(float(view.seen.weight[17:].mean()), _LEAST_SEEN) for view in views])
        weights /= weights.sum()
        identity, albedo = (
            np.einsum("p,pc->c", weights, np.array([getattr(photo.params, name) for photo in photos], np.float64))
            for name in ("identity", "albedo")
        )
        # the regressions err alike for one person: several are believed no more than one
        prior = fitting.IdentityPrior(identity, fitting.identity_precision(self._settings))
        states = fitting.fit_person(self._basis, views, prior, self._settings)
        fitted = [_refined(*each) for each in zip(photos, [view.camera for view in views], states, strict=True)]
        return [(replace(params, albedo=albedo.astype(np.float32)), camera) for params, camera in fitted]

    def _view(self, photo: Regressed) -> fitting.View:
        lens = photo.focal or likely_focal(photo.params.pose, photo.crop, photo.photo_shape)
        camera = camera_from_pose(photo.params.pose, photo.crop.matrix, photo.crop.size, photo.photo_shape, lens)
        opening = None if photo.mouth is None else photo.mouth.opening
        seen = observations(_thinned(photo.landmarks), self._settings, opening)
        return fitting.View(seen, self._start(photo.params, camera, seen), camera)

    def _start(self, params: FaceParams, camera: Camera, seen: fitting.Observations) -> fitting.FitState:
        """The regressed shape under the regressed pose, or under the landmarks' own when that one is far off."""
        shape = np.concatenate([params.identity, np.clip(params.expression, 0.0, 1.0)]).astype(np.float64)
        points = self._basis.unslid(shape)
        error = _median_error(camera, points, seen)
        if error > _FAR_OFF:
            found = pose_from_points(points, seen, camera)
            if found is not None:
                other = replace(camera, rotation=found[0], translation=found[1])
                if _median_error(other, points, seen) < error:
                    _log.info("the regressed pose is %.0f %% off; using the landmarks' own", 100 * error)
                    camera = other
        return fitting.FitState(shape, camera.rotation, camera.translation)


def _refined(photo: Regressed, camera: Camera, state: fitting.FitState) -> tuple[FaceParams, Camera]:
    camera = replace(camera, rotation=state.rotation, translation=state.translation)
    refined = replace(
        photo.params,
        identity=state.shape[:IDENTITY].astype(np.float32),
        expression=np.clip(state.shape[IDENTITY:], 0.0, 1.0).astype(np.float32),
        pose=pose_from_camera(camera, photo.crop.matrix, photo.crop.size).astype(np.float32),
    )
    return refined, camera


def shared_focals(photos: Sequence[Regressed]) -> list[float | None]:
    """The photos' focal lengths, one for all of a size where those that tell theirs agree.

    A photo that is silent but as large as its fellows came from the same camera, with its EXIF lost on the way.
    """
    sides = [tuple(sorted(photo.photo_shape)) for photo in photos]
    told: dict[tuple[int, ...], list[float]] = {}
    for side, photo in zip(sides, photos, strict=True):
        if photo.focal is not None:
            told.setdefault(side, []).append(photo.focal)
    agreed = {side: float(np.mean(all_)) for side, all_ in told.items() if max(all_) <= _SAME_LENS * min(all_)}
    return [agreed.get(side, photo.focal) for side, photo in zip(sides, photos, strict=True)]


def likely_focal(pose: np.ndarray, crop: Crop, photo_shape: tuple[int, int]) -> float:
    """Focal length in pixels for a photo that does not tell; `pose` is (6,), `photo_shape` (height, width).

    A face that fills its photo was mostly cut out of a larger one: a normal lens would put the camera at arm's
    length and make the jaw and the sides of the head too narrow.
    """
    height, width = photo_shape
    crop_scale = float(np.sqrt(abs(np.linalg.det(crop.matrix[:, :2]))))
    photo_pixels_per_metre = float(pose[3]) * crop.size / crop_scale
    return max(default_focal(width, height), _NEAREST * photo_pixels_per_metre)


def _free(names: tuple[str, ...]) -> np.ndarray:
    """Indices of the sliders that landmarks tell of.

    The others stay as regressed: no landmark lies on an iris, and lids alone would turn the eyes wrongly.
    """
    return np.flatnonzero([not name.startswith(_UNSEEN_SLIDERS) for name in names])


def _by_name(settings: fitting.FitSettings, names: tuple[str, ...]) -> fitting.FitSettings:
    """Let the slider that closes the lips of an open jaw move freely: resting, it would leave them apart."""
    rate = np.broadcast_to(settings.expression_rate, (EXPRESSION,)).copy()
    rate[[name in _FREE_SLIDERS for name in names]] = 0.0
    return replace(settings, expression_rate=rate)


def _thinned(landmarks: Landmarks) -> Landmarks:
    """The 68 and every `_EVERY`-th dense landmark."""
    kept = np.r_[:LANDMARKS, LANDMARKS : len(landmarks.sigma) : _EVERY]
    return replace(
        landmarks,
        dense=landmarks.dense[::_EVERY],
        visibility=landmarks.visibility[kept],
        sigma=landmarks.sigma[kept],
    )


def observations(
    landmarks: Landmarks, settings: fitting.FitSettings, mouth: float | None = None
) -> fitting.Observations:
    """What the fit may believe: points with the sigma floor of the model; hidden ones weigh nothing.

    The inner rims of the lips are as far apart as `lip_gaps` has it.
    """
    points = np.concatenate([landmarks.points, landmarks.dense]).astype(np.float64)
    eyes = float(np.linalg.norm(landmarks.points[36] - landmarks.points[45]))
    extent = float(np.ptp(landmarks.points, axis=0).max())
    unit = max(eyes, 0.3 * extent)  # the eyes nearly coincide in a profile
    sigma = np.hypot(landmarks.sigma.astype(np.float64), settings.model_sigma * unit)
    weight = np.clip((landmarks.visibility - settings.hidden) / (0.75 - settings.hidden), 0.0, 1.0)
    gaps = lip_gaps(points, unit, settings, mouth)
    weight = weight * _trust(points, gaps, unit)
    return fitting.Observations(_joined(points, gaps), sigma, weight.astype(np.float64), gaps)


def lip_gaps(
    points: np.ndarray, unit: float, settings: fitting.FitSettings, mouth: float | None = None
) -> fitting.Gaps:
    """How far the lips of (N, 2) landmarks are open; `unit`, in pixels, is what the settings are relative to.

    The landmarker is unsure whether lips touch and then answers halfway, but seldom are lips a sliver apart. Where
    `mouth`, the parser's opening, is known, it tells touching lips from parted ones better.
    """
    offset = points[_LIPS[:, 0]] - points[_LIPS[:, 1]]
    opening = float(np.linalg.norm(offset, axis=1).mean()) / unit
    believed = smoothstep(opening, *settings.closed_lips)
    parsed = 1.0 if mouth is None else smoothstep(mouth, *settings.closed_mouth)
    outlier = settings.outlier if parsed == 1.0 else _TOLD
    return fitting.Gaps(_LIPS, offset * believed * parsed, settings.gap_sigma * unit, outlier)


def _trust(points: np.ndarray, gaps: fitting.Gaps, unit: float) -> np.ndarray:
    """(N,) factors of the weights: a mouth that is shut where the points have it open makes the jaw doubtful too."""
    offset = points[_LIPS[:, 0]] - points[_LIPS[:, 1]]
    overruled = float(np.linalg.norm(offset - gaps.offset, axis=1).mean()) / unit
    down = points[48:LANDMARKS].mean(axis=0) - points[36:48].mean(axis=0)
    lower = (points - points[33]) @ down > 0.0
    return np.where(lower, 1.0 - _DOUBTED * smoothstep(overruled, *_OVERRULED), 1.0)


def _joined(points: np.ndarray, gaps: fitting.Gaps) -> np.ndarray:
    """(N, 2) points with facing lips moved alike to their gaps, so that they do not gainsay these."""
    out = points.copy()
    first, second = gaps.pairs.T
    surplus = (points[first] - points[second] - gaps.offset) / 2
    out[first] -= surplus
    out[second] += surplus
    return out


def _median_error(camera: Camera, points: np.ndarray, seen: fitting.Observations) -> float:
    """Median reprojection error of the believed points over their extent; infinite behind the camera."""
    used = seen.weight > 0.3
    if not used.any():
        return 0.0
    image = project(camera, points[used])
    if image[:, 2].min() <= 0:
        return float("inf")
    extent = max(float(np.ptp(seen.points[used], axis=0).max()), 1e-6)
    return float(np.median(np.linalg.norm(image[:, :2] - seen.points[used], axis=1)) / extent)
