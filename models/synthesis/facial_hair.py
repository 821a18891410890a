"""Brows, lashes and beard of one person, and the paint beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .beards import Beard, beard_strands, sample_beard
from .brows import Brows, brow_strands, sample_brows
from .chart import Chart
from .head import Head
from .lashes import Lashes, lash_strands, sample_lashes
from .layers import Posed
from .noise import NoisePool
from .skin import Paint
from .skin_kernels import BEARD, BROW
from .strands import Strands


@dataclass(frozen=True, eq=False)
class FacialHair:
    """What grows on a face; None where it is painted on the skin instead, or not there."""

    brows: Brows | None
    lashes: Lashes | None
    beard: Beard | None


def sample_facial_hair(
    rng: np.random.Generator, chart: Chart, noise: NoisePool, paint: Paint, skin: np.ndarray, long_hair: bool,
    ingredients: Mapping[str, bool],
) -> tuple[FacialHair, Paint]:  # fmt: skip
    """Hairs for a painted face, and the paint with soft fills of their shape in place of painted brows and beard.

    `skin` is (3,) the skin's linear albedo. `brows_strands` gives brows and lashes, `hair_strips` the beard.
    """
    brows = lashes = beard = None
    color = natural_color(rng, paint.hair_color)
    inks, colors = paint.inks.copy(), paint.colors.copy()
    if ingredients["brows_strands"]:
        brows = sample_brows(rng, chart, color)
        lashes = sample_lashes(rng, color, long_hair)
        share = 0.12 + 0.6 * brows.density
        fill = skin * (1.0 - share) * 0.9 + brows.albedo.mean(axis=0) * share
        inks[:, :, BROW] = cv2.convertScaleAbs(brows.fill, alpha=255.0 * (0.45 + 0.45 * brows.density))
        colors[BROW] = fill
    if ingredients["hair_strips"]:
        beard = sample_beard(rng, chart, noise, color, long_hair)
        inks[:, :, BEARD] = 0 if beard is None else cv2.convertScaleAbs(beard.fill, alpha=255.0)
        if beard is not None:
            colors[BEARD] = 0.8 * beard.albedo.mean(axis=0)
    return FacialHair(brows, lashes, beard), replace(paint, inks=inks, colors=colors)


def natural_color(rng: np.random.Generator, color: np.ndarray) -> np.ndarray:
    """(3,) linear: the colour of brows and beard; under dyed hair mostly a brown of their own."""
    red, green, blue = color
    dyed = max(green, blue) > 1.08 * red or red > 6.0 * green + 0.02
    if not dyed or rng.random() < 0.1:
        return color
    return np.array([1.0, 0.68, 0.45]) * np.exp(rng.uniform(np.log(0.008), np.log(0.12)))


def facial_strands(plan: FacialHair, head: Head, posed: Posed) -> list[Strands]:
    """Beard, brows, lashes, in the order in which they are drawn."""
    out = []
    if plan.beard is not None and len(plan.beard.places):
        out.append(beard_strands(plan.beard, head, posed))
    if plan.brows is not None:
        out.append(brow_strands(plan.brows, head, posed))
    if plan.lashes is not None:
        lashes = lash_strands(plan.lashes, head, posed)
        out += [lashes] if lashes is not None else []
    return out
