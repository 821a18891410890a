"""Completion: what is deleted, that nothing else changes, and that the painted part belongs to its photo."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.cautions import about_completion
from core.errors import WeightsError
from core.geometry import alignment
from core.geometry.grain import Grain, measured, noise
from core.geometry.hole_mask import covers, grown, occluder_mask
from core.geometry.membrane import membrane
from core.geometry.rim_path import best_line
from core.look import believed, uncovered
from core.pipeline import Pipeline
from core.runtime.specs import FACE_SIZE, NetworkSpec
from core.settings import Settings
from core.stages.complete import Complete
from core.types import LANDMARKS, OCCLUDERS, PARTS, Completion, FaceTexture, Landmarks, Parsing

from .conftest import PAINT

BLUE, GREEN = (0, 0, 255), (0, 255, 0)
MASK, GLASSES, HAND = (OCCLUDERS.index(name) for name in ("mask", "clear_glasses", "hand"))


class Painter:
    """Paints the given crop."""

    def __init__(self, crop: np.ndarray) -> None:
        self.crop, self.holes = crop, []

    def run(self, image: np.ndarray, mask: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
        assert image.shape == (1, 3, FACE_SIZE, FACE_SIZE)
        assert mask.shape == (1, 1, FACE_SIZE, FACE_SIZE)
        assert landmarks.shape == (1, LANDMARKS, 2)
        assert set(np.unique(mask)) <= {0.0, 1.0}
        self.holes.append(mask[0, 0])
        painted = np.clip(self.crop, 0, 255).transpose(2, 0, 1)[None].astype(np.float32) / 255.0
        return {"completed": np.where(mask > 0.5, painted, image)}


@pytest.fixture
def points(landmark_points: np.ndarray) -> np.ndarray:
    """(68, 2) of a face of about 250 pixels in a photo of 640 x 640."""
    return landmark_points[:LANDMARKS]


def scene(shape: tuple[int, int] = (640, 640), noise_level: float = 0.0) -> np.ndarray:
    """Skin that is lit from one side."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    light = 0.6 + 0.4 * x / shape[1] - 0.2 * y / shape[0]
    skin = light[..., None] * np.array([225, 170, 140], np.float32)
    skin += np.random.default_rng(0).normal(0, noise_level, skin.shape) if noise_level else 0
    return np.clip(skin, 0, 255).round().astype(np.uint8)


