"""Where things happen on skin, in the face model's UV layout: make-up, redness, oil, and the wrinkles of each muscle.

The maps are drawn once round the landmarks; a person and an expression only weigh them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np

from core.geometry.face_model import FaceModel

from .chart import smooth_curve
from .kernels import interpolate_hits, rasterize
from .prepared import prepared

SIDE, TALL = 1024, 864  # texels of the UV square's width, and those from its top that the skin fills
LEVELS = 4
TEXEL = 0.00038  # metres of a texel on the face


class Mask(IntEnum):
    """Channels in [0, 255]."""

    LIPS = 0
    LIDS = 1  # eye shadow
    LINER = 2  # lash lines
    CHEEKS = 3  # blush
    FLUSH = 4  # where blood shows: cheeks, nose, ears, chin
    OIL = 5  # forehead, nose, chin
    UNDER_EYES = 6
    BEARD = 7
    FRECKLES = 8
    CAP = 9  # what a hat keeps from the sun


class Fold(IntEnum):
    """Channels in [0, 255]: 128 is flat, 127 up or down is the weight's height."""

    FOREHEAD = 0
    FROWN = 1
    CROW = 2
    NASOLABIAL = 3
    BAGS = 4
    MARIONETTE = 5
    BUNNY = 6
    LIPS = 7
    NECK = 8
    CHIN = 9
    LIDS = 10


@dataclass(frozen=True, eq=False)
class SkinAtlas:
    """The maps of one face model at LEVELS resolutions, each half the one before."""

    masks: tuple[np.ndarray, ...]  # (TALL, SIDE, len(Mask)) uint8 and coarser
    folds: tuple[np.ndarray, ...]  # (TALL, SIDE, len(Fold)) uint8 and coarser

    def level(self, texel: float) -> int:
        """The level whose texels are nearest to `texel` finest ones."""
        return int(np.clip(np.rint(np.log2(max(texel, 1e-3))), 0, LEVELS - 1))

    @staticmethod
    def of(model: FaceModel) -> SkinAtlas:
        """Draw the maps, once; takes about a second."""
        arrays = prepared("skin_atlas", model, lambda: _drawn(model))
        masks, folds = (tuple(arrays[f"{kind}_{level}"] for level in range(LEVELS)) for kind in ("masks", "folds"))
        return SkinAtlas(masks, folds)


def _drawn(model: FaceModel) -> dict[str, np.ndarray]:
    """The maps of every level, by name."""
    sheet = _Sheet(model)
    masks = [np.clip(field * 255.0, 0, 255).astype(np.uint8) for field in _masks(sheet)]
    folds = [np.clip(128.0 + field * 127.0, 0, 255).astype(np.uint8) for field in _folds(sheet)]
    kinds = {"masks": _levels(masks), "folds": _levels(folds)}
    return {f"{kind}_{level}": levels[level] for kind, levels in kinds.items() for level in range(LEVELS)}


