"""Photo -> FaceResult: the list of stages, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np

from . import cautions
from .checks import check_face_size, check_mask, check_photo, check_shape, choose_face
from .errors import Cancelled
from .geometry.camera import project
from .geometry.face_model import FaceModel, load_face_model
from .geometry.hole_mask import covers, occluder_mask
from .geometry.mirroring import CoefficientMirror, mirrored_landmarks
from .geometry.mouth import mouth_opening
from .runtime import providers
from .runtime.sessions import Network, open_network
from .runtime.specs import SPECS, NetworkSpec
from .settings import Settings
from .stages.complete import NETWORKS, Complete
from .stages.detect import Detect
from .stages.fit import Fit
from .stages.landmark import Landmark
from .stages.parse import Parse
from .stages.pca_free import PcaFree, PersonalShape
from .stages.regress import Regress
from .stages.texture import Texture
from .types import LANDMARKS, Completion, FaceBox, FaceParams, FaceResult, Landmarks, Parsing

STAGES = ("detect", "landmark", "complete", "regress", "fit", "texture")
_GUESSED = 2.0  # factor on the deviation of a landmark that something hides
Progress = Callable[[str, float], None]  # stage that begins, share of the stages done before it; ("done", 1)


class Pipeline:
    """All stages with one choice of settings. Networks and the face model open at first use."""

    def __init__(self, settings: Settings | None = None, specs: Mapping[str, NetworkSpec] = SPECS) -> None:
        self.settings = settings or Settings()
        self._specs = specs

    def with_settings(self, settings: Settings) -> Pipeline:
        """A pipeline of the same networks with other settings."""
        return Pipeline(settings, self._specs)

    def detect(self, photo: np.ndarray) -> list[FaceBox]:
        """All faces of a (H, W, 3) uint8 RGB photo, largest first; may be empty."""
        check_photo(photo)
        return self._detect(photo)

    def landmarks(self, photo: np.ndarray, box: FaceBox) -> Landmarks:
        """Landmarks of one detected face, in photo pixels."""
        check_photo(photo)
        check_face_size(box, self.settings.min_face)
        return self._landmark(photo, box)

    def regress(self, photo: np.ndarray, points: np.ndarray) -> FaceParams:
        """Coefficients of the face at (68, 2) landmarks in photo pixels, before any fit."""
        check_photo(photo)
        check_shape("points", points, (LANDMARKS, 2))
        return self._regress(photo, points)[0]

    def parse(self, photo: np.ndarray, points: np.ndarray) -> Parsing:
        """Parts and occluders of the head at (68, 2) landmarks in photo pixels."""
        check_photo(photo)
        check_shape("points", points, (LANDMARKS, 2))
        return self._parse(photo, points)

    def occluder_mask(self, photo: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(H, W) uint8, 255 where the settings would delete what hides the face at (68, 2) landmarks, else 0."""
        check_photo(photo)
        check_shape("points", points, (LANDMARKS, 2))
        if self.settings.deocclusion == "none":
            return np.zeros(photo.shape[:2], np.uint8)
        return self._found_mask(self._parse(photo, points), points)

    def complete(self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray | None = None) -> Completion:
        """The photo without what hides the face at (68, 2) landmarks.

        `mask` is (H, W) uint8, set from 128 on where something is to be deleted; None stands for what is found. Of
        either only what lies in the face crop is deleted.
        """
        check_photo(photo)
        check_shape("points", points, (LANDMARKS, 2))
        check_mask(mask, photo)
        parsed = None if mask is not None or self.settings.deocclusion == "none" else self._parse(photo, points)
        return self._completed(photo, points, mask, parsed)

    def reconstruct(
        self,
        photo: np.ndarray,
        *,
        box: FaceBox | None = None,
        focal: float | None = None,
        mask: np.ndarray | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> FaceResult:
        """The face in `box`, or the largest one, of a (H, W, 3) uint8 RGB photo.

        `focal` is in photo pixels, if known. `mask` (H, W) uint8, set from 128 on, says what hides the face; None
        stands for what is found. `cancelled` is asked before every stage and after the last;
        when it answers True, `Cancelled` is raised and nothing is left behind.
        """
        check_photo(photo)
        check_mask(mask, photo)
        run = _Run(progress, cancelled)
        with run.stage("detect"):
            faces = [box] if box else self._detect(photo)
            face = choose_face(faces, self.settings.min_face)
        with run.stage("landmark"):
            landmarks = self._landmark(photo, face)
        with run.stage("complete"):
            parsed = self._parse(photo, landmarks.points)
            completion = self._completed(photo, landmarks.points, mask, parsed)
            seen = self._look_again(completion, landmarks)
            hidden = np.maximum(parsed.occluded, completion.mask)
            mouth = mouth_opening(parsed.parts, hidden, landmarks.points)
        with run.stage("regress"):
            regressed, crop = self._regress(completion.photo, seen.points)
            own = self._own_shape(completion.photo, seen.points)
        with run.stage("fit"):
            height, width = photo.shape[:2]
            trusted = believed(seen, completion.mask)
            fit = self._fit if own is None else own.fit
            params, camera = fit(trusted, regressed, crop, (height, width), focal, mouth)
            vertices = self._shape(own, params, params.expression)
            neutral = self._shape(own, params)
        with run.stage("texture"):
            shown = uncovered(seen, completion.mask)
            texture = self._texture(completion.photo, params, camera, shown, completion.mask, vertices)
        run.finish()
        landmarks = replace(seen, visibility=landmarks.visibility)
        fitted = project(camera, self.face_model.visible_landmarks(vertices, camera.rotation))[:, :2]
        return FaceResult(
            box=face,
            landmarks=landmarks,
            params=params,
            camera=camera,
            vertices=vertices,
            neutral=neutral,
            texture=texture,
            timings=run.timings,
            warnings=(
                *cautions.about_choice(len(faces), picked=box is not None),
                *cautions.about_face(face, landmarks, camera, fitted),
                *cautions.about_completion(completion, self.settings.deocclusion, landmarks.points),
                *providers.take_failures(),
            ),
            completion=completion if completion.mask.any() else None,
        )

    @cached_property
    def face_model(self) -> FaceModel:
        """The face model; raises `FaceModelError` when it is missing or damaged."""
        return load_face_model(self.settings.face_model_path)

    @property
    def provider(self) -> str:
        """The execution provider in use; opens the detector to find out."""
        return self._network("detector").provider

    def _network(self, name: str) -> Network:
        chosen = self.settings
        return open_network(self._specs[name], chosen.weights_dir, chosen.provider, chosen.threads)

    @cached_property
    def _detect(self) -> Detect:
        return Detect(self._network("detector"), self.settings.min_score)

    @cached_property
    def _landmark(self) -> Landmark:
        return Landmark(self._network("landmarker"), mirrored_landmarks(self.face_model))

    @cached_property
    def _parse(self) -> Parse:
        return Parse(self._network("parser"))

    def _found_mask(self, parsed: Parsing, points: np.ndarray) -> np.ndarray:
        chosen = self.settings
        return occluder_mask(
            parsed,
            points,
            threshold=chosen.mask_threshold,
            grow=chosen.mask_grow,
            keep_glasses=chosen.keep_glasses,
            keep_lenses=chosen.keep_lenses,
        )

    def _completed(
        self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray | None, parsed: Parsing | None
    ) -> Completion:
        """`complete` with the photo parsed already; the parsing is needed only where no mask is given."""
        if self.settings.deocclusion == "none":
            return Completion(photo, np.zeros(photo.shape[:2], np.uint8), "none")
        if mask is None:
            assert parsed is not None
            mask = self._found_mask(parsed, points)
        return self._complete(photo, points, mask)

    def _look_again(self, completion: Completion, landmarks: Landmarks) -> Landmarks:
        """Landmarks of the completed face, where a network painted it; as they were when nothing was deleted.

        An occluder misleads the landmarker about the whole face, not only about what it hides.
        """
        if completion.method not in NETWORKS:
            return landmarks
        return self._landmark.again(completion.photo, landmarks.points)

    @cached_property
    def _complete(self) -> Complete:
        """Falls back to the classical method as long as the chosen network has not been trained."""
        method = self.settings.deocclusion
        name = NETWORKS.get(method)
        if name is None or not self._specs[name].sha256:
            return Complete(None, "telea")
        return Complete(self._network(name), method)

    @cached_property
    def _regress(self) -> Regress:
        return Regress(self._network("regressor"), CoefficientMirror.of(self.face_model))

    def _shape(self, own: PersonalShape | None, params: FaceParams, expression: np.ndarray | None = None) -> np.ndarray:
        """(V, 3) vertices of the person, at rest or with (64,) sliders."""
        return self.face_model.shape(params.identity, expression) if own is None else own.shape(expression)

    def _own_shape(self, photo: np.ndarray, points: np.ndarray) -> PersonalShape | None:
        """The geometry of the face at (68, 2) landmarks where the settings want it free of the linear basis."""
        return self._pca_free(photo, points) if self.settings.regressor == "pca_free" else None

    @cached_property
    def _pca_free(self) -> PcaFree:
        return PcaFree(self._network("pca_free"), self.face_model)

    @cached_property
    def _fit(self) -> Fit:
        return Fit(self.face_model)

    @cached_property
    def _texture(self) -> Texture:
        return Texture(self.face_model, self.settings.texture_size)


def believed(landmarks: Landmarks, mask: np.ndarray) -> Landmarks:
    """Landmarks for the fit: those under the (H, W) mask lie on painted skin, so their deviation grows."""
    hidden = covers(mask, np.concatenate([landmarks.points, landmarks.dense]))
    return replace(landmarks, sigma=np.where(hidden, _GUESSED * landmarks.sigma, landmarks.sigma))


def uncovered(landmarks: Landmarks, mask: np.ndarray) -> Landmarks:
    """Landmarks for the texture: those that the (H, W) mask hid are seen on the completed photo."""
    hidden = covers(mask, np.concatenate([landmarks.points, landmarks.dense]))
    return replace(landmarks, visibility=np.where(hidden, np.float32(1.0), landmarks.visibility))


class _Run:
    """Progress, cancelling and the clock of one run."""

    def __init__(self, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
        self.timings: dict[str, float] = {}  # seconds by stage
        self._progress = progress or (lambda stage, share: None)
        self._cancelled = cancelled or (lambda: False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report a stage, time it, and do not begin it when the run was cancelled."""
        self._check_cancelled()
        self._progress(name, STAGES.index(name) / len(STAGES))
        begin = time.perf_counter()
        yield
        self.timings[name] = time.perf_counter() - begin

    def finish(self) -> None:
        """Report the end unless the run was cancelled during the last stage."""
        self._check_cancelled()
        self._progress("done", 1.0)

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled
