"""A scene becomes a labelled picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.alignment import crop_matrix
from core.geometry.camera import pose_from_camera, project
from core.geometry.rasterizer import Raster, visible_points
from core.runtime.specs import CROP_SIZE
from core.types import Camera, FaceParams

from .assets import Assets
from .eyes import eye_albedo
from .garments import garment_meshes
from .facial_hair import facial_strands
from .hair import hair_meshes, hair_strands
from .head import EYE, GUMS, INSIDE, TEETH, Head
from .kernels import interpolate_hits, rasterize
from .labels import HIDING, Label
from .layers import Canvas, Layer, Posed, ShadowMap, cast_shadow, contact_shadow, draw, towards_eye
from .light import LUMINANCE, Light, reflect_environment
from .occluders import add_occluders
from .scene import Scene
from .sensor import develop
from .shading import shade
from .skin import BROW, SCALP, skin_albedo
from .strands import caster, draw_strands, lay_strands

SKIN_WRAP = np.array([0.25, 0.08, 0.04], np.float32)  # light bleeds through skin, red most
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
    extras = hair_meshes(scene.hair, assets.hair, head, posed, scene.neutral, scene.paint.hair_color)
    strands = hair_strands(scene.hair, head, posed, scene.paint.hair_color)
    shadow = cast_shadow(posed, head, scene.light, [*extras, *(caster(bundle) for bundle in strands)])
    canvas = Canvas(
        scene.background.copy(), np.full(scene.background.shape[:2], np.inf, np.float32), _empty_labels(scene)
    )
    surface, exposure = _draw_head(scene, assets, posed, shadow)
    canvas.color /= exposure  # the background is given as exposed
    for garment in garment_meshes(scene.garment, head, posed, scene.vertex_albedo):
        canvas.over(draw(garment, posed, scene.light, shadow))
    _lay_head(canvas, surface)
    if scene.facial_hair.lashes is None:
        _draw_lashes(canvas, scene, head, posed)
    for bundle in facial_strands(scene.facial_hair, head, posed):
        draw_strands(canvas, bundle, posed, scene.light, shadow)
    for mesh in extras:
        _lay_hair(canvas, draw(mesh, posed, scene.light, shadow), scene)
    for bundle in strands:
        lay_strands(canvas, bundle, posed, scene.light, shadow)
    solid = canvas.depth.copy()
    canvas.color *= exposure
    occluded, occluder = add_occluders(canvas, scene, assets, posed, shadow, exposure)
    return _finish(scene, assets, posed, surface, solid, (canvas, occluded), occluder, exposure)


@dataclass(frozen=True, eq=False)
class Surface:
    """The drawn head before compositing."""

    raster: Raster
    color: np.ndarray  # (H, W, 3) float32 linear, unexposed
    label: np.ndarray  # (H, W) uint8


def _empty_labels(scene: Scene) -> np.ndarray:
    return np.zeros(scene.background.shape[:2], np.uint8)


def _draw_head(scene: Scene, assets: Assets, posed: Posed, shadow: ShadowMap | None) -> tuple[Surface, float]:
    """Shade every pixel of the head; also the exposure that brings its skin to the wanted level."""
    head, camera = assets.head, posed.camera
    raster = rasterize(posed.points, head.triangles, camera.width, camera.height, cull=True)
    mask = raster.mask
    rows, columns = np.nonzero(mask)
    packed = np.concatenate(
        [posed.to_light(posed.normals), head.rest, scene.vertex_albedo, posed.vertices, head.eye_rest,
         head.occlusion[:, None]], axis=1,
    )  # fmt: skip
    at = interpolate_hits(raster, head.triangles, packed)
    normals = at[:, :3] / np.maximum(np.linalg.norm(at[:, :3], axis=1, keepdims=True), 1e-6)
    corner = head.triangles[raster.triangle_id[mask], raster.barycentric[mask].argmax(axis=1)]
    material, label = head.material[corner], head.label[corner].copy()
    albedo, gloss, ink = skin_albedo(scene.paint, at[:, 6:9], at[:, 3:6])
    occlusion = 0.25 + 0.75 * at[:, 15]
    sharpness = np.full(len(rows), 2.0 / scene.paint.roughness**4, np.float32).clip(4, 60)
    _inner_materials(scene, head, material, at, albedo, gloss, occlusion, sharpness, posed)
    eye_dir = towards_eye(posed, rows, columns)
    lit = _soft_shadow(shadow, at[:, 9:12], mask, scene) if shadow else np.ones(len(rows), np.float32)
    color = shade(albedo, normals, eye_dir, scene.light, lit, occlusion, gloss, sharpness, SKIN_WRAP)
    _wet_eyes(color, scene.light, normals, eye_dir, material, at[:, 12:15])
    _paint_labels(label, ink, head, at[:, 3:6])
    exposure = _exposure(scene, color, label)
    image, labels = np.zeros((*mask.shape, 3), np.float32), np.zeros(mask.shape, np.uint8)
    image[mask], labels[mask] = color, label
    _lid_shadow(image, labels, camera)
    return Surface(raster, image, labels), exposure


def _soft_shadow(shadow: ShadowMap, points: np.ndarray, mask: np.ndarray, scene: Scene) -> np.ndarray:
    """(N,) share of the key lamp at the N pixels of `mask`, the shadow's edge as soft as the lamp is large."""
    lit, weight = np.zeros(mask.shape, np.float32), mask.astype(np.float32)
    lit[mask] = shadow.lit(points)
    sigma = scene.light.key_softness * scene.camera.width
    return (cv2.GaussianBlur(lit, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3))[mask]


