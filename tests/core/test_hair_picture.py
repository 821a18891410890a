"""The picture on the hair: where it covers the head, its colours, and the strands that no photo shows."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.geometry.hair_detail import detail, strand_noise
from core.geometry.hair_grid import COLUMNS, CROWN, ROWS, degrees_aside
from core.geometry.hair_picture import _hanging, temples
from core.geometry.hair_view import _pieces
from core.geometry.lighting import linear_to_srgb, srgb_to_linear
from core.geometry.rasterizer import rasterize
from core.stages.hair import Hair
from core.types import PARTS

from .hair_scene import (
    BROWN,
    COLOR,
    HAIR,
    SIDE,
    SKIN,
    camera_at,
    drawn,
    rebuilt,
    show,
    texture_of,
)

_SIDEBURN = (50.0, 80.0), (50.0, 60.0)  # degrees from straight ahead: all of it, and its edge towards the face


def test_what_is_seen_of_the_hair_is_covered_and_the_face_is_not(face_model: FaceModel) -> None:
    shown = show(face_model, 0.025)
    cover, truth = drawn(face_model, rebuilt(face_model, shown), shown.camera), shown.parts == HAIR
    assert (cover & truth).sum() > 0.93 * truth.sum()
    assert (cover & (shown.parts == 1)).sum() < 0.02 * (shown.parts == 1).sum()
    assert (cover & ~truth).sum() < 0.03 * truth.sum()


def test_long_hair_is_closed_at_the_sides_and_at_the_back(face_model: FaceModel) -> None:
    shown = show(face_model, 0.03, CROWN + 14)
    hair = rebuilt(face_model, shown)
    for degrees in (90, 180):
        camera = camera_at(np.radians(degrees))
        cover = drawn(face_model, hair, camera)
        ear = project(camera, face_model.vertices[face_model.in_regions("ear_right", "ear_left")])[:, :2]
        column = round(ear[:, 0].mean())
        rows = slice(round(np.quantile(ear[:, 1], 0.1)), round(np.quantile(ear[:, 1], 0.9)))
        assert cover[rows, column - 20 : column + 20].mean() > 0.97


def test_small_gaps_and_stray_pieces_are_none() -> None:
    hair = np.zeros((200, 200), np.uint8)
    hair[20:120, 20:180] = 1
    hair[50:58, 40:48] = 0  # at a pixel a millimetre
    hair[60:80, 100:120] = 0
    hair[150:170, 30:50] = 1
    found = _pieces(hair, 1000.0)
    assert found[50:58, 40:48].all()
    assert not found[60:80, 100:120].any()
    assert not found[150:].any()
    assert found.sum() == 100 * 160 - 400


def test_what_hangs_from_nothing_is_taken_away() -> None:
    cover = np.zeros((160, 512), np.float32)  # two pixels make one that counts
    cover[:60] = 1.0
    cover[60:150, 480:] = cover[60:150, :40] = 1.0  # across the picture's edge
    cover[100:130, 200:260] = 1.0
    cover[60:98, 228] = 1.0  # a single strand holds nothing
    hung = cover * _hanging(cover)
    assert not hung[105:125, 205:255].any()
    assert (hung[:60] == 1.0).all()
    assert (hung[70:140, 490:] == 1.0).all()
    assert (hung[70:140, :30] == 1.0).all()


def test_half_of_slow_light_is_taken_off(face_model: FaceModel) -> None:
    shown = show(face_model, 0.025)
    dark = shown.photo.copy()
    left = (np.arange(SIDE) < SIDE // 2) & (shown.parts == HAIR)
    dark[left] = np.rint(linear_to_srgb(srgb_to_linear(BROWN / np.float32(255.0)) * 0.3) * 255.0)
    hair = Hair(face_model)(dark, shown.parts, face_model.vertices, shown.camera, texture_of(SKIN))
    assert hair is not None
    color = hair.color
    levels = srgb_to_linear(color[..., :3] / np.float32(255.0)).mean(axis=2)
    row, width = int(0.55 * len(color)), color.shape[1]
    seen = [levels[row - 40 : row, middle - 40 : middle + 40].mean() for middle in (width * 3 // 8, width * 5 // 8)]
    assert 0.34 < seen[0] / seen[1] < 0.75  # 0.3 in the photo; the subject's right is its left


def test_every_lock_has_a_face_to_lie_on(face_model: FaceModel) -> None:
    hair = rebuilt(face_model, show(face_model, 0.025, CROWN + 12))
    triangles = np.concatenate([hair.uv_faces[:, [0, 1, 2]], hair.uv_faces[:, [0, 2, 3]]])
    height, width = hair.color.shape[:2]
    places = np.stack([hair.uv[:, 0] * width - 0.5, (1.0 - hair.uv[:, 1]) * height - 0.5], axis=1).astype(np.float32)
    faced = rasterize(places, triangles, width, height).mask
    there = hair.color[8:, :, 3] > 127  # about the crown triangles leave corners of the picture out
    assert (there & ~faced[8:]).sum() < 0.002 * there.sum()
    assert faced.mean() < 0.95  # what shows none is left out


def test_ears_are_bare_where_hair_is_short(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02)
    side = camera_at(np.radians(90))
    cover = drawn(face_model, rebuilt(face_model, shown), side)
    ear = project(side, face_model.vertices[face_model.in_regions("ear_right", "ear_left")])[:, :2]
    low = ear[ear[:, 1] > np.quantile(ear[:, 1], 0.4)].round().astype(int)
    assert cover[low[:, 1], low[:, 0]].mean() < 0.1


@pytest.mark.parametrize("side", [-1, 1])
def test_sideburns_reach_the_ears_on_the_side_that_has_them(face_model: FaceModel, side: int) -> None:
    shown = show(face_model, 0.012)
    aside, on = degrees_aside(np.arange(COLUMNS)), np.sign(np.arange(COLUMNS) - COLUMNS // 2) == side
    rows = shown.grid.points(shown.grid.skin + 0.0035)[CROWN - 3 : CROWN + 2]
    sideburn, before = (rows[:, on & (aside > least) & (aside < most)].reshape(-1, 3) for least, most in _SIDEBURN)
    parts = shown.parts.copy()
    for x, y in np.rint(project(shown.camera, sideburn)[:, :2]).astype(int):
        cv2.circle(parts, (int(x), int(y)), 7, HAIR, -1)
    hair = rebuilt(face_model, replace(shown, parts=parts))

    def covered(points: np.ndarray, towards: int) -> float:
        camera = camera_at(-towards * np.pi / 2)
        x, y = np.rint(project(camera, points * [side * towards, 1.0, 1.0])[:, :2]).astype(int).T
        return float(drawn(face_model, hair, camera)[y, x].mean())

    assert covered(sideburn, side) > 0.95
    assert covered(before, -side) < 0.2  # the other one stays bare


def test_hair_at_the_temples_goes_on_to_the_ears_and_no_farther() -> None:
    aside = np.broadcast_to(degrees_aside(np.arange(COLUMNS)), (ROWS, COLUMNS))
    ears = np.where((np.arange(ROWS)[:, None] >= CROWN) & (aside > 84.0) & (aside < 100.0), 0.01, 0.0)
    places = np.stack([aside, aside, aside], axis=-1)
    grid: Any = SimpleNamespace(
        points=lambda reach: places, directions=places, scalp=aside > 110.0, ears=ears, lobes=CROWN + 6
    )
    view: Any = SimpleNamespace(
        pixels=lambda points: points[..., 0],
        facing=lambda points, directions: np.cos(np.radians(points[..., 0])),
        inside=lambda pixels: pixels < 90.0,
        hair_at=lambda pixels: np.where((pixels > 60.0) & (pixels < 85.0), 1.0, 0.0),  # what is beyond is the wall
    )
    found = temples(grid, view, np.zeros((ROWS, COLUMNS)))
    above, beside, below = found[CROWN - 2], found[CROWN + 2], found[CROWN + 6]
    between = (aside[0] > 60.0) & (aside[0] < 84.0)
    assert (above == (between | ((aside[0] >= 84.0) & (aside[0] < 110.0)))).all()  # on to the scalp
    assert (beside == between).all()
    assert not below.any()


def test_no_other_colour_gets_into_the_hair(face_model: FaceModel) -> None:
    shown = show(face_model, 0.025, CROWN + 12)
    blurred = cv2.GaussianBlur(shown.photo, (0, 0), 2.5)  # as lenses do
    color = rebuilt(face_model, replace(shown, photo=blurred)).color
    there = color[..., 3] > 127
    levels = color[..., :3][there].astype(int)
    assert there.mean() > 0.3
    assert (levels[:, 1] > levels[:, 0]).mean() < 0.002  # of the green wall
    assert np.abs(np.median(levels, axis=0) - BROWN).max() < 8
    assert levels.std(axis=0).max() < 25


def test_the_light_on_the_skin_is_taken_off_the_hair(face_model: FaceModel) -> None:
    shown = show(face_model, 0.025)
    bright = srgb_to_linear(SKIN / np.float32(255.0)) * 0.6
    hair = rebuilt(face_model, shown, np.rint(linear_to_srgb(bright) * 255.0))  # the photo shows skin too bright
    mean = np.median(hair.color[..., :3][hair.color[..., 3] > 127], axis=0) / 255.0
    assert srgb_to_linear(mean) == pytest.approx(srgb_to_linear(COLOR) * 0.6, rel=0.12)


def test_a_hat_is_worn_in_its_own_colours(face_model: FaceModel) -> None:
    shown = show(face_model, 0.025)
    hat = (shown.parts == HAIR) & (np.arange(SIDE)[:, None] < 200)
    parts, photo = np.where(hat, PARTS.index("hat"), shown.parts), shown.photo.copy()
    photo[hat] = (60, 90, 170)
    worn = rebuilt(face_model, replace(shown, parts=parts.astype(np.uint8), photo=photo))
    plain = rebuilt(face_model, shown)
    assert worn.vertices == pytest.approx(plain.vertices)
    there = worn.color[..., 3] > 127
    blue = (worn.color[..., 2] > worn.color[..., 0]) & there
    assert blue[: len(blue) // 3].sum() > 0.8 * there[: len(blue) // 3].sum()
    assert blue.sum() < there.sum()


def test_specks_beside_the_hair_are_none(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02)
    parts = shown.parts.copy()
    nose = project(shown.camera, face_model.landmarks(face_model.vertices))[33, :2].round().astype(int)
    parts[nose[1] + 20 : nose[1] + 26, nose[0] + 20 : nose[0] + 28] = HAIR
    speckled = replace(shown, parts=parts)
    cover = drawn(face_model, rebuilt(face_model, speckled), shown.camera)
    assert (shown.parts == 1)[nose[1] + 22, nose[0] + 24]
    assert not cover[nose[1] + 10 : nose[1] + 36, nose[0] + 10 : nose[0] + 38].any()


def test_a_lock_that_hangs_from_nothing_is_not_shown(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02)
    parts = shown.parts.copy()
    eye = project(shown.camera, face_model.landmarks(face_model.vertices))[46, :2].round().astype(int)
    cheek = slice(eye[1] + 6, eye[1] + 44), slice(eye[0] - 24, eye[0] + 12)
    parts[cheek] = HAIR
    assert (parts[cheek] == HAIR).sum() > 0.1 * (shown.parts == HAIR).sum()  # no stray piece
    cover = drawn(face_model, rebuilt(face_model, replace(shown, parts=parts)), shown.camera)
    assert cover[cheek].mean() < 0.03


def test_hair_below_bare_skin_hangs_from_nothing_before_the_face(face_model: FaceModel) -> None:
    """Hair behind the neck is no lock before the cheek, though the photo shows both at one place."""
    shown = show(face_model, 0.02)
    chin = project(shown.camera, face_model.landmarks(face_model.vertices))[8, :2].round().astype(int)
    parts = shown.parts.copy()
    below = (np.arange(SIDE)[:, None] > chin[1] - 20) & (np.arange(SIDE)[:, None] < chin[1] + 40)
    aside = (np.abs(np.arange(SIDE) - chin[0]) > 42) & (np.abs(np.arange(SIDE) - chin[0]) < 75)
    parts[below & aside] = HAIR
    hair = rebuilt(face_model, replace(shown, parts=parts))
    ahead = hair.vertices[:, 2] > -0.03
    assert not (ahead & (hair.vertices[:, 1] < -0.06)).any()


def test_strands_are_mirrored_where_the_photo_ends_and_drawn_beyond() -> None:
    height, width, edge = 160, 512, 200
    rng = np.random.default_rng(3)
    wavy = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 4.0)
    wavy *= 0.2 / wavy.std()
    known = np.zeros((height, width), np.float32)
    known[:, 40:edge] = 1.0
    smooth = [np.full((height, width), level, np.float32) for level in (0.2, 0.1, 0.05)]
    own = [plane * np.exp(wavy) * known for plane in smooth]
    strands = strand_noise(height, width)
    told = np.log(detail(own, smooth, known, strands))
    near, source = slice(edge + 3, edge + 14), slice(edge - 4, edge - 15, -1)
    assert np.corrcoef(told[:, near].ravel(), wavy[:, source].ravel())[0, 1] > 0.8
    far = slice(edge + 140, edge + 250)
    assert np.corrcoef(told[:, far].ravel(), strands[:, far].ravel())[0, 1] > 0.99
    assert told[:, far].std() == pytest.approx(0.2, abs=0.04)  # as strong as the photo's


def test_the_back_has_the_waves_of_the_front(face_model: FaceModel) -> None:
    """Curls go on as curls, of the photo's size and strength; straight hair as strands that run down, however seen."""
    shown = show(face_model, 0.03, CROWN + 14)
    noise = np.random.default_rng(4).standard_normal((SIDE, SIDE)).astype(np.float32)
    curls = cv2.GaussianBlur(noise, (0, 0), 3.0)
    slanting = cv2.warpAffine(
        cv2.GaussianBlur(noise, (0, 0), sigmaX=2.0, sigmaY=40.0),
        cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 40.0, 1.4),
        (SIDE, SIDE),
        borderMode=cv2.BORDER_REFLECT,
    )
    changes = []
    for waves in (curls, slanting):
        linear = srgb_to_linear(COLOR) * np.exp(0.2 * waves / waves.std())[..., None]
        photo = np.where((shown.parts == HAIR)[..., None], np.rint(255.0 * linear_to_srgb(linear)), shown.photo)
        hair = rebuilt(face_model, replace(shown, photo=photo.astype(np.uint8)))
        height, width = hair.color.shape[:2]
        behind = srgb_to_linear(hair.color[height // 3 : height * 2 // 3, : width // 8, 1] / np.float32(255.0))
        bright = np.log(behind) - cv2.GaussianBlur(np.log(behind), (0, 0), 10.0)
        assert 0.08 < bright.std() < 0.3
        changes.append([float(np.square(np.diff(bright, axis=axis)).mean()) for axis in (1, 0)])
    (across, along), (across_strands, along_strands) = changes
    assert 0.6 < across / along < 4.0  # at the sides the photo sees curls narrower than they are
    assert across_strands > 20.0 * along_strands
