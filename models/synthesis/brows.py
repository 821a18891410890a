"""Brows: single hairs along the natural flow, over a soft fill of the same shape."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .chance import pick
from .chart import HEIGHT, WIDTH, Chart, smooth_curve
from .head import Head
from .labels import Label
from .layers import Posed
from .strands import Strands, kinds_of

_ORDERS = (range(21, 16, -1), range(22, 27))  # inner end to outer end: right, left
_STEPS = 5


@dataclass(frozen=True, eq=False)
class Brows:
    """Both brows of one person; N hairs."""

    fill: np.ndarray  # (HEIGHT, WIDTH) float32 in [0, 1]: the shape, soft at its edge
    places: np.ndarray  # (N, 2, 2) float32 chart pixels of root and tip
    lift: np.ndarray  # (N,) float32 metres that the middle stands off
    albedo: np.ndarray  # (N, 3) float32 linear
    width: float  # metres
    density: float  # in [0, 1]: how much of the fill's colour is hair rather than skin
    kinds: np.ndarray  # (N,) uint8 `Label`


def sample_brows(rng: np.random.Generator, chart: Chart, color: np.ndarray) -> Brows:
    """Brows from hardly any to bushy, of hair like the (3,) linear `color`, along the brow landmarks."""
    thickness = rng.uniform(4.5, 11.5)  # chart pixels of 0.8 mm
    below, arch, taper = rng.uniform(0.15, 0.65) * thickness, rng.normal(0, 1.0), rng.uniform(0.5, 1.1)
    reach = rng.uniform(-0.06, 0.1)
    density = float(
        pick(rng, [rng.uniform(0.03, 0.25), rng.uniform(0.25, 0.7), rng.uniform(0.7, 1.0)], [0.2, 0.4, 0.4])
    )
    count = int((40 + 300 * density) * (0.5 + thickness / 14))
    neat = rng.uniform(0.05, 0.3)
    fill, places, kinds = np.zeros((HEIGHT, WIDTH), np.float32), [], []
    for order, kind in zip(_ORDERS, (Label.BROW_RIGHT, Label.BROW_LEFT), strict=True):
        spine = smooth_curve(chart.landmarks[list(order)], count=48)
        spine = spine + (spine[-1] - spine[0]) * reach * np.linspace(-0.5, 1.0, 48)[:, None]
        spine[:, 1] += below - arch * np.sin(np.linspace(0, np.pi, 48)) + rng.normal(0, 0.5)
        _fill_shape(fill, spine, thickness, taper)
        places.append(_hairs(rng, spine, thickness, taper, count, neat))
        kinds.append(kinds_of(kind, count))
    return Brows(
        fill=_softened(fill, rng.uniform(0.8, 1.8)),
        places=np.concatenate(places).astype(np.float32),
        lift=rng.uniform(0.0002, 0.0015, 2 * count).astype(np.float32),
        albedo=_colors(rng, color, 2 * count),
        width=float(rng.uniform(0.00025, 0.0005)),
        density=density,
        kinds=np.concatenate(kinds),
    )


def _softened(fill: np.ndarray, sigma: float) -> np.ndarray:
    """The fill blurred, in the part of the chart where there is any."""
    left, top, width, height = cv2.boundingRect((fill > 0).astype(np.uint8))
    window = (slice(max(top - 8, 0), top + height + 8), slice(max(left - 8, 0), left + width + 8))
    fill[window] = cv2.GaussianBlur(fill[window], (0, 0), sigma)
    return fill


def _colors(rng: np.random.Generator, color: np.ndarray, count: int) -> np.ndarray:
    """(N, 3) float32 linear: mostly darker than the hair of the head; now and then grey hairs."""
    base = np.repeat((color * np.exp(-abs(rng.normal(0.25, 0.3))))[None], count, axis=0)
    base *= np.exp(rng.normal(0, 0.25, (count, 1)))
    grey = rng.random(count) < pick(rng, [0.0, rng.uniform(0.05, 0.7)], [0.85, 0.15])
    base[grey] = rng.uniform(0.25, 0.55, (int(grey.sum()), 1))
    return np.minimum(base, 0.9).astype(np.float32)


def _half_width(along: np.ndarray, thickness: float, taper: float) -> np.ndarray:
    return thickness / 2 * np.minimum(1.0, 0.6 + 2.0 * along) * (1.0 - 0.8 * taper * along**2).clip(0.12)


def _fill_shape(cover: np.ndarray, spine: np.ndarray, thickness: float, taper: float) -> None:
    half = _half_width(np.linspace(0, 1, len(spine)), thickness, taper)
    up = np.stack([np.zeros(len(spine)), -half], axis=1)
    outline = np.concatenate([spine + up, (spine - up)[::-1]])
    cv2.fillPoly(cover, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)


def _hairs(
    rng: np.random.Generator, spine: np.ndarray, thickness: float, taper: float, count: int, neat: float
) -> np.ndarray:
    """(count, 2, 2) roots and tips in chart pixels: up at the inner end, sideways and down outside."""
    along = rng.beta(1.0, 1.15, count)
    row = np.minimum((along * 46).astype(int), 46)
    tangent = spine[row + 1] - spine[row]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    across = rng.uniform(-1, 1, count)  # -1 is the upper edge
    root = spine[row] + tangent * rng.uniform(-1, 1, (count, 1))
    root[:, 1] += across * _half_width(along, thickness, taper)
    rise = np.interp(along, [0.0, 0.12, 0.4, 1.0], [3.0, 1.3, 0.5, 0.0]) + 0.55 * across * np.minimum(1, 3 * along)
    way = tangent + np.stack([np.zeros(count), -(rise + rng.normal(0, neat, count))], axis=1)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    length = rng.uniform(0.5, 1.1, count) * np.interp(along, [0, 0.3, 1], [5.0, 8.0, 6.5]) * (0.6 + thickness / 18)
    return np.stack([root, root + way * length[:, None]], axis=1)


def brow_strands(brows: Brows, head: Head, posed: Posed) -> Strands:
    """The hairs of both brows on a posed head."""
    root, tip = (head.on_surface(posed.vertices, brows.places[:, end]) for end in range(2))
    normals = head.on_surface(posed.normals, brows.places[:, 0])
    t = np.linspace(0, 1, _STEPS, dtype=np.float32)[None, :, None]
    stand = (0.0004 + brows.lift[:, None, None] * 4 * t * (1 - 0.7 * t)) * normals[:, None]
    points = root[:, None] * (1 - t) + tip[:, None] * t + stand
    count = len(points)
    radius = 0.5 * brows.width * (1.0 - 0.8 * np.linspace(0, 1, _STEPS) ** 2)
    return Strands(
        points=points.astype(np.float32),
        counts=np.full(count, _STEPS, np.int32),
        radius=np.repeat(radius[None], count, axis=0).astype(np.float32),
        albedo=np.repeat(brows.albedo[:, None], _STEPS, axis=1),
        occlusion=np.full((count, _STEPS), 0.85, np.float32),
        normals=normals.astype(np.float32),
        kinds=brows.kinds,
        opacity=0.9,
        gloss=0.25,
        hides=False,
    )
