"""What the networks minimise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from core.geometry.face_model import FaceModel
from core.types import EXPRESSION, IDENTITY, LANDMARKS, LAYOUT, POSE
from models.networks.detector import STRIDES, DetectorOutput
from models.networks.landmarker import LandmarkerOutput
from models.synthesis.torch_renderer import light_basis, rotation_matrices

from .shape_distance import ShapeDistance

_JAW_WEIGHT, _DENSE_WEIGHT = 0.4, 0.5  # against 1 for the inner 51
_SOFT = 0.004  # crop fractions (half a pixel at 128): quadratic below, linear above


def landmark_weights(count: int) -> Tensor:
    """(count,) weights of 68 + dense points that sum to one: inner points count most, each group as a whole."""
    weights = torch.ones(count)
    weights[:17] = _JAW_WEIGHT
    weights[LANDMARKS:] = _DENSE_WEIGHT * 51.0 / max(count - LANDMARKS, 1)
    return weights / weights.sum()


def landmark_terms(
    out: LandmarkerOutput,
    points: Tensor,
    visibility: Tensor,
    weights: Tensor,
    likelihood: float,
    known: Tensor | None = None,
) -> dict[str, Tensor]:
    """Distance, Gaussian likelihood and visibility of (N, P, 2) points in crop fractions.

    Points whose (N, P) `known` is 0 have no label and no say.

    The distance alone leads while errors are large; `likelihood` in [0, 1] brings in the Gaussian term, which lets
    points that cannot be placed (under hair or a mask) say so instead of pulling the others.
    """
    squared = (out.points - points).square().sum(-1)
    distance = (squared + _SOFT**2).sqrt() - _SOFT
    gaussian = 2.0 * out.log_sigma + 0.5 * squared * torch.exp(-2.0 * out.log_sigma)
    seen = nn.functional.binary_cross_entropy_with_logits(out.visibility_logit, visibility, reduction="none")
    if known is not None:
        weights, seen = weights * known, seen * known
    return {
        "distance": 40.0 * (distance * weights).sum(-1).mean(),
        "likelihood": likelihood * 0.15 * (gaussian * weights).sum(-1).mean(),
        "visibility": 0.2 * seen.mean(),
    }


class CoefficientLoss(nn.Module):
    """Compares coefficients by the geometry, colour, light and pose that they make."""

    mean: Tensor
    identity: Tensor
    expression: Tensor
    albedo: Tensor
    light_basis: Tensor
    slider_weight: Tensor

    def __init__(self, model: FaceModel, face_regions: tuple[str, ...], light_std: float, vertices: int = 600) -> None:
        super().__init__()
        chosen = np.flatnonzero(model.in_regions(*face_regions))
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.choice(chosen, min(vertices, len(chosen)), replace=False))
        mean, identity, expression = _embedded(model, chosen)
        self.shape_distance = ShapeDistance(mean)
        self.register_buffer("mean", torch.from_numpy(mean), persistent=False)  # (P, 3) metres
        self.register_buffer("identity", torch.from_numpy(identity), persistent=False)  # (80, P, 3)
        self.register_buffer("expression", torch.from_numpy(expression), persistent=False)
        albedo = model.albedo_basis[:, chosen].reshape(len(model.albedo_basis), -1)
        self.register_buffer("albedo", torch.from_numpy(albedo.copy()), persistent=False)
        directions = rng.normal(size=(64, 3))
        directions[:, 2] = np.abs(directions[:, 2])  # only what the camera can see
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        self.register_buffer("light_basis", light_basis(torch.from_numpy(unit).float()), persistent=False)
        self.light_std = light_std
        reach = np.linalg.norm(model.expression_basis[:, chosen], axis=2).max(axis=1)
        slider = np.clip(reach / 0.004, 0.15, 1.0).astype(np.float32)
        self.register_buffer("slider_weight", torch.from_numpy(slider), persistent=False)

    def points(self, coefficients: Tensor) -> Tensor:
        """(N, P, 3) metres, model frame: 68 landmarks first, then face vertices."""
        return self.mean + self.moved(coefficients, "identity") + self.moved(coefficients, "expression")

    def moved(self, coefficients: Tensor, name: str) -> Tensor:
        """(N, P, 3) metres by which one group of coefficients moves the points."""
        basis = getattr(self, name)
        return (coefficients[:, LAYOUT[name]] @ basis.flatten(1)).view(-1, *basis.shape[1:])

    def forward(self, predicted: Tensor, truth: Tensor, pose_std: Tensor) -> dict[str, Tensor]:
        """Terms of (N, 239) coefficients, each about one for a network that knows nothing; pose_std is (6,)."""
        wrong = predicted - truth
        sliders = wrong[:, LAYOUT["expression"]].abs() * self.slider_weight
        light = (wrong[:, LAYOUT["light"]] @ self.light_basis.T).abs().mean()
        projected = project_crop(self.points(predicted), predicted[:, LAYOUT["pose"]])
        target = project_crop(self.points(truth), truth[:, LAYOUT["pose"]])
        return {
            "identity": 400.0 * self.shape_distance(self.moved(wrong, "identity")),
            "expression": 400.0 * self.moved(wrong, "expression").norm(dim=-1).mean(),
            "sliders": 8.0 * sliders.mean(),
            "albedo": 8.0 * (wrong[:, LAYOUT["albedo"]] @ self.albedo).abs().mean(),
            "light": light / self.light_std,
            "pose": (wrong[:, LAYOUT["pose"]].abs() / pose_std).mean() * POSE / 4,
            "projection": 30.0 * (projected - target).norm(dim=-1).mean(),
            "unit": 0.05 * (wrong[:, LAYOUT["identity"]].square().mean() + wrong[:, LAYOUT["albedo"]].square().mean()),
        }


def _embedded(model: FaceModel, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and bases of the 68 landmarks and the chosen vertices, float32."""

    def points(field: np.ndarray) -> np.ndarray:
        return np.concatenate([model.landmarks(field), field[chosen]]).astype(np.float32)

    def basis(fields: np.ndarray, count: int) -> np.ndarray:
        return np.stack([points(fields[k]) for k in range(count)])

    return points(model.vertices), basis(model.identity_basis, IDENTITY), basis(model.expression_basis, EXPRESSION)


