"""A FaceResult without photo or networks: random person, chosen expression, off-centre turned head."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

WIDTH, HEIGHT = 480, 600
LIGHT = np.array([0.8, 0.2, 0.35, 0.2, 0.02, 0.05, 0.03, 0.05, -0.03], np.float32)


def synthetic_result(
    addon, model, expression: Mapping[str, float] | None = None, seed: int = 3, texture_size: int = 256
):
    """A `FaceResult` of the installed add-on's own types."""
    types, camera_math = addon("core.types"), addon("core.geometry.camera")
    rng = np.random.default_rng(seed)
    params = types.FaceParams(
        identity=(rng.normal(size=80) * 0.6).astype(np.float32),
        expression=_sliders(model, expression or {}),
        albedo=(rng.normal(size=80) * 0.5).astype(np.float32),
        light=LIGHT,
        pose=np.array([0.1, 0.3, 0.05, 3.0, 0.5, 0.5], np.float32),
    )
    camera = types.Camera(
        focal=1300.0,
        center=(WIDTH * 0.47, HEIGHT * 0.55),  # a cropped photo: the axis is not in the middle
        width=WIDTH,
        height=HEIGHT,
        rotation=camera_math.rotation_from_angles(0.1, 0.3, 0.05),
        translation=np.array([0.012, -0.015, 0.8]),
    )
    vertices = model.shape(params.identity, params.expression)
    points = camera_math.project(camera, model.landmarks(vertices))[:, :2].astype(np.float32)
    count = len(points) + len(model.dense_weights)
    return types.FaceResult(
        box=types.FaceBox(*points.min(0), *points.max(0), 0.99, points[[36, 45, 30, 48, 54]]),
        landmarks=types.Landmarks(
            points=points,
            dense=np.zeros((len(model.dense_weights), 2), np.float32),
            visibility=np.ones(count, np.float32),
            sigma=np.ones(count, np.float32),
        ),
        params=params,
        camera=camera,
        vertices=vertices,
        neutral=model.shape(params.identity),
        texture=_texture(types, rng, texture_size),
        timings={"detect": 0.01},
        warnings=("The face is only 90 pixels large, so the texture is coarse. Use a larger photo.",),
    )


def _sliders(model, wanted: Mapping[str, float]) -> np.ndarray:
    return np.array([wanted.get(name, 0.0) for name in model.expression_names], np.float32)


def _texture(types, rng: np.random.Generator, size: int):
    color = np.array([198, 156, 136]) + rng.normal(size=(size, size, 1)) * 6
    return types.FaceTexture(
        color=np.clip(color, 0, 255).astype(np.uint8),
        source=np.full((size, size), 1, np.uint8),
        iris_color=np.array([0.33, 0.42, 0.47], np.float32),
        hair_color=np.array([0.2, 0.15, 0.1], np.float32),
        white_color=np.array([0.8, 0.76, 0.74], np.float32),
        light=LIGHT,
    )
