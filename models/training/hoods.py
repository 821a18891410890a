"""Hoods, drawn round the faces of pictures that were rendered without them."""

from __future__ import annotations

import cv2
import numpy as np

from .crowd import Person

_BROWS, _NOSE_TIP = slice(17, 27), 30
_FOREHEAD = (0.15, 0.6)  # of it that is left open, over the distance from the mouth to the eyes
_OPENING, _CLOTH = (-0.06, 0.12), (0.35, 0.65)  # reach beyond the opening's points and beyond the opening, face sides
_BACK = 1.1  # how far the cloth lies behind the opening, over how far the tip of the nose is before the ears
_SHADOW, _SHADE = (0.35, 1.0), 0.12  # least light at the opening's edge, and the shadow's reach in face sides
_COARSER = 4  # pixels, of which folds of cloth get one value
_FURRY, _FUR = 0.25, (0.05, 0.14)  # share with a trim of fur, and its width in face sides


def hooded(person: Person, rng: np.random.Generator) -> Person:
    """The same person in a hood or the cap of an overall that leaves the face open, or part of it."""
    points = person.points.astype(float)
    side = float(np.ptp(points, axis=0).max())
    up = points[36:48].mean(axis=0) - points[48:68].mean(axis=0)
    raised = points[_BROWS] + up * rng.uniform(*_FOREHEAD)
    size = person.picture.shape[:2]
    opening = np.zeros(size, np.uint8)
    hull = cv2.convexHull(np.rint(np.concatenate([points, raised])).astype(np.int32))
    cv2.fillConvexPoly(opening, hull, 255)
    opening = _grown(opening, rng.uniform(*_OPENING) * side)
    behind = _BACK * (points[[0, 16]].mean(axis=0) - points[_NOSE_TIP])
    cloth = _grown(_moved(opening, behind), rng.uniform(*_CLOTH) * side)
    color = rng.uniform(8.0, 235.0) * np.exp(rng.normal(0.0, 0.25, 3))
    around = cv2.subtract(cloth, opening)
    light = _shadowed(around, _SHADE * side, rng.uniform(*_SHADOW))
    picture = person.picture * np.where(opening > 0, light, np.float32(1.0))[..., None]
    outside = cv2.blur(around, (3, 3))[..., None] / np.float32(255.0)
    picture += outside * (color.astype(np.float32) * _folds(size, rng, side)[..., None] - picture)
    if rng.random() < _FURRY:
        trim = cv2.min(_ragged(opening, rng, rng.uniform(*_FUR) * side), around)
        fur = rng.uniform(20.0, 220.0) * np.exp(rng.normal(0.0, 0.1, 3)) + rng.normal(0.0, 14.0, (*size, 1))
        picture += cv2.blur(trim, (3, 3))[..., None] / 255.0 * (fur - picture)
    worn = person.foreground | (around > 0)
    return Person(picture.clip(0.0, 255.0).astype(np.uint8), worn, person.points)


def _grown(mask: np.ndarray, reach: float) -> np.ndarray:
    """A (H, W) uint8 mask grown, or shrunk, by a distance in pixels."""
    beyond = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5) - cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    return np.where(beyond <= reach, np.uint8(255), np.uint8(0))


def _moved(mask: np.ndarray, by: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(mask, np.array([[1.0, 0.0, by[0]], [0.0, 1.0, by[1]]]), mask.shape[::-1])


def _ragged(mask: np.ndarray, rng: np.random.Generator, reach: float) -> np.ndarray:
    """A mask grown by about `reach` pixels, more here and less there."""
    away = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5)
    uneven = cv2.GaussianBlur(rng.normal(0.0, 1.0, mask.shape).astype(np.float32), (0, 0), 1.2)
    return np.where(away < reach * (1.0 + uneven), np.uint8(255), np.uint8(0))


def _shadowed(cloth: np.ndarray, reach: float, least: float) -> np.ndarray:
    """(H, W) light that falls past a (H, W) uint8 mask of cloth: `least` at its edge, 1 from `reach` pixels on."""
    away = cv2.distanceTransform(255 - cloth, cv2.DIST_L2, 5)
    return least + (1.0 - least) * np.clip(away / max(reach, 1.0), 0.0, 1.0)


def _folds(size: tuple[int, int], rng: np.random.Generator, side: float) -> np.ndarray:
    """(H, W) shades of cloth about 1, lighter on one side."""
    few = tuple(-(-length // _COARSER) for length in size)
    noise = rng.normal(0.0, 1.0, few).astype(np.float32)
    wide, high = side / _COARSER * rng.uniform([0.02, 0.05], [0.06, 0.2])
    folds = cv2.GaussianBlur(noise, (0, 0), sigmaX=wide, sigmaY=high)
    rows, columns = np.mgrid[: few[0], : few[1]] / max(few) - 0.5
    slope = rng.normal(0.0, 0.5, 2)
    shades = 0.15 * folds / max(float(folds.std()), 1e-6) + slope[0] * rows + slope[1] * columns
    return cv2.resize(np.exp(shades).astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
