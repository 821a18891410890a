"""Recipes and the loop on made-up pictures: labels follow the crop, runs repeat and resume exactly."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry import alignment, lighting  # noqa: E402
from core.geometry.camera import camera_from_pose, project, rotation_from_angles  # noqa: E402
from core.geometry.face_model import FaceModel  # noqa: E402
from core.geometry.mirroring import mirrored_landmarks  # noqa: E402
from core.types import LAYOUT  # noqa: E402
from models.networks.detector import DetectorConfig  # noqa: E402
from models.networks.landmarker import LandmarkerConfig  # noqa: E402
from models.networks.regressor import RegressorConfig  # noqa: E402
from models.training import augment, cards, checkpoints, loop, options  # noqa: E402
from models.training.crops import Cropper  # noqa: E402
from models.training.crowd import Crowd, mouth_hidden, picture_groups, portrait_groups  # noqa: E402
from models.training.data import Pictures  # noqa: E402
from models.training.detector import DetectorRecipe  # noqa: E402
from models.training.distractors import SIDE as PATCH  # noqa: E402
from models.training.distractors import no_face  # noqa: E402
from models.training.landmarker import LandmarkerRecipe  # noqa: E402
from models.training.portraits import (  # noqa: E402
    Portraits,
    consensus,
    mesh_points,
    mixing_matrix,
    onto_line,
    read_portraits,
)
from models.training.regressor import RegressorRecipe, turned_light  # noqa: E402
from models.training.relabel import follow_model  # noqa: E402
from models.training.scenes import SceneComposer  # noqa: E402
from models.training.sources import PictureSource, PortraitSource, tinted  # noqa: E402

from .people import SIDE, make_pictures  # noqa: E402


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    return make_pictures(model)


def backgrounds() -> list[np.ndarray]:
    return [np.random.default_rng(1).integers(0, 256, (120, 140, 3)).astype(np.uint8)]


def recipe_of(name: str, pictures: Pictures, model: FaceModel) -> loop.Recipe:
    torch.manual_seed(0)
    if name == "landmarker":
        config = LandmarkerConfig(pictures.points.shape[1], size=64, width=0.35, narrow=4, hidden=16)
        sources: list = [(PictureSource("synthetic", pictures, 64), 3.0)]
        sources.append((PortraitSource(made_up_portraits(pictures), config.points, 64), 1.0))
        return LandmarkerRecipe(sources, model, config)
    if name == "regressor":
        return RegressorRecipe(pictures, model, RegressorConfig(size=64, width=0.35, narrow=4, hidden=16))
    tiny = DetectorConfig(stem=8, channels=(8, 16, 16), depth=(1, 1, 1), neck=8)
    return DetectorRecipe(crowd_of(pictures), crowd_of(pictures), backgrounds(), tiny, size=96, checked=12)


def made_up_portraits(pictures: Pictures) -> Portraits:
    """The synthetic pictures in grey, in two variants; the chin of each is not trusted."""
    count = len(pictures)
    grey = np.stack([cv2.cvtColor(pictures.image(k), cv2.COLOR_RGB2GRAY) for k in range(count)])
    trusted = np.ones((count, 68), bool)
    trusted[:, 8] = False
    names = np.array([f"{k}.jpg" for k in range(count)])
    seen = np.ones((count, 2, 68), bool)
    images = np.stack([grey, grey], axis=1)
    return Portraits(names, images, pictures.points[:, :68], trusted, seen, np.ones(images.shape, bool))


def crowd_of(pictures: Pictures) -> Crowd:
    portraits = made_up_portraits(pictures)
    every = np.arange(len(pictures))
    return Crowd([*picture_groups(pictures, every, 0.5), *portrait_groups(portraits, every, 0.5)])


def losses(folder) -> list[float]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.parametrize("name", ["landmarker", "regressor", "detector"])
def test_resumed_run_repeats_the_uninterrupted_one(name, pictures, model, tmp_path) -> None:
    config = options.TrainConfig(steps=5, batch=4, seed=3, device="cpu")
    whole = loop.Run(recipe_of(name, pictures, model), config, tmp_path / "whole")
    figures = whole.train()
    assert all(np.isfinite(value) for value in figures.values())
    broken = loop.Run(recipe_of(name, pictures, model), config, tmp_path / "parts")
    for image, labels in broken._batches():
        broken._log(loss=sum(broken._one_step(image, labels).values()))
        if broken.step == 2:
            break
    broken.save()
    torch.manual_seed(99)
    resumed = loop.Run(recipe_of(name, pictures, model), config, tmp_path / "parts")
    resumed.resume()
    resumed.train()
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)
    card = json.loads((tmp_path / "whole" / "card.json").read_text())
    assert card["training"]["seed"] == 3
    assert card["training"]["steps"] == 5
    wanted = "public domain" if name == "landmarker" else "No photo of a real person"
    assert wanted in card["provenance"]


def test_averaged_weights_are_loaded_from_a_checkpoint(pictures, model, tmp_path) -> None:
    config = options.TrainConfig(steps=2, batch=4, device="cpu")
    run = loop.Run(recipe_of("regressor", pictures, model), config, tmp_path)
    run.train()
    other = recipe_of("regressor", pictures, model)
    checkpoints.load_averaged(other.net, tmp_path / checkpoints.CHECKPOINT)
    for a, b in zip(other.net.state_dict().values(), run.average.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_batches_depend_on_seed_and_step_alone(pictures, model) -> None:
    recipe = recipe_of("landmarker", pictures, model)
    config = options.TrainConfig(steps=4, batch=3, seed=1, workers=3)
    first = [batch for batch, _ in zip(loop.batches(recipe, config, 0), range(4), strict=False)]
    again = next(iter(loop.batches(recipe, config, 3)))
    assert np.array_equal(first[3]["image"], again["image"])
    assert np.array_equal(first[3]["points"], again["points"])
    assert not np.array_equal(first[2]["image"], again["image"])


def test_jittered_crop_moves_labels_with_the_picture(pictures) -> None:
    cropper, rng = Cropper(pictures, 64), np.random.default_rng(0)
    dot = np.zeros((SIDE, SIDE, 3), np.uint8)
    x, y = np.rint(pictures.points[0, 30]).astype(int)
    cv2.circle(dot, (int(x), int(y)), 2, (255, 255, 255), -1)
    for _ in range(8):
        matrix = augment.jittered(cropper.matrices[0], 64, rng, augment.Jitter())
        matrix = alignment.mirrored(matrix, 64) if rng.random() < 0.5 else matrix
        crop = cv2.warpAffine(dot, matrix, (64, 64))[..., 0].astype(float)
        found = np.array([(crop.sum(0) * np.arange(64)).sum(), (crop.sum(1) * np.arange(64)).sum()]) / crop.sum()
        assert np.allclose(found, cropper.fractions(0, matrix)[30] * 64 - 0.5, atol=0.9)


def test_mirrored_landmarks_swap_left_and_right(model) -> None:
    order = mirrored_landmarks(model)
    points = np.concatenate([model.landmarks(model.vertices), model.dense_landmarks(model.vertices)])
    mirrored = points[order] * [-1.0, 1.0, 1.0]
    assert np.array_equal(order[order], np.arange(len(order)))
    assert np.linalg.norm(mirrored - points, axis=1).max() < 1.5e-3


def test_regressor_label_reprojects_the_landmarks_of_a_jittered_crop(pictures, model) -> None:
    recipe = recipe_of("regressor", pictures, model)
    rng = np.random.default_rng(0)
    for index in range(4):
        jitter = augment.Jitter(degrees=20.0, shift=0.05)
        matrix = augment.jittered(recipe.cropper.matrices[index], 64, rng, jitter)
        label = recipe.label(index, matrix)
        scale = np.sqrt(np.linalg.det(matrix[:, :2]))
        view = camera_from_pose(label[LAYOUT["pose"]], np.eye(2, 3), 64, (64, 64), pictures.truth.focal[index] * scale)
        shape = model.shape(label[LAYOUT["identity"]], label[LAYOUT["expression"]])
        points = project(view, model.dense_landmarks(shape))[:, :2]
        wanted = alignment.apply(matrix, pictures.points[index, 68:])
        assert np.abs(points - wanted).max() < 1.0  # the crop is a similarity, the turned camera a homography


def test_turned_light_lights_turned_normals_alike() -> None:
    rng = np.random.default_rng(0)
    light, rotation = rng.normal(size=9), rotation_from_angles(0.3, -0.4, 0.9) * np.array([[1], [-1], [-1]])
    normals = rng.normal(size=(20, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    flip = np.diag([1.0, -1.0, -1.0])
    turned = normals @ (flip @ rotation @ flip).T
    assert np.allclose(
        lighting.basis(turned) @ turned_light(light, rotation), lighting.basis(normals) @ light, atol=1e-5
    )


def test_photometric_changes_keep_shape_and_type() -> None:
    rng = np.random.default_rng(0)
    every = augment.Strength(1, 1, 1, 1, 1, 1)
    for _ in range(20):
        image = rng.integers(0, 256, (128, 128, 3), np.uint8)
        out = augment.photometric(image.copy(), rng, every)
        assert out.shape == image.shape
        assert out.dtype == np.uint8


def test_cover_hides_what_it_says_it_hides() -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        image = np.zeros((64, 64, 3), np.uint8)
        mask = augment.cover(image, rng, np.full_like(image, 255))
        changed = image[..., 0] > 128
        assert (changed == mask).mean() > 0.98


def test_scenes_place_their_boxes_on_the_people(pictures) -> None:
    composer, rng = SceneComposer(backgrounds(), 128), np.random.default_rng(0)
    crowd, seen = crowd_of(pictures), 0
    for _ in range(40):
        scene = composer.scene(crowd, rng)
        assert scene.image.shape == (128, 128, 3)
        for box, points, counted in zip(scene.boxes, scene.points.reshape(-1, 5, 2), scene.counted, strict=True):
            if box[2] <= box[0]:
                assert not counted
                continue
            seen += 1
            assert (points >= box[:2] - 1).all()
            assert (points <= box[2:] + 1).all()
            across = points[1] - points[0]
            below = points[3:].mean(0) - points[:2].mean(0)
            assert across[0] * below[1] - across[1] * below[0] > 0  # right eye stays right of the left one
    assert seen > 30


def test_card_tells_the_run_it_started_from(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"name": "landmarker", "code": "abc", "data": {"pictures": 3}, "export": {}}')
    assert cards.earlier_card(tmp_path / "checkpoint.pt") == {
        "name": "landmarker",
        "code": "abc",
        "data": {"pictures": 3},
    }
    assert cards.earlier_card(tmp_path / "elsewhere" / "checkpoint.pt")["card"] == "none"


def test_portraits_are_cut_with_their_labels_and_leave_dense_points_unknown(pictures) -> None:
    source = PortraitSource(made_up_portraits(pictures), 80, 64)
    assert not set(source.train) & set(source.held_out)
    matrix = alignment.mirrored(source.matrices[0], 64)
    crop = source.crop(0, matrix, np.random.default_rng(0))
    assert crop.image.shape == (64, 64, 3)
    assert crop.known[:68].sum() == 67
    assert not crop.known[68:].any()
    assert np.allclose(crop.points[:68] * 64 - 0.5, alignment.apply(matrix, pictures.points[0, :68]), atol=1e-3)


def test_unknown_points_have_no_say_in_the_loss(pictures, model) -> None:
    recipe = recipe_of("landmarker", pictures, model)
    batch = recipe.batch(np.random.default_rng(0), 8)
    image, labels = loop.to_device(batch, "cpu")
    torch.manual_seed(1)
    recipe.net.eval()
    before = recipe.loss(image, labels, 1.0)
    labels["points"] = labels["points"] + 5.0 * (1.0 - labels["known"])[..., None]
    after = recipe.loss(image, labels, 1.0)
    assert (labels["known"] == 0).any()
    for name in ("distance", "likelihood"):
        assert after[name].item() == pytest.approx(before[name].item())


def test_tint_keeps_order_and_ends() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    out = tinted(ramp, np.random.default_rng(3)).astype(int)
    assert (np.diff(out, axis=1) >= 0).all()
    assert (out[:, 0] == 0).all()
    assert (out[:, -1] == 255).all()


def test_mixes_of_mesh_vertices_are_mirror_images_and_sum_to_one() -> None:
    total = mixing_matrix().sum(axis=1)
    assert np.allclose(total[17:], 1.0)
    assert not total[:17].any()
    rng = np.random.default_rng(0)
    views = np.repeat(rng.normal(size=(1, 478, 2)), 2, axis=0)
    assert mesh_points(views)[0].shape == (68, 2)


def test_nearest_place_on_a_line() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    feet = onto_line(np.array([[4.0, 3.0], [12.0, 7.0], [-3.0, -1.0]]), line)
    assert np.allclose(feet, [[4.0, 0.0], [10.0, 7.0], [0.0, 0.0]])


def test_consensus_takes_out_what_differs_alike_and_drops_what_differs_alone(pictures) -> None:
    rng = np.random.default_rng(0)
    mesh = pictures.points[:, :68].astype(float)
    ours = mesh + [1.5, 0.5]
    ours[3] += rng.normal(0.0, 12.0, ours[3].shape)
    ours[5, 40] += 20.0
    outline = mesh[:, :17]
    labels, trusted, keep = consensus(mesh, outline, ours)
    assert not keep[3]
    assert keep.sum() == len(keep) - 1
    assert not trusted[5, 40]
    assert trusted[5, 41]
    inner = np.abs(labels - mesh)[keep][:, 17:]
    assert np.median(inner) < 0.5  # pixels; not the 1.5 by which the two differ alike


def test_portraits_survive_the_disk(pictures, tmp_path) -> None:
    portraits = made_up_portraits(pictures)
    portraits.save(tmp_path / "portraits.npz")
    assert np.array_equal(read_portraits(tmp_path / "portraits.npz").points, portraits.points)
    with pytest.raises(FileNotFoundError, match="make it with"):
        read_portraits(tmp_path / "absent.npz")


def test_labels_follow_the_model_where_its_points_have_moved(pictures, model) -> None:
    assert follow_model(pictures, model) is pictures
    landmarks = pictures.truth.landmarks.copy()
    landmarks[:, 27:36] += 1.5  # pixels: the points were elsewhere when these were rendered
    landmarks[:, [65, 66, 67], 1] -= 2.0  # and the lips were closed further than the coefficients say
    old = dataclasses.replace(pictures, truth=dataclasses.replace(pictures.truth, landmarks=landmarks))
    moved = follow_model(old, model)
    assert np.abs(moved.points - pictures.points)[:, 17:65].max() < 0.01
    assert np.allclose((moved.points - pictures.points)[:, 65:68], [0.0, -2.0], atol=0.01)
    assert np.array_equal(moved.points[:, 68:], pictures.points[:, 68:])
    assert np.array_equal(moved.points[:, :17], pictures.points[:, :17])


def test_people_whose_mouth_is_hidden_are_found() -> None:
    visibility = np.ones((3, 68), bool)
    visibility[1, 48:] = False  # a mask
    visibility[2] = False  # nothing is seen: no mask
    assert mouth_hidden(visibility, np.arange(3)).tolist() == [1]


def test_portraits_join_the_crowd_as_squares_with_their_labels(pictures) -> None:
    portraits = made_up_portraits(pictures)
    tall = np.pad(portraits.images, ((0, 0), (0, 0), (10, 14), (0, 0)))
    taller = dataclasses.replace(portraits, images=tall, person=np.ones(tall.shape, bool))
    person = portrait_groups(taller, np.arange(4), 1.0)[0].draw(5, np.random.default_rng(0))
    assert person.picture.shape == (SIDE + 24, SIDE + 24, 3)
    assert person.foreground.shape == person.picture.shape[:2]
    assert not person.foreground[:, :12].any()
    assert np.allclose(person.points - portraits.points[2], [12.0, 0.0])


def test_distractors_are_pictures_and_vary(pictures) -> None:
    crowd, rng = crowd_of(pictures), np.random.default_rng(0)
    patches = [no_face(crowd, backgrounds(), rng) for _ in range(30)]
    assert all(patch.shape == (PATCH, PATCH, 3) and patch.dtype == np.uint8 for patch in patches)
    assert len({patch.tobytes() for patch in patches}) == len(patches)
