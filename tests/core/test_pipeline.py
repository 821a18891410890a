"""The whole recipe: order, progress, cancelling, warnings, and a sentence for every bad input."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import cautions
from core.errors import Cancelled, FaceModelError, ImageError, NoFaceFound, RegressorError, WeightsError
from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.mouth import Mouth
from core.geometry.teeth_rows import USUAL
from core.look import PersonPhoto
from core.pipeline import STAGES, Pipeline
from core.runtime.specs import NetworkSpec
from core.settings import Settings
from core.types import PARTS, Camera, FaceBox, FaceParams, FaceTexture, Landmarks, Parsing

MakePhoto = Callable[..., np.ndarray]


@pytest.fixture
def pipeline(pipeline: Pipeline, grey_texture: Callable[..., FaceTexture]) -> Pipeline:
    """The texture has its own tests and takes its time: here it is plain grey."""
    pipeline.__dict__["_texture"] = grey_texture
    return pipeline


def test_reconstructs_the_face_that_the_networks_see(
    pipeline: Pipeline, photo_with_faces: MakePhoto, face_model: FaceModel
) -> None:
    calls: list[tuple[str, float]] = []
    photo = photo_with_faces((300, 200, 150))
    result = pipeline.reconstruct(photo, progress=lambda stage, share: calls.append((stage, share)))
    assert [stage for stage, _ in calls] == [*STAGES, "done"]
    assert [share for _, share in calls] == pytest.approx(np.linspace(0, 1, len(STAGES) + 1))
    assert list(result.timings) == list(STAGES)
    assert min(result.timings.values()) >= 0
    assert result.vertices.shape == result.neutral.shape == face_model.vertices.shape
    fitted = face_model.shape(result.params.identity, result.params.expression)
    assert result.vertices == pytest.approx(pipeline._teeth_rows.lowered(fitted, USUAL), abs=1e-6)
    assert (result.camera.width, result.camera.height) == (640, 480)
    # the mean face was shown: the fit explains it where it was seen, and keeps its shape
    fitted = project(result.camera, face_model.visible_landmarks(result.vertices, result.camera.rotation))
    error = np.linalg.norm(fitted[17:, :2] - result.landmarks.points[17:], axis=1).mean()
    assert error < 0.03 * 150
    assert np.linalg.norm(result.neutral - face_model.vertices, axis=1).mean() < 0.003  # metres
    assert result.warnings == ()


def test_takes_the_largest_face_and_says_so(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    photo = photo_with_faces((120, 300, 100), (450, 200, 160))
    result = pipeline.reconstruct(photo)
    assert result.box.size == pytest.approx(160, abs=1)
    assert any("2 faces" in warning for warning in result.warnings)


def test_takes_the_face_that_was_picked(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    photo = photo_with_faces((120, 300, 100), (450, 200, 160))
    small = pipeline.detect(photo)[1]
    result = pipeline.reconstruct(photo, box=small)
    assert result.box is small
    assert not any("faces" in warning for warning in result.warnings)
    assert result.landmarks.points.mean(axis=0) == pytest.approx([111, 303], abs=12)


def test_focal_length_is_used(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    photo = photo_with_faces((300, 200, 150))
    near = pipeline.reconstruct(photo, focal=500.0).camera
    far = pipeline.reconstruct(photo, focal=2000.0).camera
    assert (near.focal, far.focal) == (500.0, 2000.0)
    assert far.translation[2] / near.translation[2] == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("count", range(len(STAGES) + 1))
def test_cancel_before_each_stage_and_at_the_end(pipeline: Pipeline, photo_with_faces: MakePhoto, count: int) -> None:
    begun: list[str] = []
    answers = iter([False] * count + [True])
    with pytest.raises(Cancelled, match="Nothing was changed"):
        pipeline.reconstruct(
            photo_with_faces((300, 200, 150)),
            progress=lambda stage, share: begun.append(stage),
            cancelled=lambda: next(answers),
        )
    assert begun == list(STAGES[:count])
    assert pipeline.reconstruct(photo_with_faces((300, 200, 150))).warnings == ()  # and it goes on working


def test_no_face(pipeline: Pipeline) -> None:
    with pytest.raises(NoFaceFound, match=r"No face was found.*Use a photo"):
        pipeline.reconstruct(np.full((480, 640, 3), 120, np.uint8))


def test_tiny_face(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    with pytest.raises(NoFaceFound, match=r"only 20 pixels.*larger version"):
        pipeline.reconstruct(photo_with_faces((300, 200, 20)))


@pytest.mark.parametrize(
    ("photo", "error"),
    [
        (np.zeros((480, 640), np.uint8), ValueError),
        (np.zeros((480, 640, 4), np.uint8), ValueError),
        (np.zeros((480, 640, 3), np.float32), ValueError),
        (np.zeros((0, 0, 3), np.uint8), ImageError),
        (np.zeros((20, 640, 3), np.uint8), ImageError),
    ],
)
def test_photo_of_a_wrong_form(pipeline: Pipeline, photo: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        pipeline.reconstruct(photo)
    with pytest.raises(error):
        pipeline.detect(photo)


def test_missing_weights_and_model(tmp_path: Path, specs: dict[str, NetworkSpec]) -> None:
    pipeline = Pipeline(Settings(models_dir=tmp_path), specs)
    with pytest.raises(WeightsError, match=r"detector\.onnx is missing"):
        pipeline.reconstruct(np.zeros((480, 640, 3), np.uint8))
    with pytest.raises(FaceModelError, match="missing"):
        _ = pipeline.face_model


def test_provider_is_visible(pipeline: Pipeline) -> None:
    assert pipeline.provider in ("cuda", "directml", "coreml", "cpu")


# Cautions: what is reconstructed all the same, but not without a word


@pytest.fixture
def good_face(landmark_points: np.ndarray) -> tuple[FaceBox, Landmarks]:
    points = landmark_points.astype(np.float32)
    count = len(points)
    box = FaceBox(*points[:68].min(axis=0), *points[:68].max(axis=0), 0.95, np.zeros((5, 2), np.float32))
    return box, Landmarks(points[:68], points[68:], np.ones(count, np.float32), np.ones(count, np.float32))


def test_good_face_needs_no_word(good_face: tuple[FaceBox, Landmarks], portrait_camera: Camera) -> None:
    box, landmarks = good_face
    assert cautions.about_face(box, landmarks, portrait_camera, landmarks.points) == ()


def test_each_caution(good_face: tuple[FaceBox, Landmarks], portrait_camera: Camera) -> None:
    box, landmarks = good_face
    fitted, inner = landmarks.points, slice(17, 68)

    def words(box=box, landmarks=landmarks, camera=portrait_camera, fitted=fitted) -> str:
        (sentence,) = cautions.about_face(box, landmarks, camera, fitted)
        return sentence

    small = replace(box, x1=box.x0 + 60, y1=box.y0 + 70)
    assert "70 pixels" in words(box=small)
    turned = replace(portrait_camera, rotation=rotation_from_angles(0, -1.1, 0))
    assert "turned far" in words(camera=turned)
    assert "outside" in words(camera=replace(portrait_camera, width=int(landmarks.points[:, 0].mean())))
    hidden = landmarks.visibility.copy()
    hidden[inner] = 0.3
    assert "covered" in words(landmarks=replace(landmarks, visibility=hidden))
    assert "may not be" in words(landmarks=replace(landmarks, sigma=landmarks.sigma * 40))
    drawn = landmarks.points.copy()
    drawn[[40, 41, 46, 47], 1] += 0.06 * np.linalg.norm(drawn[36] - drawn[45])  # eyes as large as a cartoon's
    assert "may not be" in words(landmarks=replace(landmarks, points=drawn))
    assert "may not be a photo of a human face" in words(box=replace(box, score=0.55))
    noise = np.random.default_rng(0).normal(0, 15, fitted.shape)
    assert "may not be a photo of a human face" in words(fitted=fitted + noise)


def test_params_are_those_of_the_fit_with_the_gaze_of_the_photo(
    pipeline: Pipeline, photo_with_faces: MakePhoto, monkeypatch: pytest.MonkeyPatch, portrait_camera: Camera
) -> None:
    changed = FaceParams.from_vector(np.full(239, 0.25, np.float32))
    looking = changed.expression + np.float32(0.125)
    pipeline.__dict__["_fit"] = lambda *arguments: (changed, portrait_camera)
    pipeline.__dict__["_gaze"] = lambda *arguments: looking
    result = pipeline.reconstruct(photo_with_faces((300, 200, 150)))
    assert result.params.expression is looking
    for name in ("identity", "albedo", "light", "pose"):
        assert getattr(result.params, name) is getattr(changed, name)
    assert result.camera is portrait_camera
    fitted = pipeline.face_model.shape(changed.identity, looking)
    assert result.vertices == pytest.approx(pipeline._teeth_rows.lowered(fitted, USUAL))


@pytest.mark.parametrize("method", ["none", "telea"])
def test_the_parsed_mouth_reaches_the_fit_and_is_parsed_once(
    pipeline: Pipeline, photo_with_faces: MakePhoto, method: str
) -> None:
    pipeline = pipeline.with_settings(replace(pipeline.settings, deocclusion=method, hair=False))
    pipeline.__dict__["_texture"] = lambda *rest: None
    parse, fit, parsed, mouths = pipeline._parse, pipeline._fit, [], []

    def shut(photo: np.ndarray, points: np.ndarray) -> Parsing:
        """Lips all over the picture and nothing between them."""
        parsed.append(parse(photo, points))
        return replace(parsed[-1], parts=np.full(photo.shape[:2], PARTS.index("upper_lip"), np.uint8))

    def spy(*arguments: object) -> tuple[FaceParams, Camera]:
        mouths.append(arguments[-1])
        return fit(*arguments)  # pyright: ignore[reportArgumentType]

    pipeline.__dict__.update(_parse=shut, _fit=spy)
    photo = photo_with_faces((300, 200, 150))
    pipeline.reconstruct(photo)
    assert (len(parsed), mouths) == (1, [Mouth(0.0)])
    pipeline.reconstruct(photo, mask=np.full(photo.shape[:2], 255, np.uint8))
    assert mouths[1] == (Mouth(0.0) if method == "none" else None)  # what the user marks as hidden tells nothing


# Hair


def with_hair(pipeline: Pipeline, rows: dict[bytes, int] | None = None) -> None:
    """Let the parser see hair in the first hundred rows, or in as many as `rows` says of a photo's pixels."""
    parse = pipeline._parse

    def haired(photo: np.ndarray, points: np.ndarray) -> Parsing:
        parsed = parse(photo, points)
        parts = np.full(photo.shape[:2], PARTS.index("skin"), np.uint8)
        parts[: 100 if rows is None else rows[photo.tobytes()]] = PARTS.index("hair")
        return replace(parsed, parts=parts)

    pipeline.__dict__["_parse"] = haired


