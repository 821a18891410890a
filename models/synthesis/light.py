"""Light: turned, tinted and mixed environment maps as spherical harmonics, and a key lamp that casts the shadow.

The brightest patch of a map is taken out of it and becomes the key lamp, so that shadow, highlight and shading agree
with what the eyes mirror. Studio lamps, flashes, windows, stage lamps and candles come on top or, without a map, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from core.geometry.lighting import directional_light, environment_directions, light_from_environment

from .chance import pick

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
MAP_HEIGHT, MAP_WIDTH = 32, 64  # pixels of the maps that light
_AMBIENT_CLIP = 30.0  # radiance over the map's mean; suns would ring through nine harmonics
_KEY_FROM = 4.0  # radiance over the map's mean from which a patch counts as a lamp
_KEY_CONE = float(np.cos(np.radians(22.0)))


@dataclass(frozen=True)
class Light:
    """All in the light frame of docs/conventions.md, before exposure."""

    environment: np.ndarray  # (32, 64, 3) float32 radiance, turned so that its middle column is behind the head
    ambient: np.ndarray  # (9, 3) float32 harmonics of `environment`
    key_direction: np.ndarray  # (3,) float32 unit vector towards the lamp
    key_color: np.ndarray  # (3,) float32 irradiance over pi of a surface facing the lamp; zeros when there is none
    key_softness: float  # width of the shadow's edge, picture sides
    casts_shadow: bool
    map_index: int  # which environment map
    turn: float  # its turn about the vertical, fractions of a full turn
    kind: str  # map, studio, flash, window, back, stage, candle or dim
    level: float  # brightness of the skin in the picture, over the usual
    background_level: float  # of what is behind, over the usual

    def label(self, exposure: float) -> np.ndarray:
        """(9,) float32 monochrome light coefficients of the whole light at the picture's exposure."""
        whole = self.ambient + directional_light(self.key_direction, self.key_color)
        return (whole @ LUMINANCE * exposure).astype(np.float32)


def sample_light(rng: np.random.Generator, maps: Sequence[np.ndarray], use_map: bool = True) -> Light:
    """One light: from the (32, 64, 3) maps when `use_map`, else from plain lamps, with a lamp of the kind drawn."""
    base = _map_light(rng, maps) if use_map else _plain_light(rng)
    kind = str(pick(rng, _KINDS, _MAP_SHARES if use_map else _PLAIN_SHARES))
    return _LAMPS[kind](rng, replace(base, kind=kind))


def _tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    """(3,) colour shift of mean 1, mostly along the warm-cold axis."""
    warm = rng.normal(0.0, strength)
    tint = np.exp(np.array([warm, 0.0, -warm]) + rng.normal(0.0, strength * 0.3, 3))
    return (tint / tint.mean()).astype(np.float32)


def direction_of(azimuth: float, elevation: float) -> np.ndarray:
    """(3,) float32 unit vector; degrees, azimuth 0 is the camera, positive to the picture's right."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


def _map_light(rng: np.random.Generator, maps: Sequence[np.ndarray]) -> Light:
    """A turned map, now and then mixed with a second; its brightest patch becomes the key lamp."""
    index, turn = int(rng.integers(len(maps))), float(rng.random())
    turned = _turned(maps[index], turn)
    if rng.random() < 0.2:
        other = _turned(maps[int(rng.integers(len(maps)))], float(rng.random()))
        turned = turned + (other - turned) * np.float32(rng.uniform(0.2, 0.6))
    rest, direction, key = _extract_key(turned)
    flatten = np.float32(rng.uniform(0.3, 1.1))  # hazy rooms to contrasty streets
    grey = rest.mean(axis=(0, 1))
    tint = _tint(rng, 0.1)
    environment = np.maximum(grey + (np.minimum(rest, _AMBIENT_CLIP) - grey) * flatten, 0.0) * tint
    return _light(
        environment.astype(np.float32),
        direction,
        key * tint * np.float32(np.exp(rng.normal(-0.2, 0.5))),
        softness=rng.uniform(0.002, 0.012),
        index=index,
        turn=turn,
    )


def _light(
    environment: np.ndarray, direction: np.ndarray, key: np.ndarray, softness: float, index: int = 0, turn: float = 0.0
) -> Light:
    return Light(
        environment=environment,
        ambient=light_from_environment(environment),
        key_direction=direction,
        key_color=np.asarray(key, np.float32),
        key_softness=float(softness),
        casts_shadow=bool(np.max(key) > 0.05),
        map_index=index,
        turn=turn,
        kind="map",
        level=1.0,
        background_level=1.0,
    )


def _turned(panorama: np.ndarray, turn: float) -> np.ndarray:
    """A map of mean 1, turned by fractions of a full turn."""
    return np.roll(panorama, round(turn * MAP_WIDTH), axis=1) / panorama.mean()


@lru_cache(maxsize=1)
def _directions() -> tuple[np.ndarray, np.ndarray]:
    """(2048, 3) float32 directions of the small map's pixels and their (2048,) solid angles."""
    directions = environment_directions(MAP_HEIGHT, MAP_WIDTH).reshape(-1, 3).astype(np.float32)
    ring = np.sin((np.arange(MAP_HEIGHT) + 0.5) / MAP_HEIGHT * np.pi)
    area = np.repeat(ring * (2.0 * np.pi**2 / (MAP_HEIGHT * MAP_WIDTH)), MAP_WIDTH)
    return directions, area.astype(np.float32)


