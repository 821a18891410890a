"""Small pictures of what is no face, though it shares something with one."""

from __future__ import annotations

import cv2
import numpy as np

from core.geometry import alignment

from .crowd import Crowd

SIDE = 96  # pixels


def no_face(crowd: Crowd, backgrounds: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: scrambled or featureless faces, single features, animals, background."""
    kind = rng.integers(6)
    if kind == 3:
        return _piece(backgrounds, rng)
    if kind > 3:
        return animal(_piece(backgrounds, rng), rng)
    person = crowd.pick(rng)
    face = cv2.warpAffine(person.picture, alignment.crop_matrix(person.points.astype(float), SIDE), (SIDE, SIDE))
    if kind == 0:  # tiles of a face in the wrong places
        tiles = [face[y : y + 32, x : x + 32] for y in (0, 32, 64) for x in (0, 32, 64)]
        order = np.roll(rng.permutation(9), 1)
        rows = [np.concatenate([tiles[k] for k in order[r : r + 3]], axis=1) for r in (0, 3, 6)]
        return np.concatenate(rows)
    if kind == 1:  # skin without features, shaded
        smooth = cv2.resize(cv2.resize(face[30:66, 30:66], (3, 3), interpolation=cv2.INTER_AREA), (SIDE, SIDE))
        return cv2.add(smooth, rng.normal(0.0, 6.0, (SIDE, SIDE, 3)).astype(np.float32), dtype=cv2.CV_8U)
    x, y = rng.integers(16, 60, 2)  # one feature, much enlarged
    return cv2.resize(face[y : y + 20, x : x + 20], (SIDE, SIDE))


def _piece(backgrounds: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    source = backgrounds[int(rng.integers(len(backgrounds)))]
    y, x = (int(rng.integers(0, length - SIDE // 2)) for length in source.shape[:2])
    return cv2.resize(source[y : y + SIDE, x : x + SIDE], (SIDE, SIDE))


def animal(behind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A furry head with ears, round eyes far apart and a snout, before a (SIDE, SIDE, 3) uint8 background."""
    hue = _COATS[rng.integers(len(_COATS))] * rng.uniform(0.6, 1.2)
    head = np.zeros((SIDE, SIDE), np.uint8)
    wide, high = rng.uniform(26, 38), rng.uniform(26, 38)
    x, y = 48 + rng.normal(0.0, 2.0), 54 + rng.normal(0.0, 2.0)
    tip, spread = rng.uniform(8, 26), rng.uniform(0.55, 1.0)
    for side in (-1, 1):
        base = [x + side * wide * 0.95, y - high * 0.35], [x + side * wide * 0.2, y - high * 0.85]
        ear = [*base, [x + side * wide * spread, y - high * 0.6 - tip]]
        cv2.fillConvexPoly(head, np.rint(ear).astype(np.int32), 255, cv2.LINE_AA)
    cv2.ellipse(head, (round(x), round(y)), (round(wide), round(high)), 0, 0, 360, 255, -1, cv2.LINE_AA)
    coat = hue + _fur(rng)[..., None] * rng.uniform(12.0, 34.0)
    image = np.where(cv2.blur(head, (3, 3))[..., None] > 100, coat, behind.astype(float))
    snout = hue + rng.uniform(-20.0, 70.0)
    size = (round(wide * rng.uniform(0.28, 0.5)), round(high * rng.uniform(0.25, 0.4)))
    below = y + high * rng.uniform(0.35, 0.5)
    image = np.ascontiguousarray(image.clip(0, 255).astype(np.uint8))
    cv2.ellipse(image, (round(x), round(below)), size, 0, 0, 360, snout.clip(0, 255).tolist(), -1, cv2.LINE_AA)
    dark = rng.uniform(5.0, 60.0, 3).tolist()
    nose = (round(x), round(below - size[1] * 0.5))
    cv2.ellipse(image, nose, (max(size[0] // 2, 2), max(size[1] // 3, 2)), 0, 0, 360, dark, -1, cv2.LINE_AA)
    cv2.line(image, nose, (nose[0], round(below + size[1] * 0.6)), dark, 1, cv2.LINE_AA)
    _eyes(image, (x, y), (wide, high), rng)
    image = cv2.add(image, _fur(rng)[..., None].repeat(3, 2) * 8.0, dtype=cv2.CV_8U)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))


def _eyes(image: np.ndarray, middle: tuple[float, float], half: tuple[float, float], rng: np.random.Generator) -> None:
    """Two round eyes without whites, in place."""
    apart, up, radius = rng.uniform(0.35, 0.55), rng.uniform(0.05, 0.3), rng.uniform(3.0, 8.0)
    iris = _IRISES[rng.integers(len(_IRISES))]
    for side in (-1, 1):
        at = (round(middle[0] + side * half[0] * apart), round(middle[1] - half[1] * up))
        cv2.circle(image, at, round(radius), iris.tolist(), -1, cv2.LINE_AA)
        pupil = (max(round(radius * rng.uniform(0.25, 0.8)), 1), max(round(radius * 0.8), 1))
        cv2.ellipse(image, at, pupil, 0, 0, 360, (8, 8, 10), -1, cv2.LINE_AA)
        cv2.circle(image, (at[0] - 1, at[1] - 1), 1, (230, 230, 230), -1)


def _fur(rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE) float32 streaky noise of about unit deviation."""
    noise = rng.normal(0.0, 1.0, (SIDE, SIDE)).astype(np.float32)
    streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.6, sigmaY=rng.uniform(1.0, 3.0))
    return streaks / streaks.std() + cv2.GaussianBlur(noise, (0, 0), 9.0) * 8.0


_COATS = np.array([[60, 48, 40], [150, 110, 70], [205, 190, 170], [120, 115, 110], [185, 120, 60], [30, 28, 28]], float)
_IRISES = np.array([[60, 40, 20], [150, 140, 40], [90, 130, 60], [20, 15, 12], [120, 150, 170]])
