"""Sheets of photos to look at, under out/evaluation: the worst landmarks, the missed and the false faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .data import Photo
from .landmarks import errors, truths

WORST = 40
TILE, COLUMNS = 180, 8
GREEN, RED = (0, 255, 0), (255, 60, 60)


def write_worst(points: np.ndarray, photos: Sequence[Photo], path: Path) -> None:
    """Sheet of the `WORST` photos, worst first, missed faces before all: labels green, predictions red."""
    wrong = np.nan_to_num(errors(points, truths(photos)), nan=np.inf)
    order = np.argsort(-wrong, kind="stable")[:WORST]
    tiles = [point_tile(photos[i], points[i], "missed" if np.isinf(wrong[i]) else f"{wrong[i]:.1f}") for i in order]
    write_tiles(tiles, path)


def point_tile(photo: Photo, points: np.ndarray, caption: str) -> np.ndarray:
    """(TILE, TILE, 3) the face with its labels and predictions."""
    assert photo.truth is not None and photo.box is not None
    tile, matrix = _close_up(photo.image(), photo.box, 1.25)
    for own, colour in ((photo.truth, GREEN), (points, RED)):
        for x, y in (own @ matrix[:, :2].T + matrix[:, 2])[~np.isnan(own).any(axis=1)]:
            cv2.circle(tile, (round(float(x)), round(float(y))), 1, colour, -1)
    return _captioned(tile, f"{caption} {photo.kind}")


def box_tile(photo: Photo, boxes: np.ndarray, caption: str) -> np.ndarray:
    """(TILE, TILE, 3) the whole photo with its labelled face green and (B, 4) boxes red."""
    image = photo.image()
    height, width = image.shape[:2]
    tile, matrix = _close_up(image, np.array([0, 0, width, height], float), 1.0)
    for box, colour in [(box, RED) for box in boxes] + ([] if photo.box is None else [(photo.box, GREEN)]):
        low, high = (box.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]).round().astype(int).tolist()
        cv2.rectangle(tile, low, high, colour, 1)
    return _captioned(tile, caption)


def tinted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 picture, red where the (H, W) mask is set."""
    return np.where(mask[..., None] > 0, 0.45 * image + 0.55 * np.array(RED), image).astype(np.uint8)


def whole_tile(image: np.ndarray, caption: str) -> np.ndarray:
    """(TILE, TILE, 3) all of a square (H, W, 3) picture."""
    return _captioned(cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA), caption)


def _close_up(image: np.ndarray, box: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """(TILE, TILE, 3) picture of the box with a margin, and its (2, 3) matrix from photo pixels."""
    scale = TILE / (margin * max(box[2] - box[0], box[3] - box[1]))
    middle = (box[:2] + box[2:]) / 2
    matrix = np.array([[scale, 0, TILE / 2 - scale * middle[0]], [0, scale, TILE / 2 - scale * middle[1]]])
    return cv2.warpAffine(image, matrix, (TILE, TILE), flags=cv2.INTER_AREA), matrix


def _captioned(tile: np.ndarray, caption: str) -> np.ndarray:
    cv2.putText(tile, caption, (3, TILE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
    return tile


def write_tiles(tiles: Sequence[np.ndarray], path: Path) -> None:
    """Tiles in rows of `COLUMNS` as a PNG; nothing when there are none."""
    if not tiles:
        path.unlink(missing_ok=True)
        return
    blank = np.zeros_like(tiles[0])
    rows = [[*tiles[i : i + COLUMNS]] for i in range(0, len(tiles), COLUMNS)]
    rows[-1] += [blank] * (COLUMNS - len(rows[-1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack([np.hstack(row) for row in rows]), cv2.COLOR_RGB2BGR))
