"""Loose hair that falls from the crown: straight, wavy or curly, from the ears to below the shoulders."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .chart import AXIS_Z, METRES_PER_PIXEL, TOP, WIDTH, sample
from .head import Head
from .labels import Label
from .layers import Mesh
from .meshes import grid_triangles
from .noise import NoisePool

_ROWS, _COLUMNS = 56, 56
_CROWN = 0.092  # metres above the eyes: where it starts to fall


@dataclass(frozen=True, eq=False)
class Mane:
    """One head of loose hair."""

    opening: float  # radians from the face's middle at which it begins, at the cheek
    parting: float  # radians that the opening shifts sideways
    length: float  # metres below the eyes
    volume: float  # metres off the head
    flare: float  # share by which it widens downwards
    wave: float  # metres
    curl: float  # waves per metre
    texture: np.ndarray  # (HEIGHT, WIDTH) float32 noise along the hair
    contrast: float
    seed: int


def sample_mane(rng: np.random.Generator, noise: NoisePool) -> Mane:
    """Bobs to long hair; a third of it curly."""
    curly = rng.random() < 0.33
    return Mane(
        opening=float(np.radians(rng.uniform(42, 82))),
        parting=float(rng.normal(0, 0.12)),
        length=float(rng.uniform(0.04, 0.3)),
        volume=float(rng.uniform(0.006, 0.04) + (0.012 if curly else 0.0)),
        flare=float(rng.uniform(-0.1, 0.35)),
        wave=float(rng.uniform(0.003, 0.009) if curly else rng.uniform(0.0, 0.004)),
        curl=float(rng.uniform(12, 34) if curly else rng.uniform(4, 14)),
        texture=noise.cut(rng, "grain" if curly and rng.random() < 0.4 else "strand"),
        contrast=float(rng.uniform(0.2, 0.55)),
        seed=int(rng.integers(2**31)),
    )


def sample_mass(rng: np.random.Generator, noise: NoisePool, length: float, volume: float) -> Mane:
    """The bulk beneath long strands of a length and volume in metres: smooth, and a little shorter than they."""
    mane = sample_mane(rng, noise)
    return replace(
        mane,
        opening=float(np.radians(rng.uniform(55, 85))),
        length=float(np.clip(length - rng.uniform(0.1, 0.18), 0.04, 0.3)),
        volume=volume * float(rng.uniform(0.6, 1.0)),
        flare=float(rng.uniform(-0.1, 0.15)),
        wave=min(mane.wave, 0.003),
        contrast=float(rng.uniform(0.02, 0.3)),
    )


def mane_mesh(mane: Mane, head: Head, neutral: np.ndarray, color: np.ndarray, gloss: float) -> Mesh:
    """The hanging sheet on the (V, 3) rest shape of one person; `color` is (3,) linear."""
    u = np.linspace(-1.0, 1.0, _COLUMNS)
    turn = np.pi - np.abs(u) * (np.pi - mane.opening)
    turn = np.where(u < 0, -turn, turn) + mane.parting * np.abs(u)  # u = 0 is the nape, +-1 the edges at the face
    height = np.linspace(_CROWN, -mane.length, _ROWS)
    radius = _hanging_radius(head, neutral, turn, height)
    fall = np.clip((_CROWN - height) / (_CROWN + mane.length), 0.0, 1.0)[:, None]
    body = np.minimum(1.0, 0.12 + 4.0 * fall) * (1.0 - 0.85 * np.abs(u) ** 5)  # flat on the crown and at the cheeks
    radius = radius + mane.volume * body * (1.0 + mane.flare * fall)
    rng = np.random.default_rng(mane.seed)
    phase = cv2.GaussianBlur(rng.normal(0, 6.0, (1, _COLUMNS)), (0, 0), 3.0)
    wave = np.sin(2 * np.pi * mane.curl * height[:, None] + phase)
    radius = radius + mane.wave * wave * np.minimum(1.0, 3 * fall)
    angle = turn[None, :] + mane.wave * 4.0 * np.cos(2 * np.pi * mane.curl * height[:, None] + phase)
    y = np.broadcast_to(height[:, None], angle.shape) + rng.normal(0, 0.004, (1, _COLUMNS)) * fall
    points = np.stack([radius * np.sin(angle), y, AXIS_Z + radius * np.cos(angle)], axis=2)
    v = np.broadcast_to(np.linspace(0, 1, _ROWS)[:, None], angle.shape)
    places = np.stack([np.broadcast_to(u, angle.shape), v], axis=2).reshape(-1, 2)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        strand = sample(mane.texture, at * np.array([WIDTH * 0.45, 180.0]) + np.array([WIDTH * 0.5, 60.0]))[:, 0]
        edge = np.minimum((1.0 - np.abs(at[:, 0])) * 7.0, (1.0 - at[:, 1]) * 6.0)
        cover = np.clip(edge + 0.3 + 0.35 * strand, 0.0, 1.0)
        return color * np.exp(mane.contrast * strand)[:, None], cover

    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        grid_triangles(_ROWS, _COLUMNS),
        places.astype(np.float32),
        paint,
        int(Label.HAIR),
        gloss,
        sharpness=12.0,
        occlusion=0.75,
    )


def _hanging_radius(head: Head, neutral: np.ndarray, turn: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(_ROWS, _COLUMNS) distance from the skull's axis: on the head above its widest part, straight down below it."""
    wrapped = (turn + np.pi) % (2 * np.pi) - np.pi
    column = (wrapped / (2 * np.pi) + 0.5) * WIDTH
    row = (TOP - np.maximum(height, -0.06)) / METRES_PER_PIXEL
    places = np.stack(np.broadcast_arrays(column[None, :], row[:, None]), axis=2).reshape(-1, 2)
    surface = head.on_surface(neutral, places).reshape(len(height), len(turn), 3)
    radius = np.hypot(surface[:, :, 0], surface[:, :, 2] - AXIS_Z)
    widest = np.maximum.accumulate(radius, axis=0)
    return cv2.GaussianBlur(widest, (0, 0), sigmaX=1.5, sigmaY=2.5)
