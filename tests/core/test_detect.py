"""Detect: all faces of a photo, in photo pixels, by as many looks as they need."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from core.geometry import alignment
from core.pipeline import Pipeline
from core.stages import detect
from core.stages.detect import Detect
from core.types import FaceBox

MakePhoto = Callable[..., np.ndarray]


def own_places(boxes: Sequence[FaceBox]) -> np.ndarray:
    return np.array([box.corners for box in boxes])


def look(network: object, photo: np.ndarray, doubt: float = 0.015) -> list[FaceBox]:
    """Faces when the landmarks say nothing about a doubtful one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect, "OPINION", (1.0, 0.0, 0.0))
        return Detect(network, lambda _, boxes: (np.full(len(boxes), doubt), own_places(boxes)))(photo)  # pyright: ignore[reportArgumentType]


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
    ("shape", "upright", "turned"),
    [  # the first look of the largest is 427 x 640, padded to multiples of 32
        ((2000, 3000, 3), [(448, 640), (864, 1280), (192, 256), (1728, 2560)], [(640, 448), (640, 448), (448, 640)]),
        ((480, 640, 3), [(480, 640), (960, 1280), (192, 256), (1920, 2560)], [(640, 480), (640, 480), (480, 640)]),
        ((100, 100, 3), [(128, 128), (224, 224), (416, 416)], [(224, 224)] * 3),  # four times as large and no larger
    ],
)
def test_looks_again_when_nothing_was_found(shape: tuple, upright: list, turned: list) -> None:
    network = CountingNetwork(size=-1)
    assert look(network, np.zeros(shape, np.uint8)) == []
    assert network.asked == upright + turned


def test_a_sure_face_ends_the_search() -> None:
    network = CountingNetwork(size=640)
    assert len(look(network, np.zeros((480, 640, 3), np.uint8))) == 1
    assert network.asked == [(480, 640)]


def test_second_look_ends_the_search() -> None:
    network = CountingNetwork(size=1280)
    (box,) = look(network, np.zeros((480, 640, 3), np.uint8))
    assert len(network.asked) == 2
    assert box.x0 == pytest.approx((10 + 0.5) / 2 - 0.5)
    assert box.points[0] == pytest.approx([-0.25, 0.25])


class PlacedFace:
    """Sees a face of red right eye, green left eye and blue mouth; surely so when the mouth is below the eyes."""

    def __init__(self, upright: float = 0.95, lying: float = 0.82) -> None:
        self.upright, self.lying, self.images = upright, lying, []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.images.append(image)
        plain = image[0] - np.flip(np.sort(image[0], axis=0)[:2], axis=0)[1]  # what stands out of the two others
        peaks = [np.unravel_index(plain[k].argmax(), plain.shape[1:])[::-1] for k in range(3)]
        right, left, mouth = (np.array(peak, np.float32) for peak in peaks)
        stands = mouth[1] > max(right[1], left[1]) and right[0] < left[0]
        five = np.array([right, left, (right + left) / 2, mouth, mouth], np.float32)
        if not stands:  # as the network has it: points of an upright face, wherever the eyes are
            five = five[[0, 0, 0, 0, 0]] + np.array([[-9, -9], [9, -9], [0, 0], [-6, 9], [6, 9]], np.float32)
        low, high = five.min(axis=0) - 20, five.max(axis=0) + 20
        return {
            "boxes": np.concatenate([low, high])[None, None],
            "scores": np.array([[self.upright if stands else self.lying]], np.float32),
            "points": five.reshape(1, 1, 10),
        }


def lying_face(quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """A 384 x 640 photo turned by quarters, and the (3, 2) pixels of both eyes and the mouth in it."""
    photo = np.zeros((384, 640, 3), np.uint8)
    for channel, (x, y) in enumerate([(200, 100), (260, 100), (230, 170)]):
        photo[y, x, channel] = 255
    photo = np.ascontiguousarray(np.rot90(photo, quarters))
    rows, columns, channels = np.nonzero(photo)
    return photo, np.stack([columns, rows], axis=1)[np.argsort(channels)]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_lying_face_is_taken_from_the_turned_look(quarters: int) -> None:
    photo, places = lying_face(quarters)
    (box,) = look(PlacedFace(), photo)
    assert box.score == pytest.approx(0.95)
    assert box.points[[0, 1, 3]] == pytest.approx(places, abs=0.01)
    roll = alignment.roll_from_points(box.points.astype(float))
    assert np.cos(roll + quarters * np.pi / 2) == pytest.approx(1.0, abs=1e-6)  # y points down
    assert (box.x0, box.y0) == pytest.approx(places.min(axis=0) - 20, abs=0.01)
    assert (box.x1, box.y1) == pytest.approx(places.max(axis=0) + 20, abs=0.01)


def test_a_turned_look_must_be_clearly_surer() -> None:
    photo, _ = lying_face(1)
    assert {round(face.score, 2) for face in look(PlacedFace(upright=0.84, lying=0.8), photo)} == {0.8}
    assert {round(face.score, 2) for face in look(PlacedFace(upright=0.86, lying=0.8), photo)} == {0.86}
    assert look(PlacedFace(upright=0.78, lying=0.1), photo) == []  # too doubtful for a turned photo


def test_large_lying_photo_gives_photo_pixels() -> None:
    photo, places = lying_face(3)
    large = np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)
    (box,) = look(PlacedFace(), large)
    assert box.points[[0, 1, 3]] == pytest.approx((places + 0.5) * 2 - 0.5, abs=0.51)


