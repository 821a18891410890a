"""Photometric changes of whole batches against those of one picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from models.training import augment  # noqa: E402
from models.training.device_augment import Draws, compressed, photometric, sockets_shaded  # noqa: E402

EVERY = augment.Strength(1, 1, 0.5, 1, 1, 1, 1, 1)
SIDE = 72  # no multiple of 16: blocks reach beyond the picture


def picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4.0), np.empty_like(noise), 0, 255, cv2.NORM_MINMAX)


def as_views(*images: np.ndarray) -> torch.Tensor:
    """(N, 1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)[:, None].float() / 255.0


def by_opencv(image: np.ndarray, quality: int) -> np.ndarray:
    _, code = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("quality", [20, 50, 80])
def test_compression_is_that_of_jpeg(quality: int) -> None:
    image = picture()
    found = compressed(as_views(image), torch.tensor([float(quality)]))[0, 0].permute(1, 2, 0).numpy() * 255.0
    wanted = by_opencv(image, quality).astype(float)
    assert np.abs(found - wanted).mean() < 0.35 * np.abs(image - wanted).mean() + 0.6
    assert np.abs(found - wanted).mean() < 2.0


def test_better_qualities_lose_less_and_each_row_has_its_own() -> None:
    views = as_views(*[picture()] * 4)
    lost = (compressed(views, torch.tensor([10.0, 30.0, 60.0, 95.0])) - views).abs().mean((1, 2, 3, 4))
    assert (lost.diff() < 0.0).all()
    assert lost[3] < 0.012


def test_views_of_a_row_change_alike_and_rows_differ() -> None:
    views = as_views(*[picture()] * 8).repeat(1, 2, 1, 1, 1)
    out = photometric(views, EVERY, torch.Generator().manual_seed(0))
    assert torch.allclose(out[:, 0], out[:, 1], atol=1e-5)
    assert out.min() >= 0.0 and out.max() <= 1.0
    for row in range(8):
        assert (out[row] - views[row]).abs().mean() > 0.02
        assert (out[row] - out[row - 1]).abs().mean() > 0.02


def test_changes_that_never_happen_change_nothing() -> None:
    views = as_views(picture(0), picture(1))
    out = photometric(views, augment.Strength(0, 0, 0, 0, 0, 0, 0, 0), torch.Generator().manual_seed(0))
    assert torch.equal(out, views)


@pytest.mark.parametrize("name", ["color", "grey", "blur", "coarse", "noise", "jpeg", "shade", "video"])
def test_each_change_moves_a_picture_about_as_far_as_that_of_one_picture(name: str) -> None:
    alone = replace(augment.Strength(*[0.0] * 8), **{name: 1.0})
    image, rng = picture(), np.random.default_rng(0)
    views = as_views(*[image] * 64)
    many = (photometric(views, alone, torch.Generator().manual_seed(0)) - views).abs().mean().item() * 255.0
    ones = [np.abs(augment.photometric(image.copy(), rng, alone).astype(float) - image).mean() for _ in range(64)]
    assert 0.6 < many / np.mean(ones) < 1.6


def test_sockets_alone_are_shaded_and_on_the_device_as_much() -> None:
    middles = np.array([[26.0, 30.0], [46.0, 30.0]])
    half = np.array([7.0, 0.0])
    eyes, image, rng = [(middle, half) for middle in middles], picture(), np.random.default_rng(0)
    ones = [augment.shade_sockets(image.copy(), eyes, rng).astype(float) / np.maximum(image, 1) for _ in range(64)]
    alone = np.mean(ones, axis=(0, 3))
    assert alone[30, 26] < 0.75 and alone[30, 46] < 0.75
    assert alone[60:].min() > 0.95 and alone[:, :4].min() > 0.95
    many = [(torch.from_numpy(middle).expand(64, 2), torch.from_numpy(half).expand(64, 2)) for middle in middles]
    views = as_views(*[image] * 64)[:, 0]
    out = sockets_shaded(views, many, Draws(64, torch.Generator().manual_seed(0)))
    found = (out / views.clamp_min(1 / 255.0)).mean((0, 1)).numpy()
    bright = image.min(axis=2) > 40  # elsewhere a step of the eight bits is much of the value
    assert np.abs(found - alone)[bright].max() < 0.08
