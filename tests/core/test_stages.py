"""Landmark and Regress: pixels in, photo pixels out, whatever the size of the photo."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import WeightsError
from core.geometry import alignment
from core.geometry.camera import pose_from_camera
from core.geometry.face_model import FaceModel
from core.geometry.mirroring import CoefficientMirror, mirrored_landmarks
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE, NetworkSpec
from core.settings import Settings
from core.stages.landmark import VIEWS, Landmark
from core.stages.regress import Regress
from core.types import Camera, FaceBox, FaceParams, FaceTexture

from .networks import regressor_network, specify

MakePhoto = Callable[..., np.ndarray]


def test_landmarks_come_back_in_photo_pixels(
    pipeline: Pipeline, photo_with_faces: MakePhoto, landmark_points: np.ndarray
) -> None:
    (box,) = pipeline.detect(photo_with_faces((300, 200, 150)))
    landmarks = pipeline.landmarks(photo_with_faces((300, 200, 150)), box)
    assert landmarks.points.shape == (68, 2)
    assert landmarks.dense.shape == (len(landmark_points) - 68, 2)
    assert landmarks.visibility.shape == landmarks.sigma.shape == (len(landmark_points),)
    # what the network says does not depend on the picture, so only the crop's place and scale may differ
    low, high = landmarks.points.min(axis=0), landmarks.points.max(axis=0)
    assert (low + high) / 2 == pytest.approx([303.5, 207.5], abs=4.0)
    side = 150 * np.mean(1 / np.array(VIEWS))  # a larger view is a smaller part of the photo
    assert (high - low).max() == pytest.approx(side, rel=0.05)
    assert landmarks.sigma == pytest.approx(0.01 * 1.5 * side, rel=0.1)


def test_next_crop_follows_the_landmarks(
    pipeline: Pipeline, photo_with_faces: MakePhoto, landmark_points: np.ndarray
) -> None:
    (box,) = pipeline.detect(photo_with_faces((300, 200, 150)))
    seen: list[np.ndarray] = []
    network = pipeline._landmark._network
    original = network.run

    class Spy:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            seen.append(image)
            out = original(image=image)
            if len(seen) == 1:  # the first look is a little off
                out["landmarks"] = out["landmarks"] + np.float32(0.1)
            return out

    pipeline._landmark._network = Spy()
    landmarks = pipeline.landmarks(photo_with_faces((300, 200, 150)), box)
    assert len(seen) == 2
    expected = np.array([303.5, 207.5]) + 0.1 * 1.5 * 150  # the second crop sits where the first look pointed
    center = (landmarks.points.min(axis=0) + landmarks.points.max(axis=0)) / 2
    assert center == pytest.approx(expected, abs=5.0)


def test_regression_names_the_crop(pipeline: Pipeline, landmark_points: np.ndarray, portrait_camera: Camera) -> None:
    photo = np.zeros((640, 640, 3), np.uint8)
    params, crop = pipeline._regress(photo, landmark_points[:68])
    assert isinstance(params, FaceParams)
    assert crop.image.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert crop.matrix == pytest.approx(alignment.crop_matrix(landmark_points[:68], CROP_SIZE))
    assert params.pose[0] == pytest.approx(pose_from_camera(portrait_camera, crop.matrix, CROP_SIZE)[0], abs=1e-4)
    assert params.pose[1] == pytest.approx(0.0, abs=1e-5)  # the same answer for the mirrored crop: no side is nearer
    assert params.light[0] == pytest.approx(0.8)


def test_regression_agrees_with_its_mirror_image(pipeline: Pipeline, landmark_points: np.ndarray) -> None:
    truth = np.random.default_rng(3).uniform(0, 0.5, 239).astype(np.float32)
    mirror, noise = CoefficientMirror.of(pipeline.face_model), np.zeros(239, np.float32)
    noise[:80] = 0.2

    class Noisy:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            assert np.array_equal(image[0][..., ::-1], image[1])
            return {"coefficients": np.stack([truth + noise, mirror(truth - noise)])}

    photo = np.random.default_rng(0).integers(0, 255, (640, 640, 3), np.uint8)
    params, _ = Regress(Noisy(), mirror)(photo, landmark_points[:68])
    assert params.to_vector() == pytest.approx(truth, abs=1e-5)


def test_expression_stays_in_its_bounds(
    models_dir: Path, specs: dict[str, NetworkSpec], landmark_points: np.ndarray
) -> None:
    pipeline = Pipeline(Settings(models_dir=models_dir), specs)

    class Wild:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            return {"coefficients": np.tile(np.linspace(-3, 3, 239, dtype=np.float32), (len(image), 1))}

    pipeline._regress._network = Wild()
    params = pipeline.regress(np.zeros((640, 640, 3), np.uint8), landmark_points[:68])
    assert params.expression.min() >= 0.0
    assert params.expression.max() <= 1.0


def test_tiny_face_is_refused(pipeline: Pipeline) -> None:
    from core.errors import NoFaceFound

    box = FaceBox(10, 10, 30, 30, 0.9, np.zeros((5, 2), np.float32))
    with pytest.raises(NoFaceFound, match="20 pixels"):
        pipeline.landmarks(np.zeros((100, 100, 3), np.uint8), box)


def test_last_look_sees_each_view_and_its_mirror_image(
    pipeline: Pipeline, photo_with_faces: MakePhoto, landmark_points: np.ndarray
) -> None:
    photo = photo_with_faces((300, 200, 150))
    photo = np.random.default_rng(0).integers(0, 255, photo.shape, np.uint8) // 2 + photo // 2
    (box,) = pipeline.detect(photo_with_faces((300, 200, 150)))
    seen: list[np.ndarray] = []
    network = pipeline._landmark._network

    class Spy:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            seen.append(image)
            return network.run(image=image)

    Landmark(Spy(), mirrored_landmarks(pipeline.face_model))(photo, box)
    views = seen[-1]
    assert len(views) == 2 * len(VIEWS)
    for view, mirror in zip(views[: len(VIEWS)], views[len(VIEWS) :], strict=True):
        assert np.abs(view[:, :, ::-1] - mirror).mean() < 0.01
        assert np.abs(view - mirror).mean() > 0.05
    assert np.abs(views[0] - views[1]).mean() > 0.02


def test_views_of_a_symmetric_answer_agree(face_model: FaceModel, photo_with_faces: MakePhoto) -> None:
    order = mirrored_landmarks(face_model)
    points = np.random.default_rng(1).uniform(0.2, 0.8, (len(order), 2)).astype(np.float32)
    points = (points + points[order] * [-1, 1] + [1, 0]) / 2  # symmetric about the crop's middle
    points[36:48, 1] = 0.3
    points[48:68, 1] = 0.7

    class Constant:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            count = len(image)
            return {
                "landmarks": np.repeat(points[None], count, axis=0).astype(np.float32),
                "visibility": np.full((count, len(points)), 0.5, np.float32),
                "sigma": np.full((count, len(points)), 0.02, np.float32),
            }

    landmark = Landmark(Constant(), order)
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    photo = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    once = landmark._look(photo, [matrix])
    both = landmark._look(photo, [matrix], mirrored=True)
    assert both.points == pytest.approx(once.points, abs=1e-3)


def test_an_opinion_is_that_of_the_settled_crop(face_model: FaceModel) -> None:
    """Landmarks are lost in the detector's box when it is far from the face, and sure once the crop has moved there."""
    order = mirrored_landmarks(face_model)
    points = np.random.default_rng(1).uniform(0.2, 0.8, (len(order), 2)).astype(np.float32)
    points[36:48, 1], points[48:68, 1] = 0.3, 0.7

    class Framed:
        """Surer of the crop's middle the brighter it is."""

        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            middle = image[:, :, CROP_SIZE // 2, CROP_SIZE // 2].mean(axis=1)
            moved = points + np.where(middle < 0.5, 0.4, 0.0)[:, None, None]
            return {
                "landmarks": moved.astype(np.float32),
                "sigma": np.repeat(np.where(middle < 0.5, 0.1, 0.02)[:, None], len(points), axis=1),
            }

    photo = np.zeros((300, 300, 3), np.uint8)
    photo[150:190, 150:190] = 255
    five = np.array([[-10, -10], [10, -10], [0, 0], [-8, 12], [8, 12]], np.float32)
    far, there, dark = (
        FaceBox(x - 20.0, x - 20.0, x + 20.0, x + 20.0, score=0.7, points=five + x) for x in (146.0, 170.0, 60.0)
    )
    landmark = Landmark(Framed(), order)  # pyright: ignore[reportArgumentType]
    doubt, places = landmark.opinion(photo, [far, there, dark])
    assert doubt == pytest.approx([0.02, 0.02, 0.1])
    assert landmark.opinion(photo, [dark])[0] == pytest.approx([0.1])
    assert places[1] == pytest.approx(landmark.opinion(photo, [there])[1][0])
    middles = (places[:, :2] + places[:, 2:]) / 2
    assert np.abs(middles[:2] - 170.0).max() < 15.0
    assert np.abs(middles[2] - 60.0).max() > 15.0


@pytest.fixture
def further_regressors(models_dir: Path, specs: dict[str, NetworkSpec]) -> Iterator[dict[str, NetworkSpec]]:
    """The small networks, and two regressors that answer with light of their own."""
    made = {}
    for level, name in enumerate(("regressor_resnet50", "regressor_e2far"), 2):
        content = regressor_network(np.full(239, 0.1 * level), name)
        (models_dir / "weights" / f"{name}.onnx").write_bytes(content)
        made[name] = specify(name, content)
    yield specs | made
    for name in made:
        (models_dir / "weights" / f"{name}.onnx").unlink()


@pytest.mark.parametrize(("regressor", "light"), [("student", 0.8), ("resnet50", 0.2), ("e2far", 0.3)])
def test_each_regressor_runs_its_own_network(
    models_dir: Path,
    further_regressors: dict[str, NetworkSpec],
    landmark_points: np.ndarray,
    regressor: str,
    light: float,
) -> None:
    pipeline = Pipeline(Settings(models_dir=models_dir, regressor=regressor), further_regressors)
    params = pipeline.regress(np.zeros((640, 640, 3), np.uint8), landmark_points[:68])
    assert params.light[0] == pytest.approx(light)


@pytest.mark.parametrize(("regressor", "whole"), [("resnet50", False), ("e2far", True)])
def test_only_the_end_to_end_regressor_reads_the_photo_as_photographed(
    models_dir: Path,
    further_regressors: dict[str, NetworkSpec],
    photo_with_faces: MakePhoto,
    grey_texture: Callable[..., FaceTexture],
    regressor: str,
    whole: bool,
) -> None:
    pipeline = Pipeline(Settings(models_dir=models_dir, regressor=regressor), further_regressors)
    student = Pipeline(Settings(models_dir=models_dir), further_regressors)
    pipeline.__dict__["_texture"] = grey_texture
    seen: list[np.ndarray] = []
    pipeline.__dict__["_regress"] = lambda picture, points: seen.append(picture) or student._regress(picture, points)
    photo = photo_with_faces((300, 200, 200))
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[220:260, 280:320] = 255
    result = pipeline.reconstruct(photo, mask=mask)
    assert result.completion is not None
    assert seen[0] is (photo if whole else result.completion.photo)


def test_a_regressor_that_is_not_in_this_build(models_dir: Path, specs: dict[str, NetworkSpec]) -> None:
    with pytest.raises(WeightsError, match="e2far is not part of this build; choose student"):
        Pipeline(Settings(models_dir=models_dir, regressor="e2far"), specs)
    with pytest.raises(ValueError, match="regressor 'abacus' is not one of student"):
        Settings(regressor="abacus")
