"""Hairdos grown strand by strand: crops, partings, fringes, long and tied hair, curls, loose strands, flyaways."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .chance import pick
from .chart import AXIS_Z, sample
from .head import Head
from .labels import Label
from .layers import Posed
from .meshes import cross
from .scalp import CLUMPS, ROOTS, Growth, Roots, grow, roots_of
from .strands import CENTER, Strands, kinds_of

# Per style: share, length (m), lift off the scalp, comb forward / outward / down, gravity, volume (m)
_STYLES: dict[str, tuple[float, tuple[float, ...]]] = {
    "crop": (0.28, (0.007, 0.036, 0.12, 0.65, -0.3, 0.7, 0.0, 0.4, 0.0, 0.4, 0.0, 0.2, 0.002, 0.01)),
    "side": (0.15, (0.035, 0.1, 0.12, 0.5, -0.2, 0.45, 0.5, 1.0, 0.0, 0.4, 0.1, 0.35, 0.004, 0.02)),
    "back": (0.08, (0.05, 0.14, 0.3, 0.6, -1.0, -0.6, 0.0, 0.2, 0.0, 0.3, 0.05, 0.2, 0.005, 0.025)),
    "long": (0.27, (0.16, 0.48, 0.05, 0.3, -0.3, 0.1, 0.3, 0.7, 0.1, 0.4, 0.45, 0.9, 0.008, 0.035)),
    "curls": (0.08, (0.05, 0.2, 0.5, 0.9, -0.3, 0.3, 0.2, 0.5, 0.0, 0.3, 0.15, 0.4, 0.012, 0.035)),
    "afro": (0.06, (0.02, 0.09, 0.95, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.03, 0.001, 0.003)),
    "tied": (0.08, (0.12, 0.2, 0.05, 0.15, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.002, 0.008)),
}  # fmt: skip


_SMALL, _THINNED = 256, 0.65  # pixels up to which a hair is finer than a pixel, so that fewer and wider ones do


@dataclass(frozen=True)
class Groom:
    """One hairdo; lengths in metres."""

    style: str
    length: float
    lift: float  # 1 stands on end, 0 lies flat
    comb: tuple[float, float, float]  # forward, away from the parting, down
    gravity: float
    volume: float
    parting: float  # x
    opening: float  # |x| over depth before the axis that hair keeps clear of; 0 for none
    fringe: float  # height at which the fringe is cut; -1 for none
    fade: float  # length at the nape and temples over that on top
    curl: float
    coils: float  # per metre
    clumping: float
    count: int
    width: float
    loose: int  # locks that fall over the face
    flyaways: float  # share of strands
    contrast: float
    tips: float  # logarithm of how much lighter the tips are
    grey: float  # share of grey strands
    streaks: float  # share of lighter locks
    gloss: float
    seed: int


def sample_wisps(rng: np.random.Generator, style: str) -> Groom:
    """The stray strands of a head that wears strips: thin and few, so that neither hairline nor outline is a cut."""
    groom = sample_groom(rng, False, style)
    return replace(
        groom,
        count=int(rng.uniform(120, 420)),
        width=0.55 * groom.width,
        length=groom.length * (0.7 if style == "long" else 1.0),
        lift=min(groom.lift, 0.6),
        volume=groom.volume + 0.012,
        fringe=-1.0,
        flyaways=float(rng.uniform(0.1, 0.5)),
    )


def sample_buzz(rng: np.random.Generator) -> Groom:
    """Hair clipped to millimetres all over."""
    groom = sample_groom(rng, False, "crop")
    return replace(
        groom,
        count=ROOTS,
        length=float(rng.uniform(0.0025, 0.007)),
        lift=float(rng.uniform(0.3, 0.8)),
        volume=0.0,
        width=0.6 * groom.width,
        fade=float(rng.uniform(0.3, 1.0)),
        clumping=0.0,
        curl=0.0,
        flyaways=0.0,
        loose=0,
    )


def sample_groom(rng: np.random.Generator, fringe: bool, style: str | None = None) -> Groom:
    """A hairdo, of any style unless one is named; `fringe` lets the hair over the forehead fall."""
    if style is None:
        style = str(pick(rng, list(_STYLES), np.array([share for share, _ in _STYLES.values()])))
    low, high = np.array(_STYLES[style][1]).reshape(7, 2).T
    length, lift, forward, outward, down, gravity, volume = (float(value) for value in rng.uniform(low, high))
    curly = style in ("curls", "afro") or (style == "long" and rng.random() < 0.4) or rng.random() < 0.1
    tight = style == "afro" or (style == "curls" and rng.random() < 0.4)
    grey = float(pick(rng, [0.0, rng.uniform(0.02, 0.5)], [0.75, 0.25]))
    return Groom(
        style=style,
        length=length,
        lift=lift,
        comb=(forward, outward, down),
        gravity=gravity,
        volume=volume,
        parting=float(rng.choice([rng.normal(0, 0.006), rng.uniform(0.02, 0.045) * rng.choice([-1, 1])])),
        opening=float(rng.uniform(0.55, 1.25)) if style in ("long", "curls", "side") else 0.0,
        fringe=float(rng.uniform(0.004, 0.05)) if fringe and style != "tied" else -1.0,
        fade=float(rng.uniform(0.15, 0.8)) if style in ("crop", "side", "back") else 1.0,
        curl=float(rng.uniform(0.003, 0.009) if curly else rng.uniform(0.0, 0.0025)) * (0.5 if tight else 1.0),
        coils=float(rng.uniform(70, 160) if tight else rng.uniform(18, 50) if curly else rng.uniform(5, 15)),
        clumping=float(rng.uniform(0.0, 0.85)),
        count=int(rng.uniform(1300, 2000)) if style != "afro" else 2300,
        width=float(rng.uniform(0.0009, 0.0024)),
        loose=int(pick(rng, [0, rng.integers(1, 4), rng.integers(4, 12)], [0.65, 0.23, 0.12])),
        flyaways=float(pick(rng, [0.0, rng.uniform(0.01, 0.09)], [0.2, 0.8])),
        contrast=float(0.03 + 0.5 * rng.random() ** 1.5),
        tips=float(rng.normal(0.15, 0.25)),
        grey=grey,
        streaks=float(pick(rng, [0.0, rng.uniform(0.05, 0.4)], [0.75, 0.25])),
        gloss=float(rng.uniform(0.25, 1.0)),
        seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True, eq=False)
class Hairdo:
    """Hair as it has grown on one head."""

    bundles: tuple[Strands, ...]
    rows: tuple[np.ndarray | None, ...]  # (N,) root of each strand of each bundle; None: tied to no place on the scalp

    def carried(self, roots: Roots, shift: np.ndarray) -> list[Strands]:
        """The strands where the scalp has moved by (V, 3) metres, as brows that rise move the forehead."""
        return [
            bundle if rows is None else replace(bundle, points=bundle.points + roots.on(shift, rows)[:, None])
            for bundle, rows in zip(self.bundles, self.rows, strict=True)
        ]


def groom_strands(
    groom: Groom, scalp: np.ndarray, head: Head, posed: Posed, color: np.ndarray, free: np.ndarray | None = None
) -> Hairdo:
    """Let a hairdo grow on a posed head.

    `scalp` is the chart's cover of hair, `color` (3,) linear; no hair stands where `free`, (M,) bool of the roots, is
    false: something is worn there.
    """
    if posed.camera.width <= _SMALL:
        groom = replace(groom, count=int(groom.count * _THINNED), width=groom.width / _THINNED)
    rng = np.random.default_rng(groom.seed)
    roots = roots_of(head)
    cover = sample(scalp, roots.places)[:, 0]
    if free is not None:
        cover = cover * free
    ground = _Ground(roots, cover, roots.radius(posed.vertices), posed)
    grown: list[tuple[Strands, np.ndarray | None]] = [_main(rng, groom, ground, color)]
    if groom.style == "tied":
        grown.append((_tail(rng, groom, ground.radius, color), None))
    if groom.loose:
        grown.append(_loose(rng, groom, ground, color))
    kept = [(bundle, rows) for bundle, rows in grown if len(bundle.points)]
    return Hairdo(tuple(bundle for bundle, _ in kept), tuple(rows for _, rows in kept))


@dataclass(frozen=True, eq=False)
class _Ground:
    """What hair grows on."""

    roots: Roots
    cover: np.ndarray  # (M,) float32 in [0, 1]: hair at each root
    radius: np.ndarray  # octahedral map of the posed head
    posed: Posed

    def rows(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(N,) rows of at most `count` roots, as dense as the cover says."""
        return np.flatnonzero(self.cover > 0.25 + 0.6 * rng.random(len(self.cover), np.float32))[:count]


