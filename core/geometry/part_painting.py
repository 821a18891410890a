"""Colours of what a photo does not show well: the inside of the mouth, the hair's roots on the scalp, pores."""

from __future__ import annotations

import cv2
import numpy as np

from .delighting import smoothstep
from .face_model import FaceModel
from .uv_sampling import TexelMap, sample


def mouth_shadow(model: FaceModel) -> np.ndarray:
    """(V,) factor that darkens the inside of the mouth with its depth behind the lips; 1 elsewhere."""
    lips = model.in_regions("upper_lip", "lower_lip")
    inside = model.in_regions("mouth_bag")
    for name in ("gums", "tongue"):
        inside |= model.vertex_part == model.part(name)
    if not lips.any():
        return np.ones(len(model.vertices), np.float32)
    depth = model.vertices[lips, 2].max() - model.vertices[:, 2]
    return np.where(inside, 1.0 - 0.75 * smoothstep(depth, 0.015, 0.060), 1.0).astype(np.float32)


def hair_strands(model: FaceModel, texels: TexelMap) -> np.ndarray:
    """(M,) float32 about 0: brightness of roots combed back from the forehead, for the scalp's texels."""
    position = texels.interpolate(model.vertices)
    middle = model.vertices[model.vertex_part == model.part("skin")].mean(axis=0)
    across = np.arctan2(position[:, 0] - middle[0], position[:, 1] - middle[1]) / (2 * np.pi) + 0.5
    along = position[:, 2] / 0.25 + 0.5
    rng = np.random.default_rng(11)
    total = np.zeros(len(position), np.float32)
    for width, length, strength in ((1400, 14, 0.16), (500, 8, 0.12), (90, 5, 0.08)):
        noise = cv2.GaussianBlur(rng.normal(size=(length, width)).astype(np.float32), (0, 0), 0.8)
        spots = np.stack([across * (width - 1), along * (length - 1)], axis=1)
        total += strength / noise.std() * sample(noise, spots)
    return np.clip(total, -0.6, 0.8)


def pores(texels: TexelMap) -> np.ndarray:
    """(M,) float32 noise of deviation 1 as fine as the skin's grain, one value per texel."""
    rng = np.random.default_rng(5)
    shape = texels.shape
    total = np.zeros(shape, np.float32)
    for sigma, strength in ((0.7, 1.0), (1.8, 0.35)):
        noise = cv2.GaussianBlur(rng.normal(size=shape).astype(np.float32), (0, 0), sigma)
        total += strength * noise / noise.std()
    return (total / total.std()).ravel()[texels.index]


def robust_color(pixels: np.ndarray) -> np.ndarray | None:
    """(3,) middle of (N, 3) pixels without the darkest fifth (pupil, lashes) and the brightest (glints)."""
    if len(pixels) < 12:
        return None
    brightness = pixels.sum(axis=1)
    low, high = np.quantile(brightness, [0.2, 0.8])
    kept = pixels[(brightness >= low) & (brightness <= high)]
    return np.median(kept, axis=0).astype(np.float32)