def test_turned_looks_are_no_larger_than_the_doubtful_face_needs() -> None:
    class Doubtful(CountingNetwork):
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            out = super().run(image)
            return {**out, "scores": np.full((1, 1), 0.85, np.float32), "boxes": out["boxes"] * 2.0}

    network = Doubtful(size=-1)  # a face of 240 pixels
    assert len(look(network, np.zeros((480, 640, 3), np.uint8))) == 1
    assert network.asked == [(480, 640), (224, 160), (224, 160), (160, 224)]


def test_networks_get_planes_in_one_block() -> None:
    network = PlacedFace()
    photo, places = lying_face(1)
    look(network, photo)
    assert all(image.flags["C_CONTIGUOUS"] and image.dtype == np.float32 for image in network.images)
    x, y = places[0]
    assert network.images[0][0, 0, y, x] == pytest.approx(1.0)


def test_further_looks_add_to_a_doubtful_face() -> None:
    class Scales:
        """A doubtful face at first; the look twice as fine is surer of it, sees a second one and specks."""

        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            fine = max(image.shape[2:]) == 1280
            boxes = np.array([[[200, 100, 300, 220], [500, 100, 560, 160], [20, 20, 35, 35], [0, 0, 200, 200]]])
            boxes = boxes * (2.0 if fine else 1.0) * np.array([1, 1, 1, 3.0])[None, :, None]
            scores = [0.8, 0.75, 0.86, 0.86] if fine else [0.7, 0.1, 0.1, 0.1]
            return {
                "boxes": boxes.astype(np.float32),
                "scores": np.array([scores], np.float32),
                "points": np.zeros((1, 4, 10), np.float32),
            }

    faces = look(Scales(), np.zeros((480, 640, 3), np.uint8))
    # the speck of 15 pixels is too small for an enlarged photo, and what fills it is none that an enlarged look finds
    assert [round(face.score, 2) for face in faces] == [0.8, 0.75]
    assert [round(face.size) for face in faces] == [120, 60]


@pytest.mark.parametrize(("doubt", "size"), [(0.034, 220), (0.02, 150)])
def test_landmarks_astray_ask_for_further_looks(doubt: float, size: int) -> None:
    """A box that holds half of a face is doubtful; the coarse look sees the whole face, surely."""

    class Halved:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            scale = max(image.shape[2:]) / 640
            boxes = np.array([[[200, 170, 350, 320], [170, 100, 390, 320]]], np.float32) * scale
            scores = [0.1, 0.9] if max(image.shape[2:]) == 256 else [0.82, 0.1]
            return {"boxes": boxes, "scores": np.array([scores], np.float32), "points": np.zeros((1, 2, 10), "f4")}

    (face,) = look(Halved(), np.zeros((480, 640, 3), np.uint8), doubt)
    assert round(face.size) == size


@pytest.mark.parametrize(("side", "found"), [(12.0, 1), (6.0, 0)])
def test_tiny_faces_are_found_where_there_are_no_others(side: float, found: int) -> None:
    class Far:
        """One face of a few pixels of a 240 x 320 photo, in all looks that enlarge it."""

        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            scale = max(image.shape[2:]) / 320
            corners = np.array([[[100, 100, 100 + side, 100 + side]]], np.float32) * scale
            score = 0.79 if scale > 1.0 else 0.1  # too little for a turned look
            return {"boxes": corners, "scores": np.array([[score]], np.float32), "points": np.zeros((1, 1, 10), "f4")}

    assert len(look(Far(), np.zeros((240, 320, 3), np.uint8))) == found


def test_a_large_doubtful_face_comes_after_a_sure_one() -> None:
    class TwoFaces:
        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            boxes = np.array([[[10, 20, 210, 240], [300, 100, 380, 190], [450, 100, 560, 210]]], np.float32)
            scores = np.array([[0.7, 0.95, 0.9]], np.float32)
            return {"boxes": boxes, "scores": scores, "points": np.zeros((1, 3, 10), np.float32)}

    faces = look(TwoFaces(), np.zeros((480, 640, 3), np.uint8))
    assert [round(face.score, 2) for face in faces] == [0.9, 0.95, 0.7]


@pytest.mark.parametrize(("side", "score", "found"), [(85.0, 0.71, 2), (95.0, 0.71, 1), (85.0, 0.69, 1)])
def test_the_finest_look_adds_to_a_doubtful_face(side: float, score: float, found: int) -> None:
    class Hooded:
        """A doubtful face of a 240 x 320 photo, and one that nothing but the finest look sees."""

        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            scale = max(image.shape[2:]) / 320
            corners = np.array([[[10, 10, 60, 60], [100, 100, 100 + side, 100 + side]]], np.float32) * scale
            scores = np.array([[0.75, score if scale == 4.0 else 0.1]], np.float32)
            return {"boxes": corners, "scores": scores, "points": np.zeros((1, 2, 10), np.float32)}

    assert len(look(Hooded(), np.zeros((240, 320, 3), np.uint8))) == found


