"""Batches made on the device: their labels are the recipes' own, holes hide what covers, and networks train on them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry import alignment  # noqa: E402
from core.geometry.face_model import FaceModel  # noqa: E402
from core.geometry.mirroring import mirrored_landmarks  # noqa: E402
from core.types import LANDMARKS, LAYOUT  # noqa: E402
from models.networks.completer import AutoencoderConfig  # noqa: E402
from models.networks.embedder import EmbedderConfig  # noqa: E402
from models.networks.landmarker import LandmarkerConfig  # noqa: E402
from models.networks.parser import ParserConfig  # noqa: E402
from models.networks.pca_free import PcaFreeConfig  # noqa: E402
from models.networks.regressor import RegressorConfig  # noqa: E402
from models.synthesis.labels import Label, OccluderType  # noqa: E402
from models.training import augment, completion_samples, device_parsing, loop, options, parsing_samples  # noqa: E402
from models.training.completer import AutoencoderRecipe  # noqa: E402
from models.training.data import Pictures, read_pictures  # noqa: E402
from models.training.device_coefficients import CoefficientFeed  # noqa: E402
from models.training.device_completion import CompletionFeed  # noqa: E402
from models.training.device_embedding import EmbeddingFeed  # noqa: E402
from models.training.device_holes import FreeForms, grown, isin, patches, unevenly_grown  # noqa: E402
from models.training.device_landmarks import LandmarkFeed  # noqa: E402
from models.training.device_parsing import ParsingFeed  # noqa: E402
from models.training.device_pictures import GrowingPictures  # noqa: E402
from models.training.device_portraits import DevicePortraits, device_heads  # noqa: E402
from models.training.embedder import EmbedderRecipe  # noqa: E402
from models.training.feed import Feed  # noqa: E402
from models.training.landmarker import LandmarkerRecipe  # noqa: E402
from models.training.parsed_portraits import ParsedPortraits  # noqa: E402
from models.training.parser import ParserRecipe, PictureSet  # noqa: E402
from models.training.pca_free import PcaFreeRecipe  # noqa: E402
from models.training.regressor import RegressorRecipe  # noqa: E402
from models.training.sources import PictureSource  # noqa: E402

SIZE = 64
FEEDS = ("completer", "landmarker", "parser", "embedder", "regressor", "pca_free")
UNCHANGED = augment.Strength(*[0.0] * 8)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def portraits_of(pictures: Pictures) -> DevicePortraits:
    grey = np.stack([cv2.cvtColor(pictures.clean(k), cv2.COLOR_RGB2GRAY) for k in range(4)])
    return DevicePortraits(grey, pictures.points[:4, :LANDMARKS], np.ones((4, LANDMARKS), bool), "cpu")


def heads_of(pictures: Pictures) -> ParsedPortraits:
    grey = np.stack([cv2.cvtColor(pictures.image(k), cv2.COLOR_RGB2GRAY) for k in range(4)])
    labels, codes = (np.stack(column) for column in zip(*(pictures.maps(k) for k in range(4)), strict=True))
    return ParsedPortraits(grey, labels, codes, labels > 0, pictures.points[:4, :LANDMARKS])


def stock() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)


def feed_of(name: str, folder: Path, model: FaceModel, views: int = 1, size: int = SIZE):
    classes = {
        "completer": CompletionFeed, "landmarker": LandmarkFeed, "parser": ParsingFeed, "embedder": EmbeddingFeed,
        "regressor": CoefficientFeed, "pca_free": CoefficientFeed,
    }  # fmt: skip
    there, pictures = GrowingPictures(folder, "cpu", 100, classes[name].planes), read_pictures(folder)
    if name == "completer":
        return CompletionFeed(there, size, portraits_of(pictures), 0.25)
    if name == "landmarker":
        return LandmarkFeed(there, model, size, portraits_of(pictures), 0.25)
    if name == "parser":
        return ParsingFeed(there, size, stock(), device_heads(heads_of(pictures), "cpu"), 0.25)
    if name == "embedder":
        return EmbeddingFeed(there, size, 2)
    return CoefficientFeed(there, model, size, views, 0.5)


def recipe_of(name: str, pictures: Pictures, model: FaceModel) -> loop.Recipe:
    torch.manual_seed(0)
    trunk = {"size": SIZE, "width": 0.35, "narrow": 4, "hidden": 16}
    if name == "completer":
        return AutoencoderRecipe(pictures, AutoencoderConfig(size=SIZE, channels=(4, 8, 8)))
    if name == "landmarker":
        config = LandmarkerConfig(pictures.points.shape[1], **trunk)
        return LandmarkerRecipe([(PictureSource("synthetic", pictures, SIZE), 1.0)], model, config)
    if name == "parser":
        sizes = ParserConfig(size=SIZE, width=0.35, decoder=(8, 8, 8, 8), occluders=len(OccluderType))
        return ParserRecipe([(PictureSet.of("made up", pictures, list(stock())), 1.0)], sizes)
    if name == "embedder":
        return EmbedderRecipe(pictures, EmbedderConfig(SIZE, 16, 0.25, 4, 16), views=2)
    if name == "pca_free":
        return PcaFreeRecipe(pictures, model, PcaFreeConfig(SIZE, 0.35, 4, 16, 8, (8, 8, 8, 8), (4, 4, 4, 4)))
    return RegressorRecipe(pictures, model, RegressorConfig(**trunk))


@pytest.mark.parametrize("name", FEEDS)
def test_batches_depend_on_seed_and_step_alone(name: str, folder: Path, model: FaceModel) -> None:
    feed: Feed = feed_of(name, folder, model)
    image, labels = feed.draw(3, 5, 8)
    feed.draw(3, 6, 8)
    again, labels_again = feed_of(name, folder, model).draw(3, 5, 8)
    assert image.shape == (8, 3, SIZE, SIZE)
    assert image.min() >= 0.0 and image.max() <= 1.0
    assert torch.equal(image, again)
    assert all(torch.equal(value, labels_again[key]) for key, value in labels.items())
    assert all(len(value) == 8 for value in labels.values())
    for other in (feed.draw(3, 6, 8), feed.draw(4, 5, 8)):
        assert not torch.equal(other[0], image)


@pytest.mark.parametrize("name", FEEDS)
def test_every_recipe_trains_on_its_feed(
    name: str, pictures: Pictures, folder: Path, model: FaceModel, tmp_path: Path
) -> None:
    recipe = recipe_of(name, pictures, model)
    before = {key: value.clone() for key, value in recipe.net.named_parameters()}
    config = options.TrainConfig(steps=2, batch=8, seed=1, device="cpu")
    figures = loop.Run(recipe, config, tmp_path, feed_of(name, folder, model)).train()
    assert all(np.isfinite(value) for value in figures.values())
    assert any(not torch.equal(value, before[key]) for key, value in recipe.net.named_parameters())
    told = json.loads((tmp_path / "card.json").read_text())["data_on_device"]
    assert told == {"pictures": len(pictures), "side": pictures.size, "seeds": [0]}


def test_mirrored_crops_have_the_labels_of_the_recipe(pictures: Pictures, folder: Path, model: FaceModel) -> None:
    feed, recipe = feed_of("regressor", folder, model), recipe_of("regressor", pictures, model)
    assert isinstance(recipe, RegressorRecipe)
    cutting = feed._cutting(torch.arange(12), augment.Jitter(), 0.5, generator())
    found = feed._coefficients(cutting).numpy()
    assert cutting.flip.any() and not cutting.flip.all()
    for row, (matrix, flip) in enumerate(zip(cutting.matrices.double().numpy(), cutting.flip, strict=True)):
        label = recipe.label(row, alignment.mirrored(matrix, SIZE) if flip else matrix)
        assert np.allclose(found[row], recipe.mirror(label) if flip else label, atol=1e-4)


def test_mirrored_crops_have_the_landmarks_of_the_recipe(pictures: Pictures, folder: Path, model: FaceModel) -> None:
    feed, order = feed_of("landmarker", folder, model), mirrored_landmarks(model)
    cutting = feed._cutting(torch.arange(12), augment.Jitter(), 0.5, generator())
    found = feed._fractions(cutting, torch.from_numpy(order)).numpy()
    for row, (matrix, flip) in enumerate(zip(cutting.matrices.double().numpy(), cutting.flip, strict=True)):
        wanted = (alignment.apply(matrix, pictures.points[row]) + 0.5) / SIZE
        assert np.allclose(found[row], wanted[order] if flip else wanted, atol=1e-4)


@pytest.mark.parametrize("radius", [0, 1, 3, 6])
def test_holes_grow_as_those_of_one_picture(radius: int) -> None:
    masks = np.zeros((3, 48, 48), np.uint8)
    for mask, seed in zip(masks, range(3), strict=True):
        mask[10:-10, 10:-10] = np.random.default_rng(seed).random((28, 28)) < 0.02
    found = grown(torch.from_numpy(masks).float(), radius).numpy()
    wanted = np.stack([completion_samples.grown(mask, radius) for mask in masks])
    assert np.array_equal(found, wanted)


def test_parts_of_a_batch_grow_by_radii_of_their_own() -> None:
    masks = torch.zeros(8, 64, 64)
    masks[:, 32, 32] = 1.0
    areas = unevenly_grown(masks, 0.02, 0.25, generator()).sum((1, 2))
    assert torch.equal(areas[::2], areas[1::2])  # two in each of the four parts
    assert len(areas.unique()) > 2
    assert areas.max() <= (2 * 16 + 1) ** 2


def test_free_forms_and_patches_are_of_all_kinds() -> None:
    forms = FreeForms(32, "cpu").draw(64, generator())
    assert forms.shape == (64, 32, 32)
    assert len({tuple(form.flatten().tolist()) for form in forms}) > 55
    assert set(forms.unique().tolist()) == {0.0, 1.0}
    alpha = patches(200, 32, generator())
    assert 0.0 < alpha.min() + alpha.max() <= 1.0
    assert 0.02 < alpha.mean() < 0.2
    assert ((alpha > 0.0) & (alpha < 1.0)).any()  # soft edges


def test_codes_are_looked_up() -> None:
    assert isin(torch.tensor([[1, 7, 255]], dtype=torch.uint8), (7, 255)).tolist() == [[False, True, True]]


def test_outside_the_hole_a_face_is_what_it_is_without_its_cover(folder: Path, model: FaceModel, monkeypatch) -> None:
    monkeypatch.setattr(completion_samples, "STRENGTH", UNCHANGED)
    monkeypatch.setattr(completion_samples, "SHADOW", 1.0)
    monkeypatch.setattr(completion_samples, "GROWTH", (0.03, 0.03))  # two pixels: as far as the rim is smeared
    image, labels = feed_of("completer", folder, model).draw(0, 0, 32)
    image = image.permute(0, 2, 3, 1) * 255.0
    wrong = (image - labels["clean"].float()).abs().amax(3)
    hole = labels["mask"] > 0
    assert wrong[hole].max() > 50.0  # the bars are in some of the holes
    assert (wrong[~hole] <= 1.0).all()
    share = labels["mask"].float().mean((1, 2))
    assert share.min() > 0.004 and share.max() < 0.9


def test_hidden_landmarks_err_more(folder: Path, model: FaceModel) -> None:
    feed = feed_of("completer", folder, model)
    truth = torch.full((200, LANDMARKS, 2), 0.25)
    truth[:, 34:] = 0.75
    mask = torch.zeros(200, SIZE, SIZE)
    mask[:, : SIZE // 2, : SIZE // 2] = 1.0
    wrong = feed._misplaced(truth, mask, generator()) - truth
    assert wrong[:, :34].std() > 2.0 * wrong[:, 34:].std()
    assert wrong[:, :34].mean(1).std() > 0.8 * wrong[:, :34].std()  # and together


def test_first_view_is_bare_and_all_views_have_one_label(folder: Path, model: FaceModel) -> None:
    _, labels = feed_of("regressor", folder, model, views=4).draw(0, 1, 32)
    by_face = labels["coefficients"].view(8, 4, -1)
    assert torch.equal(by_face, by_face[:, :1].expand_as(by_face))
    seen = labels["seen"].view(8, 4, SIZE, SIZE).float().mean((2, 3))
    assert (seen[:, 0] == 1.0).all()
    assert seen[:, 1].min() < 1.0
    assert (seen[:, 2:] < 1.0).any(0).all()


def test_some_single_views_are_bare(folder: Path, model: FaceModel, monkeypatch) -> None:
    there = GrowingPictures(folder, "cpu", 100, CoefficientFeed.planes)
    seen = {}
    for bare in (0.0, 1.0):
        feed = CoefficientFeed(there, model, SIZE, 1, bare)
        cutting = feed._cutting(there.occluded, augment.Jitter(), 0.5, generator())
        seen[bare] = feed._views(cutting, generator())[1].float().mean((1, 2))
    assert (seen[0.0] > 0.0).all()
    assert (seen[1.0] == 0.0).all()


def test_landmarks_of_portraits_leave_dense_points_unknown(folder: Path, model: FaceModel) -> None:
    _, labels = feed_of("landmarker", folder, model).draw(0, 0, 16)
    known = labels["known"]
    assert (known[:12] == 1.0).all()
    assert (known[12:, :LANDMARKS] == 1.0).all() and (known[12:, LANDMARKS:] == 0.0).all()
    outside = ((labels["points"] <= 0.0) | (labels["points"] >= 1.0)).any(-1)
    assert (labels["visibility"][outside] == 0.0).all()
    assert 0.5 < labels["visibility"][:12].mean() < 1.0  # patches hide some


def test_people_of_a_batch_are_told_by_who_they_are(folder: Path, model: FaceModel) -> None:
    feed = feed_of("embedder", folder, model)
    _, labels = feed.draw(0, 0, 8)
    known = {int(p): row for row, p in enumerate(feed.pictures.rows.person)}  # everybody is there once in this set
    for person, traits in zip(labels["person"], labels["traits"], strict=True):
        coefficients = feed.pictures.rows.coefficients[known[int(person)]]
        assert torch.equal(traits, torch.cat([coefficients[LAYOUT["identity"]], coefficients[LAYOUT["albedo"]]]))
    assert len(labels["person"].unique()) > 2


def test_parts_follow_the_crop_and_weights_are_the_samplers(folder: Path, model: FaceModel, monkeypatch) -> None:
    feed = feed_of("parser", folder, model)
    monkeypatch.setattr(parsing_samples, "STRENGTH", UNCHANGED)
    monkeypatch.setattr(parsing_samples, "COVER", 0.0)
    image, labels = feed.draw(0, 0, 24)
    assert labels["classes"].shape == labels["occluder"].shape == (24, SIZE // 2, SIZE // 2)
    bars = labels["classes"] == Label.GLASSES
    assert bars.flatten(1).any(1).sum() > 6
    assert image.mean(1)[:, ::2, ::2][bars].mean() < 0.05  # the bars are black
    assert (labels["occluder"][bars] == OccluderType.CLEAR_GLASSES).all()
    assert (labels["occluder"] == parsing_samples.IGNORED).any()  # shadows, and what lies outside the picture


def test_weights_of_parts_are_those_of_one_sample() -> None:
    rng = np.random.default_rng(0)
    part = cv2.resize(rng.integers(0, 19, (4, 4)).astype(np.uint8), (24, 24), interpolation=cv2.INTER_NEAREST)
    kind = cv2.resize(rng.integers(0, 7, (4, 4)).astype(np.uint8), (24, 24), interpolation=cv2.INTER_NEAREST)
    found = device_parsing.weights(torch.from_numpy(part)[None], torch.from_numpy(kind)[None])[0]
    wanted = parsing_samples._weights(part, kind)
    assert np.allclose(found, wanted)


def test_small_faces_are_not_cut_close_on_the_device(
    folder: Path, model: FaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feed_of("parser", folder, model)
    points = torch.from_numpy(read_pictures(folder).points[:1, :LANDMARKS].copy()).float().repeat(400, 1, 1)

    def usual_size(least: float) -> float:
        monkeypatch.setattr(parsing_samples, "CLOSE_FROM", least)
        matrices, _ = feed._framed(points, 96, torch.Generator().manual_seed(0))
        return float(torch.linalg.det(matrices[:, :, :2]).abs().sqrt().median())

    assert usual_size(1.0) > 1.1 * usual_size(1e6)
