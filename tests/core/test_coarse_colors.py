"""Coarse colours: a fill takes light and tone from the cells and keeps the details that its painter gave it."""

import cv2
import numpy as np
import pytest

from core.geometry import alignment
from core.geometry.coarse_colors import with_coarse_colors
from core.geometry.mirroring import MIRRORED_68
from core.runtime.specs import COARSE_SIZE, FACE_SIZE
from core.stages.complete import Complete

from .skin import disc, scene

SQUARE = (slice(80, 180), slice(60, 200))


def face() -> np.ndarray:
    """(S, S, 3) float32 of soft light with a fine pattern of two pixels."""
    y, x = np.indices((FACE_SIZE, FACE_SIZE), np.float32)
    light = np.stack([120 + 0.3 * x, 90 + 0.2 * y, 80 + 0.1 * (x + y)], axis=-1)
    return light + 12.0 * ((x // 2 + y // 2) % 2)[..., None].astype(np.float32)


def cells_of(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (COARSE_SIZE, COARSE_SIZE), interpolation=cv2.INTER_AREA)


@pytest.fixture
def hole() -> np.ndarray:
    out = np.zeros((FACE_SIZE, FACE_SIZE), np.uint8)
    out[SQUARE] = 1
    return out


def test_a_wrong_tone_goes_and_details_stay(hole: np.ndarray) -> None:
    true = face()
    y, x = np.indices(hole.shape, np.float32)
    tint = np.array([30.0, -25.0, 10.0], np.float32) * np.cos(x / 70.0)[..., None] * np.cos(y / 90.0)[..., None]
    painted = true + tint * hole[..., None]
    done = with_coarse_colors(painted, cells_of(true), hole)
    inside = hole > 0
    before, after = (np.abs(one - true)[inside].mean() for one in (painted, done))
    assert after < 0.6 * before
    pattern = cv2.GaussianBlur(done, (0, 0), 4.0) - done, cv2.GaussianBlur(true, (0, 0), 4.0) - true
    core = (slice(100, 160), slice(80, 180))
    np.testing.assert_allclose(pattern[0][core], pattern[1][core], atol=1.0)


def test_brightness_and_colour_are_weighed_apart(hole: np.ndarray) -> None:
    """A grey shift goes half way, a shift of hue further."""
    flat = np.full((FACE_SIZE, FACE_SIZE, 3), 120.0, np.float32)
    core = (slice(110, 150), slice(100, 160))
    moved = {}
    for name, shift in (("grey", [30.0, 30.0, 30.0]), ("hue", [30.0, 0.0, -30.0])):
        done = with_coarse_colors(flat + np.array(shift, np.float32), cells_of(flat), hole)
        moved[name] = 1.0 - np.abs(done - flat)[core].mean() / np.abs(shift).mean()
    assert moved["grey"] == pytest.approx(0.5, abs=0.02)
    assert moved["hue"] == pytest.approx(0.6, abs=0.02)


def test_nothing_changes_beside_the_hole(hole: np.ndarray) -> None:
    painted = face()
    done = with_coarse_colors(painted, np.zeros((COARSE_SIZE, COARSE_SIZE, 3), np.float32), hole)
    np.testing.assert_array_equal(done[hole == 0], painted[hole == 0])
    assert np.abs(done - painted)[hole > 0].min() > 15


def test_what_cells_show_beside_the_hole_does_not_matter(hole: np.ndarray) -> None:
    painted = face()
    cells = cells_of(painted)
    wrong = np.where(cells_of(hole.astype(np.float32))[..., None] > 0, cells, 255.0).astype(np.float32)
    np.testing.assert_allclose(with_coarse_colors(painted, wrong, hole), painted, atol=0.1)


def test_an_outline_that_the_painter_alone_drew_keeps_half_of_its_depth(hole: np.ndarray) -> None:
    painted = np.full((FACE_SIZE, FACE_SIZE, 3), 180, np.float32)
    painted[120:126, 90:170] = 60.0  # a line between lips
    cells = cells_of(np.full_like(painted, 180.0))  # which is not seen from afar
    done = with_coarse_colors(painted, cells, hole)
    assert done[122, 100:160].mean() < 120.0
    assert done[112, 100:160].mean() > 175.0  # and no blur beside it


class Answers:
    """Answers with one (3, h, w) painting, mirrored where the crop is; of mirrored crops `other` is added to it."""

    def __init__(self, name: str, painting: np.ndarray, other: float | np.ndarray = 0.0) -> None:
        self.name, self.painting, self.other = name, painting.transpose(2, 0, 1) / np.float32(255.0), other / 255.0

    def run(self, image: np.ndarray, mask: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
        if len(image) == 2:
            for one in (image, mask):
                np.testing.assert_array_equal(one[1], one[0][..., ::-1])
            np.testing.assert_allclose(landmarks[1, MIRRORED_68] * [-1, 1] + [1, 0], landmarks[0], atol=1e-6)
        answers = [self.painting, self.painting[..., ::-1] + self.other][: len(image)]
        return {self.name: np.stack(answers).astype(np.float32)}


def test_completing_listens_to_both_networks(points: np.ndarray) -> None:
    photo = scene()
    mask = disc((640, 640), float(points[33, 0]), float(points[33, 1]), 60)
    crop = alignment.extract(photo, alignment.crop_matrix(points, FACE_SIZE), FACE_SIZE, cv2.BORDER_REFLECT_101).image
    true = crop.astype(np.float32)
    bump = 60.0 * np.exp(-((np.indices((FACE_SIZE, FACE_SIZE)) - 128.0) ** 2).sum(axis=0) / 800.0)  # off the border
    painter = Answers("completed", true + bump[..., None].astype(np.float32))
    alone, both = (
        Complete(painter, "generator", coarse)(photo, points, mask).photo.astype(float)  # pyright: ignore[reportArgumentType]
        for coarse in (None, Answers("coarse", cells_of(true)))
    )
    wrong = [np.abs(one - photo)[mask > 0].mean() for one in (alone, both)]
    assert wrong[1] < 0.75 * wrong[0]


def test_the_mirror_image_has_its_say(points: np.ndarray) -> None:
    photo = scene()
    mask = disc((640, 640), float(points[33, 0]), float(points[33, 1]), 60)
    crop = alignment.extract(photo, alignment.crop_matrix(points, FACE_SIZE), FACE_SIZE, cv2.BORDER_REFLECT_101).image
    bump = 80.0 * np.exp(-((np.indices((FACE_SIZE, FACE_SIZE)) - 128.0) ** 2).sum(axis=0) / 800.0).astype(np.float32)
    painted, cells = crop + bump[..., None], cells_of(crop.astype(np.float32))
    done = []
    for other in (0.0, -bump[:, ::-1]):  # painted into the mirror image, without the bump
        networks = Answers("completed", painted, other), Answers("coarse", cells)
        done.append(Complete(networks[0], "generator", networks[1])(photo, points, mask).photo.astype(float))  # pyright: ignore[reportArgumentType]
    wrong = [np.abs(one - photo)[mask > 0].mean() for one in done]
    assert wrong[1] < 0.75 * wrong[0]
