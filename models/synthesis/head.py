"""What the renderer needs of the face model, computed once: draw list, classes, rest frame, ambient occlusion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import Raster, visible_points

from .chart import AXIS_Z, HEIGHT, WIDTH, Chart, locate
from .hit_kernels import at_places
from .kernels import interpolate_hits, rasterize, vertex_normals
from .labels import Label
from .prepared import prepared
from .skin_atlas import SkinAtlas
from .skin_details import SkinDetails

_REGION_LABELS = {
    "nose": Label.NOSE, "nostril": Label.NOSE, "mouth_bag": Label.MOUTH, "upper_lip": Label.UPPER_LIP,
    "lower_lip": Label.LOWER_LIP,
    "brow_right": Label.BROW_RIGHT, "brow_left": Label.BROW_LEFT,
    "ear_right": Label.EAR_RIGHT, "ear_left": Label.EAR_LEFT, "neck": Label.NECK,
}  # fmt: skip
_PART_LABELS = {
    "eyeball_left": Label.EYE_LEFT, "cornea_left": Label.EYE_LEFT, "eyeball_right": Label.EYE_RIGHT,
    "cornea_right": Label.EYE_RIGHT, "teeth_upper": Label.MOUTH, "teeth_lower": Label.MOUTH, "gums": Label.MOUTH,
    "tongue": Label.MOUTH,
}  # fmt: skip
SKIN, EYE, TEETH, GUMS, INSIDE = range(5)  # materials


@dataclass(frozen=True, eq=False)
class Head:
    """A face model prepared for drawing. V vertices, T drawn triangles (corneas and lashes left out)."""

    model: FaceModel
    chart: Chart
    triangles: np.ndarray  # (T, 3) int32
    material: np.ndarray  # (V,) uint8
    label: np.ndarray  # (V,) uint8 part label before paint
    rest: np.ndarray  # (V, 3) float32 rest position, model frame
    occlusion: np.ndarray  # (V,) float32 in [0, 1]: share of the sky that the rest surface sees
    eye_rest: np.ndarray  # (V, 3) float32 rest position from the own eyeball's centre; 0 off the eyes
    skin_vertices: np.ndarray  # (V,) bool
    lashes: np.ndarray  # (L, 3) int32 triangles of the lashes
    outermost: Raster  # which drawn triangle each chart pixel lies on
    at_rest: np.ndarray  # (V, 7) float32: `rest`, `eye_rest` and `occlusion` side by side
    casters: np.ndarray  # (M, 3) int32 triangles of the outer skin: what throws shadows
    uv_triangles: np.ndarray  # (T, 3) int32 into the model's UV, row by row with `triangles`
    atlas: SkinAtlas
    details: SkinDetails

    @cached_property
    def skin_sample(self) -> np.ndarray:
        """(N,) rows of every eighth vertex of the skin: enough for its middling colour."""
        return np.flatnonzero(self.skin_vertices)[::8]

    @cached_property
    def face_sample(self) -> np.ndarray:
        """(N,) rows of every eighth vertex labelled as bare skin."""
        return np.flatnonzero(self.label == Label.SKIN)[::8]

    def uv_hits(self, raster: Raster) -> np.ndarray:
        """(N, 2) float32 face-model UV at the N hit pixels of a raster of `triangles`."""
        return interpolate_hits(raster, self.uv_triangles, self.model.uv)

    def on_surface(self, vertices: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(N, 3) points of a (V, 3) posed head at (N, 2) chart pixels, on its outermost surface."""
        outermost = self.outermost
        return at_places(
            np.ascontiguousarray(places, np.float32), outermost.triangle_id, outermost.barycentric, self.triangles,
            np.ascontiguousarray(vertices, np.float32),
        )  # fmt: skip

    @staticmethod
    def of(model: FaceModel) -> Head:
        """Prepare a face model; takes half a second, the first time half a minute."""
        hidden = [model.part(name) for name in ("cornea_left", "cornea_right", "lashes_left", "lashes_right")]
        lash = [model.part(name) for name in ("lashes_left", "lashes_right")]
        shown = ~np.isin(model.triangle_part, hidden)
        drawn = model.triangles[shown].astype(np.int32)
        eye_rest = np.zeros_like(model.vertices)
        for name, center in zip(("eyeball_right", "eyeball_left"), model.eye_centers, strict=True):
            rows = model.vertex_part == model.part(name)
            eye_rest[rows] = model.vertices[rows] - center
        rest = model.vertices.astype(np.float32)
        occlusion = prepared("occlusion", model, lambda: {"sky": _ambient_occlusion(model, drawn)})["sky"]
        return Head(
            model=model,
            chart=Chart.of(model),
            triangles=drawn,
            material=_materials(model),
            label=_labels(model),
            rest=rest,
            occlusion=occlusion,
            at_rest=np.column_stack([rest, eye_rest, occlusion]).astype(np.float32),
            eye_rest=eye_rest,
            skin_vertices=model.vertex_part == model.part("skin"),
            lashes=model.triangles[np.isin(model.triangle_part, lash)].astype(np.int32),
            outermost=_outermost(model.vertices, drawn),
            casters=drawn[(_materials(model)[drawn] == SKIN).all(axis=1)],
            uv_triangles=model.uv_triangles[shown].astype(np.int32),
            atlas=SkinAtlas.of(model),
            details=SkinDetails.load(model),
        )


