"""Hats: knitted and fabric caps over the scalp, with a visor, a brim all round, or neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chart import AXIS_Z
from .head import Head
from .labels import Label
from .layers import Mesh, Painter, Posed, compact_mesh
from .meshes import grid_triangles


@dataclass(frozen=True)
class Hat:
    """One hat."""

    color: np.ndarray  # (3,) float32 linear
    stripe: float  # strength of ribs or pattern
    line: float  # height of its edge above the eyes, metres
    brim: float  # metres; 0 for none
    seed: int


def sample_hat(rng: np.random.Generator) -> Hat:
    """Any colour; half of them with a brim."""
    return Hat(
        color=srgb_to_linear(rng.beta(0.8, 1.2) * (1 - rng.beta(1, 2) * rng.random(3))),
        stripe=float(rng.uniform(0, 0.5)),
        line=float(rng.uniform(0.028, 0.055)),
        brim=float(rng.uniform(0.05, 0.075)) if rng.random() < 0.5 else 0.0,
        seed=int(rng.integers(2**31)),
    )


def hat_meshes(hat: Hat, head: Head, posed: Posed) -> list[Mesh]:
    """A knitted or fabric cap over the scalp, with or without a brim."""
    front = np.clip(head.rest[:, 2] / 0.05, -1.5, 1.0)
    edge = hat.line - 0.012 * (front < 0) * np.minimum(-front, 1.0)
    inside = (head.rest[:, 1] > edge) & head.skin_vertices & (head.label != Label.MOUTH)
    rise = np.clip((head.rest[:, 1] - edge) / 0.05, 0.0, 1.0)
    vertices = posed.vertices + posed.normals * (0.004 + 0.012 * rise)[:, None]
    ribs = 18.0 + hat.seed % 60

    def paint(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turn = np.arctan2(attributes[:, 0], attributes[:, 2] - AXIS_Z)
        pattern = 1.0 + hat.stripe * np.sin(turn * ribs)
        return hat.color * pattern[:, None].astype(np.float32), np.ones(len(attributes), np.float32)

    used = inside[head.triangles].all(axis=1)
    meshes = [compact_mesh(vertices, head.triangles[used], head.rest, paint, Label.HAT, gloss=0.2, sharpness=6.0)]
    if hat.brim:
        meshes.append(_brim(hat, posed.vertices[inside], paint))
    return meshes


def _brim(hat: Hat, crown: np.ndarray, paint: Painter) -> Mesh:
    """A visor in front, or a brim all round, at the height of the hat's edge."""
    all_round = hat.seed % 3 == 0
    turn = np.linspace(-np.pi, np.pi, 49) if all_round else np.linspace(-1.15, 1.15, 25)
    half = np.abs(crown[:, 0]).max() + 0.004
    front, back = crown[:, 2].max() + 0.002, crown[:, 2].min() - 0.002
    middle, deep = (front + back) / 2, (front - back) / 2
    reach = hat.brim * (1.0 if all_round else np.cos(turn / 1.15 * np.pi / 2) ** 0.6)
    rings = []
    for out in (0.0, 0.5, 1.0):
        x, z = (half + out * reach) * np.sin(turn), middle + (deep + out * reach) * np.cos(turn)
        y = np.full_like(turn, hat.line + 0.004) - out * 0.01 * np.abs(np.cos(turn)) - 0.006 * np.abs(np.sin(turn))
        rings.append(np.stack([x, y, z], axis=1))
    vertices = np.concatenate(rings).astype(np.float32)
    triangles = grid_triangles(3, len(turn))
    return Mesh(vertices, triangles, vertices, paint, int(Label.HAT), gloss=0.2, sharpness=6.0)
