"""From linear radiance to the file somebody would have sent: lens, sensor, development, compression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .compression import Coding, coded, sample_coding, shrunk
from .optics import Optics, sample_optics, through_lens
from .tones import Noise, Tones, age_film, sample_tones, tone

_POOL = 640  # pixels of the noise pool
_DARK = ("dim", "candle", "stage")  # kinds of light in which cameras turn up their gain


@dataclass(frozen=True, eq=False)
class Sensor:
    """One camera and one file; the same for a picture and its clean twin."""

    optics: Optics
    shot_noise: float  # standard deviation at white, linear
    read_noise: float  # at black
    chroma_noise: float  # coarse colour noise over the other
    banding: float  # of the rows, standard deviation, linear
    tones: Tones
    old_film: bool
    coding: Coding
    seed: int  # of the noise


def sample_sensor(rng: np.random.Generator, light_kind: str = "map", moving: bool = True) -> Sensor:
    """Television stills, phone pictures and studio portraits alike; little light makes noise."""
    poor = bool(rng.random() < 0.45)
    gain = rng.uniform(1.0, 2.2) if light_kind in _DARK else 1.0
    old = bool(rng.random() < 0.015)
    return Sensor(
        optics=sample_optics(rng, poor, moving),
        shot_noise=float(min(rng.exponential(0.016) * gain, 0.08)) + 0.03 * old,
        read_noise=float(min(rng.exponential(0.003) * gain, 0.014)),
        chroma_noise=float(rng.uniform(0.1, 0.9)),
        banding=float(rng.exponential(0.004)) * gain if rng.random() < 0.08 else 0.0,
        tones=sample_tones(rng, light_kind == "stage"),
        old_film=old,
        coding=sample_coding(rng, poor),
        seed=int(rng.integers(2**31)),
    )


def develop(linear: np.ndarray, sensor: Sensor, depth: np.ndarray | None = None, focus: float = 1.0) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a (H, W, 3) float32 linear picture whose white is 1.

    With the (H, W) float32 `depth` in metres, infinity where there is only background, what lies away from the
    distance `focus` is out of focus.
    """
    height, width = linear.shape[:2]
    rng = np.random.default_rng(sensor.seed)
    light = shrunk(through_lens(linear, sensor.optics, depth, focus), sensor.coding)
    encoded = tone(light, _noise(light.shape[0], light.shape[1], sensor, rng), sensor.tones)
    if sensor.old_film:
        encoded = age_film(encoded, rng)
    image = cv2.convertScaleAbs(np.clip(encoded, 0.0, 1.0), alpha=255.0)
    return np.ascontiguousarray(coded(image, sensor.coding, width, height))


@lru_cache(maxsize=1)
def _pool() -> tuple[np.ndarray, np.ndarray]:
    """(640, 640, 3) fine noise and (640, 640, 3) coarse colour noise, mean 0, deviation 1."""
    rng = np.random.default_rng(11)
    fine = rng.standard_normal((_POOL, _POOL, 3), dtype=np.float32)
    coarse = cv2.GaussianBlur(rng.standard_normal((_POOL, _POOL, 3), dtype=np.float32), (0, 0), 1.3)
    coarse -= coarse.mean(axis=2, keepdims=True)
    return fine, coarse / coarse.std()


def _window(field: np.ndarray, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A random cut of a noise field, repeated where the picture is larger."""
    row, column = (int(v) for v in rng.integers(0, _POOL // 4, 2))
    cut = field[row : row + height, column : column + width]
    if cut.shape[:2] != (height, width):
        cut = np.pad(cut, ((0, height - cut.shape[0]), (0, width - cut.shape[1]), (0, 0)), mode="wrap")
    return cut


def _noise(height: int, width: int, sensor: Sensor, rng: np.random.Generator) -> Noise:
    fine, coarse = _pool()
    rows = np.zeros(height, np.float32)
    if sensor.banding:
        rows = rng.normal(0.0, sensor.banding, height).astype(np.float32)
    return Noise(
        fine=_window(fine, rng, height, width),
        coarse=_window(coarse, rng, height, width),
        rows=rows,
        chroma=sensor.chroma_noise,
        shot=sensor.shot_noise,
        read=sensor.read_noise,
    )
