"""The picture on a hair's surface: the photo where it shows hair, strands of the same colours elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..parallel import each
from . import lighting
from .delighting import LUMINANCE, smoothstep
from .hair_detail import detail, strand_noise
from .hair_grid import COLUMNS, CROWN, PITCH, ROWS, HairGrid, degrees_aside, round_blur
from .hair_samples import strand_samples
from .hair_view import HairView
from .hair_volume import hanging

_ROUND = 0.62  # metres round a head: what the picture's width stands for
_BELIEVED = (0.36, 0.6)  # cosine between hair and view from which the photo tells where hair is
_SLANT = 0.12  # the same of hair at the temples
_TEMPLE = 6  # rows above the tops of the ears at which they begin
_EDGE = 0.8  # rows over which the edge of hair is softened where the photo does not show it
_COLOURED = (0.2, 0.45)  # the same of its colours
_LOCKS = 256  # round the head: three of them are the thinnest lock that others hang from
_CELLS = 128  # round the head, in which colours are averaged for what is not seen
_SPREADS = (24.0, 8.0, 3.0)  # of those, over which colours are carried on, farthest first
_LIGHT = 0.5  # of slow changes of brightness that is the photo's light
_RAGGED = 0.5  # how far strands reach over the edge
_UNEVEN = 4  # rows of the grid by which no strand is shorter than others
_NEAR_BACK = (58.0, 70.0)  # degrees from straight ahead, behind which long hair hangs all round


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the photo says on the texels of a hair's surface, (h, w) planes."""

    shown: np.ndarray  # in [0, 1]: it tells whether there is hair
    hair: np.ndarray  # in [0, 1]: it shows hair
    colored: np.ndarray  # in [0, 1]: its colours are the hair's
    color: list[np.ndarray]  # three planes, linear


def paint(
    grid: HairGrid, view: HairView, surface: np.ndarray, ends: np.ndarray, lit: float, albedo: np.ndarray, size: int
) -> np.ndarray:
    """(h, size, 4) uint8 sRGB levels and how much hair there is, for a `surface` (ROWS, COLUMNS) along the rays.

    `ends` (COLUMNS,) is the first row below hair that hangs, `CROWN` where it is short. Colours are those of the photo
    over the light on it, `lit`, or the (3,) linear `albedo` if it shows none. Row 0 is the crown, the columns are the
    grid's.
    """
    rows = picture_rows(grid, ends)
    seen = _read(view, grid.points(surface), rows, size)
    strands = strand_noise(picture_height(ROWS, size), size)[: len(seen.hair)]
    usual = np.maximum(grid.scalp, temples(grid, view, surface))
    cover = _cover(usual, seen, ends, rows, strands)
    color = _colors(seen, lit, albedo, strands, strand_samples(view, 2.0 * _ROUND / size))
    levels = each(lighting.srgb_levels, color)
    return cv2.merge([*levels, cover])


def picture_rows(grid: HairGrid, ends: np.ndarray) -> int:
    """How many of the grid's rows bear hair."""
    last = int(np.flatnonzero(grid.scalp.any(axis=1)).max())
    return min(max(last, int(np.ceil(ends.max()))) + 3, ROWS)


