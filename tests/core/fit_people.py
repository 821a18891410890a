"""People for the tests of the fit: the truth, and what noisy networks would say about it."""

from dataclasses import dataclass

import numpy as np

from core.geometry import alignment
from core.geometry.camera import (
    default_focal,
    pose_from_camera,
    project,
    rotation_from_angles,
)
from core.geometry.face_model import FaceModel
from core.types import ALBEDO, EXPRESSION, IDENTITY, Camera, Crop, FaceParams, Landmarks

PHOTO = (480, 640)  # height, width
SIZE = 128


@dataclass(frozen=True)
class Person:
    """The truth, and what noisy networks would say about it."""

    identity: np.ndarray
    vertices: np.ndarray
    camera: Camera
    landmarks: Landmarks
    regressed: FaceParams
    crop: Crop


def make_person(model: FaceModel, seed: int, noise: float = 0.02, identity: np.ndarray | None = None) -> Person:
    """`noise`: landmark error over the eye distance, half of it shared by neighbouring points."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=IDENTITY)
    identity = drawn if identity is None else identity
    expression = np.zeros(EXPRESSION)
    expression[rng.choice(EXPRESSION, 6, replace=False)] = rng.beta(1.2, 2.0, size=6)
    camera = random_camera(rng)
    vertices = model.shape(identity, expression)
    surface = np.concatenate([model.visible_landmarks(vertices, camera.rotation), model.dense_landmarks(vertices)])
    points = project(camera, surface)[:, :2]
    eyes = float(np.linalg.norm(points[36] - points[45]))
    centres = surface[rng.choice(len(surface), 6)]
    shared = np.exp(-((surface[:, None] - centres) ** 2).sum(axis=2) / (2 * 0.03**2)) @ rng.normal(size=(6, 2))
    error = 0.6 * rng.normal(size=points.shape) + 0.8 * shared / shared.std()
    points = points + error * noise * eyes / np.sqrt(2)
    matrix = alignment.crop_matrix(points[:68], SIZE)
    explained = np.linspace(0.8, 0.2, IDENTITY)
    pose = pose_from_camera(camera, matrix, SIZE) + rng.normal(size=6) * [0.05, 0.05, 0.03, 0.1, 0.01, 0.01]
    return Person(
        identity=identity,
        vertices=vertices,
        camera=camera,
        landmarks=Landmarks(
            points=points[:68].astype(np.float32),
            dense=points[68:].astype(np.float32),
            visibility=np.ones(len(points), np.float32),
            sigma=np.full(len(points), noise * eyes / np.sqrt(2), np.float32),
        ),
        regressed=FaceParams(
            identity=(explained * identity + rng.normal(size=IDENTITY) * np.sqrt(explained * (1 - explained))).astype(
                np.float32
            ),
            expression=np.clip(0.8 * expression + 0.08 * rng.normal(size=EXPRESSION), 0, 1).astype(np.float32),
            albedo=rng.normal(size=ALBEDO).astype(np.float32),
            light=np.ones(9, np.float32),
            pose=pose.astype(np.float32),
        ),
        crop=Crop(matrix=matrix, size=SIZE, image=np.zeros((SIZE, SIZE, 3), np.uint8)),
    )


def random_camera(rng: np.random.Generator) -> Camera:
    height, width = PHOTO
    distance = rng.uniform(0.5, 1.5)
    shift = np.append(rng.normal(size=2) * [0.08, 0.05] * distance, distance)
    rotation = rotation_from_angles(*(rng.normal(size=3) * [0.15, 0.35, 0.15]))
    return Camera(default_focal(width, height), ((width - 1) / 2, (height - 1) / 2), width, height, rotation, shift)


def shape_error(model: FaceModel, params: FaceParams, truth: np.ndarray) -> float:
    """Mean distance, mm, of the face's skin after rigid alignment."""
    face = model.in_regions("forehead", "nose", "cheek_right", "cheek_left", "upper_lip", "lower_lip", "chin")
    ours = model.shape(params.identity, params.expression)[face].astype(np.float64)
    target = truth[face].astype(np.float64)
    ours, target = ours - ours.mean(axis=0), target - target.mean(axis=0)
    u, _, vt = np.linalg.svd(ours.T @ target)
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return float(1000 * np.linalg.norm(ours @ turn - target, axis=1).mean())
