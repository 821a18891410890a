"""Spherical-harmonics light and colour encoding, as docs/conventions.md defines them.

The light frame is the camera's with y and z flipped: x right, y up, z towards the camera.
"""

from __future__ import annotations

import cv2
import numpy as np

LIGHT_FLIP = np.array([1.0, -1.0, -1.0], np.float32)  # camera axes <-> light axes
# Clamped-cosine weight over pi by degree; each real harmonic's norm squared (Ramamoorthi & Hanrahan 2001)
_LOBE = np.array([1.0, 2.0 / 3.0, 0.25], np.float64)
_NORM2 = np.array(
    [1 / (4 * np.pi)]
    + [3 / (4 * np.pi)] * 3
    + [15 / (4 * np.pi), 15 / (4 * np.pi), 5 / (16 * np.pi), 15 / (4 * np.pi), 15 / (16 * np.pi)]
)


def basis(normals: np.ndarray) -> np.ndarray:
    """(..., 9) float32 `[1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2]` of (..., 3) unit normals, light frame."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    out = np.empty((*normals.shape[:-1], 9), np.float32)
    out[..., 0] = 1.0
    out[..., 1], out[..., 2], out[..., 3] = y, z, x
    out[..., 4], out[..., 5], out[..., 6] = x * y, y * z, 3.0 * z * z - 1.0
    out[..., 7], out[..., 8] = x * z, x * x - y * y
    return out


def camera_normals_to_light(normals: np.ndarray) -> np.ndarray:
    """(..., 3) normals from camera axes (OpenCV) to light axes, or back."""
    return normals * LIGHT_FLIP


def irradiance(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Irradiance at (..., 3) unit normals (light frame), at least 0.

    `light` is (9,) monochrome, giving (...), or (9, 3) one column per linear RGB channel, giving (..., 3).
    """
    return np.maximum(basis(normals) @ np.asarray(light, np.float32), 0.0)


def shade(albedo: np.ndarray, normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """(..., 3) linear RGB: (..., 3) linear albedo times the irradiance at (..., 3) normals, light frame."""
    amount = irradiance(normals, light)
    return albedo * (amount if np.ndim(light) == 2 else amount[..., None])


def srgb_to_linear(encoded: np.ndarray) -> np.ndarray:
    """sRGB-encoded [0, 1] (any shape) to linear float32."""
    c = np.asarray(encoded, np.float32)
    return np.where(c <= 0.04045, c / 12.92, ((np.maximum(c, 0.0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


LINEAR = srgb_to_linear(np.arange(256, dtype=np.float32) / 255.0)  # (256,) of each level


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear [0, 1] (any shape) to sRGB-encoded float32; clipped to [0, 1]."""
    c = np.clip(np.asarray(linear, np.float32), 0.0, 1.0)
    return np.where(c <= 0.0031308, c * 12.92, 1.055 * c ** (1 / 2.4) - 0.055).astype(np.float32)


def srgb_levels(linear: np.ndarray) -> np.ndarray:
    """(H, W) uint8 sRGB levels of linear float32 values, clipped to [0, 1]."""
    c = np.clip(linear, 0.0, 1.0)
    out = cv2.exp(cv2.log(np.maximum(c, 1e-6)) * (1.0 / 2.4))  # a power, in a tenth of its time
    out *= 1.055 * 255.0
    out -= 0.055 * 255.0 - 0.5
    np.copyto(out, c * (12.92 * 255.0) + 0.5, where=c <= 0.0031308)
    return out.astype(np.uint8)


def directional_light(direction: np.ndarray, strength: np.ndarray | float) -> np.ndarray:
    """Light coefficients of a distant lamp: (9,) for a scalar strength, (9, 3) for (3,) linear RGB.

    `direction` is (3,), from the surface towards the lamp, light frame. A surface facing the lamp receives
    `strength` (17/16 of it: nine harmonics smooth).
    """
    unit = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    coefficients = _project_weight() * basis(unit).astype(np.float64) * np.pi
    return np.multiply.outer(coefficients, np.asarray(strength, np.float64)).astype(np.float32)


def _project_weight() -> np.ndarray:
    """(9,) factor from `integral of radiance * basis` to coefficients of irradiance over pi."""
    return _NORM2 * np.repeat(_LOBE, [1, 3, 5])


def environment_directions(height: int, width: int) -> np.ndarray:
    """(H, W, 3) unit directions of an equirectangular map's pixels: row 0 is up (+y), the middle column -z.

    +x lies in the right half, so that the camera, which looks along -z, sees the map unmirrored.
    """
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = ((np.arange(width) + 0.5) / width - 0.5) * 2.0 * np.pi
    out = np.empty((height, width, 3), np.float64)
    out[..., 0] = np.sin(theta)[:, None] * np.sin(phi)
    out[..., 1] = np.cos(theta)[:, None]
    out[..., 2] = -np.sin(theta)[:, None] * np.cos(phi)
    return out


def light_from_environment(radiance: np.ndarray) -> np.ndarray:
    """(9, 3) light coefficients of a (H, W, 3) linear equirectangular map.

    White surroundings of radiance 1 give irradiance 1: the factor pi of a Lambertian surface is divided out.
    """
    height, width = radiance.shape[:2]
    directions = environment_directions(height, width)
    rows = np.sin((np.arange(height) + 0.5) / height * np.pi)
    solid_angle = rows * (np.pi / height) * (2.0 * np.pi / width)
    weighted = radiance.astype(np.float64) * solid_angle[:, None, None]
    moments = np.einsum("hwk,hwc->kc", basis(directions).astype(np.float64), weighted)
    return (_project_weight()[:, None] * moments).astype(np.float32)
