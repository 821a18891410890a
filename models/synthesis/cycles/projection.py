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
from models.synthesis.layers import Mesh, Posed
from models.synthesis.scene import Scene
from models.synthesis.skin import paint_skin
from models.synthesis.surface import bent_by_relief

SCALE = 2  # map pixels per picture pixel
_TEETH, _GUMS, _INSIDE = (0.62, 0.55, 0.44), (0.42, 0.13, 0.12), (0.3, 0.08, 0.07)


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


def head_maps(scene: Scene, assets: Assets, posed: Posed) -> HeadMaps:
    """Colour, roughness and relief of skin, eyes, teeth and mouth."""
    head, camera = assets.head, finer(scene.camera)
    raster = rasterize(project(camera, scene.vertices), head.triangles, camera.width, camera.height, cull=True)
    mask = raster.mask
    packed = np.concatenate(
        [posed.to_light(posed.normals), head.rest, scene.vertex_albedo, head.eye_rest, posed.vertices], axis=1
    ).astype(np.float32)
    at = interpolate_hits(raster, head.triangles, packed)
    normals = at[:, :3] / np.maximum(np.linalg.norm(at[:, :3], axis=1, keepdims=True), 1e-6)
    corner = head.triangles[raster.triangle_id[mask], raster.barycentric[mask].argmax(axis=1)]
    material = head.material[corner]
    pixel = float(np.median(raster.depth[mask]) / camera.focal) if mask.any() else 0.001
    painted = paint_skin(scene.paint, head, head.uv_hits(raster), at[:, 3:6], at[:, 6:9], scene.expression, pixel)
    albedo, hairs = painted.albedo.copy(), painted.hairs.max(axis=1, initial=0.0)
    normals = bent_by_relief(normals, posed.to_light(at[:, 12:15]), painted.height * (material == SKIN), mask)
    rough = scene.paint.roughness * 1.05 - 0.12 * np.minimum(painted.oil + painted.wet, 2.0) + 0.3 * hairs
    rough = np.clip(rough, 0.2, 0.9)
    for kind, color in ((TEETH, _TEETH), (GUMS, _GUMS), (INSIDE, _INSIDE)):
        albedo[material == kind] = color
    _paint_eyes(scene, assets, material, at, albedo)
    color, bend = np.zeros((*mask.shape, 4), np.float32), np.zeros((*mask.shape, 4), np.float32)
    color[mask] = np.column_stack([np.clip(albedo, 0.0, 0.95), np.minimum(rough, 1.0)])
    bend[mask, :3], bend[:, :, 3] = normals * 0.5 + 0.5, 1.0
    nearest = _nearest_inside(mask)
    return HeadMaps(color[nearest], bend[nearest])


def _paint_eyes(scene: Scene, assets: Assets, material: np.ndarray, at: np.ndarray, albedo: np.ndarray) -> None:
    eyes = material == EYE
    if eyes.any():
        names = assets.head.model.expression_names
        left, right = (scene.expression[names.index(f"pupilDilate{side}")] for side in ("Left", "Right"))
        albedo[eyes] = eye_albedo(scene.eyes, at[eyes, 9:12], np.where(at[eyes, 3] > 0, left, right))


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
