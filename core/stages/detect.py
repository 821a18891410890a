"""Finds the faces in a photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from scipy.special import expit, logit

from ..geometry.boxes import area, overlap, shared
from ..runtime.sessions import Network
from ..runtime.specs import STRIDE
from ..types import FaceBox

LONG_SIDE = 640  # pixels of the longer side in the first look
UNSURE = 0.8  # score of the best face below which upright looks of other scales may find more
# Further upright looks: pixels of the longer side, how far a small photo may be enlarged, and the least score. Finer
# for small faces, then coarser for those that fill the frame. The finer a look, the more false faces it sees.
FURTHER_LOOKS = ((1280, 2.0, 0.7), (256, 2.0, 0.7))
FINEST_LOOK = (2560, 4.0, 0.7)  # only when there is still hardly one: in large photos it costs 16 times the first
SMALLEST = 16.0  # pixels of the photo, of faces that further looks add: the finer, the more false ones
TINY = 9.0  # the same of the finest look where there is nothing else: a mask can be told even then
LARGEST = 256.0  # pixels of a finer look: what is larger there was large enough before, and is mostly no face
FINEST_LARGEST = 360.0  # the same of the finest look: masks under hoods and caps are seen at last when they are large
# An upright face scores above 0.87 nine times in ten, one that lies or stands on its head hardly ever above `SURE`;
# where it is found at all, its points are placed as if it were upright.
SURE = 0.86
TURNED_SCORE = 0.8  # least score of a face found in the turned photo ...
TURNED_GAIN = 0.05  # ... and by how much it must be above the best of the upright one: most photos are upright
TURNS = (1, 3, 2)  # quarters, counter-clockwise
TURNED_ENLARGE = 2.0
TURNED_FACE = 80.0  # pixels of the doubtful face in the turned looks: more would only take longer
DOUBT = 0.15  # detector's score below the best one's by which a face is not preferred for its size
OVERLAP = 0.4  # intersection over union above which two boxes are one face
INSIDE = 0.8  # share of the smaller of two boxes in the other one above which they are one face
# The second opinion: log-odds of a face from those of its score and the logarithm of how unsure its landmarks are,
# by logistic regression on candidates in synthetic scenes (`python -m models.training.second_opinion`).
OPINION = (1.26, -2.18, -6.46)  # slopes of the two, and the constant
MOST_RAISED = 0.82  # score up to which an opinion may raise one: things that look like faces mislead both networks
# How unsure landmarks are of a face that is doubtful for what it shows, and not because the box is not quite the
# face's; the detector's score that counts where they are less sure, so that further looks are taken.
ASTRAY, LOST = 0.025, 0.79
AT_HOME = 0.3  # intersection over union with the box of its landmarks below which a box is not of the face they are on
CANDIDATE = 0.4  # least score of what gets a second opinion where there is no sure face
MOST_CANDIDATES = 8  # of one look, the likeliest

Opinion = Callable[[np.ndarray, Sequence[FaceBox]], tuple[np.ndarray, np.ndarray]]  # `Landmark.opinion`


class Detect:
    """Photo -> all faces in it, largest first, those far less certain than the best one last.

    One look is enough for a photo with a face that is surely one. Otherwise the photo is looked at again: finer and
    coarser where there is hardly one, and turned by quarters. A doubtful face gets a second opinion: its score becomes
    one that takes into account how sure the landmarks are of their places in it. A box keeps to the photo's axes; its
    five points tell how the face lies.
    """

    def __init__(self, network: Network, opinion: Opinion, min_score: float = 0.65) -> None:
        self._network = network
        self._opinion = opinion
        self._min_score = min_score

    def __call__(self, photo: np.ndarray) -> list[FaceBox]:
        """Faces of a (H, W, 3) uint8 RGB photo; may be empty."""
        found = self._look(photo, _first_scale(photo), self._min_score)
        if _best(found) < UNSURE:
            found = self._looked_further(photo, found)
        if _best(found) < SURE:
            found = self._turned(photo, found)
        sure = _best(found) - DOUBT
        found.sort(key=lambda one: (one.seen >= sure, one.face.size), reverse=True)
        return [one.face for one in found]

    def _looked_further(self, photo: np.ndarray, found: list[_Found]) -> list[_Found]:
        """What the first look `found` and what upright looks of other scales add."""
        for scale, least in _further_scales(photo):
            found = _distinct(found + self._closer(photo, scale, least))
            if _best(found) >= SURE:
                break
        if _best(found) >= UNSURE:
            return found
        side, enlarge, least = FINEST_LOOK
        sizes = SMALLEST if found else TINY, FINEST_LARGEST
        return _distinct(found + self._closer(photo, _scale(photo, side, enlarge), least, sizes))

    def _closer(
        self, photo: np.ndarray, scale: float, least: float, sizes: tuple[float, float] = (SMALLEST, LARGEST)
    ) -> list[_Found]:
        """Faces of a further look, those of a size that it is good for."""
        smallest = sizes[0] if scale > 1.0 else 0.0
        largest = sizes[1] / scale if scale > _first_scale(photo) else np.inf
        return [one for one in self._look(photo, scale, least) if smallest <= one.face.size <= largest]

    def _turned(self, photo: np.ndarray, upright: list[_Found]) -> list[_Found]:
        """The faces of the turned photo where it shows one surely and the upright one does not, else `upright`."""
        scale = _scale(photo, LONG_SIDE, TURNED_ENLARGE)
        if upright:
            scale = min(scale, TURNED_FACE / max(one.face.size for one in upright))
        turned = max((self._look(photo, scale, TURNED_SCORE, quarters) for quarters in TURNS), key=_best)
        return turned if _best(turned) > _best(upright) + TURNED_GAIN else upright

    def _look(self, photo: np.ndarray, scale: float, least: float, quarters: int = 0) -> list[_Found]:
        """Faces in the photo scaled and turned by quarters (counter-clockwise), of at least a score."""
        least = max(least, self._min_score)  # never below what the caller asks of any face
        faces = self.candidates(photo, scale, min(least, CANDIDATE), quarters)
        if faces and faces[0].score >= SURE:
            faces = [face for face in faces if face.score >= least]
        return _distinct([one for one in self._judged(photo, faces) if one.face.score >= least])

    def candidates(self, photo: np.ndarray, scale: float, least: float, quarters: int = 0) -> list[FaceBox]:
        """What the network alone takes for a face in one look, best first."""
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

    def _judged(self, photo: np.ndarray, faces: list[FaceBox]) -> list[_Found]:
        """Faces, best first, the doubtful ones with the score that the second opinion leaves them."""
        sure = [_Found(face, face.score, face.corners) for face in faces if face.score >= SURE]
        doubtful = faces[len(sure) :][:MOST_CANDIDATES]
        if not doubtful:
            return sure
        doubt, places = self._opinion(photo, doubtful)
        evidence = opinion_evidence(np.array([face.score for face in doubtful]), doubt)
        most = [max(face.score, MOST_RAISED) for face in doubtful]
        judged = np.minimum(expit(evidence @ OPINION[:2] + OPINION[2]), most)
        seen = [
            min(face.score, LOST) if lost else face.score for face, lost in zip(doubtful, doubt > ASTRAY, strict=True)
        ]
        return sure + [
            _Found(replace(face, score=float(score)), own, place)
            for face, own, score, place in zip(doubtful, seen, judged, places, strict=True)
            if overlap(face.corners, place) >= AT_HOME
        ]


class _Found(NamedTuple):
    """A face, the score by which further looks are decided, the detector's or less, and where its landmarks are."""

    face: FaceBox
    seen: float
    place: np.ndarray  # (4,) x0, y0, x1, y1, photo pixels; the face's own box where nobody was asked


def opinion_evidence(score: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """(N, 2): log-odds of (N,) scores, and logarithms of (N,) `Landmark.opinion`."""
    return np.column_stack([logit(np.clip(score, 1e-4, 1.0 - 1e-4)), np.log(np.maximum(doubt, 1e-4))])


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


def _best(found: list[_Found]) -> float:
    """The detector's highest score, 0 without a face."""
    return max((one.seen for one in found), default=0.0)


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


def _distinct(found: list[_Found]) -> list[_Found]:
    """One of all that are of one face: the most certain one."""
    kept: list[_Found] = []
    for one in sorted(found, key=lambda one: (one.face.score, one.seen), reverse=True):
        if not any(_same(one.face.corners, other.face.corners) or _same(one.place, other.place) for other in kept):
            kept.append(one)
    return kept


def _same(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two (4,) boxes overlap so much, or one lies so much in the other, that they are of one face."""
    return overlap(box, other) > OVERLAP or shared(box, other) > INSIDE * min(area(box), area(other))


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
