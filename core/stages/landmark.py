"""Places the 68 and the dense landmarks on a detected face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..geometry import alignment
from ..runtime.sessions import Network
from ..runtime.specs import CROP_SIZE
from ..types import LANDMARKS, Crop, FaceBox, Landmarks

VIEWS = (1.0, 1.16)  # scales of the last crop; each is also looked at mirrored


class Landmark:
    """Photo and box -> landmarks in photo pixels.

    One look settles the crop. Then several views of it are looked at together; their mean is steadier than any of them.
    """

    def __init__(self, network: Network, mirrored: np.ndarray) -> None:
        """`mirrored` is the (68 + D,) index of `mirrored_landmarks`."""
        self._network = network
        self._mirrored = mirrored

    def __call__(self, photo: np.ndarray, box: FaceBox) -> Landmarks:
        """Landmarks of the face in `box` of a (H, W, 3) uint8 RGB photo."""
        matrix = alignment.crop_matrix(box.points, CROP_SIZE, box.corners)
        return self.again(photo, self._look(photo, [matrix]).points)

    def opinion(self, photo: np.ndarray, boxes: Sequence[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
        """What N boxes hold: (N,) how unsure the landmarks are in each, and (N, 4) the face box that they make there.

        Unsure: their mean standard deviation in sides of the face crop, about 0.015 in a face in plain sight, 0.1 where
        there is none. Boxes are x0, y0, x1, y1 in photo pixels. All are looked at together, once to settle the crop.
        """
        points, _ = self._seen(photo, [alignment.crop_matrix(box.points, CROP_SIZE, box.corners) for box in boxes])
        points, sigma = self._seen(photo, [alignment.crop_matrix(own, CROP_SIZE) for own in points])
        return sigma, np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)

    def _seen(self, photo: np.ndarray, matrices: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(N, 68, 2) landmarks in the photo and (N,) mean sigma of crops given by (2, 3) photo -> crop matrices."""
        crops = [network_input(alignment.extract(photo, matrix, CROP_SIZE)) for matrix in matrices]
        out = self._network.run(image=np.concatenate(crops))
        found = out["landmarks"][:, :LANDMARKS].astype(np.float64) * CROP_SIZE - 0.5
        pairs = zip(matrices, found, strict=True)
        return np.array([alignment.apply(alignment.invert(matrix), own) for matrix, own in pairs]), out["sigma"].mean(1)

    def again(self, photo: np.ndarray, points: np.ndarray) -> Landmarks:
        """Landmarks of the face that is known to be at about (68, 2) `points`."""
        matrix = alignment.crop_matrix(points, CROP_SIZE)
        return self._look(photo, [_scaled(matrix, scale) for scale in VIEWS], mirrored=True)

    def _look(self, photo: np.ndarray, matrices: list[np.ndarray], mirrored: bool = False) -> Landmarks:
        """Mean over views given by (2, 3) photo -> crop matrices, and over their mirror images if asked for."""
        images = np.concatenate([network_input(alignment.extract(photo, matrix, CROP_SIZE)) for matrix in matrices])
        views = [(matrix, slice(None)) for matrix in matrices]
        if mirrored:
            images = np.concatenate([images, images[..., ::-1]])
            views += [(alignment.mirrored(matrix, CROP_SIZE), self._mirrored) for matrix in matrices]
        out = self._network.run(image=images)
        points, visibility, sigma = [], [], []
        for row, (matrix, order) in enumerate(views):
            pixels = out["landmarks"][row].astype(np.float64)[order] * CROP_SIZE - 0.5
            points.append(alignment.apply(alignment.invert(matrix), pixels))
            visibility.append(out["visibility"][row][order])
            pixel_size = 1.0 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))  # photo pixels per crop pixel
            sigma.append(out["sigma"][row][order] * CROP_SIZE * pixel_size)
        mean = np.mean(points, axis=0).astype(np.float32)
        return Landmarks(
            points=mean[:LANDMARKS],
            dense=mean[LANDMARKS:],
            visibility=np.mean(visibility, axis=0).clip(0.0, 1.0).astype(np.float32),
            sigma=np.mean(sigma, axis=0).astype(np.float32),
        )


def _scaled(matrix: np.ndarray, scale: float) -> np.ndarray:
    """The same crop `scale` times as large about its centre."""
    out = matrix * scale
    out[:, 2] += (1.0 - scale) * (CROP_SIZE - 1) / 2
    return out


def network_input(crop: Crop) -> np.ndarray:
    """(1, 3, size, size) float32 in [0, 1] of a crop."""
    return crop.image.transpose(2, 0, 1)[None].astype(np.float32) / 255.0
