"""How wrong a shape is, told apart from how large it is and where it lies."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_SHAPE, _PLACE = 1.25, 0.35  # weights of what a similarity cannot mend and of what it can


def similarity_tangents(points: np.ndarray) -> np.ndarray:
    """(7, P, 3) orthonormal fields by which shift, turn and scale move (P, 3) points at first order."""
    centred = points - points.mean(axis=0)
    axes = np.eye(3)
    fields = [np.broadcast_to(axis, points.shape) for axis in axes]
    fields += [np.cross(axis, centred) for axis in axes] + [centred]
    basis, _ = np.linalg.qr(np.stack(fields).reshape(len(fields), -1).T)
    return basis.T.reshape(len(fields), *points.shape)


class ShapeDistance(nn.Module):
    """Mean length of displacements, most of it of what stays after the best similarity.

    One photo hardly tells how large a head is, and a pose can stand for a turn of the whole shape: left as they are,
    these two drown the shape's own error, by which heads are judged.
    """

    tangents: Tensor

    def __init__(self, mean: np.ndarray) -> None:
        """`mean` is (P, 3), the points about which shapes differ."""
        super().__init__()
        tangents = similarity_tangents(mean.astype(np.float64)).reshape(7, -1)
        self.register_buffer("tangents", torch.from_numpy(tangents).float(), persistent=False)

    def forward(self, wrong: Tensor, weight: Tensor | None = None) -> Tensor:
        """Of (N, P, 3) displacements, in their unit; (P,) weights sum to one, none stands for equal ones."""
        rest = self.beside_place(wrong)
        lengths = _SHAPE * rest.norm(dim=-1) + _PLACE * (wrong - rest).norm(dim=-1)
        return lengths.mean() if weight is None else (lengths * weight).sum(-1).mean()

    def beside_place(self, wrong: Tensor) -> Tensor:
        """(N, P, 3) displacements without what a similarity mends."""
        flat = wrong.flatten(1)
        return (flat - flat @ self.tangents.T @ self.tangents).view_as(wrong)
