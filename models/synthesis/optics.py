"""What the lens does: defocus by depth, motion, bloom, colour fringes, vignetting."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_NEAR, _FAR = 0.12, 0.16  # metres before and behind the plane of focus that stay sharp


@dataclass(frozen=True)
class Optics:
    """One lens and one exposure; lengths in pixels of a 192 px picture."""

    blur: float  # overall softness, standard deviation
    far_blur: float  # of what lies well behind the face; 0 for none
    near_blur: float  # of what lies well before it
    motion: tuple[float, float]  # path during the exposure
    bloom: float  # share of the highlights' light that spreads
    fringe: float  # by how much red is larger and blue smaller than green, share of the picture
    vignette: float  # darkening of the corners


def sample_optics(rng: np.random.Generator, poor: bool, moving: bool) -> Optics:
    """A lens: `poor` ones are soft, `moving` allows defocus by depth and motion blur."""
    shallow = moving and rng.random() < 0.4
    shaken = moving and rng.random() < 0.16
    motion = rng.normal(0.0, 2.4, 2) if shaken else np.zeros(2)
    return Optics(
        blur=float(rng.uniform(0.35, 0.8) + (min(rng.exponential(0.4), 1.6) if poor else 0.0)),
        far_blur=float(rng.uniform(1.0, 7.0)) if shallow else 0.0,
        near_blur=float(rng.uniform(0.6, 4.0)) if shallow else 0.0,
        motion=(float(motion[0]), float(motion[1])),
        bloom=float(rng.uniform(0.05, 0.35)) if rng.random() < 0.15 else 0.0,
        fringe=float(rng.normal(0.0, 0.003)) if rng.random() < 0.12 else 0.0,
        vignette=float(rng.uniform(0.1, 0.6)) if rng.random() < 0.18 else 0.0,
    )


def through_lens(linear: np.ndarray, optics: Optics, depth: np.ndarray | None, focus: float) -> np.ndarray:
    """(H, W, 3) float32 linear light on the sensor.

    `depth` is (H, W) metres, infinity for the background; `focus` the distance that is sharp, metres.
    """
    scale = linear.shape[1] / 192.0
    image = np.minimum(linear, 6.0)
    if depth is not None and optics.far_blur:
        image = _defocus(image, optics, depth, focus, scale)
    image = cv2.GaussianBlur(image, (0, 0), optics.blur * scale)
    if np.hypot(*optics.motion) * scale > 1.0:
        image = cv2.filter2D(image, -1, motion_kernel(optics.motion, scale))
    if optics.bloom:
        glow = cv2.GaussianBlur(np.maximum(image - np.float32(0.7), 0.0), (0, 0), 7.0 * scale)
        image = image + np.float32(optics.bloom) * glow
    if optics.fringe:
        image = _fringe(image, optics.fringe)
    if optics.vignette:
        image = image * _corners(image.shape[0], image.shape[1], optics.vignette)[:, :, None]
    return image


def _defocus(image: np.ndarray, optics: Optics, depth: np.ndarray, focus: float, scale: float) -> np.ndarray:
    """Blur what lies behind, without letting the head bleed into it, then what lies before."""
    behind = (depth > focus + _FAR).astype(np.float32)
    if behind.any():
        sigma = optics.far_blur * scale
        total = cv2.GaussianBlur(image * behind[:, :, None], (0, 0), sigma)
        weight = cv2.GaussianBlur(behind, (0, 0), sigma)
        soft = total / np.maximum(weight, 1e-3)[:, :, None]
        edge = cv2.GaussianBlur(behind, (0, 0), 0.5 * scale)[:, :, None]
        image = np.where(behind[:, :, None] > 0, image + (soft - image) * edge, image)
    before = (depth < focus - _NEAR).astype(np.float32)
    if before.any():
        sigma = optics.near_blur * scale
        total = cv2.GaussianBlur(image * before[:, :, None], (0, 0), sigma)
        weight = cv2.GaussianBlur(before, (0, 0), sigma)[:, :, None]
        image = image * (1.0 - weight) + total
    return image.astype(np.float32)


def motion_kernel(motion: tuple[float, float], scale: float) -> np.ndarray:
    """(k, k) float32 kernel of mean shift 0: a line along `motion` pixels times `scale`."""
    length = float(np.hypot(*motion)) * scale
    side = int(length) | 1
    kernel = np.zeros((side + 2, side + 2), np.float32)
    middle, step = (side + 1) / 2, np.array(motion) / np.hypot(*motion) * side / 2
    a, b = (middle - step).round().astype(int), (middle + step).round().astype(int)
    cv2.line(kernel, a.tolist(), b.tolist(), 1.0, 1, cv2.LINE_AA)
    return kernel / kernel.sum()


def _fringe(image: np.ndarray, amount: float) -> np.ndarray:
    """Red larger and blue smaller than green, about the middle."""
    height, width = image.shape[:2]
    channels = list(cv2.split(image))
    for channel, zoom in ((0, 1.0 + amount), (2, 1.0 - amount)):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0.0, zoom)
        channels[channel] = cv2.warpAffine(channels[channel], matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return cv2.merge(channels)


def _corners(height: int, width: int, amount: float) -> np.ndarray:
    """(H, W) float32 factor that falls towards the corners."""
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
    return 1.0 - np.float32(amount) * ((x * x + y * y) / 2.0) ** 1.5
