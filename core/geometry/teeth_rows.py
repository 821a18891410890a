"""Where the upper teeth end in a smile: people's hang up to some millimetres lower than the linear model's."""

from __future__ import annotations

import numpy as np

from ..types import Camera
from .camera import project
from .delighting import smoothstep
from .face_model import FaceModel
from .mouth import Mouth

_RIMS = [62, 66]  # landmarks in the middle of the lips' inner rims, upper and lower
_FRONT = 0.008  # metres from the middle, in which incisors are
_EDGE = 4  # vertices of a row's biting edge
_MOST, USUAL = 0.003, 0.0023  # metres by which they are lowered at most, and where no photo tells
_SHUT = 0.0015  # metres from rim to rim of a head's own mouth, below which it is shut
_CLOSED = 0.2  # opening of a mouth, below which it is shut: the parser sees a mouth between lips that touch, too
_GUM = (-0.002, 0.003)  # metres above the biting edge: gum of the lower row, of the upper one
_FOLLOWS = 0.3  # of the way, that the gum goes: long crowns show in smiles, gums seldom do


class TeethRows:
    """The upper row of a head's teeth, and how far it is to hang down."""

    def __init__(self, model: FaceModel) -> None:
        self._triangles, self._weights = model.landmark_triangles[_RIMS], model.landmark_weights[_RIMS]
        self._upper, self._lower = _edge(model, "teeth_upper", -1.0), _edge(model, "teeth_lower", 1.0)
        above = model.vertices[:, 1] - model.vertices[self._upper, 1].mean()
        gum = _FOLLOWS * (model.vertex_part == model.part("gums")) * smoothstep(above, *_GUM)
        self._moved = np.maximum(gum, model.vertex_part == model.part("teeth_upper")).astype(np.float32)

    def lowering(self, mouth: Mouth | None, vertices: np.ndarray, camera: Camera) -> float | None:
        """Metres by which the upper row of posed (V, 3) `vertices` hangs lower; None where the mouth is shut or hidden.

        Landmarks do not tell it, and a dark gap above the lower lip of everybody who smiles is seen at once.
        """
        if mouth is None or mouth.opening < _CLOSED:
            return None
        rims = np.einsum("nk,nkd->nd", self._weights, vertices[self._triangles])
        edges = np.stack([vertices[rows].mean(axis=0) for rows in (self._upper, self._lower)])
        height = float(np.linalg.norm(rims[1] - rims[0]))
        if height < _SHUT:
            return None
        points = project(camera, np.concatenate([rims, edges]))[:, :2]
        down = points[1] - points[0]
        upper, lower = (points[2:] - points[0]) @ down / max(float(down @ down), 1e-6)
        if lower <= upper:  # the lower row closes the gap
            return 0.0
        most = _MOST if mouth.teeth > 0.0 else USUAL  # unseen, they end above the gap
        return float(np.clip((mouth.teeth - upper) * height, 0.0, most))

    def lowered(self, vertices: np.ndarray, metres: float) -> np.ndarray:
        """(V, 3) vertices with the upper row so many metres lower; its gum follows a little."""
        return vertices - metres * self._moved[:, None] * np.array([0.0, 1.0, 0.0], np.float32)


def _edge(model: FaceModel, part: str, biting: float) -> np.ndarray:
    """(`_EDGE`,) rows of a jaw's front teeth farthest towards the bite, whose sign along y is `biting`."""
    rows = np.flatnonzero((model.vertex_part == model.part(part)) & (np.abs(model.vertices[:, 0]) < _FRONT))
    return rows[np.argsort(-biting * model.vertices[rows, 1])[:_EDGE]]