def _main(
    rng: np.random.Generator, groom: Groom, ground: _Ground, color: np.ndarray
) -> tuple[Strands, np.ndarray | None]:
    """The hair of the scalp, and the rows of its roots."""
    roots, posed, rows = ground.roots, ground.posed, ground.rows(rng, groom.count)
    rest, at, normals = roots.rest[rows], roots.on(posed.vertices, rows), roots.on(posed.normals, rows)
    count, locks = len(rows), roots.clump[rows]
    front = np.clip((rest[:, 2] - AXIS_Z - 0.045) / 0.02, 0, 1) * (rest[:, 1] > 0.02)
    falling = (front > 0.5) & (groom.fringe > 0)
    comb = _combed(rng, groom, rest, at, falling, locks)
    lift = np.clip(groom.lift + rng.normal(0, 0.08, count), 0.02, 1.0)[:, None]
    start = normals * lift + _tangent(comb, normals) * (1 - lift) + _scatter(rng, 0.08, count)
    layer = rng.random(count).astype(np.float32)
    length = _lengths(rng, groom, rest, at, falling, locks)
    growth = Growth(
        roots=at,
        start=start.astype(np.float32),
        comb=(comb * (0.5 if groom.style != "afro" else 0.0)).astype(np.float32),
        length=length,
        gravity=np.where(falling, max(groom.gravity, 0.35), groom.gravity).astype(np.float32),
        clearance=0.001 + groom.volume * layer,
        opening=np.where(falling, 0.0, groom.opening).astype(np.float32),
        parting=groom.parting,
        floor=np.where(falling, groom.fringe + rng.normal(0, 0.004, count), -1.0).astype(np.float32),
    )
    points, counts = grow(growth, _steps(groom), ground.radius)
    points = _style(rng, groom, points, locks)
    return _strands(rng, groom, points, counts, normals, locks, layer, color), rows


