"""Scarves, gaiters, bandanas and high collars pulled over the neck, chin, mouth or nose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chance import pick
from .chart import WIDTH as TURN
from .chart import sample
from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles
from .prints import HEIGHT, PRINTS, WIDTH, cloth_color, printed
from .wrapping import unit_grid, wrap

_ROWS, _COLUMNS = 24, 64
_KINDS = {"gaiter": 0.3, "scarf": 0.4, "bandana": 0.18, "collar": 0.12}


@dataclass(frozen=True)
class ScarfPlan:
    """One scarf; lengths in metres."""

    kind: str  # gaiter (tight tube), scarf (thick folds), bandana (triangle), collar (stands off the neck)
    top: float  # 0 at the chin, 1 at the bridge of the nose
    thickness: float
    folds: int
    fold_height: float
    print: str
    color: np.ndarray  # (3,) float32 encoded
    seed: int


def sample_scarf(rng: np.random.Generator) -> ScarfPlan:
    """Most cover the mouth; a third the nose as well."""
    kind = str(pick(rng, list(_KINDS), list(_KINDS.values())))
    reach = {"gaiter": (0.3, 0.9), "scarf": (0.05, 0.7), "bandana": (0.45, 0.9), "collar": (0.0, 0.35)}[kind]
    thickness = {"gaiter": (0.001, 0.003), "scarf": (0.008, 0.018), "bandana": (0.002, 0.008), "collar": (0.006, 0.02)}
    return ScarfPlan(
        kind=kind,
        top=float(rng.uniform(*reach)),
        thickness=float(rng.uniform(*thickness[kind])),
        folds=int(rng.integers(3, 8)),
        fold_height=float({"scarf": rng.uniform(0.002, 0.006), "gaiter": 0.0007}.get(kind, 0.0012)),
        print=str(pick(rng, PRINTS, [0.45, 0.15, 0.14, 0.06, 0.14, 0.06])),
        color=cloth_color(rng),
        seed=int(rng.integers(2**31)),
    )


def scarf_meshes(plan: ScarfPlan, head: Head, posed: Posed) -> list[Mesh]:
    """The cloth."""
    grid = unit_grid(_ROWS, _COLUMNS)
    rng = np.random.default_rng(plan.seed)
    stiff = {"gaiter": 2.0, "bandana": 2.2, "scarf": 3.0, "collar": 4.0}[plan.kind]
    shift = rng.uniform(0, 6, 2)
    across, down = grid[:, :, 0] * 2 * np.pi, grid[:, :, 1]
    folds = np.sin(down * plan.folds * 2 * np.pi + 2.0 * np.sin(2 * across + shift[0]) + shift[1])
    loose = plan.thickness * np.sqrt(np.clip(down * 8.0, 0.15, 1.0)) + plan.fold_height * (1 + folds)
    held = np.clip(down * 6.0, 0.0, 1.0)
    cloth, _ = wrap(head, posed, _grid(plan, head), stiff, loose.astype(np.float32), held.astype(np.float32))
    texture = printed(rng, plan.print, plan.color)
    shade = (1.0 + 0.25 * np.clip(folds, -1, 1) * min(1.0, plan.fold_height / 0.003)).astype(np.float32)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = np.stack([np.abs((at[:, 0] * 4.0) % 2.0 - 1.0) * (WIDTH - 1), at[:, 1] * (HEIGHT - 1)], axis=1)
        return sample(texture, place.astype(np.float32)) * at[:, 2:3], np.ones(len(at), np.float32)

    attributes = np.concatenate([grid, shade[:, :, None]], axis=2).reshape(-1, 3)
    return [
        Mesh(
            cloth.reshape(-1, 3), grid_triangles(_ROWS, _COLUMNS), attributes, paint, int(Occluder.SCARF), 0.1, 6.0, 0.9
        )
    ]


def _grid(plan: ScarfPlan, head: Head) -> np.ndarray:
    """(_ROWS, _COLUMNS, 2) chart pixels from the upper hem to the neck."""
    lm = head.chart.landmarks
    middle, chin, bridge = lm[30, 0], lm[8, 1], lm[28, 1]
    u = np.linspace(-1, 1, _COLUMNS)
    whole = (TURN / 2 - 26) / TURN * 2  # the chart's seam is at the back
    half = TURN / 2 * (whole if plan.kind != "bandana" else 0.62)
    high = chin + (bridge - chin) * plan.top
    side = {"gaiter": lm[2, 1], "scarf": max(high, lm[3, 1]) + 6, "bandana": lm[2, 1] - 4, "collar": lm[4, 1] + 14}
    level = max(side[plan.kind], high + 2)
    upper = high + (level - high) * np.clip(np.abs(u) / 0.42, 0, 1) ** 1.3
    low = 392.0 if plan.kind != "bandana" else chin + 70
    lower = np.full(_COLUMNS, low) if plan.kind != "bandana" else low - (low - level - 14) * np.abs(u)
    if plan.kind != "bandana":  # the model's neck is shorter at the back
        lower = lower - 30.0 * np.clip((np.abs(u) - 0.38) / 0.15, 0, 1)
    v = np.linspace(0, 1, _ROWS)[:, None]
    return np.stack(
        [np.broadcast_to(middle + u * half, (_ROWS, _COLUMNS)), upper + (np.maximum(lower, upper + 8) - upper) * v],
        axis=2,
    )
