"""Classes of the label maps. 0-18 are CelebAMask-HQ's; left and right are the subject's."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Label(IntEnum):
    """Part of the picture, as if no occluder were there."""

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    GLASSES = 3
    EYE_LEFT = 4
    EYE_RIGHT = 5
    BROW_LEFT = 6
    BROW_RIGHT = 7
    EAR_LEFT = 8
    EAR_RIGHT = 9
    MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18
    MASK = 19
    HAND = 20
    OBJECT = 21


class Occluder(IntEnum):
    """What stands between camera and head at a pixel; 0 where the picture equals its clean twin."""

    NONE = 0
    TOUCHED = 1  # shadow, glare or faint cover: the surface is still seen
    CLEAR_LENS = 2  # seen through
    FRAME = 3
    DARK_LENS = 4
    MASK = 5
    HAND = 6
    OBJECT = 7
    BORDER = 8  # outside the photo, banners, letterbox


HIDING = (Occluder.FRAME, Occluder.DARK_LENS, Occluder.MASK, Occluder.HAND, Occluder.OBJECT, Occluder.BORDER)
_AS_LABEL = np.zeros(16, np.uint8)
_AS_LABEL[[Occluder.CLEAR_LENS, Occluder.FRAME, Occluder.DARK_LENS]] = Label.GLASSES
_AS_LABEL[Occluder.MASK], _AS_LABEL[Occluder.HAND] = Label.MASK, Label.HAND
_AS_LABEL[Occluder.OBJECT] = Label.OBJECT


def labels_with_occluder(labels: np.ndarray, occluder: np.ndarray) -> np.ndarray:
    """(H, W) uint8 labels of the picture as it is: occluders over the (H, W) bare labels."""
    return np.where(occluder > Occluder.TOUCHED, _AS_LABEL[occluder], labels)
