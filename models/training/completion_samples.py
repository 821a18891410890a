"""Samples of completion: a face crop, what hides part of it, and the crop as if nothing did."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry import alignment
from core.geometry.mirroring import MIRRORED_68
from core.types import LANDMARKS
from models.synthesis.labels import HIDING, Occluder

from . import augment
from .crops import Cropper
from .data import Pictures

COVERED = (*HIDING, Occluder.CLEAR_LENS, Occluder.VISOR)  # what a parser finds; shadows and rims it does not
GROWTH = (0.008, 0.03)  # crop sides by which a hole is larger than what it hides
_EXACT_GROWTH = 0.018
SHADOW_REACH = 0.06  # crop sides round a cover within which its shadow and rim belong to the hole
SHADOW = 0.8  # share of the samples of which they do: the parser sees no shadows, a growth slider may
OWN, BORROWED = 0.8, 0.5  # share of covered pictures that keep their cover; of other holes shaped as one
BORROWED_GROWTH = 0.02  # crop sides by which such a hole is larger than the other's cover
EXTRA = 0.25  # share of samples with a second hole
LEAST, MOST = 0.005, 0.6  # share of the crop that a hole fills
GUESSED = 0.012  # deviation of landmarks that the hole hides, crop sides
FOUND = 0.003  # deviation of those that are seen
JITTER = augment.Jitter(degrees=4.0, log_scale=0.05, shift=0.025)
# Noise, compression and a strong blur could not be guessed from outside the hole.
STRENGTH = augment.Strength(color=0.85, grey=0.06, blur=0.08, coarse=0.15, noise=0.1, jpeg=0.08, shade=0.3)
_TRIES = 8
_DARK, _SPARSE = 20.0, 16  # mean level of 255 below which a face shows nothing to go on; steps between looked-at pixels


@dataclass(frozen=True, eq=False)
class CompletionSample:
    """One face crop of side S."""

    image: np.ndarray  # (S, S, 3) uint8 RGB as photographed
    clean: np.ndarray  # (S, S, 3) uint8 RGB without what the hole hides
    mask: np.ndarray  # (S, S) uint8, 1 in the hole
    landmarks: np.ndarray  # (68, 2) float32 crop fractions


class CompletionSampler:
    """Cuts samples of `size` pixels out of pictures and their clean twins."""

    def __init__(self, pictures: Pictures, size: int) -> None:
        self.pictures, self.size = pictures, size
        self.cropper = Cropper(pictures, size)
        self.covered = np.flatnonzero(pictures.truth.clean_row >= 0)  # indices of pictures with an occluder

    def exact(self, index: int) -> CompletionSample:
        """As the application would cut it, with its own cover or, if it has none, a hole that depends on `index`."""
        rng, matrix = np.random.default_rng(index), self.cropper.matrices[index]
        mask = grown(self.cover(index, matrix), round(_EXACT_GROWTH * self.size))
        if mask.mean() < LEAST:
            mask = self.strange_hole(rng)
        return self._sample(index, matrix, mask)

    def varied(self, index: int, rng: np.random.Generator) -> CompletionSample:
        """A moved, mirrored, recoloured crop with its own cover or a made-up hole, and landmarks as good as found."""
        matrix = augment.jittered(self.cropper.matrices[index], self.size, rng, JITTER)
        flip = rng.random() < 0.5
        if flip:
            matrix = alignment.mirrored(matrix, self.size)
        own = rng.random() < OWN
        sample = self._sample(index, matrix, self._hole(index, matrix, rng, own))
        if not own:  # a cover that stays in the picture would go on inside the hole, where the clean twin has none
            sample = dataclasses.replace(sample, image=sample.clean)
        seed = int(rng.integers(2**31))  # both pictures change alike
        image, clean = (
            augment.photometric(one, np.random.default_rng(seed), STRENGTH) for one in (sample.image, sample.clean)
        )
        landmarks = sample.landmarks[MIRRORED_68] if flip else sample.landmarks
        return CompletionSample(image, clean, sample.mask, misplaced(landmarks, sample.mask, rng))

    def cover(self, index: int, matrix: np.ndarray, shadow: bool = True) -> np.ndarray:
        """(S, S) uint8, 1 where the picture's own occluder is, and where its shadow falls near it."""
        codes = cv2.warpAffine(self.pictures.maps(index)[1], matrix, (self.size, self.size), flags=cv2.INTER_NEAREST)
        cover = np.isin(codes, COVERED).astype(np.uint8)
        if shadow:
            near = grown(cover, round(SHADOW_REACH * self.size))
            cover |= near & (codes == Occluder.TOUCHED)
        return cover

    def _sample(self, index: int, matrix: np.ndarray, mask: np.ndarray) -> CompletionSample:
        image, clean = (self.cropper.cut(index, matrix, cv2.BORDER_REFLECT_101, clean=bare) for bare in (False, True))
        points = self.cropper.fractions(index, matrix)[:LANDMARKS].astype(np.float32)
        return CompletionSample(image, clean, mask, points)

    def _hole(self, index: int, matrix: np.ndarray, rng: np.random.Generator, own: bool) -> np.ndarray:
        """(S, S) uint8 hole in training, `own` round the picture's own cover."""
        mask = np.zeros((self.size, self.size), np.uint8)
        if own:
            growth = round(rng.uniform(*GROWTH) * self.size)
            mask = grown(self.cover(index, matrix, shadow=rng.random() < SHADOW), growth)
        if mask.mean() < LEAST or rng.random() < EXTRA:
            more = mask | self.strange_hole(rng)
            mask = more if more.mean() < MOST or mask.mean() < LEAST else mask
        return mask

    def strange_hole(self, rng: np.random.Generator) -> np.ndarray:
        """A hole shaped as another picture's cover, or drawn freely."""
        for _ in range(_TRIES):
            if len(self.covered) and rng.random() < BORROWED:
                other = int(rng.choice(self.covered))
                cover = self.cover(other, self.cropper.matrices[other], shadow=False)
                mask = grown(cover, round(BORROWED_GROWTH * self.size))
            else:
                mask = free_form(self.size, rng)
            if LEAST < mask.mean() < MOST:
                return mask
        return _middle_hole(self.size)


