"""Other people behind the one in the picture: small heads from a stock rendered once, labelled as background."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .camera import place_camera, sample_view
from .chance import pick
from .labels import Label
from .prepared import prepared

if TYPE_CHECKING:
    from .assets import Assets

logger = logging.getLogger(__name__)
STOCK_SEED = 880_001  # people that no set contains
_COUNT, _SIDE = 28, 128  # people in the stock, pixels of each
_MARGIN = 3.3  # picture side over the face's: shoulders belong to it


@lru_cache(maxsize=1)
def stock(assets: Assets) -> tuple[np.ndarray, ...]:
    """(128, 128, 4) float32 cut-outs: linear colour times cover, and cover; rendered once."""
    return tuple(prepared("neighbours", assets.head.model, lambda: {"people": _rendered(assets)})["people"])


def _rendered(assets: Assets) -> np.ndarray:
    """(N, 128, 128, 4) float32, see `stock`."""
    from .renderer import render  # the renderer draws scenes, which hold what this module makes
    from .scene import sample_scene

    people = []
    for index in range(_COUNT):
        scene = sample_scene(assets, STOCK_SEED, index, _SIDE, alone=True)
        view = replace(sample_view(np.random.default_rng([STOCK_SEED, index])), margin=_MARGIN, shift=(0.0, 0.0))
        view = replace(view, roll=view.roll * 0.3, pitch=view.pitch * 0.5, offset=(0.0, 0.0), distance=2.0)
        camera = place_camera(view, assets.head.model, scene.vertices, _SIDE)
        picture = render(replace(scene, camera=camera), assets)
        cover = (picture.labels != Label.BACKGROUND).astype(np.float32)
        cover = cv2.GaussianBlur(cover, (0, 0), 0.6) * cover
        people.append(np.dstack([picture.clean_linear * cover[:, :, None], cover]).astype(np.float32))
    return np.stack(people)


def add_people(rng: np.random.Generator, background: np.ndarray, people: tuple[np.ndarray, ...]) -> np.ndarray:
    """The (S, S, 3) float32 linear background with one to five people before it, smaller or larger, blurred or not."""
    size = background.shape[0]
    image = background
    count = int(rng.integers(1, 6))
    sigma = size / 192.0 * pick(rng, [0.4, rng.uniform(0.6, 1.5), rng.uniform(1.5, 5.0)], [0.3, 0.4, 0.3])
    for scale in np.sort(np.exp(rng.uniform(np.log(0.35), np.log(1.5), count))):  # far ones first
        person = people[int(rng.integers(len(people)))]
        if rng.random() < 0.5:
            person = person[:, ::-1]
        image = _lay(rng, image, np.ascontiguousarray(person), float(scale), float(sigma))
    return image


def _lay(rng: np.random.Generator, image: np.ndarray, person: np.ndarray, scale: float, sigma: float) -> np.ndarray:
    """One person, `scale` picture sides tall, standing on or below the picture's lower edge."""
    size = image.shape[0]
    side = scale * size
    top = size - side + rng.uniform(-0.15, 0.35) * side if scale > 0.6 else rng.uniform(0.15, 0.75) * size
    middle = rng.uniform(-0.1, 0.3) if rng.random() < 0.5 else rng.uniform(0.7, 1.1)  # beside the head, not behind it
    left = middle * size - side / 2
    matrix = np.array([[side / _SIDE, 0.0, left], [0.0, side / _SIDE, top]])
    laid = cv2.warpAffine(person, matrix, (size, size), flags=cv2.INTER_LINEAR)
    below = round(top + side)
    if 0 < below < size:  # their clothes go on to the lower edge
        laid[below - 1 :] = laid[max(below - 3, 0)]
    laid = cv2.GaussianBlur(laid, (0, 0), max(sigma, 0.4))
    level = np.float32(np.exp(rng.normal(-0.1, 0.4)))
    return image * (1.0 - laid[:, :, 3:]) + laid[:, :, :3] * level
