"""From linear radiance to the file somebody would have sent: lens, sensor, development, compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import linear_to_srgb

_CURVE = np.arange(4096, dtype=np.float32) / 4095.0


@dataclass(frozen=True)
class Sensor:
    """One camera and one file; the same for a picture and its clean twin."""

    blur: float  # defocus, standard deviation in pixels of a 192 px picture
    motion: tuple[float, float]  # motion blur vector, pixels
    shrink: float  # resolution of the source over the picture's, at most 1
    shot_noise: float  # standard deviation at white, linear
    read_noise: float
    white_balance: np.ndarray  # (3,) float32 gains
    contrast: float  # exponent of an S-curve round middle grey; 1 is none
    lift: float  # black level in [0, 0.1]
    saturation: float
    grey: bool
    sharpen: float
    jpeg: int  # quality; 0 for none
    seed: int  # of the noise


def sample_sensor(rng: np.random.Generator) -> Sensor:
    """Television stills, phone pictures and studio portraits alike."""
    poor = rng.random() < 0.45
    motion = rng.normal(0, 2.2, 2) if rng.random() < 0.12 else np.zeros(2)
    balance = np.exp(rng.normal(0.0, 0.04, 3) + rng.normal(0.0, 0.09) * np.array([1, 0, -1]))
    return Sensor(
        blur=float(rng.uniform(0.5, 0.9) + (rng.exponential(0.5) if poor else 0.0)),
        motion=(float(motion[0]), float(motion[1])),
        shrink=float(rng.uniform(0.36, 0.95)) if poor else 1.0,
        shot_noise=float(min(rng.exponential(0.015), 0.06)),
        read_noise=float(min(rng.exponential(0.004), 0.02)),
        white_balance=(balance / balance.mean()).astype(np.float32),
        contrast=float(np.exp(rng.normal(0.1, 0.25))),
        lift=float(max(0.0, rng.normal(0.0, 0.03))),
        saturation=float(np.clip(rng.normal(1.0, 0.25), 0.2, 1.7)),
        grey=bool(rng.random() < 0.1),
        sharpen=float(min(rng.exponential(0.3), 1.2)) if rng.random() < 0.35 else 0.0,
        jpeg=int(rng.integers(25, 96)) if rng.random() < 0.85 else 0,
        seed=int(rng.integers(2**31)),
    )


def develop(linear: np.ndarray, sensor: Sensor) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a (H, W, 3) float32 linear picture whose white is 1."""
    scale = linear.shape[0] / 192.0
    image = _optics(linear, sensor, scale)
    noise = np.random.default_rng(sensor.seed).standard_normal(image.shape, dtype=np.float32)
    image = image + noise * np.sqrt(np.maximum(image, 0) * sensor.shot_noise**2 + sensor.read_noise**2)
    encoded = _tone(np.clip(image * sensor.white_balance, 0.0, 1.0), sensor)
    if sensor.sharpen:
        encoded = encoded + sensor.sharpen * (encoded - cv2.GaussianBlur(encoded, (0, 0), 1.2 * scale))
    result = np.clip(encoded * 255.0 + 0.5, 0, 255).astype(np.uint8)
    if sensor.jpeg:
        result = _compress(result, sensor.jpeg)
    if sensor.shrink < 1.0:
        result = cv2.resize(result, linear.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(result)


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """(H, W, 3) uint8 through JPEG."""
    data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)


def _optics(linear: np.ndarray, sensor: Sensor, scale: float) -> np.ndarray:
    image = cv2.GaussianBlur(np.minimum(linear, 4.0), (0, 0), sensor.blur * scale)
    length = float(np.hypot(*sensor.motion)) * scale
    if length > 1.0:
        side = int(length) | 1
        kernel = np.zeros((side + 2, side + 2), np.float32)
        middle, step = (side + 1) / 2, np.array(sensor.motion) / np.hypot(*sensor.motion) * side / 2
        a, b = (middle - step).round().astype(int), (middle + step).round().astype(int)
        cv2.line(kernel, a.tolist(), b.tolist(), 1.0, 1, cv2.LINE_AA)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if sensor.shrink < 1.0:
        size = max(24, round(linear.shape[1] * sensor.shrink))
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return image


def _tone(image: np.ndarray, sensor: Sensor) -> np.ndarray:
    """White-balanced linear [0, 1] to encoded [0, 1]: sRGB, S-curve, black level, saturation, grey."""
    curve = linear_to_srgb(_CURVE)
    low = curve < 0.5
    curve = np.where(low, 0.5 * (2 * curve) ** sensor.contrast, 1 - 0.5 * (2 - 2 * curve) ** sensor.contrast)
    curve = (sensor.lift + (1.0 - sensor.lift) * curve).astype(np.float32)
    encoded = curve[(image * 4095.0).astype(np.int32)]
    luma = encoded @ np.array([0.299, 0.587, 0.114], np.float32)
    if sensor.grey:
        return np.repeat(luma[:, :, None], 3, axis=2)
    return luma[:, :, None] + (encoded - luma[:, :, None]) * sensor.saturation
