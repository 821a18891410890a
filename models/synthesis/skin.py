"""Skin and what is painted on it: complexion and make-up by the atlas, painted brows, beard and scalp on the chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .chart import HEIGHT, WIDTH, Chart, locate, smooth_curve
from .complexion import Complexion, fold_depths, makeup_colors, sample_complexion
from .head import Head
from .noise import NoisePool, skin_noise
from .skin_atlas import TEXEL
from .skin_details import RANGE
from .skin_kernels import OIL, RELIEF, WET, paint_pixels

HAIR_COLORS = np.array(  # sRGB
    [[18, 15, 14], [34, 26, 22], [58, 40, 28], [88, 60, 40], [120, 82, 52], [160, 118, 72], [196, 160, 108]]
    + [[150, 70, 36], [205, 190, 165], [150, 150, 150], [215, 215, 212], [95, 95, 95]],
    np.float32,
) / 255.0  # fmt: skip
_COMMON = np.array([5, 5, 4, 3, 2, 1.5, 1.3, 0.8, 0.5, 1.2, 1.2, 1.0])
_DARK = np.array([1, 1, 0.6, 0.2, 0.05, 0, 0, 0, 0, 0.4, 0.3, 0.4])
_FINEST = TEXEL / 2  # metres of a texel of the painted skins and of the noise


@dataclass(frozen=True, eq=False)
class Paint:
    """The colours of one person."""

    inks: np.ndarray  # (HEIGHT, WIDTH, 4) uint8 chart: cover of BROW, BEARD, SCALP, and how uneven hair is
    colors: np.ndarray  # (7, 3) float32 linear: brow, beard, scalp, stubble, lips, lids, liner
    hair_color: np.ndarray  # (3,) float32 linear
    complexion: Complexion
    roughness: float
    lashes: float  # how dark they come out, in [0, 1]
    teeth: np.ndarray  # (3,) float32 linear


@dataclass(frozen=True, eq=False)
class PaintedSkin:
    """Skin at N surface points."""

    albedo: np.ndarray  # (N, 3) float32 linear
    height: np.ndarray  # (N,) float32 metres of relief
    oil: np.ndarray  # (N,) float32 strength of the sharp highlight
    wet: np.ndarray  # (N,) float32 strength of the film of water
    hairs: np.ndarray  # (N, 3) float32 cover of BROW, BEARD and SCALP


def sample_hair_color(rng: np.random.Generator, skin_luminance: float) -> np.ndarray:
    """(3,) float32 linear: natural colours, a few dyed; dark skin mostly goes with dark or grey hair."""
    if rng.random() < 0.03:
        return srgb_to_linear(rng.random(3) * 0.8)
    common = _COMMON * (_DARK if skin_luminance < 0.16 and rng.random() < 0.9 else 1.0)
    base = HAIR_COLORS[pick(rng, len(HAIR_COLORS), common / common.sum())]
    return srgb_to_linear(np.clip(base * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.015, 3), 0.01, 0.95))


def paint_person(
    rng: np.random.Generator,
    chart: Chart,
    noise: NoisePool,
    albedo_luminance: float,
    scalp: np.ndarray,
    long_hair: bool,
    ingredients: Mapping[str, bool],
) -> Paint:
    """Paint one face. `scalp` is the (HEIGHT, WIDTH) float32 cover of the hair painted on the scalp.

    Long hair goes with fewer beards and more make-up, as in most photos. Brows and beard are painted where no
    strands will grow.
    """
    hair = sample_hair_color(rng, albedo_luminance)
    painted, grown = rng.spawn(2)  # apart, so that strands change nothing else
    brows = np.zeros((HEIGHT, WIDTH), np.float32) if ingredients["brows_strands"] else _brows(painted, chart)
    beard = np.zeros((HEIGHT, WIDTH), np.float32)
    if not ingredients["hair_strips"]:
        beard = _beard(grown, chart, noise, long_hair)
    complexion = sample_complexion(rng, albedo_luminance, long_hair, not long_hair, ingredients)
    darker = np.exp(-abs(rng.normal(0.2, 0.25)))
    stubble = hair * 0.4 + np.array([0.010, 0.011, 0.014], np.float32)  # roots seen through skin look blue
    colors = [hair * darker, hair * rng.uniform(0.6, 1.3), hair, stubble, *makeup_colors(rng, albedo_luminance)]
    return Paint(
        inks=_bytes([brows, beard, scalp, 0.5 + 0.12 * noise.cut(rng, "strand")]),
        colors=np.stack(colors).astype(np.float32),
        hair_color=hair,
        complexion=complexion,
        roughness=float(rng.uniform(0.36, 0.6)),
        lashes=float(rng.uniform(0.4, 0.85) if long_hair else rng.uniform(0.1, 0.6)),
        teeth=_teeth(rng),
    )


def _teeth(rng: np.random.Generator) -> np.ndarray:
    """(3,) linear: from bleached to yellow, with a little of everything between."""
    yellow = rng.beta(1.5, 2.0) * np.array([0.12, 0.22, 0.45])
    return (np.array([0.72, 0.66, 0.58]) * (1.0 - yellow) * rng.uniform(0.8, 1.1)).astype(np.float32)


def _bytes(channels: list[np.ndarray]) -> np.ndarray:
    """(HEIGHT, WIDTH, 4) uint8 of four fields in [0, 1]."""
    return cv2.merge([cv2.convertScaleAbs(np.maximum(channel, 0.0), alpha=255.0) for channel in channels])


def _brows(rng: np.random.Generator, chart: Chart) -> np.ndarray:
    """Hair strokes along each brow; now and then hardly any."""
    cover = np.zeros((HEIGHT, WIDTH), np.float32)
    thickness = rng.uniform(3.0, 10.5)  # chart pixels of 0.8 mm
    below, arch, taper = rng.uniform(0.0, 0.6) * thickness, rng.normal(0, 1.2), rng.uniform(0.4, 1.2)
    reach = rng.uniform(-0.08, 0.1)
    strength = pick(rng, [0.0, rng.uniform(0.25, 0.6), rng.uniform(0.6, 1.0)], [0.3, 0.25, 0.45])
    strokes = int(rng.uniform(60, 170))
    for order in (range(21, 16, -1), range(22, 27)):  # inner end to outer end
        spine = smooth_curve(chart.landmarks[list(order)], count=48)
        spine = spine + (spine[-1] - spine[0]) * reach * np.linspace(-0.5, 1.0, 48)[:, None]
        spine[:, 1] += below - arch * np.sin(np.linspace(0, np.pi, 48))
        _stroke_brow(rng, cover, spine, thickness, taper, strokes)
    soft = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.6, 1.6))
    return np.clip(soft * 1.5, 0.0, 1.0) * strength


def _stroke_brow(
    rng: np.random.Generator, cover: np.ndarray, spine: np.ndarray, thickness: float, taper: float, strokes: int
) -> None:
    along = np.sort(rng.random(strokes))
    row = (along * (len(spine) - 2)).astype(int)
    tangent = spine[row + 1] - spine[row]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    half = thickness / 2 * np.minimum(1.0, 0.55 + 2.5 * along) * (1.0 - along**2 * taper * 0.75).clip(0.12)
    root = spine[row] + np.stack([np.zeros(strokes), rng.uniform(-1, 1, strokes) * half], axis=1)
    rise = np.interp(along, [0.0, 0.35, 1.0], [1.6, 0.5, -0.1]) + rng.normal(0, 0.25, strokes)
    tip = root + (tangent + np.stack([np.zeros(strokes), -rise], axis=1)) * rng.uniform(2.0, 5.0, (strokes, 1))
    for a, b in zip(np.round(root * 8).astype(int).tolist(), np.round(tip * 8).astype(int).tolist(), strict=True):
        cv2.line(cover, a, b, 1.0, 1, cv2.LINE_AA, 3)


def _beard(rng: np.random.Generator, chart: Chart, noise: NoisePool, long_hair: bool) -> np.ndarray:
    kind = pick(rng, ["none", "shadow", "stubble", "full", "goatee", "moustache"], [0.42, 0.18, 0.14, 0.11, 0.08, 0.07])
    if kind == "none" or (long_hair and rng.random() < 0.8):
        return np.zeros((HEIGHT, WIDTH), np.float32)
    lm, area = chart.landmarks, chart.beard
    y, x = np.arange(HEIGHT, dtype=np.float32)[:, None], np.arange(WIDTH, dtype=np.float32)[None, :]
    if kind == "moustache":
        area = (
            area * (y < lm[48, 1] + rng.uniform(-3, 12)) * _soft(np.abs(x - lm[8, 0]), abs(lm[54, 0] - lm[8, 0]) + 5, 3)
        )
    elif kind == "goatee":
        area = area * _soft(np.abs(x - lm[8, 0]), abs(lm[54, 0] - lm[8, 0]) + rng.uniform(-8, 8), 6)
        area = area * _soft(y, lm[8, 1] + rng.uniform(4, 14), 8)
    strand = 0.6 * noise.cut(rng, "grain") + 0.4 * noise.cut(rng, "strand")
    strength = {"shadow": rng.uniform(0.05, 0.22), "stubble": rng.uniform(0.2, 0.5)}.get(
        str(kind), rng.uniform(0.7, 1.0)
    )
    rough = 0.35 if kind in ("shadow", "stubble") else 0.12
    return np.clip(area * strength * (1.0 + rough * strand), 0.0, 1.0)


def _soft(distance: np.ndarray, limit: float, width: float) -> np.ndarray:
    """1 below `limit`, 0 above, a ramp of `width` between."""
    return np.clip((limit - distance) / width + 0.5, 0.0, 1.0).astype(np.float32)


def paint_skin(
    paint: Paint, head: Head, uv: np.ndarray, rest: np.ndarray, base: np.ndarray, expression: np.ndarray, pixel: float
) -> PaintedSkin:
    """Paint N surface points of a person whose face makes an expression, as coarsely as `pixel` (metres) allows.

    `uv` (N, 2) of the face model's layout, `rest` (N, 3) rest positions, `base` (N, 3) linear model albedo,
    `expression` (64,) sliders.
    """
    complexion, atlas, details = paint.complexion, head.atlas, head.details
    level = atlas.level(pixel / TEXEL)
    skins = details.level(pixel / _FINEST)
    first, second = (int(share * len(skins)) for share in complexion.skins)
    out = paint_pixels(
        np.ascontiguousarray(uv, np.float32),
        locate(rest),
        _side(rest[:, 0]),
        np.ascontiguousarray(base, np.float32),
        np.asarray(skins[first]),
        np.asarray(skins[second]),
        RANGE / 127.0,
        atlas.masks[level],
        atlas.folds[level],
        fold_depths(complexion, expression, head.model.expression_names),
        paint.inks,
        skin_noise(pixel / _FINEST),
        complexion.shift,
        complexion.numbers,
        paint.colors,
        complexion.spots,
    )
    return PaintedSkin(out[:, :3], out[:, RELIEF], out[:, OIL], out[:, WET], out[:, -3:])


def _side(x: np.ndarray) -> np.ndarray:
    """(N,) float32 from 0 on the subject's right to 1 on the left."""
    share = np.clip(x / 0.02 + 0.5, 0.0, 1.0)
    return (share * share * (3.0 - 2.0 * share)).astype(np.float32)
