"""Completion: nothing but the hole changes, and the painted part belongs to its photo."""

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
from core.geometry.hole_mask import covers
from core.geometry.masks import grown
from core.geometry.membrane import membrane
from core.look import believed, parts_shown, uncovered
from core.pipeline import Pipeline
from core.runtime.specs import FACE_SIZE, NetworkSpec
from core.settings import Settings
from core.stages.complete import Complete
from core.types import LANDMARKS, OCCLUDERS, PARTS, Completion, FaceTexture, Landmarks, Parsing

from .networks import PAINT
from .skin import disc, scene

BLUE, GREEN = (0, 0, 255), (0, 255, 0)


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


def crop_of(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    matrix = alignment.crop_matrix(points, FACE_SIZE)
    return alignment.extract(photo, matrix, FACE_SIZE, cv2.BORDER_REFLECT_101).image.astype(np.float32)


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
    told: list[np.ndarray] = []

    def texture(picture, params, camera, landmarks, completed, vertices, parts):
        shown.extend([picture, completed])
        told.append(parts)
        grey = grey_texture(picture, params, camera, landmarks, completed, vertices, parts)
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
    parsed = pipeline.parse(photo, pipeline.landmarks(photo, result.box).points).parts
    assert parsed[mask > 0].any()  # the texture hears of the parts, but not of those that were painted over
    assert np.array_equal(told[0], np.where(mask > 0, 0, parsed))
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


def test_what_is_left_before_the_face_is_no_skin() -> None:
    """A mask or hand that nobody deletes is as foreign to the skin as cloth; glasses stay on it."""
    occluder = np.array([[OCCLUDERS.index(kind) for kind in ("none", "mask", "hand", "clear_glasses")]], np.uint8)
    skin = np.full((1, 4), PARTS.index("skin"), np.uint8)
    parsed = Parsing(skin, occluder, np.where(occluder > 0, np.uint8(255), np.uint8(0)))
    nothing, painted = np.zeros((1, 4), np.uint8), np.array([[0, 255, 0, 0]], np.uint8)
    cloth, own = PARTS.index("cloth"), PARTS.index("skin")
    assert parts_shown(parsed, nothing, left=True).tolist() == [[own, cloth, cloth, own]]
    assert parts_shown(parsed, painted, left=False).tolist() == [[own, 0, own, own]]


def test_too_much_is_hidden(points: np.ndarray) -> None:
    photo = scene()
    whole = Completion(photo, np.full((640, 640), 255, np.uint8), "generator")
    (warning,) = about_completion(whole, "generator", points)
    assert "Nearly all of the face is hidden" in warning
    little = replace(whole, mask=disc((640, 640), *points[33], 30))
    assert about_completion(little, "generator", points) == ()


def test_grain_is_taken_from_skin_alone(points: np.ndarray) -> None:
    """Brows, lids and lips are rough; where hardly any skin is seen, its grain is not known."""
    smooth, photo, mask = scene(), scene(noise_level=6.0), disc((640, 640), *points[33], 60)
    parts = np.full((640, 640), PARTS.index("brow_left"), np.uint8)
    parts[: int(points[19, 1]) + 8, :] = PARTS.index("skin")

    def level(told: np.ndarray | None) -> float:
        done = Complete(Painter(crop_of(smooth, points)), "generator")(photo, points, mask, told).photo
        fine = done.astype(np.float32) - cv2.GaussianBlur(done.astype(np.float32), (0, 0), 1.0)
        return float(fine[disc((640, 640), *points[33], 45) > 0].std())

    photo[: int(points[19, 1]) + 8, :] = smooth[: int(points[19, 1]) + 8, :]
    assert level(parts) < 1.0 < level(None)
