"""Beards: stubble, moustaches, goatees, full and long beards, of short strands over a soft fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chance import pick
from .chart import HEIGHT, WIDTH, Chart
from .head import Head
from .labels import Label
from .layers import Posed
from .noise import NoisePool
from .scalp import Growth, grow, roots_of
from .strands import Strands, kinds_of

_SHARES = {
    "none": 0.5,
    "shadow": 0.1,
    "stubble": 0.12,
    "short": 0.08,
    "full": 0.07,
    "long": 0.02,
    "goatee": 0.05,
    "moustache": 0.06,
}
_LENGTHS = {  # metres
    "shadow": (0.0008, 0.0015), "stubble": (0.0015, 0.004), "short": (0.004, 0.012), "full": (0.012, 0.035),
    "long": (0.05, 0.14), "goatee": (0.004, 0.04), "moustache": (0.006, 0.016),
}  # fmt: skip
_HANGS = 0.03  # metres: hair of a beard longer than this, below the jaw, counts as hair


@dataclass(frozen=True, eq=False)
class Beard:
    """One person's beard; N hairs."""

    kind: str
    fill: np.ndarray  # (HEIGHT, WIDTH) float32 in [0, 1]
    places: np.ndarray  # (N, 2) float32 chart pixels of the roots
    way: np.ndarray  # (N, 2) float32 unit, chart: where it is combed
    length: np.ndarray  # (N,) float32 metres
    albedo: np.ndarray  # (N, 3) float32 linear
    width: float  # metres
    curl: float  # metres
    seed: int


def sample_beard(
    rng: np.random.Generator, chart: Chart, noise: NoisePool, color: np.ndarray, rare: bool
) -> Beard | None:
    """A beard, or None for half of the people; `rare` makes it the exception. `color` is (3,) linear."""
    kind = str(pick(rng, list(_SHARES), np.array(list(_SHARES.values()))))
    if kind == "none" or (rare and rng.random() < 0.85):
        return None
    area = _area(rng, chart, kind)
    length = float(rng.uniform(*_LENGTHS[kind]))
    places = _roots(rng, area, int(rng.uniform(1100, 1700)) if kind in ("full", "short", "long") else 900)
    strength = {"shadow": rng.uniform(0.05, 0.25), "stubble": rng.uniform(0.15, 0.45)}.get(kind, rng.uniform(0.4, 0.85))
    rough = 1.0 + 0.3 * noise.cut(rng, "grain") + 0.12 * noise.cut(rng, "blotch")
    count = len(places)
    return Beard(
        kind=kind,
        fill=np.clip(area * strength * rough, 0.0, 0.92).astype(np.float32),
        places=places,
        way=_flow(rng, chart, places),
        length=(length * _profile(chart, places, kind) * np.exp(rng.normal(0, 0.22, count))).astype(np.float32),
        albedo=_colors(rng, chart, places, color),
        width=float(rng.uniform(0.0003, 0.0006)),
        curl=float(rng.uniform(0.0, 0.003)),
        seed=int(rng.integers(2**31)),
    )


def _area(rng: np.random.Generator, chart: Chart, kind: str) -> np.ndarray:
    """(HEIGHT, WIDTH) float32 in [0, 1]: where this beard grows."""
    lm, area = chart.landmarks, chart.beard
    y, x = np.arange(HEIGHT, dtype=np.float32)[:, None], np.arange(WIDTH, dtype=np.float32)[None, :]
    half = abs(lm[54, 0] - lm[8, 0])
    if kind == "moustache":
        return area * (y < lm[48, 1] + rng.uniform(-3, 10)) * _below(np.abs(x - lm[8, 0]), half + rng.uniform(0, 6), 3)
    if kind == "goatee":
        area = area * _below(np.abs(x - lm[8, 0]), half + rng.uniform(-8, 8), 6)
        area = area * _below(y, lm[8, 1] + rng.uniform(4, 14), 8)
        return area * (1.0 - _below(y, lm[57, 1], 3)) if rng.random() < 0.3 else area
    if rng.random() < 0.2:  # the chin strap: cheeks and lip shaved
        area = area * np.maximum(_below(-y, -(lm[57, 1] + 4.0), 5), _below(-np.abs(x - lm[8, 0]), -(half + 38.0), 8))
    low = lm[8, 1] + rng.uniform(4, 40)
    return area * _below(y, low, rng.uniform(5, 14))


def _below(distance: np.ndarray, limit: float, width: float) -> np.ndarray:
    """1 below `limit`, 0 above, a ramp of `width` between."""
    return np.clip((limit - distance) / width + 0.5, 0.0, 1.0).astype(np.float32)


def _roots(rng: np.random.Generator, area: np.ndarray, count: int) -> np.ndarray:
    """(N, 2) float32 chart pixels, as dense as the area says."""
    rows, columns = np.nonzero(area > 0.1)
    if len(rows) == 0:
        return np.zeros((0, 2), np.float32)
    share = area[rows, columns]
    reference = 11000.0  # pixels of the whole beard: a smaller one has fewer hairs
    wanted = max(int(count * min(1.0, 1.6 * float(share.sum()) / reference)), 60)
    chosen = rng.choice(len(rows), wanted, p=share / share.sum())
    return (np.stack([columns, rows], axis=1)[chosen] + rng.uniform(-0.5, 0.5, (wanted, 2))).astype(np.float32)