def _inner_materials(
    scene: Scene, head: Head, material: np.ndarray, at: np.ndarray, albedo: np.ndarray, gloss: np.ndarray,
    occlusion: np.ndarray, sharpness: np.ndarray, posed: Posed,
) -> None:  # fmt: skip
    """Overwrite what is not skin: eyes, teeth, gums, the inside of mouth and sockets."""
    eyes = material == EYE
    if eyes.any():
        side = np.where(at[eyes, 3] > 0, *(_slider(scene, head, f"pupilDilate{side}") for side in ("Left", "Right")))
        albedo[eyes] = eye_albedo(scene.eyes, at[eyes, 12:15], side)
        occlusion[eyes], gloss[eyes], sharpness[eyes] = 0.75, 0.0, 60.0
    lips = head.model.landmarks(posed.vertices)[60:68, 2].mean()
    behind = np.clip(1.0 - (lips - at[:, 11]) / 0.035, 0.0, 1.0)  # light falls off into the mouth
    for kind, color in ((TEETH, (0.62, 0.55, 0.44)), (GUMS, (0.42, 0.13, 0.12)), (INSIDE, (0.3, 0.08, 0.07))):
        rows = material == kind
        if kind != INSIDE:
            albedo[rows] = np.array(color, np.float32) * (0.9 + 0.2 * scene.eyes.veins)
            occlusion[rows] = 0.08 + 0.6 * behind[rows] ** 1.5
        else:
            albedo[rows] = np.array(color, np.float32)
            occlusion[rows] *= 0.1 + 0.5 * behind[rows]
        gloss[rows] = 1.5 * behind[rows]


def _slider(scene: Scene, head: Head, name: str) -> float:
    names = head.model.expression_names
    return float(scene.expression[names.index(name)]) if name in names else 0.0


def _wet_eyes(
    color: np.ndarray, light: Light, normals: np.ndarray, eye_dir: np.ndarray, material: np.ndarray, place: np.ndarray
) -> None:
    """Mirror the surroundings and the key lamp in the eyes."""
    eyes = material == EYE
    if not eyes.any():
        return
    n, v = normals[eyes], eye_dir[eyes]
    mirrored = 2.0 * np.einsum("nk,nk->n", n, v)[:, None] * n - v
    glint = np.maximum(mirrored @ light.key_direction, 0.0) ** 160.0
    color[eyes] += 0.04 * reflect_environment(light, mirrored) + (0.8 * glint)[:, None] * light.key_color


