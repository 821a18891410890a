"""Short hairs on the skin: beards, brows, cropped scalps."""

from __future__ import annotations

import numpy as np

from models.synthesis.chart import locate, sample
from models.synthesis.head import Head
from models.synthesis.kernels import vertex_normals
from models.synthesis.labels import Label
from models.synthesis.strands import Strands, kinds_of

_STEPS = 4  # points of a hair
_BARE = (Label.EAR_LEFT, Label.EAR_RIGHT, Label.MOUTH)


def grow_fur(
    rng: np.random.Generator, head: Head, vertices: np.ndarray, chart: np.ndarray, count: int, length: float,
    flow: tuple[float, float, float], radius: float, color: np.ndarray,
) -> Strands:  # fmt: skip
    """Hairs on a posed head of (V, 3) vertices, as dense as the (HEIGHT, WIDTH) chart in [0, 1] says.

    They lie along `flow` on the subject's left and mirrored on the right; metres, `color` (3,) linear.
    """
    corners, share = _scatter(rng, head, vertices, chart, count)
    normals = _unit(_blend(vertex_normals(vertices.astype(np.float32), head.model.triangles), corners, share))
    root = _blend(vertices, corners, share)
    cover = sample(chart, locate(_blend(head.rest, corners, share).astype(np.float32)))[:, :1]
    kept = rng.random(len(root)) < cover[:, 0] * 1.5 + 0.05
    root, normals, cover = root[kept], normals[kept], cover[kept]
    number = len(root)
    wanted = np.tile(np.array(flow), (number, 1))
    wanted[:, 0] *= np.sign(root[:, 0])
    wanted = _unit(wanted + 0.35 * rng.standard_normal((number, 3)))
    flat = wanted - normals * np.einsum("nd,nd->n", wanted, normals)[:, None]
    heading = _unit(flat + 0.35 * normals)
    reach = length * rng.uniform(0.5, 1.2, (number, 1)) * (0.4 + 0.6 * cover)
    droop = np.array([0.0, -0.3 if length > 0.006 else 0.0, 0.0])
    points = np.stack([root + reach * (heading * s + droop * s * s) for s in np.linspace(0.0, 1.0, _STEPS)], axis=1)
    tone = np.clip(color, 0.004, 0.9) * np.exp(0.3 * rng.standard_normal((number, 1)))
    return Strands(
        points=points.astype(np.float32),
        counts=np.full(number, _STEPS, np.int32),
        radius=np.broadcast_to(np.array([1.0, 0.9, 0.7, 0.3], np.float32) * np.float32(radius), (number, _STEPS)),
        albedo=np.repeat(tone[:, None], _STEPS, axis=1).astype(np.float32),
        occlusion=np.ones((number, _STEPS), np.float32),
        normals=normals.astype(np.float32),
        kinds=kinds_of(Label.SKIN, number),
    )


def _scatter(
    rng: np.random.Generator, head: Head, vertices: np.ndarray, chart: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) vertices and (N, 3) weights of places on the skin."""
    cover = sample(chart, locate(head.rest))[:, 0] * (head.skin_vertices & ~np.isin(head.label, _BARE))
    a, b, c = (vertices[head.triangles[:, k]].astype(np.float64) for k in range(3))
    weight = np.linalg.norm(np.cross(b - a, c - a), axis=1) * cover[head.triangles].mean(axis=1)
    if weight.sum() < 1e-9:
        return np.zeros((0, 3), np.int64), np.zeros((0, 3))
    picked = rng.choice(len(weight), count, p=weight / weight.sum())
    return head.triangles[picked], rng.dirichlet((1.0, 1.0, 1.0), count)


def _blend(values: np.ndarray, corners: np.ndarray, share: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nkd->nd", share, values[corners])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