def _extract_key(panorama: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The (32, 64, 3) map without its strongest lamp, the lamp's direction, and its irradiance over pi."""
    directions, area = _directions()
    pixels = panorama.reshape(-1, 3)
    luminance = pixels @ LUMINANCE
    excess = np.maximum(luminance - _KEY_FROM, 0.0) * area
    peak = directions[int(excess.argmax())]
    near = excess * (directions @ peak > _KEY_CONE)
    total = float(near.sum())
    if total < 1e-3:
        return panorama, peak, np.zeros(3, np.float32)
    direction = near @ directions
    direction = direction / np.linalg.norm(direction)
    share = near / np.maximum(luminance * area, 1e-9)  # of each pixel's radiance that moves to the lamp
    key = (share * area) @ pixels / np.float32(np.pi)
    return (pixels * (1.0 - share)[:, None]).reshape(panorama.shape), direction.astype(np.float32), key


def _plain_light(rng: np.random.Generator) -> Light:
    """A sky, a floor and two or three soft patches of light."""
    directions, _ = _directions()
    up = directions[:, 1:2]
    environment = rng.uniform(0.15, 0.6) * (1.0 + rng.uniform(-0.2, 0.8) * up) * _tint(rng, 0.05)
    for _ in range(int(rng.integers(1, 4))):
        center = direction_of(rng.normal(0.0, 75.0), rng.uniform(-10.0, 75.0))
        patch = np.exp((directions @ center - 1.0) * rng.uniform(5.0, 40.0))
        environment = environment + patch[:, None] * rng.uniform(0.5, 4.0) * _tint(rng, 0.08)
    shaped = np.maximum(environment, 0.0).reshape(MAP_HEIGHT, MAP_WIDTH, 3).astype(np.float32)
    return _light(shaped / shaped.mean(), direction_of(0.0, 30.0), np.zeros(3), softness=0.01)


def _with_lamp(
    base: Light, direction: np.ndarray, key: np.ndarray, softness: float, ambient: float, level: float = 1.0,
    background: float = 1.0,
) -> Light:  # fmt: skip
    """The light with another key lamp and its surroundings dimmed to `ambient`."""
    return replace(
        base,
        environment=base.environment * np.float32(ambient),
        ambient=base.ambient * np.float32(ambient),
        key_direction=direction,
        key_color=np.asarray(key, np.float32),
        key_softness=float(softness),
        casts_shadow=True,
        level=float(level),
        background_level=float(background),
    )


def _as_it_is(rng: np.random.Generator, base: Light) -> Light:
    """The map's own lamp."""
    return base


def _studio(rng: np.random.Generator, base: Light) -> Light:
    """A lamp or softbox in front of the face, above it and to one side, as in television and portraits."""
    direction = direction_of(rng.normal(0.0, 45.0), np.clip(rng.normal(30.0, 18.0), -15.0, 75.0))
    strength = rng.uniform(0.4, 1.2) if rng.random() < 0.65 else rng.uniform(1.2, 3.5)
    return _with_lamp(base, direction, strength * _tint(rng, 0.08), rng.uniform(0.004, 0.025), 1.0)


def _flash(rng: np.random.Generator, base: Light) -> Light:
    """On the camera: frontal, hard, and too weak for what is behind."""
    direction = direction_of(rng.normal(0.0, 4.0), rng.uniform(0.0, 9.0))
    ambient = rng.uniform(0.1, 0.6)
    strength = rng.uniform(1.5, 4.0) * _tint(rng, 0.04)
    return _with_lamp(
        base, direction, strength, rng.uniform(0.0015, 0.005), ambient, rng.uniform(1.0, 1.7), rng.uniform(0.1, 0.7)
    )


def _window(rng: np.random.Generator, base: Light) -> Light:
    """Broad light from one side in a darker room."""
    direction = direction_of(rng.choice([-1.0, 1.0]) * rng.uniform(45.0, 100.0), rng.uniform(0.0, 35.0))
    cool = np.array([0.94, 1.0, 1.08], np.float32) * _tint(rng, 0.06)
    return _with_lamp(
        base, direction, rng.uniform(1.2, 3.0) * cool, rng.uniform(0.015, 0.035), rng.uniform(0.2, 0.7),
        rng.uniform(0.6, 1.1), rng.uniform(0.3, 1.2),
    )  # fmt: skip


def _back(rng: np.random.Generator, base: Light) -> Light:
    """A lamp or sun behind the head: a bright rim, the face in its own shade."""
    direction = direction_of(rng.choice([-1.0, 1.0]) * rng.uniform(105.0, 170.0), rng.uniform(0.0, 50.0))
    return _with_lamp(
        base, direction, rng.uniform(1.5, 6.0) * _tint(rng, 0.12), rng.uniform(0.003, 0.012), rng.uniform(0.6, 1.0),
        rng.uniform(0.4, 1.0), rng.uniform(1.0, 4.0),
    )  # fmt: skip


def _stage(rng: np.random.Generator, base: Light) -> Light:
    """A spot from above, often coloured, in surroundings of another colour."""
    hue = np.clip(1.0 - rng.beta(1.0, 1.4) * rng.random(3), 0.08, 1.0)
    direction = direction_of(rng.normal(0.0, 60.0), rng.uniform(10.0, 70.0))
    wash = np.clip(1.0 - rng.beta(1.0, 1.0) * rng.random(3), 0.1, 1.0).astype(np.float32)
    tinted = replace(base, environment=base.environment * wash, ambient=base.ambient * wash)
    return _with_lamp(
        tinted, direction, rng.uniform(1.0, 4.0) * hue, rng.uniform(0.002, 0.01), rng.uniform(0.1, 0.7),
        rng.uniform(0.6, 1.3), rng.uniform(0.05, 0.6),
    )  # fmt: skip


def _candle(rng: np.random.Generator, base: Light) -> Light:
    """A small warm flame or a bluish screen below the face, little else."""
    color = np.array([1.5, 0.85, 0.35]) if rng.random() < 0.6 else np.array([0.75, 0.95, 1.25])
    direction = direction_of(rng.normal(0.0, 35.0), rng.uniform(-45.0, -5.0))
    return _with_lamp(
        base, direction, rng.uniform(1.0, 2.5) * color, rng.uniform(0.006, 0.02), rng.uniform(0.05, 0.4),
        rng.uniform(0.3, 0.9), rng.uniform(0.05, 0.5),
    )  # fmt: skip


def _dim(rng: np.random.Generator, base: Light) -> Light:
    """Too little of whatever light there is."""
    return replace(base, level=float(rng.uniform(0.15, 0.5)), background_level=float(rng.uniform(0.1, 0.6)))


_LAMPS: dict[str, Callable[[np.random.Generator, Light], Light]] = {
    "map": _as_it_is, "studio": _studio, "flash": _flash, "window": _window, "back": _back, "stage": _stage,
    "candle": _candle, "dim": _dim,
}  # fmt: skip
_KINDS = tuple(_LAMPS)
_MAP_SHARES = (0.38, 0.28, 0.08, 0.08, 0.06, 0.05, 0.02, 0.05)
_PLAIN_SHARES = (0.1, 0.5, 0.1, 0.1, 0.06, 0.06, 0.03, 0.05)


def reflect_environment(light: Light, directions: np.ndarray) -> np.ndarray:
    """(N, 3) radiance that arrives from (N, 3) unit directions (light frame), nearest pixel of the small map."""
    height, width = light.environment.shape[:2]
    row = np.arccos(np.clip(directions[:, 1], -1.0, 1.0)) / np.pi * height
    column = (np.arctan2(directions[:, 0], -directions[:, 2]) / (2 * np.pi) + 0.5) * width
    row = np.clip(row.astype(np.int32), 0, height - 1)
    return light.environment[row, column.astype(np.int32) % width]