def _read(view: HairView, points: np.ndarray, rows: int, size: int) -> _Seen:
    facing, pixels = view.facing(points, _normals(points)), view.pixels(points)
    colored = smoothstep(facing, *_COLOURED) * view.inside(pixels)
    fields = (*np.moveaxis(pixels, -1, 0), smoothstep(facing, *_BELIEVED), colored)
    x, y, shown, colored = each(lambda field: _texels(field, rows, size), fields)
    photo = cv2.remap(view.photo, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    colored *= cv2.remap(view.inner, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    hair = cv2.remap(view.strands, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _Seen(shown, hair, colored, each(lambda plane: cv2.LUT(plane, lighting.LINEAR), cv2.split(photo)))


def temples(grid: HairGrid, view: HairView, surface: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) in [0, 1]: hair from the temples to the scalp or the ears, sideburns too, as the photo shows it.

    From before it is seen at a slant; what is not goes on as the nearest that is.
    """
    points = grid.points(surface)
    pixels = view.pixels(points)
    told = (view.facing(points, grid.directions) > _SLANT) & view.inside(pixels)
    hair = view.hair_at(pixels)
    out = np.zeros(surface.shape, np.float32)
    rows = slice(CROWN - _TEMPLE, grid.lobes)
    for columns in (slice(COLUMNS // 2, None, -1), slice(COLUMNS // 2, None)):  # from the front to the back
        known, scalp, ears = (field[rows, columns] for field in (told, grid.scalp, grid.ears > 0.0))
        last = np.maximum.accumulate(np.where(known, np.arange(known.shape[1]), 0), axis=1)
        reached = np.logical_or.accumulate((scalp & ~known) | ears, axis=1)
        out[rows, columns] = np.take_along_axis(hair[rows, columns], last, axis=1) * ~reached
    return out


def _cover(usual: np.ndarray, seen: _Seen, ends: np.ndarray, rows: int, strands: np.ndarray) -> np.ndarray:
    """(h, w) uint8: how much hair there is; what the photo does not show is as on the other side, or as `usual`."""
    shown, turned = seen.shown, seen.shown[:, ::-1] * (1.0 - seen.shown)
    usual = _texels(round_blur(usual, _EDGE), rows, strands.shape[1])
    if (ends > CROWN).any():
        usual = np.maximum(usual, _curtain(ends, strands, rows))
    cover = shown * seen.hair + turned * seen.hair[:, ::-1] + (1.0 - shown - turned) * usual
    cover *= _hanging(cover)
    ragged = cover * (1.0 + _RAGGED * (1.0 - cover) * strands)
    return np.asarray(255.0 * smoothstep(ragged, 0.3, 0.7)).astype(np.uint8)


def _curtain(ends: np.ndarray, strands: np.ndarray, rows: int) -> np.ndarray:
    """(h, w) in [0, 1]: hair hangs at the sides and at the back, down to its (COLUMNS,) `ends`, not all the same."""
    height, width = strands.shape
    column = (np.arange(width, dtype=np.float32) + 0.5) / width * COLUMNS
    end = np.interp(column, np.arange(COLUMNS + 1), np.append(ends, ends[0])).astype(np.float32)
    aside = degrees_aside(column)
    out = np.repeat((smoothstep(aside, *_NEAR_BACK) * hanging(end))[None], height, axis=0)
    last = int((ends[ends > CROWN].min() - _UNEVEN) / (rows - 1) * height)  # all above hangs
    row = ((np.arange(last, height) + 0.5) / height * (rows - 1)).astype(np.float32)[:, None]
    out[last:] *= smoothstep(row + 0.5 * strands[last:] - end, 0.5, -1.0)
    return out


def _hanging(cover: np.ndarray) -> np.ndarray:
    """(h, w) float32 0 or 1 for a (h, w) `cover` that closes round the head: what hangs together with the crown.

    Nothing that is thinner than a lock holds anything.
    """
    height, width = cover.shape
    step = max(width // _LOCKS, 1)
    small = (cover[::step, ::step] > 0.5).view(np.uint8)
    solid = cv2.morphologyEx(np.tile(small, 3), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    labels = np.asarray(cv2.connectedComponents(solid)[1], np.int32)[:, small.shape[1] : 2 * small.shape[1]]
    joined = np.zeros(labels.max() + 1, np.uint8)
    joined[labels[: len(labels) // 8]] = 1
    joined[0] = 0
    reached = np.asarray(cv2.dilate(joined[labels], np.ones((3, 3), np.uint8)))
    loose = np.asarray(cv2.dilate(small * (1 - reached), np.ones((5, 5), np.uint8)))
    hung = np.maximum(reached, 1 - loose).astype(np.float32)
    return cv2.resize(hung, (width, height), interpolation=cv2.INTER_LINEAR)


def _colors(
    seen: _Seen, lit: float, albedo: np.ndarray, strands: np.ndarray, samples: np.ndarray | None
) -> list[np.ndarray]:
    """Three linear planes (h, w); what the photo does not show is as on the other side, or as what lies round it.

    `strands` is (h, w), as in `strand_noise`, `samples` as `detail` wants them.
    """
    turned = seen.colored[:, ::-1] * (1.0 - seen.colored)
    known = seen.colored + turned
    own = each(lambda plane: seen.colored * plane + turned * plane[:, ::-1], seen.color)
    height, width = known.shape
    small = (_CELLS, max(height * _CELLS // width, 1))
    coarse = cv2.merge(each(lambda plane: cv2.resize(plane, small, interpolation=cv2.INTER_AREA), [*own, known]))
    coarse[..., :3] = np.sqrt(coarse[..., :3] * coarse[..., 3:])  # highlights count less so
    weight = float(coarse[..., 3].sum())
    mean = coarse[..., :3].sum(axis=(0, 1)) / weight if weight > 1.0 else np.sqrt(albedo * np.float32(lit))
    wide, fine = _carried_on(coarse, mean)
    even = (max(float(mean @ LUMINANCE), 1e-3) / np.maximum(wide @ LUMINANCE, 1e-3)) ** (2.0 * _LIGHT)
    gain = cv2.resize(even / np.float32(lit), (width, height), interpolation=cv2.INTER_LINEAR)
    smooth = each(lambda plane: cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), cv2.split(fine**2))
    unknown = (1.0 - known) * detail(own, smooth, known, strands, samples)

    def filled(mine: np.ndarray, fill: np.ndarray) -> np.ndarray:
        return np.clip(gain * (mine + unknown * fill), 0.0, 1.0)

    return each(filled, own, smooth)


def _carried_on(coarse: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours for (h, w, 4) weighted ones and their weights, near by as they are, far off the (3,) mean.

    (h, w, 3) each: over the farthest spread alone, and over all of them.
    """
    levels = [np.broadcast_to(mean.astype(np.float32), (*coarse.shape[:2], 3))]
    for spread in _SPREADS:
        blurred = round_blur(coarse, spread)
        weight = blurred[..., 3:]
        here = blurred[..., :3] / np.maximum(weight, 1e-6)
        levels.append(levels[-1] + smoothstep(weight, 0.02, 0.2) * (here - levels[-1]))
    return levels[1].astype(np.float32), levels[-1].astype(np.float32)


def picture_height(rows: int, size: int) -> int:
    """Texels from the crown to the last of the grid's first `rows`."""
    return round(size * (rows - 1) * PITCH / _ROUND)


def _texels(field: np.ndarray, rows: int, size: int) -> np.ndarray:
    """(h, size) float32: a (ROWS, COLUMNS) field on the picture's texels."""
    wide = np.concatenate([field[:, -1:], field, field[:, :2]], axis=1).astype(np.float32)
    x, y = _texel_places(rows, size)
    return cv2.remap(wide, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=1)
def _texel_places(rows: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    height = picture_height(rows, size)
    column = (np.arange(size, dtype=np.float32) + 0.5) / size * COLUMNS + 1.0
    row = (np.arange(height, dtype=np.float32) + 0.5) / height * (rows - 1)
    x, y = np.meshgrid(column, row)
    return x, y


def _normals(points: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS, 3) unit normals of a surface that closes round the head; they look outwards."""
    across = np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)
    down = np.gradient(points, axis=0)
    normal = np.cross(down, across)
    normal[0] = normal[1].mean(axis=0)
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
