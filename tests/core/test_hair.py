"""Hair as a mesh: volume from its outline, length, cover and colours, on heads whose true hair is known."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.hair_detail import detail, strand_noise
from core.geometry.hair_grid import COLUMNS, CROWN, PITCH, ROWS, HairGrid, HairGrids
from core.geometry.hair_picture import _hanging
from core.geometry.hair_view import HairView, _pieces
from core.geometry.hair_volume import FLAT, REACH
from core.geometry.lighting import linear_to_srgb, srgb_to_linear
from core.geometry.rasterizer import rasterize, vertex_normals
from core.stages.hair import Hair, mesh, shape
from core.types import PARTS, SEEN, Camera, FaceTexture, HairMesh

SIDE = 600
BROWN = np.array([92, 60, 38], np.uint8)
COLOR = BROWN.astype(np.float32) / 255.0
WALL, SKIN = np.array([20, 230, 40], np.uint8), np.array([210, 160, 130], np.uint8)
HAIR = PARTS.index("hair")


@dataclass(frozen=True)
class Shown:
    """A head with known hair, and its photo."""

    photo: np.ndarray
    parts: np.ndarray
    camera: Camera
    grid: HairGrid
    truth: np.ndarray  # (ROWS, COLUMNS) metres by which the hair stands off the skin


def camera_at(yaw: float = 0.0, up: float = 0.0) -> Camera:
    rotation = rotation_from_angles(0.0, yaw, 0.0)
    away = np.array([0.0, up, 0.9]) - rotation @ np.array([0.0, 0.0, -0.06])
    return Camera(900.0, ((SIDE - 1) / 2,) * 2, SIDE, SIDE, rotation, away)


def show(
    model: FaceModel,
    thick: float,
    end: int | None = None,
    yaw: float = 0.0,
    up: float = 0.0,
    sides: tuple[float, ...] = (-1.0, 1.0),
) -> Shown:
    """Hair `thick` metres over the scalp; with `end`, also at the sides and behind down to that row of the grid.

    `sides` are those on which it is long: the subject's right, left.
    """
    grid, camera = HairGrids(model).round_head(model.vertices), camera_at(yaw, up)
    truth = np.full((ROWS, COLUMNS), thick)
    cover = grid.scalp.copy()
    ground = grid.skin
    if end is not None:
        aside = np.abs(2.0 * np.arange(COLUMNS) / COLUMNS - 1.0) * 180.0
        on = np.isin(np.sign(np.arange(COLUMNS) - COLUMNS // 2), sides)
        cover |= (aside > 36.0) & on & (np.arange(ROWS)[:, None] < end)
        ground = grid.hung
    picture = np.zeros((ROWS - 1, COLUMNS, 4), np.uint8)
    picture[..., 3] = 255 * cover[:-1]
    hair = mesh(grid.points(ground + truth), np.repeat(np.repeat(picture, 8, axis=0), 8, axis=1), ROWS)
    triangles = np.concatenate([hair.faces[:, [0, 1, 2]], hair.faces[:, [0, 2, 3]]]) + len(model.vertices)
    points = project(camera, np.concatenate([model.vertices, hair.vertices])).astype(np.float32)
    raster = rasterize(points, np.concatenate([model.triangles, triangles]), SIDE, SIDE)
    haired = raster.triangle_id >= len(model.triangles)
    bare = model.in_regions("scalp", "neck", "none", "ear_left", "ear_right")[model.triangles].any(axis=1)
    parts = np.zeros((SIDE, SIDE), np.uint8)
    parts[raster.mask & ~haired] = np.where(bare, 17, 1)[raster.triangle_id[raster.mask & ~haired]]
    parts[haired] = HAIR
    photo = np.where(haired[..., None], BROWN, np.where(raster.mask[..., None], SKIN, WALL))
    return Shown(photo.astype(np.uint8), parts, camera, grid, ground + truth - grid.skin)


def texture_of(skin: np.ndarray) -> FaceTexture:
    """A texture all of whose texels were seen, (3,) uint8 levels of skin."""
    color = np.broadcast_to(skin, (32, 32, 3)).astype(np.uint8)
    return FaceTexture(color, np.full((32, 32), SEEN + 1, np.uint8), COLOR, COLOR)


def rebuilt(model: FaceModel, shown: Shown, skin: np.ndarray = SKIN) -> HairMesh:
    hair = Hair(model, 512)(shown.photo, shown.parts, model.vertices, shown.camera, texture_of(skin))
    assert hair is not None
    return hair


def surface(shown: Shown) -> tuple[np.ndarray, np.ndarray]:
    reached = shown.grid.points(shown.grid.skin + REACH).reshape(-1, 3)
    return shape(shown.grid, HairView.of(shown.photo, shown.parts, shown.camera, reached, 512))


def azimuths() -> np.ndarray:
    return (2.0 * np.arange(COLUMNS) / COLUMNS - 1.0) * 180.0


def drawn(model: FaceModel, hair: HairMesh, camera: Camera) -> np.ndarray:
    """(SIDE, SIDE) bool: pixels that show the outer side of the hair, where there is any on it."""
    triangles = np.concatenate([hair.faces[:, [0, 1, 2]], hair.faces[:, [0, 2, 3]]])
    uv = np.concatenate([hair.uv_faces[:, [0, 1, 2]], hair.uv_faces[:, [0, 2, 3]]])
    raster = rasterize(project(camera, hair.vertices).astype(np.float32), triangles, SIDE, SIDE, cull=True)
    head = rasterize(project(camera, model.vertices).astype(np.float32), model.triangles, SIDE, SIDE)
    out, hit = np.zeros((SIDE, SIDE), bool), raster.mask & (raster.depth < head.depth)
    place = np.einsum("nk,nkd->nd", raster.barycentric[hit], hair.uv[uv[raster.triangle_id[hit]]])
    height, width = hair.color.shape[:2]
    column = np.clip(place[:, 0] * width, 0, width - 1).astype(int)
    row = np.clip((1.0 - place[:, 1]) * height, 0, height - 1).astype(int)
    out[hit] = hair.color[row, column, 3] > 127
    return out


@pytest.mark.parametrize("thick", [0.012, 0.035])
def test_hair_stands_off_the_head_as_its_outline_does(face_model: FaceModel, thick: float) -> None:
    shown = show(face_model, thick)
    found, end = surface(shown)
    assert (end == CROWN).all()
    sides = np.isin(np.abs(azimuths()), (84.375, 90.0, 95.625))
    top = np.arange(ROWS)[:, None] < CROWN - 3
    error = np.abs(found - shown.grid.skin - shown.truth)
    assert error[top & sides].max() < 0.004
    assert np.median(error[: CROWN - 6]) < 0.004  # behind, which no pixel shows, it goes on


def test_what_is_seen_of_the_hair_is_covered_and_the_face_is_not(face_model: FaceModel) -> None:
    shown = show(face_model, 0.025)
    cover, truth = drawn(face_model, rebuilt(face_model, shown), shown.camera), shown.parts == HAIR
    assert (cover & truth).sum() > 0.93 * truth.sum()
    assert (cover & (shown.parts == 1)).sum() < 0.02 * (shown.parts == 1).sum()
    assert (cover & ~truth).sum() < 0.03 * truth.sum()


@pytest.mark.parametrize("end", [CROWN + 7, CROWN + 16])
def test_hair_that_covers_the_ears_is_as_long_as_it_is_seen(face_model: FaceModel, end: int) -> None:
    shown = show(face_model, 0.03, end)
    found, ends = surface(shown)
    last = int(ends.max())
    assert ends.min() == last
    assert end <= last <= end + 3  # the mesh that is shown goes on a little below
    lowest = shown.grid.points(found)[last - 2, COLUMNS // 4, 1]
    hair = rebuilt(face_model, shown)
    assert hair.vertices[:, 1].min() < lowest
    behind = np.abs(azimuths()) > 150
    assert (found - shown.grid.skin)[CROWN : last - 4, behind].min() > 0.01  # it hangs there too


def test_ears_that_long_hair_covers_do_not_come_through(face_model: FaceModel) -> None:
    shown = show(face_model, 0.012, CROWN + 16)
    shown = replace(shown, parts=np.where(shown.parts == 17, HAIR, shown.parts).astype(np.uint8))  # over them too
    found, _ = surface(shown)
    covered = shown.grid.ears > 0.0
    assert covered.sum() > 10
    assert (found - shown.grid.hung - shown.grid.ears)[covered].min() > 0.003


def test_the_nape_is_thin_where_hair_is_short(face_model: FaceModel) -> None:
    shown = show(face_model, 0.03)
    found, _ = surface(shown)
    behind = found[:, 0] - shown.grid.skin[:, 0]
    last = int(np.flatnonzero(shown.grid.scalp[:, 0]).max())
    assert behind[last] < 0.009
    assert behind[last] < behind[last - 2] < behind[last - 4] < behind[last - 6]
    assert behind[last - 10] > 0.018


def test_hair_on_one_side_alone_is_long_there(face_model: FaceModel) -> None:
    shown = show(face_model, 0.03, CROWN + 14, sides=(1.0,))
    _, ends = surface(shown)
    assert (ends[: COLUMNS // 4] == CROWN).all()
    assert ends[3 * COLUMNS // 4 - 2] > CROWN + 10
    assert ends[0] == CROWN  # at the back


def test_the_side_that_a_photo_does_not_show_is_like_the_other(face_model: FaceModel) -> None:
    shown = show(face_model, 0.03, CROWN + 14, yaw=0.9)
    _, ends = surface(shown)
    assert ends.min() == ends.max() > CROWN + 10


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


def test_somebody_elses_hair_beside_it_is_not_reached(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02)
    parts, edge = shown.parts.copy(), int(np.flatnonzero((shown.parts == HAIR).any(axis=0)).max())
    parts[150:330, edge + 18 : edge + 70] = HAIR
    found, _ = surface(replace(shown, parts=parts))
    plain, _ = surface(shown)
    assert np.abs(found - plain).max() < 0.004


def test_wide_hair_that_the_border_cuts_reaches_it(face_model: FaceModel) -> None:
    shown = show(face_model, 0.06)
    haired = np.flatnonzero((shown.parts == HAIR).any(axis=0))
    low, high = int(haired.min()) + 22, int(haired.max()) - 22  # two centimetres of it on either side
    camera = replace(shown.camera, center=(shown.camera.center[0] - low, shown.camera.center[1]), width=high - low)
    cut = replace(shown, photo=shown.photo[:, low:high].copy(), parts=shown.parts[:, low:high].copy(), camera=camera)
    cut.parts[: int(np.flatnonzero((shown.parts == HAIR).any(axis=1)).min()) + 60] = 0  # nor does the top tell
    found, _ = surface(cut)
    sides = found[CROWN - 4 : CROWN - 1][:, [COLUMNS // 4, 3 * COLUMNS // 4]]
    ground = shown.grid.skin[CROWN - 4 : CROWN - 1][:, [COLUMNS // 4, 3 * COLUMNS // 4]]
    assert (sides - ground).min() > 0.025


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


def test_the_mesh_lies_round_the_head_and_looks_outwards(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02, CROWN + 10)
    hair = rebuilt(face_model, shown)
    triangles = np.concatenate([hair.faces[:, [0, 1, 2]], hair.faces[:, [0, 2, 3]]])
    normals = vertex_normals(hair.vertices, triangles)
    outwards = hair.vertices - np.array([0.0, 0.02, -0.08])
    assert ((normals * outwards).sum(axis=1) > 0).mean() > 0.98
    quads = hair.faces[:, 2] != hair.faces[:, 3]
    assert quads.mean() > 0.9
    assert (hair.faces[~quads] == 0).any(axis=1).all()  # triangles meet at the crown alone
    edges = np.sort(np.stack([hair.faces, np.roll(hair.faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    _, counts = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0, return_counts=True)
    assert counts.max() == 2
    assert hair.uv.min() >= 0.0
    assert hair.uv.max() <= 1.0
    assert hair.faces.max() == len(hair.vertices) - 1
    assert hair.uv_faces.max() == len(hair.uv) - 1
    assert np.isfinite(hair.vertices).all()


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


def test_who_shows_hardly_any_hair_gets_no_mesh(face_model: FaceModel) -> None:
    shown = show(face_model, 0.01)
    parts = np.where(shown.parts == HAIR, 0, shown.parts)
    stage = Hair(face_model, 512)
    assert stage(shown.photo, parts, face_model.vertices, shown.camera, texture_of(SKIN)) is None
    parts[250:262, 180:200] = HAIR
    assert stage(shown.photo, parts, face_model.vertices, shown.camera, texture_of(SKIN)) is None


def test_hair_that_the_border_cuts_goes_on_as_elsewhere(face_model: FaceModel) -> None:
    whole, cut = show(face_model, 0.025), show(face_model, 0.025, up=-0.22)
    assert (cut.parts[0] == HAIR).sum() > 50
    found, _ = surface(cut)
    expected, _ = surface(whole)
    assert np.abs(found - expected)[: CROWN - 4].max() < 0.01


def test_long_hair_that_the_border_cuts_falls_to_the_shoulders(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02, CROWN + 22, up=0.22)
    assert (shown.parts[-1] == HAIR).any()
    _, ends = surface(shown)
    assert ends.min() >= CROWN + 18


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


def test_a_mirrored_photo_has_mirrored_hair(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02, yaw=0.4)
    mirrored = replace(
        shown, photo=shown.photo[:, ::-1].copy(), parts=shown.parts[:, ::-1].copy(), camera=camera_at(-0.4)
    )
    here, _ = surface(shown)
    there, _ = surface(mirrored)
    turned = np.roll(there[:, ::-1], 1, axis=1)  # the first column lies behind
    assert np.abs(here - turned).max() < 0.006
    assert np.abs(here - turned).mean() < 0.0006
    assert np.ptp(here[CROWN - 4]) > 0.005  # no ball


def test_the_same_photo_gives_the_same_hair(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02, CROWN + 12)
    first, second = rebuilt(face_model, shown), rebuilt(face_model, shown)
    for name in ("vertices", "faces", "uv", "uv_faces", "color"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_the_grid_leaves_the_head_where_its_skin_is(face_model: FaceModel) -> None:
    """Against the vertices themselves: those of the scalp lie on the surface between the rays."""
    grid = HairGrids(face_model).round_head(face_model.vertices)
    points = grid.points(grid.skin)[: CROWN + 1].reshape(-1, 3)
    scalp = face_model.vertices[face_model.in_regions("scalp") & (face_model.vertices[:, 1] > 0.02)]
    distance = np.linalg.norm(scalp[:, None] - points[None], axis=2).min(axis=1)
    assert distance.max() < 1.2 * PITCH
    assert grid.scalp[:CROWN, [0, COLUMNS // 4, 3 * COLUMNS // 4]].all()
    assert not grid.scalp[CROWN - 4 :, COLUMNS // 2].any()  # the forehead
    assert (grid.hung >= grid.skin - 0.02)[: CROWN + 12].all()
    assert FLAT < 0.005