def _paint_labels(label: np.ndarray, ink: np.ndarray, head: Head, rest: np.ndarray) -> None:
    brows = (label == Label.BROW_LEFT) | (label == Label.BROW_RIGHT)
    plain = (label == Label.SKIN) | (label == Label.NECK) | brows
    if (ink[:, BROW] > 0.3).any():  # painted brows replace the model's own
        label[brows] = Label.SKIN
    brow = plain & (ink[:, BROW] > 0.3)
    label[brow] = np.where(rest[brow, 0] > 0, Label.BROW_LEFT, Label.BROW_RIGHT)
    label[plain & (ink[:, 4 + SCALP] > 0.5)] = Label.HAIR


def _exposure(scene: Scene, color: np.ndarray, label: np.ndarray) -> float:
    skin = color[(label == Label.SKIN) | (label == Label.NOSE)]
    if len(skin) == 0:
        skin = color
    return scene.level / max(float(np.percentile(skin @ LUMINANCE, 60)), 1e-4)


def _lid_shadow(image: np.ndarray, labels: np.ndarray, camera: Camera) -> None:
    """Eyeballs darken towards the lids, most under the upper one."""
    eyes = ((labels == Label.EYE_LEFT) | (labels == Label.EYE_RIGHT)).astype(np.float32)
    if not eyes.any():
        return
    pixels = camera.width / 192.0
    up = -camera.rotation[:2, 1] / np.maximum(np.hypot(*camera.rotation[:2, 1]), 1e-6)  # the head's down in the picture
    shift = np.array([[1, 0, up[0] * 1.2 * pixels], [0, 1, up[1] * 1.2 * pixels]], np.float32)
    inside = cv2.GaussianBlur(cv2.warpAffine(eyes, shift, eyes.shape[::-1]), (0, 0), 1.1 * pixels)
    factor = np.clip(0.22 + 0.85 * inside, 0.0, 1.0)
    image *= np.where(eyes > 0, factor, 1.0)[:, :, None]


def _lay_head(canvas: Canvas, surface: Surface) -> None:
    nearer = surface.raster.depth < canvas.depth
    canvas.color[nearer] = surface.color[nearer]
    canvas.depth[nearer] = surface.raster.depth[nearer]
    canvas.label[nearer] = surface.label[nearer]


def _draw_lashes(canvas: Canvas, scene: Scene, head: Head, posed: Posed) -> None:
    if not len(head.lashes):
        return
    raster = rasterize(posed.points, head.lashes, posed.camera.width, posed.camera.height)
    cover = (raster.depth < canvas.depth + 0.002) * scene.paint.lashes
    cover = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 0.6)
    canvas.color *= 1.0 - np.minimum(cover, 0.85)[:, :, None]


def _lay_hair(canvas: Canvas, layer: Layer, scene: Scene) -> None:
    before = canvas.depth.copy()
    cover = canvas.over(layer)
    near = np.isfinite(before) & (cover < 0.5)  # hair darkens the skin beside it
    factor = contact_shadow(cover, 1.5 * scene.camera.width / 192.0, 0.45)
    canvas.color *= np.where(near, factor, 1.0)[:, :, None]


def _finish(
    scene: Scene, assets: Assets, posed: Posed, surface: Surface, solid: np.ndarray, canvases: tuple[Canvas, Canvas],
    occluder: np.ndarray, exposure: float,
) -> Picture:  # fmt: skip
    clean, occluded = canvases
    image = develop(occluded.color, scene.sensor)
    same = not occluder.any()
    model, camera = assets.head.model, scene.camera
    points = np.concatenate(
        [model.visible_landmarks(scene.vertices, camera.rotation), model.dense_landmarks(scene.vertices)]
    )
    flat = project(camera, points)
    seen = visible_points(Raster(surface.raster.triangle_id, surface.raster.barycentric, solid), flat, VISIBLE_DEPTH)
    seen &= ~_hidden(occluder, flat[:, :2])
    pose = pose_from_camera(camera, crop_matrix(flat[:68, :2], CROP_SIZE), CROP_SIZE)
    params = FaceParams(
        scene.identity, scene.expression, scene.albedo, scene.light.label(exposure), pose.astype(np.float32)
    )
    return Picture(
        image=image,
        clean=image if same else develop(clean.color, scene.sensor),
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
    )


def _hidden(occluder: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: points under something opaque."""
    height, width = occluder.shape
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(int)
    return np.isin(occluder[row, column], HIDING)
