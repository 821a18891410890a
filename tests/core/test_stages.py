"""Detect, Landmark and Regress: pixels in, photo pixels out, whatever the size of the photo."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.geometry import alignment
from core.geometry.camera import pose_from_camera
from core.geometry.face_model import FaceModel
from core.geometry.mirroring import CoefficientMirror, mirrored_landmarks
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE, NetworkSpec
from core.settings import Settings
from core.stages.detect import Detect
from core.stages.landmark import LOOKS, VIEWS, Landmark
from core.stages.regress import Regress
from core.types import Camera, FaceBox, FaceParams

MakePhoto = Callable[..., np.ndarray]


class CountingNetwork:
    """Reports nothing until the input's longer side is `size`; keeps the sizes it was asked for."""

    def __init__(self, size: int) -> None:
        self.size, self.asked = size, []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.asked.append(image.shape[2:])
        score = 0.9 if max(image.shape[2:]) == self.size else 0.1
        box = np.array([[[10, 20, 110, 140]]], np.float32)
        points = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
        return {"boxes": box, "scores": np.array([[score]], np.float32), "points": points}


def test_detects_where_the_face_is(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    (box,) = pipeline.detect(photo_with_faces((300, 200, 120)))
    assert ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) == pytest.approx((303.5, 207.5), abs=0.1)
    assert box.size == pytest.approx(120, abs=0.1)
    assert box.score > 0.9
    assert box.points[:, 0] == pytest.approx(303.5 + 120 * np.array([-0.22, 0.22, 0, -0.17, 0.17]), abs=0.1)


def test_sorts_faces_by_size_and_joins_doubles(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    photo = photo_with_faces((100, 100, 60), (400, 100, 150), (432, 100, 150), (100, 400, 90))
    assert [round(box.size) for box in pipeline.detect(photo)] == [150, 90, 60]


def test_finds_nothing_in_a_plain_photo(pipeline: Pipeline) -> None:
    assert pipeline.detect(np.full((480, 640, 3), 90, np.uint8)) == []
    assert pipeline.detect(np.zeros((33, 700, 3), np.uint8)) == []


def test_large_photo_gives_photo_pixels(pipeline: Pipeline, photo_with_faces: MakePhoto) -> None:
    small = photo_with_faces((300, 200, 120))
    photo = np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)
    (box,) = pipeline.detect(photo)
    assert box.size == pytest.approx(360, abs=0.5)
    assert (box.x0 + box.x1) / 2 == pytest.approx((303.5 + 0.5) * 3 - 0.5, abs=0.5)


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ((2000, 3000, 3), [(448, 640), (864, 1280), (192, 256)]),  # 427 x 640, padded to multiples of 32
        ((480, 640, 3), [(480, 640), (960, 1280), (192, 256)]),
        ((100, 100, 3), [(128, 128), (224, 224)]),  # twice as large and no larger
    ],
)
def test_looks_again_when_nothing_was_found(shape: tuple, asked: list) -> None:
    network = CountingNetwork(size=-1)
    assert Detect(network)(np.zeros(shape, np.uint8)) == []
    assert network.asked == asked


def test_second_look_ends_the_search() -> None:
    network = CountingNetwork(size=1280)
    (box,) = Detect(network)(np.zeros((480, 640, 3), np.uint8))
    assert len(network.asked) == 2
    assert box.x0 == pytest.approx((10 + 0.5) / 2 - 0.5)
    assert box.points[0] == pytest.approx([-0.25, 0.25])


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
    assert len(seen) == LOOKS + 1
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
    mirror = np.array([[-1.0, 0.0, CROP_SIZE - 1.0], [0.0, 1.0, 0.0]])
    both = landmark._look(photo, [matrix, mirror], mirrored_from=1)
    assert both.points == pytest.approx(once.points, abs=1e-3)


def test_a_large_doubtful_face_comes_after_a_sure_one() -> None:
    class TwoFaces:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            boxes = np.array([[[10, 20, 210, 240], [300, 100, 380, 190], [450, 100, 560, 210]]], np.float32)
            scores = np.array([[0.7, 0.95, 0.9]], np.float32)
            return {"boxes": boxes, "scores": scores, "points": np.zeros((1, 3, 10), np.float32)}

    faces = Detect(TwoFaces())(np.zeros((480, 640, 3), np.uint8))
    assert [round(face.score, 2) for face in faces] == [0.9, 0.95, 0.7]
