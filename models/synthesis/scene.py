"""One picture's recipe: everything that is drawn at random, before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.types import Camera

from .assets import Assets
from .background import sample_background
from .camera import place_camera, sample_view
from .eyes import Eyes, sample_eyes
from .garments import Garment, sample_garment
from .hair import HairPlan, sample_hair
from .identities import sample_albedo, sample_identity
from .light import LUMINANCE, Light, sample_light
from .occluders import OccluderPlan, sample_occluder
from .sensor import Sensor, sample_sensor
from .skin import Paint, paint_person


@dataclass(frozen=True, eq=False)
class Scene:
    """A person before a camera."""

    identity: np.ndarray  # (80,) float32
    expression: np.ndarray  # (64,) float32
    albedo: np.ndarray  # (80,) float32
    neutral: np.ndarray  # (V, 3) float32 identity at rest, metres
    vertices: np.ndarray  # (V, 3) float32 with expression
    vertex_albedo: np.ndarray  # (V, 3) float32 linear
    camera: Camera
    paint: Paint
    eyes: Eyes
    hair: HairPlan
    garment: Garment
    light: Light
    background: np.ndarray  # (size, size, 3) float32 linear
    occluders: OccluderPlan
    sensor: Sensor
    level: float  # wanted linear brightness of middling skin


def sample_scene(assets: Assets, seed: int, index: int, size: int = 192) -> Scene:
    """The scene of picture `index` of a set; depends on nothing but (seed, index) and the assets."""
    rng = np.random.default_rng([seed, index])
    model = assets.head.model
    identity, albedo = sample_identity(rng), sample_albedo(rng, model)
    expression = assets.expressions.sample(rng)
    neutral = model.shape(identity)
    vertices = neutral + np.tensordot(expression, model.expression_basis, axes=1)
    colors = model.albedo(albedo)
    view = sample_view(rng)
    light = sample_light(rng, assets.light_maps)
    luminance = max(float(np.median(colors[assets.head.skin_vertices] @ LUMINANCE)), 0.02)
    hair = sample_hair(rng, assets.noise, tuple(assets.hair))
    return Scene(
        identity=identity,
        expression=expression,
        albedo=albedo,
        neutral=neutral,
        vertices=vertices,
        vertex_albedo=colors,
        camera=place_camera(view, model, vertices, size),
        paint=paint_person(rng, assets.head.chart, assets.noise, luminance, hair.scalp, hair.long),
        eyes=sample_eyes(rng),
        hair=hair,
        garment=sample_garment(rng),
        light=light,
        background=sample_background(rng, assets.view_maps, light.map_index, light.turn, size),
        occluders=sample_occluder(rng, assets),
        sensor=sample_sensor(rng),
        level=float(0.24 * (luminance / 0.3) ** 0.6 * np.exp(rng.normal(0.0, 0.4))),
    )
