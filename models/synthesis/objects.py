"""Flat things drawn in the picture: blobs, blown hair, other people near the camera, banners, the photo's borders."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .background import plain_texture, write_text
from .chance import pick
from .labels import Occluder

KINDS = ("card", "blob", "strands", "person", "banner", "border")
_SHARES = (0.1, 0.24, 0.18, 0.16, 0.14, 0.18)


@dataclass(frozen=True, eq=False)
class Sticker:
    """A drawn occluder."""

    color: np.ndarray  # (S, S, 3) float32 linear, exposed
    cover: np.ndarray  # (S, S) float32
    kind: int  # `Occluder`


def sample_kind(rng: np.random.Generator) -> str:
    """One of `KINDS`."""
    return str(pick(rng, KINDS, _SHARES))


def draw_sticker(
    rng: np.random.Generator, kind: str, landmarks: np.ndarray, size: int, hair_color: np.ndarray
) -> Sticker:
    """Draw one of `KINDS` near the face of (68, 2) projected landmarks in a `size` px square."""
    painters = {
        "card": _card, "blob": _blob, "person": _person, "banner": _banner, "border": _border,
    }  # fmt: skip
    if kind == "strands":
        return _strands(rng, landmarks, size, hair_color)
    color, cover = painters[kind](rng, landmarks, size)
    if kind not in ("banner", "border"):
        color = color * _sheen(rng, size)
    occluder = {"banner": Occluder.BORDER, "border": Occluder.BORDER, "person": Occluder.PERSON}.get(
        kind, Occluder.OBJECT
    )
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
    return Sticker(color.astype(np.float32), cover, int(Occluder.LOOSE_HAIR))


def _person(rng: np.random.Generator, landmarks: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The back of somebody's head and their shoulder, nearer to the camera than it is sharp."""
    face, middle = _scale(landmarks), landmarks.mean(axis=0)
    side = rng.choice([-1.0, 1.0])
    radius = face * np.array([rng.uniform(0.45, 0.75), rng.uniform(0.55, 0.9)])
    head = middle + face * np.array([side * rng.uniform(0.75, 1.15), rng.uniform(0.2, 0.9)])
    hair, body = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    turn = np.linspace(0, 2 * np.pi, 40)
    bumps = 1.0 + 0.06 * np.sin(turn * rng.integers(2, 5) + rng.uniform(0, 6))
    outline = head + np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius * bumps[:, None]
    cv2.fillPoly(hair, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    low = head + [0.0, radius[1] * 0.85]
    shoulder = np.array([[-1.1, 0.5], [-0.45, 0.05], [0.45, 0.05], [1.1, 0.5], [1.5, 4.0], [-1.5, 4.0]])
    cv2.fillPoly(body, [np.round((low + shoulder * radius[0] * 1.6) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    tone = srgb_to_linear(rng.beta(0.8, 1.6, 3) * 0.7)
    strands = 1.0 + 0.25 * cv2.resize(rng.standard_normal((6, 40), dtype=np.float32), (size, size))
    color = plain_texture(rng, size) * (1 - hair[:, :, None]) + (tone * strands[:, :, None]).clip(0) * hair[:, :, None]
    sigma = size / 192 * rng.uniform(1.5, 6.0)
    return cv2.GaussianBlur(color, (0, 0), sigma), cv2.GaussianBlur(np.maximum(hair, body), (0, 0), sigma)


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
        depth = int(size * rng.uniform(0.04, 0.3))
        view = np.rot90(cover, side)
        view[:depth] = 1.0
    level = pick(rng, [0.0, 1.0, rng.random()], [0.7, 0.15, 0.15])
    return np.full((size, size, 3), level, np.float32), cover
