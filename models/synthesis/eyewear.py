"""Glasses and sunglasses, built round the eyes of each head: rims, bridge, temples, lenses with glare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles

_POINTS = 40  # round one rim


@dataclass(frozen=True)
class Frame:
    """A pair of glasses; metres."""

    half_width: float  # of a lens
    half_height: float
    power: float  # of the superellipse: 2 round, 4 boxy
    droop: float  # outer lower corner, aviator-like
    rim: float  # breadth of the rim; hair-thin for rimless
    upper: float  # breadth of the upper rim over the lower's
    bow: float  # curvature of the front, 1/metres
    drop: float  # of the lenses' middle below the eyes
    slide: float  # down the nose
    color: np.ndarray  # (3,) float32 linear
    metal: bool
    dark: bool
    lens_color: np.ndarray  # (3,) float32 linear
    lens_cover: float
    fade: float  # of the tint towards the bottom
    glare: float  # share of the lens that glares
    glare_turn: float


def sample_frame(rng: np.random.Generator, dark: bool) -> Frame:
    """Reading glasses or sunglasses of every fashion."""
    metal = rng.random() < 0.45
    color = rng.choice(
        [[0.03, 0.03, 0.03], [0.25, 0.14, 0.08], [0.5, 0.45, 0.35], [0.6, 0.6, 0.62]], p=[0.5, 0.2, 0.15, 0.15]
    )
    if rng.random() < 0.2:
        color = rng.random(3)
    big = 1.12 if dark else 1.0
    return Frame(
        half_width=float(rng.uniform(0.0225, 0.029)) * big,
        half_height=float(rng.uniform(0.0135, 0.024)) * big,
        power=float(rng.choice([2.0, 2.6, 3.4, 5.0])),
        droop=float(rng.uniform(0.0, 0.3)),
        rim=float(rng.uniform(0.0006, 0.0018) if metal else rng.uniform(0.0018, 0.0048)),
        upper=float(rng.choice([1.0, 1.6, 2.5], p=[0.6, 0.25, 0.15])),
        bow=float(rng.uniform(1.0, 6.0)),
        drop=float(rng.uniform(-0.001, 0.007)),
        slide=float(rng.exponential(0.004)) if rng.random() < 0.5 else 0.0,
        color=srgb_to_linear(np.asarray(color) * rng.uniform(0.6, 1.2)),
        metal=metal,
        dark=dark,
        lens_color=srgb_to_linear(rng.random(3) * (0.25 if dark else 1.0)),
        lens_cover=float(rng.uniform(0.72, 0.98) if dark else rng.choice([0.02, 0.06, 0.25], p=[0.5, 0.35, 0.15])),
        fade=float(rng.uniform(0, 0.6)) if rng.random() < 0.4 else 0.0,
        glare=float(rng.choice([0.0, rng.uniform(0.05, 0.3), rng.uniform(0.3, 0.8)], p=[0.5, 0.35, 0.15])),
        glare_turn=float(rng.uniform(0, np.pi)),
    )


def glasses_meshes(frame: Frame, head: Head, posed: Posed) -> list[Mesh]:
    """Lenses first, then the frame."""
    lm = head.model.landmarks(posed.vertices)
    right, left = lm[36:42].mean(axis=0), lm[42:48].mean(axis=0)
    across = left - right
    span = float(np.linalg.norm(across))
    across /= span
    forward = np.array([0.0, 0.06, 1.0])
    forward -= across * (forward @ across)
    forward /= np.linalg.norm(forward)
    axes = np.stack([across, np.cross(forward, across), forward])
    scale = span / 0.0625
    rest = np.maximum(lm[[27, 28]] @ forward, 0).max()
    middle = (right + left) / 2
    middle = middle + forward * (max(rest, lm[[19, 24]].mean(axis=0) @ forward) + 0.003 - middle @ forward)
    middle = middle - axes[1] * (frame.drop + frame.slide) * scale
    centers = np.array([-1.0, 1.0]) * max(span / 2, (frame.half_width + 0.007) * scale)
    meshes = [_lens(frame, axes, middle, center, scale) for center in centers]
    parts = [_rim(frame, axes, middle, center, scale) for center in centers]
    parts.append(_bridge(frame, axes, middle, centers, scale))
    parts += [_temple(frame, axes, middle, centers[k], lm[ear], scale) for k, ear in enumerate((0, 16))]
    return [*meshes, _frame_mesh(frame, parts)]


def _outline(frame: Frame, side: float, grow: np.ndarray | float) -> np.ndarray:
    """(_POINTS + 1, 2) closed lens outline, metres, x outwards to the subject's left."""
    turn = np.linspace(0, 2 * np.pi, _POINTS + 1)
    c, s = np.cos(turn), np.sin(turn)
    x = np.sign(c) * np.abs(c) ** (2 / frame.power) * (frame.half_width + grow)
    y = np.sign(s) * np.abs(s) ** (2 / frame.power) * (frame.half_height + grow)
    y = y * (1.0 + frame.droop * np.where(s < 0, 0.35 * c * np.sign(side), 0.0))
    return np.stack([x, y], axis=1)


