"""What is behind the head: views into environment maps, rooms, gradients, noise, shapes; sharp to blurred."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick


def sample_background(
    rng: np.random.Generator,
    maps: Sequence[np.ndarray],
    map_index: int,
    turn: float,
    size: int,
    use_map: bool | None = None,
) -> np.ndarray:
    """(size, size, 3) float32 linear radiance; its mean is about a face's. `use_map` None: by chance."""
    if use_map is None:
        use_map = bool(rng.random() < 0.45)
    kind = pick(rng, ["room", "gradient", "noise", "shapes"], [0.45, 0.3, 0.1, 0.15])
    if use_map:
        image = _view(rng, maps, map_index, turn, size)
    else:
        painter = {"room": _room, "gradient": _gradient, "noise": _noise, "shapes": _shapes}[kind]
        image = srgb_to_linear(np.clip(painter(rng, size), 0.0, 1.0))
    sigma = size * pick(rng, [0.0, rng.uniform(0.002, 0.01), rng.uniform(0.01, 0.05)], [0.35, 0.35, 0.3])
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.3 else image


def _view(rng: np.random.Generator, maps: Sequence[np.ndarray], map_index: int, turn: float, size: int) -> np.ndarray:
    """A perspective look into an environment map, mostly the one that lights the face."""
    if rng.random() < 0.5:
        map_index, turn = int(rng.integers(len(maps))), float(rng.random())
    panorama = maps[map_index]
    height, width = panorama.shape[:2]
    half = np.tan(np.radians(rng.uniform(15, 52)))
    steps = np.linspace(-half, half, size, dtype=np.float32)
    rise = -steps + np.float32(rng.normal(0.0, 0.2))
    turned = (np.arctan(steps) / (2 * np.pi) + 0.5 - turn + rng.normal(0, 0.03)) % 1.0 * width
    column = np.broadcast_to(turned.astype(np.float32), (size, size))
    row = (0.5 - np.arctan(rise[:, None] / np.sqrt(1 + steps * steps)) / np.pi) * height
    image = cv2.remap(
        panorama, np.ascontiguousarray(column), row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    level = np.exp(rng.normal(np.log(0.22), 0.7))
    return np.minimum(image * (level / max(float(np.median(image[::4, ::4])), 1e-4)), 3.0)


def _color(rng: np.random.Generator) -> np.ndarray:
    """(3,) sRGB colour in [0, 1], more often dull than vivid."""
    value, saturation = rng.beta(1.2, 1.4), rng.beta(1.0, 2.5)
    return (value * (1.0 - saturation * rng.random(3))).astype(np.float32)


def _ramp(rng: np.random.Generator, size: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    return (x * np.cos(angle) + y * np.sin(angle) + 0.5).astype(np.float32)


def _gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    ramp = _ramp(rng, size)
    if rng.random() < 0.4:  # a lit studio backdrop
        y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
        center = rng.uniform(0.2, 0.8, 2)
        ramp = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / rng.uniform(0.1, 0.6))
    return _color(rng) * ramp[:, :, None] + _color(rng) * (1.0 - ramp[:, :, None])


def _noise(rng: np.random.Generator, size: int) -> np.ndarray:
    image = np.zeros((size, size, 3), np.float32)
    for octave in range(1, 6):
        cells = 2**octave + 1
        layer = rng.random((cells, cells, 3), dtype=np.float32)
        image += cv2.resize(layer, (size, size), interpolation=cv2.INTER_CUBIC) * (0.6**octave)
    grey = image.mean(axis=2, keepdims=True)
    return _color(rng) + (grey + (image - grey) * rng.uniform(0, 0.8) - 0.7) * rng.uniform(0.2, 1.0)


def _shapes(rng: np.random.Generator, size: int) -> np.ndarray:
    image = np.full((size, size, 3), _color(rng), np.float32)
    for _ in range(rng.integers(4, 24)):
        color = _color(rng).tolist()
        points = (rng.random((rng.integers(3, 6), 2)) * size * 1.4 - size * 0.2).astype(np.int32)
        if rng.random() < 0.4:
            axes = (rng.random(2) * size * 0.25 + 2).astype(int).tolist()
            cv2.ellipse(image, points[0].tolist(), axes, rng.uniform(0, 180), 0, 360, color, -1, cv2.LINE_AA)
        else:
            cv2.fillPoly(image, [cv2.convexHull(points)], color, cv2.LINE_AA)
    return image


def _room(rng: np.random.Generator, size: int) -> np.ndarray:
    """A wall with panels, shelves, frames, windows, curtains or lettering: straight edges at a few depths."""
    wall = _color(rng)
    image = wall * (0.75 + 0.5 * _ramp(rng, size)[:, :, None])
    if rng.random() < 0.4:  # curtain, slats, panelling
        period = size / rng.uniform(3, 25)
        phase = np.arange(size, dtype=np.float32) / period
        stripes = (0.5 + 0.5 * np.sin(2 * np.pi * phase)) ** rng.uniform(0.3, 3)
        stripes = stripes[None, :, None] if rng.random() < 0.7 else stripes[:, None, None]
        image = image * (1 - 0.4 * stripes)
    for _ in range(rng.integers(1, 9)):
        x0, y0 = (rng.random(2) * size * 1.2 - size * 0.2).astype(int)
        w, h = (size * rng.uniform(0.05, 0.6, 2)).astype(int)
        cv2.rectangle(image, (x0, y0), (x0 + w, y0 + h), _color(rng).tolist(), -1)
        if rng.random() < 0.6:
            edge = (_color(rng) * rng.uniform(0.3, 1)).tolist()
            cv2.rectangle(image, (x0, y0), (x0 + w, y0 + h), edge, int(rng.integers(1, 5)))
        if rng.random() < 0.25:
            write_text(rng, image, (int(x0), int(y0 + h)), _color(rng))
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, 6), rng.uniform(1.1, 1.6))
    return cv2.warpAffine(image, turn, (size, size), borderMode=cv2.BORDER_REFLECT)


def write_text(rng: np.random.Generator, image: np.ndarray, corner: tuple[int, int], color: np.ndarray) -> None:
    """Put a random word on a (H, W, 3) float32 picture, in place."""
    word = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUVWXYZ0123456789 "), rng.integers(2, 12)))
    cover = np.zeros(image.shape[:2], np.uint8)
    scale = image.shape[0] / 192 * rng.uniform(0.35, 1.6)
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX]))
    cv2.putText(cover, word, corner, font, scale, 255, max(1, round(2 * scale)), cv2.LINE_AA)
    blend = cover[:, :, None] / np.float32(255.0)
    image += (color - image) * blend


def plain_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) float32 linear: one colour, a gradient, noise or shapes, for things before the face."""
    painter = (_gradient, _noise, _shapes, _room)[pick(rng, 4, [0.45, 0.25, 0.15, 0.15])]
    return srgb_to_linear(np.clip(painter(rng, size), 0.0, 1.0))
