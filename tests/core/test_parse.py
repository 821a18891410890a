"""Parsing: parts and occluders where the photo shows them, whatever its size and the head's place in it."""

import numpy as np
import pytest

from core.geometry import alignment
from core.pipeline import Pipeline
from core.runtime.specs import CELLS, HEAD_SIZE
from core.stages.parse import LEAST_AREA, Parse
from core.types import LANDMARKS, OCCLUDERS, PARTS

GREEN, RED, BLUE = (0, 255, 0), (255, 0, 0), (0, 0, 255)


class StubNetwork:
    """Answers with given cells of the head crop, with what the close crop sees of them, and mirrored alike."""

    def __init__(self, classes: np.ndarray, occluder: np.ndarray | None = None) -> None:
        codes = np.zeros((CELLS, CELLS), int) if occluder is None else occluder
        self.classes, self.occluder = _answers(classes, len(PARTS)), _answers(codes, len(OCCLUDERS))

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        assert image.shape == (3, 3, HEAD_SIZE, HEAD_SIZE)
        return {"classes": self.classes, "occluder": self.occluder}


def _answers(codes: np.ndarray, count: int) -> np.ndarray:
    """(3, K, C, C) certainties of the head, of its mirror image as if it were the same, and of the close crop."""
    share = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    near = share * alignment.CLOSE_MARGIN / alignment.HEAD_MARGIN + 0.5
    column = (near * CELLS).astype(int)
    row = ((near + alignment.HEAD_LIFT / alignment.HEAD_MARGIN) * CELLS).astype(int).clip(0, CELLS - 1)
    looks = np.stack([codes, codes, codes[row][:, column]])
    return np.eye(count, dtype=np.float32)[looks].transpose(0, 3, 1, 2)


def moved(points: np.ndarray, scale: float, degrees: float, center: tuple[float, float]) -> np.ndarray:
    """(68, 2) points turned and scaled about their middle and set down at `center`."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    return (points - points.mean(axis=0)) @ turn.T + center


def painted(points: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A grey photo with a green disc round the face, and the disc's (H, W) bool mask."""
    y, x = np.mgrid[:height, :width]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    disc = np.hypot(x - middle[0], y - middle[1]) < 0.4 * np.ptp(points, axis=0).max()
    photo = np.full((height, width, 3), 90, np.uint8)
    photo[disc] = GREEN
    return photo, disc


@pytest.mark.parametrize(
    ("scale", "degrees", "center", "size"),
    [
        (1.0, 0, (320, 240), (480, 640)),
        (0.4, 35, (500, 120), (480, 640)),
        (3.0, -20, (900, 800), (1500, 1800)),
        (1.0, 0, (20, 460), (480, 640)),
    ],
)
def test_parts_lie_where_the_photo_shows_them(
    pipeline: Pipeline, landmark_points: np.ndarray, scale: float, degrees: float, center, size
) -> None:
    points = moved(landmark_points[:LANDMARKS], scale, degrees, center)
    photo, disc = painted(points, *size)
    parsing = pipeline.parse(photo, points)
    assert parsing.parts.shape == parsing.occluder.shape == parsing.occluded.shape == size
    assert parsing.parts.dtype == parsing.occluder.dtype == parsing.occluded.dtype == np.uint8
    found = parsing.parts == PARTS.index("skin")
    assert (found & disc).sum() / (found | disc).sum() > 0.95
    assert not parsing.occluder.any()


def test_an_occluder_is_cut_out_with_its_type_and_certainty(pipeline: Pipeline, landmark_points: np.ndarray) -> None:
    points = landmark_points[:LANDMARKS]
    photo, _ = painted(points, 640, 640)
    low, high = points[2:15].min(axis=0).astype(int), points[2:15].max(axis=0).astype(int)  # the lower face
    photo[low[1] : high[1], low[0] : high[0]] = BLUE
    parsing = pipeline.parse(photo, points)
    covered = parsing.occluder == OCCLUDERS.index("mask")
    truth = np.zeros_like(covered)
    truth[low[1] : high[1], low[0] : high[0]] = True
    assert (covered & truth).sum() / (covered | truth).sum() > 0.85
    assert parsing.occluded[covered].min() > 100
    assert parsing.occluded[~truth].mean() < 5


