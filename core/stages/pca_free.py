"""Reads a head's geometry off the face crop without the linear basis; sliders and later stages go on as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ..geometry import alignment
from ..geometry.face_model import FaceModel
from ..geometry.fitting import FitSettings
from ..geometry.mirroring import CoefficientMirror
from ..geometry.mouth import Mouth
from ..geometry.uv_grid import GridField, mirrored_grid
from ..runtime.sessions import Network
from ..runtime.specs import CROP_SIZE, GRID_SIZE
from ..types import COEFFICIENTS, IDENTITY, LAYOUT, Camera, Crop, FaceParams, Landmarks
from .fit import Fit
from .landmark import network_input

_HELD = FitSettings(identity_sigma=1e-3)  # the network's own geometry stays; pose and sliders move
_NOISE = 0.001  # metres a vertex may be off the linear model before an identity coefficient is drawn towards it


@dataclass(frozen=True, eq=False)
class PersonalShape:
    """One person's geometry as a face model of their own, whose mean is what the network saw."""

    model: FaceModel  # its `vertices` are the neutral head with what the expression has beside the sliders
    neutral: np.ndarray  # (V, 3) float32, metres, model frame
    identity: np.ndarray  # (80,) float32: the linear model's nearest head, where the identity sliders start
    expression: np.ndarray  # (64,) float32 in [0, 1]
    pose: np.ndarray  # (6,) float32, as in the coefficients

    def shape(self, expression: np.ndarray | None = None) -> np.ndarray:
        """(V, 3) float32 vertices, metres, at rest or with (64,) sliders, whose offsets are the common model's."""
        return self.neutral if expression is None else self.model.shape(np.zeros(IDENTITY, np.float32), expression)

    def fit(
        self,
        landmarks: Landmarks,
        params: FaceParams,
        crop: Crop,
        photo_shape: tuple[int, int],
        focal: float | None = None,
        mouth: Mouth | None = None,
    ) -> tuple[FaceParams, Camera]:
        """As the stage `Fit`, with this geometry held; of the regressed `params` colour and light remain."""
        start = replace(params, identity=np.zeros_like(self.identity), expression=self.expression, pose=self.pose)
        fitted, camera = Fit(self.model, _HELD)(landmarks, start, crop, photo_shape, focal, mouth)
        return replace(fitted, identity=self.identity), camera


class PcaFree:
    """(photo, 68 landmarks) -> the geometry of the face there."""

    def __init__(self, network: Network, model: FaceModel) -> None:
        self._network, self._model = network, model
        self._field = GridField(model, GRID_SIZE)
        self._mirror = CoefficientMirror.of(model)
        self._nearest = _NearestIdentity(model, self._field.charted)

    def __call__(self, photo: np.ndarray, points: np.ndarray) -> PersonalShape:
        """Geometry of the face at (68, 2) `points`, pixels of a (H, W, 3) uint8 RGB photo."""
        crop = alignment.extract(photo, alignment.crop_matrix(points, CROP_SIZE), CROP_SIZE)
        image = network_input(crop)
        out = self._network.run(image=np.concatenate([image, image[..., ::-1]]))
        params = self._params(out["expression"], out["pose"])
        neutral = self._field.neutral(self._field.displacement(_both(out["neutral_uv"])))
        posed = neutral + self._field.displacement(_both(out["correction_uv"]))
        return PersonalShape(
            model=replace(self._model, vertices=posed),
            neutral=neutral,
            identity=self._nearest(neutral),
            expression=params.expression.clip(0.0, 1.0),
            pose=params.pose,
        )

    def _params(self, expression: np.ndarray, pose: np.ndarray) -> FaceParams:
        """Mean of (2, 64) sliders and (2, 6) poses of a crop and of its mirror image."""
        vectors = np.zeros((2, COEFFICIENTS), np.float32)
        vectors[:, LAYOUT["expression"]], vectors[:, LAYOUT["pose"]] = expression, pose
        return FaceParams.from_vector((vectors[0] + self._mirror(vectors[1])) / 2)


def _both(grids: np.ndarray) -> np.ndarray:
    """(3, G, G) mean of the grids of a crop and of its mirror image."""
    return (grids[0] + mirrored_grid(grids[1])) / 2


class _NearestIdentity:
    """(V, 3) head at rest -> (80,) identity of the linear model's head nearest to it, by ridge regression."""

    def __init__(self, model: FaceModel, chosen: np.ndarray) -> None:
        self._chosen, self._mean = chosen, model.vertices[chosen]
        self._basis = model.identity_basis[:, chosen].reshape(IDENTITY, -1).astype(np.float64)
        self._factor = cho_factor(self._basis @ self._basis.T + _NOISE**2 * np.eye(IDENTITY))

    def __call__(self, neutral: np.ndarray) -> np.ndarray:
        offset = (neutral[self._chosen] - self._mean).ravel()
        return cho_solve(self._factor, self._basis @ offset).astype(np.float32)
