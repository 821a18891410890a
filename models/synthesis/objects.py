"""Flat things before the face, drawn in the picture: phones, cups, microphones, blobs, strands, banners, borders."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .background import plain_texture, write_text
from .labels import Occluder

KINDS = ("card", "cup", "microphone", "blob", "strands", "banner", "border")
_SHARES = (0.17, 0.12, 0.26, 0.17, 0.1, 0.08, 0.1)


@dataclass(frozen=True, eq=False)
class Sticker:
    """A drawn occluder."""

    color: np.ndarray  # (S, S, 3) float32 linear, exposed
    cover: np.ndarray  # (S, S) float32
    kind: int  # `Occluder`


def sample_kind(rng: np.random.Generator) -> str:
    """One of `KINDS`."""
    return str(rng.choice(KINDS, p=_SHARES))


def draw_sticker(
    rng: np.random.Generator, kind: str, landmarks: np.ndarray, size: int, hair_color: np.ndarray
) -> Sticker:
    """Draw one of `KINDS` near the face of (68, 2) projected landmarks in a `size` px square."""
    painters = {
        "card": _card, "cup": _cup, "microphone": _microphone, "blob": _blob, "banner": _banner, "border": _border,
    }  # fmt: skip
    if kind == "strands":
        return _strands(rng, landmarks, size, hair_color)
    color, cover = painters[kind](rng, landmarks, size)
    if kind not in ("banner", "border"):
        color = color * _sheen(rng, size)
    occluder = Occluder.BORDER if kind in ("banner", "border") else Occluder.OBJECT
    return Sticker(color.astype(np.float32), cover.astype(np.float32), int(occluder))


def _scale(landmarks: np.ndarray) -> float:
    """Pixels per face: the larger side of the landmarks' box."""
    return float((landmarks.max(axis=0) - landmarks.min(axis=0)).max())


