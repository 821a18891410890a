"""Finds the faces in a photo."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ..runtime.sessions import Network
from ..runtime.specs import STRIDE
from ..types import FaceBox

LONG_SIDE = 640  # pixels of the longer side in the first look
UNSURE = 0.8  # score of the best face below which upright looks of other scales may find more
# Further upright looks: pixels of the longer side, how far a small photo may be enlarged, and the least score. Finer
# for small faces, then coarser for those that fill the frame. The finer a look, the more false faces it sees; with
# these bounds, in none of 140 small synthetic crowds.
FURTHER_LOOKS = ((1280, 2.0, 0.7), (256, 2.0, 0.7))
# Of 181 pictures without a face seven show one with this bound, five with 0.75.
FINEST_LOOK = (2560, 4.0, 0.65)  # only when there is still hardly one: in large photos it costs 16 times the first
SMALLEST = 16.0  # pixels of the photo, of faces that further looks add: the finer, the more false ones
TINY = 9.0  # the same of the finest look where there is nothing else: a mask can be told even then
LARGEST = 256.0  # pixels of a finer look: what is larger there was large enough before, and is mostly no face
FINEST_LARGEST = 360.0  # the same of the finest look: masks under hoods and caps are seen at last when they are large
# An upright face scores above 0.9 nine times in ten, one that lies or stands on its head hardly ever above `SURE`;
# where it is found at all, its points are placed as if it were upright.
SURE = 0.88
TURNED_SCORE = 0.8  # least score of a face found in the turned photo ...
TURNED_GAIN = 0.05  # ... and by how much it must be above the best of the upright one: most photos are upright
TURNS = (1, 3, 2)  # quarters, counter-clockwise
TURNED_ENLARGE = 2.0
TURNED_FACE = 80.0  # pixels of the doubtful face in the turned looks: more would only take longer
DOUBT = 0.15  # score below the best one's by which a face is not preferred for its size
OVERLAP = 0.4  # intersection over union above which two boxes are one face


class Detect:
    """Photo -> all faces in it, largest first, those far less certain than the best one last.

    One look is enough for a photo with a face that is surely one. Otherwise the photo is looked at again: finer and
    coarser where there is hardly one, and turned by quarters. A box keeps to the photo's axes; its five points tell
    how the face lies.
    """

    def __init__(self, network: Network, min_score: float = 0.65) -> None:
        self._network = network
        self._min_score = min_score

    def __call__(self, photo: np.ndarray) -> list[FaceBox]:
        """Faces of a (H, W, 3) uint8 RGB photo; may be empty."""
        faces = self._look(photo, _first_scale(photo), self._min_score)
        if _best(faces) < UNSURE:
            faces = self._looked_further(photo, faces)
        if _best(faces) < SURE:
            faces = self._turned(photo, faces)
        sure = _best(faces) - DOUBT
        return sorted(faces, key=lambda face: (face.score >= sure, face.size), reverse=True)

    def _looked_further(self, photo: np.ndarray, faces: list[FaceBox]) -> list[FaceBox]:
        """`faces` of the first look and what upright looks of other scales add."""
        for scale, least in _further_scales(photo):
            faces = _united(faces, self._closer(photo, scale, least))
            if _best(faces) >= SURE:
                break
        if _best(faces) >= UNSURE:
            return faces
        side, enlarge, least = FINEST_LOOK
        sizes = SMALLEST if faces else TINY, FINEST_LARGEST
        return _united(faces, self._closer(photo, _scale(photo, side, enlarge), least, sizes))

    def _closer(
        self, photo: np.ndarray, scale: float, least: float, sizes: tuple[float, float] = (SMALLEST, LARGEST)
    ) -> list[FaceBox]:
        """Faces of a further look, those of a size that it is good for."""
        smallest = sizes[0] if scale > 1.0 else 0.0
        largest = sizes[1] / scale if scale > _first_scale(photo) else np.inf
        return [face for face in self._look(photo, scale, least) if smallest <= face.size <= largest]

    def _turned(self, photo: np.ndarray, upright: list[FaceBox]) -> list[FaceBox]:
        """The faces of the turned photo where it shows one surely and the upright one does not, else `upright`."""
        scale = _scale(photo, LONG_SIDE, TURNED_ENLARGE)
        if upright:
            scale = min(scale, TURNED_FACE / max(face.size for face in upright))
        turned = max((self._look(photo, scale, TURNED_SCORE, quarters) for quarters in TURNS), key=_best)
        return turned if _best(turned) > _best(upright) + TURNED_GAIN else upright

    def _look(self, photo: np.ndarray, scale: float, least: float, quarters: int = 0) -> list[FaceBox]:
        """Faces in the photo scaled and turned by quarters (counter-clockwise), of at least a score."""
        least = max(least, self._min_score)  # never below what the caller asks of any face
        view = _View(photo, scale, quarters)
        out = self._network.run(image=view.image)
        boxes, scores = out["boxes"][0], out["scores"][0]
        keep = _suppress(boxes, scores, least)
        corners = view.to_photo(boxes[keep].reshape(-1, 2, 2))
        points = view.to_photo(out["points"][0][keep].reshape(-1, 5, 2))
        low, high = corners.min(axis=1), corners.max(axis=1)
        return [
            FaceBox(*a.tolist(), *b.tolist(), score=float(score), points=five.astype(np.float32))
            for a, b, score, five in zip(low, high, scores[keep], points, strict=True)
        ]


class _View:
    """A photo as the network gets it: scaled, turned by quarters, padded to the stride."""

    def __init__(self, photo: np.ndarray, scale: float, quarters: int) -> None:
        height, width = photo.shape[:2]
        self._size = (max(round(width * scale), 1), max(round(height * scale), 1))
        self._factors = np.array(self._size) / [width, height]
        self._quarters = quarters
        interpolation = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
        small = photo if self._size == (width, height) else cv2.resize(photo, self._size, interpolation=interpolation)
        small = np.rot90(small, quarters)
        rows, columns = small.shape[:2]
        # Planes in one block: the runtime would copy anything else, which takes a third of the network's time.
        self.image = np.zeros((1, 3, -(-rows // STRIDE) * STRIDE, -(-columns // STRIDE) * STRIDE), np.float32)
        np.multiply(small.transpose(2, 0, 1), np.float32(1 / 255), out=self.image[0, :, :rows, :columns])

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels of `image` in pixels of the photo."""
        x, y = points[..., 0], points[..., 1]
        right, bottom = self._size[0] - 1, self._size[1] - 1
        back = {0: (x, y), 1: (right - y, x), 2: (right - x, bottom - y), 3: (y, bottom - x)}[self._quarters]
        # pixel centres: photo = (input + 0.5) / factor - 0.5
        return (np.stack(back, axis=-1) + 0.5) / self._factors - 0.5


