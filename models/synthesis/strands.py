"""Thin ribbons of hair: lit along their run, drawn antialiased and blended from the back to the front."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from core.geometry.lighting import LIGHT_FLIP
from core.types import Camera

from .chart import AXIS_Z
from .kernels import project
from .labels import Label
from .layers import Canvas, Mesh, Posed, ShadowMap, contact_shadow
from .light import Light

CENTER = np.array([0.0, 0.0, AXIS_Z], np.float32)  # metres, model frame: inside the skull
_FLAGS = {"contract", "reassoc", "nsz", "arcp"}  # infinities are used: they mean "nothing here"
_SHORT = 6  # points of strands whose root alone is looked up in the shadow
_SHADOWED = 3  # points of a strand at which the key lamp's shadow is looked up


@dataclass(frozen=True, eq=False)
class Strands:
    """N polylines of K points, posed, model frame."""

    points: np.ndarray  # (N, K, 3) float32 metres
    counts: np.ndarray  # (N,) int32: how many of the K points are used
    radius: np.ndarray  # (N, K) float32 metres, half the width
    albedo: np.ndarray  # (N, K, 3) float32 linear
    occlusion: np.ndarray  # (N, K) float32 in [0, 1]: share of the surroundings' light
    normals: np.ndarray  # (N, 3) float32 unit: of the surface beneath
    kinds: np.ndarray  # (N,) uint8 `Label`
    opacity: float = 1.0
    gloss: float = 0.5
    hides: bool = True  # takes over the depth where it covers


def join(parts: list[Strands]) -> Strands:
    """One bundle of several with the same K and material."""
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("points", "counts", "radius", "albedo", "occlusion", "normals", "kinds")
    }
    return Strands(**arrays, opacity=parts[0].opacity, gloss=parts[0].gloss, hides=parts[0].hides)


def draw_strands(
    canvas: Canvas, strands: Strands, posed: Posed, light: Light, shadow: ShadowMap | None, lift: float = 0.002
) -> np.ndarray:
    """Draw into the canvas, in place; returns the (H, W) float32 cover.

    A strand shows where it lies less than `lift` metres behind what is there.
    """
    shape = canvas.depth.shape
    cover, front = np.zeros(shape, np.float32), np.full(shape, np.inf, np.float32)
    if len(strands.points) == 0:
        return cover
    flat = pixels_of(posed.camera, strands.points)
    color = light_strands(strands, posed, light, shadow)
    middle = np.minimum(strands.counts // 2, strands.points.shape[1] - 1)
    order = np.argsort(-flat[np.arange(len(flat)), middle, 2], kind="stable").astype(np.int32)
    top = canvas.label.copy()
    half = strands.radius * np.float32(posed.camera.focal) / flat[:, :, 2]
    _blend(
        canvas.color, canvas.depth, cover, front, top, flat, strands.counts, half.astype(np.float32), color,
        strands.kinds, order, np.float32(strands.opacity), np.float32(lift),
    )  # fmt: skip
    solid = cover > 0.5
    canvas.label[solid] = top[solid]
    if strands.hides:
        canvas.depth[solid] = np.minimum(front, canvas.depth)[solid]
    return cover


def pixels_of(camera: Camera, points: np.ndarray) -> np.ndarray:
    """(..., 3) float32 pixels and depth of (..., 3) float32 points in the model frame."""
    return project(camera, points.reshape(-1, 3)).reshape(points.shape)


def _lit(strands: Strands, shadow: ShadowMap | None) -> np.ndarray:
    """(N, K) float32 share of the key lamp, looked up at a few points of each strand."""
    count, points = strands.points.shape[:2]
    if shadow is None:
        return np.ones((count, points), np.float32)
    if points <= _SHORT:
        seen = shadow.lit(np.ascontiguousarray(strands.points[:, 0]))
        return np.repeat(seen[:, None], points, axis=1)
    chosen = np.linspace(0, points - 1, _SHADOWED).astype(int)
    seen = shadow.lit(np.ascontiguousarray(strands.points[:, chosen]).reshape(-1, 3)).reshape(count, -1)
    position = np.interp(np.arange(points), chosen, np.arange(len(chosen)))
    low = np.minimum(position.astype(int), len(chosen) - 2)
    share = (position - low).astype(np.float32)
    return (seen[:, low] * (1 - share) + seen[:, low + 1] * share).astype(np.float32)


def light_strands(strands: Strands, posed: Posed, light: Light, shadow: ShadowMap | None) -> np.ndarray:
    """(N, K, 3) float32 linear radiance."""
    camera, lit = posed.camera, _lit(strands, shadow)
    flip = np.asarray(LIGHT_FLIP, np.float32)
    turn = np.ascontiguousarray((camera.rotation * flip[:, None]).astype(np.float32))
    shift = (camera.translation * flip).astype(np.float32)
    ambient = np.ascontiguousarray(light.ambient, np.float32)
    sky = ambient[[3, 1, 2]].mean(axis=1)  # where most of the surroundings' light comes from
    strength = float(np.linalg.norm(sky))
    sky = (sky / max(strength, 1e-6)).astype(np.float32)
    sky_color = (np.abs(ambient[[3, 1, 2]]).sum(axis=0) * 0.9).astype(np.float32)
    out = np.empty_like(strands.points)
    _shade(
        strands.points, strands.counts, strands.normals, strands.albedo, strands.occlusion, lit, turn, shift, ambient,
        light.key_direction.astype(np.float32), light.key_color.astype(np.float32), sky, sky_color,
        np.float32(strands.gloss), out,
    )  # fmt: skip
    return out


@numba.njit(cache=True, nogil=True, fastmath=_FLAGS)
def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = np.sqrt(x * x + y * y + z * z) + np.float32(1e-9)
    return x / length, y / length, z / length


@numba.njit(cache=True, nogil=True, fastmath=_FLAGS)
def _highlight(tx, ty, tz, hx, hy, hz, gate):
    """Strength of a hair's narrow and wide highlights about the half vector."""
    along = tx * hx + ty * hy + tz * hz
    across = max(np.float32(0.0), np.float32(1.0) - along * along)
    wide = across * across * across
    wide = wide * wide * gate
    narrow = wide * wide
    return narrow * narrow * narrow, wide


