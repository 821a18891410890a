"""Samples of the parser: head crops with the parts, the occluders and a weight for every second pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from core.geometry import alignment
from core.types import LANDMARKS
from models.networks.parser import OUTPUT_STRIDE
from models.synthesis.labels import Label, Occluder, OccluderType, labels_with_occluder, occluder_type

from . import augment
from .painted_parts import IGNORED, as_painted

CLASSES = Label.CLOTH + 1  # CelebAMask-HQ's
_UNCLEAR = (Occluder.TOUCHED, Occluder.LOOSE_HAIR)  # no cover to be cut away, yet not untouched either
LOOKED_THROUGH = (OccluderType.MASK, OccluderType.HAND, OccluderType.OBJECT)  # parts are those behind
GUESSED = 0.3  # weight of a part behind an occluder: it can be guessed from its surroundings only
EDGE = 2.0  # additional weight along outlines
BACKGROUND, COVER = 0.3, 0.15  # share of samples with another background, with one more occluder
REFLECTED = 0.5  # share of samples whose outside mirrors the picture instead of being black
PLAIN = 0.3  # share of backgrounds and occluders that are a plain noisy colour
CLOSE = 0.45  # share of close crops
CLOSE_FROM = 85.0  # pixels that a face measures in a picture that is cut close; what is smaller would be a blur
# Of pictures that end well inside the head crop, say at the crown, the share of head crops that are cut like them:
# nothing is learnt beyond.
TIGHT, TIGHT_MARGIN = 0.6, 1.9
TIGHT_BELOW = 0.93  # share of the head crop that a picture shows
SHADED = 0.2  # share of samples with the eye sockets in shadow
STRENGTH = augment.Strength(color=0.9, grey=0.12, blur=0.25, coarse=0.4, coarsest=0.1, noise=0.35, jpeg=0.3, shade=0.3)
JITTER = augment.Jitter(degrees=9.0, log_scale=0.16, shift=0.07)
SCALES = (0.7, 1.4)  # of a crop against the true one
_PAIRS = ((Label.EYE_LEFT, Label.EYE_RIGHT), (Label.BROW_LEFT, Label.BROW_RIGHT), (Label.EAR_LEFT, Label.EAR_RIGHT))


@dataclass(frozen=True, eq=False)
class ParsingSample:
    """One crop of side S and its targets on a grid of half as many cells."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    classes: np.ndarray  # (S / 2, S / 2) uint8 part, `IGNORED` outside the picture
    occluder: np.ndarray  # (S / 2, S / 2) uint8 `OccluderType`, `IGNORED` where it is unclear or outside
    weight: np.ndarray  # (S / 2, S / 2) float32 of the parts' loss


def _swap_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint8)
    for left, right in _PAIRS:
        table[left], table[right] = right, left
    return table


MIRRORED = _swap_table()