def project_crop(points: Tensor, pose: Tensor) -> Tensor:
    """(N, P, 2) crop fractions of (N, P, 3) metres under (N, 6) crop poses, by scaled orthography."""
    rotated = points @ rotation_matrices(pose[:, :3])[:, :2].transpose(1, 2)
    return rotated * pose[:, None, 3:4] + pose[:, None, 4:6]


_REACH = {8: (0.0, 80.0), 16: (52.0, 176.0), 32: (120.0, 1e9)}  # face sides that each stride answers for, pixels
_CORE, _EDGE = 0.22, 0.4  # of the face's side: positive inside, ignored up to the edge, negative beyond


def assign(centers: Tensor, strides: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Match (C, 2) cells of (C,) strides with (N, G, 4) boxes; a box of no size is padding.

    Returns (N, C) index of each cell's box, (N, C) bool positive, (N, C) bool ignored.
    """
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = (boxes[..., 2:] - boxes[..., :2]).amax(-1)  # (N, G)
    offset = (centers[None, :, None] - middle[:, None]).abs().amax(-1)  # (N, C, G)
    low, high = (_per_stride(strides, k) for k in (0, 1))
    fits = (side[:, None] >= low[None, :, None]) & (side[:, None] < high[None, :, None])
    real = side[:, None] > 0
    core = offset <= torch.maximum(_CORE * side[:, None], strides[None, :, None] * 0.5)
    positive = core & fits & real
    near = (offset <= _EDGE * side[:, None]) & real
    distance = torch.where(positive, offset / side[:, None].clamp_min(1e-3), torch.inf)
    best, index = distance.min(-1)
    matched = best < torch.inf
    return index, matched, near.any(-1) & ~matched


def _per_stride(strides: Tensor, which: int) -> Tensor:
    out = torch.zeros_like(strides)
    for stride, reach in _REACH.items():
        out = torch.where(strides == stride, torch.full_like(out, reach[which]), out)
    return out


def all_cells(height: int, width: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """(C, 2) centres and (C,) strides of every cell of a picture, in the detector's order."""
    from models.networks.detector import cell_centers

    centers = [
        cell_centers(torch.empty(1, 1, height // stride, width // stride, device=device), stride) for stride in STRIDES
    ]
    strides = [torch.full((len(c),), float(stride), device=device) for c, stride in zip(centers, STRIDES, strict=True)]
    return torch.cat(centers), torch.cat(strides)


def detector_terms(
    out: DetectorOutput, boxes: Tensor, points: Tensor, counted: Tensor, size: tuple[int, int]
) -> dict[str, Tensor]:
    """Quality-focal score, GIoU and points loss for (N, G, 4) boxes, (N, G, 10) points, (N, G) bool counted.

    Boxes that are not counted (mostly hidden or cut off, or too small) neither reward nor punish a score.
    """
    centers, strides = all_cells(*size, out.boxes.device)
    index, positive, ignored = assign(centers, strides, boxes)
    ignored = ignored | (positive & ~counted.gather(1, index))
    positive = positive & ~ignored
    rows, cells = positive.nonzero(as_tuple=True)
    target_box = boxes[rows, index[rows, cells]]
    target_points = points[rows, index[rows, cells]]
    found_box, found_points = out.boxes[rows, cells], out.points[rows, cells]
    giou = generalized_box_iou_loss(found_box, target_box, reduction="none")
    side = (target_box[:, 2:] - target_box[:, :2]).amax(-1, keepdim=True)
    distance = nn.functional.smooth_l1_loss(found_points / side, target_points / side, beta=0.02, reduction="none")
    corners = nn.functional.smooth_l1_loss(found_box / side, target_box / side, beta=0.05, reduction="none")
    quality = torch.zeros_like(out.score_logit)
    quality[rows, cells] = (1.0 - giou.detach()).clamp(0.0, 1.0)
    score = _quality_focal(out.score_logit, quality)
    count = positive.sum().clamp_min(1)
    return {
        "score": 2.0 * torch.where(ignored, 0.0, score).sum() / count,
        "box": (2.0 * giou.sum() + 4.0 * corners.mean(-1).sum()) / count,
        "points": 8.0 * distance.mean(-1).sum() / count,
    }


def _quality_focal(logit: Tensor, quality: Tensor) -> Tensor:
    """Quality focal loss: the score learns the overlap its box will have, hard cells count most."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logit, quality, reduction="none")
    return entropy * (logit.sigmoid() - quality).abs().square()
