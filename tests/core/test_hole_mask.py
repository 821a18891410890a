"""What is deleted: the finds of the parser, cleaned, and of clear glasses their rims."""

import cv2
import numpy as np
import pytest

from core.geometry import alignment
from core.geometry.hole_mask import covers, occluder_mask
from core.geometry.masks import grown
from core.runtime.specs import FACE_SIZE
from core.types import OCCLUDERS, PARTS, Parsing

from .skin import disc, scene

MASK, GLASSES, HAND = (OCCLUDERS.index(name) for name in ("mask", "clear_glasses", "hand"))


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
    rims: np.ndarray | None = None,
    photo: np.ndarray | None = None,
) -> np.ndarray:
    """`rims` (H, W) uint8 are the levels that somebody who is asked tells, of the face crop."""

    def told(shown: np.ndarray, asked: np.ndarray) -> np.ndarray:
        assert shown is photo and asked is points
        assert rims is not None
        return cv2.warpAffine(rims, alignment.crop_matrix(points, FACE_SIZE), (FACE_SIZE, FACE_SIZE))

    photo = scene(parsing.parts.shape) if photo is None else photo
    rest = {"threshold": threshold, "grow": grow, "keep_glasses": keep_glasses}
    return occluder_mask(photo, parsing, points, **rest, rims=None if rims is None else told)


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
            cv2.ellipse(self.brows, middle, (round(1.75 * self.radius),) * 2, 0, 240, 300, 1, 2 + width)
        self.photo[self.brows > 0] = (70, 50, 40)
        self.photo[self.rims > 0] = np.clip(np.asarray(rim) * self.photo[self.rims > 0], 0, 255)
        self.photo = cv2.GaussianBlur(self.photo, (0, 0), 0.7)
        self.parsing = parsed(within * GLASSES)
        self.parsing.parts[within == 0] = PARTS.index("skin")
        self.parsing.parts[grown(self.brows, 2.0) > 0] = PARTS.index("brow_left")
        # a network's word, as wide as its cells
        self.told = np.where(grown(self.rims, 0.2 * self.radius), 204, 0).astype(np.uint8)


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
    side, where = round(640 * scale), (points * scale).astype(np.float32)
    worn = Spectacles(where, scene((side, side), 2.0), rim, max(round(4 * scale), 2))
    mask = found(worn.parsing, where, rims=worn.told, photo=worn.photo) > 0
    assert mask[worn.rims > 0].mean() > 0.99
    assert mask[grown(worn.rims, 1.0) > 0].mean() > 0.97  # the blurred edge too
    assert not covers(mask, worn.eyes).any()
    assert mask[worn.brows > 0].mean() < 0.2
    assert mask.sum() < 4.5 * worn.rims.sum()


def test_a_line_is_a_rim_where_one_is_likely_and_the_likelier_the_fainter(points: np.ndarray) -> None:
    shares = {}
    for rim in (0.15, 0.93):
        worn = Spectacles(points, scene(noise_level=2.0), rim, 4)
        for level in (0, 40, 255):
            told = np.where(worn.told > 0, level, 0).astype(np.uint8)
            mask = found(worn.parsing, points, rims=told, photo=worn.photo) > 0
            shares[rim, level] = mask[worn.rims > 0].mean()
    assert shares[0.15, 0] == shares[0.93, 0] == 0.0
    assert shares[0.15, 40] > 0.99 and shares[0.15, 255] > 0.99
    assert shares[0.93, 40] < 0.1 and shares[0.93, 255] > 0.6


def test_short_breaks_in_what_is_told_are_closed(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(), 0.15, 4)
    x, y = worn.eyes[0].astype(int)
    for half, closed in ((2, True), (9, False)):
        told = worn.told.copy()
        told[y:, x - half : x + half] = 0
        mask = found(worn.parsing, points, rims=told, photo=worn.photo, grow=0.0) > 0
        assert mask[worn.rims > 0].all() == closed


def test_eyes_are_no_rims(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(), 0.15, 4)
    for eye in worn.eyes:
        cv2.circle(worn.photo, (round(float(eye[0])), round(float(eye[1]))), 4, (20, 20, 20), -1)
    told = np.where(worn.parsing.occluder > 0, 255, 0).astype(np.uint8)
    mask = found(worn.parsing, points, rims=told, photo=worn.photo) > 0
    assert mask[worn.rims > 0].mean() > 0.99
    assert not covers(mask, worn.eyes).any()


def test_temples_belong_to_the_rims_and_what_lies_far_from_glasses_does_not(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(), 0.15, 4)
    left, row = int(worn.eyes[:, 0].min() - worn.radius), int(worn.eyes[0, 1])
    lip = int(points[57, 1])
    temple, beard = (slice(row - 2, row + 2), slice(left - 30, left)), (slice(lip, lip + 8), slice(left, left + 90))
    speck = slice(row + 25, row + 27), slice(left + 62, left + 64)
    for place in (temple, beard, speck):
        worn.told[place], worn.photo[place] = 255, 20
    mask = found(worn.parsing, points, rims=worn.told, photo=worn.photo) > 0
    assert mask[row, left - 25 : left].all()
    assert not mask[beard].any()
    assert not mask[speck].any()


def test_frames_grow_by_a_third_of_what_other_finds_do(points: np.ndarray) -> None:
    worn = Spectacles(points, scene(), 0.15, 4)
    side = FACE_SIZE / np.sqrt(np.linalg.det(alignment.crop_matrix(points, FACE_SIZE)[:, :2]))
    ring = [  # width of both
        (found(worn.parsing, points, rims=worn.told, photo=worn.photo, grow=grow) > 0).sum() / (4 * np.pi * worn.radius)
        for grow in (0.018, 0.018 + 0.03)
    ]
    assert ring[1] - ring[0] == pytest.approx(2 * 0.01 * side, rel=0.2)


def test_dark_and_tinted_lenses_go(points: np.ndarray) -> None:
    for kind, brightness in ((OCCLUDERS.index("dark_glasses"), 1.0), (GLASSES, 0.4)):
        worn = Spectacles(points, scene(), 0.15, 4)
        worn.parsing.occluder[worn.parsing.occluder > 0] = kind
        within = worn.parsing.occluder > 0
        worn.photo[within] = (worn.photo[within] * brightness).astype(np.uint8)
        assert found(worn.parsing, points, rims=worn.told, photo=worn.photo)[within].all()


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
    mask = found(worn.parsing, points, rims=worn.told, photo=worn.photo) > 0
    assert mask[hand].all()
    assert not covers(mask, worn.eyes).any()


def test_masks_grow_by_distance_wherever_they_lie() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width = rng.integers(5, 120, 2)
        mask = np.zeros((height, width), np.uint8)
        for _ in range(rng.integers(0, 4)):
            center = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            axes = (int(rng.integers(1, 20)), int(rng.integers(1, 20)))
            cv2.ellipse(mask, center, axes, 30.0, 0.0, 360.0, 1, -1)
        radius = float(rng.uniform(0.1, 25.0))
        away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
        assert np.array_equal(grown(mask, radius), (away <= radius) if mask.any() else mask)