def _levels(fields: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    sizes = [(SIDE >> level, TALL >> level) for level in range(LEVELS)]
    whole = [[cv2.resize(field, size, interpolation=cv2.INTER_AREA) for field in fields] for size in sizes]
    return tuple(np.ascontiguousarray(np.stack(level, axis=2)) for level in whole)


def vertex_uv(model: FaceModel) -> np.ndarray:
    """(V, 2) float32: one UV of each vertex; of several, that on the skin's main island, which lies highest."""
    uv = np.zeros((len(model.vertices), 2), np.float32)
    upwards = np.argsort(model.uv[model.uv_faces][..., 1].min(axis=1), kind="stable")
    uv[model.faces[upwards]] = model.uv[model.uv_faces[upwards]]
    return uv


class _Sheet:
    """A drawing sheet over the UV layout, with the landmarks on it."""

    def __init__(self, model: FaceModel) -> None:
        uv = np.einsum("nk,nkd->nd", model.landmark_weights, vertex_uv(model)[model.landmark_triangles])
        self.model = model
        self.lm = np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1) * SIDE - 0.5  # (68, 2) texels
        self.middle = float(self.lm[30, 0])

    def regions(self, *names: str, blur: float = 1.5) -> np.ndarray:
        """(TALL, SIDE) float32 cover of named regions."""
        model = self.model
        skin = model.triangle_part == model.part("skin")
        pixels = np.stack([model.uv[:, 0], 1.0 - model.uv[:, 1]], axis=1) * SIDE - 0.5
        corners = model.uv_triangles[skin]
        values = np.zeros((len(model.uv), 1), np.float32)
        values[corners.ravel(), 0] = model.in_regions(*names)[model.triangles[skin].ravel()]
        raster = rasterize(pixels, corners, SIDE, TALL)
        cover = np.zeros((TALL, SIDE), np.float32)
        cover[raster.mask] = interpolate_hits(raster, corners, values)[:, 0]
        return cv2.GaussianBlur(cover, (0, 0), blur)

    def mirrored(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points on the other side of the face."""
        return points * [-1.0, 1.0] + [2.0 * self.middle, 0.0]

    def spots(self, *ellipses: tuple[Sequence[float], float, float], blur: float) -> np.ndarray:
        """(TALL, SIDE) float32 of soft ellipses (centre, half axes), each with its mirror image."""
        cover = np.zeros((TALL, SIDE), np.float32)
        for center, across, down in ellipses:
            for place in (np.array(center), self.mirrored(np.array(center))):
                axes = (round(across), round(down))
                cv2.ellipse(cover, np.rint(place).astype(int).tolist(), axes, 0, 0, 360, 1.0, -1)
        return cv2.GaussianBlur(cover, (0, 0), blur)

    def lines(self, *curves: tuple[Sequence[Sequence[float]], float], width: float) -> np.ndarray:
        """(TALL, SIDE) float32 grooves (negative) with raised shoulders along curves of given depth, both sides."""
        ink = np.zeros((TALL, SIDE), np.float32)
        for points, depth in curves:
            for place in (np.array(points), self.mirrored(np.array(points))):
                _taper(ink, smooth_curve(place, count=28), depth, width)
        narrow = cv2.GaussianBlur(ink, (0, 0), width * 0.55)
        wide = cv2.GaussianBlur(ink, (0, 0), width * 2.2)
        peak = max(float(narrow.max()), 1e-6)
        return (0.9 * wide - narrow) / peak


def _taper(ink: np.ndarray, curve: np.ndarray, depth: float, width: float) -> None:
    """Draw a line that fades out towards both ends."""
    fixed = np.rint(curve * 16).astype(int)
    for row in range(len(curve) - 1):
        strength = depth * np.sin(np.pi * (row + 0.7) / len(curve)) ** 0.6
        tip = float(max(strength, ink[tuple(np.clip(np.rint(curve[row])[::-1].astype(int), 0, [TALL - 1, SIDE - 1]))]))
        cv2.line(ink, fixed[row].tolist(), fixed[row + 1].tolist(), tip, max(1, round(width * 0.6)), cv2.LINE_AA, 4)


def _masks(sheet: _Sheet) -> list[np.ndarray]:
    """Fields in [0, 1] in the order of `Mask`."""
    lm = sheet.lm
    eye, under = lm[36:40].mean(axis=0), lm[[40, 41]].mean(axis=0)
    cheek = lm[31] * 0.5 + lm[2] * 0.5 + [8, -35]
    nose = sheet.regions("nose", "nostril", blur=6)
    ears = sheet.regions("ear_right", "ear_left", blur=4)
    row = np.arange(TALL, dtype=np.float32)[:, None]
    liner = _liner(sheet)
    oil = np.maximum(sheet.spots(((lm[27, 0] - 30, lm[21, 1] - 70), 70, 45), blur=30), 0.9 * nose)
    oil = np.maximum(oil, sheet.spots(((lm[8, 0], lm[8, 1] - 35), 34, 24), blur=16))
    oil = np.maximum(oil, 0.6 * sheet.spots((cheek + [0, -18], 40, 22), blur=20))
    tip = sheet.spots((lm[30], 30, 26), ((lm[31] + [-4, -14]), 16, 18), blur=9)
    flush = np.maximum.reduce(
        [sheet.spots((cheek, 52, 40), blur=22), tip, 0.8 * ears, 0.5 * sheet.spots((lm[8] + [0, -30], 34, 22), blur=14)]
    )
    grown = ("jaw", "chin", "upper_lip", "lower_lip", "cheek_right", "cheek_left", "neck")
    edge = np.interp(np.arange(SIDE), *_beard_edge(lm)).astype(np.float32)
    beard = sheet.regions(*grown, blur=3) * np.clip((row - edge[None, :]) / 22 + 0.5, 0, 1)
    beard *= np.clip((lm[8, 1] + 60 - row) / 40, 0, 1)
    lips = sheet.regions("upper_lip", "lower_lip", blur=1.2)
    return [
        lips,
        sheet.spots((eye + [0, -18], 40, 20), blur=8),
        liner,
        sheet.spots((cheek + [-14, -6], 46, 26), blur=16),
        np.minimum(flush, 1.0),
        np.minimum(oil, 1.0),
        sheet.spots((under + [4, 22], 34, 14), blur=8),
        np.clip(beard - 1.3 * lips, 0, 1),
        np.maximum(sheet.spots((cheek + [6, -10], 70, 40), blur=24), 0.8 * nose),
        np.clip((lm[21, 1] - 60 - row) / 24 + 0.5, 0, 1) * np.ones((1, SIDE), np.float32),
    ]


def _beard_edge(lm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of a beard's upper edge from ear to ear."""
    right = np.array([[lm[1, 0] - 30, lm[1, 1] - 60], lm[1] + [30, -40], lm[48] + [-60, -40], lm[48] + [-22, -46]])
    middle = np.array([lm[31] + [4, 12], lm[33] + [0, 10]])
    half = np.concatenate([right, middle])
    both = np.concatenate([half, (half * [-1, 1] + [2 * lm[33, 0], 0])[::-1][1:]])
    return both[:, 0], both[:, 1]


def _liner(sheet: _Sheet) -> np.ndarray:
    cover = np.zeros((TALL, SIDE), np.float32)
    for upper, lower in (([36, 37, 38, 39], [36, 41, 40, 39]), ([45, 44, 43, 42], [45, 46, 47, 42])):
        for rows, strength, width in ((upper, 1.0, 5), (lower, 0.4, 3)):
            curve = np.rint(smooth_curve(sheet.lm[rows], count=24) * 16).astype(np.int32)
            cv2.polylines(cover, [curve], False, strength, width, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(cover, (0, 0), 1.6)


def _folds(sheet: _Sheet) -> list[np.ndarray]:
    """Fields in [-1, 1] in the order of `Fold`."""
    return [
        _forehead(sheet), _frown(sheet), _crow(sheet), _nasolabial(sheet), _bags(sheet), _marionette(sheet),
        _bunny(sheet), _lip_lines(sheet), _neck(sheet), _chin(sheet), _lids(sheet),
    ]  # fmt: skip


def _forehead(sheet: _Sheet) -> np.ndarray:
    lm, curves = sheet.lm, []
    for level, depth in ((30, 0.6), (56, 1.0), (84, 0.9), (112, 0.6)):
        y = lm[19, 1] - level
        inner, outer = [sheet.middle, y + 6], [lm[17, 0] + 10, y + 16]
        curves.append(([inner, [lm[21, 0], y], [lm[19, 0], y - 2 + level * 0.04], outer], depth))
        curves.append(([[sheet.middle - 30, y + 6], [sheet.middle, y + 8], [sheet.middle + 30, y + 6]], depth * 0.7))
    return sheet.lines(*curves, width=5.0)


def _frown(sheet: _Sheet) -> np.ndarray:
    lm, y = sheet.lm, sheet.lm[27, 1]
    near = [[lm[21, 0] + 18, y + 2], [lm[21, 0] + 17, y - 28], [lm[21, 0] + 8, y - 66]]
    across = [[sheet.middle - 16, y + 12], [sheet.middle, y + 15], [sheet.middle + 16, y + 12]]
    return sheet.lines((near, 1.0), (across, 0.5), width=5.0)


def _crow(sheet: _Sheet) -> np.ndarray:
    x, y = sheet.lm[36]
    rays = []
    for rise, reach, depth in ((-30, 44, 0.7), (-11, 52, 1.0), (8, 52, 1.0), (28, 46, 0.8), (46, 34, 0.5)):
        rays.append(([[x - 13, y + rise * 0.3], [x - 10 - reach * 0.5, y + rise * 0.62], [x - reach, y + rise]], depth))
    return sheet.lines(*rays, width=3.6)


def _nasolabial(sheet: _Sheet) -> np.ndarray:
    lm = sheet.lm
    fold = [lm[31] + [-16, -22], lm[31] + [-30, 6], lm[48] + [-26, -14], lm[48] + [-28, 22]]
    cheek = [lm[48] + [-52, -40], lm[48] + [-58, -4], lm[48] + [-50, 34]]
    return sheet.lines(([p.tolist() for p in fold], 1.0), ([p.tolist() for p in cheek], 0.25), width=7.5)


def _bags(sheet: _Sheet) -> np.ndarray:
    lm = sheet.lm
    tear = [lm[39] + [4, 16], lm[40] + [0, 22], lm[41] + [0, 26], lm[36] + [-4, 24]]
    upper = [lm[39] + [0, 9], lm[40] + [0, 11], lm[41] + [0, 12], lm[36] + [2, 11]]
    grooves = sheet.lines(([p.tolist() for p in tear], 1.0), ([p.tolist() for p in upper], 0.45), width=5.0)
    return np.clip(grooves + 0.5 * sheet.spots((lm[[40, 41]].mean(axis=0) + [0, 14], 26, 7), blur=4), -1, 1)


def _marionette(sheet: _Sheet) -> np.ndarray:
    lm = sheet.lm
    down = [lm[48] + [-8, 8], lm[48] + [-14, 32], lm[48] + [-14, 62]]
    chin = [[lm[59, 0] + 6, lm[57, 1] + 20], [sheet.middle, lm[57, 1] + 17], [lm[55, 0] - 6, lm[57, 1] + 20]]
    return sheet.lines(([p.tolist() for p in down], 1.0), (chin, 0.6), width=6.0)


def _bunny(sheet: _Sheet) -> np.ndarray:
    x, y = sheet.lm[28]
    rays = [([[x - 5, y - 4 + k * 13], [x - 20, y - 10 + k * 15], [x - 38, y - 4 + k * 18]], 1.0) for k in range(3)]
    return sheet.lines(*rays, width=3.6)


def _lip_lines(sheet: _Sheet) -> np.ndarray:
    """Fine lines across the vermilion, and those that age draws above it."""
    lm, curves = sheet.lm, []
    for share in np.linspace(0.06, 1.0, 13):
        top = lm[48] * (1 - share) + lm[51] * share
        low = lm[48] * (1 - share) + lm[57] * share
        lean = (1 - share) * 5
        curves.append(([[top[0] - lean, top[1] - 24], [top[0] - lean / 2, top[1] - 12], [top[0], top[1] - 3]], 0.8))
        curves.append(([[top[0], top[1] - 1], [top[0] + 1, top[1] + 8], [top[0] + 2, top[1] + 18]], 0.7))
        curves.append(([[low[0] + 1, low[1] - 20], [low[0], low[1] - 9], [low[0] - 1, low[1] + 1]], 0.7))
    return sheet.lines(*curves, width=2.2)


def _neck(sheet: _Sheet) -> np.ndarray:
    lm, curves = sheet.lm, []
    for drop, depth in ((64, 1.0), (112, 0.8), (160, 0.6)):
        y = lm[8, 1] + drop
        curves.append(([[lm[3, 0], y - 48], [lm[5, 0], y - 16], [sheet.middle, y], [lm[11, 0], y - 16]], depth))
    return sheet.lines(*curves, width=7.0)


def _chin(sheet: _Sheet) -> np.ndarray:
    """The pebbled chin of a raised lower lip."""
    rng = np.random.default_rng(17)
    bumps = cv2.GaussianBlur(rng.standard_normal((TALL, SIDE)).astype(np.float32), (0, 0), 4.5)
    area = sheet.spots((sheet.lm[8] + [0, -30], 34, 24), blur=9)
    return np.clip(bumps / bumps.std() * 0.45, -1, 1) * area


def _lids(sheet: _Sheet) -> np.ndarray:
    lm = sheet.lm
    curves = []
    for rise, depth in ((8, 0.5), (14, 1.0), (21, 0.4)):
        points = [lm[39] + [-4, -rise * 0.7], lm[38] + [0, -rise], lm[37] + [0, -rise], lm[36] + [-2, -rise * 0.7]]
        curves.append(([p.tolist() for p in points], depth))
    return sheet.lines(*curves, width=3.0)
