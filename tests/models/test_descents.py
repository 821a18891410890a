"""Second looks: descriptors move with the picture, and closed-form looks find points that the first answer missed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from models.networks.landmarker import Landmarker, LandmarkerConfig, build_landmarker  # noqa: E402
from models.networks.refinement import Descent, Gradients  # noqa: E402
from models.training import descents  # noqa: E402
from models.training.descents import Crops  # noqa: E402

POINTS, SIZE = 74, 64
CONFIG = LandmarkerConfig(POINTS, size=SIZE, width=0.35, narrow=4, hidden=16, reaches=(0.06, 0.05), rank=48)


def made_up(count: int, seed: int) -> Crops:
    """One pattern of dots, moved as a whole by up to six pixels, on noise; half the dense points are not known."""
    rng = np.random.default_rng(seed)
    pattern = np.random.default_rng(0).uniform(0.2, 0.8, (POINTS, 2))
    points = pattern + rng.uniform(-0.09, 0.09, (count, 1, 2))
    images = rng.integers(150, 180, (count, SIZE, SIZE, 3)).astype(np.uint8)
    for image, places in zip(images, points, strict=True):
        for place in places[:68]:
            center = np.rint((place * SIZE - 0.5) * 16).astype(int)
            cv2.circle(image, center.tolist(), 40, (20, 20, 20), -1, cv2.LINE_AA, 4)
    known = np.ones((count, POINTS), np.float32)
    known[::2, 68:] = 0.0
    return Crops(torch.from_numpy(images), torch.from_numpy(points).float(), torch.from_numpy(known))


def error(points: torch.Tensor, crops: Crops) -> float:
    return float((points - crops.points).norm(dim=-1).mean())


@pytest.fixture(scope="module")
def net() -> Landmarker:
    torch.manual_seed(0)
    return build_landmarker(CONFIG).eval()


def test_gradients_point_where_it_gets_brighter() -> None:
    ramp = torch.linspace(0.0, 1.0, SIZE).expand(1, 3, SIZE, SIZE)  # brighter to the right
    strength = Gradients()(ramp)[0, :, 8:-8, 8:-8].mean((1, 2))
    assert int(strength.argmax()) == 0 and float(strength[4]) == 0.0
    down = Gradients()(ramp.transpose(2, 3))[0, :, 8:-8, 8:-8].mean((1, 2))
    assert int(down.argmax()) == 2 and float(down[6]) == 0.0


def test_descriptors_follow_the_points_and_not_the_contrast() -> None:
    crops = made_up(1, 1)
    inside = ((crops.points[0] > 0.15) & (crops.points[0] < 0.7)).all(-1)
    descent = Descent(POINTS, inside.nonzero()[:, 0], 0.06, 4)
    image = crops.images.permute(0, 3, 1, 2).float() / 255.0
    moved = torch.roll(image, (4, 8), (2, 3))
    shift = torch.tensor([8.0, 4.0]) / SIZE
    here = descent.describe(Gradients()(image), crops.points)
    assert torch.allclose(descent.describe(Gradients()(moved), crops.points + shift), here, atol=1e-3)
    assert (descent.describe(Gradients()(0.5 * image), crops.points) - here).abs().mean() < 0.3 * here.mean()
    assert (descent.describe(Gradients()(moved), crops.points) - here).abs().mean() > 0.5 * here.mean()


def test_looks_not_yet_fitted_leave_the_points(net: Landmarker) -> None:
    bare = build_landmarker(dataclasses.replace(CONFIG, reaches=())).eval()
    bare.load_state_dict(net.state_dict(), strict=False)
    image = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.allclose(bare(image).points, net(image).points)


def test_looks_come_nearer_on_crops_not_seen_before(net: Landmarker) -> None:
    crops, held_out = made_up(3000, 2), made_up(200, 3)
    start = crops.points.mean(0).expand(len(crops.points), -1, -1)
    blind = error(held_out.points.mean(0).expand(200, -1, -1), held_out)
    points = start
    for descent in net.descents:
        points = descents.solve_descent(net, descent, crops, points, "cpu")
    found = start[:200]
    with torch.no_grad():
        gradients = net.gradients(held_out.images.permute(0, 3, 1, 2).float() / 255.0)
        for descent in net.descents:
            found = descent(gradients, found)
    assert error(found, held_out) < 0.35 * blind
    assert error(found[:, 68:], dataclasses.replace(held_out, points=held_out.points[:, 68:])) < 0.35 * blind


def test_readout_is_the_best_of_what_the_trunk_tells(net: Landmarker) -> None:
    crops = made_up(600, 4)
    with torch.no_grad():
        net.rest.weight.normal_(std=0.01)
        before = torch.cat([net.rest(net.hidden(image)) for _, image in crops.parts()])
    others = before.view(600, POINTS, 4)[..., 2:].clone()
    points = descents.solve_readout(net, crops, "cpu")
    assert error(points, crops) < error(before.view(600, POINTS, 4)[..., :2], crops)
    assert error(points, crops) <= 1.02 * error(crops.points.mean(0).expand_as(points), crops)
    with torch.no_grad():
        after = torch.cat([net.rest(net.hidden(image)) for _, image in crops.parts()]).view(600, POINTS, 4)
    assert torch.equal(after[..., 2:], others)  # deviation and visibility are not touched


def test_deviations_follow_the_errors() -> None:
    rng = torch.Generator().manual_seed(0)
    told = torch.empty(4000).uniform_(-5.0, -2.0, generator=rng)
    true = -0.7 + 1.2 * told
    squared = (torch.randn(4000, 2, generator=rng) * true.exp()[:, None]).square().sum(-1)
    offset, slope = descents._log_law(told, squared)
    assert float(offset) == pytest.approx(-0.7, abs=0.1)
    assert float(slope) == pytest.approx(1.2, abs=0.03)


def test_a_run_goes_on_after_the_looks_of_its_checkpoint(model, pictures, tmp_path: Path) -> None:
    from models.training.landmarker import LandmarkerRecipe
    from models.training.sources import PictureSource

    config = dataclasses.replace(CONFIG, points=pictures.points.shape[1], rank=8)

    def cascade(folder: str) -> descents.Cascade:
        torch.manual_seed(0)
        recipe = LandmarkerRecipe([(PictureSource("synthetic", pictures, SIZE), 1.0)], model, config)
        return descents.Cascade(recipe, descents.draw(recipe, 40, 0), tmp_path / folder, "cpu")

    whole, halves = cascade("whole"), cascade("halves")
    whole.solve(60.0)
    halves.solve(0.0)  # no time for a look
    assert halves.done == 0
    again = cascade("halves")
    again.resume()
    again.solve(60.0)
    assert again.done == len(again.net.descents) == whole.done
    assert len(again.figures) == 1 + again.done
    for name, value in whole.net.state_dict().items():
        assert torch.allclose(value, again.net.state_dict()[name], atol=1e-4), name
