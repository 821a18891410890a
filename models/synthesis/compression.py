"""What storing and sending do: scaling, JPEG, video coding, interlacing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .chance import pick

_DOWN = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST)
_UP = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)


@dataclass(frozen=True)
class Coding:
    """How one picture was stored."""

    shrink: float  # resolution of the source over the picture's, at most 1
    down: int  # OpenCV's interpolation on the way down
    up: int  # and on the way up
    qualities: tuple[int, ...]  # JPEG qualities, one pass each
    thin_color: bool  # colour at half the resolution
    offset: tuple[int, int]  # of the blocks' grid, pixels
    deblock: bool  # blocks smoothed, as video decoders do
    interlace: float  # pixels by which every second row is moved


def sample_coding(rng: np.random.Generator, poor: bool) -> Coding:
    """`poor` pictures come from small or hard-pressed sources."""
    video = poor and rng.random() < 0.45
    passes = 1 + int(rng.random() < 0.2)
    low, high = (14, 55) if video else (35, 97)
    coded = video or rng.random() < 0.85
    return Coding(
        shrink=float(np.exp(rng.uniform(np.log(0.28), np.log(0.95)))) if poor else 1.0,
        down=int(pick(rng, _DOWN, [0.65, 0.25, 0.1])),
        up=int(pick(rng, _UP, [0.5, 0.35, 0.03, 0.12])),
        qualities=tuple(int(q) for q in rng.integers(low, high, passes)) if coded else (),
        thin_color=bool(video or rng.random() < 0.6),
        offset=(int(rng.integers(8)), int(rng.integers(8))),
        deblock=bool(video and rng.random() < 0.7),
        interlace=float(rng.normal(0.0, 1.5)) if video and rng.random() < 0.08 else 0.0,
    )


def shrunk(image: np.ndarray, coding: Coding) -> np.ndarray:
    """The (h, w, 3) picture at its source's resolution."""
    if coding.shrink >= 1.0:
        return image
    size = (max(24, round(image.shape[1] * coding.shrink)), max(24, round(image.shape[0] * coding.shrink)))
    if coding.down != cv2.INTER_AREA:  # sampled: the optics before it keep it from aliasing wholly
        image = cv2.GaussianBlur(image, (0, 0), 0.3 / coding.shrink)
    return cv2.resize(image, size, interpolation=coding.down)


def coded(image: np.ndarray, coding: Coding, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 of a (h, w, 3) uint8 picture, stored, read and brought to its shown size."""
    if coding.interlace:
        shift = np.array([[1, 0, coding.interlace], [0, 1, 0]], np.float32)
        moved = cv2.warpAffine(image, shift, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        image = image.copy()
        image[1::2] = moved[1::2]
    for quality in coding.qualities:
        image = _jpeg(image, quality, coding)
    if coding.deblock:
        image = cv2.addWeighted(cv2.blur(image, (3, 3)), 0.45, image, 0.55, 0.0)
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=coding.up)
    return image


def _jpeg(image: np.ndarray, quality: int, coding: Coding) -> np.ndarray:
    """(h, w, 3) uint8 through JPEG with the blocks' grid moved by the offset."""
    right, down = coding.offset
    framed = cv2.copyMakeBorder(image, down, 0, right, 0, cv2.BORDER_REPLICATE)
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if coding.thin_color else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, int(sampling)]
    data = cv2.imencode(".jpg", cv2.cvtColor(framed, cv2.COLOR_RGB2BGR), options)[1]
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return image if decoded is None else decoded[down:, right:]
