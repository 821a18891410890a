"""Light and pose of a regressor solved anew, on layers and crops small enough to check."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from core.types import LAYOUT  # noqa: E402
from models.networks.regressor import RegressorConfig  # noqa: E402
from models.training import last_layer  # noqa: E402
from models.training.last_layer import solve_rest, solved  # noqa: E402
from models.training.regressor import RegressorRecipe  # noqa: E402

from .people import make_pictures  # noqa: E402

COUNT, SEED = 192, 3
REST = slice(LAYOUT["light"].start, LAYOUT["pose"].stop)


@pytest.fixture(scope="module")
def line() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (3, 5), biases (3,), and (60, 5) features that are far from the origin and not alike in spread."""
    rng = np.random.default_rng(0)
    features = 4.0 + rng.normal(size=(60, 5)) * [0.3, 1.0, 2.0, 0.5, 1.5]
    return rng.normal(size=(3, 5)), rng.normal(size=3), features


def test_a_linear_map_is_recovered(line: tuple[np.ndarray, ...]) -> None:
    weights, bias, features = line
    found = solved(features, features @ weights.T + bias, ridge=0.0)
    assert found[0] == pytest.approx(weights, abs=1e-9)
    assert found[1] == pytest.approx(bias, abs=1e-9)


def test_a_ridge_shrinks_the_slopes_and_keeps_the_mean(line: tuple[np.ndarray, ...]) -> None:
    weights, bias, features = line
    wanted = features @ weights.T + bias
    sizes = []
    for ridge in (0.0, 0.1, 1.0, 10.0):
        slopes, offset = solved(features, wanted, ridge)
        sizes.append(np.linalg.norm(slopes))
        assert (features @ slopes.T + offset).mean(axis=0) == pytest.approx(wanted.mean(axis=0))
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.3 * sizes[0]


@pytest.fixture(scope="module")
def recipe(model: FaceModel) -> RegressorRecipe:
    torch.manual_seed(0)
    made = RegressorRecipe(make_pictures(model), model, RegressorConfig(size=64, width=0.35, narrow=4, hidden=16))
    made.net.eval().requires_grad_(False)
    return made


def squares(recipe: RegressorRecipe) -> np.ndarray:
    """(6,) mean squared errors of the pose on the crops that are solved on."""
    pairs = [(found.numpy(), labels) for found, labels in last_layer._answers(recipe.net, recipe, COUNT, SEED)]
    found, labels = (np.concatenate(column)[:, LAYOUT["pose"]] for column in zip(*pairs, strict=True))
    return ((found - labels) ** 2).mean(axis=0)


def test_light_and_pose_alone_are_solved(recipe: RegressorRecipe) -> None:
    layer, _ = recipe.net.rest_layer
    before, errors = copy.deepcopy(recipe.net.state_dict()), squares(recipe)
    figures = solve_rest(recipe.net, recipe, COUNT, SEED)
    after = recipe.net.state_dict()
    names = {id(value): name for name, value in recipe.net.named_parameters()}
    for name, value in after.items():
        changed = (value != before[name]).reshape(len(value), -1).any(dim=1) if value.ndim else value != before[name]
        if name in (names[id(layer.weight)], names[id(layer.bias)]):
            assert changed[REST].all() and not changed[: REST.start].any()
        else:
            assert not changed.any()
    improved = squares(recipe) / errors
    assert (improved < 1.0).all()  # roll among them
    assert set(figures) == {f"{a}_degrees_{when}" for a in ("pitch", "yaw", "roll") for when in ("before", "after")}
    assert all(0.0 < value < 60.0 for value in figures.values())
