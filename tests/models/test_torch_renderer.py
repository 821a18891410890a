"""The rendering layer against the application's rasterizer and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry import camera, lighting  # noqa: E402
from core.geometry.face_model import FaceModel  # noqa: E402
from core.geometry.rasterizer import rasterize as reference  # noqa: E402
from core.types import COEFFICIENTS, LAYOUT  # noqa: E402
from models.synthesis import torch_renderer  # noqa: E402


def coefficients(count: int) -> torch.Tensor:
    rng = np.random.default_rng(5)
    out = np.zeros((count, COEFFICIENTS))
    out[:, LAYOUT["identity"]] = rng.normal(size=(count, 80))
    out[:, LAYOUT["expression"]] = 0.5 * (rng.random((count, 64)) < 0.1)
    out[:, LAYOUT["albedo"]] = 0.3 * rng.normal(size=(count, 80))
    out[:, LAYOUT["light"]] = [0.6, 0.1, 0.2, -0.1, 0.02, 0.03, 0.02, 0.01, -0.02]
    out[:, LAYOUT["pose"]] = np.column_stack(
        [rng.normal(0, [0.2, 0.4, 0.2], (count, 3)), np.tile([4.0, 0.5, 0.4], (count, 1))]
    )
    return torch.from_numpy(out)


def soup(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random triangles of all sizes, off the picture too, at random depths."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-10, 58, (count, 1, 2))
    corners = middle + rng.normal(size=(count, 3, 2)) * np.exp(rng.uniform(-1, 3.5, (count, 1, 1)))
    points = np.concatenate([corners, rng.uniform(1.0, 4.0, (count, 3, 1))], axis=2)
    return points.reshape(-1, 3).astype(np.float32), np.arange(3 * count).reshape(-1, 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_the_reference_on_random_triangles(seed: int) -> None:
    points, triangles = soup(200, seed)
    wanted = reference(points, triangles, 48, 40)
    seen = torch_renderer.rasterize(torch.from_numpy(points)[None], torch.from_numpy(triangles), 40, 48)
    same = seen.triangle[0].numpy() == wanted.triangle_id
    assert same.mean() > 0.995  # triangles that cross in depth may swap where they meet
    hit = same & wanted.mask
    assert np.allclose(seen.depth[0].numpy()[hit], wanted.depth[hit], rtol=1e-4)
    assert np.allclose(seen.barycentric[0].numpy()[hit], wanted.barycentric[hit], atol=2e-3)


def test_pictures_of_a_batch_do_not_mix() -> None:
    points, triangles = soup(50, 3)
    other, _ = soup(50, 4)
    both = torch.from_numpy(np.stack([points, other]))
    index = torch.from_numpy(triangles)
    together = torch_renderer.rasterize(both, index, 40, 48)
    for k in range(2):
        alone = torch_renderer.rasterize(both[k : k + 1], index, 40, 48)
        assert torch.equal(together.triangle[k], alone.triangle[0])


def test_head_agrees_with_the_reference(model: FaceModel) -> None:
    layer = torch_renderer.RenderingLayer(model, 96)
    with torch.no_grad():
        picture = layer(coefficients(2).float())
    for k in range(2):
        wanted = reference(picture.points[k].numpy(), model.triangles, 96, 96)
        assert (picture.visible.triangle[k].numpy() == wanted.triangle_id).mean() > 0.999
        assert 0.2 < wanted.mask.mean() < 0.95


def test_projection_is_the_cameras(model: FaceModel) -> None:
    layer = torch_renderer.RenderingLayer(model, 96)
    batch = coefficients(1)
    pose = batch[0, LAYOUT["pose"]].numpy()
    with torch.no_grad():
        points = layer(batch.float()).points[0].numpy()
    view = camera.camera_from_pose(pose, np.eye(2, 3), 96, (96, 96), layer.focal)
    shape = model.shape(batch[0, LAYOUT["identity"]].numpy(), batch[0, LAYOUT["expression"]].numpy())
    assert np.allclose(points[:, :2], camera.project(view, shape)[:, :2], atol=0.01)


def test_light_and_encoding_are_those_of_core() -> None:
    normals = np.random.default_rng(0).normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    assert np.allclose(torch_renderer.light_basis(torch.from_numpy(normals)), lighting.basis(normals), atol=1e-6)
    values = np.linspace(0.0, 1.0, 101)
    encoded = torch_renderer.linear_to_srgb(torch.from_numpy(values)).numpy()
    assert np.allclose(encoded, lighting.linear_to_srgb(values), atol=1e-5)


@pytest.mark.parametrize(
    "index", [0, 3, LAYOUT["expression"].start + 17, LAYOUT["albedo"].start, 224, 226, 233, 234, 235, 236, 237, 238]
)
def test_gradients_match_finite_differences(model: FaceModel, index: int) -> None:
    layer = torch_renderer.RenderingLayer(model, 40).double()
    base = coefficients(1)
    step = 1e-6
    change = torch.zeros_like(base)
    change[0, index] = step
    with torch.no_grad():
        low, high = layer(base - change), layer(base + change)
    kept = (low.visible.triangle == high.visible.triangle) & low.visible.mask  # the gradient is that of the interior
    assert kept.sum() > 0.98 * low.visible.mask.sum()
    weight = torch.randn(low.color.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = weight * kept.unsqueeze(-1)
    numeric = float(((high.color - low.color) * weight).sum() / (2 * step))
    start = base.clone().requires_grad_()
    (layer(start).color * weight).sum().backward()
    assert abs(numeric) > 1e-3
    assert float(start.grad[0, index]) == pytest.approx(numeric, rel=2e-2, abs=1e-3)


def test_descends_to_the_target_pose(model: FaceModel) -> None:
    """An analysis-by-synthesis step: gradients of a picture difference find the yaw that made the target."""
    layer = torch_renderer.RenderingLayer(model, 48)
    truth = coefficients(1).float()
    with torch.no_grad():
        target = layer(truth).color
    guess = truth.clone()
    guess[0, 234] += 0.12
    offset = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([offset], lr=0.015)
    for _ in range(25):
        moved = torch.cat([guess[:, :234], guess[:, 234:235] + offset, guess[:, 235:]], dim=1)
        loss = (layer(moved).color - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert abs(float(guess[0, 234] + offset.detach()) - float(truth[0, 234])) < 0.04
