"""Rays round a head on which hair stands and hangs: of a ball above the ears, of an upright cylinder below them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from .face_model import FaceModel
from .rasterizer import rasterize

COLUMNS = 64  # round the head; the first at the back, the middle one before the face, then the subject's left
CROWN = 18  # rows from the crown to the tops of the ears
ROWS = CROWN + 26
PITCH = 0.009  # metres between the rows below
_STEP = np.pi / 2 / CROWN  # radians between the rows above
_FALL = 0.12  # metres inwards per metre that hair hangs down
_CHIN = 0.115  # metres below the tops of the ears, from where on hair hangs past neck and shoulders
_WIDEST = 1.2  # radians that a triangle spans at most; wider ones lie about the crown
_EARS = ("ear_right", "ear_left")


@dataclass(frozen=True, eq=False)
class HairGrid:
    """The rays of one head at rest, and where they leave it; arrays (ROWS, COLUMNS), metres along the ray."""

    origins: np.ndarray  # (ROWS, COLUMNS, 3), model frame
    directions: np.ndarray  # (ROWS, COLUMNS, 3), unit
    skin: np.ndarray  # to the skin, ears left out
    hung: np.ndarray  # the same where hair hangs from the widest place above
    ears: np.ndarray  # by which ears stand out beyond `hung`
    scalp: np.ndarray  # bool: the scalp lies there
    lobes: int  # first row below the ears

    def points(self, reach: np.ndarray) -> np.ndarray:
        """(ROWS, COLUMNS, 3) points at a `reach` (ROWS, COLUMNS) along the rays."""
        return self.origins + reach[..., None] * self.directions


class HairGrids:
    """Lays grids round heads of one face model."""

    def __init__(self, model: FaceModel) -> None:
        skin = model.triangle_part == model.part("skin")
        self._ears, self._scalp = model.in_regions(*_EARS), model.in_regions("scalp")
        at_ears = self._ears[model.triangles].any(axis=1)
        self._bare, self._eared = model.triangles[skin & ~at_ears], model.triangles[skin & at_ears]
        self._scalped = self._scalp[self._bare].all(axis=1)

    def round_head(self, neutral: np.ndarray) -> HairGrid:
        """The grid of (V, 3) vertices at rest."""
        ears, scalp = neutral[self._ears], neutral[self._scalp]
        top = float(ears[:, 1].max())
        centre = np.array([0.0, top, (scalp[:, 2].min() + scalp[:, 2].max()) / 2])
        origins, directions = _rays(centre)
        places = _places(neutral - centre)
        bare, scalped = _outermost(places, self._bare, self._scalped)
        skin = _filled(bare)
        skin[:2] = skin[2].mean()
        hung, last = skin.copy(), CROWN + round(_CHIN / PITCH)
        for row in range(CROWN, ROWS):
            falling = hung[row - 1] - _FALL * PITCH
            hung[row] = np.maximum(skin[row], falling) if row < last else falling
        hung = np.maximum(round_blur(hung, 1.0), np.where(np.arange(ROWS)[:, None] < last, skin, 0.0))
        eared, _ = _outermost(places, self._eared)
        scalped[:3] = True
        return HairGrid(
            origins=origins,
            directions=directions,
            skin=skin,
            hung=hung,
            ears=np.nan_to_num(np.maximum(eared - hung, 0.0)),
            scalp=scalped,
            lobes=CROWN + int(np.ceil((top - float(ears[:, 1].min())) / PITCH)),
        )


def degrees_aside(column: np.ndarray) -> np.ndarray:
    """Degrees from straight ahead, either way, of columns and of places between them."""
    return np.abs(2.0 * column / COLUMNS - 1.0) * 180.0


def _rays(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins and unit directions, (ROWS, COLUMNS, 3) each, round a (3,) centre at the height of the ears' tops."""
    azimuth = (2.0 * np.arange(COLUMNS) / COLUMNS - 1.0) * np.pi
    rows = np.arange(ROWS)
    slope, below = np.minimum(rows * _STEP, np.pi / 2)[:, None], np.maximum(rows - CROWN, 0) * PITCH
    up = np.broadcast_to(np.cos(slope), (ROWS, COLUMNS))
    directions = np.stack([np.sin(slope) * np.sin(azimuth), up, np.sin(slope) * np.cos(azimuth)], axis=-1)
    origins = np.broadcast_to(centre, directions.shape).copy()
    origins[..., 1] -= below[:, None]
    return origins, directions


def _places(offsets: np.ndarray) -> np.ndarray:
    """(V, 3) azimuth in radians, row of the grid and reach along the ray of (V, 3) offsets from its centre."""
    x, y, z = offsets.T
    across = np.hypot(x, z)
    row = np.where(y >= 0.0, np.arctan2(across, y) / _STEP, CROWN - y / PITCH)
    return np.stack([np.arctan2(x, z), row, np.where(y >= 0.0, np.hypot(across, y), across)], axis=1)


def _outermost(
    places: np.ndarray, triangles: np.ndarray, marked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Where rays leave (T, 3) triangles over vertices at (V, 3) `places`, and whether the last one is `marked`, (T,).

    (ROWS, COLUMNS) metres from the rays' origins, NaN where they miss; (ROWS, COLUMNS) bool.
    """
    turn, row, reach = np.moveaxis(places[triangles], -1, 0)
    turn = turn - 2.0 * np.pi * np.round((turn - turn[:, :1]) / (2.0 * np.pi))
    kept = np.flatnonzero(np.ptp(turn, axis=1) < _WIDEST)
    column = (turn[kept] / np.pi + 1.0) * COLUMNS / 2
    # the nearest triangle of a depth buffer is the one that reaches farthest
    corners = np.stack([column, row[kept], 1.0 - reach[kept]], axis=-1)
    low, high = (column.min(axis=1) <= 0.0), (column.max(axis=1) >= COLUMNS)
    once_round = np.array([COLUMNS, 0.0, 0.0])
    points = np.concatenate([corners, corners[low] + once_round, corners[high] - once_round]).reshape(-1, 3)
    raster = rasterize(points, np.arange(len(points)).reshape(-1, 3), COLUMNS, ROWS)
    hit = raster.mask
    out, told = np.where(hit, 1.0 - raster.depth, np.nan), np.zeros(hit.shape, bool)
    if marked is not None:
        told[hit] = marked[np.concatenate([kept, kept[low], kept[high]])[raster.triangle_id[hit]]]
    return out, told


def _filled(field: np.ndarray) -> np.ndarray:
    """A (ROWS, COLUMNS) field with its NaN replaced by what lies round them, smoothly."""
    known = np.isfinite(field)
    thrice, sure = np.tile(field[nearest_round(known)], 3), np.tile(known, 3)
    out = thrice
    for _ in range(40):
        out = np.where(sure, thrice, cv2.blur(out, (3, 3)))
    return out[:, COLUMNS : 2 * COLUMNS]


def nearest_round(there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, (h, w) each, of the nearest place that is there, on a plane that goes on at its other side."""
    width = there.shape[1]
    nearest = distance_transform_edt(~np.tile(there, 3), return_distances=False, return_indices=True)
    rows, columns = np.asarray(nearest)[:, :, width : 2 * width]
    return rows, columns % width


def round_blur(plane: np.ndarray, deviation: float) -> np.ndarray:
    """A (h, w[, C]) plane, which goes on at its other side, blurred by a deviation in cells; float32."""
    margin = min(int(3.0 * deviation) + 1, plane.shape[1])
    wide = np.concatenate([plane[:, -margin:], plane, plane[:, :margin]], axis=1).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), deviation)[:, margin : margin + plane.shape[1]]