def test_spots_are_no_occluders(landmark_points: np.ndarray) -> None:
    codes = np.zeros((CELLS, CELLS), int)
    codes[30:32, 30:32] = OCCLUDERS.index("hand")
    codes[60:80, 60:80] = OCCLUDERS.index("mask")
    network = StubNetwork(np.zeros((CELLS, CELLS), int), codes + codes[:, ::-1] * (codes == 0))
    parsing = Parse(network)(np.zeros((640, 640, 3), np.uint8), landmark_points[:LANDMARKS])
    assert set(np.unique(parsing.occluder)) == {0, OCCLUDERS.index("mask")}


@pytest.mark.parametrize(("rows", "kind"), [(slice(70, 80), "mask"), (slice(70, 100), "object")])
def test_what_is_printed_on_a_mask_is_mask(landmark_points: np.ndarray, rows: slice, kind: str) -> None:
    points = landmark_points[:LANDMARKS]
    occluder = np.zeros((CELLS, CELLS), int)
    occluder[60:90, 40:90] = OCCLUDERS.index("mask")
    occluder[rows, 55:75] = OCCLUDERS.index("object")  # within the mask, or sticking out of it
    stub = StubNetwork(np.zeros((CELLS, CELLS), int), occluder)
    found = Parse(stub)(np.zeros((640, 640, 3), np.uint8), points).occluder  # type: ignore[arg-type]
    cells = alignment.apply(alignment.invert(alignment.head_matrix(points, HEAD_SIZE)), np.array([[130.5, 150.5]]))
    x, y = np.rint(cells[0]).astype(int)
    assert OCCLUDERS[found[y, x]] == kind
    assert (found == OCCLUDERS.index("mask")).any()


@pytest.mark.parametrize(("below", "around"), [(0, "none"), (20, "none"), (0, "hand")])
def test_an_open_mouth_is_no_thing_before_it(landmark_points: np.ndarray, below: int, around: str) -> None:
    points = landmark_points[:LANDMARKS].copy()
    points[48:60, 1] += np.where(points[48:60, 1] > points[48, 1], 45, -15)  # wide open
    to_cells = alignment.head_matrix(points, HEAD_SIZE) * CELLS / HEAD_SIZE
    lips = alignment.apply(to_cells, points[48:60])
    middle, half = (lips.min(axis=0) + lips.max(axis=0)) / 2, 0.3 * np.ptp(lips, axis=0)
    (x0, y0), (x1, y1) = np.rint(middle - half).astype(int), np.rint(middle + half).astype(int)
    x0, x1 = max(x0, CELLS - 1 - x1), min(x1, CELLS - 1 - x0)  # alike when mirrored
    occluder = np.zeros((CELLS, CELLS), int)
    occluder[y0 - 10 : y1 + 10, x0 - 10 : x1 + 10] = OCCLUDERS.index(around)  # a hand before it hides the mouth
    occluder[y0 : y1 + 1 + below, x0 : x1 + 1] = OCCLUDERS.index("object")  # within the lips, or hanging out of them
    assert (occluder == OCCLUDERS.index("object")).mean() > 1.2 * LEAST_AREA["object",]
    stub = StubNetwork(np.zeros((CELLS, CELLS), int), occluder)
    found = Parse(stub)(np.zeros((640, 640, 3), np.uint8), points)  # type: ignore[arg-type]
    thing = found.occluder == OCCLUDERS.index("object")
    assert thing.any() == (below > 0 or around == "hand")
    assert (found.occluded > 128).any() == thing.any()


