"""Eyeballs on the layout: what colours a photo shows of irises and whites, and eyes painted in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from . import lighting
from .delighting import LUMINANCE, SkinReading, smoothstep
from .eyes import IRIS_RADIUS, PUPIL_RADIUS, eye_of
from .face_model import FaceModel
from .head_view import HeadView
from .part_painting import robust_color
from .uv_sampling import Atlas, TexelMap

_DARKER_THAN_SKIN = 0.6  # brightest iris pixel over the skin: brighter ones are lids, white or glints
_BLUE = 1.3  # blue over red beyond which a pixel is neither lid nor white, however bright
_LEAST_IRIS = 0.25  # share of the iris's pixels that must be one of these
_COLDER = 0.5  # share of these that is read: lids in shadow are warmer than any iris
_WARM = (1.5, 2.5)  # red over blue: cold or grey, brown
_BRIGHTEST_IRIS = (0.22, 0.055)  # linear luminance of cold and of brown irises; no brown one is bright
_IRIS_RING = (1.15 * PUPIL_RADIUS, 0.9 * IRIS_RADIUS)  # metres from the optic axis, in which an eye is read
_WHITE_RING = (1.2 * IRIS_RADIUS, 2.0 * IRIS_RADIUS)
BROWN = np.array([0.36, 0.22, 0.13], np.float32)  # sRGB, when the iris cannot be seen
WHITE = np.array([0.56, 0.525, 0.50], np.float32)  # linear, of an eye, when it cannot be seen
_VEINS = np.array([0.76, 0.43, 0.39], np.float32)  # the same, over the white
_LIT_WHITE = (0.5, 0.9)  # shares of the pixels about the white, by brightness, that are it: not lashes, not glints
_LEAST_WHITE = 24  # texels
_WHITE_SHADE = 0.8  # of the light on skin, that reaches the white between the lids
_WHITES, _TINTS = (0.4, 1.2), (0.8, 1.2)  # over the usual one: its brightness, each channel beside that


@dataclass(frozen=True, eq=False)
class EyeTexels:
    """Polar coordinates about the optic axis of an eye island's texels."""

    texels: TexelMap
    radius: np.ndarray  # (M,) float32, metres from the axis, negative behind the ball's equator
    angle: np.ndarray  # (M,) float32, radians


def eye_texels(model: FaceModel, atlas: Atlas) -> dict[str, EyeTexels]:
    """Polar coordinates of both eyeballs' and both corneas' texels, by part name."""
    found = {}
    for name, texels in atlas.parts.items():
        if not name.startswith(("eyeball", "cornea")) or len(texels.index) == 0:
            continue
        right, up, along = eye_of(model, model.vertices, name.split("_")[1]).local(texels.interpolate(model.vertices)).T
        radius = np.where(along < 0, -1.0, np.hypot(right, up)).astype(np.float32)
        found[name] = EyeTexels(texels, radius, np.arctan2(up, right).astype(np.float32))
    return found


def paint_eye(eye: EyeTexels, iris_color: np.ndarray, white: np.ndarray = WHITE) -> np.ndarray:
    """(M, 3) linear colours: pupil, fibres, limbal ring, and a sclera that reddens away from the iris.

    `iris_color` and `white` are (3,) linear.
    """
    radius = np.where(eye.radius < 0, 1.0, eye.radius) / IRIS_RADIUS
    fibres = _fibres(eye.angle, radius)
    collarette = np.exp(-(((radius - 0.5) / 0.14) ** 2))
    iris = iris_color * (0.75 + 0.45 * fibres + 0.35 * collarette)[:, None]
    iris *= (1.0 - 0.65 * smoothstep(radius, 0.78, 1.0))[:, None]  # limbal ring
    iris *= smoothstep(radius, PUPIL_RADIUS / IRIS_RADIUS - 0.04, PUPIL_RADIUS / IRIS_RADIUS + 0.05)[:, None]
    red = smoothstep(radius, 1.2, 2.1)[:, None] * 0.55
    sclera = white * (1.0 - red * (1.0 - _VEINS))
    inside = smoothstep(radius, 1.06, 0.96)[:, None]
    return np.clip(iris * inside + sclera * (1.0 - inside) + 0.004, 0.0, 1.0).astype(np.float32)


