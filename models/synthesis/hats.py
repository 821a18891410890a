"""Headgear: caps, beanies, brimmed hats, helmets, scarves, hoods, turbans, bands; cloth with knit, prints and marks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .chart import METRES_PER_PIXEL, TOP, WIDTH, sample
from .head import Head
from .headwear import COLUMNS, ROWS, Shell, brim, dome, edge_height, wrap
from .labels import Label
from .layers import Mesh, Posed
from .noise import NoisePool
from .scalp import roots_of

_SHARES = {
    "cap": 0.27, "beanie": 0.2, "brimmed": 0.17, "scarf": 0.11, "hood": 0.08, "turban": 0.05, "helmet": 0.05,
    "band": 0.07,
}  # fmt: skip
_TUCKED = 0.018  # metres above the edge from which hair still hangs out
WRAPS = ("scarf", "hood")  # leave no hair free but a fringe
_PATTERNS = ("plain", "knit", "stripes", "checks", "print")


@dataclass(frozen=True, eq=False)
class Hat:
    """One thing worn on the head; metres."""

    kind: str
    colors: np.ndarray  # (2, 3) float32 linear
    pattern: str
    texture: np.ndarray  # (HEIGHT, WIDTH) float32 noise
    edge: tuple[float, float, float]  # its height in front, over the ears, at the nape
    standoff: float
    slack: float  # more at the crown
    brim: float
    drop: float
    curve: float
    yaw: float  # of a visor, radians
    mark: bool  # a badge in front
    gloss: float
    seed: int

    def hides(self, places: np.ndarray) -> np.ndarray:
        """(N,) bool: (N, 2) chart pixels that lie under it, so that no hair stands out there."""
        if self.kind == "band":
            return np.zeros(len(places), bool)
        if self.kind in WRAPS:
            return np.ones(len(places), bool)
        turn = (places[:, 0] / WIDTH - 0.5) * 2 * np.pi
        return TOP - places[:, 1] * METRES_PER_PIXEL > edge_height(turn, *self.edge) + _TUCKED


def sample_hat(rng: np.random.Generator, noise: NoisePool) -> Hat:
    """Any headgear, in any cloth."""
    kind = str(pick(rng, list(_SHARES), np.array(list(_SHARES.values()))))
    front = rng.uniform(0.03, 0.062)
    side = {"cap": rng.uniform(0.008, 0.028), "helmet": rng.uniform(-0.01, 0.02), "beanie": rng.uniform(-0.035, 0.02),
            "band": front - rng.uniform(0.0, 0.03)}.get(kind, rng.uniform(0.0, 0.025))  # fmt: skip
    back = side - rng.uniform(0.0, 0.045)
    dark = rng.random() < 0.45
    colors = srgb_to_linear(
        rng.beta(0.7, 2.2 if dark else 1.0, (2, 1)) * (1 - rng.beta(1, 1.6, (2, 1)) * rng.random((2, 3)))
    )
    knit = {"beanie": [0.15, 0.6, 0.15, 0.0, 0.1], "helmet": [0.6, 0.0, 0.15, 0.0, 0.25]}
    return Hat(
        kind=kind,
        colors=np.maximum(colors, 0.006).astype(np.float32),
        pattern=str(pick(rng, _PATTERNS, knit.get(kind, [0.6, 0.02, 0.13, 0.07, 0.18]))),
        texture=noise.cut(rng, str(rng.choice(["grain", "blotch"]))),
        edge=(float(front), float(side), float(back)),
        standoff=float(rng.uniform(0.004, 0.009)),
        slack=float(
            {"beanie": rng.uniform(0.0, 0.04), "cap": rng.uniform(0.008, 0.022)}.get(kind, rng.uniform(0.01, 0.04))
        ),
        brim=float(rng.uniform(0.055, 0.078) if kind == "cap" else rng.uniform(0.03, 0.085)),
        drop=float(min(rng.uniform(0.0, 0.03) if kind == "cap" else rng.normal(0.008, 0.014), front - 0.024)),
        curve=float(rng.uniform(1.0, 5.5) if kind == "cap" else rng.uniform(-0.5, 2.0)),
        yaw=float(np.pi * (rng.random() < 0.1) + rng.normal(0, 0.12)) if kind == "cap" else 0.0,
        mark=bool(kind in ("cap", "beanie", "helmet") and rng.random() < 0.45),
        gloss=float(rng.uniform(1.0, 3.0) if kind == "helmet" else rng.uniform(0.05, 0.35)),
        seed=int(rng.integers(2**31)),
    )


def hat_meshes(hat: Hat, head: Head, posed: Posed) -> list[Mesh]:
    """The headgear on a posed head."""
    rng = np.random.default_rng(hat.seed)
    radius = roots_of(head).radius(posed.vertices)
    shells = _shells(rng, hat, radius, head, posed)
    return [_mesh(hat, shell, solid=row == 0) for row, shell in enumerate(shells)]


def _shells(rng: np.random.Generator, hat: Hat, radius: np.ndarray, head: Head, posed: Posed) -> list[Shell]:
    t = np.linspace(0, 1, ROWS)
    if hat.kind in WRAPS:
        return [_wrapped(rng, hat, radius, head, posed)]
    if hat.kind == "band":
        return [dome(radius, hat.edge, np.full(ROWS, hat.standoff), until=float(rng.uniform(0.1, 0.3)))]
    if hat.kind == "beanie":
        cuff = rng.uniform(0.1, 0.35) if rng.random() < 0.6 else 0.0
        return [dome(radius, hat.edge, hat.standoff + 0.005 * (t < cuff) + hat.slack * t**2, smooth=0.8)]
    if hat.kind == "turban":
        ridges = 0.004 * np.sin(t * np.pi * rng.integers(4, 9))
        return [dome(radius, hat.edge, hat.standoff + 0.01 + hat.slack * np.sin(t * np.pi * 0.8) + ridges, smooth=0.8)]
    if hat.kind == "helmet":
        return [dome(radius, hat.edge, 0.012 + hat.slack * np.minimum(1, t * 5), smooth=4.0)] + (
            [brim(dome(radius, hat.edge, np.full(ROWS, 0.012)), 0.03, 1.2, 0.005, 1.0)] if rng.random() < 0.5 else []
        )
    if hat.kind == "cap":
        shell = dome(
            radius, hat.edge, hat.standoff + hat.slack * np.sin(np.minimum(t * 1.6, 1) * np.pi / 2), smooth=3.0
        )
        return [shell, brim(shell, hat.brim, float(rng.uniform(0.95, 1.2)), hat.drop, hat.curve, hat.yaw)]
    tall = hat.slack + rng.uniform(0.01, 0.035)
    profile = hat.standoff + tall * np.clip(t * 2.2, 0, 1) ** 0.7 - 0.012 * (t > 0.85)
    shell = dome(radius, hat.edge, profile, smooth=1.2)
    return [shell, brim(shell, hat.brim, np.pi, hat.drop, hat.curve)]


def _wrapped(rng: np.random.Generator, hat: Hat, radius: np.ndarray, head: Head, posed: Posed) -> Shell:
    """A headscarf close to the face, or a hood that stands off it."""
    hood = hat.kind == "hood"
    chin = head.model.landmarks(posed.vertices)[8]
    psi = np.linspace(0, 2 * np.pi, COLUMNS) + np.pi  # from below the chin round and back
    half = rng.uniform(0.068, 0.086) if hood else rng.uniform(0.058, 0.074)
    high = hat.edge[0] + (0.02 if hood else rng.uniform(-0.004, 0.014))
    low = chin[1] - (rng.uniform(0.02, 0.06) if hood else rng.uniform(0.004, 0.012))
    up = np.cos(psi)
    y = np.where(up > 0, high * up, -low * up) + (1 - np.abs(up)) * (high + low) * 0.1
    z = np.where(up > 0, 0.02 * up - 0.035 * (1 - up), chin[2] * -up * 0.4 - 0.035 * (1 + up)) - (
        0.015 if hood else 0.0
    )
    opening = np.stack([half * np.sin(psi), y, z], axis=1)
    t = np.linspace(0, 1, ROWS)
    stand = (0.012 if hood else 0.003) + (hat.slack + 0.015 if hood else 0.6 * hat.slack) * np.minimum(1, 3 * t)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (ROWS, COLUMNS)).astype(np.float32), (0, 0), 1.6) * 3.0
    folds = noise * rng.uniform(0.0008, 0.003) * np.minimum(1, 4 * t)[:, None]
    folds[:, -1] = folds[:, 0]
    return wrap(radius, opening, stand, folds)


def _mesh(hat: Hat, shell: Shell, solid: bool) -> Mesh:
    vertices, triangles, places = shell

    def paint(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _cloth(hat, attributes, solid), np.ones(len(attributes), np.float32)

    sharp = 60.0 if hat.kind == "helmet" else 6.0
    return Mesh(vertices, triangles, places, paint, int(Label.HAT), hat.gloss, sharpness=sharp, occlusion=0.8)


def _cloth(hat: Hat, at: np.ndarray, crown: bool) -> np.ndarray:
    """(N, 3) float32 linear albedo at (N, 3) turn in [0, 1], share of the way to the crown, metres from the edge."""
    turn, share, run = at[:, 0], at[:, 1], at[:, 2]
    place = np.stack([turn * WIDTH * 0.98, run / METRES_PER_PIXEL], axis=1)
    noise = sample(hat.texture, place.astype(np.float32))[:, 0]
    rng = np.random.default_rng(hat.seed)
    count = rng.integers(24, 70)
    first, second = hat.colors
    mix = np.zeros(len(at), np.float32)
    if hat.pattern == "stripes":
        mix = (np.sin(run * rng.uniform(150, 500)) > rng.uniform(-0.6, 0.6)).astype(np.float32)
    elif hat.pattern == "checks":
        mix = 0.5 * ((np.sin(run * 260) > 0) + (np.sin(turn * count * 6.28) > 0)).astype(np.float32)
    elif hat.pattern == "print":
        mix = np.clip((noise - rng.uniform(-0.3, 1.0)) * 4.0, 0, 1)
    if hat.mark and crown:
        disc = np.hypot((turn - 0.5) * 0.6 / rng.uniform(0.014, 0.035), (run - 0.045) / rng.uniform(0.01, 0.022))
        mix = np.where(disc < 1.0, 1.0 - np.clip((noise - 0.2) * 4, 0, 1), mix)
    color = first + (second - first) * mix[:, None]
    bright = 1.0 + 0.05 * noise
    if hat.pattern == "knit":  # ribs with a stitch along them
        bright = bright * (
            1.0 + 0.28 * np.sin(turn * count * 2 * 6.283) + 0.12 * np.sin(run * 1500 + turn * count * 6.283)
        )
    if hat.kind == "turban":
        bright = bright * (0.85 + 0.3 * np.sin((share * 6 + np.abs(turn - 0.5) * 5) * 6.283))
    if hat.kind == "cap" and crown:  # seams of the six panels
        bright = bright * (1.0 - 0.25 * (np.abs((turn * 6) % 1.0 - 0.5) < 0.02))
    return (color * np.maximum(bright, 0.1)[:, None]).astype(np.float32)
