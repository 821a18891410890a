"""Made-up labelled pictures, small enough for tests of the training code."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.types import COEFFICIENTS, LAYOUT, Camera
from models.synthesis.ingredients import UNKNOWN
from models.synthesis.labels import Occluder
from models.synthesis.shards import Shard, Truth
from models.training.data import Pictures

SIDE = 96
COVER, SHADOW = (slice(40, 56), slice(30, 66)), (slice(56, 59), slice(30, 66))  # rows and columns of the bars


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


def barred(pictures: Pictures) -> Pictures:
    """Every second picture has a black bar with a shadow below it; the clean twins have not."""
    shards = []
    for shard in pictures.shards:
        images, occluder = shard.images.copy(), np.zeros_like(shard.occluder)
        rows = np.full(len(images), -1, np.int32)
        rows[::2] = np.arange(len(rows[::2]))
        images[::2, *COVER], occluder[::2, *COVER] = 0, Occluder.FRAME
        images[::2, *SHADOW] //= 2
        occluder[::2, *SHADOW] = Occluder.TOUCHED
        truth = dataclasses.replace(shard.truth, clean_row=rows)
        shards.append(Shard(images, shard.labels, occluder, shard.images[::2], truth))
    return Pictures.of(shards)


def smooth(pictures: Pictures) -> Pictures:
    """The same labels under pictures without edges, of which half a pixel's shift changes next to nothing."""
    rng = np.random.default_rng(0)
    shards = []
    for shard in pictures.shards:
        noise = rng.integers(0, 256, shard.images.shape).astype(np.uint8)
        images = np.stack([cv2.GaussianBlur(image, (0, 0), 12.0) for image in noise])
        images = cv2.normalize(images, np.empty_like(images), 30, 220, cv2.NORM_MINMAX)
        shards.append(dataclasses.replace(shard, images=images))
    return Pictures.of(shards)


def write(shard: Shard, folder: Path) -> None:
    """One shard as it lies on disk."""
    folder.mkdir(parents=True)
    pixels = {"images": shard.images, "labels": shard.labels, "occluder": shard.occluder, "clean": shard.clean_twins}
    for name, array in pixels.items():
        np.save(folder / f"{name}.npy", array)
    np.savez(folder / "truth.npz", **{field.name: getattr(shard.truth, field.name) for field in fields(Truth)})


def write_all(pictures: Pictures, folder: Path) -> Path:
    """All shards of a set; returns the folder."""
    for number, shard in enumerate(pictures.shards):
        write(shard, folder / f"shard_{number:05d}")
    return folder
