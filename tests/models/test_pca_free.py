"""The PCA-free model's recipe on made-up pictures: what its terms measure, and that they fall."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from core.geometry.uv_grid import GridField  # noqa: E402
from core.runtime.specs import GRID_SIZE  # noqa: E402
from core.types import LAYOUT  # noqa: E402
from models.networks.pca_free import PcaFreeConfig, PcaFreeOutput  # noqa: E402
from models.training import loop, options  # noqa: E402
from models.training.data import Pictures  # noqa: E402
from models.training.pca_free import PcaFreeRecipe  # noqa: E402
from models.training.pca_free_losses import PcaFreeLoss  # noqa: E402

from .people import make_pictures  # noqa: E402

TINY = PcaFreeConfig(
    size=64, width=0.35, narrow=2, code=16, pose_code=8, channels=(8, 8, 8, 8), correction_channels=(4, 4, 4, 4)
)


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    return make_pictures(model)


@pytest.fixture(scope="module")
def criterion(model: FaceModel) -> PcaFreeLoss:
    return PcaFreeLoss(model)


def recipe_of(pictures: Pictures, model: FaceModel) -> PcaFreeRecipe:
    torch.manual_seed(0)
    return PcaFreeRecipe(pictures, model, TINY)


def truth_of(pictures: Pictures, model: FaceModel) -> torch.Tensor:
    return recipe_of(pictures, model).samples.labels(np.arange(4))


def nearest(criterion: PcaFreeLoss, truth: torch.Tensor) -> PcaFreeOutput:
    """The best answer that a grid can give, by least squares; sliders and pose are true."""
    field, moved = criterion.field.double(), criterion.moved(truth, "identity").double()
    ridge = 1e-4 * torch.eye(field.shape[1], dtype=torch.float64)
    columns = moved.transpose(0, 1).flatten(1)  # (P, N * 3)
    cells = torch.linalg.solve(field.T @ field + ridge, field.T @ columns)
    grid = cells.view(GRID_SIZE, GRID_SIZE, len(truth), 3).permute(2, 3, 0, 1).float().contiguous()
    sliders, pose = truth[:, LAYOUT["expression"]], truth[:, LAYOUT["pose"]]
    return PcaFreeOutput(grid, sliders, torch.zeros_like(grid), pose)


def test_terms_vanish_at_the_truth_alone(criterion: PcaFreeLoss, pictures: Pictures, model: FaceModel) -> None:
    truth, std = truth_of(pictures, model), torch.full((6,), 0.1)
    image = torch.from_numpy(np.stack([pictures.image(k) for k in range(4)])).permute(0, 3, 1, 2).float() / 255.0
    right = nearest(criterion, truth)
    wrong = right._replace(
        neutral=right.neutral.flip(0), expression=right.expression.flip(0), pose=right.pose + torch.full((6,), 0.05)
    )
    at_truth, astray = (criterion(out, truth, image, std) for out in (right, wrong))
    for name in ("neutral", "expression", "sliders", "pose", "projection", "regions"):
        assert float(at_truth[name]) < 0.2 * float(astray[name]), name
    assert float(at_truth["correction"]) == 0.0
    shifted = criterion(right._replace(correction=right.neutral), truth, image, std)
    assert float(shifted["correction"]) > 0.05


def test_asymmetry_counts_what_differs_between_the_halves(criterion: PcaFreeLoss) -> None:
    grid = torch.zeros(2, 3, GRID_SIZE, GRID_SIZE)
    grid[:, 1] = 0.003  # both halves up
    grid[1, 1, :, : GRID_SIZE // 2] = 0.0
    even, odd = (float(criterion._asymmetry(criterion.displaced(part[None]))) for part in grid)
    assert even < 1e-8
    assert odd > 0.0015


def test_points_move_as_the_application_moves_them(criterion: PcaFreeLoss, model: FaceModel) -> None:
    grid = 0.004 * np.random.default_rng(0).normal(size=(3, GRID_SIZE, GRID_SIZE)).astype(np.float32)
    field = GridField(model, GRID_SIZE)
    moved = field.displacement(grid)
    points = criterion.displaced(torch.from_numpy(grid)[None])[0].numpy()
    assert points[: len(model.landmark_weights)] == pytest.approx(model.landmarks(moved), abs=1e-6)
    distance = np.linalg.norm(criterion.mean.numpy()[criterion.first :, None] - model.vertices[None], axis=2)
    assert points[criterion.first :] == pytest.approx(moved[distance.argmin(axis=1)], abs=1e-6)


def test_recipe_learns_and_reports(pictures: Pictures, model: FaceModel, tmp_path) -> None:
    config = options.TrainConfig(steps=14, batch=6, seed=2, rate=4e-3, device="cpu")
    figures = loop.Run(recipe_of(pictures, model), config, tmp_path).train()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    curve = [row["loss"] for row in rows if "loss" in row]
    assert np.mean(curve[-3:]) < 0.95 * np.mean(curve[:3])
    names = ("neutral_mm", "expression_mm", "vertex_mm", "slider_error", "yaw_degrees")
    assert {f"validation_{name}" for name in names} <= set(figures)
    assert figures["validation_neutral_mm_of_mean"] > 1.0
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["network"]["code"] == TINY.code
