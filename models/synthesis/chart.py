"""A cylindrical chart of the head's rest shape: where brows, beards, hairlines and make-up are painted.

Paint lives on the mean neutral head, so it follows every identity and expression. The chart is independent of the
mesh's own UV layout and topology.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from core.geometry.face_model import FaceModel

WIDTH, HEIGHT = 768, 448  # pixels: the whole turn, and 36 cm of height
METRES_PER_PIXEL = 0.0008  # exact in height; in width at 98 mm from the axis
AXIS_Z = -0.075  # metres, model frame: the cylinder's axis runs up through the skull
TOP = 0.125  # metres above the eyes


def locate(points: np.ndarray) -> np.ndarray:
    """(N, 2) float32 chart pixels of (N, 3) rest positions in the model frame; the face looks at the middle column."""
    turn = np.arctan2(points[:, 0], points[:, 2] - np.float32(AXIS_Z))
    x = (turn / (2 * np.pi) + 0.5) * WIDTH
    y = (TOP - points[:, 1]) / METRES_PER_PIXEL
    return np.stack([x, y], axis=1).astype(np.float32)


def sample(image: np.ndarray, places: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """(N, C) float32: a (H, W, C) uint8 or float32 picture, of the chart or another, at any number of (N, 2) pixels."""
    count = len(places)
    rows = -(-count // 256)  # remap wants a picture-shaped map
    padded = np.zeros((2, rows * 256), np.float32)
    padded[:, :count] = places.T
    x, y = padded.reshape(2, rows, 256)
    out = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border)
    return out.reshape(rows * 256, -1)[:count].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Chart:
    """The chart of one face model."""

    landmarks: np.ndarray  # (68, 2) float32 chart pixels

    @staticmethod
    def of(model: FaceModel) -> Chart:
        """Locate the landmarks of the model's mean head."""
        return Chart(locate(model.landmarks(model.vertices)))

    def curve(self, *points: int, closed: bool = False, count: int = 40) -> np.ndarray:
        """(count, 2) smooth curve through landmarks."""
        return smooth_curve(self.landmarks[list(points)], closed, count)

    @cached_property
    def lips(self) -> np.ndarray:
        """(HEIGHT, WIDTH) float32 in [0, 1]: the vermilion of both lips and the mouth between them."""
        outline = self.curve(*range(48, 60), closed=True, count=96)
        return cv2.GaussianBlur(fill(outline), (0, 0), 1.5)

    @cached_property
    def eyes(self) -> np.ndarray:
        """(HEIGHT, WIDTH) float32 in [0, 1]: the lids round both eyes, soft."""
        area = np.maximum(fill(self.curve(*range(36, 42), closed=True)), fill(self.curve(*range(42, 48), closed=True)))
        return np.minimum(cv2.GaussianBlur(cv2.dilate(area, np.ones((9, 5))), (0, 0), 4.0), 1.0)

    @cached_property
    def cheeks(self) -> np.ndarray:
        """(HEIGHT, WIDTH) float32 in [0, 1]: where cheeks redden."""
        cover = np.zeros((HEIGHT, WIDTH), np.float32)
        for jaw, wing in ((2, 31), (14, 35)):
            spot = np.round(self.landmarks[jaw] * 0.4 + self.landmarks[wing] * 0.6 + [0, -8]).astype(int).tolist()
            cv2.ellipse(cover, spot, (24, 16), 0, 0, 360, 1.0, -1)
        return cv2.GaussianBlur(cover, (0, 0), 8.0)

    @cached_property
    def nose_tip(self) -> np.ndarray:
        """(HEIGHT, WIDTH) float32 in [0, 1]: the tip of the nose."""
        cover = np.zeros((HEIGHT, WIDTH), np.float32)
        cv2.ellipse(cover, np.round(self.landmarks[30]).astype(int).tolist(), (14, 10), 0, 0, 360, 1.0, -1)
        return cv2.GaussianBlur(cover, (0, 0), 8.0)

    @cached_property
    def beard(self) -> np.ndarray:
        """(HEIGHT, WIDTH) float32 in [0, 1]: where a full beard grows, moustache included, lips spared."""
        lm = self.landmarks
        area = np.zeros((HEIGHT, WIDTH), np.float32)
        for side in (1, -1):
            ear, jaw, corner, wing = (lm[[1, 2, 48, 31]] if side == 1 else lm[[15, 14, 54, 35]]).copy()
            cheek = jaw * 0.5 + corner * 0.5 + [0, -4]
            chin = lm[8]
            low = chin[1] + 34
            outer = ear[0] - side * 4
            corners = [
                [outer, ear[1] - 30], [ear[0] + side * 12, ear[1] - 24], [ear[0] + side * 16, jaw[1] - 8], cheek,
                wing + [side * -2, 5], [chin[0], lm[33][1] + 2], [chin[0], low + 6], [jaw[0] + side * 20, low],
                [outer - side * 8, jaw[1] + 26],
            ]  # fmt: skip
            cv2.fillPoly(area, [np.round(corners).astype(np.int32)], 1.0)
        area = cv2.GaussianBlur(area, (0, 0), 5.0)
        mouth = cv2.GaussianBlur(
            cv2.dilate(fill(self.curve(*range(48, 60), closed=True)), np.ones((3, 3))), (0, 0), 1.5
        )
        return np.clip(area - 1.2 * mouth, 0.0, 1.0)


def smooth_curve(points: np.ndarray, closed: bool = False, count: int = 40) -> np.ndarray:
    """(count, 2) Catmull-Rom curve through (N, 2) points."""
    n = len(points)
    if closed:
        control, spans = np.concatenate([points[-1:], points, points[:2]]), n
    else:
        first, last = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
        control, spans = np.concatenate([first, points, last]), n - 1
    where = np.linspace(0, spans, count, endpoint=not closed)
    row = np.minimum(where.astype(int), spans - 1)
    t = (where - row)[:, None]
    a, b, c, d = (control[row + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def fill(outline: np.ndarray) -> np.ndarray:
    """(HEIGHT, WIDTH) float32, 1 inside a (N, 2) outline."""
    area = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.fillPoly(area, [np.round(outline).astype(np.int32)], 1.0)
    return area
