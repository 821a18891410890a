"""One picture's recipe: everything that is drawn at random, before anything is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from core.types import Camera

from .assets import Assets
from .background import sample_background
from .camera import place_camera, sample_view
from .expressions import seal
from .eyes import Eyes, sample_eyes
from .facial_hair import FacialHair, sample_facial_hair
from .garments import Garment, sample_garment
from .hair import HairPlan, sample_hair
from .identities import sample_albedo, sample_identity
from .ingredients import OF_THE_PERSON, OF_THE_PICTURE, sample_ingredients
from .light import LUMINANCE, Light, sample_light
from .neighbours import add_people, stock
from .occluders import OccluderPlan, sample_occluder
from .sensor import Sensor, sample_sensor
from .skin import Paint, paint_person

_PERSON_STREAM = 7_654_321  # keeps people's random numbers apart from pictures'
_CROWD_STREAM = 3_456_789
WITH_NEIGHBOURS = 0.13  # share of pictures with other people behind


@dataclass(frozen=True, eq=False)
class Person:
    """What all pictures of one person share."""

    number: int  # in the set
    identity: np.ndarray  # (80,) float32
    albedo: np.ndarray  # (80,) float32
    neutral: np.ndarray  # (V, 3) float32 identity at rest, metres
    vertex_albedo: np.ndarray  # (V, 3) float32 linear
    luminance: float  # of the middling skin, linear
    paint: Paint
    facial_hair: FacialHair
    eyes: Eyes
    hair: HairPlan
    ingredients: Mapping[str, bool]  # those of `OF_THE_PERSON`


@dataclass(frozen=True, eq=False)
class Scene:
    """A person before a camera."""

    person: int  # number of the person in the set
    ingredients: Mapping[str, bool]  # see ingredients.py
    identity: np.ndarray  # (80,) float32
    expression: np.ndarray  # (64,) float32
    albedo: np.ndarray  # (80,) float32
    neutral: np.ndarray  # (V, 3) float32 identity at rest, metres
    vertices: np.ndarray  # (V, 3) float32 with expression
    vertex_albedo: np.ndarray  # (V, 3) float32 linear
    camera: Camera
    paint: Paint
    facial_hair: FacialHair
    eyes: Eyes
    hair: HairPlan
    garment: Garment
    light: Light
    background: np.ndarray  # (size, size, 3) float32 linear
    occluders: OccluderPlan
    sensor: Sensor
    level: float  # wanted linear brightness of middling skin


@lru_cache(maxsize=4)
def sample_person(assets: Assets, seed: int, number: int) -> Person:
    """Person `number` of a set; kept for the next pictures of the same one."""
    rng = np.random.default_rng([seed, number, _PERSON_STREAM])
    model = assets.head.model
    ingredients = sample_ingredients(rng, OF_THE_PERSON)
    identity, albedo = sample_identity(rng, model), sample_albedo(rng, model)
    colors = model.albedo(albedo)
    sample = colors[assets.head.skin_sample]
    luminance = max(float(np.median(sample @ LUMINANCE)), 0.02)
    hair = sample_hair(rng, assets.noise, tuple(assets.hair), ingredients["hair_strips"])
    skin = np.median(sample, axis=0)
    paint = paint_person(rng, assets.head.chart, assets.noise, luminance, hair.scalp, hair.long, ingredients)
    facial_hair, paint = sample_facial_hair(rng, assets.head.chart, assets.noise, paint, skin, hair.long, ingredients)
    return Person(
        number=number,
        identity=identity,
        albedo=albedo,
        neutral=model.shape(identity),
        vertex_albedo=colors,
        luminance=luminance,
        paint=paint,
        facial_hair=facial_hair,
        eyes=sample_eyes(rng),
        hair=hair,
        ingredients=ingredients,
    )


def sample_scene(
    assets: Assets,
    seed: int,
    index: int,
    size: int = 192,
    group: int = 1,
    alone: bool = False,
    whole_head: bool = False,
) -> Scene:
    """The scene of picture `index` of a set whose people have `group` pictures each.

    It depends on nothing but the arguments and the assets. `alone`: nobody stands behind. `whole_head`: framed as the
    head crop is, not as the face crop.
    """
    rng = np.random.default_rng([seed, index])
    person = sample_person(assets, seed, index // group)
    model = assets.head.model
    ingredients = {**person.ingredients, **sample_ingredients(rng, OF_THE_PICTURE)}
    view = sample_view(rng)
    view = view.of_whole_head() if whole_head else view
    expression, sealed = assets.expressions.sample(rng, view.yaw, view.pitch)
    vertices = person.neutral + (expression @ model.expression_basis.reshape(len(expression), -1)).reshape(-1, 3)
    if sealed:
        expression, vertices = seal(model, expression, vertices)
    light = sample_light(rng, assets.light_maps, ingredients["hdri_light"])
    behind = sample_background(rng, assets.view_maps, light.map_index, light.turn, size, ingredients["background_map"])
    crowd = np.random.default_rng([seed, index, _CROWD_STREAM])
    if not alone and crowd.random() < WITH_NEIGHBOURS:
        behind = add_people(crowd, behind, stock(assets))
    occluders = sample_occluder(rng, assets)
    ingredients["occluder"] = _covers(occluders)
    return Scene(
        person=person.number,
        ingredients=ingredients,
        identity=person.identity,
        expression=expression,
        albedo=person.albedo,
        neutral=person.neutral,
        vertices=vertices,
        vertex_albedo=person.vertex_albedo,
        camera=place_camera(view, model, vertices, size),
        paint=person.paint,
        facial_hair=person.facial_hair,
        eyes=person.eyes,
        hair=person.hair,
        garment=sample_garment(rng, person.hair.long),
        light=light,
        background=behind * np.float32(light.background_level),
        occluders=occluders,
        sensor=sample_sensor(rng, light.kind, ingredients["dof_motion"]),
        level=float(0.29 * light.level * (person.luminance / 0.3) ** 0.6 * np.exp(rng.normal(0.0, 0.33))),
    )


def _covers(plan: OccluderPlan) -> bool:
    """Whether a plan holds anything."""
    return any(bool(getattr(plan, field.name)) for field in fields(plan) if field.name != "seed")
