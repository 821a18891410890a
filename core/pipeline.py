"""Photo -> FaceResult: the list of stages, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from . import cautions
from .checks import check_face_size, check_mask, check_photo, check_shape, choose_face
from .errors import RegressorError
from .geometry.camera import project
from .geometry.hole_mask import occluder_mask
from .geometry.mouth import see_mouth
from .geometry.teeth_rows import USUAL
from .look import Look, PersonPhoto, parts_shown, uncovered
from .regressors import AS_PHOTOGRAPHED, PCA_FREE
from .run import Progress, Run, naming
from .runtime import providers
from .settings import Settings
from .stage_set import StageSet
from .stages.complete import NETWORKS
from .stages.hair import hair_share
from .stages.pca_free import PersonalShape
from .types import (
    LANDMARKS,
    Camera,
    Completion,
    FaceBox,
    FaceParams,
    FaceResult,
    FaceTexture,
    HairMesh,
    Landmarks,
    Parsing,
)

STAGES = ("detect", "landmark", "complete", "regress", "fit", "texture", "hair")


class Pipeline(StageSet):
    """Photo to `FaceResult` by the stages of one choice of settings, which open at first use."""

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
        return self._found_mask(photo, self._parse(photo, points), points)

    def complete(self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray | None = None) -> Completion:
        """The photo without what hides the face at (68, 2) landmarks.

        `mask` is (H, W) uint8, set from 128 on where something is to be deleted; None stands for what is found. Of
        either only what lies in the face crop is deleted.
        """
        check_photo(photo)
        check_shape("points", points, (LANDMARKS, 2))
        check_mask(mask, photo)
        if self.settings.deocclusion == "none":
            return _untouched(photo)
        return self._completed(photo, points, mask, self._parse(photo, points))

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
        run = Run(STAGES, progress, cancelled)
        look = self._look(run, photo, box, mask)
        with run.stage("fit"):
            told, fit = look.for_fit(focal), self._fit if look.own is None else look.own.fit
            params, camera = fit(told.landmarks, told.params, told.crop, told.photo_shape, told.focal, told.mouth)
            params = self._looking(look, params, camera)
            look = replace(look, teeth=self._teeth_lower([look], [(params, camera)]))
        with run.stage("texture"):
            texture = self._unwrap(look, params, camera)
        with run.stage("hair"):
            hair = self._hair_of(look, params, camera, texture)
        run.finish()
        return self._result(look, params, camera, texture, hair, run.timings)

    def reconstruct_person(
        self,
        photos: Sequence[PersonPhoto],
        *,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[FaceResult, ...]:
        """One result for each of several photos of one person, all of one identity, albedo and texture.

        Expression, pose, light and camera are those of each photo. `progress` and `cancelled` are as in
        `reconstruct`; an error about one photo begins with its name. The hair is that of the photo that shows most of
        it.
        """
        if not photos:
            raise ValueError("at least one photo is needed")
        if self.settings.regressor == PCA_FREE:
            raise RegressorError("Several photos make one head on the linear face model only; choose the student.")
        run = Run(STAGES, progress, cancelled, len(photos))
        looks = []
        for photo in photos:
            with naming(photo.name):
                looks.append(self._look(run, photo.pixels, photo.box, photo.mask))
        with run.stage("fit", steps=len(photos)):
            told = [look.for_fit(photo.focal) for look, photo in zip(looks, photos, strict=True)]
            fitted = [
                (self._looking(look, params, camera), camera)
                for look, (params, camera) in zip(looks, self._fit.person(told), strict=True)
            ]
            teeth = self._teeth_lower(looks, fitted)
            looks = [replace(look, teeth=teeth) for look in looks]
        textures = []
        for look, (params, camera) in zip(looks, fitted, strict=True):
            with run.stage("texture"):
                textures.append(self._unwrap(look, params, camera))
        shapes = [self._head(look, params, params.expression) for look, (params, _) in zip(looks, fitted, strict=True)]
        textures = self._fuse(textures, shapes, [camera for _, camera in fitted])
        with run.stage("hair", steps=len(photos)):
            best = max(range(len(looks)), key=lambda row: hair_share(looks[row].parts))
            hair = self._hair_of(looks[best], *fitted[best], textures[best])
        run.finish()
        return tuple(
            self._result(look, params, camera, texture, hair, run.timings)
            for look, (params, camera), texture in zip(looks, fitted, textures, strict=True)
        )

    def _look(self, run: Run, photo: np.ndarray, box: FaceBox | None, mask: np.ndarray | None) -> Look:
        """Everything the networks say about the face in one photo."""
        check_photo(photo)
        check_mask(mask, photo)
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
            parts = parts_shown(parsed, completion.mask, self.settings.deocclusion == "none")
            mouth = see_mouth(completion.photo, parsed.parts, hidden, landmarks.points)
        with run.stage("regress"):
            if self.settings.regressor in AS_PHOTOGRAPHED:
                regressed, crop = self._regress(photo, landmarks.points)
            else:
                regressed, crop = self._regress(completion.photo, seen.points)
            own = self._own_shape(completion.photo, seen.points)
        words = cautions.about_choice(len(faces), picked=box is not None)
        return Look(face, landmarks, seen, completion, regressed, crop, parts, mouth, words, own)

    def _looking(self, look: Look, params: FaceParams, camera: Camera) -> FaceParams:
        """Fitted coefficients with the eyes turned to where the photo's look."""
        done, at_rest = look.completion, self._head(look, params)
        expression = self._gaze(done.photo, look.seen.points, at_rest, camera, params.expression, done.mask)
        return replace(params, expression=expression)

    def _teeth_lower(self, looks: list[Look], fitted: list[tuple[FaceParams, Camera]]) -> float:
        """Metres by which a person's upper teeth hang lower than those of the fitted heads."""
        told = [
            self._teeth_rows.lowering(look.mouth, self._shape(look.own, params, params.expression), camera)
            for look, (params, camera) in zip(looks, fitted, strict=True)
        ]
        return max((metres for metres in told if metres is not None), default=USUAL)

    def _unwrap(self, look: Look, params: FaceParams, camera: Camera) -> FaceTexture:
        completion = look.completion
        shown, vertices = uncovered(look.seen, completion.mask), self._head(look, params, params.expression)
        return self._texture(completion.photo, params, camera, shown, completion.mask, vertices, look.parts)

    def _hair_of(self, look: Look, params: FaceParams, camera: Camera, texture: FaceTexture) -> HairMesh | None:
        if not self.settings.hair:
            return None
        at_rest = self._head(look, params)
        return self._hair(look.completion.photo, look.parts, at_rest, camera, texture)

    def _result(
        self,
        look: Look,
        params: FaceParams,
        camera: Camera,
        texture: FaceTexture,
        hair: HairMesh | None,
        timings: dict[str, float],
    ) -> FaceResult:
        vertices = self._head(look, params, params.expression)
        landmarks = replace(look.seen, visibility=look.landmarks.visibility)
        fitted = project(camera, self.face_model.visible_landmarks(vertices, camera.rotation))[:, :2]
        return FaceResult(
            box=look.face,
            landmarks=landmarks,
            params=params,
            camera=camera,
            vertices=vertices,
            neutral=self._head(look, params),
            texture=texture,
            timings=timings,
            warnings=(
                *look.words,
                *cautions.about_face(look.face, landmarks, camera, fitted),
                *cautions.about_completion(look.completion, self.settings.deocclusion, landmarks.points),
                *providers.take_failures(),
            ),
            completion=look.completion if look.completion.mask.any() else None,
            hair=hair,
            teeth_lowered=look.teeth,
        )

    def _found_mask(self, photo: np.ndarray, parsed: Parsing, points: np.ndarray) -> np.ndarray:
        chosen = self.settings
        return occluder_mask(
            photo,
            parsed,
            points,
            threshold=chosen.mask_threshold,
            grow=chosen.mask_grow,
            keep_glasses=chosen.keep_glasses,
            rims=self._rims if chosen.keep_lenses and self._specs["rims"].sha256 else None,
        )

    def _completed(self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray | None, parsed: Parsing) -> Completion:
        """`complete` with the photo parsed already."""
        if self.settings.deocclusion == "none":
            return _untouched(photo)
        if mask is None:
            mask = self._found_mask(photo, parsed, points)
        return self._complete(photo, points, mask, parsed.parts)

    def _look_again(self, completion: Completion, landmarks: Landmarks) -> Landmarks:
        """Landmarks of the completed face, where a network painted it; as they were when nothing was deleted.

        An occluder misleads the landmarker about the whole face, not only about what it hides.
        """
        if completion.method not in NETWORKS:
            return landmarks
        return self._landmark.again(completion.photo, landmarks.points)

    def _head(self, look: Look, params: FaceParams, expression: np.ndarray | None = None) -> np.ndarray:
        """(V, 3) vertices of the person in a photo, at rest or with (64,) sliders, with their own teeth."""
        shape = self._shape(look.own, params, expression)
        return self._teeth_rows.lowered(shape, look.teeth) if look.teeth else shape

    def _shape(self, own: PersonalShape | None, params: FaceParams, expression: np.ndarray | None = None) -> np.ndarray:
        """(V, 3) vertices of the face model, or of a geometry of its own, at rest or with (64,) sliders."""
        return self.face_model.shape(params.identity, expression) if own is None else own.shape(expression)

    def _own_shape(self, photo: np.ndarray, points: np.ndarray) -> PersonalShape | None:
        """The geometry of the face at (68, 2) landmarks where the settings want it free of the linear basis."""
        return self._pca_free(photo, points) if self.settings.regressor == PCA_FREE else None


def _untouched(photo: np.ndarray) -> Completion:
    return Completion(photo, np.zeros(photo.shape[:2], np.uint8), "none")
