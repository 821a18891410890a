"""The people that the detector's scenes are filled with: synthetic pictures and portraits, masked ones apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .data import Pictures
from .portraits import Portraits
from .sources import tinted

MASKED_SHARE = 0.35  # of all people
_TINTED = 0.85  # share of the grey portraits that get a colour cast


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled person to cut out."""

    picture: np.ndarray  # (S, S, 3) uint8
    foreground: np.ndarray  # (S, S) bool: the person and what they hold or wear
    points: np.ndarray  # (68, 2) float32 pixels


@dataclass(frozen=True, eq=False)
class Group:
    """People of one kind; `draw(index, rng)` gives one of them."""

    draw: Callable[[int, np.random.Generator], Person]
    indices: np.ndarray
    share: float


class Crowd:
    """Groups from which people are picked by share."""

    def __init__(self, groups: list[Group]) -> None:
        self._groups = [group for group in groups if len(group.indices) and group.share > 0]
        if not self._groups:
            raise ValueError("A crowd needs at least one group of people; check the folders given by --data.")
        shares = np.array([group.share for group in self._groups])
        self._shares = shares / shares.sum()

    def pick(self, rng: np.random.Generator) -> Person:
        """Somebody."""
        group = self._groups[int(rng.choice(len(self._groups), p=self._shares))]
        return group.draw(int(rng.choice(group.indices)), rng)


def picture_groups(pictures: Pictures, indices: np.ndarray, share: float) -> list[Group]:
    """Synthetic people: all of them, and once more those whose mouth is hidden."""

    def draw(index: int, rng: np.random.Generator) -> Person:
        return Person(pictures.image(index), pictures.foreground(index), pictures.box_points(index))

    masked = mouth_hidden(pictures.visibility[:, :68], indices)
    return [
        Group(draw, indices, share * (1.0 - MASKED_SHARE)),
        Group(draw, masked, share * MASKED_SHARE),
    ]


def portrait_groups(portraits: Portraits, photos: np.ndarray, share: float) -> list[Group]:
    """Portraits as they are or wearing things, and once more those whose mouth is hidden."""
    variants = portraits.images.shape[1]
    every = (photos[:, None] * variants + np.arange(variants)).ravel()

    def draw(index: int, rng: np.random.Generator) -> Person:
        photo, variant = divmod(index, variants)
        grey = portraits.images[photo, variant]
        picture = tinted(grey, rng) if rng.random() < _TINTED else cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
        left = (grey.shape[0] - grey.shape[1]) // 2
        right = grey.shape[0] - grey.shape[1] - left
        picture = cv2.copyMakeBorder(picture, 0, 0, left, right, cv2.BORDER_REPLICATE)
        foreground = np.pad(portraits.person[photo, variant], ((0, 0), (left, right)))
        return Person(picture, foreground, portraits.points[photo] + np.array([left, 0.0], np.float32))

    masked = mouth_hidden(portraits.visibility.reshape(-1, 68), every)
    return [
        Group(draw, every, share * (1.0 - MASKED_SHARE)),
        Group(draw, masked, share * MASKED_SHARE),
    ]


def mouth_hidden(visibility: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Those indices of (N, 68) visibilities whose eyes are seen and whose mouth is not: mostly masks."""
    seen = visibility[indices]
    return indices[(seen[:, 48:68].mean(axis=1) < 0.2) & (seen[:, 36:48].mean(axis=1) > 0.6)]
