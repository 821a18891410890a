"""Completion: what the networks copy and reach, what the losses measure, what the samples hide, exact resuming."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from models.networks.completer import (  # noqa: E402
    AutoencoderConfig,
    CompleterConfig,
    CompletionExport,
    LandmarkMaps,
    PatchCritic,
    build_autoencoder,
    build_completer,
    halvings,
    smoothly_filled,
)
from models.networks.embedder import EmbedderConfig, build_embedder  # noqa: E402
from models.networks.parser import ParserConfig, build_parser  # noqa: E402
from models.training import completion_losses as criteria  # noqa: E402
from models.training import loop, opposition, options  # noqa: E402
from models.training.completer import AutoencoderRecipe, CompleterRecipe, hole_scores, load_completer  # noqa: E402
from models.training.completion_losses import PerceptualJudge  # noqa: E402
from models.training.completion_samples import CompletionSampler, free_form, grown, misplaced  # noqa: E402
from models.training.data import Pictures  # noqa: E402

from .people import barred, make_pictures  # noqa: E402

SIZE = 32
TINY = CompleterConfig(size=SIZE, channels=(4, 4, 8, 8), dilations=(1, 2))
TINY_AUTOENCODER = AutoencoderConfig(size=SIZE, channels=(4, 8, 8))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    return barred(make_pictures(model, count=8))


def inputs(size: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    mask = torch.zeros(2, 1, size, size)
    mask[:, :, size // 4 : size // 2, size // 4 : size // 2] = 1.0
    return torch.rand(2, 3, size, size), mask, torch.rand(2, 68, 2)


def networks() -> list[torch.nn.Module]:
    return [build_completer(TINY).eval(), build_autoencoder(TINY_AUTOENCODER).eval()]


@pytest.mark.parametrize("net", networks())
def test_seen_pixels_are_copied_and_hidden_ones_not_looked_at(net) -> None:
    image, mask, landmarks = inputs()
    out = net(image, mask, landmarks)
    seen = (mask == 0).expand_as(image)
    assert torch.equal(out.completed[seen], image[seen])
    assert not torch.allclose(out.completed[~seen], image[~seen])
    other = torch.where(seen, image, 1.0 - image)
    assert torch.equal(net(other, mask, landmarks).painted, out.painted)


def test_a_teacher_does_look() -> None:
    net = build_completer(dataclasses.replace(TINY, sees_behind=True)).eval()
    image, mask, landmarks = inputs()
    other = torch.where(mask > 0, 1.0 - image, image)
    assert not torch.allclose(net(other, mask, landmarks).context, net(image, mask, landmarks).context)


def test_landmarks_steer_the_generator() -> None:
    net = build_completer(TINY).eval()
    image, mask, landmarks = inputs()
    assert not torch.allclose(net(image, mask, landmarks).painted, net(image, mask, 1.0 - landmarks).painted)


def test_every_pixel_of_a_hole_knows_of_the_far_corner() -> None:
    """Dilation without attention must reach from one corner of a 128-pixel crop to the other."""
    net = build_completer(CompleterConfig(channels=(4, 4, 4, 4), dilations=CompleterConfig.dilations)).eval()
    torch.nn.init.zeros_(net.attention.join[0].weight)
    image, mask, landmarks = (part[:1] for part in inputs(128))
    image.requires_grad_(True)
    net(image, mask, landmarks).painted[0, :, 0, 0].sum().backward()
    assert image.grad is not None
    assert image.grad[0, :, -16:, -16:].abs().sum() > 0


def test_attention_takes_from_seen_places_alone() -> None:
    block = build_completer(TINY).attention.eval()
    features, encoded, hole = torch.rand(1, 8, 6, 6), torch.rand(1, 8, 6, 6), torch.zeros(1, 1, 6, 6)
    hole[..., :3] = 1.0
    changed = torch.where(hole > 0, encoded + 5.0, encoded)
    assert torch.allclose(block(features, changed, hole), block(features, encoded, hole))
    assert not torch.allclose(block(features, encoded + 5.0, hole), block(features, encoded, hole))


def test_landmark_maps_put_a_dot_where_the_point_is() -> None:
    landmarks = torch.full((1, 68, 2), -1.0)
    landmarks[0, 30] = torch.tensor([(20 + 0.5) / 64, (50 + 0.5) / 64])
    maps = LandmarkMaps()(landmarks, 64, 64)
    assert maps.shape == (1, 5, 64, 64)
    assert maps[0, 2, 50, 20] == pytest.approx(1.0)
    assert maps[0, [0, 1, 3, 4]].max() < 1e-6
    assert maps[0, 2].sum() < 4.0


def test_critic_judges_patches_and_is_bounded() -> None:
    critic = PatchCritic(width=4)
    image, mask, _ = inputs(64)
    for _ in range(20):
        scores = critic(image, mask)
    assert scores.shape == (2, 1, 6, 6)
    step = (critic(image + 0.01, mask) - scores).flatten(1).norm(dim=1)
    assert (step <= 16.0 * 2.0 * 0.01 * np.sqrt(3 * 64 * 64)).all()  # each overlapping layer doubles at most


@pytest.mark.parametrize("net", networks())
def test_export_computes_what_torch_computes(net, tmp_path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    wrapper, path = CompletionExport(net).eval(), tmp_path / "net.onnx"
    names = list(wrapper.input_names)
    torch.onnx.export(
        wrapper, inputs(SIZE), str(path), dynamo=False, opset_version=17, input_names=names, output_names=["completed"]
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image, mask, landmarks = inputs(SIZE)
    given = {"image": image.numpy(), "mask": mask.numpy(), "landmarks": landmarks.numpy()}
    found = session.run(None, {item.name: given[item.name] for item in session.get_inputs()})[0]
    assert np.abs(found - wrapper(image, mask, landmarks).detach().numpy()).max() < 1e-4


@pytest.mark.parametrize(("net", "most"), [(CompleterConfig(), 6.0), (AutoencoderConfig(), 3.0)])
def test_weights_are_light_in_half_precision(net, most) -> None:
    built = build_completer(net) if isinstance(net, CompleterConfig) else build_autoencoder(net)
    assert 2e-6 * sum(parameter.numel() for parameter in built.parameters()) < most


def test_pixel_loss_does_not_depend_on_the_size_of_the_hole() -> None:
    clean, painted = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.25)
    for side in (2, 9):
        mask = torch.zeros(1, 1, 16, 16)
        mask[..., :side, :side] = 1.0
        assert criteria.pixel_loss(painted, clean, mask).item() == pytest.approx(0.75)
    painted[..., 9:, :] = 1.0  # outside the hole
    assert criteria.pixel_loss(painted, clean, mask).item() == pytest.approx(0.75)
    assert criteria.pixel_loss(painted, clean, torch.zeros_like(mask)).item() == 0.0


def test_smooth_fill_continues_the_surroundings_and_ignores_the_hole() -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 64, 64).contiguous()
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 24:40] = 1.0
    filled = smoothly_filled(ramp + mask * torch.rand(1, 3, 64, 64), mask, halvings(64))
    assert torch.allclose(filled * (1.0 - mask), ramp * (1.0 - mask), atol=1e-5)
    assert (filled - ramp).abs().max() < 0.08
    assert torch.isfinite(smoothly_filled(ramp, torch.ones_like(mask), halvings(64))).all()


def test_a_generator_of_cells_goes_on_where_one_of_pixels_ended() -> None:
    """On enlarged pictures the one paints what the other painted, enlarged, but for the shading within cells."""
    torch.manual_seed(0)
    fine = build_completer(dataclasses.replace(TINY, size=32, fold=1)).eval()
    coarse = build_completer(dataclasses.replace(TINY, size=64, fold=2)).eval()
    coarse.load_coarser(fine.state_dict())
    image, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1.0
    points = torch.rand(1, 68, 2)
    large, large_mask = (part.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) for part in (image, mask))
    with torch.no_grad():
        expected = fine(image, mask, points)
        found = coarse(large, large_mask, points)
    assert torch.nn.functional.avg_pool2d(found.painted, 2).sub(expected.painted).abs().mean() < 0.02


def test_gram_of_known_features() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # 2 channels, 1 x 2 places
    wanted = torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4.0
    assert torch.allclose(criteria.gram(features), wanted)
    moved = features.flip(3)
    assert criteria.style_loss([features], [moved]).item() == 0.0
    assert criteria.perceptual_loss([features], [moved]).item() > 0.0


def test_total_variation_sees_the_seam_and_nothing_outside() -> None:
    image, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., 2:4, 2:4] = 1.0
    image[..., 6, 6] = 1.0
    assert criteria.total_variation(image, mask).item() == 0.0
    image[..., 2:4, 2:4] = 1.0  # 4 of 6 steps each way cross the seam
    assert criteria.total_variation(image, mask).item() == pytest.approx(2 * 4 / 6)


def test_critic_and_generator_want_opposite_things_in_the_hole_alone() -> None:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1.0
    scores = torch.zeros(1, 1, 4, 4)
    better = scores.clone()
    better[..., :2] = 0.5
    assert criteria.adversarial_loss(better, mask) < criteria.adversarial_loss(scores, mask)
    assert criteria.critic_loss(scores, better, mask) > criteria.critic_loss(scores, scores, mask)
    outside = scores.clone()
    outside[..., 2:] = 0.5
    assert criteria.critic_loss(scores, outside, mask) == criteria.critic_loss(scores, scores, mask)


def test_distillation_compares_the_hole_alone() -> None:
    student, mask = torch.rand(1, 4, 4, 4), torch.zeros(1, 1, 16, 16)
    mask[..., :4, :4] = 1.0
    teacher = student.clone()
    teacher[..., 2:, 2:] += 1.0
    assert criteria.distillation_loss(student, teacher, mask).item() == 0.0
    assert criteria.distillation_loss(student, student + 1.0, mask).item() > 0.0


def test_holes_swallow_the_cover_its_rim_and_its_shadow(pictures) -> None:
    sampler = CompletionSampler(pictures, SIZE)
    for index in (0, 2, 4):
        sample = sampler.exact(index)
        outside = sample.mask == 0
        assert 0.02 < sample.mask.mean() < 0.9
        assert np.array_equal(sample.image[outside], sample.clean[outside])
        assert not np.array_equal(sample.image[~outside], sample.clean[~outside])
    assert sampler.exact(1).mask.any()  # a face without a cover is given a hole
    assert np.array_equal(sampler.exact(1).mask, sampler.exact(1).mask)


def test_varied_samples_change_both_pictures_alike(pictures) -> None:
    sampler, rng = CompletionSampler(pictures, 64), np.random.default_rng(0)
    for _ in range(6):
        sample = sampler.varied(1, rng)  # without a cover: both are the same picture
        assert np.array_equal(sample.image, sample.clean)
        assert 0.0 < sample.mask.mean() < 0.9


def test_a_cover_that_is_not_in_the_hole_is_not_in_the_picture(pictures, monkeypatch) -> None:
    monkeypatch.setattr("models.training.completion_samples.OWN", 0.0)
    sampler = CompletionSampler(pictures, SIZE)
    for k in range(4):
        sample = sampler.varied(0, np.random.default_rng(k))
        assert np.array_equal(sample.image, sample.clean)


def test_mirrored_landmarks_stay_with_the_picture(pictures) -> None:
    """The right eye is on the left half of every crop, mirrored or not."""
    sampler, rng = CompletionSampler(pictures, SIZE), np.random.default_rng(1)
    for _ in range(12):
        points = sampler.varied(int(rng.integers(len(pictures))), rng).landmarks
        assert points[36:42, 0].mean() < points[42:48, 0].mean()


def test_hidden_landmarks_err_more_and_together() -> None:
    mask, truth = np.zeros((SIZE, SIZE), np.uint8), np.full((68, 2), 0.25, np.float32)
    truth[34:] = 0.75
    mask[: SIZE // 2, : SIZE // 2] = 1
    wrong = np.stack([misplaced(truth, mask, np.random.default_rng(k)) - truth for k in range(200)])
    assert wrong[:, :34].std() > 2.0 * wrong[:, 34:].std()
    assert wrong[:, :34].mean(axis=1).std() > 0.8 * wrong[:, :34].std()


def test_grown_masks_and_free_forms() -> None:
    dot = np.zeros((21, 21), np.uint8)
    dot[10, 10] = 1
    assert np.array_equal(grown(dot, 0), dot)
    radius = np.hypot(*(np.argwhere(grown(dot, 5)) - 10).T)
    assert 5.0 <= radius.max() < 6.5
    shares = [free_form(64, np.random.default_rng(k)).mean() for k in range(40)]
    assert 0.01 < np.median(shares) < 0.4
    assert max(shares) < 0.8


def test_hole_scores_look_inside_the_hole() -> None:
    clean = np.random.default_rng(0).integers(0, 200, (32, 32, 3)).astype(np.uint8)
    inside = np.zeros((32, 32), bool)
    inside[8:20, 8:20] = True
    wrong = clean + np.where(inside, 0, 50)[..., None].astype(np.uint8)
    assert hole_scores(wrong, clean, inside)[0] > 60.0
    wrong = clean + np.where(inside, 10, 0)[..., None].astype(np.uint8)
    psnr, similarity = hole_scores(wrong, clean, inside)
    assert psnr == pytest.approx(20.0 * np.log10(25.5))
    assert similarity < 1.0


def tiny_judge() -> PerceptualJudge:
    embedder = build_embedder(EmbedderConfig(32, 8, 0.25, 4, 8))
    parser = build_parser(ParserConfig(size=32, width=0.25, decoder=(8, 8, 8, 8)))
    return PerceptualJudge(parser, embedder).eval().requires_grad_(False)


def recipe_of(name: str, pictures: Pictures) -> loop.Recipe:
    torch.manual_seed(0)
    if name == "autoencoder":
        return AutoencoderRecipe(pictures, TINY_AUTOENCODER)
    judge = tiny_judge()
    teaching = dataclasses.replace(TINY, sees_behind=True)
    if name == "teacher":
        return CompleterRecipe(pictures, judge, teaching)
    teacher = build_completer(teaching).eval().requires_grad_(False)
    return CompleterRecipe(pictures, judge, TINY, teacher=teacher)


def losses(folder) -> list[float]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.parametrize("name", ["autoencoder", "completer"])
def test_resumed_run_repeats_the_uninterrupted_one(name, pictures, tmp_path) -> None:
    config = options.TrainConfig(steps=5, batch=4, seed=3, device="cpu")
    figures = loop.Run(recipe_of(name, pictures), config, tmp_path / "whole").train()
    assert all(np.isfinite(value) for value in figures.values())
    broken = loop.Run(recipe_of(name, pictures), config, tmp_path / "parts")
    for image, labels in broken._batches():
        broken._log(loss=sum(broken._one_step(image, labels).values()))
        if broken.step == 2:
            break
    broken.save()
    resumed = loop.Run(recipe_of(name, pictures), config, tmp_path / "parts")
    resumed.resume()
    resumed.train()
    assert len(losses(tmp_path / "whole")) == 5
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)


def test_terms_of_generator_and_critic_reach_their_own_weights_alone(pictures) -> None:
    recipe = recipe_of("completer", pictures)
    assert isinstance(recipe, CompleterRecipe)
    assert isinstance(recipe, opposition.Opposed)
    image, labels = loop.to_device(recipe.batch(np.random.default_rng(0), 4), "cpu")
    assert "critic" not in recipe.loss(image, labels, 0.5)  # it would only be in the way yet
    terms = recipe.loss(image, labels, 0.7)
    assert {"pixel", "style", "variation", "perceptual", "adversarial", "distillation", "critic"} <= set(terms)
    generator, critic = list(recipe.net.parameters()), list(recipe.critic.parameters())
    for name, value in terms.items():
        own, other = (critic, generator) if name == "critic" else (generator, critic)
        reached = torch.autograd.grad(value, own, retain_graph=True, allow_unused=True)
        missed = torch.autograd.grad(value, other, retain_graph=True, allow_unused=True)
        assert any(part is not None and part.abs().sum() > 0 for part in reached), name
        assert all(part is None for part in missed), name


def test_critic_learns_beside_the_generator(pictures, tmp_path) -> None:
    run = loop.Run(recipe_of("completer", pictures), options.TrainConfig(steps=3, batch=4, device="cpu"), tmp_path)
    recipe = run.recipe
    assert isinstance(recipe, CompleterRecipe)
    before = [parameter.detach().clone() for parameter in recipe.critic.parameters()]
    run.train()
    assert any(not torch.equal(a, b) for a, b in zip(before, recipe.critic.parameters(), strict=True))


def test_a_trained_teacher_is_loaded_and_others_are_refused(pictures, tmp_path) -> None:
    config = options.TrainConfig(steps=2, batch=4, device="cpu")
    loop.Run(recipe_of("teacher", pictures), config, tmp_path).train()
    teacher = load_completer(tmp_path)
    assert teacher.config.sees_behind
    judge = tiny_judge()
    assert CompleterRecipe(pictures, judge, TINY, teacher=teacher).teacher is teacher
    with pytest.raises(ValueError, match="seen the clean picture"):
        CompleterRecipe(pictures, judge, TINY, teacher=build_completer(TINY))
    with pytest.raises(FileNotFoundError, match="no finished generator"):
        load_completer(tmp_path / "elsewhere")


def test_training_fills_a_hole_better_than_it_began(pictures, tmp_path) -> None:
    recipe = recipe_of("autoencoder", pictures)
    run = loop.Run(recipe, options.TrainConfig(steps=40, batch=8, rate=1e-2, device="cpu"), tmp_path)
    run.train()
    curve = losses(tmp_path)
    assert np.mean(curve[-5:]) < 0.8 * np.mean(curve[:5])