def _scatter(rng: np.random.Generator, size: float, count: int) -> np.ndarray:
    """(count, 3) float32 normal noise."""
    return rng.standard_normal((count, 3), np.float32) * np.float32(size)


def _steps(groom: Groom) -> int:
    fine = 0.004 if groom.style in ("curls", "afro") else 0.016
    return int(np.clip(groom.length / fine, 3 if groom.length < 0.01 else 5, 26))


def _combed(
    rng: np.random.Generator, groom: Groom, rest: np.ndarray, at: np.ndarray, falling: np.ndarray, locks: np.ndarray
) -> np.ndarray:
    """(N, 3) direction in which each strand is combed."""
    if groom.style == "tied":
        towards = _knot(groom) - at
        return towards / np.linalg.norm(towards, axis=1, keepdims=True)
    forward, outward, down = groom.comb
    away = np.tanh((rest[:, 0] - groom.parting) / 0.008)
    comb = np.stack([outward * away, np.full(len(rest), -down), np.full(len(rest), forward)], axis=1)
    fringe = np.array([0.25 * groom.comb[1] * np.sign(groom.parting or 1.0), -0.55, 0.8])
    comb[falling] = fringe
    return comb + rng.normal(0, 0.16, (CLUMPS, 3))[locks] + _scatter(rng, 0.05, len(rest))


def _tangent(comb: np.ndarray, normals: np.ndarray) -> np.ndarray:
    flat = comb - (comb * normals).sum(axis=1, keepdims=True) * normals
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)


def _lengths(
    rng: np.random.Generator, groom: Groom, rest: np.ndarray, at: np.ndarray, falling: np.ndarray, locks: np.ndarray
) -> np.ndarray:
    """(N,) float32 metres."""
    count = len(rest)
    if groom.style == "tied":
        return (np.linalg.norm(_knot(groom) - at, axis=1) * 1.12).astype(np.float32)
    length = groom.length * np.exp(rng.normal(0, 0.1, CLUMPS)[locks] + rng.normal(0, 0.07, count))
    if groom.style == "long":  # ends at about one height, wherever it starts
        length += np.maximum(rest[:, 1], 0.0) * 0.8
    length *= np.interp(rest[:, 1], [-0.05, 0.07], [groom.fade, 1.0])
    # The hairline's first rows are short, so that the edge is not a step
    length = np.where(falling, np.maximum(length, 0.03 + np.maximum(rest[:, 1] - groom.fringe, 0.0) * 1.4), length)
    return np.maximum(length, 0.002).astype(np.float32)


