"""Contact sheets to look at: photo, overlay, views from the side, neutral head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import Raster, rasterize
from core.geometry.uv_sampling import sample, texel_positions
from core.types import Camera, FaceResult, HairMesh


def render_head(
    model: FaceModel,
    vertices: np.ndarray,
    texture: np.ndarray,
    camera: Camera,
    background: np.ndarray | None = None,
) -> np.ndarray:
    """(H, W, 3) uint8 picture of a textured head: (V, 3) vertices, (S, S, 3) uint8 sRGB texture, soft frontal light."""
    raster, triangles, color = textured(model, vertices, texture, camera, ("cornea",))
    hit, index = raster.mask, raster.triangle_id
    light = np.clip(0.55 + 0.45 * _facing(vertices, triangles, camera)[index[hit]], 0, 1)
    picture = np.full((camera.height, camera.width, 3), 60, np.uint8) if background is None else background.copy()
    picture[hit] = np.clip(color * light[:, None], 0, 255).astype(np.uint8)
    return picture


def textured(
    model: FaceModel, vertices: np.ndarray, texture: np.ndarray, camera: Camera, clear: tuple[str, ...]
) -> tuple[Raster, np.ndarray, np.ndarray]:
    """What `camera` sees of (V, 3) vertices: the raster, its (T, 3) triangles, (N, 3) uint8 of the texture at its hits.

    Parts whose names begin as `clear` says are not drawn.
    """
    drawn = ~np.isin(model.triangle_part, [row for row, name in enumerate(model.part_names) if name.startswith(clear)])
    triangles = model.triangles[drawn]
    raster = rasterize(project(camera, vertices), triangles, camera.width, camera.height)
    corners = model.uv[model.uv_triangles[drawn][raster.triangle_id[raster.mask]]]
    uv = np.einsum("nk,nkd->nd", raster.barycentric[raster.mask], corners)
    return raster, triangles, sample(texture, texel_positions(uv, len(texture)))


def draw_hair(
    picture: np.ndarray, model: FaceModel, vertices: np.ndarray, hair: HairMesh | None, camera: Camera
) -> np.ndarray:
    """A (H, W, 3) uint8 picture of a head of (V, 3) vertices, with its hair before and behind it."""
    if hair is None:
        return picture
    out, (depth, layers) = picture.astype(np.float32), _hair_layers(model, vertices, hair, camera)
    for layer in layers:
        shown = (layer.cover >= 0.5) & (layer.depth < depth)
        out[shown] = layer.color[shown]
    return np.clip(out, 0, 255).astype(np.uint8)


def hair_shown(model: FaceModel, vertices: np.ndarray, hair: HairMesh, camera: Camera) -> np.ndarray:
    """(H, W) bool: pixels at which `camera` sees the hair of a head of (V, 3) vertices."""
    depth, layers = _hair_layers(model, vertices, hair, camera)
    return np.any([(layer.cover >= 0.5) & (layer.depth < depth) for layer in layers], axis=0)


@dataclass(frozen=True, eq=False)
class _Layer:
    """The near or the far side of a hair's surface, (H, W) planes."""

    depth: np.ndarray  # metres, infinity beside it
    cover: np.ndarray  # in [0, 1]
    color: np.ndarray  # (H, W, 3)


def _hair_layers(
    model: FaceModel, vertices: np.ndarray, hair: HairMesh, camera: Camera
) -> tuple[np.ndarray, list[_Layer]]:
    """(H, W) depth of the head, and the hair's inner and then its outer side."""
    halves = ([0, 1, 2], [0, 2, 3])
    triangles, uv = (np.concatenate([rows[:, half] for half in halves]) for rows in (hair.faces, hair.uv_faces))
    points = project(camera, hair.vertices)
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    outside = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]) < 0
    layers = []
    for side in (~outside, outside):
        raster = rasterize(points, triangles[side], camera.width, camera.height)
        hit, index = raster.mask, raster.triangle_id
        place = np.zeros((*hit.shape, 2), np.float32)
        place[hit] = np.einsum("nk,nkd->nd", raster.barycentric[hit], hair.uv[uv[side][index[hit]]])
        height, width = hair.color.shape[:2]
        x, y = place[..., 0] * width - 0.5, (1.0 - place[..., 1]) * height - 0.5
        found = cv2.remap(hair.color, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        light = np.zeros(hit.shape, np.float32)
        light[hit] = np.clip(0.55 + 0.45 * _facing(hair.vertices, triangles[side], camera)[index[hit]], 0, 1)
        layers.append(_Layer(raster.depth, found[..., 3] / 255.0 * hit, found[..., :3] * light[..., None]))
    return rasterize(project(camera, vertices), model.triangles, camera.width, camera.height).depth, layers


def _facing(vertices: np.ndarray, triangles: np.ndarray, camera: Camera) -> np.ndarray:
    p = vertices @ camera.rotation.T
    normal = np.cross(p[triangles[:, 1]] - p[triangles[:, 0]], p[triangles[:, 2]] - p[triangles[:, 0]])
    return np.abs(normal[:, 2]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)


def studio_camera(size: int, yaw_degrees: float, pitch_degrees: float = 0.0) -> Camera:
    """A portrait camera 1 m away that turns the head by the given angles."""
    rotation = rotation_from_angles(np.radians(pitch_degrees), np.radians(yaw_degrees), 0.0)
    focal = size * 1.0 / 0.36  # 36 cm across the picture
    return Camera(focal, ((size - 1) / 2, (size - 1) / 2), size, size, rotation, np.array([0.0, -0.03, 1.0]))


def shrink_camera(camera: Camera, height: int) -> Camera:
    """The same camera for a picture of another height."""
    k = height / camera.height
    center = ((camera.center[0] + 0.5) * k - 0.5, (camera.center[1] + 0.5) * k - 0.5)
    width = round(camera.width * k)
    return Camera(camera.focal * k, center, width, height, camera.rotation, camera.translation)


def sheet_row(model: FaceModel, photo: np.ndarray, result: FaceResult, size: int = 300) -> np.ndarray:
    """(size, W, 3): photo, head over it, three-quarter and profile views, neutral head from before and behind."""
    small = shrink_camera(result.camera, size)
    picture = cv2.resize(photo, (small.width, size), interpolation=cv2.INTER_AREA)

    def seen(vertices: np.ndarray, camera: Camera, background: np.ndarray | None = None) -> np.ndarray:
        head = render_head(model, vertices, result.texture.color, camera, background)
        return draw_hair(head, model, vertices, result.hair, camera)

    views = [picture, seen(result.vertices, small, picture)]
    views += [seen(result.vertices, studio_camera(size, yaw)) for yaw in (35, 80)]
    views += [seen(result.neutral, studio_camera(size, yaw)) for yaw in (0, 150)]
    wide = size * 4 // 3
    views[:2] = [_fit_width(view, wide) for view in views[:2]]
    return np.concatenate(views, axis=1)


def _fit_width(image: np.ndarray, width: int) -> np.ndarray:
    have = image.shape[1]
    if have >= width:
        start = (have - width) // 2
        return image[:, start : start + width]
    pad = width - have
    return cv2.copyMakeBorder(image, 0, 0, pad // 2, pad - pad // 2, cv2.BORDER_CONSTANT)


def write_sheet(rows: list[np.ndarray], path: Path) -> None:
    """Stack rows and write a PNG, in two columns when there are many."""
    if len(rows) > 6:
        rows = [np.concatenate(rows[i : i + 2], axis=1) for i in range(0, len(rows) - len(rows) % 2, 2)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