def lit(pictures: Pictures) -> np.ndarray:
    """(N,) bool: the pictures whose middle is not nearly black."""
    return np.array([bright(pictures.image(index)) for index in range(len(pictures))])


def bright(image: np.ndarray) -> bool:
    """Whether the middle of a (S, S, 3) uint8 picture is not nearly black."""
    middle = slice(len(image) // 4, 3 * len(image) // 4, _SPARSE)
    return bool(image[middle, middle].mean() > _DARK)


def grown(mask: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) uint8 0 or 1, grown by a disc of `radius` pixels."""
    return mask if radius < 1 else cv2.dilate(mask, disc(radius))


def disc(radius: int) -> np.ndarray:
    """(2 R + 1, 2 R + 1) uint8, 1 within `radius` pixels of the middle."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def free_form(size: int, rng: np.random.Generator) -> np.ndarray:
    """(S, S) uint8: a few thick strokes (Yu et al., 2019), an ellipse or a box."""
    mask = np.zeros((size, size), np.uint8)
    if rng.random() < 0.5:
        center, sides = (rng.uniform(0.2, 0.8, 2) * size).tolist(), (rng.uniform(0.16, 0.6, 2) * size).tolist()
        if rng.random() < 0.5:
            cv2.ellipse(mask, (center, sides, float(rng.uniform(0, 180))), 1, -1)
        else:
            corners = cv2.boxPoints((center, sides, float(rng.uniform(0, 90))))
            cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 1)
        return mask
    for _ in range(int(rng.integers(1, 4))):
        turns = rng.uniform(-1.2, 1.2, int(rng.integers(3, 8))).cumsum() + rng.uniform(0.0, 2.0 * np.pi)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(0.06, 0.2, (len(turns), 1)) * size
        path = rng.uniform(0.2, 0.8, 2) * size + np.concatenate([np.zeros((1, 2)), steps.cumsum(axis=0)])
        cv2.polylines(mask, [np.rint(path).astype(np.int32)], False, 1, max(int(rng.uniform(0.04, 0.12) * size), 1))
    return mask


def _middle_hole(size: int) -> np.ndarray:
    """(S, S) uint8: an ellipse in the middle, for want of another."""
    mask = np.zeros((size, size), np.uint8)
    return cv2.ellipse(mask, ((size / 2, size / 2), (0.4 * size, 0.3 * size), 0.0), 1, -1).astype(np.uint8)


def misplaced(landmarks: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(68, 2) landmarks as a landmarker would find them: worse, and together, where the hole hides them."""
    pixel = np.rint(landmarks * len(mask) - 0.5).astype(int).clip(0, len(mask) - 1)
    hidden = mask[pixel[:, 1], pixel[:, 0], None] > 0
    together = rng.normal(0.0, GUESSED, 2)  # guesses err alike: the whole mouth too low
    wrong = rng.normal(0.0, FOUND, landmarks.shape) + np.where(hidden, together, 0.0)
    return (landmarks + wrong).astype(np.float32)
