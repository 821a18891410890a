"""Places the 68 and the dense landmarks on a detected face."""

from __future__ import annotations

import numpy as np

from ..geometry import alignment
from ..runtime.sessions import Network
from ..runtime.specs import CROP_SIZE
from ..types import LANDMARKS, Crop, FaceBox, Landmarks

ROUNDS = 2  # the first on the detector's crop, the second on the crop of the first round's landmarks


class Landmark:
    """Photo and box -> landmarks in photo pixels."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, photo: np.ndarray, box: FaceBox) -> Landmarks:
        """Landmarks of the face in `box` of a (H, W, 3) uint8 RGB photo."""
        corners = np.array([box.x0, box.y0, box.x1, box.y1])
        matrix = alignment.crop_matrix(box.points, CROP_SIZE, corners)
        landmarks = self._round(photo, matrix)
        for _ in range(ROUNDS - 1):
            matrix = alignment.crop_matrix(landmarks.points, CROP_SIZE)
            landmarks = self._round(photo, matrix)
        return landmarks

    def _round(self, photo: np.ndarray, matrix: np.ndarray) -> Landmarks:
        crop = alignment.extract(photo, matrix, CROP_SIZE)
        out = self._network.run(image=network_input(crop))
        pixels = out["landmarks"][0].astype(np.float64) * CROP_SIZE - 0.5
        points = alignment.apply(alignment.invert(matrix), pixels).astype(np.float32)
        pixel_size = 1.0 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))  # photo pixels per crop pixel
        return Landmarks(
            points=points[:LANDMARKS],
            dense=points[LANDMARKS:],
            visibility=out["visibility"][0].clip(0.0, 1.0),
            sigma=(out["sigma"][0] * CROP_SIZE * pixel_size).astype(np.float32),
        )


def network_input(crop: Crop) -> np.ndarray:
    """(1, 3, size, size) float32 in [0, 1] of a crop."""
    return crop.image.transpose(2, 0, 1)[None].astype(np.float32) / 255.0