def _flow(rng: np.random.Generator, chart: Chart, places: np.ndarray) -> np.ndarray:
    """(N, 2) unit: down, from the middle of the lip outwards, forwards along the jaw."""
    lm = chart.landmarks
    aside = (places[:, 0] - lm[8, 0]) / abs(lm[54, 0] - lm[8, 0])
    above = places[:, 1] < lm[57, 1]
    sideways = np.where(above & (np.abs(aside) < 1.3), 0.8 * aside, -0.25 * np.tanh(aside))
    way = np.stack([sideways + rng.normal(0, 0.22, len(places)), np.ones(len(places))], axis=1)
    return (way / np.linalg.norm(way, axis=1, keepdims=True)).astype(np.float32)


def _profile(chart: Chart, places: np.ndarray, kind: str) -> np.ndarray:
    """(N,) length over that on the chin: shorter on lip and cheeks."""
    if kind in ("shadow", "stubble", "moustache"):
        return np.ones(len(places))
    lm = chart.landmarks
    low = np.clip((places[:, 1] - lm[33, 1]) / (lm[8, 1] - lm[33, 1]), 0.0, 1.0)
    front = np.exp(-((np.abs(places[:, 0] - lm[8, 0]) / 85.0) ** 2))
    return np.maximum((0.15 + 0.85 * low**1.5) * (0.4 + 0.6 * front), 0.08 if kind == "long" else 0.2)


def _colors(rng: np.random.Generator, chart: Chart, places: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(N, 3) float32 linear: like the hair, redder or darker; grey comes at the chin first."""
    count = len(places)
    base = color * rng.uniform(0.55, 1.25) * np.exp(rng.normal(0, 0.1, 3))
    base = base * np.exp(rng.normal(0, 0.3, (count, 1)))
    amount = pick(rng, [0.0, rng.uniform(0.05, 0.9)], [0.7, 0.3])
    chin = np.exp(-(((places[:, 0] - chart.landmarks[8, 0]) / 40.0) ** 2))
    grey = rng.random(count) < amount * (0.4 + 0.6 * chin)
    base[grey] = rng.uniform(0.25, 0.6, (int(grey.sum()), 1))
    return np.minimum(base, 0.9).astype(np.float32)


def beard_strands(beard: Beard, head: Head, posed: Posed) -> Strands:
    """The hairs of a beard on a posed head. They count as skin, as in CelebAMask, but for those that hang below."""
    rng = np.random.default_rng(beard.seed)
    count, longest = len(beard.places), float(beard.length.max(initial=0.0))
    at = head.on_surface(posed.vertices, beard.places)
    normals = head.on_surface(posed.normals, beard.places)
    tip = head.on_surface(posed.vertices, beard.places + 4.0 * beard.way)
    way = (tip - at) / np.maximum(np.linalg.norm(tip - at, axis=1, keepdims=True), 1e-6)
    at = at + rng.normal(0, 0.0003, at.shape)
    lift = np.clip(0.35 + rng.normal(0, 0.15, count), 0.1, 0.8)[:, None]
    growth = Growth(
        roots=at.astype(np.float32),
        start=(normals * lift + way * (1 - lift) + rng.normal(0, 0.1, (count, 3))).astype(np.float32),
        comb=(0.15 * way + 0.1 * normals).astype(np.float32),
        length=beard.length,
        gravity=np.full(count, 0.3, np.float32),
        clearance=np.full(count, -0.02, np.float32),  # the coarse map of the head may not push it off the skin
        opening=np.zeros(count, np.float32),
        parting=0.0,
        floor=np.full(count, -1.0, np.float32),
    )
    steps = int(np.clip(longest / 0.005, 3, 14))
    points, counts = grow(growth, steps, roots_of(head).radius(posed.vertices))
    ramp = np.linspace(0, 1, steps, dtype=np.float32)
    points += (
        beard.curl * ramp[None, :, None] * np.sin(ramp[None, :, None] * 9.0 + rng.uniform(0, 6, (count, 1, 3)))
    ).astype(np.float32)
    jaw = head.model.landmarks(head.rest)[8, 1]
    hanging = (beard.length > _HANGS) & (head.on_surface(head.rest, beard.places)[:, 1] < jaw + 0.004)
    return Strands(
        points=points.astype(np.float32),
        counts=counts,
        radius=np.repeat((0.5 * beard.width * (1.0 - 0.7 * ramp**2))[None], count, axis=0).astype(np.float32),
        albedo=np.repeat(beard.albedo[:, None], steps, axis=1),
        occlusion=np.repeat((0.45 + 0.5 * ramp)[None], count, axis=0).astype(np.float32),
        normals=normals.astype(np.float32),
        kinds=np.where(hanging, kinds_of(Label.HAIR, count), kinds_of(Label.SKIN, count)),
        opacity=0.9,
        gloss=0.25,
        hides=False,
    )