@numba.njit(cache=True, nogil=True, fastmath=_FLAGS)
def _shade(
    points, counts, normals, albedo, occlusion, lit, turn, shift, ambient, key, key_color, sky, sky_color, gloss, out
):
    """Kajiya and Kay's hair, with the surface beneath for the fall-off; vectors in the light frame."""
    for n in range(points.shape[0]):
        count = counts[n]
        nx0, ny0, nz0 = normals[n, 0], normals[n, 1], normals[n, 2]
        nx = turn[0, 0] * nx0 + turn[0, 1] * ny0 + turn[0, 2] * nz0
        ny = turn[1, 0] * nx0 + turn[1, 1] * ny0 + turn[1, 2] * nz0
        nz = turn[2, 0] * nx0 + turn[2, 1] * ny0 + turn[2, 2] * nz0
        for k in range(count):
            a, b = max(k - 1, 0), min(k + 1, count - 1)
            dx = points[n, b, 0] - points[n, a, 0]
            dy = points[n, b, 1] - points[n, a, 1]
            dz = points[n, b, 2] - points[n, a, 2]
            tx, ty, tz = _unit(
                turn[0, 0] * dx + turn[0, 1] * dy + turn[0, 2] * dz,
                turn[1, 0] * dx + turn[1, 1] * dy + turn[1, 2] * dz,
                turn[2, 0] * dx + turn[2, 1] * dy + turn[2, 2] * dz,
            )
            px, py, pz = points[n, k, 0], points[n, k, 1], points[n, k, 2]
            vx, vy, vz = _unit(
                -(turn[0, 0] * px + turn[0, 1] * py + turn[0, 2] * pz + shift[0]),
                -(turn[1, 0] * px + turn[1, 1] * py + turn[1, 2] * pz + shift[1]),
                -(turn[2, 0] * px + turn[2, 1] * py + turn[2, 2] * pz + shift[2]),
            )
            side = tx * nx + ty * ny + tz * nz
            ax, ay, az = _unit(nx - 0.6 * side * tx, ny - 0.6 * side * ty, nz - 0.6 * side * tz)
            facing = max(np.float32(0.0), (ax * key[0] + ay * key[1] + az * key[2] + 0.35) / 1.35)
            along = tx * key[0] + ty * key[1] + tz * key[2]
            direct = (0.3 + 0.7 * np.sqrt(max(np.float32(0.0), 1.0 - along * along))) * facing * lit[n, k]
            hx, hy, hz = _unit(vx + key[0], vy + key[1], vz + key[2])
            narrow, wide = _highlight(tx, ty, tz, hx, hy, hz, facing * lit[n, k])
            sx, sy, sz = _unit(vx + sky[0], vy + sky[1], vz + sky[2])
            open_sky = max(np.float32(0.0), ax * sky[0] + ay * sky[1] + az * sky[2]) * occlusion[n, k]
            sky_narrow, sky_wide = _highlight(tx, ty, tz, sx, sy, sz, open_sky)
            for c in range(3):
                around = (
                    ambient[0, c] + ambient[1, c] * ay + ambient[2, c] * az + ambient[3, c] * ax
                    + ambient[4, c] * ax * ay + ambient[5, c] * ay * az + ambient[6, c] * (3 * az * az - 1)
                    + ambient[7, c] * ax * az + ambient[8, c] * (ax * ax - ay * ay)
                )  # fmt: skip
                shine = key_color[c] * (0.05 * narrow + 0.6 * albedo[n, k, c] * wide)
                shine += sky_color[c] * (0.03 * sky_narrow + 0.5 * albedo[n, k, c] * sky_wide)
                body = max(around, np.float32(0.0)) * occlusion[n, k] + key_color[c] * direct
                out[n, k, c] = albedo[n, k, c] * body + gloss * shine * occlusion[n, k]


