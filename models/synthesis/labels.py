"""Classes of the label maps. 0-18 are CelebAMask-HQ's; left and right are the subject's."""

from __future__ import annotations

from collections.abc import Mapping
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
    GOGGLES = 9  # ski and swimming goggles: their rubber, strap and tinted pane
    SCARF = 10  # scarves, bandanas, collars pulled over the chin
    PERSON = 11  # somebody else's head, back or shoulder
    VISOR = 12  # a clear shield before the face: seen through
    LOOSE_HAIR = 13  # strands blown across the face


class OccluderType(IntEnum):
    """What kind of thing covers a pixel, for the parser's type head."""

    NONE = 0
    CLEAR_GLASSES = 1  # rims and clear lenses
    DARK_GLASSES = 2  # sunglasses and goggles
    MASK = 3
    SCARF = 4
    HAND = 5
    OBJECT = 6  # things, other people, banners


HIDING = (
    Occluder.FRAME, Occluder.DARK_LENS, Occluder.MASK, Occluder.HAND, Occluder.OBJECT, Occluder.BORDER,
    Occluder.GOGGLES, Occluder.SCARF, Occluder.PERSON, Occluder.LOOSE_HAIR,
)  # fmt: skip
SEEN_THROUGH = (Occluder.NONE, Occluder.TOUCHED, Occluder.VISOR)  # keep the label of what is behind
_LABELS = {
    Occluder.CLEAR_LENS: Label.GLASSES, Occluder.FRAME: Label.GLASSES, Occluder.DARK_LENS: Label.GLASSES,
    Occluder.MASK: Label.MASK, Occluder.HAND: Label.HAND, Occluder.OBJECT: Label.OBJECT,
    Occluder.GOGGLES: Label.GLASSES, Occluder.SCARF: Label.CLOTH, Occluder.PERSON: Label.OBJECT,
    Occluder.LOOSE_HAIR: Label.HAIR, Occluder.BORDER: Label.BACKGROUND,
}  # fmt: skip
_TYPES = {
    Occluder.CLEAR_LENS: OccluderType.CLEAR_GLASSES, Occluder.FRAME: OccluderType.CLEAR_GLASSES,
    Occluder.DARK_LENS: OccluderType.DARK_GLASSES, Occluder.GOGGLES: OccluderType.DARK_GLASSES,
    Occluder.MASK: OccluderType.MASK, Occluder.SCARF: OccluderType.SCARF, Occluder.HAND: OccluderType.HAND,
    Occluder.OBJECT: OccluderType.OBJECT, Occluder.PERSON: OccluderType.OBJECT, Occluder.BORDER: OccluderType.OBJECT,
    Occluder.LOOSE_HAIR: OccluderType.OBJECT,
}  # fmt: skip


def _table(values: Mapping[Occluder, int]) -> np.ndarray:
    """(256,) uint8 lookup table of `Occluder` codes; 0 for those left out."""
    table = np.zeros(256, np.uint8)
    table[list(values)] = list(values.values())
    return table


_AS_LABEL, _AS_TYPE = _table(_LABELS), _table(_TYPES)


def labels_with_occluder(labels: np.ndarray, occluder: np.ndarray) -> np.ndarray:
    """(H, W) uint8 labels of the picture as it is: occluders over the (H, W) bare labels."""
    return np.where(np.isin(occluder, SEEN_THROUGH), labels, _AS_LABEL[occluder])


def occluder_type(occluder: np.ndarray) -> np.ndarray:
    """(H, W) uint8 `OccluderType` of one picture's (H, W) uint8 `Occluder` codes; shadows and visors are no cover."""
    types = _AS_TYPE[occluder]
    if (occluder == Occluder.DARK_LENS).any():
        types[occluder == Occluder.FRAME] = OccluderType.DARK_GLASSES
    return types
