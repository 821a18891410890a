"""A shape's own error counts, what a similarity mends hardly does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from models.training.shape_distance import ShapeDistance, similarity_tangents  # noqa: E402


@pytest.fixture(scope="module")
def points(model: FaceModel) -> np.ndarray:
    return model.vertices[::40].astype(np.float64)


def test_tangents_are_orthonormal_and_span_small_similarities(points: np.ndarray) -> None:
    tangents = similarity_tangents(points).reshape(7, -1)
    assert tangents @ tangents.T == pytest.approx(np.eye(7), abs=1e-9)
    turn = Rotation.from_rotvec([0.002, -0.003, 0.001])
    moved = (1.004 * turn.apply(points) + [0.001, 0.002, -0.001] - points).ravel()
    rest = moved - tangents.T @ (tangents @ moved)
    assert np.linalg.norm(rest) < 0.01 * np.linalg.norm(moved)


def test_shape_costs_more_than_size_of_the_same_length(points: np.ndarray, model: FaceModel) -> None:
    distance = ShapeDistance(points)
    shape = model.identity_basis[3][::40].astype(np.float64)
    size = points - points.mean(axis=0)
    fields = [torch.from_numpy(field / np.linalg.norm(field, axis=1).mean()).float()[None] for field in (shape, size)]
    costs = [float(distance(field)) for field in fields]
    assert costs[1] == pytest.approx(0.35, abs=0.01)
    assert costs[0] > 2.0 * costs[1]
    weight = torch.full((len(points),), 1.0 / len(points))
    assert float(distance(fields[0], weight)) == pytest.approx(costs[0], rel=1e-5)
    assert float(distance(2.0 * fields[0])) == pytest.approx(2.0 * costs[0], rel=1e-5)
