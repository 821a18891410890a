"""Hair as a mesh: its volume from its outline, its length, and the mesh itself."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.geometry.hair_grid import COLUMNS, CROWN, PITCH, ROWS, HairGrids
from core.geometry.rasterizer import vertex_normals
from core.stages.hair import Hair
from core.types import PARTS

from .hair_scene import (
    HAIR,
    SKIN,
    azimuths,
    camera_at,
    rebuilt,
    show,
    surface,
    texture_of,
)


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


def test_hats_are_told_from_hair_all_round(face_model: FaceModel) -> None:
    shown = show(face_model, 0.02, CROWN + 10)
    rows = np.nonzero((shown.parts == HAIR).any(axis=1))[0]
    brim = int(rows[0] + 0.3 * np.ptp(rows))
    capped = shown.parts.copy()
    capped[:brim][capped[:brim] == HAIR] = PARTS.index("hat")
    assert (rebuilt(face_model, shown).hat == 0.0).all()
    hair = rebuilt(face_model, replace(shown, parts=capped))
    y = project(shown.camera, hair.vertices)[:, 1]
    before = hair.vertices[:, 2] > 0.0  # what the photo shows
    assert hair.hat[before & (y < brim - 12)].min() > 0.5 > hair.hat[before & (y > brim + 12)].max()
    high = hair.vertices[:, 1] > hair.vertices[before & (y < brim - 12), 1].min() + 0.03
    assert hair.hat[~before & high].mean() > 0.8  # behind, where no pixel tells, it goes on
    assert hair.hat[~before & (hair.vertices[:, 1] < -0.02)].mean() < 0.1


def test_the_back_falls_in_towards_the_nape_where_hair_ends_near_the_ears(face_model: FaceModel) -> None:
    shown = show(face_model, 0.03, CROWN + 7)
    found, ends = surface(shown)
    behind, last = np.abs(azimuths()) > 150, int(ends.min())
    off = (found - shown.grid.skin)[:, behind].mean(axis=1)
    assert (np.diff(off[last - 10 : last]) < 0.0).all()
    assert off[last - 5] < 0.8 * off[last - 11]
    assert off[last - 1] < 0.01
