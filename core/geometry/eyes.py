"""Where the eyes are and where they look, found on the head at rest: the optic axis points 5 degrees outwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .face_model import FaceModel

IRIS_RADIUS, PUPIL_RADIUS = 0.00585, 0.00185  # metres: people differ little


@dataclass(frozen=True, eq=False)
class Eye:
    """Where an eyeball is and where it looks, in the model frame, of the head at rest."""

    center: np.ndarray  # (3,) metres
    axis: np.ndarray  # (3,) unit vector, the optic axis
    radius: float  # metres

    @property
    def frame(self) -> np.ndarray:
        """(3, 3) unit vectors in columns, model frame: to the right (of the picture), up and along the optic axis."""
        right = np.cross([0.0, 1.0, 0.0], self.axis)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(self.axis, right), self.axis], axis=1)

    def local(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) points, model frame, as metres along the axes of `frame` from the eye's centre."""
        return (points - self.center) @ self.frame

    @property
    def iris_angle(self) -> float:
        """Angle of the iris' rim from the axis, radians."""
        return float(np.arcsin(min(IRIS_RADIUS / self.radius, 0.9)))

    @property
    def pupil_angle(self) -> float:
        """Angle of the pupil's rim from the axis, radians."""
        return float(np.arctan(PUPIL_RADIUS / (self.radius * np.cos(self.iris_angle))))


def find_eye(eyeball: np.ndarray, cornea: np.ndarray) -> Eye:
    """The eye of (N, 3) eyeball and (M, 3) cornea vertices (which may be none: the eye then looks along +Z)."""
    middle = (eyeball.min(axis=0) + eyeball.max(axis=0)) / 2
    front = cornea.mean(axis=0) - middle if len(cornea) else np.array([0.0, 0.0, 1.0])
    depth = (eyeball - middle) @ front
    white = eyeball[depth < np.median(depth)].astype(float)  # the front is no sphere: the iris is sunken
    fit, *_ = np.linalg.lstsq(np.c_[2 * white, np.ones(len(white))], (white**2).sum(axis=1), rcond=None)
    center = fit[:3]
    axis = cornea.mean(axis=0) - center if len(cornea) else front
    return Eye(center, axis / np.linalg.norm(axis), float(np.sqrt(fit[3] + center @ center)))


def eye_of(model: FaceModel, vertices: np.ndarray, side: str) -> Eye:
    """The eye on `side` ("left" or "right") of (V, 3) `vertices` in the model frame."""
    ball, cornea = (vertices[model.vertex_part == model.part(f"{part}_{side}")] for part in ("eyeball", "cornea"))
    return find_eye(ball, cornea)
