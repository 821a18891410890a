"""The posed head as a photo shows it: where each vertex lands, how it is turned, what hides it and what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ..types import PARTS, Camera
from . import lighting
from .camera import project
from .delighting import smoothstep
from .face_model import FaceModel
from .rasterizer import rasterize, vertex_normals
from .uv_sampling import sample

_DEPTH_SIZE = 320  # pixels across the head in the depth buffer
_DEPTH_TOLERANCE = 0.003  # metres
_JUMP = 0.015  # metres of depth between neighbouring pixels
_JUMP_MARGIN = (0.001, 0.0045)  # metres from a jump of depth: unbelieved, fully believed
_TRANSPARENT = ("cornea", "lashes")  # parts, by the start of their names, that hide nothing
FACE = ("skin", "nose", "brow_left", "brow_right", "eye_left", "eye_right", "upper_lip", "lower_lip", "mouth")
_HAIR, _BROWS, _INTERIOR = ("hair",), ("brow_left", "brow_right"), PARTS.index("mouth")
FOREIGN = ("hair", "hat", "cloth", "necklace", "earring")  # parts that lie on skin and are none
_FOREIGN_MARGIN = 0.0012  # metres by which they are grown: strands are thinner than the maps are fine
_MOST_COLORS = 5000
_LEVELS = np.zeros((1, 256, 4), np.uint8)  # of each part: foreign, hair, face, brows
for _channel, _names in enumerate((FOREIGN, _HAIR, FACE, _BROWS)):
    _LEVELS[0, [PARTS.index(name) for name in _names], _channel] = 255


@dataclass(frozen=True, eq=False)
class HeadView:
    """The part of a photo round the head, reduced to about the texture's own resolution."""

    photo: np.ndarray  # (h, w, 3) uint8 RGB
    points: np.ndarray  # (V, 3) float32: x, y in pixels of that part, depth in metres
    normals: np.ndarray  # (V, 3) float32, light frame
    facing: np.ndarray  # (V,) float32 cosine between normal and view
    visible: np.ndarray  # (V,) bool: within the photo and not hidden by the head itself
    metre: float  # pixels of `photo` per metre at the head
    depth: np.ndarray  # (d, e) float32 depth buffer, the farthest of each neighbourhood, metres
    edge: np.ndarray  # (d, e) float32 in [0, 1]: 0 at jumps of depth, where a misfit shows another surface
    depth_scale: float  # pixels of `depth` per pixel of `photo`
    parts: np.ndarray | None = None  # (h, w, 4) uint8 levels of things on skin, hair, the face, its brows, if known

    def part_shares(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) float32: how much the photo shows things on the skin, hair, the face at (N, 2) of its pixels.

        All 0 where the parts are not known.
        """
        if self.parts is None:
            return np.zeros((len(points), 3), np.float32)
        return sample(self.parts, points, border=cv2.BORDER_CONSTANT)[:, :3].astype(np.float32) / np.float32(255.0)

    @property
    def hair_pixels(self) -> np.ndarray:
        """(h, w) bool: pixels of the photo that show hair; none where the parts are not known."""
        return np.zeros(self.photo.shape[:2], bool) if self.parts is None else self.parts[..., 1] > 127

    @property
    def face_pixels(self) -> np.ndarray:
        """(h, w) bool: pixels of the photo that show the bare face; none where the parts are not known."""
        return np.zeros(self.photo.shape[:2], bool) if self.parts is None else self.parts[..., 2] > 127

    def colors(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) linear colours of the photo at (N, 2) of its pixels."""
        return lighting.LINEAR[sample(self.photo, points, cv2.INTER_CUBIC)]

    def colors_where(self, chosen: np.ndarray) -> np.ndarray:
        """(N, 3) linear colours of the photo's (h, w) chosen pixels, of a few thousand of them at most."""
        rows = np.flatnonzero(chosen)
        return lighting.LINEAR[self.photo.reshape(-1, 3)[rows[:: len(rows) // _MOST_COLORS + 1]]]

    def averages(self, radius: float) -> np.ndarray:
        """(V, 3) linear colours at the vertices, averaged over `radius` metres."""
        blurred = cv2.GaussianBlur(self.photo, (0, 0), max(0.4, radius * self.metre))
        return lighting.LINEAR[sample(blurred, self.points[:, :2])]

    def shown(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool: (N, 3) points, like `points`, that the head does not hide."""
        return points[:, 2] <= sample(self.depth, points[:, :2] * self.depth_scale) + _DEPTH_TOLERANCE

    def color_planes(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Three (h, w) float32 planes: linear colours of the photo at its pixels `x`, `y`, (h, w) float32 each."""
        found = cv2.remap(self.photo, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return list(cv2.split(cv2.LUT(found, lighting.LINEAR)))

    def open_plane(self, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """(h, w) float32 in [0, 1]: how much the photo shows there of points at `depth`, (h, w) float32 each.

        Nothing where the head itself hides them, less where the photo shows things that lie on skin.
        """
        scale = np.float32(self.depth_scale)
        buffer = cv2.remap(self.depth, x * scale, y * scale, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shown = (depth <= buffer + _DEPTH_TOLERANCE).astype(np.float32)
        if self.parts is None:
            return shown
        return shown * (1.0 - _part_plane(self.parts, 0, x, y))

    def brow_plane(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(h, w) float32 in [0, 1]: how much the photo shows brows at its pixels `x`, `y`; 0 where nobody knows."""
        return np.zeros(x.shape, np.float32) if self.parts is None else _part_plane(self.parts, 3, x, y)

    def away_from_edges(self, points: np.ndarray) -> np.ndarray:
        """(N,) float32: 0 at silhouettes and jumps of depth, 1 a few millimetres away; points as in `shown`."""
        return sample(self.edge, points[:, :2] * self.depth_scale)


def view_head(
    model: FaceModel,
    vertices: np.ndarray,
    photo: np.ndarray,
    camera: Camera,
    size: int,
    parts: np.ndarray | None = None,
) -> HeadView:
    """See (V, 3) posed `vertices` in a (H, W, 3) uint8 photo, for a texture of `size` texels a side.

    `parts` is (H, W) uint8, indices of `PARTS`, where they are known.
    """
    rotation = camera.rotation.astype(np.float32)
    normals = vertex_normals(vertices, model.triangles) @ rotation.T
    rays = vertices @ rotation.T + camera.translation.astype(np.float32)
    projected = project(camera, vertices).astype(np.float32)
    cut = PhotoCut.round_points(projected[:, :2], photo.shape, size)
    part, points = cut.of(photo), cut.moved(projected)
    metre = float(cut.scale[0]) * camera.focal / float(camera.translation[2])
    depth, scale = _depth_buffer(model, points)
    jump = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > _JUMP
    away = cv2.distanceTransform((~jump).astype(np.uint8), cv2.DIST_L2, 3)
    farthest = cv2.dilate(depth, np.ones((2, 2), np.uint8))
    height, width = part.shape[:2]
    within = ((points[:, :2] >= 0) & (points[:, :2] <= [width - 1, height - 1])).all(axis=1)
    hidden_by = sample(farthest, points[:, :2] * scale)
    return HeadView(
        photo=part,
        points=points,
        normals=lighting.camera_normals_to_light(normals),
        facing=-(normals * rays).sum(axis=1) / np.linalg.norm(rays, axis=1),
        visible=within & (points[:, 2] <= hidden_by + _DEPTH_TOLERANCE),
        metre=metre,
        depth=farthest,
        edge=smoothstep(away, *(scale * metre * margin for margin in _JUMP_MARGIN)),
        depth_scale=scale,
        parts=None if parts is None else _part_levels(cut.of(parts, cv2.INTER_NEAREST), _FOREIGN_MARGIN * metre),
    )


def _depth_buffer(model: FaceModel, points: np.ndarray) -> tuple[np.ndarray, float]:
    """Depth of all that hides, metres, a far wall elsewhere; and the buffer's scale over the pixels of `points`."""
    solid = [row for row, name in enumerate(model.part_names) if not name.startswith(_TRANSPARENT)]
    triangles = model.triangles[np.isin(model.triangle_part, solid)]
    extent = np.maximum(points[:, :2].max(axis=0), 1.0)
    scale = _DEPTH_SIZE / float(extent.max())
    width, height = np.ceil(extent * scale).astype(int) + 2
    scaled = points * np.array([scale, scale, 1.0], np.float32)
    depth = rasterize(scaled, triangles, int(width), int(height), cull=True).depth
    return np.where(np.isfinite(depth), depth, 1e3).astype(np.float32), scale


class PhotoCut(NamedTuple):
    """A rectangle of the photo, shrunk where it is finer than the texture."""

    low: np.ndarray  # (2,) int x, y of the first pixel
    high: np.ndarray  # (2,) int, behind the last
    size: np.ndarray  # (2,) int width and height of what is left

    @staticmethod
    def round_points(points: np.ndarray, shape: tuple[int, ...], size: int) -> PhotoCut:
        """Round (V, 2) projected points in a photo of `shape`, for a texture of `size` texels."""
        bounds = np.array([shape[1], shape[0]])
        low = np.clip(np.floor(points.min(axis=0)) - 8, 0, bounds - 2).astype(int)
        high = np.clip(np.ceil(points.max(axis=0)) + 8, low + 2, bounds).astype(int)
        factor = min(1.0, 1.2 * size / float(np.ptp(points[:, 0])))
        return PhotoCut(low, high, np.maximum(np.round((high - low) * factor), 2).astype(int))

    @property
    def scale(self) -> np.ndarray:
        """(2,) pixels that are left per pixel of the photo."""
        return self.size / (self.high - self.low)

    def moved(self, points: np.ndarray) -> np.ndarray:
        """(V, 3) points with x and y in pixels of what is left."""
        out = points.copy()
        out[:, :2] = (points[:, :2] - self.low + 0.5) * self.scale - 0.5
        return out

    def of(self, picture: np.ndarray, shrinking: int = cv2.INTER_AREA) -> np.ndarray:
        """(h, w[, C]) uint8 of a picture of the photo's size."""
        part = picture[self.low[1] : self.high[1], self.low[0] : self.high[0]]
        if (self.size < self.high - self.low).any():
            part = cv2.resize(part, (int(self.size[0]), int(self.size[1])), interpolation=shrinking)
        return np.ascontiguousarray(part)


def _part_levels(parts: np.ndarray, margin: float) -> np.ndarray:
    """(H, W, 4) uint8 levels for (H, W) indices of `PARTS`; what lies on skin is grown by `margin` pixels.

    Teeth and the dark behind them are foreign to lips, whose edges the fit may miss, but do not lie on them.
    """
    levels = cv2.LUT(cv2.merge([parts] * 4), _LEVELS)
    if margin > 0.5:
        away = cv2.distanceTransform(cv2.bitwise_not(levels[..., 0]), cv2.DIST_L2, 3)
        levels[away <= margin, 0] = 255
    levels[parts == _INTERIOR, 0] = 255
    return levels


def _part_plane(parts: np.ndarray, channel: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(h, w) float32 in [0, 1] of one channel of `HeadView.parts` at pixels `x`, `y`; 0 beyond it."""
    levels = cv2.extractChannel(parts, channel)
    return cv2.remap(levels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) * np.float32(1.0 / 255.0)
