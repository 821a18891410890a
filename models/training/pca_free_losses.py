"""What the PCA-free model minimises: where its geometry lands in the picture, what it cuts out of it, and the truth.

Truth comes as coefficients of the linear model; the network never sees that basis, only the points it makes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry.face_model import FACE_REGIONS, FaceModel
from core.geometry.rasterizer import vertex_normals
from core.geometry.uv_grid import GridField
from core.runtime.specs import GRID_SIZE
from core.types import EXPRESSION, IDENTITY, LANDMARKS, LAYOUT, POSE
from models.networks.pca_free import PcaFreeOutput
from models.synthesis.torch_renderer import rotation_matrices

from .losses import project_crop
from .shape_distance import ShapeDistance

_FACE, _REST = 700, 500  # vertices on the face, and on ears, scalp and neck
_REST_WEIGHT = 0.3  # of a vertex beyond the face
_WHOLE = 0.99  # share of a point that must lie on the grid to count
_FACING = 0.3  # cosine of normal and view from which on the picture shows a vertex
_BLUR = 4  # pixels to one when regions are compared: a point that is off must see where to go
_SLIDER_REACH = 0.004  # metres a slider must move to count in full
_MOST_WRONG = 0.25  # colour difference at which a point stops pulling: a strand of hair, a frame


class PcaFreeLoss(nn.Module):
    """Terms on the landmarks and on some vertices in pairs of mirror images."""

    mean: Tensor
    identity: Tensor
    expression: Tensor
    field: Tensor
    weight: Tensor
    mirror: Tensor
    normal: Tensor
    region: Tensor
    slider_weight: Tensor

    def __init__(self, model: FaceModel) -> None:
        super().__init__()
        grid = GridField(model, GRID_SIZE)
        chosen = _paired(model, grid.charted)
        self.first = LANDMARKS + len(model.dense_weights)  # row of the first vertex, after the landmarks
        face = model.in_regions(*FACE_REGIONS)[chosen]
        size = GRID_SIZE * GRID_SIZE
        rows = _surface(model, grid.matrix.toarray(), chosen).reshape(-1, size)
        weight = np.concatenate([np.ones(self.first), np.where(face, 1.0, _REST_WEIGHT)])
        weight[rows.sum(axis=1) < _WHOLE] = 0.0  # a few dense landmarks touch the lining of the mouth
        tables = {
            "mean": _surface(model, model.vertices, chosen),  # (P, 3) metres: landmarks, dense landmarks, vertices
            "identity": _stacked(model, model.identity_basis[:IDENTITY], chosen),  # (80, P, 3)
            "expression": _stacked(model, model.expression_basis[:EXPRESSION], chosen),
            "field": rows,  # (P, cells)
            "weight": weight / weight.sum(),
            "normal": vertex_normals(model.vertices, model.triangles)[chosen],
            "slider_weight": np.clip(
                np.linalg.norm(model.expression_basis[:, chosen[face]], axis=2).max(axis=1) / _SLIDER_REACH, 0.15, 1.0
            ),
        }
        self.shape_distance = ShapeDistance(tables["mean"])
        for name, array in tables.items():
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)), persistent=False)
        row = {int(vertex): k for k, vertex in enumerate(chosen)}
        partner = np.array([row[int(vertex)] for vertex in model.mirror[chosen]])
        self.register_buffer("mirror", torch.from_numpy(self.first + partner), persistent=False)
        member = np.stack([model.in_regions(name)[chosen] for name in FACE_REGIONS]).astype(np.float32)
        self.register_buffer("region", torch.from_numpy(member), persistent=False)  # (R, vertices)

    def displaced(self, grid: Tensor) -> Tensor:
        """(N, P, 3) metres by which (N, 3, G, G) grids move the points."""
        moved = grid.reshape(-1, GRID_SIZE * GRID_SIZE) @ self.field.T  # one product of two matrices, not N small ones
        return moved.view(len(grid), 3, -1).transpose(1, 2)

    def moved(self, coefficients: Tensor, name: str) -> Tensor:
        """(N, P, 3) metres by which one true group of coefficients moves the points."""
        basis: Tensor = getattr(self, name)
        return (coefficients[:, LAYOUT[name]] @ basis.flatten(1)).view(-1, *basis.shape[1:])

    def sliders(self, expression: Tensor) -> Tensor:
        """(N, P, 3) metres by which (N, 64) sliders move the points."""
        return (expression @ self.expression.flatten(1)).view(-1, *self.expression.shape[1:])

    def forward(self, out: PcaFreeOutput, truth: Tensor, image: Tensor, pose_std: Tensor) -> dict[str, Tensor]:
        """Terms for (N, 239) true coefficients and the (N, 3, S, S) pictures; pose_std is (6,)."""
        neutral, correction = self.displaced(out.neutral), self.displaced(out.correction)
        expression = self.sliders(out.expression) + correction
        true_neutral, true_expression = self.moved(truth, "identity"), self.moved(truth, "expression")
        pose = truth[:, LAYOUT["pose"]]
        found = project_crop(self.mean + neutral + expression, out.pose)
        wanted = project_crop(self.mean + true_neutral + true_expression, pose)
        wrong = (out.expression - truth[:, LAYOUT["expression"]]).abs()
        return {
            "neutral": 400.0 * self.shape_distance(neutral - true_neutral, self.weight),
            "expression": 400.0 * self._distance(expression, true_expression),
            "sliders": 8.0 * (wrong * self.slider_weight).mean(),
            "pose": ((out.pose - pose).abs() / pose_std).mean() * POSE / 4,
            "projection": 30.0 * self._distance(found, wanted),
            "regions": 4.0 * self._regions(image, found, wanted, pose),
            "symmetry": 20.0 * self._asymmetry(neutral),
            "smooth": 8.0 * (_bending(out.neutral) + _bending(out.correction)),
            "correction": 40.0 * (correction.norm(dim=-1) * self.weight).sum(-1).mean(),
        }

    def millimetres(self, wrong: Tensor) -> Tensor:
        """Mean length of (N, P, 3) errors over the vertices of the face."""
        return 1000.0 * wrong[:, self.first :][:, self.region.any(dim=0)].norm(dim=-1).mean()

    def _distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        return ((found - wanted).norm(dim=-1) * self.weight).sum(-1).mean()

    def _asymmetry(self, neutral: Tensor) -> Tensor:
        """Metres by which the two halves differ: people are nearly symmetric, one-sided light is not a dent."""
        mirrored = neutral[:, self.mirror] * neutral.new_tensor([-1.0, 1.0, 1.0])
        return (neutral[:, self.first :] - mirrored).norm(dim=-1).mean()

    def _regions(self, image: Tensor, found: Tensor, wanted: Tensor, pose: Tensor) -> Tensor:
        """How much the picture of each region, as the predicted geometry cuts it out, differs from the true one's.

        Every region counts alike, however few points it has: lips and lids as much as the forehead.
        """
        small = nn.functional.avg_pool2d(image, _BLUR)
        cut, true = (_read(small, points[:, self.first :]) for points in (found, wanted))
        turned = rotation_matrices(pose[:, :3])[:, 2] @ self.normal.T  # (N, vertices), > 0 looks away
        shown = (turned < -_FACING).float()
        wrong = (cut - true).abs().mean(dim=1).clamp_max(_MOST_WRONG) * shown
        total, count = wrong @ self.region.T, shown @ self.region.T
        return (total / count.clamp_min(1.0)).mean()


def _read(image: Tensor, points: Tensor) -> Tensor:
    """(N, 3, P) colours of (N, 3, S, S) pictures at (N, P, 2) crop fractions."""
    place = (2.0 * points - 1.0).unsqueeze(1)
    read = nn.functional.grid_sample(image, place, padding_mode="border", align_corners=False)
    return read.squeeze(2)


def _bending(grid: Tensor) -> Tensor:
    """Mean second difference of (N, 3, G, G) grids along both sides, metres."""
    across = grid[..., 2:] - 2.0 * grid[..., 1:-1] + grid[..., :-2]
    down = grid[..., 2:, :] - 2.0 * grid[..., 1:-1, :] + grid[..., :-2, :]
    return across.abs().mean() + down.abs().mean()


def _paired(model: FaceModel, charted: np.ndarray) -> np.ndarray:
    """Random vertices of the chart with their mirror images; more on the face than elsewhere."""
    rng = np.random.default_rng(0)
    face = model.in_regions(*FACE_REGIONS)[charted]
    groups = ((charted[face], _FACE), (charted[~face], _REST))
    half = np.concatenate([rng.choice(group, min(count // 2, len(group)), replace=False) for group, count in groups])
    return np.unique(np.concatenate([half, model.mirror[half]]))


def _surface(model: FaceModel, field: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(P, C) landmarks, dense landmarks and chosen vertices of a (V, C) field."""
    return np.concatenate([model.landmarks(field), model.dense_landmarks(field), field[chosen]])


def _stacked(model: FaceModel, basis: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.stack([_surface(model, mode, chosen) for mode in basis])
