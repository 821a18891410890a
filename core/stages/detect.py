"""Finds the faces in a photo."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..runtime.sessions import Network
from ..runtime.specs import STRIDE
from ..types import FaceBox

LONG_SIDE = 640  # pixels of the longer side in the first look
SECOND_LOOKS = (1280, 256)  # when nothing was found: for small faces, then for those that fill the frame
MAX_ENLARGE = 2.0  # a small photo is not blown up further than this
DOUBT = 0.15  # score below the best one's by which a face is not preferred for its size
OVERLAP = 0.4  # intersection over union above which two boxes are one face


class Detect:
    """Photo -> all faces in it, largest first, those far less certain than the best one last."""

    def __init__(self, network: Network, min_score: float = 0.65) -> None:
        self._network = network
        self._min_score = min_score

    def __call__(self, photo: np.ndarray) -> list[FaceBox]:
        """Faces of a (H, W, 3) uint8 RGB photo; may be empty."""
        for scale in _scales(max(photo.shape[:2])):
            faces = self._look(photo, scale)
            if faces:
                sure = max(face.score for face in faces) - DOUBT
                return sorted(faces, key=lambda face: (face.score >= sure, face.size), reverse=True)
        return []

    def _look(self, photo: np.ndarray, scale: float) -> list[FaceBox]:
        image, factors = _prepare(photo, scale)
        out = self._network.run(image=image)
        keep = _suppress(out["boxes"][0], out["scores"][0], self._min_score)
        # pixel centres: photo = (input + 0.5) / factor - 0.5
        corners = (out["boxes"][0][keep].reshape(-1, 2, 2) + 0.5) / factors - 0.5
        points = (out["points"][0][keep].reshape(-1, 5, 2) + 0.5) / factors - 0.5
        return [
            FaceBox(*box.ravel().tolist(), score=float(score), points=five.astype(np.float32))
            for box, score, five in zip(corners, out["scores"][0][keep], points, strict=True)
        ]


def _scales(long_side: int) -> Iterator[float]:
    """Input pixels per photo pixel of each look; a look much like an earlier one is left out."""
    tried = [min(1.0, LONG_SIDE / long_side)]
    yield tried[0]
    for side in SECOND_LOOKS:
        scale = min(side / long_side, MAX_ENLARGE)
        if all(abs(scale / other - 1.0) > 0.25 for other in tried):
            tried.append(scale)
            yield scale


def _prepare(photo: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(1, 3, h, w) float32 network input, padded to the stride, and the (2,) true scale in x and y."""
    height, width = photo.shape[:2]
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    interpolation = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    small = photo if size == (width, height) else cv2.resize(photo, size, interpolation=interpolation)
    padded = np.zeros((-(-size[1] // STRIDE) * STRIDE, -(-size[0] // STRIDE) * STRIDE, 3), np.uint8)
    padded[: size[1], : size[0]] = small
    image = padded.transpose(2, 0, 1)[None].astype(np.float32) / 255.0
    return image, np.array([size[0] / width, size[1] / height])


def _suppress(boxes: np.ndarray, scores: np.ndarray, min_score: float) -> np.ndarray:
    """Indices of the (N, 4) boxes x0 y0 x1 y1 that remain after non-maximum suppression, best first."""
    likely = np.flatnonzero(scores >= min_score)
    if not len(likely):
        return likely
    corner_size = np.concatenate([boxes[likely, :2], boxes[likely, 2:] - boxes[likely, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(
        corner_size.astype(float).tolist(), scores[likely].astype(float).tolist(), min_score, OVERLAP
    )
    return likely[np.asarray(kept, dtype=int).ravel()]