def targets(labels: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 CelebAMask parts and (H, W) uint8 `OccluderType` of (H, W) `Label` and `Occluder` maps.

    Glasses, scarves and loose hair are parts; of the head behind masks, hands and things the parts are those behind.
    """
    shown = labels_with_occluder(labels, codes)
    parts = np.where(shown < CLASSES, shown, labels).astype(np.uint8)
    types = occluder_type(codes)
    types[np.isin(codes, _UNCLEAR)] = IGNORED
    return parts, types


class LabelledHeads(Protocol):
    """Pictures of one head each, with their maps; coordinates in their own pixels."""

    @property
    def points(self) -> np.ndarray:
        """(N, 68 or more, 2) landmarks, the 68 first."""
        ...

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        ...

    def maps(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) uint8 `Label` or `IGNORED`, and (H, W) uint8 `Occluder`, `TOUCHED` where it is unclear."""
        ...

    def foreground(self, index: int) -> np.ndarray:
        """(H, W) bool: the person and what they hold or wear."""
        ...

    def describe(self) -> dict[str, object]:
        """For the card."""
        ...

    def __len__(self) -> int: ...


class ParsingSampler:
    """Cuts samples out of pictures; `backgrounds` are (h, w, 3) uint8 pictures without people."""

    def __init__(self, pictures: LabelledHeads, backgrounds: list[np.ndarray]) -> None:
        self.pictures, self.backgrounds = pictures, backgrounds

    def exact(self, index: int, size: int, close: bool = False) -> ParsingSample:
        """The head crop, or the close one, as the application would cut it from a photo with perfect landmarks."""
        framed = alignment.close_matrix if close else alignment.head_matrix
        matrix = framed(self.pictures.points[index][:LANDMARKS], size)
        return self._cut(index, matrix, size, cv2.BORDER_CONSTANT)

    def varied(self, index: int, size: int, rng: np.random.Generator) -> ParsingSample:
        """A moved, mirrored, recoloured crop, perhaps before another background or behind one more thing."""
        matrix = _moved(self._framed(index, size, rng), size, rng)
        flip = rng.random() < 0.5
        if flip:
            matrix = alignment.mirrored(matrix, size)
        border = cv2.BORDER_REFLECT_101 if rng.random() < REFLECTED else cv2.BORDER_CONSTANT
        sample = self._cut(index, matrix, size, border)
        classes = MIRRORED[sample.classes] if flip else sample.classes
        image, occluder = sample.image, sample.occluder.copy()
        if rng.random() < BACKGROUND:
            image = self._set_before(index, matrix, image, rng)
        if rng.random() < COVER:
            hidden = augment.cover(image, rng, self._filler(image, rng))
            occluder[_coarse(hidden) & (occluder != IGNORED)] = OccluderType.OBJECT
        if rng.random() < SHADED:
            points = alignment.apply(matrix, self.pictures.points[index][:LANDMARKS])
            image = augment.shade_sockets(image, sockets(points), rng)
        image = augment.photometric(image, rng, STRENGTH)
        return ParsingSample(image, classes, occluder, _weights(classes, occluder))

    def _framed(self, index: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """(2, 3) matrix of one of the kinds of crop."""
        points = self.pictures.points[index][:LANDMARKS]
        close = alignment.close_matrix(points, size)
        if rng.random() < CLOSE and face_pixels(close, size) >= CLOSE_FROM:
            return close
        head = alignment.head_matrix(points, size)
        if rng.random() < TIGHT and _shown(head, size, self.pictures.maps(index)[0].shape) < TIGHT_BELOW:
            return _scaled(close, size, alignment.CLOSE_MARGIN / TIGHT_MARGIN)
        return head

    def _cut(self, index: int, matrix: np.ndarray, size: int, border: int) -> ParsingSample:
        image = self.pictures.image(index)
        image = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
        labels, codes = self.pictures.maps(index)
        labels = as_painted(labels, self.pictures.points[index][:LANDMARKS])
        classes, occluder = (_warp_codes(part, matrix, size) for part in targets(labels, codes))
        return ParsingSample(image, classes, occluder, _weights(classes, occluder))

    def _set_before(self, index: int, matrix: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The person of a picture before another background."""
        size = len(image)
        person = self.pictures.foreground(index).astype(np.uint8) * 255
        alpha = cv2.warpAffine(person, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.blur(alpha, (3, 3)).astype(np.uint16)[..., None]
        return ((image * alpha + self._filler(image, rng) * (255 - alpha)) // 255).astype(np.uint8)

    def _filler(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A piece of the stock or a plain noisy colour, as large as `image`."""
        if rng.random() < PLAIN:
            grain = int(rng.integers(1, 25))
            color = rng.integers(0, 256, 3) + rng.integers(-grain, grain + 1, image.shape, np.int16)
            return color.clip(0, 255).astype(np.uint8)
        source = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        side = int(min(source.shape[:2]) * rng.uniform(0.4, 1.0))
        y, x = (int(rng.integers(0, length - side + 1)) for length in source.shape[:2])
        return cv2.resize(source[y : y + side, x : x + side], image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def sockets(points: Any) -> Iterator[tuple[Any, Any]]:
    """Middle and half width of the right and the left eye socket, (..., 2) each, for (..., 68, 2) landmarks.

    Arrays of numpy or of torch.
    """
    for eye, brow in ((slice(36, 42), slice(17, 22)), (slice(42, 48), slice(22, 27))):
        middle = 0.65 * points[..., eye, :].mean(-2) + 0.35 * points[..., brow, :].mean(-2)
        yield middle, (points[..., eye.start + 3, :] - points[..., eye.start, :]) / 2


def face_pixels(close: np.ndarray, size: int) -> float:
    """How large the face is in the picture that a (2, 3) close crop of `size` pixels is cut from."""
    return size / alignment.CLOSE_MARGIN / float(np.sqrt(abs(np.linalg.det(close[:, :2]))))


def _shown(matrix: np.ndarray, size: int, shape: tuple[int, ...]) -> float:
    """Share of an upright crop that lies within a picture of (height, width)."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], float) - 0.5
    reach = alignment.apply(alignment.invert(matrix), corners)
    low, high = reach.min(axis=0), reach.max(axis=0)
    inside = np.minimum(high, [shape[1], shape[0]]) - np.maximum(low, 0.0)
    return float(np.clip(inside, 0.0, None).prod() / (high - low).prod())


def _moved(matrix: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A jittered crop matrix whose scale stays within `SCALES` of the true one."""
    out = augment.jittered(matrix, size, rng, JITTER)
    change = float(np.sqrt(np.linalg.det(out[:, :2]) / np.linalg.det(matrix[:, :2])))
    return _scaled(out, size, float(np.clip(change, *SCALES)) / change)


def _scaled(matrix: np.ndarray, size: int, scale: float) -> np.ndarray:
    """The same crop, its content `scale` times as large about the crop's centre."""
    out = matrix * scale
    out[:, 2] += (1.0 - scale) * (size - 1) / 2
    return out


def _warp_codes(codes: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(S / 2, S / 2) uint8 codes of a (H, W) map at the centres of the output's cells."""
    cells = size // OUTPUT_STRIDE
    to_cells = matrix / OUTPUT_STRIDE
    to_cells[:, 2] += 0.5 / OUTPUT_STRIDE - 0.5
    return cv2.warpAffine(codes, to_cells, (cells, cells), flags=cv2.INTER_NEAREST, borderValue=IGNORED)


def _coarse(mask: np.ndarray) -> np.ndarray:
    """(S / 2, S / 2) bool of a (S, S) bool mask."""
    cells = len(mask) // OUTPUT_STRIDE
    return cv2.resize(mask.astype(np.uint8) * 255, (cells, cells), interpolation=cv2.INTER_AREA) > 127


def _weights(classes: np.ndarray, occluder: np.ndarray) -> np.ndarray:
    """Outlines count more, what is guessed behind an occluder less."""
    edge = cv2.morphologyEx(classes, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    weight = 1.0 + EDGE * edge.astype(np.float32)
    return np.where(np.isin(occluder, LOOKED_THROUGH), np.float32(GUESSED), weight)