def _fibres(angle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(M,) radial streaks in [0, 1]."""
    rng = np.random.default_rng(7)
    total = np.zeros_like(angle)
    for count, strength in ((23, 0.4), (47, 0.35), (89, 0.25)):
        phase = rng.uniform(0, 2 * np.pi, 2)
        bend = 0.25 * np.sin(3 * angle + phase[1]) * radius
        total += strength * (0.5 + 0.5 * np.sin(count * (angle + bend / count) + phase[0]))
    return total


def read_eyes(
    eyes: Mapping[str, EyeTexels], view: HeadView, reading: SkinReading, plain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(3,) linear albedo of the irises and of the whites, from what both eyes show; the usual ones when too few.

    Light and skin beside them are read on `plain` (V,) skin.
    """
    level = max(float(np.median(reading.shading[plain] @ LUMINANCE)), 1e-3)
    skin = float(np.exp(np.median(reading.log_albedo[plain & (reading.trust > 0.5)] @ LUMINANCE)))
    iris, white = (_ring(eyes, view, *reach) / level for reach in (_IRIS_RING, _WHITE_RING))
    found = iris_albedo(iris, skin) if np.isfinite(skin) else None
    return lighting.srgb_to_linear(BROWN) if found is None else found, white_albedo(white)


def _ring(eyes: Mapping[str, EyeTexels], view: HeadView, inner: float, outer: float) -> np.ndarray:
    """(N, 3) linear colours of what the photo shows of both eyeballs, between two metres from the optic axes."""
    pixels = [np.empty((0, 3), np.float32)]
    for name, eye in eyes.items():
        if name.startswith("eyeball"):
            ring = (eye.radius > inner) & (eye.radius < outer)
            points = eye.texels.weights[np.flatnonzero(ring)] @ view.points
            pixels.append(view.colors(points[view.shown(points), :2]))
    return np.concatenate(pixels)


def iris_albedo(pixels: np.ndarray, skin: float) -> np.ndarray | None:
    """(3,) linear iris colour from (N, 3) de-lit pixels about the iris, None when they show something else.

    `skin` is the luminance of the skin around. A fit is rarely exact to the pixel, so lids and white are among them.
    """
    if len(pixels) == 0:
        return None
    own = (pixels @ LUMINANCE < _DARKER_THAN_SKIN * skin) | (pixels[:, 2] > _BLUE * pixels[:, 0])
    if own.mean() < _LEAST_IRIS:
        return None
    hue = pixels[own, 0] / np.maximum(pixels[own, 2], 1e-3)
    color = robust_color(pixels[own][hue <= np.quantile(hue, _COLDER)])
    if color is None:
        return None
    warm = smoothstep(float(color[0] / max(color[2], 1e-3)), *_WARM)
    limit = _BRIGHTEST_IRIS[0] + warm * (_BRIGHTEST_IRIS[1] - _BRIGHTEST_IRIS[0])
    color = color * min(1.0, limit / max(float(color @ LUMINANCE), 1e-4))
    return np.clip(color, 0.01, 0.6).astype(np.float32)


def white_albedo(pixels: np.ndarray) -> np.ndarray:
    """(3,) linear colour of an eye's white from (N, 3) de-lit pixels about it: near the usual one, or that."""
    if len(pixels) < _LEAST_WHITE:
        return WHITE
    brightness = pixels @ LUMINANCE
    low, high = np.quantile(brightness, _LIT_WHITE)
    lit = pixels[(brightness >= low) & (brightness <= high)]
    hue = lit[:, 0] / np.maximum(lit[:, 2], 1e-3)
    seen = np.median(lit[hue <= np.median(hue)], axis=0) / _WHITE_SHADE  # lids are warmer
    level = np.clip(float(seen @ LUMINANCE) / float(WHITE @ LUMINANCE), *_WHITES)
    tint = np.clip(seen / WHITE / max(float((seen / WHITE) @ LUMINANCE), 1e-4), *_TINTS)
    return (WHITE * level * np.sqrt(tint)).astype(np.float32)  # half of it is the light's and the lids'
