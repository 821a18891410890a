"""A scene becomes a labelled picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from core.geometry.alignment import crop_matrix
from core.geometry.camera import pose_from_camera, project
from core.geometry.rasterizer import Raster, visible_points
from core.runtime.specs import CROP_SIZE
from core.types import Camera, FaceParams

from .assets import Assets
from .cards import card_mesh
from .facial_hair import facial_strands
from .garments import garment_meshes
from .hair import hair_cards, hair_meshes, hair_strands, lay_hair
from .head import Head
from .hit_kernels import spread_hits
from .kernels import rasterize
from .labels import HIDING, Label
from .layers import Canvas, Mesh, Posed, ShadowMap, cast_shadow, contact_shadow, lay
from .occluders import add_occluders
from .scene import Scene
from .sensor import develop
from .strands import caster, draw_strands
from .surface import Surface, draw_head

VISIBLE_DEPTH = 0.006  # metres a landmark may lie behind the drawn surface


@dataclass(frozen=True, eq=False)
class Picture:
    """One labelled picture; D dense landmarks. Pixels as in docs/conventions.md."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    clean: np.ndarray  # (S, S, 3) uint8: the same without the occluders, through the same sensor
    linear: np.ndarray  # (S, S, 3) float32: `image` before the sensor, exposed
    clean_linear: np.ndarray  # (S, S, 3) float32
    labels: np.ndarray  # (S, S) uint8 `Label`, as if no occluder were there
    occluder: np.ndarray  # (S, S) uint8 `Occluder`
    landmarks: np.ndarray  # (68 + D, 2) float32 pixels, jaw on the visible contour
    visibility: np.ndarray  # (68 + D,) uint8: 1 seen, 0 hidden by the head, an occluder or outside
    coefficients: np.ndarray  # (239,) float32, pose in the crop of the 68 true landmarks, light in the camera's frame
    camera: Camera
    person: int  # number in the set
    ingredients: Mapping[str, bool]  # see ingredients.py
    surface: Surface  # the drawn head, for the geometry below

    @cached_property
    def depth(self) -> np.ndarray:
        """(S, S) float32 metres from the camera's plane to the bare head, infinity beside it."""
        return self.surface.raster.depth

    @cached_property
    def normals(self) -> np.ndarray:
        """(S, S, 3) float32 unit normals of the bare head, light frame, 0 beside it."""
        return spread_hits(self.surface.raster.triangle_id, self.surface.normals)

    @cached_property
    def uv(self) -> np.ndarray:
        """(S, S, 2) float32 face-model UV of the bare head, 0 beside it."""
        return spread_hits(self.surface.raster.triangle_id, self.surface.uv)

    @property
    def identity(self) -> np.ndarray:
        """(80,) float32."""
        return FaceParams.from_vector(self.coefficients).identity

    @property
    def expression(self) -> np.ndarray:
        """(64,) float32."""
        return FaceParams.from_vector(self.coefficients).expression


def render(scene: Scene, assets: Assets) -> Picture:
    """Draw the bare person, then the occluders, then take both pictures."""
    head = assets.head
    posed = Posed.of(scene.camera, scene.vertices, head)
    extras = hair_meshes(scene.hair, head, posed, scene.neutral, scene.paint.hair_color)
    cards = hair_cards(scene.hair, assets.hair, scene.neutral, scene.paint.hair_color)
    strands = hair_strands(scene.hair, head, posed, scene.neutral, scene.paint.hair_color)
    casters = [*extras, *(card_mesh(bundle) for bundle in cards), *(caster(bundle) for bundle in strands)]
    shadow = cast_shadow(posed, head, scene.light, casters)
    canvas = Canvas(
        scene.background.copy(), np.full(scene.background.shape[:2], np.inf, np.float32), _empty_labels(scene)
    )
    surface, exposure = draw_head(scene, assets, posed, shadow)
    canvas.color /= exposure  # the background is given as exposed
    for garment in garment_meshes(scene.garment, head, posed, scene.vertex_albedo):
        lay(canvas, garment, posed, scene.light, shadow, before=surface.raster.depth)
    _lay_head(canvas, surface)
    if scene.facial_hair.lashes is None:
        _draw_lashes(canvas, scene, head, posed)
    for bundle in facial_strands(scene.facial_hair, head, posed):
        draw_strands(canvas, bundle, posed, scene.light, shadow)
    for mesh in extras:
        _lay_hair(canvas, mesh, posed, shadow, scene)
    lay_hair(canvas, cards, strands, posed, scene.light, shadow)
    solid = canvas.depth.copy()
    canvas.color *= exposure
    occluded, occluder = add_occluders(canvas, scene, assets, posed, shadow, exposure)
    return _finish(scene, assets, posed, surface, solid, (canvas, occluded), occluder, exposure)