def test_hair_that_the_parser_sees_becomes_a_mesh(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    photo = photo_with_faces((300, 200, 150))
    with_hair(pipeline)
    result = pipeline.reconstruct(photo)
    assert result.hair is not None
    assert result.hair.vertices[:, 1].max() > result.neutral[:, 1].max()
    assert result.hair.color.shape[1] == pipeline.settings.texture_size
    bare = pipeline.with_settings(replace(pipeline.settings, hair=False))
    with_hair(bare)
    assert bare.reconstruct(photo).hair is None


def test_a_person_has_the_hair_of_the_photo_that_shows_most_of_it(
    pipeline: Pipeline, photo_with_faces: MakePhoto
) -> None:
    photos = [photo_with_faces((300, 200, 150)), photo_with_faces((300, 210, 160))]
    with_hair(pipeline, {photos[0].tobytes(): 0, photos[1].tobytes(): 120})
    first, second = pipeline.reconstruct_person([PersonPhoto(f"{row}.jpg", photo) for row, photo in enumerate(photos)])
    assert first.hair is second.hair
    assert first.hair is not None


# Several photos of one person


def test_several_photos_give_one_identity(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    calls: list[tuple[str, float]] = []
    photos = [
        PersonPhoto("a.jpg", photo_with_faces((300, 200, 150))),
        PersonPhoto("b.jpg", photo_with_faces((250, 260, 180)), focal=900.0),
    ]
    first, second = pipeline.reconstruct_person(photos, progress=lambda stage, share: calls.append((stage, share)))
    np.testing.assert_array_equal(first.params.identity, second.params.identity)
    np.testing.assert_array_equal(first.params.albedo, second.params.albedo)
    np.testing.assert_array_equal(first.neutral, second.neutral)
    assert first.texture.color is second.texture.color
    assert second.camera.focal == first.camera.focal == 900.0  # of the same size: the same camera
    assert second.box.size == pytest.approx(180, abs=1)
    assert [stage for stage, _ in calls] == [*STAGES[:4], *STAGES[:4], "fit", "texture", "texture", "hair", "done"]
    shares = [share for _, share in calls]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0
    assert set(first.timings) == set(STAGES)


def test_a_photo_without_a_face_is_named(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    photos = [PersonPhoto("a.jpg", photo_with_faces((300, 200, 150))), PersonPhoto("b.jpg", photo_with_faces())]
    with pytest.raises(NoFaceFound, match=r"b\.jpg: No face was found"):
        pipeline.reconstruct_person(photos)


def test_a_person_can_be_cancelled(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    answers = iter([False] * 9 + [True])
    photos = [PersonPhoto(name, photo_with_faces((300, 200, 150))) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(Cancelled):
        pipeline.reconstruct_person(photos, cancelled=lambda: next(answers))


def test_several_photos_need_the_linear_face_model(
    pipeline: Pipeline, specs: dict[str, NetworkSpec], photo_with_faces: MakePhoto
) -> None:
    known = specs | {"pca_free": replace(specs["regressor"], name="pca_free")}
    own = Pipeline(replace(pipeline.settings, regressor="pca_free"), known)
    photos = [PersonPhoto(name, photo_with_faces((300, 200, 150))) for name in ("a.jpg", "b.jpg")]
    with pytest.raises(RegressorError, match=r"linear face model only; choose the student"):
        own.reconstruct_person(photos)
