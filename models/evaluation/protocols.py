"""What is measured on real photos: detection, landmarks, the fitted model's projection."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from core.errors import FaceError
from core.geometry.alignment import crop_matrix, extract
from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE
from core.stages.fit import Fit
from core.types import Camera, FaceBox, FaceParams

from .data import PEERS, Photo
from .metrics import INNER, Interval, bootstrap, landmark_error, overlap

Detector = Callable[[np.ndarray], list[np.ndarray]]  # (H, W, 3) uint8 RGB -> (4,) boxes x0, y0, x1, y1 in pixels
Predictor = Callable[[np.ndarray, FaceBox], np.ndarray | None]  # photo and face -> (68, 2) pixels, None if refused


@dataclass(frozen=True)
class DetectionScore:
    """Counts of one detector on one set."""

    photos: int
    found: int
    false_faces: int
    milliseconds: float  # median, 640x480

    @property
    def recall(self) -> float:
        """Share of photos whose labelled face was found, per cent."""
        return 100.0 * self.found / self.photos

    @property
    def false_per_100(self) -> float:
        """False faces per 100 photos."""
        return 100.0 * self.false_faces / self.photos


@dataclass(frozen=True)
class LandmarkScore:
    """68-point error over the outer-eye distance, per cent, of the photos where the face was found."""

    inner: Interval
    all: Interval
    missed: int


class YuNet:
    """OpenCV's face detector, the peer and the arbiter of additional faces."""

    def __init__(self, threshold: float) -> None:
        self._net = cv2.FaceDetectorYN.create(str(PEERS / "yunet.onnx"), "", (320, 320), threshold)

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """(4,) boxes x0, y0, x1, y1 of a (H, W, 3) RGB image."""
        self._net.setInputSize((image.shape[1], image.shape[0]))
        _, faces = self._net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [] if faces is None else [np.r_[f[:2], f[:2] + f[2:4]] for f in faces]


def truth_box(photo: Photo, image: np.ndarray) -> np.ndarray:
    """(4,) box of the labelled face: from its points, or the middle of a deep-funneled LFW photo."""
    if photo.truth is not None:
        return np.r_[photo.truth.min(axis=0), photo.truth.max(axis=0)]
    height, width = image.shape[:2]
    return np.array([0.33 * width, 0.33 * height, 0.67 * width, 0.72 * height])


def corners(box: FaceBox) -> np.ndarray:
    """(4,) x0, y0, x1, y1."""
    return np.array([box.x0, box.y0, box.x1, box.y1])


def detection(detect: Detector, photos: list[Photo]) -> DetectionScore:
    """Recall and false faces of `detect(image) -> list of (4,) boxes`.

    Found: a box overlaps the labelled face by IoU 0.3. A further box counts as false unless the arbiter, at a
    low threshold, sees a face there too, since the photos hold unlabelled bystanders.
    """
    arbiter = YuNet(0.3)
    found = false_faces = 0
    for photo in photos:
        image = photo.image()
        truth, boxes = truth_box(photo, image), detect(image)
        hits = [overlap(box, truth) >= 0.3 for box in boxes]
        found += any(hits)
        others = [box for box, hit in zip(boxes, hits, strict=True) if not hit]
        if others:
            seen = arbiter(image)
            false_faces += sum(all(overlap(box, face) < 0.2 for face in seen) for box in others)
    return DetectionScore(len(photos), found, false_faces, time_at_vga(detect, photos[0].image()))


def time_at_vga(detect: Detector, image: np.ndarray, rounds: int = 15) -> float:
    """Median milliseconds of `detect` on the image stretched to 640x480."""
    picture = cv2.resize(image, (640, 480))
    detect(picture)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        detect(picture)
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000.0)


def score_points(
    photos: list[Photo], detect: Callable[[np.ndarray], list[FaceBox]], predict: Predictor
) -> LandmarkScore:
    """Score `predict(image, box) -> (68, 2) or None` on the detected face that overlaps the labelled person most.

    A labelled face that no detected box overlaps by IoU 0.3 is missed.
    """
    inner, every = [], []
    for photo in photos:
        assert photo.truth is not None
        image, truth = photo.image(), np.r_[photo.truth.min(axis=0), photo.truth.max(axis=0)]
        boxes = [box for box in detect(image) if overlap(corners(box), truth) >= 0.3]
        best = max(boxes, key=lambda box: overlap(corners(box), truth), default=None)
        points = None if best is None else predict(image, best)
        missing = points is None
        inner.append(np.nan if missing else landmark_error(points, photo.truth, INNER))
        every.append(np.nan if missing else landmark_error(points, photo.truth))
    errors = np.array(inner)
    seen = ~np.isnan(errors)
    return LandmarkScore(bootstrap(errors[seen]), bootstrap(np.array(every)[seen]), int((~seen).sum()))


def landmark_predictor(pipeline: Pipeline) -> Predictor:
    """`image, box -> (68, 2)` of our own landmarker."""

    def predict(image: np.ndarray, box: FaceBox) -> np.ndarray | None:
        try:
            return pipeline.landmarks(image, box).points
        except FaceError:
            return None

    return predict


@dataclass(frozen=True)
class Fitted:
    """Coefficients before and after the fit, without the texture that would take most of the time."""

    regressed: FaceParams
    params: FaceParams
    camera: Camera


class Fitter:
    """`image, box -> Fitted` through the pipeline's own stages."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self._fit = pipeline, Fit(pipeline.face_model)

    def __call__(self, image: np.ndarray, box: FaceBox) -> Fitted:
        """Fit the face in `box` of a (H, W, 3) RGB photo."""
        landmarks = self.pipeline.landmarks(image, box)
        regressed = self.pipeline.regress(image, landmarks.points)
        crop = extract(image, crop_matrix(landmarks.points, CROP_SIZE), CROP_SIZE)
        params, camera = self._fit(landmarks, regressed, crop, (image.shape[0], image.shape[1]))
        return Fitted(regressed, params, camera)


def projected_landmarks(model: FaceModel, fitted: Fitted) -> np.ndarray:
    """(68, 2) landmarks of the fitted model in photo pixels, jaw points on the visible contour."""
    vertices = model.shape(fitted.params.identity, fitted.params.expression)
    points = model.visible_landmarks(vertices, fitted.camera.rotation)
    return project(fitted.camera, points)[:, :2]


def fit_predictor(pipeline: Pipeline) -> Predictor:
    """`image, box -> (68, 2)` projected from the fitted model."""
    fitter = Fitter(pipeline)

    def predict(image: np.ndarray, box: FaceBox) -> np.ndarray | None:
        try:
            return projected_landmarks(pipeline.face_model, fitter(image, box))
        except FaceError:
            return None

    return predict