def _empty_labels(scene: Scene) -> np.ndarray:
    return np.zeros(scene.background.shape[:2], np.uint8)


def _lay_head(canvas: Canvas, surface: Surface) -> None:
    nearer = surface.raster.depth < canvas.depth
    np.copyto(canvas.color, surface.color, where=nearer[:, :, None])
    np.copyto(canvas.depth, surface.raster.depth, where=nearer)
    np.copyto(canvas.label, surface.label, where=nearer)


def _draw_lashes(canvas: Canvas, scene: Scene, head: Head, posed: Posed) -> None:
    if not len(head.lashes):
        return
    raster = rasterize(posed.points, head.lashes, posed.camera.width, posed.camera.height)
    cover = (raster.depth < canvas.depth + 0.002) * scene.paint.lashes
    cover = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 0.6)
    canvas.color *= 1.0 - np.minimum(cover, 0.85)[:, :, None]


def _lay_hair(canvas: Canvas, mesh: Mesh, posed: Posed, shadow: ShadowMap | None, scene: Scene) -> None:
    solid = np.isfinite(canvas.depth)
    cover = lay(canvas, mesh, posed, scene.light, shadow)
    near = solid & (cover < 0.5)  # hair darkens the skin beside it, a brim the face below it
    reach, strength = (6.0, 0.4) if mesh.kind == Label.HAT else (1.5, 0.45)
    factor = contact_shadow(cover, reach * scene.camera.width / 192.0, strength)
    canvas.color *= np.where(near, factor, 1.0)[:, :, None]


def _finish(
    scene: Scene, assets: Assets, posed: Posed, surface: Surface, solid: np.ndarray, canvases: tuple[Canvas, Canvas],
    occluder: np.ndarray, exposure: float,
) -> Picture:  # fmt: skip
    clean, occluded = canvases
    focus = float(scene.camera.translation[2])
    image = develop(occluded.color, scene.sensor, occluded.depth, focus)
    same = not occluder.any()
    model, camera = assets.head.model, scene.camera
    points = np.concatenate(
        [model.visible_landmarks(scene.vertices, camera.rotation), model.dense_landmarks(scene.vertices)]
    )
    flat = project(camera, points)
    seen = visible_points(Raster(surface.raster.triangle_id, surface.raster.barycentric, solid), flat, VISIBLE_DEPTH)
    seen &= ~_hidden(occluder, flat[:, :2]) & ~_under_hair(clean.label, flat[:, :2])
    pose = pose_from_camera(camera, crop_matrix(flat[:68, :2], CROP_SIZE), CROP_SIZE)
    params = FaceParams(
        scene.identity, scene.expression, scene.albedo, scene.light.label(exposure), pose.astype(np.float32)
    )
    return Picture(
        image=image,
        clean=image if same else develop(clean.color, scene.sensor, clean.depth, focus),
        linear=occluded.color,
        clean_linear=clean.color,
        labels=clean.label,
        occluder=occluder,
        landmarks=flat[:, :2].astype(np.float32),
        visibility=seen.astype(np.uint8),
        coefficients=params.to_vector(),
        camera=camera,
        person=scene.person,
        ingredients=scene.ingredients,
        surface=surface,
    )


def _under_hair(labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: points well inside hair or a hat, however close these lie on the skin."""
    covered = ((labels == Label.HAIR) | (labels == Label.HAT)).astype(np.uint8)
    return _at(cv2.erode(covered, np.ones((3, 3), np.uint8)), points) > 0


def _at(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) values of an (H, W) picture at the pixels nearest to (N, 2) points."""
    height, width = image.shape
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(int)
    return image[row, column]


def _hidden(occluder: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: points under something opaque."""
    return np.isin(_at(occluder, points), HIDING)
