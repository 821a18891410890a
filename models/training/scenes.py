"""Scenes for the detector: people cut out of the synthetic pictures, set into backgrounds, and things that are no face.

Every scene is drawn with a known box and five points per face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry import alignment

from .augment import Strength, photometric
from .crowd import Crowd, Person
from .distractors import no_face

MOST_FACES = 12
_SMALLEST, _LARGEST = 18.0, 1.05  # face sides, pixels and scene sides
_COUNTED_FROM = 15.0  # smaller faces are neither right nor wrong
_STRENGTH = Strength(color=0.6, grey=0.12, blur=0.12, coarse=0.15, noise=0.3, jpeg=0.25, video=0.15)
_SQUASHED, _WIDER = 0.4, 0.25  # share of faces as in pictures of a wrong aspect, and the deviation of its logarithm
_UPRIGHT, _TILTED = 0.72, 0.94  # shares of faces turned by at most so much, summed up


@dataclass(frozen=True)
class Scene:
    """One training picture of the detector."""

    image: np.ndarray  # (S, S, 3) uint8
    boxes: np.ndarray  # (MOST_FACES, 4) float32 x0 y0 x1 y1, zeros are padding
    points: np.ndarray  # (MOST_FACES, 10) float32
    counted: np.ndarray  # (MOST_FACES,) bool: False where a face is too small, hidden or cut off to insist on


@dataclass(frozen=True)
class _Placed:
    box: np.ndarray  # (4,)
    points: np.ndarray  # (10,)


class SceneComposer:
    """Draws scenes of `size` x `size` pixels before a stock of backgrounds."""

    def __init__(self, backgrounds: list[np.ndarray], size: int) -> None:
        self.size = size
        self.backgrounds = backgrounds  # (h, w, 3) uint8, no people on them

    def scene(self, crowd: Crowd, rng: np.random.Generator) -> Scene:
        """One scene with people of a crowd: none, one that fills it, or several."""
        image = self._background(rng)
        for _ in range(rng.integers(0, 3)):
            self._distract(image, crowd, rng)
        kind = rng.choice(["none", "one", "several", "group"], p=[0.15, 0.35, 0.35, 0.15])
        sides = self._sides(str(kind), rng)
        placed: list[_Placed] = []
        hidden = np.zeros(MOST_FACES, bool)
        for side in np.sort(sides):  # the nearer, larger ones last
            face, mask = self._paste(image, crowd.pick(rng), float(side), rng, alone=kind == "one")
            for k, other in enumerate(placed):
                hidden[k] |= _covered(other.box, mask) > 0.5
            placed.append(face)
        if placed and rng.random() < 0.1:
            self._distract(image, crowd, rng, placed, hidden)
        return self._labelled(photometric(image, rng, _STRENGTH), placed, hidden)

    def _sides(self, kind: str, rng: np.random.Generator) -> np.ndarray:
        def log_uniform(low: float, high: float, count: int) -> np.ndarray:
            return np.exp(rng.uniform(np.log(low), np.log(high), count))

        if kind == "none":
            return np.empty(0)
        if kind == "one":
            return log_uniform(0.12 * self.size, _LARGEST * self.size, 1)
        if kind == "group":
            middle = log_uniform(24.0, 70.0, 1)
            return middle * np.exp(rng.normal(0.0, 0.15, rng.integers(3, MOST_FACES + 1)))
        return log_uniform(_SMALLEST, 0.6 * self.size, rng.integers(1, 6))

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        """A random view of one of the stock, or a plain or noisy colour."""
        size = self.size
        if rng.random() < 0.06:
            color = rng.integers(0, 256, 3) + rng.normal(0.0, rng.uniform(0.0, 30.0), (size, size, 3))
            return color.clip(0, 255).astype(np.uint8)
        source = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        zoom = size / min(source.shape[:2]) * np.exp(rng.uniform(0.0, 1.0))
        turn = rng.normal(0.0, 12.0) if rng.random() < 0.5 else 0.0
        matrix = cv2.getRotationMatrix2D((source.shape[1] / 2, source.shape[0] / 2), turn, zoom)
        spare = np.maximum(np.array(source.shape[1::-1]) * zoom - size, 0.0)
        matrix[:, 2] += size / 2 - np.array(source.shape[1::-1]) / 2 + rng.uniform(-0.5, 0.5, 2) * spare
        if rng.random() < 0.5:
            matrix[0] = -matrix[0]
            matrix[0, 2] += size - 1
        return cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    def _paste(
        self, image: np.ndarray, person: Person, side: float, rng: np.random.Generator, alone: bool
    ) -> tuple[_Placed, np.ndarray]:
        """Set one person into the scene in place; returns its labels and the (S, S) uint8 mask of what it covers."""
        points = person.points
        own = float((points.max(axis=0) - points.min(axis=0)).max())
        spread = (0.2, 0.8) if alone and rng.random() < 0.8 else (0.0, 1.0)
        target = rng.uniform(*spread, 2) * self.size
        if side > 0.5 * self.size:
            target = self.size / 2 + rng.normal(0.0, 0.12, 2) * self.size
        turn = np.deg2rad(_turn(rng))
        mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
        matrix = np.zeros((2, 3))
        c, s = np.cos(turn), np.sin(turn)
        matrix[:, :2] = np.array([[c, -s], [s, c]]) @ mirror * (side / own)
        if rng.random() < _SQUASHED:
            wider = np.exp(rng.normal(0.0, _WIDER) / 2)
            matrix[:, :2] = np.diag([wider, 1.0 / wider]) @ matrix[:, :2]
        matrix[:, 2] = target - matrix[:, :2] @ points.mean(axis=0)
        mask = self._blend(image, person, matrix, rng)
        moved = alignment.apply(matrix, points)
        return _Placed(np.r_[moved.min(axis=0), moved.max(axis=0)], _five(moved, mirror[0, 0] < 0)), mask

    def _blend(self, image: np.ndarray, person: Person, matrix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a picture, whole or cut out along its outline, through a (2, 3) matrix."""
        picture, scale = person.picture, float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        size = len(picture)
        if rng.random() < 0.6:
            alpha = np.where(person.foreground, np.uint8(255), np.uint8(0))
            alpha = cv2.blur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (3, 3))
        else:
            alpha = np.zeros((size, size), np.uint8)
            edge = int(rng.integers(1, 14))
            alpha[edge:-edge, edge:-edge] = 255
            alpha = cv2.blur(alpha, (edge, edge))
        if scale < 0.55:  # shrink by area first: sampling alone would alias
            factor = max(scale * 1.3, 0.1)
            picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            alpha = cv2.resize(alpha, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            factor = picture.shape[1] / size
            shrunk = matrix.copy()
            shrunk[:, :2] /= factor
            shrunk[:, 2] += matrix[:, :2] @ np.full(2, 0.5 / factor - 0.5)
            matrix = shrunk
        x0, y0, x1, y1 = _bounds(matrix, len(picture), self.size)
        mask = np.zeros((self.size, self.size), np.uint8)
        if x1 <= x0 or y1 <= y0:
            return mask
        inner = matrix.copy()
        inner[:, 2] -= [x0, y0]
        colors = cv2.warpAffine(picture, inner, (x1 - x0, y1 - y0), borderMode=cv2.BORDER_REPLICATE)
        soft = cv2.warpAffine(alpha, inner, (x1 - x0, y1 - y0))
        mask[y0:y1, x0:x1] = soft
        under = image[y0:y1, x0:x1]
        weight = cv2.merge([soft, soft, soft])
        over = cv2.multiply(colors, weight, scale=1 / 255.0)
        under[:] = cv2.add(over, cv2.multiply(under, cv2.bitwise_not(weight), scale=1 / 255.0))
        return mask

    def _distract(
        self,
        image: np.ndarray,
        crowd: Crowd,
        rng: np.random.Generator,
        placed: list[_Placed] | None = None,
        hidden: np.ndarray | None = None,
    ) -> None:
        """Paste something that is no face."""
        patch = no_face(crowd, self.backgrounds, rng)
        side = int(np.exp(rng.uniform(np.log(16.0), np.log(0.7 * self.size))))
        patch = cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA)
        x, y = (int(v) for v in rng.integers(-side // 3, self.size - side // 2, 2))
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + side, self.size), min(y + side, self.size)
        mask = np.zeros((side, side), np.uint8)
        if rng.random() < 0.6:
            cv2.ellipse(mask, (side // 2, side // 2), (side * 2 // 5, side // 2 - 1), 0, 0, 360, 255, -1)
        else:
            mask[:] = 255
        shown = mask[y0 - y : y1 - y, x0 - x : x1 - x] > 0
        image[y0:y1, x0:x1][shown] = patch[y0 - y : y1 - y, x0 - x : x1 - x][shown]
        if placed is not None and hidden is not None:
            cover = np.zeros((self.size, self.size), np.uint8)
            cover[y0:y1, x0:x1][shown] = 255
            for k, face in enumerate(placed):
                hidden[k] |= _covered(face.box, cover) > 0.4

    def _labelled(self, image: np.ndarray, placed: list[_Placed], hidden: np.ndarray) -> Scene:
        boxes, points = np.zeros((MOST_FACES, 4), np.float32), np.zeros((MOST_FACES, 10), np.float32)
        counted = np.zeros(MOST_FACES, bool)
        for k, face in enumerate(placed):
            boxes[k], points[k] = face.box, face.points
            counted[k] = not hidden[k] and _insisted_on(face.box, self.size)
        return Scene(image, boxes, points, counted)


def _turn(rng: np.random.Generator) -> float:
    """Degrees: mostly upright, some tilted, a few lying or upside down."""
    draw = rng.random()
    if draw < _UPRIGHT:
        return rng.normal(0.0, 9.0)
    return rng.uniform(-50.0, 50.0) if draw < _TILTED else rng.uniform(-180.0, 180.0)


def _bounds(matrix: np.ndarray, side: int, size: int) -> tuple[int, int, int, int]:
    """Whole-pixel box x0 y0 x1 y1 of a square picture's image, clipped to the scene."""
    corners = alignment.apply(matrix, np.array([[0, 0], [side, 0], [0, side], [side, side]], float))
    low, high = corners.min(axis=0), corners.max(axis=0) + 1
    x0, y0 = np.clip(low, 0, size).astype(int)
    x1, y1 = np.clip(high, 0, size).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _five(points: np.ndarray, mirrored: bool) -> np.ndarray:
    """(10,) right and left eye centre, nose tip, right and left mouth corner of (68, 2) landmarks."""
    five = np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])
    return (five[[1, 0, 2, 4, 3]] if mirrored else five).ravel()


def _covered(box: np.ndarray, mask: np.ndarray) -> float:
    """Share of a box's inner part that lies under a mask."""
    size = len(mask)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * 0.4
    x0, y0 = np.clip(middle - half, 0, size - 1).astype(int)
    x1, y1 = np.clip(middle + half, 1, size).astype(int)
    part = mask[y0:y1, x0:x1]
    return float((part > 127).mean()) if part.size else 1.0


def _insisted_on(box: np.ndarray, size: int) -> bool:
    """Large enough, and most of it in the scene."""
    width, height = box[2:] - box[:2]
    shown = np.prod(np.clip(np.minimum(box[2:], size) - np.maximum(box[:2], 0), 0, None)) / (width * height)
    return bool(max(width, height) >= _COUNTED_FROM and shown > 0.5)
