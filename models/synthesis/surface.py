"""The drawn head: skin, eyes, teeth and the inside of the mouth, painted and lit pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.rasterizer import Raster
from core.types import Camera

from .assets import Assets
from .eyes import eye_albedo
from .head import EYE, GUMS, INSIDE, SKIN, TEETH, Head
from .hit_kernels import nearest_corners, spread_hits
from .kernels import interpolate_hits, rasterize
from .labels import Label
from .layers import Posed, ShadowMap, light_frames
from .light import LUMINANCE
from .scene import Scene
from .skin import PaintedSkin, paint_skin
from .skin_kernels import BROW, SCALP, bend_normals, light_skin

SKIN_WRAP = np.array([0.12, 0.05, 0.03], np.float32)  # light that reaches round the terminator
SCATTER = np.array([0.0024, 0.0011, 0.0007])  # metres that light wanders in skin: deviation by channel
_HOLLOW = 0.22  # share of the sky below which a place is a hole
_JUMP = 0.01  # metres of depth between two pixels of one surface
_EYE_FILM, _TOOTH_FILM, _GUM_FILM = 2.2, 0.7, 1.0


@dataclass(frozen=True, eq=False)
class Surface:
    """The drawn head before compositing."""

    raster: Raster
    color: np.ndarray  # (H, W, 3) float32 linear, unexposed
    label: np.ndarray  # (H, W) uint8
    normals: np.ndarray  # (N, 3) float32 unit at the raster's hits, light frame, without relief
    uv: np.ndarray  # (N, 2) float32 face-model UV at the hits


@dataclass(frozen=True, eq=False)
class _Hits:
    """What is interpolated at the N hit pixels."""

    normals: np.ndarray  # (N, 3) unit, light frame
    towards_eye: np.ndarray  # (N, 3) unit, light frame
    lit: np.ndarray  # (N,) share of the key lamp, hard-edged
    rest: np.ndarray  # (N, 3) model frame
    base: np.ndarray  # (N, 3) linear model albedo
    places: np.ndarray  # (N, 3) model frame, posed
    eye_rest: np.ndarray  # (N, 3) from the eyeball's centre
    sky: np.ndarray  # (N,) share of the sky seen
    material: np.ndarray  # (N,) uint8
    label: np.ndarray  # (N,) uint8


@dataclass(frozen=True, eq=False)
class _Matter:
    """How each of N pixels answers light; filled in place material by material."""

    albedo: np.ndarray  # (N, 3) linear
    occlusion: np.ndarray  # (N,)
    gloss: np.ndarray  # (N,)
    sharpness: np.ndarray  # (N,)
    oil: np.ndarray  # (N,)
    wet: np.ndarray  # (N,)


def draw_head(scene: Scene, assets: Assets, posed: Posed, shadow: ShadowMap | None) -> tuple[Surface, float]:
    """Shade every pixel of the head; also the exposure that brings its skin to the wanted level."""
    head, camera = assets.head, posed.camera
    raster = rasterize(posed.points, head.triangles, camera.width, camera.height, cull=True)
    mask = raster.mask
    hits = _interpolate(scene, head, posed, raster, shadow)
    depths = raster.depth[mask]
    pixel = float(np.median(depths[:: 1 + len(depths) // 4000]) / camera.focal) if len(depths) else 0.001
    uv = head.uv_hits(raster)
    painted = paint_skin(scene.paint, head, uv, hits.rest, hits.base, scene.expression, pixel)
    matter = _matter(scene, head, hits, painted, posed)
    height = painted.height * (hits.material == SKIN)
    bent = bent_by_relief(hits.normals, posed.to_light(hits.places), height, mask)
    lit = _soft_shadow(hits.lit, mask, scene) if shadow else hits.lit
    color = _light(scene, hits, matter, bent, lit, mask, pixel)
    label = _labels(hits, painted)
    exposure = _exposure(scene, color, label)
    image, labels = spread_hits(raster.triangle_id, color), np.zeros(mask.shape, np.uint8)
    labels[mask] = label
    _lid_shadow(image, labels, camera)
    return Surface(raster, image, labels, hits.normals, uv), exposure


def _interpolate(scene: Scene, head: Head, posed: Posed, raster: Raster, shadow: ShadowMap | None) -> _Hits:
    at = interpolate_hits(raster, head.triangles, head.at_rest)
    normals, eye, lit = light_frames(
        raster, head.triangles, posed.vertices, posed.normals, posed, shadow, both_sides=False
    )
    material, label = nearest_corners(
        raster.triangle_id, raster.barycentric, head.triangles, head.material, head.label, len(at)
    )
    return _Hits(
        normals=normals,
        towards_eye=eye,
        lit=lit,
        rest=at[:, :3],
        eye_rest=at[:, 3:6],
        sky=at[:, 6],
        base=interpolate_hits(raster, head.triangles, scene.vertex_albedo),
        places=interpolate_hits(raster, head.triangles, posed.vertices),
        material=material,
        label=label,
    )


def bent_by_relief(normals: np.ndarray, places: np.ndarray, height: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(N, 3) float32 unit normals at the hits of `mask` (H, W), tilted by (N,) heights (metres) of the relief.

    `places` (N, 3) in metres and `normals` (N, 3) are of the light frame, row by row with the hits.
    """
    bent = np.array(normals, np.float32, order="C")
    if height.any():
        index = np.full(mask.shape, -1, np.int32)
        index[mask] = np.arange(len(bent), dtype=np.int32)
        places, height = np.ascontiguousarray(places, np.float32), np.ascontiguousarray(height, np.float32)
        bend_normals(index, places, bent, height, _JUMP)
    return bent


