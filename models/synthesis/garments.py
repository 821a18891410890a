"""Clothes: shoulders below the neck with a collar, plain, striped, checked, or jacket with shirt and tie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .head import Head
from .labels import Label
from .layers import Mesh, Posed
from .meshes import grid_triangles

_COLUMNS = 49
_CENTER_Z = -0.07  # metres, model frame: middle of the neck


@dataclass(frozen=True)
class Garment:
    """What one person wears."""

    kind: str  # none, plain, stripes, checks, jacket, open
    collar: float  # height of the collar's front below the eyes, metres, negative
    stand: float  # how far the collar stands off the neck, metres
    width: float  # half the shoulders, metres
    colors: np.ndarray  # (3, 3) float32 linear: cloth, second colour, tie
    period: float  # of the pattern, metres
    turn: float  # of the body against the head, radians
    drop: float  # depth of the neckline's V, metres


def sample_garment(rng: np.random.Generator) -> Garment:
    """Most people wear something with a collar; jackets as often as in news pictures."""
    kind = str(
        rng.choice(["none", "plain", "stripes", "checks", "jacket", "open"], p=[0.07, 0.34, 0.1, 0.07, 0.27, 0.15])
    )
    value = rng.beta(0.8, 1.1, (3, 1))
    colors = srgb_to_linear(np.clip(value * (1 - rng.beta(1, 2, (3, 1)) * rng.random((3, 3))), 0.02, 0.95))
    if kind == "jacket":
        colors[0] *= rng.uniform(0.05, 0.4)
        colors[1] = srgb_to_linear(np.clip(rng.uniform(0.65, 1.0) * (1 - 0.2 * rng.random(3)), 0, 1))
    return Garment(
        kind=kind,
        collar=float(rng.uniform(-0.165, -0.14)) if kind != "open" else float(rng.uniform(-0.2, -0.17)),
        stand=float(rng.uniform(0.004, 0.02)),
        width=float(rng.uniform(0.17, 0.25)),
        colors=colors,
        period=float(rng.uniform(0.006, 0.04)),
        turn=float(rng.normal(0, 0.3)),
        drop=float(rng.uniform(0.03, 0.09)),
    )


def garment_mesh(garment: Garment, head: Head, posed: Posed) -> Mesh | None:
    """A loft from the collar over the shoulders; None for bare shoulders."""
    if garment.kind == "none":
        return None
    neck = head.skin_vertices & (head.rest[:, 1] < garment.collar + 0.012) & (head.rest[:, 1] > garment.collar - 0.012)
    around = posed.vertices[neck]
    half = np.abs(around[:, 0]).max() + garment.stand
    front, back = around[:, 2].max() + garment.stand, around[:, 2].min() - garment.stand
    middle, deep = (front + back) / 2, (front - back) / 2
    turn = np.linspace(-np.pi, np.pi, _COLUMNS)
    # drop below the collar, half width, half depth, collar higher at the nape
    profile = [
        (0.0, half, deep, 0.035), (0.012, half + 0.004, deep + 0.004, 0.03), (0.03, half + 0.035, deep + 0.012, 0.015),
        (0.05, garment.width * 0.72, deep + 0.03, 0.008), (0.08, garment.width, deep + 0.045, 0.0),
        (0.3, garment.width * 1.05, deep + 0.08, 0.0),
    ]  # fmt: skip
    rings = [_ring(turn, garment.collar - drop, x, z, middle, nape) for drop, x, z, nape in profile]
    vertices = np.concatenate(rings)
    c, s = np.cos(garment.turn), np.sin(garment.turn)
    pivot = np.array([0.0, 0.0, middle])
    turned = (vertices - pivot) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + pivot
    stayed = np.repeat(np.array([1.0, 0.9, 0.5, 0.0, 0.0, 0.0]), _COLUMNS)[:, None]  # the collar follows the neck
    posed_vertices = (vertices * stayed + turned * (1.0 - stayed)).astype(np.float32)
    return Mesh(
        posed_vertices,
        grid_triangles(len(rings), _COLUMNS),
        vertices.astype(np.float32),
        lambda at: _paint(garment, at),
        int(Label.CLOTH),
        gloss=0.15,
        sharpness=8.0,
    )


def _ring(turn: np.ndarray, y: float, x: float, z: float, middle: float, nape: float) -> np.ndarray:
    height = y + nape * (0.5 - 0.5 * np.cos(turn))
    return np.stack([x * np.sin(turn), height, middle + z * np.cos(turn)], axis=1)


def _paint(garment: Garment, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = at[:, 0], at[:, 1], at[:, 2]
    below = garment.collar - y
    amount = np.zeros(len(at), np.float32)
    if garment.kind == "stripes":
        amount = (np.sin(2 * np.pi * y / garment.period) > 0).astype(np.float32)
    elif garment.kind == "checks":
        amount = 0.5 * (np.sin(2 * np.pi * y / garment.period) > 0) + 0.5 * (np.sin(2 * np.pi * x / garment.period) > 0)
    color = garment.colors[0] + (garment.colors[1] - garment.colors[0]) * amount[:, None]
    color = color * (1.0 + 0.12 * np.sin(37 * x + 60 * y) * np.sin(90 * y))[:, None]  # folds
    cover = np.ones(len(at), np.float32)
    if garment.kind == "jacket":
        opening = (np.abs(x) < 0.05 * (1.0 - below / 0.25) + 0.02) & (z > _CENTER_Z)
        shirt = opening | (below < 0.016)
        color = np.where(shirt[:, None], garment.colors[1], color)
        tie = opening & (np.abs(x) < 0.008 + 0.08 * np.clip(below - 0.01, 0, 0.15)) & (below > 0.004)
        color = np.where(tie[:, None], garment.colors[2], color)
        edge = opening & (np.abs(x) > 0.05 * (1.0 - below / 0.25) + 0.017)
        color = np.where(edge[:, None], color * 0.4, color)
    if garment.kind == "open":
        cover = ((below > garment.drop * (1 - np.abs(x) / 0.06)) | (z < _CENTER_Z)).astype(np.float32)
    return color.astype(np.float32), cover
