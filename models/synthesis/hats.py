"""Headgear: caps, beanies, berets, brimmed hats, helmets, scarves, hoods, turbans, bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chance import pick
from .chart import METRES_PER_PIXEL, TOP, WIDTH
from .hat_cloth import Cloth, cloth_albedo, sample_cloth
from .head import Head
from .headwear import COLUMNS, ROWS, Shell, brim, dome, edge_height, smooth_noise, wrap
from .labels import Label
from .layers import Mesh, Posed
from .noise import NoisePool
from .scalp import roots_of

_SHARES = {
    "cap": 0.27, "beanie": 0.17, "beret": 0.06, "brimmed": 0.17, "scarf": 0.1, "hood": 0.07, "turban": 0.05,
    "helmet": 0.05, "band": 0.06,
}  # fmt: skip
_TUCKED = 0.018  # metres above the edge from which hair still hangs out
WRAPS = ("scarf", "hood")  # leave no hair free but a fringe


@dataclass(frozen=True, eq=False)
class Hat:
    """One thing worn on the head; metres."""

    kind: str
    cloth: Cloth
    edge: tuple[float, float, float]  # its height in front, over the ears, at the nape
    tilt: float  # metres by which the edge is higher at the left
    standoff: float
    slack: float  # more at the crown
    cuff: float  # metres that are turned up
    slouch: float  # share by which it hangs over to the left or the back
    lumps: float  # metres
    brim: float
    drop: float
    curve: float
    yaw: float  # of a visor, radians
    gloss: float
    seed: int

    def hides(self, places: np.ndarray) -> np.ndarray:
        """(N,) bool: (N, 2) chart pixels that lie under it, so that no hair stands out there."""
        if self.kind == "band":
            return np.zeros(len(places), bool)
        if self.kind in WRAPS:
            return np.ones(len(places), bool)
        turn = (places[:, 0] / WIDTH - 0.5) * 2 * np.pi
        return TOP - places[:, 1] * METRES_PER_PIXEL > edge_height(turn, *self.edge, self.tilt) + _TUCKED


def sample_hat(rng: np.random.Generator, noise: NoisePool) -> Hat:
    """Any headgear, in any cloth."""
    kind = str(pick(rng, list(_SHARES), np.array(list(_SHARES.values()))))
    front = rng.uniform(0.03, 0.062)
    side = {
        "cap": rng.uniform(0.008, 0.028), "helmet": rng.uniform(-0.01, 0.02), "beanie": rng.uniform(-0.035, 0.02),
        "beret": rng.uniform(0.0, 0.05), "band": front - rng.uniform(0.0, 0.03),
    }.get(kind, rng.uniform(0.0, 0.025))  # fmt: skip
    back = side - rng.uniform(0.0, 0.045)
    return Hat(
        kind=kind,
        cloth=sample_cloth(rng, noise, kind),
        edge=(float(front), float(side), float(back)),
        tilt=float(rng.normal(0, 0.025 if kind == "beret" else 0.004)),
        standoff=float(rng.uniform(0.004, 0.009)),
        slack=float(
            {"beanie": rng.uniform(0.0, 0.04), "beret": rng.uniform(0.015, 0.04), "cap": rng.uniform(0.008, 0.022)}.get(
                kind, rng.uniform(0.01, 0.04)
            )
        ),
        cuff=float(rng.uniform(0.02, 0.06)) if kind == "beanie" and rng.random() < 0.6 else 0.0,
        slouch=float(rng.uniform(-0.9, 0.9)),
        lumps=0.0 if kind == "helmet" else float(rng.uniform(0.0, 0.003)),
        brim=float(rng.uniform(0.055, 0.078) if kind == "cap" else rng.uniform(0.03, 0.085)),
        drop=float(min(rng.uniform(0.0, 0.03) if kind == "cap" else rng.normal(0.008, 0.014), front - 0.024)),
        curve=float(rng.uniform(1.0, 5.5) if kind == "cap" else rng.uniform(-0.5, 2.0)),
        yaw=float(np.pi * (rng.random() < 0.1) + rng.normal(0, 0.12)) if kind == "cap" else 0.0,
        gloss=float(rng.uniform(1.0, 3.0) if kind == "helmet" else rng.uniform(0.05, 0.35)),
        seed=int(rng.integers(2**31)),
    )


def hat_meshes(hat: Hat, head: Head, posed: Posed) -> list[Mesh]:
    """The headgear on a posed head."""
    rng = np.random.default_rng(hat.seed)
    radius = roots_of(head).radius(posed.vertices)
    shells = _shells(rng, hat, radius, head, posed)
    return [_mesh(hat, shell, crown=row == 0) for row, shell in enumerate(shells)]


def _shells(rng: np.random.Generator, hat: Hat, radius: np.ndarray, head: Head, posed: Posed) -> list[Shell]:
    t, turn = np.linspace(0, 1, ROWS)[:, None], np.linspace(-np.pi, np.pi, COLUMNS)
    edge = (*hat.edge, hat.tilt)
    if hat.kind in WRAPS:
        return [_wrapped(rng, hat, radius, head, posed)]
    lumps = hat.standoff + hat.lumps * np.minimum(1, 5 * t) * smooth_noise(rng, (ROWS, COLUMNS), 2.5)
    if hat.kind == "band":
        return [dome(radius, edge, np.full((ROWS, 1), hat.standoff), until=float(rng.uniform(0.1, 0.3)))]
    if hat.kind == "beanie":
        cuff = 0.005 * np.clip((hat.cuff / 0.17 - t) * 30, 0, 1)
        return [dome(radius, edge, lumps + cuff + hat.slack * t**2 * (1 - hat.slouch * np.cos(turn)), smooth=0.8)]
    if hat.kind == "beret":
        over = np.sin(np.minimum(t * 2.2, 1) * np.pi / 2) * (1 + hat.slouch * np.sin(turn))
        return [dome(radius, edge, lumps + hat.slack * over, smooth=1.2)]
    if hat.kind == "turban":
        ridges = 0.004 * np.sin(t * np.pi * rng.integers(4, 9))
        return [dome(radius, edge, lumps + 0.01 + hat.slack * np.sin(t * np.pi * 0.8) + ridges, smooth=0.8)]
    if hat.kind == "helmet":
        return [dome(radius, edge, 0.012 + hat.slack * np.minimum(1, t * 5), smooth=4.0)] + (
            [brim(dome(radius, edge, np.full((ROWS, 1), 0.012)), 0.03, 1.2, 0.005, 1.0)] if rng.random() < 0.5 else []
        )
    if hat.kind == "cap":
        upright = 1.0 + 0.6 * (1 + hat.slouch) * np.maximum(np.cos(turn - hat.yaw), 0)
        shell = dome(radius, edge, lumps + hat.slack * np.sin(np.minimum(t * 1.6, 1) * np.pi / 2) * upright, smooth=2.0)
        return [shell, brim(shell, hat.brim, float(rng.uniform(0.95, 1.2)), hat.drop, hat.curve, hat.yaw)]
    tall = hat.slack + rng.uniform(0.01, 0.035)
    profile = lumps + tall * np.clip(t * 2.2, 0, 1) ** 0.7 - 0.012 * (t > 0.85)
    shell = dome(radius, edge, profile, smooth=1.2)
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
    folds = smooth_noise(rng, (ROWS, COLUMNS), 1.6) * rng.uniform(0.0008, 0.003) * np.minimum(1, 4 * t)[:, None]
    return wrap(radius, opening, stand, folds)


def _mesh(hat: Hat, shell: Shell, crown: bool) -> Mesh:
    vertices, triangles, places = shell

    def paint(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        albedo = cloth_albedo(hat.cloth, attributes, crown, hat.cuff, hat.kind == "cap", hat.kind == "turban")
        return albedo, np.ones(len(attributes), np.float32)

    sharp = 60.0 if hat.kind == "helmet" else 6.0
    return Mesh(vertices, triangles, places, paint, int(Label.HAT), hat.gloss, sharpness=sharp, occlusion=0.8)
