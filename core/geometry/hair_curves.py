"""Hair as single strands on a mesh of it: they lie as its picture shows, in locks, and wear its colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..types import HairMesh
from .delighting import LUMINANCE, smoothstep
from .hair_grid import nearest_round, round_blur
from .lighting import LINEAR
from .rasterizer import rasterize

USUAL_COUNT = 30_000  # strands on a head
POINTS = 12  # of a strand
_WIDTH = 384  # texels round the head of the maps that strands are laid on
_COVERED = 0.5  # of a texel, from which strands grow on it
_HAT = 0.5  # share of a hat from which none do
_FINE, _EVEN = 1.0, 6.0  # texels of the picture over which it is read, and of the maps over which neighbours agree
_DARK = np.float32(2e-3)  # linear level that is added before brightnesses are compared
_SURE = (0.2, 0.6)  # how much more the picture changes across than along: what tells nothing, and all
_DOWN = 0.15  # share of the way down from the crown beside what the picture shows
_LENGTH, _LENGTHS = 1.6, (0.006, 0.03)  # length of strands over the hair's height off the skin; metres
_LENGTH_SPREAD = 0.3  # deviation of its logarithm
_ROOT, _TIP = (-0.001, 0.0003), (0.0003, 0.0035)  # metres above the surface, of roots and of tips
_PER_LOCK, _CLUMP = 14, (0.2, 0.85)  # strands, and how far their tips are drawn to the lock's middle
_CURL, _WAVE = 0.0016, 0.014  # metres by which locks sway where the picture shows no way, and within which
_OVER = (0.1, 0.8)  # of its length, what a strand makes past the edge
_STRAY, _STRAYS = 0.06, 0.007  # share of strands that leave their locks, and metres by which their tips do
_UNEVEN, _LOCKS = 0.3, 0.22  # deviation of the logarithm of brightness from strand to strand, and from lock to lock
_DEEP = 0.5  # brightness of the lowest over that of the highest: strands shade each other
_THIN = 0.35  # a tip's radius over the root's


@dataclass(frozen=True, eq=False)
class Strands:
    """S strands of `POINTS` points from root to tip, in the frame and the unit of their mesh."""

    points: np.ndarray  # (S, POINTS, 3) float32
    radius: np.ndarray  # (S, POINTS) float32
    color: np.ndarray  # (S, POINTS, 3) float32 linear
    normal: np.ndarray  # (S, 3) float32 unit: the surface's, by which light falls on it


def grown_strands(hair: HairMesh, height: np.ndarray, count: int, radius: float, seed: int = 0) -> Strands:
    """`count` strands of a `radius` at the root, metres, as long as hair that stands (H,) `height` metres off the skin.

    None grow on hats. The same `seed` gives the same strands. Raises `ValueError` when the mesh shows no hair.
    """
    surface = _Surface(hair, height)
    rng = np.random.default_rng(seed)
    weight = (surface.area * surface.there).ravel()
    if not weight.sum() > 0.0:
        raise ValueError("Nothing of the mesh shows hair.")
    roots = rng.choice(weight.size, count, p=weight / weight.sum())
    at = np.stack([roots % _WIDTH, roots // _WIDTH], axis=-1) + rng.uniform(-0.5, 0.5, (count, 2))
    length = np.clip(_LENGTH * surface.read("height", at)[:, 0], *_LENGTHS)
    length = length * np.exp(rng.normal(0.0, _LENGTH_SPREAD, count))
    along = np.linspace(0.0, 1.0, POINTS)
    paths, beyond = _paths(surface, at, length, rng.uniform(*_OVER, count))
    lock = _locks(at, rng)
    paths = _in_locks(surface, paths, lock, length, rng)
    lift = rng.uniform(*_ROOT, count)[:, None] + along**2 * rng.uniform(*_TIP, count)[:, None]
    points = surface.read("place", paths) + lift[..., None] * surface.read("normal", paths)
    points += beyond[..., None] * surface.read("way", paths)
    points += _astray(surface, at, rng)[:, None] * (along**2)[:, None]
    color = surface.colors(paths) * _shades(lift, lock, rng)[..., None]
    thickness = np.broadcast_to(radius * np.linspace(1.0, _THIN, POINTS), points.shape[:2])
    return Strands(
        points.astype(np.float32),
        thickness.astype(np.float32),
        np.clip(color, 0.0, 1.0).astype(np.float32),
        _unit(surface.read("normal", paths).mean(axis=1)).astype(np.float32),
    )


class _Surface:
    """A hair mesh on texels, fields (h, w, C); what lies beyond its edge is carried on. It closes to the right."""

    def __init__(self, hair: HairMesh, height: np.ndarray) -> None:
        self._picture = hair.color
        rows, columns = hair.color.shape[:2]
        size = (_WIDTH, max(round(_WIDTH * rows / columns), 2))
        triangles, corners = (_triangles(faces) for faces in (hair.faces, hair.uv_faces))
        pixels = hair.uv * [size[0], -size[1]] + [-0.5, size[1] - 0.5]
        raster = rasterize(pixels, corners, *size)
        values = np.column_stack([hair.vertices, height, hair.hat])
        hit = (values[triangles[raster.triangle_id]] * raster.barycentric[..., None]).sum(axis=2)
        filled = hit[nearest_round(raster.mask)]  # beyond the edge as on it
        place = filled[..., :3]
        right, down = (np.roll(place, -1, axis=1) - np.roll(place, 1, axis=1)) / 2, np.gradient(place, axis=0)
        way, sure = _way(hair.color, size, right, down)
        normal = _unit(np.cross(down, right))
        cover = cv2.resize(hair.color[..., 3], size, interpolation=cv2.INTER_AREA)
        self.there = raster.mask & (cover > 255 * _COVERED) & (filled[..., 4] < _HAT)
        self.area = np.linalg.norm(np.cross(right, down), axis=-1)
        fields = {
            "place": place,
            "height": filled[..., 3:4],
            "normal": normal,
            "way": way,
            "step": _texels_along(way, right, down),
            "sway": _texels_along(np.cross(way, normal), right, down),
            "there": self.there[..., None],
            "sure": sure,
        }
        self._fields = {name: np.ascontiguousarray(field, np.float32) for name, field in fields.items()}

    def read(self, name: str, at: np.ndarray) -> np.ndarray:
        """(..., C) of a field at (..., 2) texels x, y."""
        return _sampled(self._fields[name], at)

    def colors(self, at: np.ndarray) -> np.ndarray:
        """(..., 3) linear colours of the picture at (..., 2) texels of the fields."""
        finer = (at + 0.5) * (self._picture.shape[1] / _WIDTH) - 0.5
        return _sampled(LINEAR[self._picture[..., :3]], finer)


def _paths(surface: _Surface, at: np.ndarray, length: np.ndarray, over: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, POINTS, 2) texels of strands from (S, 2) roots on; and metres that they go past the edge, (S, POINTS).

    Of their `length` (S,) in metres they make there the share `over`, (S,).
    """
    step = (length / (POINTS - 1))[:, None]
    past, paths, beyond = np.zeros(len(at)), [at], [np.zeros(len(at))]
    for _ in range(POINTS - 1):
        ahead = at + step * surface.read("step", at)
        on = (surface.read("there", ahead)[:, 0] > 0.5) & (past == 0.0)
        at = np.where(on[:, None], ahead, at)
        past = np.where(on, 0.0, past + over * step[:, 0])
        paths.append(at)
        beyond.append(past)
    return np.stack(paths, axis=1), np.stack(beyond, axis=1)


