"""Fit stage: refines the regressed coefficients on the landmarks and places the photo's camera."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ..geometry import fitting
from ..geometry.camera import camera_from_pose, default_focal, pose_from_camera, project
from ..geometry.delighting import smoothstep
from ..geometry.face_model import FaceModel
from ..geometry.landmark_basis import LandmarkBasis
from ..types import EXPRESSION, IDENTITY, Camera, Crop, FaceParams, Landmarks

_log = logging.getLogger(__name__)
_UNSEEN_SLIDERS = ("eyeLook", "pupilDilate")
_LIPS = np.array([(61, 67), (62, 66), (63, 65)])  # landmarks on the inner rims, upper and lower
_TOLD = 30.0  # sigmas: where the parser closes the lips, a regression that has them open is no reason to doubt it
_HELD = 0.01  # standard deviation of a slider the landmarks say nothing about
_NEAREST = 1.0  # metres: nearer than that few photos are taken, and a crop hides its lens; see `likely_focal`
_FAR_OFF = 0.12  # median reprojection error, of the landmarks' extent, beyond which the regressed pose is dropped


class Fit:
    """(landmarks, regressed coefficients, crop, photo size, focal) -> (refined coefficients, camera)."""

    def __init__(self, model: FaceModel, settings: fitting.FitSettings | None = None) -> None:
        self._basis = LandmarkBasis(model)
        self._settings = _hold_gaze(settings or fitting.FitSettings(), model.expression_names)

    def __call__(
        self,
        landmarks: Landmarks,
        params: FaceParams,
        crop: Crop,
        photo_shape: tuple[int, int],
        focal: float | None = None,
        mouth: float | None = None,
    ) -> tuple[FaceParams, Camera]:
        """Refine `params`; `photo_shape` is (height, width), `focal` in pixels or None when the photo is silent.

        `mouth` is how far the mouth is open as `mouth_opening` tells it, None where it cannot. Albedo and light pass
        through unchanged.
        """
        lens = focal or likely_focal(params.pose, crop, photo_shape)
        camera = camera_from_pose(params.pose, crop.matrix, crop.size, photo_shape, lens)
        seen = observations(landmarks, self._settings, mouth)
        start = self._start(params, camera, seen)
        state = fitting.fit(self._basis, seen, start, camera, self._settings)
        camera = replace(camera, rotation=state.rotation, translation=state.translation)
        refined = replace(
            params,
            identity=state.shape[:IDENTITY].astype(np.float32),
            expression=np.clip(state.shape[IDENTITY:], 0.0, 1.0).astype(np.float32),
            pose=pose_from_camera(camera, crop.matrix, crop.size).astype(np.float32),
        )
        return refined, camera

    def _start(self, params: FaceParams, camera: Camera, seen: fitting.Observations) -> fitting.FitState:
        """The regressed shape under the regressed pose, or under the landmarks' own when that one is far off."""
        shape = np.concatenate([params.identity, np.clip(params.expression, 0.0, 1.0)]).astype(np.float64)
        points = self._basis.at(shape, camera.rotation).points(shape)
        error = _median_error(camera, points, seen)
        if error > _FAR_OFF:
            found = fitting.pose_from_points(points, seen, camera)
            if found is not None:
                other = replace(camera, rotation=found[0], translation=found[1])
                if _median_error(other, points, seen) < error:
                    _log.info("the regressed pose is %.0f %% off; using the landmarks' own", 100 * error)
                    camera = other
        return fitting.FitState(shape, camera.rotation, camera.translation)


def likely_focal(pose: np.ndarray, crop: Crop, photo_shape: tuple[int, int]) -> float:
    """Focal length in pixels for a photo that does not tell; `pose` is (6,), `photo_shape` (height, width).

    A face that fills its photo was mostly cut out of a larger one: a normal lens would put the camera at arm's
    length and make the jaw and the sides of the head too narrow.
    """
    height, width = photo_shape
    crop_scale = float(np.sqrt(abs(np.linalg.det(crop.matrix[:, :2]))))
    photo_pixels_per_metre = float(pose[3]) * crop.size / crop_scale
    return max(default_focal(width, height), _NEAREST * photo_pixels_per_metre)


def _hold_gaze(settings: fitting.FitSettings, names: tuple[str, ...]) -> fitting.FitSettings:
    """Keep eye sliders at the regression: no landmark lies on an iris, and lids alone would turn the eyes wrongly."""
    sigma = np.broadcast_to(settings.expression_sigma, (EXPRESSION,)).copy()
    sigma[[name.startswith(_UNSEEN_SLIDERS) for name in names]] = _HELD
    return replace(settings, expression_sigma=sigma)


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
