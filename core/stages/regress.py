"""Regresses the 239 coefficients from the face crop."""

from __future__ import annotations

import numpy as np

from ..geometry import alignment
from ..geometry.mirroring import CoefficientMirror
from ..runtime.sessions import Network
from ..runtime.specs import CROP_SIZE
from ..types import Crop, FaceParams
from .landmark import network_input


class Regress:
    """Photo and 68 landmarks -> coefficients and the crop they were read from (their pose refers to it)."""

    def __init__(self, network: Network, mirror: CoefficientMirror) -> None:
        self._network, self._mirror = network, mirror

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> tuple[FaceParams, Crop]:
        """Coefficients of the face at (68, 2) `points`, pixels of a (H, W, 3) uint8 RGB photo."""
        matrix = alignment.crop_matrix(points, CROP_SIZE)
        crop = alignment.extract(photo, matrix, CROP_SIZE)
        image = network_input(crop)
        seen, mirrored = self._network.run(image=np.concatenate([image, image[..., ::-1]]))["coefficients"]
        params = FaceParams.from_vector((seen + self._mirror(mirrored)) / 2)  # steadier than either
        return FaceParams(
            identity=params.identity,
            expression=params.expression.clip(0.0, 1.0),
            albedo=params.albedo,
            light=params.light,
            pose=params.pose,
        ), crop