def disc(shape: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    """(H, W) uint8 mask, 255 in a disc."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.where(np.hypot(columns - x, rows - y) < radius, 255, 0).astype(np.uint8)


def crop_of(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    matrix = alignment.crop_matrix(points, FACE_SIZE)
    return alignment.extract(photo, matrix, FACE_SIZE, cv2.BORDER_REFLECT_101).image.astype(np.float32)


def parsed(occluder: np.ndarray, share: float = 1.0) -> Parsing:
    """What the parser would say of these occluders."""
    occluded = np.where(occluder > 0, round(255 * share), 0).astype(np.uint8)
    return Parsing(np.zeros_like(occluder), occluder, occluded)


def found(
    parsing: Parsing,
    points: np.ndarray,
    threshold=0.5,
    grow=0.018,
    keep_glasses=False,
    keep_lenses=False,
    photo: np.ndarray | None = None,
) -> np.ndarray:
    photo = scene(parsing.parts.shape) if photo is None else photo
    return occluder_mask(
        photo, parsing, points, threshold=threshold, grow=grow, keep_glasses=keep_glasses, keep_lenses=keep_lenses
    )


class Spectacles:
    """Round glasses before the eyes: lenses, and a rim so many times as bright as the skin, with a brow above each."""

    def __init__(self, points: np.ndarray, photo: np.ndarray, rim: float | tuple[float, ...], width: int) -> None:
        self.eyes = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0)])
        self.radius = 0.2 * float(np.linalg.norm(points[45] - points[36]))
        shape = (photo.shape[0], photo.shape[1])
        self.photo, self.rims, self.brows, within = photo.copy(), *(np.zeros(shape, np.uint8) for _ in range(3))
        for eye in self.eyes:
            middle = (round(float(eye[0])), round(float(eye[1])))
            cv2.circle(self.rims, middle, round(self.radius), 1, width)
            cv2.circle(within, middle, round(self.radius + width / 2), 1, -1)
            cv2.ellipse(self.brows, middle, (round(1.55 * self.radius),) * 2, 0, 240, 300, 1, 2 + width)
        self.photo[self.brows > 0] = (70, 50, 40)
        self.photo[self.rims > 0] = np.clip(np.asarray(rim) * self.photo[self.rims > 0], 0, 255)
        self.photo = cv2.GaussianBlur(self.photo, (0, 0), 0.7)
        self.parsing = parsed(within * GLASSES)
        self.parsing.parts[within == 0] = PARTS.index("skin")
        self.parsing.parts[grown(self.brows, 2.0) > 0] = PARTS.index("brow_left")


# The mask


def test_mask_is_grown_by_shares_of_the_crop(points: np.ndarray) -> None:
    x, y = points[33]
    occluder = (disc((640, 640), x, y, 60) > 0).astype(np.uint8) * MASK
    side = FACE_SIZE / np.sqrt(np.linalg.det(alignment.crop_matrix(points, FACE_SIZE)[:, :2]))
    for grow in (0.0, 0.018, 0.05):
        mask = found(parsed(occluder), points, grow=grow)
        assert set(np.unique(mask)) == {0, 255}
        assert np.sqrt((mask > 0).sum() / np.pi) == pytest.approx(60 + grow * side, abs=1.0)


def test_mask_follows_the_threshold(points: np.ndarray) -> None:
    occluder = (disc((640, 640), *points[33], 60) > 0).astype(np.uint8) * MASK
    assert not found(parsed(occluder, 0.4), points, threshold=0.5).any()
    assert found(parsed(occluder, 0.4), points, threshold=0.3).any()


def test_what_hangs_on_a_find_belongs_to_it(points: np.ndarray) -> None:
    x, y = points[33].round().astype(int)
    occluder = (disc((640, 640), x, y, 40) > 0).astype(np.uint8) * MASK
    parsing = parsed(occluder)
    parsing.occluded[y - 3 : y + 3, x + 30 : x + 80] = 90  # a strap that the parser is unsure of
    parsing.occluded[y - 80 : y - 60, x - 10 : x + 10] = 90  # the same, alone
    mask = found(parsing, points, grow=0.0)
    assert mask[y, x + 70] == 255
    assert not mask[y - 70, x]


def test_mask_ends_with_the_face_crop(points: np.ndarray) -> None:
    everywhere = np.full((640, 640), HAND, np.uint8)
    mask = found(parsed(everywhere), points)
    matrix = alignment.crop_matrix(points, FACE_SIZE)
    y, x = np.mgrid[:640, :640]
    place = alignment.apply(matrix, np.stack([x.ravel(), y.ravel()], 1).astype(float)).reshape(640, 640, 2)
    inside = ((place > -0.5) & (place < FACE_SIZE - 0.5)).all(axis=2)
    assert ((mask > 0) != inside).mean() < 0.005


def test_holes_are_closed_and_specks_dropped(points: np.ndarray) -> None:
    x, y = points[33]
    occluder = (disc((640, 640), x, y, 60) > 0).astype(np.uint8) * MASK
    occluder[disc((640, 640), x, y, 8) > 0] = 0  # a highlight
    occluder[disc((640, 640), x, y - 110, 3) > 0] = HAND
    mask = found(parsed(occluder), points, grow=0.0)
    assert mask[int(y), int(x)] == 255
    assert not mask[int(y) - 115 : int(y) - 100].any()


def test_what_does_not_reach_the_face_stays(points: np.ndarray) -> None:
    chin, side = points[8], np.ptp(points, axis=0).max()
    occluder = np.zeros((640, 640), np.uint8)
    away = chin + [0.0, 0.15 * side]
    occluder[disc((640, 640), *away, 0.04 * side) > 0] = HAND
    assert not found(parsed(occluder), points).any()
    occluder[disc((640, 640), *chin, 0.15 * side) > 0] = HAND  # now it hangs on what hides the chin
    assert covers(found(parsed(occluder), points), away[None]).all()


def test_glasses_may_stay(points: np.ndarray) -> None:
    occluder = np.zeros((640, 640), np.uint8)
    eyes, mouth = points[36:48].mean(axis=0), points[48:].mean(axis=0)
    occluder[disc((640, 640), *eyes, 35) > 0] = GLASSES
    occluder[disc((640, 640), *mouth, 35) > 0] = MASK
    parsing = parsed(occluder)
    parsing.occluded[disc((640, 640), *eyes, 39) > 0] = 255  # the rim of the find is unsure of its kind
    both, kept = found(parsing, points), found(parsing, points, keep_glasses=True)
    assert covers(both, np.array([eyes, mouth])).all()
    assert covers(kept, np.array([eyes, mouth])).tolist() == [False, True]
    assert not kept[: int(eyes[1]) + 40].any()


@pytest.mark.parametrize("rim", [0.15, 0.8, 1.5, (0.72, 1.12, 1.1)], ids=["dark", "faint", "bright", "green"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_of_clear_glasses_the_rims_alone_go(
    points: np.ndarray, rim: float | tuple[float, float, float], scale: float
) -> None:
    side = round(640 * scale)
    worn = Spectacles((points * scale).astype(np.float32), scene((side, side), 2.0), rim, max(round(4 * scale), 2))
    mask = found(worn.parsing, (points * scale).astype(np.float32), keep_lenses=True, photo=worn.photo) > 0
    assert mask[worn.rims > 0].mean() > 0.99
    assert mask[grown(worn.rims, 1.0) > 0].mean() > 0.97  # the blurred edge too
    assert not covers(mask, worn.eyes).any()
    assert mask[worn.brows > 0].mean() < 0.2
    assert mask.sum() < 4.5 * worn.rims.sum()


def test_breaks_in_a_rim_are_closed(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(noise_level=2.0), 0.2, 4)
    x, y = worn.eyes[0].astype(int)
    below = slice(y + round(worn.radius) - 6, y + round(worn.radius) + 7), slice(x - 6, x + 7)
    worn.photo[below] = scene()[below]  # a reflection hides the rim
    mask = found(worn.parsing, points, keep_lenses=True, photo=worn.photo) > 0
    assert mask[worn.rims > 0].all()


def test_dark_and_tinted_lenses_go(points: np.ndarray) -> None:
    for kind, brightness in ((OCCLUDERS.index("dark_glasses"), 1.0), (GLASSES, 0.4)):
        worn = Spectacles(points, scene(), 0.15, 4)
        worn.parsing.occluder[worn.parsing.occluder > 0] = kind
        within = worn.parsing.occluder > 0
        worn.photo[within] = (worn.photo[within] * brightness).astype(np.uint8)
        assert found(worn.parsing, points, keep_lenses=True, photo=worn.photo)[within].all()


def eye_discs(points: np.ndarray, radius: float) -> np.ndarray:
    """(640, 640) uint8: what a parser calls glasses, two discs of so many eye widths about the eyes."""
    occluder = np.zeros((640, 640), np.uint8)
    for eye in (points[36:42], points[42:48]):
        size = radius * float(np.linalg.norm(eye[3] - eye[0]))
        occluder[disc((640, 640), *eye.mean(axis=0), size) > 0] = GLASSES
    return occluder


def test_deep_set_eyes_are_no_glasses(points: np.ndarray) -> None:
    small, whole = eye_discs(points, 0.5), eye_discs(points, 0.8)
    small[disc((640, 640), *points[48:].mean(axis=0), 35) > 0] = MASK
    parsing = parsed(small)
    parsing.occluded[eye_discs(points, 0.9) > 0] = 255  # sure of a cover, unsure of its kind
    mask = found(parsing, points)
    assert covers(mask, points[48:].mean(axis=0)[None]).all()
    assert not mask[eye_discs(points, 0.9) > 0].any()
    assert found(parsed(whole), points)[whole > 0].all()


def test_small_glasses_are_believed_from_aside(points: np.ndarray) -> None:
    small = eye_discs(points, 0.5)
    small[:, : int(points[27, 0])] = 0
    turned = points.copy()
    turned[27, 0] = 0.8 * points[45, 0] + 0.2 * points[36, 0]  # the bridge lies near the far eye's corner
    assert found(parsed(small), turned)[small > 0].all()
    assert not found(parsed(small), points).any()  # the same from before


def test_lenses_go_when_asked(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(), 0.15, 4)
    assert found(worn.parsing, points, photo=worn.photo)[worn.parsing.occluder > 0].all()


def test_a_hand_beside_clear_glasses_goes_whole(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(), 0.15, 4)
    hand = disc((640, 640), *points[48:].mean(axis=0), 30) > 0
    worn.parsing.occluder[hand], worn.parsing.occluded[hand] = HAND, 255
    mask = found(worn.parsing, points, keep_lenses=True, photo=worn.photo) > 0
    assert mask[hand].all()
    assert not covers(mask, worn.eyes).any()


def test_best_line_follows_a_ridge_through_a_break() -> None:
    place = np.arange(120)
    ridge = np.rint(20 + 6 * np.sin(2 * np.pi * place / 120)).astype(int)
    values = np.random.default_rng(3).uniform(0, 0.6, (120, 40)).astype(np.float32)
    values[place, ridge] += 1.5
    values[50:56] = 0.0
    values[30:34, 35] = 2.0  # a speck beside it
    line = best_line(values)
    seen = (place < 48) | (place > 58)
    assert np.abs(line - ridge)[seen].max() <= 1
    assert np.abs(line - ridge).max() <= 4
    assert np.abs(np.diff(line, append=line[0])).max() <= 2


def test_nothing_found_is_an_empty_mask(pipeline: Pipeline, points: np.ndarray) -> None:
    photo = scene()
    mask = pipeline.occluder_mask(photo, points)
    assert mask.shape == (640, 640) and mask.dtype == np.uint8
    assert not mask.any()


def test_pipeline_finds_what_the_parser_sees(pipeline: Pipeline, points: np.ndarray) -> None:
    photo = np.full((640, 640, 3), GREEN, np.uint8)
    hidden = disc((640, 640), *points[33], 70) > 0
    photo[hidden] = BLUE
    mask = pipeline.occluder_mask(photo, points)
    assert mask[hidden].mean() > 250
    assert (mask > 0).sum() < 1.6 * hidden.sum()
    without = pipeline.with_settings(replace(pipeline.settings, deocclusion="none"))
    assert not without.occluder_mask(photo, points).any()


# The photo


@pytest.mark.parametrize("method", ["generator", "autoencoder", "telea"])
def test_only_the_hole_changes(pipeline: Pipeline, points: np.ndarray, method: str) -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (640, 640, 3), np.uint8)
    before = photo.copy()
    mask = disc((640, 640), *points[33], 70)
    done = pipeline.with_settings(replace(pipeline.settings, deocclusion=method)).complete(photo, points, mask)
    assert np.array_equal(photo, before)
    assert done.method == method
    assert np.array_equal(done.mask, mask)
    assert np.array_equal(done.photo[mask == 0], photo[mask == 0])
    assert (done.photo[mask > 0] != photo[mask > 0]).mean() > 0.9


def test_nothing_to_delete(pipeline: Pipeline, points: np.ndarray) -> None:
    photo = scene()
    for mask in (None, np.zeros((640, 640), np.uint8), np.full((640, 640), 100, np.uint8)):
        done = pipeline.complete(photo, points, mask)
        assert np.array_equal(done.photo, photo)
        assert not done.mask.any()
        assert done.method == "none"


def test_method_none_deletes_nothing(pipeline: Pipeline, points: np.ndarray) -> None:
    photo, mask = scene(), disc((640, 640), *points[33], 50)
    done = pipeline.with_settings(replace(pipeline.settings, deocclusion="none")).complete(photo, points, mask)
    assert np.array_equal(done.photo, photo)
    assert not done.mask.any()


@pytest.mark.parametrize(
    ("shift", "scale", "size"),
    [
        ((0, 0), 1.0, (640, 640)),
        ((-250, -200), 1.0, (640, 640)),
        ((0, 0), 0.15, (100, 110)),
        ((40, 150), 1.3, (700, 500)),
    ],
)
def test_holes_may_touch_every_border(points: np.ndarray, shift, scale: float, size: tuple[int, int]) -> None:
    moved = ((points + shift) * scale).astype(np.float32)
    photo = scene(size)
    done = Complete(Painter(crop_of(photo, moved) + 25), "generator")(photo, moved, np.full(size, 255, np.uint8))
    assert done.mask.any()
    assert np.array_equal(done.photo[done.mask == 0], photo[done.mask == 0])
    half = np.zeros(size, np.uint8)
    half[:, size[1] // 2 :] = 255
    done = Complete(Painter(crop_of(photo, moved) + 25), "generator")(photo, moved, half)
    assert np.array_equal(done.photo[done.mask == 0], photo[done.mask == 0])
    if (done.mask == 0).any() and done.mask.any():  # what is seen tells how far off the painting is
        assert np.abs(done.photo[done.mask > 0].astype(int) - photo[done.mask > 0]).mean() < 4


def test_face_outside_the_photo(points: np.ndarray) -> None:
    photo = scene((100, 100))
    far = points + 5000
    done = Complete(Painter(crop_of(photo, points)), "generator")(photo, far, np.full((100, 100), 255, np.uint8))
    assert not done.mask.any()


def test_colour_is_matched_to_the_skin(points: np.ndarray) -> None:
    """A painter that is off in brightness, hue and light: what it drew stays, the rest is corrected."""
    truth = scene()
    mole = disc((640, 640), *points[33], 12) > 0
    truth[mole] = truth[mole] // 2
    photo = truth.copy()
    mask = disc((640, 640), *points[33], 70)
    photo[mask > 0] = (20, 60, 200)
    x = np.linspace(-15, 15, FACE_SIZE)[None, :, None]
    painter = Painter(crop_of(truth, points) * np.array([0.9, 1.05, 0.95]) + np.array([10, -20, 5]) + x)
    done = Complete(painter, "generator")(photo, points, mask)
    error = done.photo.astype(int) - truth
    plain = (mask > 0) & (grown(mole.astype(np.uint8), 6) == 0)
    assert np.abs(error[plain]).mean() < 1.5
    assert np.abs(error[plain]).max() < 8
    assert np.abs(error[mole]).mean() < 12
    step = np.abs(np.diff(done.photo.astype(int), axis=1)).max(axis=2)
    border = grown((mask > 0).astype(np.uint8), 2) - (1 - grown((mask == 0).astype(np.uint8), 2))
    assert step[(border[:, 1:] > 0)].max() <= 4  # no seam


def test_black_and_white_stays_black_and_white(points: np.ndarray) -> None:
    photo = np.repeat(scene()[..., :1], 3, axis=2)
    mask = disc((640, 640), *points[33], 70)
    done = Complete(Painter(crop_of(scene(), points)), "generator")(photo, points, mask)
    assert np.ptp(done.photo, axis=2).max() <= 1
    assert np.abs(done.photo[mask > 0].astype(int) - photo[mask > 0]).mean() < 3


def test_painter_sees_a_larger_hole_than_the_photo(points: np.ndarray) -> None:
    photo, mask = scene(), disc((640, 640), *points[33], 50)
    painter = Painter(crop_of(photo, points))
    Complete(painter, "generator")(photo, points, mask)
    scale = np.sqrt(np.linalg.det(alignment.crop_matrix(points, FACE_SIZE)[:, :2]))
    radius = np.sqrt(painter.holes[0].sum() / np.pi)
    assert 50 * scale + 1 < radius < 50 * scale + 4


def test_a_rest_of_the_occluder_does_not_tint_the_skin(points: np.ndarray) -> None:
    truth = scene()
    x, y = points[33].astype(int)
    photo, mask = truth.copy(), disc((640, 640), x, y, 70)
    photo[y - 90 : y - 60, x - 35 : x + 35] = 10  # a bar, half of which the mask missed
    done = Complete(Painter(crop_of(truth, points) - 12), "generator")(photo, points, mask)
    inner = disc((640, 640), x, y, 40) > 0
    assert np.abs(done.photo[inner].astype(int) - truth[inner]).mean() < 4


def test_fill_has_the_grain_of_the_skin(points: np.ndarray) -> None:
    smooth, photo = scene(), scene(noise_level=6.0)
    mask = disc((640, 640), *points[33], 60)
    done = Complete(Painter(crop_of(smooth, points)), "generator")(photo, points, mask)
    inner = disc((640, 640), *points[33], 45) > 0

    def level(picture: np.ndarray) -> float:
        fine = picture.astype(np.float32) - cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0)
        return float(fine[inner].std())

    assert level(done.photo) == pytest.approx(level(photo), rel=0.25)
    again = Complete(Painter(crop_of(smooth, points)), "generator")(photo, points, mask)
    assert np.array_equal(again.photo, done.photo)
    clean = Complete(Painter(crop_of(smooth, points)), "generator")(smooth, points, mask)
    assert level(clean.photo) < 1.0


def test_grain_comes_back_as_it_was_measured() -> None:
    covariance = np.array([[9.0, 4.0, 3.0], [4.0, 6.0, 2.0], [3.0, 2.0, 5.0]])
    made = noise(Grain(np.array([covariance, 0.5 * covariance])), (300, 280))
    again = measured(made + 128, np.ones((300, 280), np.uint8), 2.0)
    assert again.octaves.shape == (2, 3, 3)
    np.testing.assert_allclose(again.octaves[0], covariance, rtol=0.35, atol=0.6)


def test_membrane_is_harmonic() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    plane = np.stack([x, 2 * y, x - y], axis=2)
    domain = disc((64, 64), 31, 33, 20) > 0
    rim = domain & ~(disc((64, 64), 31, 33, 17) > 0)
    surface = membrane(plane, 50.0 * rim.astype(np.float32), domain)
    assert np.abs(surface - plane)[domain].max() < 1.5
    assert not surface[~domain].any()
    assert not membrane(plane, np.zeros((64, 64), np.float32), domain).any()


# In the pipeline


def test_untrained_network_gives_way_to_the_classical_method(
    models_dir: Path, specs: dict[str, NetworkSpec], points: np.ndarray
) -> None:
    untrained = specs | {"completer": replace(specs["completer"], sha256="")}
    pipeline = Pipeline(Settings(models_dir=models_dir), untrained)
    done = pipeline.complete(scene(), points, disc((640, 640), *points[33], 50))
    assert done.method == "telea"
    (warning,) = about_completion(done, "generator", points)
    assert "not in this build" in warning
    assert about_completion(done, "telea", points) == ()


def test_missing_network_says_so(models_dir: Path, specs: dict[str, NetworkSpec], points: np.ndarray) -> None:
    path = models_dir / "weights" / "completer.onnx"
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(WeightsError, match=r"completer\.onnx is missing"):
            Pipeline(Settings(models_dir=models_dir), specs).complete(scene(), points, disc((640, 640), 320, 320, 50))
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    "mask", [np.zeros((10, 10), np.uint8), np.zeros((640, 640), bool), np.zeros((640, 640, 3), np.uint8)]
)
def test_mask_of_a_wrong_form(pipeline: Pipeline, points: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="mask has"):
        pipeline.complete(scene(), points, mask)
    with pytest.raises(ValueError, match="mask has"):
        pipeline.reconstruct(scene(), mask=mask)


@pytest.mark.parametrize(
    "choice",
    [
        {"deocclusion": "magic"},
        {"mask_threshold": 0.0},
        {"mask_threshold": 1.0},
        {"mask_grow": -0.1},
        {"mask_grow": 0.5},
    ],
)
def test_impossible_settings(choice: dict) -> None:
    with pytest.raises(ValueError, match=r"deocclusion|mask_"):
        Settings(**choice)


def test_reconstruction_uses_the_completed_face(
    pipeline: Pipeline, photo_with_faces: Callable[..., np.ndarray], grey_texture: Callable[..., FaceTexture]
) -> None:
    photo = photo_with_faces((300, 200, 200))
    shown: list[np.ndarray] = []

    def texture(picture, params, camera, landmarks, completed, vertices):
        shown.extend([picture, completed])
        grey = grey_texture(picture, params, camera, landmarks, completed, vertices)
        return replace(grey, source=np.full((4, 4), 3, np.uint8))

    pipeline.__dict__["_texture"] = texture
    regress = pipeline._regress
    pipeline.__dict__["_regress"] = lambda picture, points: shown.append(picture) or regress(picture, points)
    mask = disc((480, 640), 300, 240, 40)
    result = pipeline.reconstruct(photo, mask=mask)
    assert result.completion is not None
    assert np.array_equal(result.completion.mask, mask)
    assert shown[0] is shown[1] is result.completion.photo
    assert shown[2] is result.completion.mask
    painted = result.completion.photo[disc((480, 640), 300, 240, 20) > 0].mean(axis=0)
    assert painted == pytest.approx(np.array([90, 90, 90]), abs=25)  # matched to the grey round it
    assert np.abs(np.array(PAINT) * 255 - 90).max() > 40
    assert (result.confidence == 2).all()
    assert "complete" in result.timings


def test_bare_faces_are_reconstructed_as_before(
    pipeline: Pipeline, photo_with_faces: Callable[..., np.ndarray], grey_texture: Callable[..., FaceTexture]
) -> None:
    photo = photo_with_faces((300, 200, 150))
    pipeline.__dict__["_texture"] = grey_texture
    result = pipeline.reconstruct(photo)
    other = pipeline.with_settings(replace(pipeline.settings, deocclusion="none"))
    other.__dict__["_texture"] = grey_texture
    plain = other.reconstruct(photo)
    assert result.completion is plain.completion is None
    assert np.array_equal(result.vertices, plain.vertices)
    assert np.array_equal(result.params.to_vector(), plain.params.to_vector())


def test_hidden_landmarks_weigh_less_and_show_completed_skin(points: np.ndarray) -> None:
    mask = disc((640, 640), *points[33], 40)
    ones = np.ones(LANDMARKS, np.float32)
    landmarks = Landmarks(points.astype(np.float32), np.empty((0, 2), np.float32), 0.2 * ones, 2.0 * ones)
    hidden = covers(mask, points)
    assert 0 < hidden.sum() < LANDMARKS
    less = believed(landmarks, mask)
    assert (less.sigma[hidden] > 2.0).all() and (less.sigma[~hidden] == 2.0).all()
    shown = uncovered(landmarks, mask)
    assert (shown.visibility[hidden] == 1.0).all() and (shown.visibility[~hidden] < 0.3).all()


def test_too_much_is_hidden(points: np.ndarray) -> None:
    photo = scene()
    whole = Completion(photo, np.full((640, 640), 255, np.uint8), "generator")
    (warning,) = about_completion(whole, "generator", points)
    assert "Nearly all of the face is hidden" in warning
    little = replace(whole, mask=disc((640, 640), *points[33], 30))
    assert about_completion(little, "generator", points) == ()
