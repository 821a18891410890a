"""The shipped networks on real pictures. The portrait is NASA's (public domain), carried by scikit-image."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import NoFaceFound
from core.geometry.boxes import overlap
from core.geometry.camera import angles_from_rotation, project
from core.geometry.texel_blending import SEEN
from core.image_io import read_photo
from core.pipeline import Pipeline
from core.runtime.specs import SHA256, SPECS
from core.settings import Settings
from core.types import FaceResult

EVALUATION = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "evaluation"
BOX = np.array([180, 88, 268, 178])  # of the 68 points, pixels
HAND_PLACED = {  # landmark: pixels, by eye
    8: (222, 178),
    17: (187, 92),
    26: (264, 94),
    30: (223, 126),
    36: (193, 102),
    39: (211, 103),
    42: (237, 104),
    45: (259, 104),
    48: (203, 139),
    54: (246, 140),
}
OUTER_EYES = 66.0  # pixels

pytestmark = pytest.mark.skipif(
    not all((Settings().weights_dir / f"{name}.onnx").exists() for name in SPECS if SHA256[name]),
    reason="needs the trained networks in models/weights",
)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="needs scikit-image for the NASA portrait")
    return data.astronaut()


@pytest.fixture(scope="module")
def real_pipeline() -> Pipeline:
    return Pipeline(Settings())


@pytest.fixture(scope="module")
def result(real_pipeline: Pipeline, portrait: np.ndarray) -> FaceResult:
    return real_pipeline.reconstruct(portrait)


def as_photo(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of a grey, black-and-white or colour picture."""
    scaled = picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
    return scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)


def says_no_face(result: FaceResult) -> bool:
    """Whether a warning doubts that this is a face at all."""
    return any("may not be a photo of a human face" in text for text in result.warnings)


def marked_error(points: np.ndarray) -> float:
    """Mean distance from the hand-placed points over the outer-eye distance."""
    return float(np.mean([np.linalg.norm(points[i] - xy) for i, xy in HAND_PLACED.items()]) / OUTER_EYES)


def test_detects_the_one_face(real_pipeline: Pipeline, portrait: np.ndarray) -> None:
    (box,) = real_pipeline.detect(portrait)
    assert overlap(box.corners, BOX) > 0.6
    assert box.points[2] == pytest.approx(HAND_PLACED[30], abs=10)


def test_detects_it_at_any_size(real_pipeline: Pipeline, portrait: np.ndarray) -> None:
    import cv2

    for factor in (0.5, 2.0, 5.0):
        scaled = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        boxes = real_pipeline.detect(scaled)
        assert boxes, factor
        corners = boxes[0].corners
        assert overlap(corners / factor, BOX) > 0.55


def test_landmarks_lie_where_a_person_puts_them(result: FaceResult) -> None:
    assert marked_error(result.landmarks.points) < 0.08


def test_fitted_model_lies_there_too(result: FaceResult, real_pipeline: Pipeline) -> None:
    model = real_pipeline.face_model
    points = project(result.camera, model.visible_landmarks(result.vertices, result.camera.rotation))
    assert marked_error(points[:, :2]) < 0.09


def test_head_is_a_smiling_person_who_looks_at_us(result: FaceResult, real_pipeline: Pipeline) -> None:
    pitch, yaw, roll = np.rad2deg(angles_from_rotation(result.camera.rotation))
    assert abs(yaw) < 20
    assert abs(roll) < 10
    assert abs(pitch) < 25
    assert 0.3 < result.camera.translation[2] < 10  # metres away
    sliders = dict(zip(real_pipeline.face_model.expression_names, result.params.expression, strict=True))
    assert max(sliders["mouthSmileLeft"], sliders["mouthSmileRight"]) > 0.15
    assert max(sliders["eyeBlinkLeft"], sliders["eyeBlinkRight"]) < 0.5
    assert np.abs(result.params.identity).max() < 5
    assert np.linalg.norm(np.ptp(result.neutral, axis=0)) < 1.0


def test_texture_shows_the_photo(result: FaceResult) -> None:
    texture = result.texture
    assert texture.color.shape == (1024, 1024, 3)
    assert (texture.source == SEEN).mean() > 0.05
    red, green, blue = texture.color[texture.source == SEEN].mean(axis=0)
    assert red > green > blue  # skin


def test_no_caution_for_a_good_portrait(result: FaceResult) -> None:
    assert not [text for text in result.warnings if "may not be" in text or "outside" in text]


def test_same_photo_same_head(result: FaceResult, real_pipeline: Pipeline, portrait: np.ndarray) -> None:
    again = real_pipeline.reconstruct(portrait)
    assert np.array_equal(again.vertices, result.vertices)
    assert np.array_equal(again.texture.color, result.texture.color)


def test_no_face_where_there_is_none(real_pipeline: Pipeline) -> None:
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's pictures")
    # a blurred clock, a garage with a motorcycle, a drawn horse, a cell: none of them a background of the training
    for picture in (data.clock(), data.stereo_motorcycle()[0], data.horse(), data.cell()):
        picture = as_photo(picture)
        try:
            found = real_pipeline.reconstruct(picture)
        except NoFaceFound:
            continue
        assert says_no_face(found)


@pytest.mark.skipif(not EVALUATION.exists(), reason="needs ../shared/data/evaluation")
@pytest.mark.parametrize("name", ["gallery/s7.jpg", *(f"not_faces/s{number}.jpg" for number in (23, 31, 33, 38, 41))])
def test_cartoon_and_animals_do_not_pass_without_a_word(real_pipeline: Pipeline, name: str) -> None:
    photo = read_photo(EVALUATION / name)
    try:
        found = real_pipeline.reconstruct(photo.pixels, focal=photo.focal)
    except NoFaceFound:
        return
    assert says_no_face(found)
