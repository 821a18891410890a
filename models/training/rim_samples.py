"""Samples of glasses: the strip of a face crop in which they lie, and what of them hides the face."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from core.runtime.specs import FACE_SIZE
from core.stages.rims import ROWS
from models.synthesis.labels import Occluder
from models.synthesis.overlay import paste_occluder

from . import augment
from .completion_portraits import PortraitSampler
from .crops import Cropper
from .data import Pictures

JITTER = augment.Jitter(degrees=5.0, log_scale=0.08, shift=0.03)
LEAST = 0.003  # share of the picture that clear lenses fill
_GLARE, _SHADOW = 35, 30  # levels by which a lens, or skin beside the rim, differs from what is behind it
_EDGE = 15  # levels by which pixels do that a thin rim fills in part
_BY_RIMS = (Occluder.CLEAR_LENS, Occluder.TOUCHED)
_OTHERS = (Occluder.DARK_LENS, Occluder.GOGGLES)
_OPEN, _BESIDE = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)
_PASTED = "glasses"


class RimSample(NamedTuple):
    """One strip of h x w pixels."""

    image: np.ndarray  # (h, w, 3) uint8 RGB
    rims: np.ndarray  # (h, w) uint8, 255 times the share of the pixel that hides the face


def wearers(pictures: Pictures) -> np.ndarray:
    """(N,) bool: who wears clear glasses, and nothing dark before the eyes."""
    out = np.zeros(len(pictures), bool)
    for index in np.flatnonzero(pictures.truth.clean_row >= 0):
        counts = np.bincount(pictures.maps(index)[1].ravel(), minlength=max(Occluder) + 1)
        out[index] = counts[Occluder.CLEAR_LENS] > LEAST * counts.sum() and not counts[list(_OTHERS)].any()
    return out


def hiding(worn: np.ndarray, bare: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 255 where glasses hide the face, of a (H, W, 3) uint8 picture, the same without, and its codes.

    A rim does, and so do glare on a lens and the rim's shadow where they show; what a lens shifts or tints does not.
    """
    change = worn.astype(np.int16) - bare
    brighter, different = change.max(axis=2), np.abs(change).max(axis=2)
    glare = (brighter > _GLARE) & (codes == Occluder.CLEAR_LENS)
    shadow = (different > _SHADOW) & (codes == Occluder.TOUCHED)
    wide = cv2.morphologyEx((glare | shadow).astype(np.uint8), cv2.MORPH_OPEN, _OPEN)
    frame = (codes == Occluder.FRAME).astype(np.uint8)
    beside = (cv2.dilate(frame, _BESIDE) > 0) & (different > _EDGE) & np.isin(codes, _BY_RIMS)
    return np.where((frame > 0) | beside | (wide > 0), 255, 0).astype(np.uint8)


def strip(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(h, w, ...) uint8 strip of a picture under its (2, 3) matrix to the face crop."""
    part = matrix.copy()
    part[1, 2] -= ROWS.start
    size = (FACE_SIZE, ROWS.stop - ROWS.start)
    return cv2.warpAffine(picture, part, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


class RimSampler:
    """Cuts samples out of synthetic pictures, and out of portraits on which glasses are drawn."""

    def __init__(self, pictures: Pictures, portraits: PortraitSampler | None) -> None:
        self.cropper = Cropper(pictures, FACE_SIZE)
        self.pictures, self.portraits = pictures, portraits

    def exact(self, index: int) -> RimSample:
        """As the application would cut it."""
        return self._of(index, self.cropper.matrices[index])

    def varied(self, index: int, rng: np.random.Generator) -> RimSample:
        """A moved crop."""
        return self._of(index, augment.jittered(self.cropper.matrices[index], FACE_SIZE, rng, JITTER))

    def portrait(self, index: int, rng: np.random.Generator, bare: bool) -> RimSample:
        """A moved crop of a portrait of somebody who wears no glasses, `bare` or with drawn ones."""
        assert self.portraits is not None
        source = self.portraits.source
        photo = cv2.cvtColor(source.portraits.images[index, 0], cv2.COLOR_GRAY2RGB)
        rims, worn = np.zeros(photo.shape[:2], np.uint8), photo
        if not bare:
            worn, codes = paste_occluder(photo, source.portraits.points[index].astype(float), _PASTED, rng)
            rims = hiding(worn, photo, codes)
        matrix = augment.jittered(source.matrices[index], FACE_SIZE, rng, JITTER)
        return RimSample(strip(worn, matrix), strip(rims, matrix))

    def _of(self, index: int, matrix: np.ndarray) -> RimSample:
        image = self.pictures.image(index)
        rims = np.zeros(image.shape[:2], np.uint8)
        if self.pictures.truth.clean_row[index] >= 0:
            rims = hiding(image, self.pictures.clean(index), self.pictures.maps(index)[1])
        return RimSample(strip(image, matrix), strip(rims, matrix))
