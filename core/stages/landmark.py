"""Places the 68 and the dense landmarks on a detected face."""

from __future__ import annotations

import numpy as np

from ..geometry import alignment
from ..runtime.sessions import Network
from ..runtime.specs import CROP_SIZE
from ..types import LANDMARKS, Crop, FaceBox, Landmarks

LOOKS = 2  # single looks, the first at the detector's crop, each further one at the crop of the landmarks before it
VIEWS = (1.0, 1.08, 1.16)  # scales of the last crop; each is also looked at mirrored


class Landmark:
    """Photo and box -> landmarks in photo pixels.

    A few single looks settle the crop. Then several views of it are looked at together; their mean is steadier than any
    of them.
    """

    def __init__(self, network: Network, mirrored: np.ndarray) -> None:
        """`mirrored` is the (68 + D,) index of `mirrored_landmarks`."""
        self._network = network
        self._mirrored = mirrored

    def __call__(self, photo: np.ndarray, box: FaceBox) -> Landmarks:
        """Landmarks of the face in `box` of a (H, W, 3) uint8 RGB photo."""
        corners = np.array([box.x0, box.y0, box.x1, box.y1])
        matrix = alignment.crop_matrix(box.points, CROP_SIZE, corners)
        for _ in range(LOOKS):
            matrix = alignment.crop_matrix(self._look(photo, [matrix]).points, CROP_SIZE)
        return self._settled(photo, matrix)

    def again(self, photo: np.ndarray, points: np.ndarray) -> Landmarks:
        """Landmarks of the face that was found at (68, 2) `points` and is now seen better."""
        return self._settled(photo, alignment.crop_matrix(points, CROP_SIZE))

    def _settled(self, photo: np.ndarray, matrix: np.ndarray) -> Landmarks:
        """The mean over several views about the crop of a (2, 3) matrix."""
        views = [_scaled(matrix, scale) for scale in VIEWS]
        twins = [alignment.mirrored(view, CROP_SIZE) for view in views]
        return self._look(photo, views + twins, mirrored_from=len(views))

    def _look(self, photo: np.ndarray, matrices: list[np.ndarray], mirrored_from: int | None = None) -> Landmarks:
        """Mean over views given by (2, 3) photo -> crop matrices; those from `mirrored_from` on are mirror images."""
        crops = [alignment.extract(photo, matrix, CROP_SIZE) for matrix in matrices]
        out = self._network.run(image=np.concatenate([network_input(crop) for crop in crops]))
        points, visibility, sigma = [], [], []
        for row, matrix in enumerate(matrices):
            mirrored = mirrored_from is not None and row >= mirrored_from
            order = self._mirrored if mirrored else slice(None)
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
