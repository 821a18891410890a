"""Pictures on the device: they are those of the folder, cut and moved as the recipes cut and move one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry import alignment  # noqa: E402
from core.types import LANDMARKS  # noqa: E402
from models.synthesis.labels import Label, Occluder  # noqa: E402
from models.training import augment, device_crops  # noqa: E402
from models.training.crops import Cropper  # noqa: E402
from models.training.data import Pictures  # noqa: E402
from models.training.device_crops import Cut, at_points, crop_matrices  # noqa: E402
from models.training.device_pictures import GrowingPictures  # noqa: E402
from models.training.device_portraits import DevicePortraits, device_heads  # noqa: E402
from models.training.parsed_portraits import ParsedPortraits  # noqa: E402
from models.training.parsing_samples import targets  # noqa: E402

from .people import SIDE, write  # noqa: E402

PLANES = ("image", "clean", "codes", "part", "kind")
SIZE = 64


@pytest.fixture(scope="module")
def there(folder: Path) -> GrowingPictures:
    return GrowingPictures(folder, "cpu", 100, PLANES)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_planes_and_labels_are_those_of_the_shards(there: GrowingPictures, pictures: Pictures) -> None:
    assert there.count == len(pictures)
    for index in range(len(pictures)):
        assert np.array_equal(there.planes["image"][index], pictures.image(index))
        assert np.array_equal(there.planes["clean"][index], pictures.clean(index))
        assert np.array_equal(there.planes["codes"][index], pictures.maps(index)[1])
        assert np.array_equal(there.planes["kind"][index], targets(*pictures.maps(index))[1])
    assert np.allclose(there.rows.points, pictures.points)
    assert np.allclose(there.rows.coefficients, pictures.truth.coefficients)
    assert there.rows.covered.tolist() == [k % 2 == 0 for k in range(len(pictures))]
    assert len(there.rows.person.unique()) == len(pictures)
    assert (there.planes["part"][0] == Label.GLASSES).any()  # the bars count as frames


def test_only_wanted_planes_take_memory(folder: Path) -> None:
    assert set(GrowingPictures(folder, "cpu", 100, ("image",)).planes) == {"image"}


def test_rows_are_drawn_among_those_asked_for(there: GrowingPictures) -> None:
    drawn = there.draw(200, generator(), there.occluded)
    assert set(drawn.tolist()) == set(range(0, there.count, 2))
    nothing = torch.empty(0, dtype=torch.int64)
    assert set(there.draw(400, generator(), nothing).tolist()) == set(range(there.count))


def test_dark_pictures_are_told_from_bright_ones(pictures: Pictures, tmp_path: Path) -> None:
    shard = pictures.shards[0]
    images = shard.images.copy()
    images[1] //= 20
    write(dataclasses.replace(shard, images=images), tmp_path / "shard_00000")
    there = GrowingPictures(tmp_path, "cpu", 100, ("image",))
    assert there.bright.tolist() == [k for k in range(there.count) if k != 1]


def test_shards_that_appear_later_are_taken_in(pictures: Pictures, tmp_path: Path) -> None:
    first, second = pictures.shards
    write(second, tmp_path / "shard_00001")
    there = GrowingPictures(tmp_path, "cpu", 9, ("image", "clean"))
    assert there.count == len(second.images) == there.refresh()
    write(first, tmp_path / "shard_00000")
    assert there.refresh() == 9  # as many as there is room for
    assert np.array_equal(there.planes["image"][6], first.images[0])
    assert np.array_equal(there.planes["clean"][6], first.clean(0))
    assert np.allclose(there.rows.points[6:], first.truth.landmarks[:3])
    assert there.occluded.tolist() == [0, 2, 4, 6, 8]


def test_a_folder_without_pictures_or_with_those_that_validate_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"models\.synthesis\.dataset --out"):
        GrowingPictures(tmp_path, "cpu", 10, ("image",))
    with pytest.raises(ValueError, match="another --seed"):
        GrowingPictures(folder, "cpu", 10, ("image",), validating=[7, 0])
    assert GrowingPictures(folder, "cpu", 10, ("image",), validating=[7]).describe()["seeds"] == [0]


@pytest.mark.parametrize(
    ("framed", "margin", "lift"),
    [
        (alignment.crop_matrix, alignment.MARGIN, 0.0),
        (alignment.head_matrix, alignment.HEAD_MARGIN, alignment.HEAD_LIFT),
        (alignment.close_matrix, alignment.CLOSE_MARGIN, 0.0),
    ],
)
def test_crops_are_framed_as_the_application_frames_them(pictures: Pictures, framed, margin, lift) -> None:
    points = pictures.points[:, :LANDMARKS]
    wanted = np.stack([framed(one.astype(float), SIZE) for one in points])
    assert np.allclose(crop_matrices(torch.from_numpy(points), SIZE, margin, lift), wanted, atol=1e-3)


@pytest.mark.parametrize("border", [cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101])
@pytest.mark.parametrize("flip", [False, True])
def test_cuts_are_those_of_the_cropper(there: GrowingPictures, pictures: Pictures, border: int, flip: bool) -> None:
    cropper, rng = Cropper(pictures, SIZE), np.random.default_rng(0)
    moved = [augment.jittered(matrix, SIZE, rng, augment.Jitter()) for matrix in cropper.matrices]
    moved = [alignment.mirrored(matrix, SIZE) if flip else matrix for matrix in moved]
    reflect = torch.full((len(moved),), border == cv2.BORDER_REFLECT_101)
    cut = Cut(torch.from_numpy(np.stack(moved)).float(), SIZE, SIDE, reflect)
    found = cut.pictures(there.planes["clean"][: there.count]).permute(0, 2, 3, 1).numpy() * 255.0
    codes = cut.codes(there.planes["codes"][: there.count], 255).numpy()
    for index, matrix in enumerate(moved):
        wrong = np.abs(found[index] - cropper.cut(index, matrix, border, clean=True).astype(float)).max(axis=2)
        assert np.quantile(wrong, 0.97) <= 1.0  # the picture's edge alone may fall differently
        wanted = cv2.warpAffine(
            pictures.maps(index)[1], matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST, borderMode=border, borderValue=255
        )
        assert (codes[index] == wanted).mean() > 0.97


def test_jitter_spreads_as_it_does_for_one_crop(pictures: Pictures) -> None:
    matrix, jitter = Cropper(pictures, SIZE).matrices[0], augment.Jitter()
    rng = np.random.default_rng(0)
    ones = np.stack([augment.jittered(matrix, SIZE, rng, jitter) for _ in range(2000)])
    many = device_crops.jittered(torch.from_numpy(matrix).float().repeat(2000, 1, 1), SIZE, jitter, generator()).numpy()
    assert np.allclose(many.mean(axis=0), ones.mean(axis=0), atol=0.05 * np.abs(matrix).max())
    assert np.allclose(many.std(axis=0), ones.std(axis=0), rtol=0.1)
    matrices = torch.from_numpy(matrix).float().repeat(500, 1, 1)
    held = device_crops.jittered(matrices, SIZE, augment.Jitter(log_scale=1.0), generator(), (0.7, 1.4))
    scale = (torch.linalg.det(held[:, :, :2]) / np.linalg.det(matrix[:, :2])).sqrt()
    assert scale.min().item() == pytest.approx(0.7, abs=1e-3)
    assert scale.max().item() == pytest.approx(1.4, abs=1e-3)


def test_mirrored_matrices_and_inverses_are_those_of_one_crop(pictures: Pictures) -> None:
    matrices = Cropper(pictures, SIZE).matrices[:4]
    flip = torch.tensor([True, False, True, False])
    found = device_crops.mirrored(torch.from_numpy(matrices).float(), SIZE, flip)
    wanted = [alignment.mirrored(m, SIZE) if turned else m for m, turned in zip(matrices, flip, strict=True)]
    assert np.allclose(found, wanted, atol=1e-4)
    assert np.allclose(device_crops.inverted(found), [alignment.invert(m) for m in wanted], atol=1e-3)


def test_points_read_the_pixel_they_lie_on() -> None:
    maps = torch.arange(2.0 * 16).view(2, 4, 4)
    points = torch.tensor([[[0.5 / 4, 0.5 / 4], [2.6 / 4, 1.4 / 4]], [[-1.0, 0.9], [1.0, 1.0]]])
    assert at_points(maps, points).tolist() == [[0.0, 6.0], [28.0, 31.0]]


def test_portraits_become_squares_and_crops_with_their_points(pictures: Pictures) -> None:
    grey = np.stack([cv2.cvtColor(pictures.clean(k), cv2.COLOR_RGB2GRAY) for k in range(4)])
    tall = np.pad(grey, ((0, 0), (0, 24), (4, 4)), mode="edge")
    points, known = pictures.points[:4, :LANDMARKS] + [4.0, 0.0], np.ones((4, LANDMARKS), bool)
    known[:, 0] = False
    portraits = DevicePortraits(tall, points, known, "cpu")
    assert portraits.image.shape == (4, 256, 256)
    scale = 256 / (SIDE + 8)
    assert np.allclose((portraits.points + 0.5) / scale - 0.5, points, atol=1e-3)
    image, places, trusted = portraits.crops(40, SIZE, augment.Jitter(), generator())
    assert image.shape == (40, 3, SIZE, SIZE)
    assert (image[:, 0] - image[:, 2]).abs().max() > 0.02  # tinted
    assert places[:, 36:42, 0].mean(1).lt(places[:, 42:48, 0].mean(1)).all()  # mirrored or not
    assert set(zip(trusted[:, 0].tolist(), trusted[:, 16].tolist(), strict=True)) == {(0.0, 1.0), (1.0, 0.0)}


def test_parsed_portraits_keep_their_maps(pictures: Pictures) -> None:
    grey = np.stack([cv2.cvtColor(pictures.image(k), cv2.COLOR_RGB2GRAY) for k in range(4)])
    labels, codes = (np.stack(column) for column in zip(*(pictures.maps(k) for k in range(4)), strict=True))
    codes[1] = Occluder.TOUCHED
    heads = device_heads(ParsedPortraits(grey, labels, codes, labels > 0, pictures.points[:4, :LANDMARKS]), "cpu")
    assert heads.count == 4
    assert heads.occluded.tolist() == [0, 2]
    assert np.array_equal(heads.planes["kind"][2], targets(labels[2], codes[2])[1])
    assert np.array_equal(heads.planes["image"][0, ..., 0], grey[0])
