"""Shapes of what is worn on the head: domes, wraps that leave the face free, visors and brims."""

from __future__ import annotations

import cv2
import numpy as np

from .meshes import grid_triangles
from .scalp import reach
from .strands import CENTER

COLUMNS, ROWS = 61, 22
Shell = tuple[np.ndarray, np.ndarray, np.ndarray]  # (N, 3) vertices, (M, 3) triangles, (N, 3) u, v, height over edge


def edge_height(turn: np.ndarray, front: float, side: float, back: float, tilt: float = 0.0) -> np.ndarray:
    """Height of a hat's edge by angle from the face's middle: `front`, over the ears `side`, at the nape `back`.

    `tilt` lifts it at the left and lowers it at the right.
    """
    cosine = np.cos(turn)
    over = np.where(cosine > 0, front, back)
    return (side + (over - side) * np.abs(cosine) ** 1.3 + tilt * np.sin(turn)).astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """(rows, columns) float32 bumps and dents of `sigma` cells and a deviation of about 1, alike at both ends."""
    columns = shape[1] - 1
    white = rng.standard_normal((shape[0], columns), np.float32)
    around = np.tile(white, 3)
    field = cv2.GaussianBlur(around, (0, 0), sigma)[:, columns : 2 * columns + 1]
    return field * np.float32(2.0 * np.sqrt(np.pi) * sigma)


def dome(
    radius: np.ndarray, edge: tuple[float, ...], standoff: np.ndarray, until: float = 1.0, smooth: float = 2.0
) -> Shell:
    """A shell from the edge up to the crown (or a band up to `until` of the way).

    `radius` is the head's octahedral map, `edge` the arguments of `edge_height`, `standoff` (ROWS, COLUMNS) or
    (ROWS, 1) metres off the head from edge to crown.
    """
    turn = np.linspace(-np.pi, np.pi, COLUMNS)
    low = np.stack([np.sin(turn) * 0.075, edge_height(turn, *edge), np.cos(turn) * 0.085], axis=1)
    low /= np.linalg.norm(low, axis=1, keepdims=True)
    share = np.linspace(0, until, ROWS)[:, None]
    angle = np.arccos(np.clip(low[:, 1], -1, 1))[None, :]
    rest = angle * (1.0 - share)  # from the vertical
    flat = low * np.array([1, 0, 1])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    rays = np.sin(rest)[:, :, None] * flat[None] + np.cos(rest)[:, :, None] * np.array([0, 1, 0])
    out = reach(rays, radius) + standoff.astype(np.float32)
    out = cv2.GaussianBlur(np.concatenate([out[:, -7:-1], out, out[:, 1:7]], axis=1), (0, 0), smooth)[:, 6:-6]
    v = np.broadcast_to(share, rest.shape)
    return _shell(CENTER + rays * out[:, :, None], turn, v)


def wrap(
    radius: np.ndarray, opening: np.ndarray, standoff: np.ndarray, folds: np.ndarray, smooth: float = 2.5
) -> Shell:
    """A cloth round the face: from the (COLUMNS, 3) points of its opening over head and neck to the back.

    `standoff` is (ROWS,) metres from the opening to the back, `folds` (ROWS, COLUMNS) metres.
    """
    start = opening - CENTER
    start = start / np.linalg.norm(start, axis=1, keepdims=True)
    back = np.array([0.0, -0.1, -1.0]) / np.sqrt(1.01)
    angle = np.arccos(np.clip(start @ back, -1, 1))[None, :, None]
    share = np.linspace(0, 1, ROWS)[:, None, None]
    rays = (np.sin((1 - share) * angle) * start[None] + np.sin(share * angle) * back) / np.sin(angle)
    out = reach(rays, radius)
    out = np.maximum(
        cv2.GaussianBlur(np.concatenate([out[:, -7:-1], out, out[:, 1:7]], axis=1), (0, 0), smooth)[:, 6:-6], out
    )
    out = out + standoff[:, None] + folds
    turn = np.linspace(-np.pi, np.pi, COLUMNS)
    return _shell(CENTER + rays * out[:, :, None], turn, np.broadcast_to(share[:, :, 0], out.shape))


def _shell(points: np.ndarray, turn: np.ndarray, v: np.ndarray) -> Shell:
    rows, columns = v.shape
    u = np.broadcast_to(turn[None] / (2 * np.pi) + 0.5, v.shape)
    run = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=2).cumsum(axis=0)
    places = np.stack([u, v, run], axis=2).reshape(-1, 3).astype(np.float32)
    return points.reshape(-1, 3).astype(np.float32), grid_triangles(rows, columns), places


def brim(
    shell: Shell, width: float, reach_turn: float, drop: float, curve: float, yaw: float = 0.0, rise: float = 0.0
) -> Shell:
    """A visor (`reach_turn` < pi: half its angle) or a brim all round, from the edge of a dome outwards.

    It falls by `drop` metres at its rim, its sides bend down by `curve` over the square of x, and `rise` lifts it.
    """
    around = np.linspace(-reach_turn, reach_turn, 41)
    edge = shell[0][:COLUMNS]
    at = np.interp((around + yaw + np.pi) % (2 * np.pi), np.linspace(0, 2 * np.pi, COLUMNS), np.arange(COLUMNS))
    low = at.astype(int).clip(0, COLUMNS - 2)
    inner = edge[low] + (edge[low + 1] - edge[low]) * (at - low)[:, None]
    far = np.pi - 1e-3 < reach_turn
    length = width * (np.ones(41) if far else np.cos(around / reach_turn * np.pi / 2).clip(0) ** 0.55)
    out = np.stack([np.sin(around + yaw), np.zeros(41), np.cos(around + yaw)], axis=1)
    rings = []
    for share in np.linspace(0, 1, 7):
        ring = inner + out * (length * share)[:, None]
        sideways = ring @ np.array([np.cos(yaw), 0, -np.sin(yaw)])
        ring[:, 1] += rise - drop * share**1.5 - curve * sideways**2 * (1.0 if not far else share)
        rings.append(ring)
    points = np.stack(rings)
    return _shell(points, around, np.broadcast_to(np.linspace(0, 1, 7)[:, None], points.shape[:2]))
