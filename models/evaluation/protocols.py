"""The fitted model on one photo, through the pipeline's own stages but the texture, which takes most of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import FaceError
from core.geometry.alignment import crop_matrix, extract
from core.geometry.boxes import overlap
from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.geometry.mouth import see_mouth
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE
from core.stages.fit import Fit
from core.types import LANDMARKS, Camera, FaceBox, FaceParams

from .data import Photo
from .detection import FOUND


@dataclass(frozen=True)
class Fitted:
    """Coefficients before and after the fit."""

    regressed: FaceParams
    params: FaceParams
    camera: Camera


class Fitter:
    """`image, box -> Fitted` through the pipeline's own stages."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self._fit = pipeline, Fit(pipeline.face_model, pipeline.fit_settings)

    def __call__(self, image: np.ndarray, box: FaceBox) -> Fitted:
        """Fit the face in `box` of a (H, W, 3) RGB photo."""
        landmarks = self.pipeline.landmarks(image, box)
        regressed = self.pipeline.regress(image, landmarks.points)
        crop = extract(image, crop_matrix(landmarks.points, CROP_SIZE), CROP_SIZE)
        parsed = self.pipeline.parse(image, landmarks.points)
        mouth = see_mouth(image, parsed.parts, parsed.occluded, landmarks.points)
        params, camera = self._fit(landmarks, regressed, crop, (image.shape[0], image.shape[1]), mouth=mouth)
        return Fitted(regressed, params, camera)


def projected_landmarks(model: FaceModel, fitted: Fitted) -> np.ndarray:
    """(68, 2) landmarks of the fitted model in photo pixels, jaw points on the visible contour."""
    vertices = model.shape(fitted.params.identity, fitted.params.expression)
    points = model.visible_landmarks(vertices, fitted.camera.rotation)
    return project(fitted.camera, points)[:, :2]


def fit_points(pipeline: Pipeline, photos: Sequence[Photo]) -> np.ndarray:
    """(N, 68, 2) pixels projected from the model fitted to the labelled faces, NaN where one was missed."""
    fitter, out = Fitter(pipeline), np.full((len(photos), LANDMARKS, 2), np.nan)
    for index, photo in enumerate(photos):
        assert photo.box is not None
        image, truth = photo.image(), photo.box
        boxes = [box for box in pipeline.detect(image) if overlap(box.corners, truth) >= FOUND]
        if not boxes:
            continue
        best = max(boxes, key=lambda box: overlap(box.corners, truth))
        try:
            out[index] = projected_landmarks(pipeline.face_model, fitter(image, best))
        except FaceError:
            continue
    return out
