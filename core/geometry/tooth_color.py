"""The colour of teeth as a photo shows them, between lips that shade them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from .delighting import LUMINANCE, SkinReading, smoothstep
from .face_model import FaceModel
from .head_view import HeadView
from .uv_sampling import TexelMap

_LEAST_TEETH = 0.01  # of both rows, that show
_LEAST_OWN = 0.15  # of the pixels, that are teeth and not lips or tongue
_REDDEST = 1.45  # red over green, linear, above which a pixel is lip, gum or tongue
_LIT = (0.5, 0.95)  # shares of the pixels, by brightness, that are teeth: not the dark behind them, not glints
_SHADE = 0.75  # of the light on skin, that reaches teeth between the lips
WHITEST = 0.85  # linear, of any tooth
_LEVELS, _TINTS = (0.55, 1.25), (0.85, 1.2)  # over the usual: the brightness, each channel beside that


def tooth_tint(model: FaceModel, texels: TexelMap) -> np.ndarray:
    """(M, 3) factor on the teeth's albedo: warm and dark at the gums, a little cool at the biting edge."""
    gums = model.vertices[model.vertex_part == model.part("gums")]
    if len(gums) == 0 or len(texels.index) == 0:
        return np.ones((len(texels.index), 3), np.float32)
    reach = cKDTree(gums).query(model.vertices)[0].astype(np.float32)
    height = smoothstep(texels.interpolate(reach), 0.0, 0.007)[:, None]
    neck, edge = np.array([0.80, 0.68, 0.50], np.float32), np.array([0.98, 1.0, 1.04], np.float32)
    return neck + height * (edge - neck)


def read_teeth(
    texels: Sequence[TexelMap], usual: Sequence[np.ndarray], view: HeadView, reading: SkinReading, plain: np.ndarray
) -> np.ndarray | None:
    """(3,) factor on the `usual` colours that makes teeth as bright as the photo's; None when too few are seen.

    `texels` are those of either row, `usual` their (M, 3) linear colours. The light is read on `plain` (V,) skin.
    """
    level = max(float(np.median(reading.shading[plain] @ LUMINANCE)), 1e-3)
    places = [row.weights @ view.points for row in texels]
    shown = [view.shown(points) for points in places]
    seen = [view.colors(points[known, :2]) for points, known in zip(places, shown, strict=True)]
    own = [colors[known] for colors, known in zip(usual, shown, strict=True)]
    pixels = np.concatenate(seen)
    if len(pixels) < _LEAST_TEETH * sum(len(points) for points in places):
        return None
    return tooth_factor(pixels / level, np.concatenate(own).mean(axis=0))


def tooth_factor(pixels: np.ndarray, usual: np.ndarray) -> np.ndarray | None:
    """(3,) factor from a `usual` (3,) linear colour to that of teeth among (N, 3) de-lit pixels about them, if any."""
    own = pixels[(pixels[:, 0] < _REDDEST * pixels[:, 1]) & (pixels[:, 1] > 0.0)]
    if len(own) < max(_LEAST_OWN * len(pixels), 1):
        return None
    brightness = own @ LUMINANCE
    low, high = np.quantile(brightness, _LIT)
    factor = np.median(own[(brightness >= low) & (brightness <= high)], axis=0) / (_SHADE * usual)
    level = float(factor @ LUMINANCE)
    return (np.clip(level, *_LEVELS) * np.clip(factor / max(level, 1e-4), *_TINTS)).astype(np.float32)