def _style(rng: np.random.Generator, groom: Groom, points: np.ndarray, locks: np.ndarray) -> np.ndarray:
    """Draw the strands of a lock together towards the tips, then let each lock wave or curl."""
    count, steps = points.shape[:2]
    ramp = np.linspace(0, 1, steps, dtype=np.float32)[None, :, None]
    _, first, inverse = np.unique(locks, return_index=True, return_inverse=True)
    pull = np.float32(groom.clumping * (0.9 if groom.style != "afro" else 0.3)) * ramp**1.2
    points = points + (points[first][inverse] - points) * pull
    phase = (rng.uniform(0, 2 * np.pi, CLUMPS)[locks] + rng.normal(0, 0.5, count)).astype(np.float32)[:, None]
    along = np.linspace(0, groom.length, steps, dtype=np.float32)[None, :]
    coils = min(groom.coils, steps / (6.0 * groom.length))  # at least six points a turn
    angle = np.float32(2 * np.pi * coils) * along + phase
    tangent = points[:, -1] - points[:, 0]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    side = cross(tangent, np.array([0.31, 0.2, 0.93], np.float32))
    other = cross(tangent, side)
    size = np.float32(groom.curl) * np.minimum(1.0, 3.0 * ramp[:, :, 0])
    wave = (size * np.cos(angle))[:, :, None] * side[:, None] + (size * np.sin(angle))[:, :, None] * other[:, None]
    stray = np.float32(min(0.0025, 0.04 * groom.length)) * ramp * _scatter(rng, 1.0, count)[:, None]
    fly = rng.random(count) < groom.flyaways
    stray[fly] += (
        np.float32(min(0.016, 0.3 * groom.length))
        * ramp[0]
        * rng.normal(0, 1, (int(fly.sum()), 1, 3)).astype(np.float32)
    )
    return points + wave + stray


