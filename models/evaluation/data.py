"""Readers of the evaluation data. It shows real people: measured on, never trained on, never committed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
EVALUATION = SHARED / "evaluation"
PEERS = SHARED / "peers"
BUILD = ROOT / "build" / "evaluation"  # pictures and predictions made on the way; may be deleted at any time
OUT = ROOT / "out" / "evaluation"  # sheets to look at
MASKED_FACES = Path(__file__).with_name("real_masks.csv")  # boxes placed by eye; see `real_masks`
LFW_MIDDLE = np.array([0.33, 0.33, 0.67, 0.72]) * 250.0  # x0 y0 x1 y1: where funneling puts the face, of 250 pixels


@dataclass(frozen=True, eq=False)
class Photo:
    """One evaluation photo and what is known about the person in it."""

    path: Path
    truth: np.ndarray | None = None  # (68, 2) float64, pixels, placed by hand
    box: np.ndarray | None = None  # (4,) float64 x0 y0 x1 y1, pixels: the labelled face
    others: np.ndarray | None = None  # (B, 4) boxes of further faces; None where nobody has looked for them
    crowd: bool = False  # whether there are faces that nobody has boxed, so that a further one cannot be judged
    kind: str = ""  # what was done to the photo

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        pixels = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise FileNotFoundError(f"Cannot read {self.path}; restore the evaluation data.")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def box_of(points: np.ndarray) -> np.ndarray:
    """(4,) x0 y0 x1 y1 about (N, 2) points."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def thinned(photos: list[Photo], limit: int | None) -> list[Photo]:
    """`limit` photos spread evenly over the set, or all of them."""
    if limit is None or limit >= len(photos):
        return photos
    return [photos[i] for i in np.linspace(0, len(photos) - 1, limit).round().astype(int)]


def landmarks68() -> list[Photo]:
    """500 frames with 68 hand-placed points."""
    folder = EVALUATION / "landmarks68"
    with open(folder / "landmarks.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    points = [np.array(row[1:137], float).reshape(68, 2) for row in rows]
    return [Photo(folder / row[0], truth, box_of(truth)) for row, truth in zip(rows, points, strict=True)]


def lfw() -> list[Photo]:
    """1,549 photos, the labelled face in the middle of each."""
    paths = sorted((EVALUATION / "lfw_view1" / "images").rglob("*.jpg"))
    return [Photo(path, box=LFW_MIDDLE) for path in paths]


def real_masks() -> list[Photo]:
    """120 photos of people in face masks; `box` is None in the 13 where no face is 20 pixels wide.

    The boxes were placed by eye: `main` is the most prominent face, `face` a further one, `crowd` a photo with more
    than were boxed.
    """
    with open(MASKED_FACES, newline="") as file:
        rows = list(csv.reader(file))[1:]
    faces = [(name, role, np.array([float(value) for value in corners])) for name, role, *corners in rows]
    main = {name: box for name, role, box in faces if role == "main"}
    crowds = {name for name, role, _ in faces if role == "crowd"}
    photos = []
    for path in sorted((EVALUATION / "real_masks").glob("*.jpg")):
        others = [box for name, role, box in faces if (name, role) == (path.name, "face")]
        photos.append(
            Photo(path, None, main.get(path.name), np.array(others).reshape(-1, 4), crowd=path.name in crowds)
        )
    return photos


def gallery() -> list[Photo]:
    """18 portraits to look at."""
    return [Photo(path) for path in sorted((EVALUATION / "gallery").glob("*.jpg"))]


def not_faces() -> list[Photo]:
    """Animals that look back."""
    return [Photo(path) for path in sorted((EVALUATION / "not_faces").glob("*.jpg"))]