def _locks(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S,) which strand is in the middle of the lock of each of those with (S, 2) roots."""
    middles = rng.choice(len(at), max(len(at) // _PER_LOCK, 1), replace=False)
    return middles[cKDTree(at[middles]).query(at)[1]]


def _shades(lift: np.ndarray, lock: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, K) factors on brightness: of strands, of their locks, and of how (S, K) high they lie; 1 of those on top."""
    shade = np.exp(rng.normal(0.0, _UNEVEN, len(lock)) + rng.normal(0.0, _LOCKS, len(lock))[lock])
    raised = smoothstep(lift, _ROOT[0], _TIP[1] / 2)
    shades = shade[:, None] * (_DEEP + (1.0 - _DEEP) * raised)
    return shades * (raised.sum() / (shades * raised).sum())


def _in_locks(
    surface: _Surface, paths: np.ndarray, mine: np.ndarray, length: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(S, K, 2) paths drawn to those in the middle of their locks, the more the nearer to their tips; locks sway."""
    count = len(paths)
    along = np.linspace(0.0, 1.0, POINTS)
    share = rng.uniform(*_CLUMP, count)[:, None, None] * (along**1.5)[:, None]
    drawn = paths + share * (paths[mine] - paths)
    phase = rng.uniform(0.0, 2.0 * np.pi, count)[mine, None] + 2.0 * np.pi * length[mine, None] * along / _WAVE
    sways = _CURL * (1.0 - surface.read("sure", paths)[..., 0]) * np.sin(phase) * along
    return drawn + sways[..., None] * surface.read("sway", paths)


def _astray(surface: _Surface, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, 3) metres by which the tips of some strands at (S, 2) texels leave their locks."""
    count = len(at)
    away = surface.read("normal", at) * rng.uniform(0.0, 1.0, (count, 1)) + rng.normal(0.0, 0.5, (count, 3))
    far = (rng.random(count) < _STRAY) * rng.uniform(0.2, 1.0, count) * _STRAYS
    return far[:, None] * _unit(away)


def _way(
    picture: np.ndarray, size: tuple[int, int], right: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(h, w, 3) unit vectors along the strands of a picture, down from the crown where it shows none; how sure it is.

    The way in which the picture changes least, by its structure tensor (Foerstner and Guelch, 1987), on the surface.
    """
    bright = cv2.log(LINEAR[picture[..., :3]] @ LUMINANCE.astype(np.float32) + _DARK)
    bright = round_blur(bright, _FINE)
    gx = np.asarray(np.roll(bright, -1, axis=1) - np.roll(bright, 1, axis=1), np.float32)
    gy = 2.0 * np.asarray(np.gradient(bright, axis=0), np.float32)
    products = cv2.resize(np.stack([gx * gx, gy * gy, gx * gy], axis=-1), size, interpolation=cv2.INTER_AREA)
    wide, high = (np.maximum(np.linalg.norm(edge, axis=-1), 1e-9) for edge in (right, down))
    finer = picture.shape[1] / size[0], picture.shape[0] / size[1]  # texels of the picture, of the fields' width
    metres = np.stack([wide / finer[0], high / finer[1]], axis=-1)
    scale = np.concatenate([metres**2, metres[..., :1] * metres[..., 1:]], axis=-1)
    xx, yy, xy = np.moveaxis(round_blur(products / scale, _EVEN), -1, 0)
    sure = smoothstep(np.hypot(xx - yy, 2.0 * xy) / np.maximum(xx + yy, 1e-12), *_SURE)[..., None]
    across = 0.5 * np.arctan2(2.0 * xy, xx - yy)[..., None]  # from -90 to 90 degrees; strands lie across it
    upright = _unit(down - right * ((right * down).sum(axis=-1) / wide**2)[..., None])
    shown = np.cos(across) * upright - np.sin(across) * _unit(right)
    return _unit(round_blur(sure * shown + (1.0 - sure + _DOWN) * upright, _EVEN)), sure


def _texels_along(vectors: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(h, w, 2) texels x, y per metre along (h, w, 3) unit vectors: x right + y down is nearest to them."""
    aa, ab, bb, p, q = (
        (a * b).sum(axis=-1)
        for a, b in ((right, right), (right, down), (down, down), (right, vectors), (down, vectors))
    )
    return np.stack([bb * p - ab * q, aa * q - ab * p], axis=-1) / np.maximum(aa * bb - ab * ab, 1e-16)[..., None]


def _triangles(faces: np.ndarray) -> np.ndarray:
    """(2 G, 3) of (G, 4) quads."""
    return np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])


def _sampled(field: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(..., C) of a (h, w, C) field that closes to the right, between (..., 2) texels x, y."""
    height, width = field.shape[:2]
    x, y = at[..., 0], np.clip(at[..., 1], 0.0, height - 1.0)
    left, top = np.floor(x).astype(int), np.minimum(np.floor(y).astype(int), height - 2)
    fx, fy = ((value - whole)[..., None].astype(np.float32) for value, whole in ((x, left), (y, top)))
    here, beside = width * top + left % width, width * top + (left + 1) % width
    texels = field.reshape(-1, field.shape[2])
    above, below = (
        texels.take(here + down, axis=0) * (1 - fx) + texels.take(beside + down, axis=0) * fx for down in (0, width)
    )
    return above * (1 - fy) + below * fy


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
