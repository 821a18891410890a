"""Moves the 68 landmarks of the mean head to where the 300-W markup has them.

The ICT vertices that carry the names of the 68 points lie a little off the markup that annotators follow: the bridge
stops short of the tip's lower end, the points of the nose's base stand too close, and the inner points of lids and lips
too far out. The places here are those of the markup's published mean shape (the average of its training faces), in
units of the distance of the outer eye corners.
"""

from __future__ import annotations

import numpy as np

from core.geometry.face_model import FaceModel

from .landmarks import Embedding
from .surface import MIRROR, closest_points, triangulate

# Height below the eye line of points on the nose, and half distance from the midline.
NOSE = {27: (0.0, -0.017), 28: (0.0, 0.116), 29: (0.0, 0.248), 30: (0.0, 0.380)}
BASE = {31: (0.165, 0.482), 32: (0.083, 0.505), 33: (0.0, 0.528)}
# Share of the way from a point to a neighbour on the same lid or lip, and the regions that the way lies in.
SLIDES = {
    37: (38, 0.17, "lids_right"),
    41: (40, 0.17, "lids_right"),
    58: (57, 0.25, "lower_lip"),
    61: (62, 0.30, "upper_lip"),
    67: (66, 0.32, "lower_lip"),
}
PARTNER = {31: 35, 32: 34, 37: 44, 38: 43, 41: 46, 40: 47, 58: 56, 61: 63, 67: 65}


def follows_markup(model: FaceModel) -> bool:
    """Whether the model's own landmarks are at the markup's places already."""
    points = model.landmarks(model.vertices)
    unit, level = np.linalg.norm(points[45] - points[36]), points[[36, 45], 1].mean()
    return bool(abs((level - points[30, 1]) / unit - NOSE[30][1]) < 0.01)


def slid(points: np.ndarray) -> np.ndarray:
    """(..., 68, D) points of lids and lips moved along their lid or lip; the others stay."""
    out = points.copy()
    for row, (towards, share, _) in SLIDES.items():
        for a, b in ((row, towards), (PARTNER[row], PARTNER.get(towards, towards))):
            out[..., a, :] = points[..., a, :] + share * (points[..., b, :] - points[..., a, :])
    return out


def markup_embedding(model: FaceModel) -> Embedding:
    """The 68 landmarks at the markup's places, embedded in the model's skin."""
    mean = model.vertices.astype(float)
    points = model.landmarks(mean)
    out = Embedding(model.landmark_triangles.copy(), model.landmark_weights.copy())
    if follows_markup(model):
        return out
    eyes = points[[36, 45]]
    unit, level = np.linalg.norm(eyes[1] - eyes[0]), eyes[:, 1].mean()
    for row, (aside, below) in {**NOSE, **BASE}.items():
        target = np.array([-aside * unit, level - below * unit])
        _place(out, row, _in_front(model, target), model, ("nose", "nostril", "upper_lip"))
    moved = slid(points)
    for row, (_, _, region) in SLIDES.items():
        _place(out, row, moved[row], model, (region,))
    return out


def _place(out: Embedding, row: int, point: np.ndarray, model: FaceModel, regions: tuple[str, ...]) -> None:
    """Embed one point of the right half, and its partner as the mirror image, in triangles of some regions."""
    inside = model.in_regions(*regions)
    triangles = triangulate(model.faces)
    for target, position in ((row, point), (PARTNER.get(row, row), point * MIRROR)):
        mask = inside if target == row else inside[model.mirror]
        usable = triangles[mask[triangles].all(axis=1)]
        owner, weights, _ = closest_points(model.vertices.astype(float), usable, position[None])
        out.triangles[target] = usable[owner[0]]
        out.weights[target] = weights[0]


def _in_front(model: FaceModel, target: np.ndarray) -> np.ndarray:
    """(3,) the front-most place of the skin at (2,) x, y."""
    near = np.linalg.norm(model.vertices[:, :2] - target, axis=1)
    near[~model.in_regions("nose", "upper_lip")] = np.inf
    closest = np.argsort(near)[:6]
    return np.array([*target, model.vertices[closest, 2].max()])
