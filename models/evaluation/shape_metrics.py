"""How far a reconstruction is from the truth: shape, normals, sliders, light, albedo, all in the face region."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from core.geometry.face_model import FACE_REGIONS, FaceModel
from core.geometry.lighting import LIGHT_FLIP, irradiance
from core.types import EXPRESSION, IDENTITY, LAYOUT

from .metrics import align, resized, vertex_error

SLIDERS = (
    "jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "mouthPucker",
)  # fmt: skip
LARGEST = 90  # percentile of a face's vertex distances: the "90 % largest error" of de-occlusion of eyeglasses
ERRORS = {  # what is measured: its heading
    "neutral": "neutral shape, rigid, mm",
    "scaled": "neutral shape, similarity, mm",
    "posed": "with expression, rigid, mm",
    "largest": f"with expression, rigid, {LARGEST} % largest error, mm",
    "normals": "normals, with expression, degrees",
    "sliders": "mean of the seven sliders",
    "light": "irradiance, % of the true mean",
    "albedo": "albedo, % of full white",
}


SIZELESS = "true shape at the mean head's size"  # a row of the tables of the shape at rest
ABOUT_SIZELESS = (
    "One photo does not tell how large a head is: the row of the true shape at the mean head's size is what a perfect "
    "shape would still be wrong by. "
)


def sizeless_error(true: np.ndarray, mean: np.ndarray) -> float:
    """Millimetres that (F, 3) `true` at the size of the (F, 3) `mean` face is from itself, rigidly aligned."""
    return vertex_error(resized(true, mean), true)


class FaceJudge:
    """Compares coefficients in the face region of one model."""

    def __init__(self, model: FaceModel) -> None:
        self.model = model
        self.face = np.flatnonzero(model.in_regions(*FACE_REGIONS))
        place = np.full(len(model.vertices), -1)
        place[self.face] = np.arange(len(self.face))
        inside = place[model.triangles]
        self.triangles = inside[(inside >= 0).all(axis=1)]
        owners, count = self.triangles.ravel(), len(self.triangles)
        ones = (np.ones(3 * count), (owners, np.repeat(np.arange(count), 3)))
        self._around = csr_matrix(ones, shape=(len(self.face), count))  # sums over the triangles of each vertex
        self.rounded = np.unique(owners)  # vertices with a triangle, and so with a normal
        self._identity = model.identity_basis[:, self.face].reshape(IDENTITY, -1)
        self._expression = model.expression_basis[:, self.face].reshape(EXPRESSION, -1)
        self._sliders = [model.expression_names.index(name) for name in SLIDERS]

    def neutral(self, coefficients: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """(F, 3) metres: the face at rest of (239,) coefficients, or of (2, F, 3) `own` as in `Answers.free`."""
        if own is not None:
            return own[0].astype(np.float64)
        flat = self.model.vertices[self.face].reshape(-1) + coefficients[LAYOUT["identity"]] @ self._identity
        return flat.reshape(-1, 3).astype(np.float64)

    def posed(self, coefficients: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """(F, 3) metres: the face with its expression; `own` as in `neutral`."""
        base = self.neutral(coefficients) if own is None else own[1].astype(np.float64)
        return base + (coefficients[LAYOUT["expression"]] @ self._expression).reshape(-1, 3)

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """(R, 3) unit normals at the `rounded` ones of (F, 3) face vertices, by area."""
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        out = (self._around @ np.cross(b - a, c - a))[self.rounded]
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def sliders(self, coefficients: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(7,) absolute errors of `SLIDERS`."""
        wrong = coefficients[LAYOUT["expression"]] - truth[LAYOUT["expression"]]
        return np.abs(wrong[self._sliders])

    def errors(
        self,
        coefficients: np.ndarray,
        truth: np.ndarray,
        turn: np.ndarray,
        rotation: np.ndarray,
        own: np.ndarray | None = None,
    ) -> np.ndarray:
        """(8,) in the order of `ERRORS`; NaN coefficients give NaN.

        `rotation` is the (3, 3) true model -> camera rotation; `turn` leads from that camera's frame, in which the
        light of (239,) `truth` is given, to the frame in which that of `coefficients` is. `own` is the geometry where
        the coefficients are not; see `neutral`.
        """
        if np.isnan(coefficients).any():
            return np.full(len(ERRORS), np.nan)
        rest, true_rest = self.neutral(coefficients, own), self.neutral(truth)
        posed, true_posed = self.posed(coefficients, own), self.posed(truth)
        moved = align(posed, true_posed)
        far = distances(moved, true_posed)
        true_normals = self.normals(true_posed)
        seen = true_normals @ rotation.T
        seen = seen[seen[:, 2] < 0.0]  # the camera looks along +z
        return np.array(
            [
                distances(align(rest, true_rest), true_rest).mean(),
                distances(align(rest, true_rest, with_scale=True), true_rest).mean(),
                far.mean(),
                np.percentile(far, LARGEST),
                angles(self.normals(moved), true_normals).mean(),
                self.sliders(coefficients, truth).mean(),
                light_error(coefficients[LAYOUT["light"]], truth[LAYOUT["light"]], seen, turn),
                self.albedo_error(coefficients[LAYOUT["albedo"]], truth[LAYOUT["albedo"]]),
            ]
        )

    def albedo_error(self, coefficients: np.ndarray, truth: np.ndarray) -> float:
        """Mean absolute difference of linear RGB that (80,) coefficients make, per cent of full white."""
        mean, basis = self.model.albedo_mean[self.face], self.model.albedo_basis[:, self.face]
        first, second = (np.clip(mean + np.tensordot(one, basis, axes=1), 0.0, 1.0) for one in (coefficients, truth))
        return float(np.abs(first - second).mean() * 100.0)


def distances(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N,) millimetres between (N, 3) points in metres."""
    return np.linalg.norm(points - target, axis=1) * 1000.0


def angles(normals: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N,) degrees between (N, 3) unit normals."""
    return np.degrees(np.arccos(np.clip((normals * target).sum(axis=1), -1.0, 1.0)))


def light_error(light: np.ndarray, truth: np.ndarray, normals: np.ndarray, turn: np.ndarray) -> float:
    """Mean absolute difference of the irradiance on (N, 3) normals, per cent of the true mean.

    `normals` and the (9,) `truth` are in one camera's frame, the (9,) `light` in another's, to which `turn` leads.
    """
    true = irradiance(normals * LIGHT_FLIP, truth)
    found = irradiance((normals @ turn.T) * LIGHT_FLIP, light)
    return float(np.abs(found - true).mean() / max(float(true.mean()), 1e-6) * 100.0)
