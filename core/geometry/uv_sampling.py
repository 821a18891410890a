"""Where each texel of the UV layout lies on the surface; computed once per face model and texture size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.sparse import csr_matrix

from ..parallel import each
from .face_model import FaceModel
from .rasterizer import Raster, rasterize


@dataclass(frozen=True, eq=False)
class TexelMap:
    """The M texels that a set of triangles covers and the surface points behind them."""

    shape: tuple[int, int]  # rows and columns of the picture
    index: np.ndarray  # (M,) int64, flat row-major texel of the picture, ascending
    weights: csr_matrix  # (M, V) float32: texel <- vertices

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """(M, C) float32 of (V, C) or (M,) of (V,) vertex values."""
        return self.weights @ np.ascontiguousarray(values, dtype=np.float32)

    def image(self, values: np.ndarray, outside: float = 0.0) -> np.ndarray:
        """(H, W) or (H, W, C) float32 picture of (M,) or (M, C) texel values."""
        out = np.full((self.shape[0] * self.shape[1], *values.shape[1:]), outside, np.float32)
        out[self.index] = values
        return out.reshape(*self.shape, *values.shape[1:])

    def read(self, picture: np.ndarray) -> np.ndarray:
        """(M,) or (M, C) texel values of a (H, W[, C]) picture; undoes `image`."""
        return picture.reshape(-1, *picture.shape[2:])[self.index]

    def pictured(self, rows: np.ndarray | None = None) -> tuple[PictureMap, tuple[slice, slice]]:
        """The map of all pixels, or of the smallest window that holds the chosen texels (K,), and its rows and columns.

        Pixels that show none of these texels read 0.
        """
        chosen = np.arange(len(self.index)) if rows is None else rows
        y, x = np.divmod(self.index[chosen], self.shape[1])
        window = slice(0, self.shape[0]), slice(0, self.shape[1])
        if rows is not None:
            window = slice(int(y.min()), int(y.max()) + 1), slice(int(x.min()), int(x.max()) + 1)
        height, width = (reach.stop - reach.start for reach in window)
        pixel = (y - window[0].start) * width + (x - window[1].start)
        begins = np.zeros(height * width + 1, np.int32)
        weights = self.weights[chosen]
        begins[pixel + 1] = np.diff(weights.indptr)
        arrays = (weights.data, weights.indices, np.cumsum(begins, dtype=np.int32))
        return PictureMap((height, width), csr_matrix(arrays, (height * width, weights.shape[1]))), window


@dataclass(frozen=True, eq=False)
class PictureMap:
    """All pixels of a picture and the surface points behind them, where there are any."""

    shape: tuple[int, int]  # rows and columns
    weights: csr_matrix  # (H W, V) float32: pixel <- vertices

    def planes(self, values: np.ndarray) -> list[np.ndarray]:
        """C pictures (H, W) float32 of (V, C) vertex values; 0 beside the surface."""
        return each(self.plane, values.T)

    def plane(self, values: np.ndarray) -> np.ndarray:
        """(H, W) float32 picture of (V,) vertex values; 0 beside the surface."""
        return (self.weights @ np.ascontiguousarray(values, dtype=np.float32)).reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Atlas:
    """One face model's UV layout at one size."""

    size: int  # texels a side
    skin: TexelMap
    parts: dict[str, TexelMap]  # every other part by name
    mirror: np.ndarray  # (S, S, 2) float32 texel (x, y) of the mirrored skin point, -10 where there is none
    gutter_target: np.ndarray  # (G,) int64 flat texels outside the layout
    gutter_source: np.ndarray  # (G,) int64 flat texel inside it that is nearest

    def pad(self, picture: np.ndarray) -> None:
        """Copy the nearest colour into every texel outside the layout, in place, so that filtering finds no seam."""
        flat = picture.reshape(self.size * self.size, *picture.shape[2:])
        flat[self.gutter_target] = flat[self.gutter_source]


def texel_positions(uv: np.ndarray, size: int) -> np.ndarray:
    """(..., 2) texel (x, y) of (..., 2) UV coordinates; docs/conventions.md."""
    return np.stack([uv[..., 0] * size - 0.5, (1.0 - uv[..., 1]) * size - 0.5], axis=-1).astype(np.float32)


