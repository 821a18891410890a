"""Sets the stage on a photo: a head fitted to its landmarks, and light, sharpness and noise read from its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from core.geometry.delighting import estimate_light
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.fitting import FitSettings, FitState, Observations, fit
from core.geometry.landmark_basis import SHAPE, LandmarkBasis
from core.geometry.landmark_pose import pose_from_points
from core.geometry.lighting import directional_light, irradiance
from core.types import IDENTITY, LANDMARKS, Camera
from models.face_model.sources import DATA

from .facemasks import load_templates
from .hand_rig import HandModel, load_hand
from .head import Head
from .kernels import project, rasterize
from .labels import Label
from .layers import Canvas, Posed
from .laying import Stage
from .light import LUMINANCE, Light

_PIXELS_PER_EYES = 19.0  # focal length over the distance of the outer eye corners: a face a metre and a half away
_JAW_WEIGHT = 0.35  # the contour slides and is placed less surely
_LIGHT_VERTICES = 1500  # that the light is read from
_KEY_SHARE = 0.5  # of the light's direction that is one lamp
_SETTINGS = FitSettings(
    identity_sigma=0.7,
    expression_sigma=0.25,
    expression_rate=0.0,
    rotation_sigma=0.5,
    depth_sigma=0.5,
    shift_sigma=0.1,
    pose_steps=2,
    iterations=5,
    independent_points=40.0,
    tolerance=1e-3,
)


@dataclass(frozen=True, eq=False)
class Closet:
    """What occluders are made of besides code."""

    head: Head
    mask_templates: dict[str, np.ndarray]
    hand: HandModel | None
    basis: LandmarkBasis  # of the 68 landmarks alone


@lru_cache(maxsize=1)
def closet() -> Closet:
    """Loaded once; takes about two seconds."""
    model = load_face_model()
    sparse = replace(model, dense_triangles=model.dense_triangles[:0], dense_weights=model.dense_weights[:0])
    return Closet(
        Head.of(model),
        load_templates(DATA / "occluders" / "mask_templates"),
        load_hand(DATA / "occluders" / "hands" / "left.glb"),
        LandmarkBasis(sparse, IDENTITY),
    )


def fit_head(landmarks: np.ndarray, shape: tuple[int, int], clothes: Closet) -> Posed:
    """The head whose landmarks lie on (68, 2) pixels of a photo of `shape` (height, width)."""
    model, points = clothes.head.model, landmarks.astype(np.float64)
    eyes = float(np.linalg.norm(points[36] - points[45]))
    height, width = shape
    camera = Camera(_PIXELS_PER_EYES * eyes, ((width - 1) / 2, (height - 1) / 2), width, height, np.eye(3), np.zeros(3))
    weight = np.ones(LANDMARKS)
    weight[:17] = _JAW_WEIGHT
    seen = Observations(points, np.full(LANDMARKS, 0.02 * eyes), weight)
    start = _start(model, seen, camera)
    state = fit(clothes.basis, seen, start, camera, _SETTINGS)
    identity, expression = np.split(state.shape.astype(np.float32), [IDENTITY])
    vertices = model.shape(identity, np.clip(expression, 0.0, 1.0))
    camera = replace(camera, rotation=state.rotation, translation=state.translation)
    return Posed.of(camera, vertices, clothes.head)


def _start(model: FaceModel, seen: Observations, camera: Camera) -> FitState:
    """The mean face turned as the inner points say."""
    inner = replace(seen, weight=np.where(np.arange(LANDMARKS) < 17, 0.0, 1.0))
    mean = model.landmarks(model.vertices)
    found = pose_from_points(mean, replace(inner, sigma=4.0 * seen.sigma), camera)
    if found is None:
        raise ValueError("The landmarks are not those of a face seen from the front or the side.")
    return FitState(np.zeros(SHAPE), *found)


def set_stage(
    linear: np.ndarray, posed: Posed, clothes: Closet, rng: np.random.Generator
) -> tuple[Canvas, Stage, np.ndarray]:
    """Canvas and stage of a (H, W, 3) float32 linear photo, and the (H, W) bool of pixels that show the head."""
    head, camera = clothes.head, posed.camera
    raster = rasterize(posed.points, head.triangles, camera.width, camera.height, cull=True)
    canvas = Canvas(linear.copy(), raster.depth.copy(), np.zeros(raster.depth.shape, np.uint8))
    face = head.model.landmarks(posed.vertices)
    spread = np.ptp(project(camera, face.astype(np.float32))[:, :2], axis=0).max()
    light, skin = _light_of(linear, posed, raster.depth, head, rng)
    hair = np.full(3, 0.03, np.float32)
    return canvas, Stage(head, posed, light, None, 1.0, skin, hair, float(spread) / 96.0), raster.mask


def _light_of(
    linear: np.ndarray, posed: Posed, depth: np.ndarray, head: Head, rng: np.random.Generator
) -> tuple[Light, np.ndarray]:
    """The light on the face, half of its direction as one lamp, and the (3,) albedo that its skin has under it."""
    rows = np.flatnonzero(np.isin(head.label, (Label.SKIN, Label.NOSE)) & (head.rest[:, 2] > -0.05))
    rows = rows[:: max(1, len(rows) // _LIGHT_VERTICES)]
    flat = posed.points[rows]
    column, row = (np.rint(flat[:, axis]).astype(int) for axis in (0, 1))
    inside = (column >= 0) & (row >= 0) & (column < depth.shape[1]) & (row < depth.shape[0])
    rows, column, row = rows[inside], column[inside], row[inside]
    seen = posed.points[rows, 2] < depth[row, column] + 0.004
    rows, column, row = rows[seen], column[seen], row[seen]
    albedo, colors = head.model.albedo_mean[rows], linear[row, column]
    normals = posed.to_light(posed.normals[rows])
    whole = estimate_light(colors, albedo, normals, np.clip(normals[:, 2], 0.0, 1.0))
    if not len(rows):
        return _split(whole, rng), np.full(3, 0.3, np.float32)
    facing = normals[:, 2] > 0.3
    skin = np.median((colors / np.maximum(irradiance(normals, whole), 1e-3))[facing], axis=0)
    skin = np.clip(skin, 0.6 * albedo.mean(axis=0), 1.8 * albedo.mean(axis=0)) if facing.any() else albedo.mean(axis=0)
    return _split(whole, rng), skin.astype(np.float32)


def _split(whole: np.ndarray, rng: np.random.Generator) -> Light:
    """A light whose lamp and surroundings add up to (9, 3) harmonics."""
    gray = whole @ LUMINANCE
    direction = np.array([gray[3], gray[1], max(gray[2], 0.1 * abs(gray[0]))], np.float32)
    strength = float(np.linalg.norm(direction))
    direction = direction / max(strength, 1e-6)
    tint = np.maximum(whole[0], 1e-3) / max(float(np.maximum(whole[0], 1e-3) @ LUMINANCE), 1e-3)
    key = (_KEY_SHARE * 2.0 * strength * tint).astype(np.float32)
    ambient = whole - directional_light(direction, key)
    return Light(
        environment=_surroundings(rng) * np.maximum(whole[0], 0.02).astype(np.float32),
        ambient=ambient.astype(np.float32),
        key_direction=direction.astype(np.float32),
        key_color=key,
        key_softness=0.012,
        casts_shadow=True,
        map_index=0,
        turn=0.0,
        kind="map",
        level=1.0,
        background_level=1.0,
    )


def _surroundings(rng: np.random.Generator) -> np.ndarray:
    """(32, 64, 3) float32 of mean 1: bright patches above, a darker floor, for glass to mirror."""
    coarse = rng.gamma(0.5, 1.0, (8, 14, 1)).astype(np.float32)
    coarse[5:] *= 0.3
    sky = cv2.resize(coarse, (64, 32), interpolation=cv2.INTER_LINEAR)[:, :, None]
    return np.repeat(sky / sky.mean(), 3, axis=2)