def _best(faces: list[FaceBox]) -> float:
    """The highest score, 0 without a face."""
    return max((face.score for face in faces), default=0.0)


def _scale(photo: np.ndarray, side: int, enlarge: float) -> float:
    """Input pixels per photo pixel of a look of `side` pixels that enlarges no further than `enlarge`."""
    return min(side / max(photo.shape[:2]), enlarge)


def _first_scale(photo: np.ndarray) -> float:
    return _scale(photo, LONG_SIDE, 1.0)


def _further_scales(photo: np.ndarray) -> Iterator[tuple[float, float]]:
    """Scale and least score of the further looks; one much like an earlier one is left out."""
    tried = [_first_scale(photo)]
    for side, enlarge, least in FURTHER_LOOKS:
        scale = _scale(photo, side, enlarge)
        if all(abs(scale / other - 1.0) > 0.25 for other in tried):
            tried.append(scale)
            yield scale, least


def _united(faces: list[FaceBox], more: list[FaceBox]) -> list[FaceBox]:
    """Faces of two looks; of two boxes of one face the more certain one."""
    both = faces + more
    boxes = np.array([(face.x0, face.y0, face.x1, face.y1) for face in both]).reshape(-1, 4)
    return [both[index] for index in _suppress(boxes, np.array([face.score for face in both]), 0.0)]


def _suppress(boxes: np.ndarray, scores: np.ndarray, min_score: float) -> np.ndarray:
    """Indices of the (N, 4) boxes x0 y0 x1 y1 that remain after non-maximum suppression, best first."""
    likely = np.flatnonzero(scores >= min_score)
    if not len(likely):
        return likely
    corner_size = np.concatenate([boxes[likely, :2], boxes[likely, 2:] - boxes[likely, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(
        corner_size.astype(float).tolist(), scores[likely].astype(float).tolist(), min_score, OVERLAP
    )
    return likely[np.asarray(kept, dtype=int).ravel()]
