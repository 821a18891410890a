"""Light: a turned and tinted environment map as spherical harmonics, and a key lamp that casts a shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import directional_light, light_from_environment

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
AMBIENT_CLIP = 30.0  # radiance over the map's mean; suns would ring through nine harmonics


@dataclass(frozen=True)
class Light:
    """All in the light frame of docs/conventions.md, before exposure."""

    environment: np.ndarray  # (32, 64, 3) float32 radiance, turned so that its middle column is behind the head
    ambient: np.ndarray  # (9, 3) float32 harmonics of `environment`
    key_direction: np.ndarray  # (3,) float32 unit vector towards the lamp
    key_color: np.ndarray  # (3,) float32 irradiance of a surface facing the lamp; zeros when there is none
    key_softness: float  # width of the shadow's edge, picture sides
    casts_shadow: bool
    map_index: int  # which environment map
    turn: float  # its turn about the vertical, fractions of a full turn

    def label(self, exposure: float) -> np.ndarray:
        """(9,) float32 monochrome light coefficients of the whole light at the picture's exposure."""
        whole = self.ambient + directional_light(self.key_direction, self.key_color)
        return (whole @ LUMINANCE * exposure).astype(np.float32)


def _tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    """(3,) colour shift of mean 1, mostly along the warm-cold axis."""
    warm = rng.normal(0.0, strength)
    tint = np.exp(np.array([warm, 0.0, -warm]) + rng.normal(0.0, strength * 0.3, 3))
    return (tint / tint.mean()).astype(np.float32)


def sample_light(rng: np.random.Generator, maps: Sequence[np.ndarray]) -> Light:
    """Pick one of the (32, 64, 3) environment maps, turn and tint it, and add a key lamp to most pictures."""
    index, turn = int(rng.integers(len(maps))), float(rng.random())
    turned = np.roll(maps[index], round(turn * 64), axis=1)
    turned = np.minimum(turned / turned.mean(), AMBIENT_CLIP) * _tint(rng, 0.09)
    grey = turned.mean(axis=(0, 1))
    turned = grey + (turned - grey) * rng.uniform(0.3, 1.1)  # flat rooms to contrasty streets
    turned = np.maximum(turned, 0.0).astype(np.float32)
    kind = rng.choice(["none", "fill", "strong"], p=[0.25, 0.5, 0.25])
    strength = {"none": 0.0, "fill": rng.uniform(0.3, 1.2), "strong": rng.uniform(1.2, 4.0)}[kind]
    azimuth = np.radians(rng.normal(0, 50))
    elevation = np.radians(np.clip(rng.normal(30, 22), -25, 80))
    direction = np.array(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], np.float32
    )
    return Light(
        environment=turned,
        ambient=light_from_environment(turned),
        key_direction=direction,
        key_color=(strength * _tint(rng, 0.09)).astype(np.float32),
        key_softness=float(rng.uniform(0.004, 0.02)),
        casts_shadow=bool(strength > 0 and rng.random() < 0.8),
        map_index=index,
        turn=turn,
    )


def reflect_environment(light: Light, directions: np.ndarray) -> np.ndarray:
    """(N, 3) radiance that arrives from (N, 3) unit directions (light frame), nearest pixel of the small map."""
    height, width = light.environment.shape[:2]
    row = np.arccos(np.clip(directions[:, 1], -1.0, 1.0)) / np.pi * height
    column = (np.arctan2(directions[:, 0], -directions[:, 2]) / (2 * np.pi) + 0.5) * width
    row = np.clip(row.astype(np.int32), 0, height - 1)
    return light.environment[row, column.astype(np.int32) % width]
