"""Compiled light: harmonics of the surroundings, one key lamp, a Blinn-Phong highlight, a shadow map's answer."""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import FAST
from .light import Light

FRESNEL = 0.028  # reflectance of skin, hair and most cloth seen head-on


def shade(
    albedo: np.ndarray,
    normals: np.ndarray,
    towards_eye: np.ndarray,
    light: Light,
    lit: np.ndarray,
    occlusion: np.ndarray,
    gloss: np.ndarray,
    sharpness: np.ndarray | float,
    wrap: np.ndarray | float = 0.0,
) -> np.ndarray:
    """(N, 3) float32 linear radiance of N points; vectors in the light frame, unit length.

    `lit` (N,) is the share of the key lamp seen, `occlusion` (N,) that of the surroundings, `gloss` (N,) the strength
    of the highlight (1 is skin), `sharpness` its Blinn-Phong exponent, `wrap` (3,) how far each channel's light
    creeps past the terminator.
    """
    count = len(normals)
    return _shade(
        _plain(albedo),
        _plain(normals),
        _plain(towards_eye),
        _plain(light.ambient),
        _plain(light.key_direction),
        _plain(light.key_color),
        _plain(np.broadcast_to(lit, count)),
        _plain(np.broadcast_to(occlusion, count)),
        _plain(np.broadcast_to(gloss, count)),
        _plain(np.broadcast_to(np.asarray(sharpness, np.float32), count)),
        _plain(np.broadcast_to(np.asarray(wrap, np.float32), 3)),
    )


def _plain(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float32)


@njit(cache=True, nogil=True, fastmath=FAST, inline="always")
def harmonics(light: np.ndarray, channel: int, x: float, y: float, z: float) -> float:
    """Irradiance over pi of one channel of (9, 3) coefficients at a unit normal, at least 0."""
    value = light[0, channel] + light[1, channel] * y + light[2, channel] * z + light[3, channel] * x
    value += light[4, channel] * x * y + light[5, channel] * y * z + light[6, channel] * (3.0 * z * z - 1.0)
    value += light[7, channel] * x * z + light[8, channel] * (x * x - y * y)
    return max(value, np.float32(0.0))


@njit(cache=True, nogil=True, fastmath=FAST)
def _shade(
    albedo: np.ndarray, normals: np.ndarray, towards_eye: np.ndarray, ambient: np.ndarray, key: np.ndarray,
    key_color: np.ndarray, lit: np.ndarray, occlusion: np.ndarray, gloss: np.ndarray, sharpness: np.ndarray,
    wrap: np.ndarray,
) -> np.ndarray:  # fmt: skip
    out = np.empty(albedo.shape, np.float32)
    for row in range(albedo.shape[0]):
        x, y, z = normals[row, 0], normals[row, 1], normals[row, 2]
        vx, vy, vz = towards_eye[row, 0], towards_eye[row, 1], towards_eye[row, 2]
        facing = x * key[0] + y * key[1] + z * key[2]
        across = x * vx + y * vy + z * vz
        highlight = np.float32(0.0)
        if facing > 0.0 and lit[row] > 0.0:
            hx, hy, hz = vx + key[0], vy + key[1], vz + key[2]
            length = max(np.sqrt(hx * hx + hy * hy + hz * hz), np.float32(1e-6))
            cosine = max((x * hx + y * hy + z * hz) / length, np.float32(0.0))
            peak = (sharpness[row] + 8.0) / 25.0  # energy-conserving over pi
            highlight = FRESNEL * gloss[row] * peak * cosine ** sharpness[row] * lit[row]
        slant = min(max(1.0 - across, 0.0), 1.0)
        mirror = (FRESNEL + 0.2 * slant**5) * gloss[row] * occlusion[row]
        mx, my, mz = 2.0 * across * x - vx, 2.0 * across * y - vy, 2.0 * across * z - vz
        for k in range(3):
            direct = max((facing + wrap[k]) / (1.0 + wrap[k]), 0.0) * lit[row] * key_color[k]
            around = harmonics(ambient, k, x, y, z) * occlusion[row]
            value = albedo[row, k] * (around + direct) + highlight * key_color[k]
            out[row, k] = value + mirror * harmonics(ambient, k, mx, my, mz)
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def shadow_share(local: np.ndarray, depth: np.ndarray, bias: float, softness: float) -> np.ndarray:
    """(N,) float32: share of five taps of a (S, S) depth map that (N, 3) points (its pixels, its depth) lie before."""
    size = depth.shape[0]
    out = np.empty(local.shape[0], np.float32)
    for row in range(local.shape[0]):
        total = 0.0
        for tap in range(5):
            dx = softness if tap == 2 or tap == 4 else (-softness if tap > 0 else 0.0)
            dy = softness if tap >= 3 else (-softness if tap > 0 else 0.0)
            column = int(min(max(local[row, 0] + dx + 0.5, 0.0), size - 1.0))
            line = int(min(max(local[row, 1] + dy + 0.5, 0.0), size - 1.0))
            total += 1.0 if local[row, 2] < depth[line, column] + bias else 0.0
        out[row] = total / 5.0
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def directions_to_eye(
    rows: np.ndarray, columns: np.ndarray, center_x: float, center_y: float, focal: float
) -> np.ndarray:
    """(N, 3) float32 unit vectors from the surface at pixels towards the camera, light frame."""
    out = np.empty((rows.shape[0], 3), np.float32)
    for row in range(rows.shape[0]):
        x, y = -(columns[row] - center_x) / focal, (rows[row] - center_y) / focal
        scale = 1.0 / np.sqrt(x * x + y * y + 1.0)
        out[row, 0], out[row, 1], out[row, 2] = x * scale, y * scale, scale
    return out
