"""Every regressor, with and without the fit, behind every way of completing, on the same pictures.

The application's own stages but the texture, which takes most of the time. Answers are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from core import regressors
from core.errors import FaceError
from core.geometry.camera import angles_from_rotation, camera_from_pose, project
from core.geometry.face_model import FACE_REGIONS, FaceModel
from core.geometry.mouth import Mouth, see_mouth
from core.look import believed
from core.pipeline import Pipeline
from core.regressors import AS_PHOTOGRAPHED, COLOURED_BY, NETWORKS, PCA_FREE
from core.stages.fit import likely_focal
from core.stages.pca_free import PersonalShape
from core.types import COEFFICIENTS, LANDMARKS, Camera, Completion, Crop, FaceBox, FaceParams, Landmarks

from . import completions
from .answers import code_digest, kept_answers, spread

METHODS = {"none": "none", **completions.METHODS}  # way of completing: what tables call it
NAMES = {"student": "student", "resnet50": "ResNet-50", "e2far": "E2FARMod", "pca_free": "PCA-free"}
STEPS = ("alone", "+ fit")  # before and after the fit
PART = 100  # pictures that are kept together
_MEASURED = 2  # of the ways of completing, unless all are asked for: each takes as long as all regressors behind it
_SEES = ("detector", "landmarker", "parser", "rims")
_SOURCES = (Path(__file__),)


@dataclass(frozen=True)
class System:
    """One way from a photo to coefficients."""

    method: str  # of `METHODS`
    regressor: str  # of `NAMES`
    step: int  # of `STEPS`

    @property
    def name(self) -> str:
        """What tables call it, without the method."""
        return f"{NAMES[self.regressor]} {STEPS[self.step]}"


@dataclass(frozen=True, eq=False)
class Cases:
    """N pictures with one face each that is meant."""

    name: str
    digest: str  # stands for all pictures and boxes
    count: int
    image: Callable[[int], np.ndarray]  # (H, W, 3) uint8 RGB
    box: Callable[[Pipeline, int, np.ndarray], FaceBox | None]  # of a picture; None: the face is not found
    mask: Callable[[int], np.ndarray | None] = lambda index: None  # what is known to hide it; None: to be found
    shapes: bool = False  # whether the true shape is known, so that geometry beside the coefficients is to be kept


@dataclass(frozen=True, eq=False)
class Answers:
    """What one regressor makes of N pictures, alone and fitted; NaN where the face was missed."""

    matrix: np.ndarray  # (N, 2, 3) float64, photo -> crop that was read
    coefficients: np.ndarray  # (N, 2, 239) float32
    points: np.ndarray  # (N, 2, 68, 2) float32, pixels: projected landmarks
    angles: np.ndarray  # (N, 2, 3) float32 pitch, yaw, roll (radians) in the photo's camera
    free: np.ndarray  # (N, 2, F, 3) float32, metres: face region of a geometry that is not that of the coefficients,
    # at rest and as the sliders' own offsets are added to; fitting leaves it alone. F is 0 where there is none.

    def own_face(self, place: int) -> np.ndarray | None:
        """(2, F, 3) `free` of one picture; None where the coefficients are the geometry."""
        return self.free[place] if self.free.shape[2] else None


@dataclass(frozen=True, eq=False)
class Look:
    """One picture up to where the regressor comes in."""

    image: np.ndarray  # (H, W, 3) uint8 RGB, as photographed
    landmarks: Landmarks  # of `image`
    completion: Completion
    seen: Landmarks  # of the completed picture
    mouth: Mouth | None


def there(pipeline: Pipeline, all_methods: bool = False) -> list[System]:
    """The systems of this build, without completing and behind the best way of it, or behind all of them.

    `METHODS` is in order of merit. The end-to-end regressor is spared any completion.
    """
    ways = [method for method in METHODS if completions.is_there(pipeline, method)]
    ways = ways if all_methods else ways[:_MEASURED]
    pairs = [(way, one) for one in regressors.present() for way in ways if way == "none" or one not in AS_PHOTOGRAPHED]
    return [System(way, one, step) for way, one in pairs for step in range(len(STEPS))]


def left_out(systems: list[System]) -> str:
    """A sentence for a table's note on the ways of completing that are not in it; empty where all are."""
    names = [name for method, name in METHODS.items() if method not in {system.method for system in systems}]
    if not names:
        return ""
    return f" Not measured: completing by {', '.join(names)}; `--all-methods` measures what there is of these."


def regressors_behind(systems: list[System], method: str) -> list[str]:
    """The regressors that are measured behind one way of completing."""
    return list(dict.fromkeys(system.regressor for system in systems if system.method == method))


def rebuild_all(pipeline: Pipeline, systems: list[System], cases: Cases) -> dict[tuple[str, str], Answers]:
    """Answers by (method, regressor) of all systems on the same pictures."""
    out = {}
    for method in dict.fromkeys(system.method for system in systems):
        for name, answers in rebuild(pipeline, method, regressors_behind(systems, method), cases).items():
            out[method, name] = answers
    return out


