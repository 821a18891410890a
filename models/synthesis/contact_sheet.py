"""A contact sheet: picture, landmarks, labels, clean twin. `python -m models.synthesis.contact_sheet`."""

from __future__ import annotations

import argparse
import colorsys
from pathlib import Path

import cv2
import numpy as np

from core.geometry.face_model import DEFAULT_PATH, load_face_model

from .assets import Assets
from .dataset import make_picture
from .labels import Label, labels_with_occluder
from .renderer import Picture

SHRINK = 0.67  # keeps the committed picture small
DEFAULT_OUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "synthetic.png"


def _palette() -> np.ndarray:
    """(len(Label), 3) uint8 colours; the background is black."""
    count = len(Label)
    colors = [colorsys.hsv_to_rgb((k * 0.382) % 1.0, 0.55 + 0.3 * (k % 2), 0.95) for k in range(count)]
    colors[0] = (0.0, 0.0, 0.0)
    return (np.array(colors) * 255).astype(np.uint8)


def draw_landmarks(picture: Picture) -> np.ndarray:
    """(S, S, 3) uint8: green where seen, red where hidden; dense points small and blue or grey."""
    image = picture.image.copy()
    for row, (x, y) in enumerate(picture.landmarks):
        seen = bool(picture.visibility[row])
        if row < 68:
            color, radius = ((60, 255, 60) if seen else (255, 60, 60)), 20
        else:
            color, radius = ((90, 170, 255) if seen else (120, 120, 120)), 9
        cv2.circle(image, (round(x * 16), round(y * 16)), radius, color, -1, cv2.LINE_AA, 4)
    return image


def panels(picture: Picture) -> list[np.ndarray]:
    """The four (S, S, 3) uint8 panels of one picture."""
    labels = _palette()[labels_with_occluder(picture.labels, picture.occluder)]
    return [picture.image, draw_landmarks(picture), labels, picture.clean]


def contact_sheet(assets: Assets, seed: int, rows: int, columns: int, size: int = 192) -> np.ndarray:
    """(rows * size, columns * 4 * size, 3) uint8."""
    lines = []
    for row in range(rows):
        pictures = [make_picture(assets, seed, row * columns + column, size) for column in range(columns)]
        lines.append(np.hstack([panel for picture in pictures for panel in panels(picture)]))
    return np.vstack(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--model", type=Path, default=DEFAULT_PATH)
    options = parser.parse_args()
    sheet = contact_sheet(Assets.load(load_face_model(options.model)), options.seed, options.rows, options.columns)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet = cv2.resize(sheet, None, fx=SHRINK, fy=SHRINK, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(options.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