def _strands(
    rng: np.random.Generator, groom: Groom, points: np.ndarray, counts: np.ndarray, normals: np.ndarray,
    locks: np.ndarray, layer: np.ndarray, color: np.ndarray,
) -> Strands:  # fmt: skip
    """Colour, width and self-shadowing of grown strands."""
    count, steps = points.shape[:2]
    ramp = np.linspace(0, 1, steps, dtype=np.float32)
    outward = points[:, steps // 2] - CENTER
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    occlusion = (0.35 + 0.6 * layer)[:, None] * np.minimum(1.0, 0.55 + 1.2 * ramp)[None]
    width = groom.width * np.exp(rng.normal(0, 0.25, count)).astype(np.float32)
    radius = 0.5 * width[:, None] * (1.0 - 0.75 * ramp**3)[None]
    return Strands(
        points=np.ascontiguousarray(points, np.float32),
        counts=counts,
        radius=radius.astype(np.float32),
        albedo=hair_albedo(rng, groom, locks, ramp, color),
        occlusion=occlusion.astype(np.float32),
        normals=(0.5 * outward + 0.5 * normals).astype(np.float32),
        kinds=kinds_of(Label.HAIR, count),
        opacity=0.95,
        gloss=groom.gloss,
    )


def hair_albedo(
    rng: np.random.Generator, groom: Groom, locks: np.ndarray, ramp: np.ndarray, color: np.ndarray
) -> np.ndarray:
    """(N, K, 3) float32 linear: lock by lock, root to tip, grey strands, lighter streaks."""
    count = len(locks)
    bright = groom.contrast * (0.7 * rng.normal(0, 1, CLUMPS)[locks] + 0.7 * rng.normal(0, 1, count))
    base = color[None] * np.exp(bright)[:, None]
    streak = (rng.random(CLUMPS) < groom.streaks)[locks]
    base[streak] = np.minimum(1.7 * base[streak] + np.array([0.03, 0.018, 0.008]), 0.8)
    grey = rng.random(count) < groom.grey
    base[grey] = rng.uniform(0.2, 0.5, (int(grey.sum()), 1))
    gradient = np.exp(np.float32(groom.tips) * (ramp - np.float32(0.5)))
    return np.minimum(base.astype(np.float32)[:, None] * gradient[None, :, None], np.float32(0.9))


def _knot(groom: Groom) -> np.ndarray:
    """(3,) where tied hair comes together: between the nape and the crown."""
    height = np.random.default_rng(groom.seed).uniform(-0.03, 0.1)
    return np.array([0.0, height, -0.165 + 0.5 * max(height - 0.03, 0.0)], np.float32)


def _tail(rng: np.random.Generator, groom: Groom, radius: np.ndarray, color: np.ndarray) -> Strands:
    """A ponytail from the knot, or a bun round it."""
    knot, count, steps = _knot(groom), 420, 18
    layer = rng.random(count).astype(np.float32)
    out = knot - np.array([0.0, 0.02, AXIS_Z])
    out = out / np.linalg.norm(out)
    if rng.random() < 0.45:
        points, counts = _bun(rng, knot + 0.02 * out, count, steps), np.full(count, steps, np.int32)
    else:
        spread = rng.normal(0, 0.007, (count, 3))
        growth = Growth(
            roots=(knot + spread).astype(np.float32),
            start=(out + rng.normal(0, 0.25, (count, 3))).astype(np.float32),
            comb=np.repeat([[rng.normal(0, 0.2), 0.0, 0.0]], count, axis=0).astype(np.float32),
            length=np.full(count, rng.uniform(0.15, 0.4), np.float32) * np.float32(1.0) + 0.04 * layer,
            gravity=np.full(count, rng.uniform(0.2, 0.5), np.float32),
            clearance=0.004 + 0.03 * layer,
            opening=np.zeros(count, np.float32),
            parting=0.0,
            floor=np.full(count, -1.0, np.float32),
        )
        points, counts = grow(growth, steps, radius)
    locks = rng.integers(0, 40, count)
    normals = np.repeat(out[None], count, axis=0).astype(np.float32)
    return _strands(rng, groom, points, counts, normals, locks, layer, color)


def _bun(rng: np.random.Generator, center: np.ndarray, count: int, steps: int) -> np.ndarray:
    """(count, steps, 3) loops on a knob of hair."""
    size = rng.uniform(0.025, 0.045)
    axis, other = np.linalg.qr(rng.normal(0, 1, (count, 3, 3)))[0][:, :, :2].transpose(2, 0, 1)
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + np.linspace(0, 3.0, steps)
    ring = np.cos(turn)[:, :, None] * axis[:, None] + np.sin(turn)[:, :, None] * other[:, None]
    return (center + ring * size * rng.uniform(0.75, 1.05, (count, 1, 1))).astype(np.float32)


def _loose(
    rng: np.random.Generator, groom: Groom, ground: _Ground, color: np.ndarray
) -> tuple[Strands, np.ndarray | None]:
    """Locks from the front hairline that fall over forehead, eyes and cheeks, and the rows of their roots."""
    roots, posed, rows = ground.roots, ground.posed, ground.rows(rng, len(ground.cover))
    rest = roots.rest[rows]
    edge = rows[(rest[:, 2] - AXIS_Z > 0.05) & (rest[:, 1] > 0.01)]
    seeds = edge[rng.integers(0, len(edge), groom.loose)] if len(edge) else rows[:0]
    each = rng.integers(3, 14, len(seeds))
    rows, locks = np.repeat(seeds, each), np.repeat(np.arange(len(seeds)), each)
    count = len(rows)
    normals = roots.on(posed.normals, rows)
    comb = rng.normal(0, 1, (len(seeds), 3)) * [0.35, 0.15, 0.2] + [0.0, -0.3, 0.3]
    growth = Growth(
        roots=(roots.on(posed.vertices, rows) + rng.normal(0, 0.003, (count, 3))).astype(np.float32),
        start=(normals * 0.5 + comb[locks] + rng.normal(0, 0.05, (count, 3))).astype(np.float32),
        comb=(0.4 * comb[locks]).astype(np.float32),
        length=(rng.uniform(0.05, 0.2, len(seeds))[locks] * rng.uniform(0.7, 1.1, count)).astype(np.float32),
        gravity=rng.uniform(0.25, 0.7, len(seeds))[locks].astype(np.float32),
        clearance=(rng.uniform(0.002, 0.015, len(seeds))[locks] + rng.uniform(0, 0.003, count)).astype(np.float32),
        opening=np.zeros(count, np.float32),
        parting=0.0,
        floor=np.full(count, -1.0, np.float32),
    )
    points, counts = grow(growth, 16, ground.radius)
    layer = np.full(count, 0.8, np.float32)
    return _strands(rng, groom, _style(rng, groom, points, locks), counts, normals, locks, layer, color), rows
