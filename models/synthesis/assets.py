"""Everything a worker loads once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry.face_model import FaceModel
from models.face_model.sources import DATA

from .expressions import ExpressionSampler
from .facemasks import load_templates
from .hand_rig import HandModel, load_hand
from .head import Head
from .noise import NoisePool
from .strips import BoundHair, load_styles
from .studio_lights import studio_lights
from .textures import read_texture

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Assets:
    """Face model and source textures, ready to draw."""

    head: Head
    expressions: ExpressionSampler
    noise: NoisePool
    light_maps: tuple[np.ndarray, ...]  # (32, 64, 3) float32 radiance each
    view_maps: tuple[np.ndarray, ...]  # (256, 512, 3) float32 radiance each
    hair: dict[str, BoundHair]
    mask_templates: dict[str, np.ndarray]
    hand: HandModel | None

    @staticmethod
    def load(model: FaceModel, data: Path = DATA) -> Assets:
        """Load from the source data; without it procedural stand-ins take over (hair caps, gradient skies)."""
        head = Head.of(model)
        views = _environment_maps(data / "hdri")
        return Assets(
            head=head,
            expressions=ExpressionSampler(model.expression_names),
            noise=NoisePool.make(),
            light_maps=tuple(cv2.resize(view, (64, 32), interpolation=cv2.INTER_AREA) for view in views),
            view_maps=views,
            hair=load_styles(head, data),
            mask_templates=load_templates(data / "occluders" / "mask_templates"),
            hand=load_hand(data / "occluders" / "hands" / "left.glb"),
        )


def _environment_maps(folder: Path) -> tuple[np.ndarray, ...]:
    maps = []
    for path in sorted(folder.glob("*.hdr")):
        maps.append(read_texture(path).astype(np.float32))
    if maps:
        return (*maps, *studio_lights())
    logger.warning("No environment maps in %s: using plain skies.", folder)
    return tuple(_plain_sky(seed) for seed in range(6))


def _plain_sky(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.gamma(0.6, 1.0, (6, 9, 3)).astype(np.float32).mean(axis=2, keepdims=True) * rng.uniform(0.7, 1.3, 3)
    coarse[:3] *= 2.0
    return cv2.resize(np.ascontiguousarray(coarse, np.float32), (512, 256), interpolation=cv2.INTER_LINEAR)
