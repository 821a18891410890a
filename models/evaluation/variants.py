"""Pictures made from the evaluation photos: turned, cut by the border, with things pasted on. Kept under build/."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry.alignment import apply

from .data import BUILD, ROOT, Photo, box_of
from .systems import content, digest

log = logging.getLogger(__name__)
CUT = 0.3  # share of the face's box that lies beyond the border of a cut photo
KINDS = ("glasses", "sunglasses", "mask", "hand", "object")
OCCLUDED_SEED = 68_000_000  # no training picture draws from it
KINDS_PER_PHOTO = 2
MOST_HIDDEN, TRIES = 0.8, 8  # share of the landmarks; draws


@dataclass(frozen=True, eq=False)
class Made:
    """One picture of a set."""

    source: Photo
    kind: str  # what was done to the source
    picture: np.ndarray  # (H, W, 3) uint8 RGB
    truth: np.ndarray  # (68, 2) float64, pixels of `picture`


def turned(photos: list[Photo], degrees: float) -> list[Photo]:
    """Every photo turned about its middle, one to the left and the next to the right; nothing is cut off."""

    def make() -> Iterator[Made]:
        for index, photo in enumerate(photos):
            image = photo.image()
            matrix, size = _turn(image.shape[1], image.shape[0], degrees * (-1) ** index)
            picture = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            yield Made(photo, f"turned{degrees:g}", picture, apply(matrix, _truth(photo)))

    return kept(f"turned{degrees:g}", content(photos), make)


def _turn(width: int, height: int, degrees: float) -> tuple[np.ndarray, tuple[int, int]]:
    """(2, 3) matrix of a turn (positive: counter-clockwise on screen) and the size that holds all of the photo."""
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = round(width * cos + height * sin), round(width * sin + height * cos)
    matrix[:, 2] += (np.array(size) - [width, height]) / 2
    return matrix, size


def cut(photos: list[Photo]) -> list[Photo]:
    """Every photo cropped so that `CUT` of its face is outside: at the left, top, right, bottom in turn."""

    def make() -> Iterator[Made]:
        for index, photo in enumerate(photos):
            image, truth = photo.image(), _truth(photo)
            x0, y0, x1, y1 = _cut_window(box_of(truth), image.shape[1], image.shape[0], index % 4)
            yield Made(photo, "cut", image[y0:y1, x0:x1], truth - [x0, y0])

    return kept("cut", content(photos), make)


def _cut_window(box: np.ndarray, width: int, height: int, side: int) -> tuple[int, int, int, int]:
    window = [0, 0, width, height]
    axis, far = side % 2, side >= 2
    reach = CUT * (box[axis + 2] - box[axis])
    edge = box[axis + 2] - reach if far else box[axis] + reach
    window[side] = int(np.clip(round(edge), 0, (width, height)[axis]))
    return window[0], window[1], window[2], window[3]


def occluded(photos: list[Photo]) -> list[Photo]:
    """Every photo with two of `KINDS` pasted on, one at a time, from a fixed seed; `kind` says which.

    Each kind comes as often as any other. What hides nearly the whole face is drawn again: nobody could place it.
    """

    def make() -> Iterator[Made]:
        for index, photo in enumerate(photos):
            for turn in range(KINDS_PER_PHOTO):
                kind = KINDS[(index + turn * 2) % len(KINDS)]
                rng = np.random.default_rng([OCCLUDED_SEED, index, turn])
                picture = pasted(photo.image(), _truth(photo), kind, rng)
                yield Made(photo, kind, picture, _truth(photo))

    return kept("occluded", content(photos) + factory_digest(), make)


def pasted(image: np.ndarray, truth: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """A (H, W, 3) uint8 RGB photo with one of `KINDS` on (68, 2) points; the last of `TRIES` when all hide too much."""
    from models.synthesis import overlay

    picture = image
    for _ in range(TRIES):
        picture, mask = overlay.paste_occluder(image, truth, kind, rng)
        if overlay.hidden_share(mask, truth) <= MOST_HIDDEN:
            break
    return picture


def factory_digest() -> str:
    """One SHA-256 of the code of the picture factory."""
    return digest(tuple(sorted((ROOT / "models" / "synthesis").glob("*.py"))))


def _truth(photo: Photo) -> np.ndarray:
    if photo.truth is None:
        raise ValueError(f"{photo.path} has no hand-placed points")
    return photo.truth


def kept(name: str, depends: str, make: Callable[[], Iterator[Made]]) -> list[Photo]:
    """The set that `make` yields, written once for every value of `depends`, which stands for all it is made from."""
    key = hashlib.sha256((depends + digest((Path(__file__),))).encode()).hexdigest()[:12]
    folder = BUILD / f"{name}-{key}"
    index = folder / "index.npz"
    if not index.exists():
        log.info("making %s", folder)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [(_written(made, folder), made.truth, made.kind) for made in make()]
        names, truth, kinds = zip(*rows, strict=True)
        np.savez(index, names=names, truth=np.array(truth), kinds=kinds)
    with np.load(index) as file:
        listed = zip(file["names"].tolist(), file["truth"], file["kinds"].tolist(), strict=True)
        return [Photo(folder / name, truth, box_of(truth), kind=kind) for name, truth, kind in listed]


def _written(made: Made, folder: Path) -> str:
    name = f"{made.source.path.stem}_{made.kind}.png"
    cv2.imwrite(str(folder / name), cv2.cvtColor(made.picture, cv2.COLOR_RGB2BGR))
    return name