def test_a_trace_of_glasses_is_neither_an_occluder_nor_a_part(landmark_points: np.ndarray) -> None:
    points, photo = landmark_points[:LANDMARKS], np.zeros((640, 640, 3), np.uint8)
    for rows, there in ((slice(50, 52), False), (slice(50, 58), True)):
        classes, codes = np.full((CELLS, CELLS), PARTS.index("skin")), np.zeros((CELLS, CELLS), int)
        classes[rows, 40:88], codes[rows, 40:88] = PARTS.index("glasses"), OCCLUDERS.index("clear_glasses")
        parsing = Parse(StubNetwork(classes, codes))(photo, points)
        assert (parsing.parts == PARTS.index("glasses")).any() == there
        assert (parsing.occluder > 0).any() == (parsing.occluded > 128).any() == there


@pytest.mark.parametrize(
    ("certainty", "bridge", "side", "worn"),
    [(0.9, False, 7, False), (1.0, False, 7, True), (0.9, True, 7, True), (0.9, False, 19, True)],
)
def test_eyes_deep_in_shadow_are_no_glasses(
    landmark_points: np.ndarray, certainty: float, bridge: bool, side: int, worn: bool
) -> None:
    points = landmark_points[:LANDMARKS]
    cells = alignment.apply(alignment.head_matrix(points, HEAD_SIZE), points) * CELLS / HEAD_SIZE
    codes = np.zeros((CELLS, CELLS), int)
    clear = OCCLUDERS.index("clear_glasses")
    for eye in (cells[36:42].mean(axis=0), cells[42:48].mean(axis=0)):
        x, y = np.rint(eye).astype(int)
        codes[y - side // 2 : y + side // 2 + 1, x - side // 2 - 2 : x + side // 2 + 3] = clear
    if bridge:
        (x0, y), x1 = np.rint(cells[39]).astype(int), round(cells[42, 0])
        codes[y - 2 : y + 1, x0:x1] = clear
    network = StubNetwork(np.where(codes > 0, PARTS.index("glasses"), PARTS.index("skin")), codes)
    network.occluder = network.occluder * np.float32(certainty)
    network.occluder[:, 0] += np.float32(1.0 - certainty)
    network.occluder[1] = network.occluder[0, :, :, ::-1]  # this face is turned a little
    parsing = Parse(network)(np.zeros((640, 640, 3), np.uint8), points)
    assert bool((parsing.occluder == clear).any()) == worn
    assert bool((parsing.parts == PARTS.index("glasses")).any()) == worn


@pytest.mark.parametrize(
    ("above", "beside", "hat_above", "hat_beside"),
    [
        (0.15, 0.6, False, False),  # a patch of the hair, and tresses beside the face
        (0.22, 0.0, False, False),  # a larger patch, shining
        (0.3, 0.3, True, False),  # a small cap
        (0.6, 0.3, True, False),  # a cap over long hair
        (0.9, 0.9, True, True),  # a scarf from which some hair shows
        (1.0, 0.0, True, False),  # a cap over hair that is seen beside the face alone
    ],
)
def test_hats_are_told_from_hair_for_the_whole_head(
    landmark_points: np.ndarray, above: float, beside: float, hat_above: bool, hat_beside: bool
) -> None:
    """`above` and `beside` are the shares of a ring of hair round the head that look like a hat."""
    points, hair, hat = landmark_points[:LANDMARKS], PARTS.index("hair"), PARTS.index("hat")
    cells = alignment.apply(alignment.head_matrix(points, HEAD_SIZE), points) * CELLS / HEAD_SIZE
    row, classes = round(cells[28, 1]), np.zeros((CELLS, CELLS), int)
    for rows, share in ((slice(20, row), above), (slice(row, 110), beside)):
        ring = classes[rows, 20:108]
        ring[:] = hair
        ring[: round(share * len(ring))] = hat
    classes[40:, 44:84] = PARTS.index("skin")
    network = StubNetwork(classes)
    network.classes[1] = network.classes[0, :, :, ::-1]
    found = Parse(network)(np.zeros((640, 640, 3), np.uint8), points).parts
    eyes = round(points[28, 1])
    assert (bool((found[: eyes - 8] == hat).any()), bool((found[eyes + 8 :] == hat).any())) == (hat_above, hat_beside)
    assert bool((found[eyes + 8 :] == hair).any()) != hat_beside
    assert bool((found[: eyes - 8] == hair).any()) == (above < 1.0)


def test_the_mirrored_look_knows_its_left_from_its_right(landmark_points: np.ndarray) -> None:
    classes = np.zeros((CELLS, CELLS), int)
    classes[:, : CELLS // 2] = PARTS.index("eye_right")
    classes[:, CELLS // 2 :] = PARTS.index("eye_left")
    points = landmark_points[:LANDMARKS]
    parsing = Parse(StubNetwork(classes))(np.zeros((640, 640, 3), np.uint8), points)
    to_crop = alignment.head_matrix(points, HEAD_SIZE)
    x, y = alignment.apply(alignment.invert(to_crop), np.array([[60.0, 128.0], [190.0, 128.0]])).round().astype(int).T
    assert [PARTS[part] for part in parsing.parts[y, x]] == ["eye_right", "eye_left"]


def test_the_close_look_sharpens_what_is_small(pipeline: Pipeline, landmark_points: np.ndarray) -> None:
    """A slit of the height of an eye: cells of the head crop alone would blur it away or double it."""
    points = landmark_points[:LANDMARKS]
    photo, _ = painted(points, 640, 640)
    cell = alignment.HEAD_MARGIN * np.ptp(points, axis=0).max() / CELLS  # photo pixels
    shared = []
    for down in range(5):  # wherever it lies between the cells
        middle = points[27:31].mean(axis=0) + [0, down]
        slit = np.zeros(photo.shape[:2], bool)
        slit[round(middle[1]) : round(middle[1] + 1.2 * cell), round(middle[0] - 40) : round(middle[0] + 40)] = True
        found = pipeline.parse(np.where(slit[..., None], np.uint8(RED), photo), points).parts == PARTS.index("nose")
        shared.append((found & slit).sum() / (found | slit).sum())
    assert np.mean(shared) > 0.82  # the look at the whole head alone: 0.72


def test_nothing_is_said_beyond_the_head_crop(landmark_points: np.ndarray) -> None:
    skin = np.full((CELLS, CELLS), PARTS.index("skin"))
    points = moved(landmark_points[:LANDMARKS], 0.2, 30, (100, 120))
    photo = np.zeros((480, 640, 3), np.uint8)
    parsing = Parse(StubNetwork(skin, np.full_like(skin, OCCLUDERS.index("hand"))))(photo, points)
    y, x = np.mgrid[:480, :640]
    inside = alignment.apply(
        alignment.head_matrix(points, HEAD_SIZE), np.stack([x.ravel(), y.ravel()], 1).astype(float)
    )
    inside = ((inside > -0.5) & (inside < HEAD_SIZE - 0.5)).all(axis=1).reshape(480, 640)
    assert ((parsing.parts > 0) == inside).mean() > 0.998
    assert not parsing.occluded[~inside].max() > 200


def test_head_outside_the_photo_gives_empty_maps(landmark_points: np.ndarray) -> None:
    skin = np.full((CELLS, CELLS), PARTS.index("skin"))
    points = landmark_points[:LANDMARKS] + 5000.0
    parsing = Parse(StubNetwork(skin))(np.zeros((64, 80, 3), np.uint8), points)
    assert parsing.parts.shape == (64, 80)
    assert not parsing.parts.any()


def test_head_crop_shows_more_above_the_face_than_below(landmark_points: np.ndarray) -> None:
    points = landmark_points[:LANDMARKS]
    inside = alignment.apply(alignment.head_matrix(points, HEAD_SIZE), points)
    low, high = inside.min(axis=0), inside.max(axis=0)
    side = HEAD_SIZE / alignment.HEAD_MARGIN
    assert (high - low).max() == pytest.approx(side, rel=0.02)
    assert low[1] - (HEAD_SIZE - high[1]) == pytest.approx(2 * alignment.HEAD_LIFT * side, abs=2.0)
    assert low[0] == pytest.approx(HEAD_SIZE - high[0], abs=2.0)
