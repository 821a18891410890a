"""Solid shapes made in code: swept tubes, turned profiles, boxes; all as vertices and triangles in metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .meshes import cross, grid_triangles

Solid = tuple[np.ndarray, np.ndarray]  # (N, 3) float64 vertices, (M, 3) int32 triangles


def tube(path: np.ndarray, half: np.ndarray | tuple[float, float] | float, up: np.ndarray, sides: int = 6) -> Solid:
    """A round or flat section swept along an (N, 3) path.

    `half` holds half the section's height (along `up`) and breadth, as a scalar, (2,) or (N, 2).
    """
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = cross(along, np.asarray(up))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    lift = cross(side, along)
    size = np.broadcast_to(np.asarray(half, float), (len(path), 2))
    turn = np.linspace(0, 2 * np.pi, sides + 1) + np.pi / sides
    ring = lift[:, None] * (np.cos(turn)[None, :] * size[:, :1])[:, :, None]
    ring = ring + side[:, None] * (np.sin(turn)[None, :] * size[:, 1:])[:, :, None]
    return (path[:, None] + ring).reshape(-1, 3), grid_triangles(len(path), sides + 1)


def turned(profile: np.ndarray, sides: int = 20) -> Solid:
    """The (N, 2) profile (radius, height) turned about the y axis."""
    turn = np.linspace(0, 2 * np.pi, sides + 1)
    ring = np.stack([np.cos(turn), np.zeros_like(turn), np.sin(turn)], axis=1)
    points = profile[:, :1, None] * ring[None] + profile[:, 1:, None] * np.array([0.0, 1.0, 0.0])
    return points.reshape(-1, 3), grid_triangles(len(profile), sides + 1)


def slab(half: Sequence[float], rounding: float = 0.3) -> Solid:
    """A box of (3,) half sizes whose corners in the xy plane are rounded; closed at +z and -z."""
    turn = np.linspace(0, 2 * np.pi, 25)
    power = 2.0 / max(2.0, 2.0 / max(rounding, 0.05))
    c, s = np.cos(turn + np.pi / 24), np.sin(turn + np.pi / 24)
    outline = np.stack([np.sign(c) * np.abs(c) ** power * half[0], np.sign(s) * np.abs(s) ** power * half[1]], axis=1)
    inner = outline * (1.0 - 0.25 * min(half[2] / half[0], 0.5))
    rings = [(outline * 0.0, half[2]), (inner, half[2]), (outline, half[2] * 0.6)]
    rings += [(outline, -half[2] * 0.6), (inner, -half[2]), (outline * 0.0, -half[2])]
    points = np.concatenate([np.column_stack([flat, np.full(len(flat), depth)]) for flat, depth in rings])
    return points, grid_triangles(6, 25)


def ball(radii: Sequence[float], rows: int = 12, columns: int = 20) -> Solid:
    """An ellipsoid of (3,) radii."""
    theta = np.linspace(0, np.pi, rows)
    points, triangles = turned(np.stack([np.sin(theta), np.cos(theta)], axis=1), columns)
    return points * np.asarray(radii), triangles


def joined(parts: Sequence[Solid]) -> Solid:
    """Several solids as one."""
    starts = np.cumsum([0] + [len(points) for points, _ in parts])
    triangles = [faces + start for (_, faces), start in zip(parts, starts, strict=False)]
    return np.concatenate([points for points, _ in parts]), np.concatenate(triangles).astype(np.int32)
