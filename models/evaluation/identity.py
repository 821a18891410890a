"""Who is in a picture, by a judge that is none of ours: MobileFaceNet (Apache-2.0, foamliu/MobileFaceNet).

What it takes was settled on pairs of LFW: RGB with ImageNet's mean and deviation, the usual five points, the mean of
the face and its mirror image; 300 pairs of View 1 are then told apart without an error.
"""

from __future__ import annotations

import numpy as np
import onnxruntime

from core.geometry.alignment import extract

from .data import PEERS
from .metrics import similarity
from .systems import SystemFailure

NETWORK = PEERS / "mobilefacenet.onnx"
_SIZE = 112  # pixels
# Where ArcFace (Deng et al., 2019) puts eyes, nose tip and mouth corners.
_PLACES = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Identity:
    """`photo, points -> (128,) float32` of length 1; two of the same person have a high inner product."""

    def __init__(self) -> None:
        if not NETWORK.exists():
            raise SystemFailure(f"{NETWORK} is not there; restore the peers of the evaluation data.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(NETWORK), options, providers=["CPUExecutionProvider"])

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The person at (68, 2) landmarks in a (H, W, 3) uint8 RGB photo."""
        crop = extract(photo, similarity(five_points(points), _PLACES), _SIZE).image
        pixels = ((crop / 255.0 - _MEAN) / _DEVIATION).astype(np.float32).transpose(2, 0, 1)[None]
        found = self._embedded(pixels) + self._embedded(np.ascontiguousarray(pixels[..., ::-1]))
        return found / np.linalg.norm(found)

    def _embedded(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run(None, {"input0": pixels})[0])[0]


def five_points(points: np.ndarray) -> np.ndarray:
    """(5, 2) eye centres, nose tip and mouth corners of (68, 2) landmarks."""
    eyes = [points[36:42].mean(axis=0), points[42:48].mean(axis=0)]
    return np.array([*eyes, points[30], points[48], points[54]], float)