def _matter(scene: Scene, head: Head, hits: _Hits, painted: PaintedSkin, posed: Posed) -> _Matter:
    """Skin everywhere, then what is not skin over it."""
    count = len(hits.material)
    sharpness = float(np.clip(2.0 / scene.paint.roughness**4, 5.0, 60.0))
    brow, beard, scalp = painted.hairs.T
    hairless = 1.0 - 0.8 * np.maximum(np.maximum(brow, beard), scalp)
    matter = _Matter(
        albedo=painted.albedo.copy(),
        occlusion=0.1 + 0.9 * hits.sky**0.8,
        gloss=(0.75 * hairless).astype(np.float32),
        sharpness=np.full(count, sharpness, np.float32),
        oil=painted.oil.copy(),
        wet=painted.wet.copy(),
    )
    _eyes(scene, head, hits, matter)
    _mouth(scene, head, hits, matter, posed)
    return matter


def _eyes(scene: Scene, head: Head, hits: _Hits, matter: _Matter) -> None:
    eyes = np.flatnonzero(hits.material == EYE)
    if not len(eyes):
        return
    left, right = (_slider(scene, head, f"pupilDilate{side}") for side in ("Left", "Right"))
    matter.albedo[eyes] = eye_albedo(scene.eyes, hits.eye_rest[eyes], np.where(hits.rest[eyes, 0] > 0, left, right))
    matter.occlusion[eyes], matter.gloss[eyes], matter.oil[eyes] = 0.75, 0.0, 0.0
    matter.wet[eyes] = _EYE_FILM


