"""The embedder and its recipe: shapes, the margin, verification figures, grouping by person, learning, resuming."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from models.networks.embedder import STRIDES, EmbedderConfig, build_embedder, frozen  # noqa: E402
from models.synthesis.shards import Shard  # noqa: E402
from models.training import loop, options  # noqa: E402
from models.training.data import Pictures  # noqa: E402
from models.training.embedder import EmbedderRecipe, load_embedder  # noqa: E402
from models.training.identity_loss import margin_softmax, pair_cosines, verification  # noqa: E402
from models.training.people import draw, people, split_people  # noqa: E402

from .people import SIDE, make_pictures  # noqa: E402

TINY = EmbedderConfig(size=32, dimensions=16, width=0.25, narrow=4, hidden=16)


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    return two_people(make_pictures(model, count=16))


def two_people(pictures: Pictures) -> Pictures:
    """Pictures 0-3 show one person, 4-7 another, and so on; half of each is bright, the upper or the lower."""
    shards = []
    for shard, start in zip(pictures.shards, pictures.starts, strict=True):
        person = (np.arange(len(shard.images)) + int(start)) // 4
        rows = np.indices((SIDE, SIDE))[0]
        bright = np.stack([rows > SIDE // 2, rows < SIDE // 2]) * np.uint8(100)
        images = np.stack([shard.images[k] // 2 + bright[who % 2][..., None] for k, who in enumerate(person)])
        truth = dataclasses.replace(shard.truth, person=person)
        shards.append(Shard(images, shard.labels, shard.occluder, shard.clean_twins, truth))
    return Pictures.of(shards)


def test_embeddings_have_length_one_and_features_their_strides() -> None:
    net = build_embedder(TINY).eval()
    points = net(torch.rand(3, 3, 32, 32))
    assert points.shape == (3, 16)
    assert torch.allclose(points.norm(dim=1), torch.ones(3), atol=1e-5)
    features = net.features(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape[2:]) for f in features] == [(64 // s, 96 // s) for s in STRIDES]


def test_a_side_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        build_embedder(EmbedderConfig(size=100))


def test_frozen_network_keeps_its_statistics_and_passes_gradients_on() -> None:
    net = frozen(build_embedder(TINY))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    net(image)[:, 0].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_margin_softmax_rewards_separation_and_asks_for_more_than_none() -> None:
    person = torch.tensor([0, 0, 1, 1])
    apart = torch.eye(2)[person]
    mixed = torch.eye(2)[torch.tensor([0, 1, 0, 1])]
    assert margin_softmax(apart, person, 0.0) < 0.01
    assert margin_softmax(mixed, person, 0.0) > 10.0
    near = torch.nn.functional.normalize(apart + 0.3 * torch.randn(4, 2, generator=torch.manual_seed(0)), dim=1)
    assert margin_softmax(near, person, 0.4) > margin_softmax(near, person, 0.0)


def test_margin_softmax_ignores_the_diagonal() -> None:
    """With no second picture of anybody nothing is asked."""
    points = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    assert margin_softmax(points, torch.arange(4), 0.3) == 0.0


def test_margin_softmax_keeps_finite_gradients_in_half_precision() -> None:
    point = torch.nn.functional.normalize(torch.randn(8, 16), dim=1).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        margin_softmax(point, torch.arange(8) // 2, margin=0.3).backward()
    assert point.grad is not None and torch.isfinite(point.grad).all()


def test_verification_of_perfect_and_of_random_embeddings() -> None:
    person = np.repeat(np.arange(10), 4)
    perfect = verification(*pair_cosines(np.eye(10)[person], person, np.eye(10)[person]))
    assert perfect == {"accuracy_percent": 100.0, "equal_error_percent": 0.0, "accepted_at_0.1_percent": 100.0}
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 64))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    chance = verification(*pair_cosines(points, np.repeat(np.arange(50), 4), points))
    assert 45.0 < chance["accuracy_percent"] < 55.0
    assert 45.0 < chance["equal_error_percent"] < 55.0


def test_equal_error_rate_of_known_scores() -> None:
    """One of four own pairs lies below one of four strangers: a quarter is wrong either way."""
    cosine = np.array([0.9, 0.8, 0.7, 0.3, 0.4, 0.2, 0.1, 0.0])
    same = np.array([True] * 4 + [False] * 4)
    assert verification(cosine, same)["equal_error_percent"] == pytest.approx(25.0)
    with pytest.raises(ValueError, match="pairs of two"):
        verification(cosine, np.ones(8, bool))


def test_pictures_are_grouped_by_person_and_nobody_is_in_both_parts(pictures) -> None:
    groups = people(pictures)
    assert [list(one) for one in groups] == [list(range(k, k + 4)) for k in (0, 4, 8, 12)]
    train, held_out = split_people(pictures)
    assert [list(one) for one in held_out] == [[12, 13, 14, 15]]
    assert len(train) == 3
    rng = np.random.default_rng(0)
    assert sorted(draw(groups[1], 4, rng)) == [4, 5, 6, 7]
    assert np.bincount(draw(groups[1], 8, rng))[4:].tolist() == [2, 2, 2, 2]


def test_batches_hold_several_pictures_of_each_person(pictures) -> None:
    batch = EmbedderRecipe(pictures, TINY, views=4).batch(np.random.default_rng(0), 12)
    assert batch["image"].shape == (12, 32, 32, 3)
    assert (np.bincount(batch["person"]) == 4).all()
    with pytest.raises(ValueError, match="two pictures"):
        EmbedderRecipe(pictures, TINY, views=1)


def test_two_toy_people_are_told_apart_after_sixty_steps(pictures, tmp_path) -> None:
    torch.manual_seed(0)
    recipe = EmbedderRecipe(pictures, TINY, views=4)
    recipe.train, recipe.held_out = recipe.train[:2], [np.arange(8, 12), np.arange(12, 16)]
    run = loop.Run(recipe, options.TrainConfig(steps=60, batch=16, rate=2e-2, device="cpu"), tmp_path)
    figures = run.train()
    assert figures["validation_equal_error_percent"] < 20.0
    points = torch.from_numpy(recipe._embedded(load_embedder(tmp_path), np.arange(8), clean=False))
    cosine = points @ points.T
    assert cosine[:4, :4].mean() > cosine[:4, 4:].mean() + 0.5


def test_resumed_run_repeats_the_uninterrupted_one(pictures, tmp_path) -> None:
    config = options.TrainConfig(steps=4, batch=8, seed=2, device="cpu")

    def recipe() -> EmbedderRecipe:
        torch.manual_seed(0)
        return EmbedderRecipe(pictures, TINY, views=2)

    loop.Run(recipe(), config, tmp_path / "whole").train()
    broken = loop.Run(recipe(), config, tmp_path / "parts")
    for image, labels in broken._batches():
        broken._log(loss=sum(broken._one_step(image, labels).values()))
        if broken.step == 2:
            break
    broken.save()
    resumed = loop.Run(recipe(), config, tmp_path / "parts")
    resumed.resume()
    resumed.train()
    curves = [
        [
            row["loss"]
            for line in (tmp_path / name / "log.jsonl").read_text().splitlines()
            if "loss" in (row := json.loads(line))
        ]
        for name in ("whole", "parts")
    ]
    assert len(curves[0]) == 4
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)


def test_missing_embedder_says_how_to_train_one(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"models\.training\.embedder"):
        load_embedder(tmp_path)
