"""Face masks: a grid over nose, mouth and chin that spans the hollows, sewn in code or from photographs of masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .chart import sample
from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles
from .prints import HEIGHT, PRINTS, WIDTH, cloth_color, creases, printed
from .solids import joined, tube
from .textures import read_texture
from .wrapping import edge_distance, unit_grid, wrap

_ROWS, _COLUMNS = 28, 34
_FRONTS = ("KN95", "N95", "cloth", "surgical", "surgical_blue", "surgical_green")
_CUTS = {"surgical": 0.5, "fold": 0.14, "cup": 0.07, "duckbill": 0.03, "cloth": 0.26}
_MEDICAL = ((0.62, 0.78, 0.88), (0.93, 0.94, 0.95), (0.08, 0.08, 0.09), (0.5, 0.75, 0.7), (0.9, 0.7, 0.75))


@dataclass(frozen=True)
class MaskPlan:
    """One mask."""

    cut: str  # surgical, fold (vertical ridge), cup, duckbill, cloth
    template: str  # a photographed mask, or empty
    print: str  # one of `PRINTS`
    color: np.ndarray  # (3,) float32 encoded
    wear: str  # "on", "nose" (left free) or "chin"
    loose: float  # metres off the face
    reach: float  # how far back over the cheeks, share of the way to the ear
    top: float  # share of the nose bridge covered
    below: float  # chart pixels below the chin
    stiff: float  # how little it follows the hollows, grid cells
    ridge: float  # metres that a fold, cup or bill stands out
    strap: np.ndarray  # (3,) float32 linear
    behind: bool  # straps run round the head rather than to the ears
    valve: bool
    seed: int


def load_templates(folder: Path) -> dict[str, np.ndarray]:
    """(128, 160, 4) uint8 RGBA pictures of masks seen from the front; empty without the source data."""
    out = {}
    for name in _FRONTS:
        path = folder / f"{name}.png"
        if path.is_file():
            image = read_texture(path)
            rows, columns = np.nonzero(image[:, :, 3] > 40)
            image = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            out[name] = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return out


def sample_mask(rng: np.random.Generator, templates: dict[str, np.ndarray]) -> MaskPlan:
    """Mostly light blue, white and black medical masks; some of cloth; now and then below the nose or the mouth."""
    cut = str(pick(rng, list(_CUTS), list(_CUTS.values())))
    photographed = bool(templates) and cut != "duckbill" and rng.random() < 0.25
    wear = str(pick(rng, ["on", "nose", "chin"], [0.86, 0.09, 0.05]))
    ridge = {"surgical": (0.0, 0.004), "fold": (0.012, 0.022), "cup": (0.01, 0.018), "duckbill": (0.02, 0.032)}
    return MaskPlan(
        cut=cut,
        template=str(rng.choice(sorted(templates))) if photographed else "",
        print=str(pick(rng, PRINTS, [0.55, 0.11, 0.09, 0.08, 0.1, 0.07])) if cut == "cloth" else "plain",
        color=_mask_color(rng, cut),
        wear=wear,
        loose=float(rng.uniform(0.001, 0.007)),
        reach=float(rng.uniform(0.62, 0.88) if cut != "cup" else rng.uniform(0.5, 0.64)),
        top=float(rng.uniform(0.4, 0.8)),
        below=float(rng.uniform(2, 24)),
        stiff=float(rng.uniform(1.5, 3.5) if cut in ("surgical", "cloth") else rng.uniform(3.5, 5.0)),
        ridge=float(rng.uniform(*ridge.get(cut, (0.0, 0.008)))),
        strap=srgb_to_linear(np.full(3, pick(rng, [0.92, 0.1, rng.random()], [0.65, 0.2, 0.15]))),
        behind=cut in ("cup", "duckbill") and bool(rng.random() < 0.7),
        valve=cut in ("fold", "cup") and bool(rng.random() < 0.2),
        seed=int(rng.integers(2**31)),
    )


def _mask_color(rng: np.random.Generator, cut: str) -> np.ndarray:
    """(3,) encoded."""
    if cut == "cloth":
        return np.full(3, 0.07, np.float32) if rng.random() < 0.35 else cloth_color(rng)
    shares = [0.46, 0.24, 0.17, 0.08, 0.05] if cut == "surgical" else [0.03, 0.8, 0.13, 0.02, 0.02]
    base = np.array(_MEDICAL)[pick(rng, len(_MEDICAL), shares)]
    return np.clip(base * np.exp(rng.normal(0, 0.06) + rng.normal(0, 0.03, 3)), 0.02, 0.97).astype(np.float32)


def mask_meshes(plan: MaskPlan, head: Head, posed: Posed, templates: dict[str, np.ndarray]) -> list[Mesh]:
    """The mask and its straps."""
    grid = unit_grid(_ROWS, _COLUMNS)
    edge = edge_distance(_ROWS, _COLUMNS)
    cloth, _ = wrap(head, posed, _grid(plan, head), plan.stiff, _standing_off(plan, grid) + plan.loose * edge, edge)
    texture = templates.get(plan.template)
    if texture is None:
        texture = _sewn(plan)
    mesh = Mesh(
        cloth.reshape(-1, 3),
        grid_triangles(_ROWS, _COLUMNS),
        grid.reshape(-1, 2),
        lambda at: _paint(texture, at),
        int(Occluder.MASK),
        gloss=0.35,
        sharpness=8.0,
    )
    return [_straps(plan, head, posed, cloth), mesh]


def _grid(plan: MaskPlan, head: Head) -> np.ndarray:
    """(_ROWS, _COLUMNS, 2) chart pixels that the mask covers at rest."""
    lm = head.chart.landmarks
    middle, chin = lm[30, 0], lm[8, 1] + plan.below
    high = {
        "on": lm[33, 1] + (lm[27, 1] - lm[33, 1]) * plan.top,
        "nose": (lm[33, 1] + lm[51, 1]) / 2,
        "chin": lm[57, 1] + 8.0,
    }[plan.wear]
    chin = chin + (26.0 if plan.wear == "chin" else 0.0)
    side = (lm[15, 0] - lm[1, 0]) / 2 * plan.reach
    u = np.linspace(-1, 1, _COLUMNS)
    ear = max(lm[2, 1] - 8.0, high + 2.0)
    upper = high + (ear - high) * np.abs(u) ** 1.2
    lower = chin + (lm[4, 1] - chin) * np.abs(u) ** 2.2
    lower = np.maximum(lower, upper + 12.0)
    v = np.linspace(0, 1, _ROWS)[:, None]
    width = side * (1.0 - 0.1 * v)
    return np.stack([middle + u * width, upper + (lower - upper) * v], axis=2)


def _standing_off(plan: MaskPlan, grid: np.ndarray) -> np.ndarray:
    """(_ROWS, _COLUMNS) metres: the shape that the mask keeps by itself."""
    u, v = grid[:, :, 0] * 2 - 1, grid[:, :, 1] * 2 - 1
    dome = np.clip(1 - u**2, 0, 1) * np.clip(1 - v**2, 0, 1)
    if plan.cut == "fold":
        return plan.ridge * np.clip(1 - np.abs(u) * 1.5, 0, 1) * np.clip(1 - np.abs(v) ** 3, 0, 1)
    if plan.cut == "duckbill":
        return plan.ridge * np.clip(1 - np.abs(v) * 1.3, 0, 1) * np.clip(1 - u**4, 0, 1)
    return plan.ridge * np.sqrt(dome) if plan.cut == "cup" else plan.ridge * dome


def _sewn(plan: MaskPlan) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) float32 linear picture of the mask, laid flat."""
    rng = np.random.default_rng(plan.seed)
    image = printed(rng, plan.print, plan.color)
    if plan.cut == "surgical":
        _pleats(image, rng)
        binding = srgb_to_linear(np.clip(plan.color * 1.05 + 0.02, 0, 1))
        image[:7], image[-6:], image[:, :4], image[:, -4:] = (binding * k for k in (1.0, 0.92, 0.95, 0.95))
        image[7:9] *= 0.82
        image[2:5, WIDTH // 4 : -WIDTH // 4] *= 1.08  # the nose wire
    elif plan.cut == "cloth" and rng.random() < 0.5:
        image[:, WIDTH // 2 - 1 : WIDTH // 2 + 1] *= 0.7
    elif plan.cut in ("fold", "cup"):
        _embossed(image, plan)
    if plan.valve:
        _valve(image, rng)
    return image * creases(rng, 0.06)[:, :, None]


def _pleats(image: np.ndarray, rng: np.random.Generator) -> None:
    """Three folds across, dark below and lit above, that fade where a worn mask is pulled open."""
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    open_middle = np.float32(rng.uniform(0.2, 0.8))
    for row in (0.3, 0.5, 0.7):
        top = int(HEIGHT * (row + rng.normal(0, 0.02)))
        depth = (1.0 - open_middle * np.exp(-(x**2) * 4))[None, :, None] * rng.uniform(0.25, 0.5)
        for line, share in ((0, 1.0), (1, 0.8), (2, 0.5), (3, 0.25)):
            image[top + line] *= 1.0 - depth[0] * share
        image[top - 3 : top] *= 1.0 + 0.2 * depth


def _embossed(image: np.ndarray, plan: MaskPlan) -> None:
    """Welded seams near the rim, and the middle seam of a folded mask."""
    for inset in (6, 9):
        image[inset, inset:-inset] *= 0.82
        image[-inset, inset:-inset] *= 0.82
        image[inset:-inset, inset] *= 0.82
        image[inset:-inset, -inset] *= 0.82
    if plan.cut == "fold":
        image[:, WIDTH // 2 - 1 : WIDTH // 2 + 1] *= 0.75


def _valve(image: np.ndarray, rng: np.random.Generator) -> None:
    spot = (int(WIDTH * rng.uniform(0.25, 0.5)), int(HEIGHT * 0.6))
    value = float(rng.choice([0.8, 0.5, 0.1]))
    cv2.circle(image, spot, 13, (value * 0.7,) * 3, -1, cv2.LINE_AA)
    cv2.circle(image, spot, 11, (value,) * 3, -1, cv2.LINE_AA)
    for row in range(-8, 9, 4):
        cv2.line(image, (spot[0] - 8, spot[1] + row), (spot[0] + 8, spot[1] + row), (value * 0.4,) * 3, 1)


def _paint(texture: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    texel = sample(texture, at * np.array([WIDTH - 1, HEIGHT - 1], np.float32))
    if texture.dtype == np.uint8:
        texel = texel / 255.0
        return srgb_to_linear(texel[:, :3]), np.clip(texel[:, 3] * 1.5 - 0.25, 0, 1)
    return texel, np.ones(len(at), np.float32)


def _straps(plan: MaskPlan, head: Head, posed: Posed, cloth: np.ndarray) -> Mesh:
    """Two loops round the ears, or two bands round the head."""
    lm = head.model.landmarks(posed.vertices)
    solids = []
    for column, ear, side in ((0, lm[0], -1.0), (-1, lm[16], 1.0)):
        targets = ((1, 0.014, -0.016), (-2, -0.016, -0.012))
        if plan.behind:
            targets = ((3, 0.05, -0.05), (-5, -0.03, -0.06))
        for row, rise, back in targets:
            target = ear + np.array([side * (0.004 if not plan.behind else -0.004), rise, back])
            share = np.linspace(0, 1, 8)[:, None]
            path = cloth[row, column] * (1 - share) + target * share
            path[:, 0] += side * 0.006 * np.sin(np.linspace(0, np.pi, 8))
            solids.append(tube(path, (0.0016 if not plan.behind else 0.0025, 0.0008), np.array([0.0, 1.0, 0.0]), 4))
    points, triangles = joined(solids)
    points = points.astype(np.float32)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(plan.strap, (len(at), 1)), np.ones(len(at), np.float32)

    return Mesh(points, triangles, points, paint, int(Occluder.MASK), 0.2, 8.0)
