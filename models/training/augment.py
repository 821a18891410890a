"""Label-preserving changes of uint8 pictures, made for loader threads: OpenCV calls that release the interpreter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Strength:
    """How often each change happens."""

    color: float = 0.7
    grey: float = 0.12
    blur: float = 0.2
    coarse: float = 0.2  # shrunk and enlarged again
    noise: float = 0.3
    jpeg: float = 0.15
    shade: float = 0.0  # one side darker, as under hard light
    video: float = 0.0  # shrunk, compressed at that size, enlarged: a frame of an old video
    coarsest: float = 0.25  # least share of its size to which a picture is shrunk


@dataclass(frozen=True)
class Jitter:
    """Spread of the crop round its true place, as the detector's and the first round's errors move it."""

    degrees: float = 7.0
    log_scale: float = 0.08
    shift: float = 0.04  # crop sides


# Of a shadow in an eye socket: how dark its middle is, half its width over the eye's, its height over its width, how
# steeply it ends.
SOCKET_DEPTH, SOCKET_SIZE, SOCKET_HEIGHT, SOCKET_EDGE = (0.15, 0.7), (1.1, 1.9), (0.55, 0.95), (0.8, 2.5)

_NOISE = np.random.default_rng(7).normal(0.0, 1.0, (640, 640, 3)).astype(np.float32)


def photometric(image: np.ndarray, rng: np.random.Generator, strength: Strength) -> np.ndarray:
    """(H, W, 3) uint8 with changed colour, sharpness, noise and compression."""
    draw = rng.random(8)
    if draw[6] < strength.shade:
        image = _shade(image, rng)
    if draw[0] < strength.color:
        image = _recolor(image, rng)
    if draw[1] < strength.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if draw[2] < strength.blur:
        image = _blur(image, rng)
    if draw[3] < strength.coarse:
        image = _coarsen(image, rng, strength.coarsest)
    if draw[4] < strength.noise:
        image = _add_noise(image, rng)
    if draw[5] < strength.jpeg:
        image = _compress(image, rng)
    if draw[7] < strength.video:
        image = _as_video(image, rng)
    return image


def _recolor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, gamma and white balance by a table; saturation by a matrix."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255.0
    gamma = np.exp(rng.normal(0.0, 0.25))
    gain = np.exp(rng.normal(0.0, 0.18) + rng.normal(0.0, 0.06, 3)).astype(np.float32)
    contrast = np.exp(rng.normal(0.0, 0.2))
    table = (levels**gamma * gain - 0.5) * contrast + 0.5 + rng.normal(0.0, 0.06)
    image = cv2.LUT(image, (table.clip(0.0, 1.0) * 255.0).astype(np.uint8)[None])
    if rng.random() < 0.5:
        keep = np.float32(np.exp(rng.normal(0.0, 0.35)))
        mix = np.eye(3, dtype=np.float32) * keep + np.float32((1.0 - keep) / 3.0)
        image = cv2.transform(image, mix)
    return image


def _shade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A soft ramp of light across the picture."""
    height, width = image.shape[:2]
    angle, middle, width_of_ramp = rng.uniform(0.0, 2.0 * np.pi), rng.normal(0.0, 0.25), rng.uniform(0.1, 0.8)
    x = np.linspace(-1.0, 1.0, width, dtype=np.float32) * np.float32(np.cos(angle))
    y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    ramp = 1.0 / (1.0 + np.exp(-((x + y - middle) / width_of_ramp) * 4.0))
    low, high = rng.uniform(0.25, 0.9), rng.uniform(0.9, 1.4)
    gain = (low + (high - low) * ramp).astype(np.float32)
    return (image * gain[..., None]).clip(0.0, 255.0).astype(np.uint8)


def _blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    reach = len(image) / 128.0
    if rng.random() < 0.6:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8) * reach)
    length = max(int(rng.integers(3, 8) * reach), 1)
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0.0, np.pi), (length - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [tuple(round(float(v)) for v in middle + sign * step) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _coarsen(image: np.ndarray, rng: np.random.Generator, least: float) -> np.ndarray:
    height, width = image.shape[:2]
    factor = rng.uniform(least, 0.8)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    return cv2.resize(small, (width, height), interpolation=how)


def _as_video(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    factor = rng.uniform(0.3, 0.9)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(_compress(small, rng), (width, height), interpolation=cv2.INTER_LINEAR)


def _add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    y, x = rng.integers(0, 640 - height), rng.integers(0, 640 - width)
    grain = _NOISE[y : y + height, x : x + width] * np.float32(rng.uniform(2.0, 14.0))
    return cv2.add(image, grain, dtype=cv2.CV_8U)


def _compress(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    quality = int(rng.integers(20, 80))
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return image if decoded is None else decoded


def jittered(matrix: np.ndarray, size: int, rng: np.random.Generator, jitter: Jitter) -> np.ndarray:
    """A (2, 3) crop matrix turned, scaled and shifted a little about the crop's centre."""
    angle = np.deg2rad(np.clip(rng.standard_normal() * jitter.degrees, -30.0, 30.0))
    scale = np.exp(rng.normal(0.0, jitter.log_scale))
    shift = rng.normal(0.0, jitter.shift, 2) * size
    middle = (size - 1) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    out = turn @ matrix
    out[:, 2] += middle + shift - turn @ [middle, middle]
    return out


def cover(image: np.ndarray, rng: np.random.Generator, filler: np.ndarray) -> np.ndarray:
    """Paste a soft-edged random ellipse or box of `filler` (same shape) in place; returns its (H, W) bool mask."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    center = (int(rng.integers(0, width)), int(rng.integers(0, height)))
    axes = (int(rng.uniform(0.06, 0.3) * width), int(rng.uniform(0.06, 0.3) * height))
    if rng.random() < 0.5:
        cv2.ellipse(mask, center, axes, rng.uniform(0, 180), 0, 360, 255, -1)
    else:
        corners = cv2.boxPoints((center, (axes[0] * 2, axes[1] * 2), rng.uniform(0, 90)))
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 255)
    soft = cv2.blur(mask, (3, 3)).astype(np.uint16)[..., None]
    image[:] = ((image * (255 - soft) + filler * soft) // 255).astype(np.uint8)
    return mask > 127


def shade_sockets(
    image: np.ndarray, eyes: Iterable[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator
) -> np.ndarray:
    """(H, W, 3) uint8 with both eye sockets in shadow, as under light from above: it must not pass for glasses.

    `eyes` are, for either eye, the (2,) middle of its socket and the (2,) half of its width along the eye, pixels.
    """
    height, width = image.shape[:2]
    gain, depth = np.ones((height, width), np.float32), rng.uniform(*SOCKET_DEPTH)
    size, tall, edge = rng.uniform(*SOCKET_SIZE), rng.uniform(*SOCKET_HEIGHT), rng.uniform(*SOCKET_EDGE)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    for middle, half in eyes:
        reach = size * max(float(half @ half), 1.0)
        along = ((x - middle[0]) * half[0] + (y - middle[1]) * half[1]) / reach
        across = ((y - middle[1]) * half[0] - (x - middle[0]) * half[1]) / (reach * tall)
        gain *= (1.0 - depth * np.exp(-((along**2 + across**2) ** edge))).astype(np.float32)
    return (image * gain[..., None]).astype(np.uint8)


def plain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 as large as `image`: one random colour, slightly noisy."""
    color = rng.integers(0, 256, 3) + rng.normal(0.0, 12.0, image.shape)
    return color.clip(0, 255).astype(np.uint8)