def rebuild(pipeline: Pipeline, method: str, chosen: list[str], cases: Cases) -> Mapping[str, Answers]:
    """Answers of the chosen regressors; a part of the pictures at a time is completed once for all of them."""
    settings = replace(pipeline.settings, deocclusion=method)
    looking = pipeline.with_settings(settings)
    engines = {name: pipeline.with_settings(replace(settings, regressor=name)) for name in chosen}
    parts: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in chosen}
    for start in range(0, cases.count, PART):
        rows = range(start, min(start + PART, cases.count))
        looked = lru_cache(maxsize=None)(lambda index: look_at(looking, cases, index))
        for name, engine in engines.items():
            code = code_digest(*_SEES, *completions.networks_of(method), *networks_behind(name), also=_SOURCES)
            label = f"regression_{cases.name}_{method}_{name}-{start}"
            depends = f"{cases.digest} {code} {method} {name} {start}"

            def make(engine: Pipeline = engine, looked=looked, rows: range = rows) -> dict[str, np.ndarray]:
                made = spread(lambda index: rebuilt(engine, looked(index), cases.shapes), rows)
                names = [field.name for field in fields(Answers)]
                return dict(zip(names, map(np.array, zip(*made, strict=True)), strict=True))

            parts[name].append(kept_answers(label, depends, make))
    return {name: _joined(own) for name, own in parts.items()}


def _joined(parts: list[dict[str, np.ndarray]]) -> Answers:
    return Answers(**{key: np.concatenate([part[key] for part in parts]) for key in parts[0]})


def look_at(pipeline: Pipeline, cases: Cases, index: int) -> Look | None:
    """One picture through the pipeline up to the regressor; None where the face is missed."""
    image = cases.image(index)
    box = cases.box(pipeline, index, image)
    if box is None:
        return None
    try:
        landmarks = pipeline.landmarks(image, box)
    except FaceError:
        return None
    parsed = pipeline.parse(image, landmarks.points)
    completion = pipeline._completed(image, landmarks.points, cases.mask(index), parsed)
    hidden = np.maximum(parsed.occluded, completion.mask)
    mouth = see_mouth(completion.photo, parsed.parts, hidden, landmarks.points)
    return Look(image, landmarks, completion, pipeline._look_again(completion, landmarks), mouth)


def rebuilt(pipeline: Pipeline, look: Look | None, shapes: bool = False) -> tuple[np.ndarray, ...]:
    """The fields of `Answers` of one picture; with its own geometry where it has one and `shapes` are asked for."""
    face = _free_face(pipeline, shapes)
    if look is None:
        sizes = ((2, 3), (2, COEFFICIENTS), (2, LANDMARKS, 2), (2, 3), (2, len(face), 3))
        return tuple(np.full(size, np.nan, np.float64 if k == 0 else np.float32) for k, size in enumerate(sizes))
    whole = pipeline.settings.regressor in AS_PHOTOGRAPHED
    shown = (look.image, look.landmarks.points) if whole else (look.completion.photo, look.seen.points)
    params, crop, own = regressed(pipeline, *shown)
    height, width = look.image.shape[:2]
    lens = likely_focal(params.pose, crop, (height, width))
    first = camera_from_pose(params.pose, crop.matrix, crop.size, (height, width), lens)
    trusted = believed(look.seen, look.completion.mask)
    fit = pipeline._fit if own is None else own.fit
    fitted, camera = fit(trusted, params, crop, (height, width), None, look.mouth)
    both = ((params, first), (fitted, camera))
    posed = [pipeline._shape(own, one, one.expression) for one, _ in both]
    cameras = [one for _, one in both]
    points = [projected(pipeline.face_model, *pair) for pair in zip(posed, cameras, strict=True)]
    return (
        crop.matrix,
        np.stack([one.to_vector() for one, _ in both]),
        np.stack(points).astype(np.float32),
        np.array([angles_from_rotation(one.rotation) for one in cameras], np.float32),
        np.zeros((2, 0, 3), np.float32) if own is None else np.stack([own.neutral[face], own.model.vertices[face]]),
    )


def regressed(
    pipeline: Pipeline, photo: np.ndarray, points: np.ndarray
) -> tuple[FaceParams, Crop, PersonalShape | None]:
    """What the regressor's stage says of the face at (68, 2) points; where it has a geometry of its own, with that."""
    params, crop = pipeline._regress(photo, points)
    own = pipeline._own_shape(photo, points)
    if own is not None:
        params = replace(params, identity=own.identity, expression=own.expression, pose=own.pose)
    return params, crop, own


def networks_behind(regressor: str) -> tuple[str, ...]:
    """The networks a regressor runs: its own, and where it answers with geometry alone that which colours it."""
    return tuple(NETWORKS[name] for name in (regressor, COLOURED_BY.get(regressor)) if name is not None)


def _free_face(pipeline: Pipeline, shapes: bool) -> np.ndarray:
    """(F,) int: the vertices that are kept of a geometry that is not that of the coefficients."""
    if not shapes or pipeline.settings.regressor != PCA_FREE:
        return np.zeros(0, int)
    return np.flatnonzero(pipeline.face_model.in_regions(*FACE_REGIONS))


def projected(model: FaceModel, vertices: np.ndarray, camera: Camera) -> np.ndarray:
    """(68, 2) pixels: landmarks of (V, 3) vertices, jaw points on the visible contour."""
    return project(camera, model.visible_landmarks(vertices, camera.rotation))[:, :2]
