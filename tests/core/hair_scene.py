"""Heads whose true hair is known, their photos, and what is rebuilt from them."""

from dataclasses import dataclass

import numpy as np

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.hair_grid import COLUMNS, ROWS, HairGrid, HairGrids
from core.geometry.hair_view import HairView
from core.geometry.hair_volume import REACH
from core.geometry.rasterizer import rasterize
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
    seen, light = np.full((32, 32), SEEN + 1, np.uint8), np.eye(9, dtype=np.float32)[0]
    return FaceTexture(color, seen, COLOR, COLOR, COLOR, light)


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
