"""Before the face the edge of hair follows the photo's strands; elsewhere it is as the parts say."""

import numpy as np

from core.geometry.face_model import FaceModel
from core.geometry.hair_view import HairView, _before_face, _without_shine_through

from .hair_scene import BROWN, SIDE, SKIN, show

METRE, EDGE = 4000.0, 100  # pixels per metre, row at which the parts end


def fringe() -> tuple[np.ndarray, np.ndarray]:
    """(200, 200, 3) uint8 photo of a fringe over skin, and its true (200, 200) bool hair."""
    rng = np.random.default_rng(3)
    ends = EDGE + np.repeat(rng.uniform(-10, 10, 40), 5)
    hair = np.arange(200)[:, None] < ends
    photo = np.where(hair[..., None], BROWN, SKIN) + rng.normal(0.0, 6.0, (200, 200, 3))
    return np.clip(photo, 0, 255).astype(np.uint8), hair


def test_strands_are_told_from_skin_by_the_colour() -> None:
    photo, truth = fringe()
    told = np.repeat((np.arange(200) < EDGE).astype(np.float32)[:, None], 200, axis=1)
    refined = _before_face(photo, told, (1 - told).astype(np.uint8), METRE) > 0.5
    near = slice(EDGE - 12, EDGE + 12)
    wrong = [(cover[near] != truth[near]).mean() for cover in (told > 0.5, refined)]
    assert wrong[1] < 0.4 * wrong[0]


def test_hair_away_from_the_face_is_as_the_parts_say() -> None:
    """The same colours before a wall of the skin's colour."""
    photo, _ = fringe()
    told = np.repeat((np.arange(200) < EDGE).astype(np.float32)[:, None], 200, axis=1)
    assert np.array_equal(_before_face(photo, told, np.zeros((200, 200), np.uint8), METRE), told)
    face = np.zeros((200, 200), np.uint8)
    face[EDGE:, :20] = 1
    assert np.array_equal(_before_face(photo, told, face, METRE)[:, 120:], told[:, 120:])


def test_colours_at_the_hairline_are_the_photos_at_the_outline_they_are_not(face_model: FaceModel) -> None:
    """Skin may shine through a fringe where it hangs; a wall behind the head may not."""
    shown = show(face_model, 0.025)
    grid = shown.grid
    view = HairView.of(shown.photo, shown.parts, shown.camera, grid.points(grid.skin + 0.05).reshape(-1, 3), SIDE)
    hair = view.hair > 0.5
    assert not view.inner[view.strands < 0.5].any()
    rows, columns = np.nonzero(hair)
    top = rows.min()
    assert not view.inner[top : top + 2].any()
    middle = int(np.median(columns))
    line = int(np.flatnonzero(hair[:, middle]).max())  # the hairline on the forehead
    assert view.inner[line - 6 : line - 2, middle - 5 : middle + 5].mean() > 0.9


def test_what_shines_through_the_border_of_hair_is_no_brighter_than_the_hair_inside() -> None:
    rng, metre = np.random.default_rng(0), 2000.0  # a pixel is half a millimetre
    rows, columns = np.indices((200, 200))
    depth = (80.0 - np.hypot(rows - 100, columns - 100)) / metre
    hair = (depth > 0.0).astype(np.uint8)
    level = np.where(hair > 0, np.where(depth < 0.005, 150, 40), 220) + rng.normal(0.0, 3.0, hair.shape)
    photo = np.repeat(level[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    photo[95:105, 95:105] = 200  # a highlight
    even = _without_shine_through(photo, hair, metre)
    assert photo[(depth > 0.0) & (depth < 0.003)].mean() > 140 > 50 > even[(depth > 0.0) & (depth < 0.003)].max()
    assert np.array_equal(even[depth > 0.015], photo[depth > 0.015])  # inside it stays, highlights too
    assert np.array_equal(even[hair == 0], photo[hair == 0])
    assert np.array_equal(_without_shine_through(photo, hair, 10.0 * metre), photo)  # there is no inside


def test_dark_borders_of_hair_stay() -> None:
    photo = np.full((200, 200, 3), 120, np.uint8)
    photo[60:70] = 30
    hair = np.zeros((200, 200), np.uint8)
    hair[60:140] = 1
    assert np.array_equal(_without_shine_through(photo, hair, 2000.0), photo)