class TwoDoubtful:
    """Two doubtful faces of one score in every look; another, certain one where it is asked for."""

    def __init__(self, score: float, sure: bool = False) -> None:
        self.score, self.sure = score, sure

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        scale = max(image.shape[2:]) / 640
        boxes = np.array([[[20, 20, 90, 90], [300, 100, 380, 190], [450, 300, 540, 400]]], np.float32) * scale
        scores = np.array([[self.score, self.score, 0.95 if self.sure else 0.01]], np.float32)
        return {"boxes": boxes, "scores": scores, "points": np.zeros((1, 3, 10), np.float32)}


def opinion(photo: np.ndarray, boxes: Sequence[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks that are sure of themselves on the right of a photo and lost on its left."""
    return np.array([0.02 if box.x0 > photo.shape[1] / 4 else 0.12 for box in boxes]), own_places(boxes)


def left_edges(faces: list[FaceBox]) -> list[int]:
    return sorted(round(face.x0) for face in faces)


@pytest.mark.parametrize("score", [0.55, 0.75])
def test_landmarks_decide_about_doubtful_faces(score: float) -> None:
    photo = np.zeros((480, 640, 3), np.uint8)
    faces = Detect(TwoDoubtful(score), opinion)(photo)  # pyright: ignore[reportArgumentType]
    assert left_edges(faces) == [300]
    assert score + 0.05 < faces[0].score <= detect.MOST_RAISED
    assert left_edges(look(TwoDoubtful(score), photo)) == ([20, 300] if score == 0.75 else [])


def test_beside_a_sure_face_the_doubtful_ones_need_the_usual_score() -> None:
    photo = np.zeros((480, 640, 3), np.uint8)
    for score, found in ((0.55, [450]), (0.75, [300, 450])):
        assert left_edges(Detect(TwoDoubtful(score, sure=True), opinion)(photo)) == found  # pyright: ignore[reportArgumentType]


def test_a_sure_face_needs_no_opinion() -> None:
    def never(photo: np.ndarray, boxes: Sequence[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("nobody needs to be asked")

    network = CountingNetwork(size=640)
    assert len(Detect(network, never)(np.zeros((480, 640, 3), np.uint8))) == 1  # pyright: ignore[reportArgumentType]


def test_a_box_inside_that_of_another_look_is_the_same_face() -> None:
    class Nested:
        """A doubtful face, and its eyes in the finer look, or somebody beside it."""

        def __init__(self, left: float) -> None:
            self.left = left

        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            scale = max(image.shape[2:]) / 640
            boxes = np.array([[[200, 100, 300, 220], [self.left, 120, self.left + 40, 160]]], np.float32) * scale
            scores = np.array([[0.75, 0.74 if scale == 2.0 else 0.1]], np.float32)
            return {"boxes": boxes, "scores": scores, "points": np.zeros((1, 2, 10), np.float32)}

    photo = np.zeros((480, 640, 3), np.uint8)
    assert left_edges(look(Nested(230.0), photo)) == [200]
    assert left_edges(look(Nested(275.0), photo)) == [200, 275]


@pytest.mark.parametrize(("shift", "edges"), [(0.0, [20, 300]), (20.0, [20, 300]), (90.0, [300])])
def test_a_box_that_its_landmarks_leave_is_dropped(shift: float, edges: list[int]) -> None:
    def strayed(photo: np.ndarray, boxes: Sequence[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
        """The landmarks of the smaller box settle aside of it."""
        moved = np.where([box.size < 80.0 for box in boxes], shift, 0.0)
        return np.full(len(boxes), 0.03), own_places(boxes) + moved[:, None]

    assert left_edges(Detect(TwoDoubtful(0.75), strayed)(np.zeros((480, 640, 3), np.uint8))) == edges  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("together", "edges"), [(True, [300]), (False, [300, 350])])
def test_boxes_whose_landmarks_are_those_of_one_face_are_one(together: bool, edges: list[int]) -> None:
    class Beside:
        """Two boxes that share a third of what they hold."""

        def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
            boxes = np.array([[[300, 100, 400, 200], [350, 100, 450, 200]]], np.float32) * max(image.shape[2:]) / 640
            scores = np.array([[0.78, 0.74]], np.float32)
            return {"boxes": boxes, "scores": scores, "points": np.zeros((1, 2, 10), np.float32)}

    def settled(photo: np.ndarray, boxes: Sequence[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
        places = own_places(boxes)
        return np.full(len(boxes), 0.05), (places + places.mean(axis=0)) / 2 if together else places

    assert left_edges(Detect(Beside(), settled)(np.zeros((480, 640, 3), np.uint8))) == edges  # pyright: ignore[reportArgumentType]