def _fill(size: int, points: np.ndarray) -> np.ndarray:
    cover = np.zeros((size, size), np.float32)
    cv2.fillPoly(cover, [np.round(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return cover


def _sheen(rng: np.random.Generator, size: int) -> np.ndarray:
    """(S, S, 1) uneven light over a thing."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    return (1.0 + rng.uniform(0, 1.2) * (x * np.cos(turn) + y * np.sin(turn))).clip(0.2)[:, :, None]


def _card(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A phone, book, paper: a turned rectangle over some part of the face."""
    face = _scale(landmarks)
    spot = landmarks[rng.integers(68)] + rng.normal(0, 0.08 * face, 2)
    half = face * np.array([rng.uniform(0.12, 0.4), rng.uniform(0.15, 0.45)])
    turn = rng.normal(0, 0.5)
    c, s = np.cos(turn), np.sin(turn)
    corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half) @ np.array([[c, s], [-s, c]]) + spot
    texture = plain_texture(rng, size)
    if rng.random() < 0.3:
        inset = (corners - spot) * 0.88 + spot
        screen = _fill(size, inset)[:, :, None]
        texture = plain_texture(rng, size) * screen + texture * (1 - screen)
    return texture, _fill(size, corners)


def _cup(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A cup or glass at the mouth, seen from the side."""
    face = _scale(landmarks)
    lips = landmarks[48:60].mean(axis=0)
    down = landmarks[8] - landmarks[27]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    across = np.array([-down[1], down[0]])
    top, low = rng.uniform(0.12, 0.25) * face, rng.uniform(0.08, 0.2) * face
    height = rng.uniform(0.25, 0.5) * face
    base = lips + across * rng.normal(0, 0.08) * face + down * rng.uniform(-0.03, 0.06) * face
    corners = np.stack(
        [
            base - across * top,
            base + across * top,
            base + down * height + across * low,
            base + down * height - across * low,
        ]
    )
    return plain_texture(rng, size), _fill(size, corners)


def _microphone(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    face = _scale(landmarks)
    head = landmarks[8] * rng.uniform(0.0, 0.8) + landmarks[57] * rng.uniform(0.2, 0.6)
    head = landmarks[57] + (landmarks[8] - landmarks[57]) * rng.uniform(0.2, 1.6) + rng.normal(0, 0.1 * face, 2)
    end = head + np.array([rng.normal(0, 0.5), rng.uniform(0.5, 1.2)]) * face
    cover = np.zeros((size, size), np.float32)
    radius = face * rng.uniform(0.05, 0.13)
    cv2.line(cover, _fixed(head), _fixed(end), 1.0, max(1, round(radius * rng.uniform(0.5, 1.2))), cv2.LINE_AA, 4)
    cv2.circle(cover, _fixed(head), round(radius * 16), 1.0, -1, cv2.LINE_AA, 4)
    value = srgb_to_linear(np.full(3, rng.choice([0.08, 0.2, 0.5, 0.8])) * np.exp(rng.normal(0, 0.1, 3)))
    grain = 1.0 + 0.3 * rng.standard_normal((size, size, 1), dtype=np.float32)
    return value * grain.clip(0.2), cover


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * 16), round(float(point[1]) * 16)


def _blob(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A random smooth shape with a random texture."""
    face = _scale(landmarks)
    spot = landmarks[rng.integers(68)] + rng.normal(0, 0.1 * face, 2)
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = (
        face
        * rng.uniform(0.08, 0.33)
        * (1 + sum(rng.normal(0, 0.25 / k) * np.cos(k * turn + rng.uniform(0, 6)) for k in (1, 2, 3, 4)))
    )
    stretch = np.exp(rng.normal(0, 0.3))
    outline = spot + np.stack([np.cos(turn) * radius * stretch, np.sin(turn) * radius / stretch], axis=1)
    cover = _fill(size, outline)
    if rng.random() < 0.3:
        cover = cv2.GaussianBlur(cover, (0, 0), size / 192 * rng.uniform(1, 4))
    if rng.random() < 0.15:
        cover = cover * rng.uniform(0.3, 0.9)
    return plain_texture(rng, size), cover


def _strands(rng: np.random.Generator, landmarks: np.ndarray, size: int, hair_color: np.ndarray) -> Sticker:
    """Loose hair across the face."""
    face, cover = _scale(landmarks), np.zeros((size, size), np.float32)
    start = landmarks[rng.integers(17, 27)] + (landmarks[27] - landmarks[8]) * rng.uniform(0.1, 0.5)
    flow = landmarks[rng.integers(0, 17)] - start
    for _ in range(rng.integers(6, 40)):
        root = start + rng.normal(0, 0.06 * face, 2)
        tip = root + flow * rng.uniform(0.4, 1.1) + rng.normal(0, 0.05 * face, 2)
        bow = (root + tip) / 2 + rng.normal(0, 0.08 * face, 2)
        share = np.linspace(0, 1, 12)[:, None]
        path = (1 - share) ** 2 * root + 2 * share * (1 - share) * bow + share**2 * tip
        cv2.polylines(
            cover, [np.round(path * 16).astype(np.int32)], False, float(rng.uniform(0.3, 0.9)), 1, cv2.LINE_AA, 4
        )
    color = np.broadcast_to(hair_color * np.float32(rng.uniform(0.5, 1.5)), (size, size, 3))
    return Sticker(color.astype(np.float32), cover, int(Occluder.OBJECT))


def _banner(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A caption strip or a lettering over the lower or upper edge."""
    height = int(size * rng.uniform(0.06, 0.2))
    top = size - height if rng.random() < 0.7 else 0
    cover = np.zeros((size, size), np.float32)
    image = np.empty((size, size, 3), np.float32)
    image[:] = rng.random(3) ** 1.5
    if rng.random() < 0.7:
        cover[top : top + height] = rng.uniform(0.7, 1.0)
    before = image.copy()
    write_text(
        rng, image, (int(size * rng.uniform(0, 0.3)), top + int(height * 0.8)), rng.random(3).astype(np.float32).round()
    )
    letters = np.abs(image - before).max(axis=2) > 0.15
    cover[letters] = 1.0
    return srgb_to_linear(np.clip(image, 0, 1)), cover


def _border(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The end of the photo: one or two sides black, white or grey."""
    cover = np.zeros((size, size), np.float32)
    for side in rng.choice(4, rng.integers(1, 3), replace=False):
        depth = int(size * rng.uniform(0.04, 0.33))
        view = np.rot90(cover, side)
        view[:depth] = 1.0
    level = rng.choice([0.0, 1.0, rng.random()], p=[0.7, 0.15, 0.15])
    return np.full((size, size, 3), level, np.float32), cover