@numba.njit(cache=True, nogil=True, fastmath=_FLAGS)
def _blend(color, depth, cover, front, top, flat, counts, half, rgb, kinds, order, opacity, lift):
    """Every segment, scanned along its longer axis; half-open, so that neighbours never cover a pixel twice."""
    height, width = depth.shape
    for n in order:
        for k in range(counts[n] - 1):
            x0, y0, x1, y1 = flat[n, k, 0], flat[n, k, 1], flat[n, k + 1, 0], flat[n, k + 1, 1]
            steep = abs(y1 - y0) >= abs(x1 - x0)
            if not steep:
                x0, y0, x1, y1 = y0, x0, y1, x1
            run = y1 - y0
            if abs(run) < 1e-6 or max(flat[n, k, 2], flat[n, k + 1, 2]) <= 0.05:
                continue
            rows, columns = (height, width) if steep else (width, height)
            slant = np.sqrt(1.0 + ((x1 - x0) / run) ** 2)
            low, high = min(y0, y1), max(y0, y1)
            for row in range(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), rows)):
                t = (row - y0) / run
                wide = (half[n, k] * (1 - t) + half[n, k + 1] * t) * slant
                strength = opacity * min(np.float32(1.0), 2.0 * wide)
                wide = max(wide, np.float32(0.5))
                x = x0 + (x1 - x0) * t
                z = flat[n, k, 2] * (1 - t) + flat[n, k + 1, 2] * t
                first, last = max(int(np.ceil(x - wide - 0.5)), 0), min(int(np.floor(x + wide + 0.5)), columns - 1)
                for column in range(first, last + 1):
                    i, j = (row, column) if steep else (column, row)
                    if z > depth[i, j] + lift:
                        continue
                    alpha = min(np.float32(1.0), wide + 0.5 - abs(column - x)) * strength
                    for c in range(3):
                        shade = rgb[n, k, c] * (1 - t) + rgb[n, k + 1, c] * t
                        color[i, j, c] += (shade - color[i, j, c]) * alpha
                    cover[i, j] += (1 - cover[i, j]) * alpha
                    front[i, j] = min(front[i, j], z)
                    if alpha > 0.25:
                        top[i, j] = kinds[n]


def darken_beside(canvas: Canvas, solid: np.ndarray, cover: np.ndarray, posed: Posed) -> None:
    """The soft shadow that hair of a (H, W) cover throws on what is just beside it, where (H, W) `solid`."""
    factor = contact_shadow(cover, 1.5 * posed.camera.width / 192.0, 0.4)
    canvas.color *= np.where(solid & (cover < 0.5), factor, 1.0)[:, :, None]


def caster(strands: Strands, every: int = 8) -> Mesh:
    """A coarse mesh of flat ribbons that throws the shadow of the strands; it is never drawn itself."""
    points, radius = strands.points[::every], strands.radius[::every] * every * 0.6
    count, steps = points.shape[:2]
    used = np.minimum(np.arange(steps)[None], strands.counts[::every, None] - 1)
    points = np.take_along_axis(points, used[:, :, None], axis=1)
    side = np.cross(points[:, -1] - points[:, 0], strands.normals[::every])
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    wide = side[:, None] * radius[:, :, None]
    vertices = np.stack([points - wide, points + wide], axis=2).reshape(-1, 3).astype(np.float32)
    base = (np.arange(count)[:, None] * 2 * steps + 2 * np.arange(steps - 1)[None]).reshape(-1, 1)
    triangles = np.concatenate([base + [[0, 1, 2]], base + [[1, 3, 2]]]).astype(np.int32)
    return Mesh(vertices, triangles, vertices, unpainted, int(Label.HAIR))


def unpainted(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paint for a mesh that only throws a shadow."""
    return np.zeros((len(attributes), 3), np.float32), np.ones(len(attributes), np.float32)


def kinds_of(kind: Label, count: int) -> np.ndarray:
    """(count,) uint8 of one class."""
    return np.full(count, int(kind), np.uint8)
