"""What regressors minimise beside the truth: gradients reach what they should, and the truth costs least."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FACE_REGIONS, FaceModel  # noqa: E402
from core.types import COEFFICIENTS, LAYOUT  # noqa: E402
from models.networks.embedder import EmbedderConfig, build_embedder, frozen  # noqa: E402
from models.synthesis.torch_renderer import RenderingLayer  # noqa: E402
from models.training.composite_loss import RenderingLoss, agreement  # noqa: E402
from models.training.losses import CoefficientLoss  # noqa: E402

SIDE = 48
GROUPS = ("identity", "albedo", "light")


@pytest.fixture(scope="module")
def criterion(model: FaceModel) -> CoefficientLoss:
    return CoefficientLoss(model, FACE_REGIONS, light_std=0.3)


@pytest.fixture(scope="module")
def rendering(model: FaceModel) -> RenderingLoss:
    torch.manual_seed(0)
    embedder = frozen(build_embedder(EmbedderConfig(size=32, dimensions=16, width=0.25, narrow=4, hidden=16)))
    return RenderingLoss(RenderingLayer(model, SIDE), embedder, most=2)


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    rng = np.random.default_rng(5)
    out = np.zeros((2, COEFFICIENTS), np.float32)
    out[:, LAYOUT["identity"]] = rng.normal(size=(2, 80))
    out[:, LAYOUT["albedo"]] = 0.3 * rng.normal(size=(2, 80))
    out[:, LAYOUT["light"]] = [0.6, 0.1, 0.2, -0.1, 0.02, 0.03, 0.02, 0.01, -0.02]
    out[:, LAYOUT["pose"]] = [0.1, 0.2, 0.0, 4.0, 0.5, 0.45]
    return torch.from_numpy(out)


@pytest.fixture(scope="module")
def image(rendering: RenderingLoss, truth: torch.Tensor) -> torch.Tensor:
    """The true faces before grey."""
    drawn = rendering.layer(truth)
    return torch.where(drawn.visible.mask[..., None], drawn.color, 0.5).permute(0, 3, 1, 2)


def seen() -> torch.Tensor:
    return torch.ones(2, SIDE, SIDE, dtype=torch.uint8)


def wrong_by(truth: torch.Tensor, name: str) -> torch.Tensor:
    noise = torch.randn(truth.shape, generator=torch.manual_seed(1))
    out = truth.clone()
    out[:, LAYOUT[name]] += {"light": 0.2}.get(name, 1.0) * noise[:, LAYOUT[name]]
    return out


@pytest.mark.parametrize("name", GROUPS)
def test_wrong_faces_cost_more_than_the_true_ones(rendering, truth, image, name: str) -> None:
    right, wrong = (rendering(one, image, seen()) for one in (truth, wrong_by(truth, name)))
    assert right["pixel"] < 1e-3
    assert right["feature"] < 1e-3
    assert wrong["pixel"] > 10.0 * right["pixel"] + 0.01
    assert wrong["feature"] > right["feature"]


def test_gradients_reach_shape_colour_and_light(rendering, truth, image) -> None:
    for term in ("pixel", "feature"):
        predicted = wrong_by(wrong_by(truth, "identity"), "light").requires_grad_()
        rendering(predicted, image, seen())[term].backward()
        for name in GROUPS:
            gradient = predicted.grad[:, LAYOUT[name]]
            assert torch.isfinite(gradient).all()
            assert gradient.abs().sum() > 0, (term, name)


def test_what_hides_the_face_does_not_count(rendering, truth, image) -> None:
    painted, hidden = image.clone(), seen()
    painted[:, :, SIDE // 2 :] = 0.0
    hidden[:, SIDE // 2 :] = 0
    assert rendering(truth, painted, seen())["pixel"] > 0.05
    assert rendering(truth, painted, hidden)["pixel"] < 1e-3


def test_no_more_faces_are_drawn_than_asked_for(model: FaceModel, truth, image) -> None:
    counted = []
    rendering = RenderingLoss(RenderingLayer(model, SIDE), None, most=1)
    rendering.layer.register_forward_hook(lambda layer, inputs, out: counted.append(len(inputs[0])))
    many = (part.repeat(3, *[1] * (part.ndim - 1)) for part in (truth, image, seen()))
    assert set(rendering(*many)) == {"pixel"}
    assert counted == [1]


def test_agreement_is_none_for_equal_answers_alone(criterion, truth) -> None:
    views = truth.repeat_interleave(3, 0)
    assert agreement(criterion, views, truth).item() == 0.0
    for name in ("identity", "expression", "albedo"):
        apart = views.clone()
        apart[1::3, LAYOUT[name]] += 0.5
        assert agreement(criterion, apart, truth) > 0.05
    turned = views.clone()
    turned[:, LAYOUT["pose"]] += 0.5  # each view has its own pose and light, and labels for them
    turned[:, LAYOUT["light"]] += 0.5
    assert agreement(criterion, turned, truth).item() == 0.0


def test_agreement_moves_the_answers_not_what_is_wanted(criterion, truth) -> None:
    wanted, views = truth.clone().requires_grad_(), (truth + 0.1).repeat_interleave(2, 0).requires_grad_()
    agreement(criterion, views, wanted).backward()
    assert wanted.grad is None
    assert (views.grad[:, LAYOUT["identity"]].abs().sum(1) > 0).all()
