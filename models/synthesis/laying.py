"""Lays drawn things over a finished head: fine edges, contact shadows, and the shadow that the key lamp throws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import LIGHT_FLIP, irradiance

from .head import Head, orthographic
from .kernels import rasterize
from .labels import Occluder
from .layers import Canvas, Mesh, Posed, ShadowMap, Window, contact_shadow, draw, looking_through, window_of
from .light import LUMINANCE, Light

FINE = 2  # sub-pixels per pixel and axis
_NOTICED = 0.02  # factor of a shadow from which a pixel counts as touched
_SHADOW_SIZE = 224  # pixels of the occluder's own shadow map
_SHADOW_BIAS = 0.004  # metres
_NEAR = 0.06  # metres behind a cover that still lie in its contact shadow
_COARSE = 3  # pixels of the picture per pixel of the thrown shadow
_CONTACT = {Occluder.FRAME: 0.3, Occluder.LOOSE_HAIR: 0.25, Occluder.PERSON: 0.0}  # strength; 0.45 for the rest


@dataclass(frozen=True, eq=False)
class Stage:
    """The person that occluders are laid over, and the light on both."""

    head: Head
    posed: Posed
    light: Light
    shadow: ShadowMap | None  # what head and hair hide from the key lamp
    exposure: float
    skin: np.ndarray  # (3,) float32 linear albedo of the face
    hair_color: np.ndarray  # (3,) float32 linear albedo
    pixel: float  # pixels per pixel of a 192 px picture, in which a face takes half the side


@dataclass(frozen=True)
class Smear:
    """Out of focus or moving; pixels of a 192 px picture."""

    blur: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)

    @property
    def reach(self) -> int:
        """Pixels by which it widens a thing."""
        return int(np.ceil(3.0 * self.blur + max(map(abs, self.motion))))


SHARP = Smear()


@dataclass(frozen=True, eq=False)
class Patch:
    """A drawn mesh within a window of the picture; h x w pixels."""

    color: np.ndarray  # (h, w, 3) float32 linear, exposed
    cover: np.ndarray  # (h, w) float32 in [0, 1]
    depth: np.ndarray  # (h, w) float32 metres


def draw_patch(mesh: Mesh, stage: Stage, window: Window, factor: int = FINE) -> Patch:
    """Draw a mesh with `factor` x `factor` samples a pixel."""
    layer = draw(mesh, looking_through(stage.posed, window, factor), stage.light, stage.shadow)
    height, width = layer.depth.shape[0] // factor, layer.depth.shape[1] // factor
    cover = cv2.resize(layer.cover, (width, height), interpolation=cv2.INTER_AREA)
    color = cv2.resize(layer.color * layer.cover[:, :, None], (width, height), interpolation=cv2.INTER_AREA)
    color *= stage.exposure / np.maximum(cover, 1e-4)[:, :, None]
    depth = _nearest(layer.depth, factor)
    return Patch(color, cover, depth)


def _nearest(depth: np.ndarray, factor: int) -> np.ndarray:
    """(h, w) least depth of each block of `factor` x `factor` samples."""
    rows = depth[::factor]
    for step in range(1, factor):
        rows = np.minimum(rows, depth[step::factor])
    out = rows[:, ::factor]
    for step in range(1, factor):
        out = np.minimum(out, rows[:, step::factor])
    return out


def _smeared(patch: Patch, smear: Smear, pixel: float) -> Patch:
    """The patch blurred along its motion and all round; its depth spreads with it."""
    light = np.dstack([patch.color * patch.cover[:, :, None], patch.cover])
    depth = np.where(np.isfinite(patch.depth), patch.depth, 99.0).astype(np.float32)
    if max(map(abs, smear.motion)) * pixel > 0.7:
        shifts = np.outer(np.linspace(-0.5, 0.5, 7), np.array(smear.motion) * pixel)
        moves = [np.array([[1, 0, x], [0, 1, y]], np.float32) for x, y in shifts]
        size = depth.shape[::-1]
        light = np.mean([cv2.warpAffine(light, move, size) for move in moves], axis=0)
        depth = np.min([cv2.warpAffine(depth, move, size, borderValue=(99.0,)) for move in moves], axis=0)
    if smear.blur:
        light = cv2.GaussianBlur(light, (0, 0), smear.blur * pixel)
        wide = 2 * int(np.ceil(2 * smear.blur * pixel)) + 1
        depth = cv2.erode(depth, np.ones((wide, wide), np.uint8))
    cover = light[:, :, 3]
    return Patch(light[:, :, :3] / np.maximum(cover, 1e-4)[:, :, None], cover, np.where(depth < 90, depth, np.inf))


def lay_mesh(canvas: Canvas, kinds: np.ndarray, mesh: Mesh, stage: Stage, smear: Smear = SHARP) -> None:
    """Lay an opaque mesh over the canvas where it is nearer, with the soft shadow where it touches."""
    window = window_of(mesh.vertices, stage.posed, round(smear.reach * stage.pixel))
    if window is None:
        return
    patch = draw_patch(mesh, stage, window)
    if smear.reach:
        patch = _smeared(patch, smear, stage.pixel)
    nearer = patch.depth < canvas.depth[window]
    seen = np.where(nearer, patch.cover, 0.0).astype(np.float32)
    if not seen.any():
        return
    _touch(canvas, seen, patch.depth, window, _CONTACT.get(Occluder(mesh.kind), 0.45), stage)
    color = canvas.color[window]
    color += (patch.color - color) * seen[:, :, None]
    solid = seen > 0.5
    kinds[window][solid] = mesh.kind
    canvas.depth[window][solid] = patch.depth[solid]


def _touch(canvas: Canvas, seen: np.ndarray, depth: np.ndarray, window: Window, strength: float, stage: Stage) -> None:
    """Darken what lies close behind a cover, a little below it."""
    if strength == 0.0:
        return
    reach = 2.0 * stage.pixel
    grown = tuple(slice(max(part.start - 6, 0), part.stop + 6) for part in window)
    pads = [(part.start - wide.start, 6) for part, wide in zip(window, grown, strict=True)]
    shape = canvas.depth[grown].shape
    cover = np.pad(seen, pads)[: shape[0], : shape[1]]
    far = np.pad(depth, pads, constant_values=np.inf)[: shape[0], : shape[1]]
    behind = canvas.depth[grown]
    factor = contact_shadow(np.ascontiguousarray(cover), reach, strength)
    close = np.isfinite(behind) & ((behind < far + _NEAR) | np.isinf(far))
    factor = np.where(close & (factor < 1.0 - _NOTICED), factor, 1.0)
    canvas.color[grown] *= factor[:, :, None]


def throw_shadow(canvas: Canvas, meshes: Sequence[Mesh], stage: Stage, opacity: float = 1.0) -> None:
    """Darken the canvas where meshes stand between it and the key lamp."""
    light, posed = stage.light, stage.posed
    if not light.casts_shadow or not meshes:
        return
    direction = posed.from_light(light.key_direction.astype(np.float64))
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    vertices = orthographic(np.concatenate([mesh.vertices for mesh in meshes]), direction, _SHADOW_SIZE)
    triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)])
    blockers = rasterize(vertices, triangles, _SHADOW_SIZE, _SHADOW_SIZE).depth
    depth = np.ascontiguousarray(canvas.depth[::_COARSE, ::_COARSE])
    solid = np.isfinite(depth)
    places = _unproject(depth, posed)
    local = orthographic(places[solid], direction, _SHADOW_SIZE)
    column, row = (np.clip(np.rint(local[:, axis]), 0, _SHADOW_SIZE - 1).astype(np.int32) for axis in (0, 1))
    dark = np.zeros(depth.shape, np.float32)
    dark[solid] = blockers[row, column] < local[:, 2] - _SHADOW_BIAS
    sigma = max(0.6, light.key_softness * posed.camera.width / _COARSE)
    dark = cv2.GaussianBlur(dark, (0, 0), sigma) * _key_share(places, solid, stage) * opacity
    dark = cv2.resize(dark, canvas.depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    canvas.color *= np.where((dark > _NOTICED) & np.isfinite(canvas.depth), 1.0 - dark, 1.0)[:, :, None]


def _unproject(depth: np.ndarray, posed: Posed) -> np.ndarray:
    """(h, w, 3) float32 model-frame points of every `_COARSE`-th pixel; far points where nothing is."""
    camera = posed.camera
    z = np.where(np.isfinite(depth), depth, 5.0)
    y, x = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]].astype(np.float32) * _COARSE
    seen = np.stack([(x - camera.center[0]) / camera.focal * z, (y - camera.center[1]) / camera.focal * z, z], axis=2)
    return ((seen - camera.translation) @ camera.rotation).astype(np.float32)


def _key_share(places: np.ndarray, solid: np.ndarray, stage: Stage) -> np.ndarray:
    """(h, w) float32 share of the light at (h, w, 3) points that comes from the key lamp."""
    smooth = cv2.GaussianBlur(places, (0, 0), 1.2)
    down, right = cv2.Sobel(smooth, -1, 0, 1)[solid], cv2.Sobel(smooth, -1, 1, 0)[solid]
    normal = np.stack([down[:, k - 2] * right[:, k - 1] - down[:, k - 1] * right[:, k - 2] for k in range(3)], axis=1)
    normal /= np.maximum(np.sqrt(np.einsum("nk,nk->n", normal, normal))[:, None], 1e-12)
    unit = (normal @ stage.posed.camera.rotation.T.astype(np.float32)) * LIGHT_FLIP
    unit *= np.where(unit[:, 2:] < 0, -1.0, 1.0).astype(np.float32)  # what is seen faces the camera
    share = np.zeros(solid.shape, np.float32)
    key = np.maximum(unit @ stage.light.key_direction, 0.0) * float(stage.light.key_color @ LUMINANCE)
    key = key * (stage.shadow.lit(places[solid]) if stage.shadow else 1.0)
    share[solid] = key / np.maximum(key + irradiance(unit, stage.light.ambient) @ LUMINANCE, 1e-4)
    return share