def _materials(model: FaceModel) -> np.ndarray:
    material = np.full(len(model.vertices), SKIN, np.uint8)
    for name, value in (
        ("eyeball_left", EYE), ("eyeball_right", EYE), ("teeth_upper", TEETH), ("teeth_lower", TEETH),
        ("gums", GUMS), ("tongue", GUMS),
    ):  # fmt: skip
        material[model.vertex_part == model.part(name)] = value
    material[model.in_regions("mouth_bag", "socket_right", "socket_left")] = INSIDE
    return material


def _labels(model: FaceModel) -> np.ndarray:
    label = np.full(len(model.vertices), Label.SKIN, np.uint8)
    for name, value in _REGION_LABELS.items():
        label[model.in_regions(name)] = value
    for name, value in _PART_LABELS.items():
        label[model.vertex_part == model.part(name)] = value
    return label


def _outermost(rest: np.ndarray, triangles: np.ndarray) -> Raster:
    """The head unrolled on its chart: the cylinder seen from outside, triangles across the back seam left out."""
    places = locate(rest)
    radius = np.hypot(rest[:, 0], rest[:, 2] - AXIS_Z)
    across = places[triangles, 0]
    whole = across.max(axis=1) - across.min(axis=1) < WIDTH / 2
    kept = np.flatnonzero(whole)
    raster = rasterize(np.column_stack([places, 1.0 - radius]), triangles[kept], WIDTH, HEIGHT)
    ids = np.where(raster.mask, kept[raster.triangle_id], -1).astype(np.int32)
    return Raster(ids, raster.barycentric, raster.depth)


def _ambient_occlusion(model: FaceModel, triangles: np.ndarray, count: int = 40, size: int = 160) -> np.ndarray:
    """(V,) cosine-weighted visibility of the sky from `count` directions round the rest head."""
    vertices = model.vertices.astype(np.float64)
    normals = vertex_normals(model.vertices, model.triangles)
    turn = np.pi * (1 + 5**0.5) * (np.arange(count) + 0.5)
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    level = np.sqrt(1 - height**2)
    directions = np.stack([level * np.cos(turn), height, level * np.sin(turn)], axis=1)
    seen, total = np.zeros(len(vertices)), np.full(len(vertices), 1e-6)
    for direction in directions:
        points = orthographic(vertices, direction, size)
        raster = rasterize(points, triangles, size, size)
        cosine = np.maximum(normals @ direction, 0.0)
        seen += cosine * visible_points(raster, points, tolerance=0.004)
        total += cosine
    return (seen / total).astype(np.float32)


def orthographic(vertices: np.ndarray, direction: np.ndarray, size: int, reach: float = 0.19) -> np.ndarray:
    """(N, 3) float32 pixels and depth of (N, 3) points seen from the unit `direction` in a `size` px square.

    The square spans `reach` metres each way round the head; depth is metres plus a constant that keeps it positive
    and makes the perspective of the rasterizer negligible.
    """
    turn, shift = orthographic_view(direction, size, reach)
    return vertices.astype(np.float32, copy=False) @ turn + shift


def orthographic_view(direction: np.ndarray, size: int, reach: float = 0.19) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,) float32 of `orthographic`: pixels and depth are `point @ turn + shift`."""
    x, y, z = (float(value) for value in direction)
    level = math.hypot(x, z)
    side = (z / level, 0.0, -x / level) if level > 1e-3 else (1.0, 0.0, 0.0)
    up = (y * side[2], z * side[0] - x * side[2], -y * side[0])  # direction x side
    scale = size / (2 * reach)
    turn = np.array([[side[k] * scale, -up[k] * scale, -direction[k]] for k in range(3)])
    shift = np.array([(size - 1) / 2, (size - 1) / 2, 10.0]) - np.array([0.0, -0.05, -0.06]) @ turn
    return turn.astype(np.float32), shift.astype(np.float32)