@lru_cache(maxsize=2)
def build_atlas(model: FaceModel, size: int) -> Atlas:
    """Rasterise the UV layout of `model`; about a second at 1024, then cached."""
    raster = _with_slivers(rasterize(texel_positions(model.uv, size), model.uv_triangles, size, size), model, size)
    part = np.where(raster.mask, model.triangle_part[raster.triangle_id], -1)
    maps = {name: _texel_map(model, raster, part == row, size) for row, name in enumerate(model.part_names)}
    target, source = _gutter(raster.mask)
    return Atlas(
        size=size,
        skin=maps.pop("skin"),
        parts=maps,
        mirror=_mirror_map(model, raster, part == model.part("skin"), size),
        gutter_target=target,
        gutter_source=source,
    )


def _with_slivers(raster: Raster, model: FaceModel, size: int) -> Raster:
    """Also give texels to triangles too thin to cover a texel's centre: lashes took their neighbours' colour."""
    places = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])
    uv = np.einsum("pk,tkd->tpd", places, model.uv[model.uv_triangles])
    base = np.floor(texel_positions(uv, size)).astype(int)
    triangle = np.broadcast_to(np.arange(len(uv))[:, None], base.shape[:2])
    weights = np.broadcast_to(places, (len(uv), *places.shape))
    triangle_id, barycentric = raster.triangle_id.copy(), raster.barycentric.copy()
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = np.clip(base + corner, 0, size - 1).transpose(2, 0, 1)
        free = raster.triangle_id[y, x] < 0
        triangle_id[y[free], x[free]] = triangle[free]
        barycentric[y[free], x[free]] = weights[free]
    return Raster(triangle_id=triangle_id, barycentric=barycentric, depth=raster.depth)


def _texel_map(model: FaceModel, raster: Raster, mask: np.ndarray, size: int) -> TexelMap:
    index = np.flatnonzero(mask)
    corners = model.triangles[raster.triangle_id.ravel()[index]]
    weights = raster.barycentric.reshape(-1, 3)[index]
    rows = np.arange(0, 3 * len(index) + 1, 3)
    matrix = csr_matrix((weights.ravel(), corners.ravel(), rows), shape=(len(index), len(model.vertices)))
    return TexelMap(shape=(size, size), index=index, weights=matrix)


def _gutter(covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nearest = np.asarray(distance_transform_edt(~covered, return_distances=False, return_indices=True))
    target = np.flatnonzero(~covered)
    source = (nearest[0].astype(np.int64) * covered.shape[1] + nearest[1]).ravel()[target]
    return target, source


def _mirror_map(model: FaceModel, raster: Raster, mask: np.ndarray, size: int) -> np.ndarray:
    corner_uv = _mirrored_corner_uv(model)  # (T, 3, 2), NaN without a mirrored face
    triangle = raster.triangle_id[mask]
    uv = np.einsum("nk,nkd->nd", raster.barycentric[mask], corner_uv[triangle])
    out = np.full((size, size, 2), -10.0, np.float32)
    out[mask] = np.nan_to_num(texel_positions(uv, size), nan=-10.0)
    return out


def _mirrored_corner_uv(model: FaceModel) -> np.ndarray:
    """(T, 3, 2) UV of each triangle corner's mirrored vertex in the mirrored face."""
    by_vertices = {tuple(sorted(set(face))): row for row, face in enumerate(model.faces.tolist())}
    mirrored = model.mirror[model.faces]  # (F, 4)
    twin = np.array([by_vertices.get(tuple(sorted(set(face))), -1) for face in mirrored.tolist()])
    match = model.faces[twin][:, None, :] == mirrored[:, :, None]  # (F, corner, corner of the twin)
    place = match.argmax(axis=2)
    uv = model.uv[np.take_along_axis(model.uv_faces[twin], place, axis=1)].astype(np.float32)
    uv[(twin < 0)[:, None] | ~match.any(axis=2)] = np.nan
    halves = uv[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, 2)
    keep = model.faces[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return halves[keep[:, 1] != keep[:, 2]]


def sample(
    picture: np.ndarray,
    points: np.ndarray,
    interpolation: int = cv2.INTER_LINEAR,
    border: int = cv2.BORDER_REPLICATE,
) -> np.ndarray:
    """(N, C) or (N,) samples of a (H, W[, C]) picture at (N, 2) pixel positions; its edge goes on outside."""
    x, y = _folded(points)
    found = cv2.remap(picture, x, y, interpolation, borderMode=border)
    return found.reshape(-1, *picture.shape[2:])[: len(points)]


def _folded(points: np.ndarray, width: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """x and y maps of (N, 2) points folded into rows: a remap's picture may not be wider than 32,767."""
    padded = np.zeros((max(1, -(-len(points) // width)) * width, 2), np.float32)
    padded[: len(points)] = points
    folded = padded.reshape(-1, width, 2)
    return np.ascontiguousarray(folded[..., 0]), np.ascontiguousarray(folded[..., 1])
