"""Made-up labelled pictures, small enough for tests of the training code."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.types import COEFFICIENTS, LAYOUT, Camera
from models.synthesis.ingredients import UNKNOWN
from models.synthesis.shards import Shard, Truth
from models.training.data import Pictures

SIDE = 96


def make_pictures(model: FaceModel, count: int = 12, seed: int = 0) -> Pictures:
    """Noise with dark dots at the landmarks: something a network can learn from, cheap to draw."""
    rng = np.random.default_rng(seed)
    size = SIDE
    shape = (count, size, size)
    images, segments = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    coefficients = np.zeros((count, COEFFICIENTS), np.float32)
    landmarks, rotations, translations = [], [], []
    focal, center = 5.0 * size, np.full(2, (size - 1) / 2)
    for k in range(count):
        coefficients[k, LAYOUT["identity"]] = rng.normal(size=80)
        coefficients[k, LAYOUT["expression"]] = (rng.random(64) < 0.1) * rng.random(64)
        coefficients[k, LAYOUT["light"]] = [0.8, *rng.normal(0.0, 0.1, 8)]
        rotation = rotation_from_angles(*rng.normal(0.0, [0.15, 0.3, 0.2]))
        camera = Camera(focal, (center[0], center[1]), size, size, rotation, np.array([0.0, 0.0, 1.4]))
        vertices = model.shape(coefficients[k, LAYOUT["identity"]], coefficients[k, LAYOUT["expression"]])
        surface = np.concatenate([model.visible_landmarks(vertices, rotation), model.dense_landmarks(vertices)])
        landmarks.append(project(camera, surface)[:, :2])
        rotations.append(rotation)
        translations.append(camera.translation)
        images[k] = rng.integers(120, 200, (size, size, 3))
        pixel = np.rint(landmarks[k]).astype(int).clip(0, size - 1)
        images[k][pixel[:, 1], pixel[:, 0]] = 20
        segments[k][pixel[:, 1].min() : pixel[:, 1].max(), pixel[:, 0].min() : pixel[:, 0].max()] = 1
    truth = Truth(
        coefficients=coefficients,
        landmarks=np.array(landmarks, np.float32),
        visibility=np.ones((count, 68 + len(model.dense_weights)), np.uint8),
        focal=np.full(count, focal),
        center=np.tile(center, (count, 1)),
        rotation=np.array(rotations),
        translation=np.array(translations),
        seed=np.array([(seed, k) for k in range(count)]),
        clean_row=np.full(count, -1, np.int32),
        person=np.arange(count),
        ingredients=np.full(count, UNKNOWN),
    )
    first = count // 2  # two shards, to be joined again
    return Pictures.of([_shard(truth, images, segments, part) for part in (slice(first), slice(first, None))])


def _shard(truth: Truth, images: np.ndarray, segments: np.ndarray, part: slice) -> Shard:
    rows = Truth(**{field.name: getattr(truth, field.name)[part] for field in fields(Truth)})
    return Shard(images[part], segments[part], np.zeros_like(segments[part]), images[:0], rows)