def _place(frame: Frame, axes: np.ndarray, middle: np.ndarray, flat: np.ndarray, scale: float) -> np.ndarray:
    """(N, 3) model-frame points of (N, 2) points on the bowed front; metres before `scale` save for the centre."""
    depth = -frame.bow * flat[:, 0] ** 2
    return middle + np.column_stack([flat, depth]) @ axes


def _lens(frame: Frame, axes: np.ndarray, middle: np.ndarray, center: float, scale: float) -> Mesh:
    rings = [_outline(frame, center, 0.0) * share for share in (0.0, 0.5, 1.0)]
    local = np.concatenate(rings)
    vertices = _place(frame, axes, middle, local * scale + [center, 0.0], scale)
    attributes = local / np.array([frame.half_width, frame.half_height])

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tint = frame.lens_cover * (1.0 - frame.fade * np.clip(0.5 - at[:, 1], 0, 1))
        along = at[:, 0] * np.cos(frame.glare_turn) + at[:, 1] * np.sin(frame.glare_turn)
        glare = np.clip((frame.glare - np.abs(along - 0.2)) * 8.0, 0.0, 1.0) * (0.35 if frame.glare > 0.3 else 0.7)
        glare = glare if frame.glare else np.zeros(len(at))
        cover = np.maximum(tint, glare)
        return (frame.lens_color * (1 - glare[:, None]) + 0.9 * glare[:, None]).astype(np.float32), cover

    kind = Occluder.DARK_LENS if frame.dark else Occluder.CLEAR_LENS
    triangles = grid_triangles(3, _POINTS + 1)
    return Mesh(vertices.astype(np.float32), triangles, attributes.astype(np.float32), paint, int(kind), 4.0, 120.0)


def _rim(
    frame: Frame, axes: np.ndarray, middle: np.ndarray, center: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    turn = np.linspace(0, 2 * np.pi, _POINTS + 1)
    breadth = frame.rim * (1.0 + (frame.upper - 1.0) * np.clip(np.sin(turn) * 1.5, 0, 1))
    inner, outer = _outline(frame, center, 0.0), _outline(frame, center, breadth)
    rings = [_place(frame, axes, middle, ring * scale + [center, 0.0], scale) for ring in (inner, outer)]
    lifted = rings[1] - axes[2] * max(frame.rim, 0.0015)
    return np.concatenate([rings[0] + axes[2] * 0.001, rings[1] + axes[2] * 0.001, lifted]), grid_triangles(
        3, _POINTS + 1
    )


def _bridge(
    frame: Frame, axes: np.ndarray, middle: np.ndarray, centers: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(centers[0] + frame.half_width * scale, centers[1] - frame.half_width * scale, 9)
    arch = 0.003 * np.cos(np.linspace(-np.pi / 2, np.pi / 2, 9)) + frame.half_height * 0.25
    breadth = max(frame.rim, 0.0012) * 0.7
    rows = [
        _place(frame, axes, middle, np.stack([x, arch + d], axis=1), scale) + axes[2] * 0.0015
        for d in (-breadth, breadth)
    ]
    return np.concatenate(rows), grid_triangles(2, 9)


def _temple(
    frame: Frame, axes: np.ndarray, middle: np.ndarray, center: float, ear: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    edge = center + np.sign(center) * (frame.half_width + frame.rim) * scale
    start = _place(frame, axes, middle, np.array([[edge, frame.half_height * 0.35]]), scale)[0]
    out = axes[0] * np.sign(center)
    end = ear + out * 0.007 + np.array([0.0, 0.014, -0.02])
    bend = start + (end - start) * 0.15 + out * max(0.004, 0.3 * (end - start) @ out)
    share = np.linspace(0, 1, 7)[:, None]
    path = (1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end
    breadth = max(frame.rim * 1.1, 0.0012)
    return np.concatenate([path - axes[1] * breadth, path + axes[1] * breadth]), grid_triangles(2, 7)


def _frame_mesh(frame: Frame, parts: list[tuple[np.ndarray, np.ndarray]]) -> Mesh:
    vertices, triangles, start = [], [], 0
    for points, faces in parts:
        vertices.append(points)
        triangles.append(faces + start)
        start += len(points)
    all_vertices = np.concatenate(vertices).astype(np.float32)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(frame.color, (len(at), 1)), np.ones(len(at), np.float32)

    gloss = 12.0 if frame.metal else 2.5
    return Mesh(all_vertices, np.concatenate(triangles), all_vertices, paint, int(Occluder.FRAME), gloss, 40.0)
