"""Face masks: a cloth grid over nose, mouth and chin that spans the hollows, plain or from photographs of masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chart import sample
from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles
from .textures import read_texture

_ROWS, _COLUMNS = 26, 32
_FRONTS = ("KN95", "N95", "cloth", "surgical", "surgical_blue", "surgical_green")


@dataclass(frozen=True)
class MaskPlan:
    """One mask."""

    template: str  # a photographed mask, or empty
    color: np.ndarray  # (3,) float32 linear
    stripe: float
    loose: float  # metres off the face
    reach: float  # how far back over the cheeks, share of the way to the ear
    top: float  # share of the nose bridge covered
    below: float  # chart pixels below the chin
    stiff: float  # how little it follows the hollows, grid cells
    strap: np.ndarray  # (3,) float32 linear


def load_templates(folder: Path) -> dict[str, np.ndarray]:
    """(128, 160, 4) uint8 RGBA pictures of masks seen from the front; empty without the source data."""
    out = {}
    for name in _FRONTS:
        path = folder / f"{name}.png"
        if path.is_file():
            image = read_texture(path)
            rows, columns = np.nonzero(image[:, :, 3] > 40)
            image = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            out[name] = cv2.resize(image, (160, 128), interpolation=cv2.INTER_AREA)
    return out


def sample_mask(rng: np.random.Generator, templates: dict[str, np.ndarray]) -> MaskPlan:
    """Medical, cloth and patterned masks; sometimes below the nose."""
    photographed = bool(templates) and rng.random() < 0.6
    value = rng.beta(0.9, 0.9)
    return MaskPlan(
        template=str(rng.choice(sorted(templates))) if photographed else "",
        color=srgb_to_linear(np.clip(value * (1 - rng.beta(1, 2) * rng.random(3)), 0.02, 1)),
        stripe=float(rng.choice([0.0, rng.uniform(0.1, 0.6)], p=[0.6, 0.4])),
        loose=float(rng.uniform(0.002, 0.009)),
        reach=float(rng.uniform(0.55, 0.85)),
        top=float(rng.uniform(0.35, 0.9)) if rng.random() < 0.88 else -0.25,
        below=float(rng.uniform(0, 26)),
        stiff=float(rng.uniform(1.5, 4.5)),
        strap=srgb_to_linear(np.full(3, rng.choice([0.9, 0.1, rng.random()]))),
    )


def mask_meshes(plan: MaskPlan, head: Head, posed: Posed, templates: dict[str, np.ndarray]) -> list[Mesh]:
    """The cloth and its two pairs of straps."""
    places = _grid(plan, head)
    points = head.on_surface(posed.vertices, places.reshape(-1, 2)).reshape(_ROWS, _COLUMNS, 3).astype(np.float32)
    outward = head.on_surface(posed.normals, places.reshape(-1, 2)).reshape(_ROWS, _COLUMNS, 3)
    outward = cv2.GaussianBlur(np.ascontiguousarray(outward, np.float32), (0, 0), 2.0)
    outward /= np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-6)
    smooth = cv2.GaussianBlur(points, (0, 0), plan.stiff, borderType=cv2.BORDER_REPLICATE)
    edge = _edge_distance()[:, :, None]
    smooth = points + (smooth - points) * edge  # the rim stays on the face
    sunk = np.maximum(np.einsum("rck,rck->rc", points - smooth, outward), 0.0)
    spread = cv2.GaussianBlur(cv2.dilate(sunk, np.ones((5, 5))), (0, 0), 1.5)
    cloth = smooth + outward * (np.maximum(sunk, spread) + 0.0015 + plan.loose * edge[:, :, 0])[:, :, None]
    v, u = np.mgrid[0:_ROWS, 0:_COLUMNS].astype(np.float32) / np.array([[[_ROWS - 1]], [[_COLUMNS - 1]]], np.float32)
    mesh = Mesh(
        cloth.reshape(-1, 3).astype(np.float32),
        grid_triangles(_ROWS, _COLUMNS),
        np.stack([u.ravel(), v.ravel()], axis=1),
        lambda at: _paint(plan, templates.get(plan.template), at),
        int(Occluder.MASK),
        gloss=0.3,
        sharpness=8.0,
    )
    return [mesh, _straps(plan, head, posed, cloth)]


def _grid(plan: MaskPlan, head: Head) -> np.ndarray:
    """(_ROWS, _COLUMNS, 2) chart pixels that the cloth covers at rest."""
    lm = head.chart.landmarks
    middle, chin = lm[30, 0], lm[8, 1] + plan.below
    high = lm[33, 1] + (lm[27, 1] - lm[33, 1]) * plan.top
    side = (lm[15, 0] - lm[1, 0]) / 2 * plan.reach
    u = np.linspace(-1, 1, _COLUMNS)
    upper = high + (lm[2, 1] - 6 - high) * np.abs(u) ** 1.3
    lower = chin + (lm[4, 1] - chin) * np.abs(u) ** 2.2
    v = np.linspace(0, 1, _ROWS)[:, None]
    width = side * (1.0 - 0.12 * v)
    return np.stack([middle + u * width, upper + (lower - upper) * v], axis=2)


def _edge_distance() -> np.ndarray:
    """(_ROWS, _COLUMNS) float32: 0 on the grid's rim, 1 inside."""
    v, u = np.linspace(-1, 1, _ROWS)[:, None], np.linspace(-1, 1, _COLUMNS)[None, :]
    return np.clip((1.0 - np.maximum(np.abs(u), np.abs(v))) * 3.5, 0.0, 1.0).astype(np.float32)


def _paint(plan: MaskPlan, template: np.ndarray | None, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if template is not None:
        texel = sample(template, at * np.array([159, 127], np.float32)) / 255.0
        return srgb_to_linear(texel[:, :3]), np.clip(texel[:, 3] * 1.5 - 0.25, 0, 1)
    pleats = 1.0 - 0.25 * plan.stripe * (1 + np.sin(at[:, 1] * 22.0)) + 0.2 * plan.stripe * np.sin(at[:, 0] * 60.0)
    return plan.color * pleats[:, None].astype(np.float32), np.ones(len(at), np.float32)


def _straps(plan: MaskPlan, head: Head, posed: Posed, cloth: np.ndarray) -> Mesh:
    lm = head.model.landmarks(posed.vertices)
    vertices, triangles = [], []
    for column, ear, side in ((0, lm[0], -1.0), (-1, lm[16], 1.0)):
        for row, rise in ((2, 0.012), (-6, -0.014)):
            target = ear + np.array([side * 0.006, rise, -0.02])
            share = np.linspace(0, 1, 6)[:, None]
            path = cloth[row, column] * (1 - share) + target * share
            path[:, 0] += side * 0.006 * np.sin(np.linspace(0, np.pi, 6))
            triangles.append(grid_triangles(2, 6) + 12 * len(vertices))
            vertices.append(np.concatenate([path - [0, 0.0013, 0], path + [0, 0.0013, 0]]))
    points = np.concatenate(vertices).astype(np.float32)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(plan.strap, (len(at), 1)), np.ones(len(at), np.float32)

    return Mesh(points, np.concatenate(triangles), points, paint, int(Occluder.MASK), 0.2, 8.0)
