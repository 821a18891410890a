"""Finds what of clear glasses hides the face behind them."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import alignment
from ..runtime.sessions import Network
from ..runtime.specs import FACE_SIZE, RIM_ROWS
from .landmark import network_input

ROWS = slice(*RIM_ROWS)  # of the face crop: the strip in which glasses lie


class FindRims:
    """Photo and 68 landmarks -> rims, bridge, temples and glare, but no lens that the face shows through."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(S, S) uint8 of the face crop of a (H, W, 3) uint8 photo, 255 times the probability; 0 beyond the strip.

        The network sees the strip and its mirror image.
        """
        matrix = alignment.crop_matrix(points, FACE_SIZE)
        seen = network_input(alignment.extract(photo, matrix, FACE_SIZE, cv2.BORDER_REFLECT_101))[:, :, ROWS]
        both = self._network.run(image=np.concatenate([seen, seen[..., ::-1]]))["rims"][:, 0]
        out = np.zeros((FACE_SIZE, FACE_SIZE), np.uint8)
        out[ROWS] = np.rint(127.5 * (both[0] + both[1][:, ::-1]))
        return out
