"""Contact sheets of pictures, labels, heads, groups, clips: `python -m models.synthesis.contact_sheet`, to `out/synth`.

`--docs` writes the committed sheet (picture, landmarks, labels, clean twin) instead.
"""

from __future__ import annotations

import argparse
import colorsys
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from core.geometry.face_model import DEFAULT_PATH, load_face_model

from .assets import Assets
from .dataset import make_picture
from .labels import Label, labels_with_occluder
from .renderer import Picture
from .sequences import make_sequence

logger = logging.getLogger(__name__)
_SHRINK = 0.67  # keeps the committed picture small
_ROOT = Path(__file__).resolve().parents[2]
DOCS = _ROOT / "docs" / "images" / "synthetic.png"
OUT = _ROOT / "out" / "synth"
_CLIP = 24  # frames


def palette() -> np.ndarray:
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


def draw_labels(picture: Picture) -> np.ndarray:
    """(S, S, 3) uint8 colours of the labels, occluders included."""
    return palette()[labels_with_occluder(picture.labels, picture.occluder)]


def panels(picture: Picture) -> list[np.ndarray]:
    """The four (S, S, 3) uint8 panels of one picture."""
    return [picture.image, draw_landmarks(picture), draw_labels(picture), picture.clean]


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size in rows of `columns`; what does not fill a row is left out."""
    rows = len(tiles) // columns
    return np.vstack([np.hstack(tiles[row * columns : (row + 1) * columns]) for row in range(rows)])


def contact_sheet(assets: Assets, seed: int, rows: int, columns: int, size: int = 192) -> np.ndarray:
    """(rows * size, columns * 4 * size, 3) uint8, every person once."""
    pictures = [make_picture(assets, seed, index, size, group=1) for index in range(rows * columns)]
    return grid([panel for picture in pictures for panel in panels(picture)], columns * 4)


def sheets(assets: Assets, seed: int) -> dict[str, np.ndarray]:
    """Named (H, W, 3) uint8 sheets of about 1500 px."""
    pictures = [make_picture(assets, seed, index, group=1) for index in range(48)]
    people = [make_picture(assets, seed, index, group=8) for index in range(32)]
    heads = [make_picture(assets, seed, index, group=1, whole_head=True) for index in range(24)]
    frames = [frame for clip in range(4) for frame in list(make_sequence(assets, seed, clip, _CLIP))[::3]]
    return {
        "pictures": grid([picture.image for picture in pictures], 8),
        "landmarks": grid([draw_landmarks(picture) for picture in pictures], 8),
        "labels": grid([draw_labels(picture) for picture in pictures], 8),
        "clean": grid([picture.clean for picture in pictures], 8),
        "heads": grid([panel for head in heads for panel in (head.image, draw_labels(head))], 8),
        "groups": grid([picture.image for picture in people], 8),
        "sequences": grid([frame.image for frame in frames], 8),
    }


def _write(path: Path, sheet: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    logger.info("%s", path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the sheets")
    parser.add_argument("--docs", action="store_true", help=f"rewrite {DOCS.relative_to(_ROOT)} instead")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--model", type=Path, default=DEFAULT_PATH, help="face_model.npz")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    assets = Assets.load(load_face_model(options.model))
    if options.docs:
        sheet = contact_sheet(assets, options.seed, rows=6, columns=3)
        _write(DOCS, cv2.resize(sheet, None, fx=_SHRINK, fy=_SHRINK, interpolation=cv2.INTER_AREA))
        return
    for name, sheet in sheets(assets, options.seed).items():
        _write(options.out / f"{name}.png", sheet)


if __name__ == "__main__":
    main()
