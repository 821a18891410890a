"""Glass before the eyes: tint, enlargement of what is behind, and the surroundings mirrored in it."""

from __future__ import annotations

import cv2
import numpy as np

from .chart import sample
from .eyewear import Glass
from .frames import LensSurface
from .kernels import interpolate_hits, project, rasterize
from .labels import Occluder
from .layers import Canvas, Posed, Window, looking_through, towards_eye, window_of
from .laying import Stage
from .light import Light

_GLINT = 700.0  # sharpness of the key lamp's reflection


def lay_lens(canvas: Canvas, kinds: np.ndarray, lens: LensSurface, glass: Glass, stage: Stage, kind: Occluder) -> None:
    """Lay one lens over the canvas; a dark one hides what is behind."""
    window = window_of(lens.vertices, stage.posed)
    if window is None:
        return
    sub = looking_through(stage.posed, window, 1)
    points = project(sub.camera, lens.vertices)
    raster = rasterize(points, lens.triangles, sub.camera.width, sub.camera.height)
    hit = raster.mask & (raster.depth < canvas.depth[window])
    if not hit.any():
        return
    packed = np.concatenate([sub.to_light(lens.normals), lens.place], axis=1).astype(np.float32)
    at = interpolate_hits(raster, lens.triangles, packed)[hit[raster.mask]]
    mirrored, facing = _mirror(at[:, :3], sub, hit)
    reflectance = glass.reflectance + (1.0 - glass.reflectance) * ((1.0 - facing) ** 5)[:, None]
    glow = _surroundings(stage.light, mirrored) + _window_light(glass, mirrored)[:, None]
    glint = np.maximum(mirrored @ stage.light.key_direction, 0.0) ** _GLINT * (_GLINT + 1) / 2
    glow = glow + glint[:, None] * stage.light.key_color
    passed = glass.tint + (1.0 - glass.tint) * (glass.fade * np.clip(0.5 - 0.5 * at[:, 4:5], 0, 1))
    behind = _enlarged(canvas, lens, glass, stage.posed, window)[hit]
    canvas.color[window][hit] = behind * passed * (1.0 - reflectance) + reflectance * glow * stage.exposure
    kinds[window][hit] = kind
    if glass.dark:
        canvas.depth[window][hit] = raster.depth[hit]


def _mirror(normals: np.ndarray, sub: Posed, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) mirrored view directions, light frame, and (N,) cosines of the view with the normals."""
    eye = towards_eye(sub, *np.nonzero(hit))
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    facing = np.einsum("nk,nk->n", normals, eye)
    normals = np.where(facing[:, None] < 0, -normals, normals)
    facing = np.abs(facing)
    return 2.0 * facing[:, None] * normals - eye, facing


def _surroundings(light: Light, directions: np.ndarray) -> np.ndarray:
    """(N, 3) radiance of the environment map in (N, 3) directions, smoothly between its pixels."""
    height, width = light.environment.shape[:2]
    row = np.arccos(np.clip(directions[:, 1], -1.0, 1.0)) / np.pi * height - 0.5
    column = (np.arctan2(directions[:, 0], -directions[:, 2]) / (2 * np.pi) + 0.5) * width - 0.5
    return sample(light.environment, np.stack([column, row], axis=1).astype(np.float32), cv2.BORDER_WRAP)


def _window_light(glass: Glass, directions: np.ndarray) -> np.ndarray:
    """(N,) radiance of a bright window before the face, crossbars left out."""
    x, y, half_x, half_y, radiance = glass.window
    if not radiance:
        return np.zeros(len(directions), np.float32)
    ahead = np.maximum(directions[:, 2], 0.05)
    u, v = (directions[:, 0] / ahead - x) / half_x, (directions[:, 1] / ahead - y) / half_y
    shine = np.clip((1.0 - np.maximum(np.abs(u), np.abs(v))) * 6.0, 0.0, 1.0)
    if glass.bars:
        shine = shine * (np.minimum(np.abs(u), np.abs(v)) > 0.09)
    return (radiance * shine).astype(np.float32)


def _enlarged(canvas: Canvas, lens: LensSurface, glass: Glass, posed: Posed, window: Window) -> np.ndarray:
    """(h, w, 3) what is seen through the lens in the window: the canvas, enlarged about the lens's centre."""
    center = project(posed.camera, lens.center[None])[0, :2].astype(np.float32)
    zoom = np.float32(1.0 / (1.0 + glass.power))
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
    x = np.broadcast_to(center[0] + (columns - center[0]) * zoom, (len(rows), len(columns)))
    y = np.broadcast_to((center[1] + (rows - center[1]) * zoom)[:, None], (len(rows), len(columns)))
    return cv2.remap(
        canvas.color, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