def _mouth(scene: Scene, head: Head, hits: _Hits, matter: _Matter, posed: Posed) -> None:
    """Teeth, gums, and the inside of mouth and sockets."""
    lips = head.model.landmarks(posed.vertices)[60:68, 2].mean()

    def of(kind: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a material, and how much light still falls in that deep in the mouth."""
        rows = np.flatnonzero(hits.material == kind)
        return rows, np.clip(1.0 - (lips - hits.places[rows, 2]) / 0.035, 0.0, 1.0)

    gums = np.array([0.42, 0.13, 0.12], np.float32)
    for kind, color, film in ((TEETH, scene.paint.teeth, _TOOTH_FILM), (GUMS, gums, _GUM_FILM)):
        rows, behind = of(kind)
        matter.albedo[rows] = color
        matter.occlusion[rows] = 0.08 + 0.6 * behind**1.5
        matter.gloss[rows], matter.oil[rows], matter.wet[rows] = 0.5 * behind, 0.0, film * behind
    rows, behind = of(INSIDE)
    matter.albedo[rows] = np.array([0.3, 0.08, 0.07], np.float32)
    matter.occlusion[rows] *= 0.1 + 0.5 * behind
    matter.gloss[rows], matter.oil[rows], matter.wet[rows] = behind, 0.0, 0.3 * behind


def _slider(scene: Scene, head: Head, name: str) -> float:
    names = head.model.expression_names
    return float(scene.expression[names.index(name)]) if name in names else 0.0


def _light(
    scene: Scene, hits: _Hits, matter: _Matter, normals: np.ndarray, lit: np.ndarray, mask: np.ndarray, pixel: float
) -> np.ndarray:
    """(N, 3) linear radiance: irradiance that wanders through skin, and what is mirrored at once."""
    light = scene.light
    given = (
        light.ambient, light.environment, light.key_direction, light.key_color, lit, matter.occlusion, matter.gloss,
        matter.oil, matter.wet, matter.sharpness, SKIN_WRAP,
    )  # fmt: skip
    open_skin = (hits.material == SKIN) & (hits.sky > _HOLLOW)  # light would fill nostrils
    diffuse, mirrored = light_skin(
        normals, hits.towards_eye, *(np.ascontiguousarray(array, np.float32) for array in given)
    )
    return matter.albedo * scatter(diffuse, mask, open_skin, pixel) + mirrored


def scatter(diffuse: np.ndarray, mask: np.ndarray, skin: np.ndarray, pixel: float) -> np.ndarray:
    """(N, 3) irradiance at the hits of `mask` after it has wandered through skin; `pixel` in metres.

    Only the hits of `skin` (N,) exchange light, the rest keep theirs.
    """
    if not skin.any():
        return diffuse
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    inside, weight = mask[window], np.zeros(mask[window].shape, np.float32)
    weight[inside] = skin
    out = diffuse.copy()
    for channel, reach in enumerate(SCATTER):
        sigma = reach / pixel
        if sigma < 0.3:
            continue
        light = np.zeros(weight.shape, np.float32)
        light[inside] = diffuse[:, channel] * skin
        spread = cv2.GaussianBlur(light, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
        out[skin, channel] = spread[inside][skin]
    return out


def _soft_shadow(hard: np.ndarray, mask: np.ndarray, scene: Scene) -> np.ndarray:
    """(N,) share of the key lamp at the N pixels of `mask`, the shadow's edge as soft as the lamp is large."""
    lit, weight = np.zeros(mask.shape, np.float32), mask.astype(np.float32)
    lit[mask] = hard
    sigma = scene.light.key_softness * scene.camera.width
    return (cv2.GaussianBlur(lit, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3))[mask]


def _labels(hits: _Hits, painted: PaintedSkin) -> np.ndarray:
    """(N,) uint8: the parts, with painted brows and scalp hair over them."""
    label = hits.label.copy()
    brows = (label == Label.BROW_LEFT) | (label == Label.BROW_RIGHT)
    plain = (label == Label.SKIN) | (label == Label.NECK) | brows
    cover = painted.hairs[:, BROW]
    if (cover > 0.3).any():  # painted brows replace the model's own
        label[brows] = Label.SKIN
    brow = plain & (cover > 0.3)
    label[brow] = np.where(hits.rest[brow, 0] > 0, Label.BROW_LEFT, Label.BROW_RIGHT)
    label[plain & (painted.hairs[:, SCALP] > 0.5)] = Label.HAIR
    return label


def _exposure(scene: Scene, color: np.ndarray, label: np.ndarray) -> float:
    skin = color[(label == Label.SKIN) | (label == Label.NOSE)]
    if len(skin) == 0:
        skin = color
    skin = skin[:: max(1, len(skin) // 2000)]
    return scene.level / max(float(np.percentile(skin @ LUMINANCE, 60)), 1e-4)


def _lid_shadow(image: np.ndarray, labels: np.ndarray, camera: Camera) -> None:
    """Eyeballs darken towards the lids, most under the upper one; a line of tears gleams on the lower."""
    eyes = ((labels == Label.EYE_LEFT) | (labels == Label.EYE_RIGHT)).astype(np.float32)
    if not eyes.any():
        return
    pixels = camera.width / 192.0
    down = -camera.rotation[:2, 1] / np.maximum(np.hypot(*camera.rotation[:2, 1]), 1e-6)  # the head's, in the picture
    inside = cv2.GaussianBlur(_shifted(eyes, down * 1.2 * pixels), (0, 0), 1.1 * pixels)
    factor = np.clip(0.22 + 0.85 * inside, 0.0, 1.0)
    image *= np.where(eyes > 0, factor, 1.0)[:, :, None]
    if pixels > 1.5:  # finer than a pixel in small pictures
        rim = np.clip(eyes - _shifted(eyes, -down * 0.45 * pixels), 0.0, 1.0)
        image += (0.1 * cv2.GaussianBlur(rim, (0, 0), 0.2 * pixels) * eyes)[:, :, None] * image[eyes > 0].mean(axis=0)


def _shifted(image: np.ndarray, by: np.ndarray) -> np.ndarray:
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    return cv2.warpAffine(image, matrix, image.shape[::-1])
