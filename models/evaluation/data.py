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


@dataclass(frozen=True)
class Photo:
    """One evaluation photo, with its hand-placed points where there are any."""

    path: Path
    truth: np.ndarray | None = None  # (68, 2) float64, pixels

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        pixels = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise FileNotFoundError(f"Cannot read {self.path}; restore the evaluation data.")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def landmarks68() -> list[Photo]:
    """500 frames with 68 hand-placed points."""
    folder = EVALUATION / "landmarks68"
    with open(folder / "landmarks.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [Photo(folder / row[0], np.array(row[1:137], float).reshape(68, 2)) for row in rows]


def lfw() -> list[Photo]:
    """1,549 photos, the labelled face in the middle of each."""
    return [Photo(path) for path in sorted((EVALUATION / "lfw_view1" / "images").rglob("*.jpg"))]


def gallery() -> list[Photo]:
    """18 portraits to look at."""
    return [Photo(path) for path in sorted((EVALUATION / "gallery").glob("*.jpg"))]


def not_faces() -> list[Photo]:
    """Animals that look back."""
    return [Photo(path) for path in sorted((EVALUATION / "not_faces").glob("*.jpg"))]
