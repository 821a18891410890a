"""What the fast renderer would paint, seen from the camera and unlit: the colour maps of the Cycles materials."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.types import Camera
from models.synthesis.assets import Assets
from models.synthesis.eyes import eye_albedo
from models.synthesis.head import EYE, GUMS, INSIDE, SKIN, TEETH
from models.synthesis.kernels import interpolate_hits, project, rasterize
from models.synthesis.layers import Mesh, Posed, light_frames
from models.synthesis.scene import Scene
from models.synthesis.skin import PaintedSkin, paint_skin
from models.synthesis.surface import bent_by_relief

SCALE = 2  # map pixels per picture pixel
_GUMS, _INSIDE = (0.42, 0.13, 0.12), (0.3, 0.08, 0.07)


@dataclass(frozen=True, eq=False)
class HeadMaps:
    """The head from the camera, `SCALE` times the picture's size, rows from the top."""

    albedo: np.ndarray  # (H, W, 4) float32 linear RGB and roughness
    normal: np.ndarray  # (H, W, 4) float32 (n + 1) / 2, light frame


def finer(camera: Camera) -> Camera:
    """The same camera with `SCALE` times the pixels."""
    middle = [value * SCALE + (SCALE - 1) / 2 for value in camera.center]
    return replace(
        camera,
        focal=camera.focal * SCALE,
        center=(middle[0], middle[1]),
        width=camera.width * SCALE,
        height=camera.height * SCALE,
    )


def head_maps(scene: Scene, assets: Assets) -> HeadMaps:
    """Colour, roughness and relief of skin, eyes, teeth and mouth."""
    head, camera = assets.head, finer(scene.camera)
    posed = Posed.of(camera, scene.vertices, head)
    raster = rasterize(posed.points, head.triangles, camera.width, camera.height, cull=True)
    mask = raster.mask
    if not mask.any():
        empty = np.zeros((*mask.shape, 4), np.float32)
        return HeadMaps(empty, empty)
    packed = np.column_stack([head.rest, head.eye_rest, scene.vertex_albedo, posed.vertices]).astype(np.float32)
    at = interpolate_hits(raster, head.triangles, packed)
    material = head.material[head.triangles[raster.triangle_id[mask], raster.barycentric[mask].argmax(axis=1)]]
    pixel = float(np.median(raster.depth[mask]) / camera.focal)
    rest, base = np.ascontiguousarray(at[:, :3]), np.ascontiguousarray(at[:, 6:9])
    painted = paint_skin(scene.paint, head, head.uv_hits(raster), rest, base, scene.expression, pixel)
    albedo = painted.albedo.copy()
    for kind, color in ((TEETH, scene.paint.teeth), (GUMS, _GUMS), (INSIDE, _INSIDE)):
        albedo[material == kind] = color
    _paint_eyes(scene, assets, material, at, albedo)
    normals, _, _ = light_frames(raster, head.triangles, posed.vertices, posed.normals, posed, None, both_sides=False)
    height = painted.height * (material == SKIN)
    bent = bent_by_relief(normals, posed.to_light(at[:, 9:12]), height, mask)
    color, bend = np.zeros((*mask.shape, 4), np.float32), np.ones((*mask.shape, 4), np.float32)
    color[mask] = np.column_stack([np.clip(albedo, 0.0, 0.95), _roughness(scene, painted)])
    bend[mask, :3] = bent * 0.5 + 0.5
    nearest = _nearest_inside(mask)
    return HeadMaps(color[nearest], bend[nearest])


def _roughness(scene: Scene, painted: PaintedSkin) -> np.ndarray:
    """(N,) of the skin: oil and water smooth it, hair roughens it."""
    smooth = 1.0 + 0.35 * painted.oil + 0.9 * painted.wet
    return np.clip(scene.paint.roughness / smooth + 0.3 * painted.hairs.max(axis=1, initial=0.0), 0.15, 1.0)


def _paint_eyes(scene: Scene, assets: Assets, material: np.ndarray, at: np.ndarray, albedo: np.ndarray) -> None:
    eyes = material == EYE
    if eyes.any():
        names = assets.head.model.expression_names
        left, right = (scene.expression[names.index(f"pupilDilate{side}")] for side in ("Left", "Right"))
        albedo[eyes] = eye_albedo(scene.eyes, at[eyes, 3:6], np.where(at[eyes, 0] > 0, left, right))


def mesh_map(mesh: Mesh, camera: Camera) -> np.ndarray:
    """(H, W, 4) float32: linear albedo and cover of the nearest surface of a mesh, spread over its outline."""
    camera = finer(camera)
    raster = rasterize(project(camera, mesh.vertices), mesh.triangles, camera.width, camera.height)
    mask = raster.mask
    out = np.zeros((*mask.shape, 4), np.float32)
    if not mask.any():
        return out
    at = interpolate_hits(raster, mesh.triangles, np.ascontiguousarray(mesh.attributes, np.float32))
    albedo, cover = mesh.painter(at)
    out[mask] = np.column_stack([np.clip(albedo, 0.0, 0.95), cover])
    return out[_nearest_inside(mask)]


def _nearest_inside(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the (rows, columns) of the nearest pixel of the mask."""
    if not mask.any():
        rows, columns = np.indices(mask.shape)
        return rows, columns
    _, nearest = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(mask)
    row_of, column_of = (np.zeros(nearest.max() + 1, np.int64) for _ in range(2))
    row_of[nearest[mask]], column_of[nearest[mask]] = rows, columns
    return row_of[nearest], column_of[nearest]
