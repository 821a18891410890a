"""The parser: samples, loss, learning, resume, export parity, and how it is scored."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry import alignment  # noqa: E402
from core.geometry.face_model import FaceModel  # noqa: E402
from core.runtime.specs import CELLS, HEAD_SIZE, SPECS  # noqa: E402
from core.settings import Settings  # noqa: E402
from core.types import OCCLUDERS, PARTS, FaceBox, Parsing  # noqa: E402
from models.evaluation import parsing  # noqa: E402
from models.evaluation.data import Photo  # noqa: E402
from models.evaluation.part_scores import GROUPS, f1_intervals, f1_percent, group_counts  # noqa: E402
from models.export import onnx_export  # noqa: E402
from models.networks.parser import ParserConfig, ParserExport, build_parser  # noqa: E402
from models.synthesis.labels import Label, Occluder, OccluderType  # noqa: E402
from models.training import loop, options, parsing_samples  # noqa: E402
from models.training.data import Pictures  # noqa: E402
from models.training.parsed_portraits import ParsedPortraits, bare_maps, glasses_by_name, read_parsed  # noqa: E402
from models.training.parser import ParserRecipe, PictureSet, sought_pictures  # noqa: E402
from models.training.parsing_loss import parser_terms  # noqa: E402
from models.training.parsing_samples import CLASSES, IGNORED, ParsingSample, ParsingSampler, targets  # noqa: E402

from .people import make_pictures  # noqa: E402

TINY = ParserConfig(size=64, width=0.35, decoder=(8, 8, 8, 8))


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    """Pictures whose labels can be told from their colours: hair, skin, eyes, a mask, a hand."""
    made = make_pictures(model)
    for shard in made.shards:
        for row in range(len(shard.images)):
            _paint(shard.images[row], shard.labels[row], shard.occluder[row], masked=row % 2 == 0)
    return made


def _paint(image: np.ndarray, labels: np.ndarray, occluder: np.ndarray, masked: bool) -> None:
    side = len(image)
    cut = [round(side * share) for share in (0.2, 0.4, 0.55, 0.7)]
    labels[:] = Label.BACKGROUND
    labels[cut[0] : cut[1], :] = Label.HAIR
    labels[cut[1] : cut[3], :] = Label.SKIN
    labels[cut[1] : cut[2], : side // 3] = Label.EYE_RIGHT
    labels[cut[1] : cut[2], -side // 3 :] = Label.EYE_LEFT
    image[labels == Label.HAIR] = (60, 30, 20)
    image[labels == Label.SKIN] = (200, 150, 120)
    image[labels == Label.EYE_RIGHT] = (20, 20, 200)
    image[labels == Label.EYE_LEFT] = (20, 200, 20)
    if masked:
        occluder[cut[2] : cut[3], side // 3 : -side // 3] = Occluder.MASK
        image[occluder == Occluder.MASK] = (250, 250, 250)


@pytest.fixture
def recipe(pictures: Pictures) -> ParserRecipe:
    return _recipe(pictures)


def _recipe(pictures: Pictures) -> ParserRecipe:
    torch.manual_seed(0)
    return ParserRecipe([(PictureSet.of("made up", pictures, _stock()), 1.0)], TINY)


def _stock() -> list[np.ndarray]:
    return [np.random.default_rng(1).integers(0, 256, (120, 140, 3)).astype(np.uint8)]


def test_parts_and_occluders_have_one_order_everywhere() -> None:
    assert [label.name.lower() for label in Label][: len(PARTS)] == list(PARTS)
    assert tuple(kind.name.lower() for kind in OccluderType) == OCCLUDERS
    assert len(PARTS) == CLASSES == ParserConfig().classes
    assert len(OCCLUDERS) == ParserConfig().occluders


def test_targets_see_through_hands_and_take_glasses_for_a_part() -> None:
    labels = np.full((1, 6), Label.NOSE, np.uint8)
    codes = np.array(
        [[Occluder.NONE, Occluder.FRAME, Occluder.HAND, Occluder.TOUCHED, Occluder.SCARF, Occluder.LOOSE_HAIR]],
        np.uint8,
    )
    parts, types = targets(labels, codes)
    assert parts.tolist() == [[Label.NOSE, Label.GLASSES, Label.NOSE, Label.NOSE, Label.CLOTH, Label.HAIR]]
    clear = OccluderType.CLEAR_GLASSES
    assert types.tolist() == [[0, clear, OccluderType.HAND, IGNORED, OccluderType.SCARF, IGNORED]]


def test_samples_carry_their_labels_along(pictures: Pictures) -> None:
    sampler = ParsingSampler(pictures, [])
    for index in range(4):
        sample = sampler.exact(index, 128)
        colour = sample.image[::2, ::2].astype(int)
        right, left = (sample.classes == code for code in (Label.EYE_RIGHT, Label.EYE_LEFT))
        assert right.any() and left.any()
        assert (colour[right][:, 2] > colour[right][:, 1]).mean() > 0.9
        assert (colour[left][:, 1] > colour[left][:, 2]).mean() > 0.9
        assert sample.classes.shape == sample.occluder.shape == sample.weight.shape == (64, 64)


def test_mirrored_samples_swap_left_and_right(pictures: Pictures) -> None:
    sampler = ParsingSampler(pictures, _stock())
    seen = set()
    for seed in range(30):
        sample = sampler.varied(0, 96, np.random.default_rng(seed))
        columns = np.arange(48)
        right, left = ((sample.classes == code).sum(axis=0) @ columns for code in (Label.EYE_RIGHT, Label.EYE_LEFT))
        counts = [(sample.classes == code).sum() for code in (Label.EYE_RIGHT, Label.EYE_LEFT)]
        if min(counts) > 20:
            seen.add(bool(right / counts[0] < left / counts[1]))
    assert seen == {True}  # the subject's right stays left in the picture, mirrored or not


def test_pictures_that_hold_the_whole_head_are_not_cut_tighter(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing_samples, "CLOSE_FROM", 1.0)
    sampler, points = ParsingSampler(pictures, []), pictures.points[0, :68].copy()
    for shrunk, kinds in ((1.0, 3), (0.45, 2)):  # the face crop, the close one, and for large faces a tight one
        small = (points - points.mean(axis=0)) * shrunk + [48.0, 60.0]
        pictures.points[0, :68] = small
        sizes = {
            round(float(np.linalg.det(sampler._framed(0, 96, np.random.default_rng(seed))[:, :2]) * shrunk**2), 3)
            for seed in range(40)
        }
        assert len(sizes) == kinds
    pictures.points[0, :68] = points


@pytest.mark.parametrize("larger", [True, False])
def test_small_faces_are_not_cut_close(pictures: Pictures, monkeypatch: pytest.MonkeyPatch, larger: bool) -> None:
    sampler, points = ParsingSampler(pictures, []), pictures.points[0, :68]
    close = alignment.close_matrix(points, 96)
    pixels = parsing_samples.face_pixels(close, 96)
    assert pixels == pytest.approx(np.ptp(points, axis=0).max(), rel=0.05)
    monkeypatch.setattr(parsing_samples, "CLOSE_FROM", pixels * (0.99 if larger else 1.01))
    cut = [sampler._framed(0, 96, np.random.default_rng(seed)) for seed in range(20)]
    assert any(np.allclose(matrix, close) for matrix in cut) == larger


def test_unknown_pixels_and_guesses_are_marked(pictures: Pictures) -> None:
    sample = ParsingSampler(pictures, _stock()).exact(0, 128)
    assert (sample.classes == IGNORED).any()  # the head crop reaches beyond the picture
    hidden = sample.occluder == OccluderType.MASK
    assert hidden.any()
    assert sample.weight[hidden].max() < 0.5
    assert sample.weight.max() > 1.0  # outlines


def test_sought_pictures_show_what_they_were_sought_for(pictures: Pictures) -> None:
    found = sought_pictures(pictures, np.arange(len(pictures)))
    assert set(found) == {"mask"}
    for index in range(len(pictures)):
        assert (index in found["mask"]) == (pictures.maps(index)[1] == Occluder.MASK).any()


def test_sets_are_drawn_by_their_weights(pictures: Pictures) -> None:
    sets = [(PictureSet.of(name, pictures, _stock()), weight) for name, weight in (("a", 3.0), ("b", 1.0), ("c", 0.0))]
    drawn = []
    for picture_set, _ in sets:
        object.__setattr__(picture_set, "pick", lambda rng, name=picture_set.name: drawn.append(name) or 0)
    recipe = ParserRecipe(sets, replace(TINY, size=128))
    recipe.batch(np.random.default_rng(0), 80)
    assert 50 <= drawn.count("a") <= 70
    assert drawn.count("c") == 0
    assert [row["share"] for row in recipe.provenance()["data"]] == [0.75, 0.25, 0.0]


def test_portraits_say_nothing_where_nobody_knows(model: FaceModel, tmp_path) -> None:
    size = 64
    parts = np.full((size, size), Label.SKIN, np.uint8)
    parts[:20], parts[40:44] = Label.BACKGROUND, IGNORED
    parts[30:34, 20:44] = Label.GLASSES
    person = np.zeros((size, size), bool)
    person[10:, 8:-8] = True
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = [24, 32], [40, 32]
    points[36], points[45] = [20, 32], [44, 32]
    sure = np.where(parts == Label.GLASSES, 0.99, 0.0)
    bare = {wears: bare_maps(parts, sure, wears, person, points) for wears in ("yes", "maybe", "no")}
    labels, codes = bare["no"]
    assert not codes.any()  # whatever the teacher believes
    assert labels[32, 32] == IGNORED
    assert labels[42, 32] == IGNORED
    assert labels[15, 32] == IGNORED  # the person is no background
    assert labels[50, 2] == Label.BACKGROUND
    assert bare["maybe"][1][32, 32] == Occluder.TOUCHED
    assert bare["yes"][1][32, 32] == Occluder.CLEAR_LENS
    assert bare["yes"][1][50, 32] == Occluder.NONE
    heads = ParsedPortraits(
        np.stack([parts] * 2), np.stack([labels] * 2), np.stack([codes] * 2), np.stack([person] * 2),
        model.landmarks(model.vertices)[None, :, :2].repeat(2, 0).astype(np.float32) * [400, -400] + 32,
    )  # fmt: skip
    heads.save(tmp_path / "parsed")
    again = read_parsed(tmp_path / "parsed")
    assert len(again) == 2
    sample = ParsingSampler(again, _stock()).varied(1, 96, np.random.default_rng(0))
    assert sample.image.shape == (96, 96, 3)
    recipe = ParserRecipe([(PictureSet.of("portraits", again, _stock()), 1.0)], TINY)
    assert "US Congress" in str(recipe.provenance()["provenance"])


def test_noted_glasses_are_portraits() -> None:
    noted = glasses_by_name()
    assert set(noted.values()) == {"yes", "maybe"}
    assert all(name.endswith(".jpg") for name in noted)


def test_learns_to_tell_the_parts_apart(recipe: ParserRecipe) -> None:
    samples = [recipe.sets[0].sampler.exact(index, 64) for index in range(4)]
    batch = {field.name: np.stack([getattr(s, field.name) for s in samples]) for field in fields(ParsingSample)}
    image, labels = loop.to_device(batch, "cpu")
    optimiser = torch.optim.Adam(recipe.net.parameters(), lr=5e-3)
    first = last = 0.0
    for step in range(60):
        total = sum(recipe.loss(image, labels, 0.0).values())
        assert isinstance(total, torch.Tensor)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        first, last = (float(total.detach()) if step == 0 else first), float(total.detach())
    assert last < 0.35 * first


def test_ignored_pixels_have_no_gradient() -> None:
    net = build_parser(TINY)
    out = net(torch.rand(2, 3, 64, 64))
    for logits in out:
        logits.retain_grad()
    classes = torch.full((2, 32, 32), IGNORED, dtype=torch.uint8)
    classes[:, :, 16:] = Label.SKIN
    occluder = torch.zeros_like(classes)
    occluder[:, :16] = IGNORED
    sum(parser_terms(out, classes, occluder, torch.ones(2, 32, 32)).values()).backward()
    assert out.classes.grad[..., :16].abs().max() == 0
    assert out.classes.grad[..., 16:].abs().max() > 0
    assert out.occluder.grad[:, :, :16].abs().max() == 0
    assert out.occluder.grad[:, :, 16:].abs().max() > 0


def test_resumed_run_repeats_the_uninterrupted_one(pictures: Pictures, tmp_path) -> None:
    config = options.TrainConfig(steps=4, batch=4, seed=3, device="cpu")
    figures = loop.Run(_recipe(pictures), config, tmp_path / "whole").train()
    assert "validation_f1_skin_percent" in figures
    broken = loop.Run(_recipe(pictures), config, tmp_path / "parts")
    for image, labels in broken._batches():
        broken._one_step(image, labels)
        if broken.step == 2:
            break
    broken.save()
    torch.manual_seed(99)
    resumed = loop.Run(_recipe(pictures), config, tmp_path / "parts")
    resumed.resume()
    assert resumed.train() == pytest.approx(figures, rel=1e-3, abs=0.05)
    assert json.loads((tmp_path / "whole" / "card.json").read_text())["network"]["decoder"] == list(TINY.decoder)


@pytest.mark.parametrize("bits", [32, 16, 8])
def test_export_computes_what_torch_computes(bits: int, tmp_path) -> None:
    torch.manual_seed(0)
    trained = build_parser(ParserConfig(width=0.35, decoder=(8, 8, 8, 8))).train()
    with torch.no_grad():
        for _ in range(3):
            trained(torch.rand(4, 3, 64, 64))
    net = ParserExport(trained)
    item = onnx_export.Exportable("parser", net.eval(), torch.rand(2, 3, HEAD_SIZE, HEAD_SIZE), {0: "N"})
    onnx_export.convert(item, tmp_path / "parser.onnx", bits)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (HEAD_SIZE, HEAD_SIZE, 3), np.uint8) for _ in range(2)]
    worst = onnx_export.check_parity(item, tmp_path / "parser.onnx", images, bits)
    assert set(worst) == set(SPECS["parser"].outputs)
    assert SPECS["parser"].outputs["classes"][2] == CELLS


def test_what_is_exported_computes_what_the_parser_computes() -> None:
    torch.manual_seed(1)
    net = build_parser(ParserConfig(width=0.35, decoder=(16, 8, 8, 8)))
    with torch.no_grad():
        for _ in range(3):
            net.train()(torch.rand(4, 3, 64, 64))
        net.eval()
        net.out.weight *= 30.0  # sure of itself
        image = torch.rand(2, 3, 96, 64)
        wanted, found = net(image), ParserExport(net)(image)
    for logits, shares in zip(wanted, found, strict=True):
        assert logits.softmax(1).amax() > 0.9
        assert torch.allclose(logits.softmax(1), shares, atol=1e-5)
    assert net.normalise.std.max() < 1.0  # the network itself stays as it was


def test_parity_pictures_are_head_crops(pictures: Pictures) -> None:
    (image,) = onnx_export.parity_images("parser", pictures)
    assert image.shape == (HEAD_SIZE, HEAD_SIZE, 3)
    index = len(pictures) - 1
    matrix = alignment.head_matrix(pictures.box_points(index), HEAD_SIZE)
    wanted = cv2.warpAffine(pictures.image(index), matrix, (HEAD_SIZE, HEAD_SIZE))
    assert np.abs(image.astype(int) - wanted).mean() < 1.0


def test_f1_counts_pairs_as_one_part_and_leaves_unknown_pixels_out() -> None:
    truth = np.array([[PARTS.index("eye_left")] * 4 + [PARTS.index("skin")] * 4 + [255] * 2], np.uint8)
    found = np.array([[PARTS.index("eye_right")] * 3 + [PARTS.index("skin")] * 5 + [1] * 2], np.uint8)
    score = dict(zip(GROUPS, f1_percent(group_counts(found, truth)), strict=True))
    assert score["eyes"] == pytest.approx(200 * 3 / 7)
    assert score["skin"] == pytest.approx(200 * 4 / 9)
    assert np.isnan(score["hat"])


def test_interval_of_f1_holds_the_figure_of_the_whole_set() -> None:
    rng = np.random.default_rng(0)
    there = rng.integers(50, 100, (30, 1, len(GROUPS)))
    counts = np.concatenate([there - rng.integers(0, 40, there.shape), there, there], axis=1)
    for interval in f1_intervals(counts).values():
        assert interval.low < interval.mean < interval.high


def seen_with(kind: str, rows: slice) -> parsing.Seen:
    """A face of 60 x 100 pixels with a mouth at rows 70 to 80 and an occluder on some rows."""
    points = np.zeros((68, 2), np.float32)
    points[:17] = [[20 + 60 * (k > 8), 10 + 100 * (k % 2)] for k in range(17)]
    points[17:] = [50, 50]
    points[48:60] = [[40 + 20 * (k % 2), 70 + 10 * (k > 5)] for k in range(12)]
    occluder = np.zeros((120, 100), np.uint8)
    occluder[rows] = OCCLUDERS.index(kind)
    return parsing.Seen(points, Parsing(np.zeros_like(occluder), occluder, occluder), (1.0, 1.0))


def test_a_mask_counts_when_it_covers_the_mouth() -> None:
    assert parsing.mask_found(seen_with("mask", slice(60, 120)))
    assert not parsing.mask_found(seen_with("mask", slice(84, 120)))  # under the chin
    assert not parsing.mask_found(seen_with("hand", slice(60, 120)))
    assert parsing.mask_found(seen_with("scarf", slice(60, 120)))
    assert not parsing.mask_found(parsing.Seen(None, None, (np.nan, np.nan)))


def test_false_occluders_are_measured_against_the_face() -> None:
    seen = seen_with("object", slice(0, 60))
    assert parsing.false_share(seen, on_face=True) == pytest.approx(0.5, abs=0.02)
    assert parsing.false_share(seen, on_face=False) == pytest.approx(100 * 60 / (61 * 101), rel=0.02)
    assert parsing.false_share(seen_with("none", slice(0, 60)), on_face=False) == 0.0


def test_every_large_enough_face_of_a_photo_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    masked, bare = seen_with("mask", slice(50, 120)), seen_with("mask", slice(0, 2))

    class Stub:
        settings = Settings(min_face=20)

        def detect(self, image: np.ndarray) -> list[FaceBox]:
            return [FaceBox(0.0, 0.0, side, side, 1.0, np.zeros((5, 2), np.float32)) for side in (60.0, 30.0, 10.0)]

        def landmarks(self, image: np.ndarray, box: FaceBox) -> SimpleNamespace:
            return SimpleNamespace(points=np.full((68, 2), box.size))

        def parse(self, image: np.ndarray, points: np.ndarray) -> Parsing | None:
            return (masked if points[0, 0] == 30.0 else bare).parsing

    monkeypatch.setattr(Photo, "image", lambda self: np.zeros((100, 100, 3), np.uint8))
    found = list(parsing.looks(Stub(), Photo(Path("any.jpg"))))  # type: ignore[arg-type]
    assert [one.points[0, 0] for one in found] == [60.0, 30.0]
    assert [one.parsing for one in found] == [bare.parsing, masked.parsing]
