"""Paints the face behind what hides it, and puts it into the photo at the photo's own resolution."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry import alignment
from ..geometry.coarse_colors import with_coarse_colors
from ..geometry.hole_filling import PaintedCrop, fill_hole
from ..geometry.hole_mask import within_face
from ..geometry.masks import grown
from ..geometry.mirroring import mirrored_fractions
from ..runtime.sessions import Network
from ..runtime.specs import FACE_SIZE
from ..types import PARTS, Completion
from .landmark import network_input

NETWORKS = {"generator": "completer", "autoencoder": "autoencoder"}  # method: network
COARSE = "completer_coarse"  # network of few, large pixels: as near to the truth as the generator, it errs elsewhere
TELEA_RADIUS = 3.0  # crop pixels, OpenCV's usual
_SKIN = [PARTS.index(name) for name in ("skin", "nose")]
_OVERLAP = 1.5  # crop pixels painted beyond the hole, where painting and photo are compared; more hides what is seen


class Complete:
    """(photo, 68 landmarks, mask) -> the photo with the masked part of the face painted."""

    def __init__(self, network: Network | None, method: str, coarse: Network | None = None) -> None:
        """Without a network the hole is filled from its rim (Telea, 2004).

        With a `coarse` network both look at the crop and at its mirror image, and light and tone lie between the two.
        """
        self._network, self._method, self._coarse = network, method, coarse

    def __call__(
        self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray, parts: np.ndarray | None = None
    ) -> Completion:
        """Replace what `mask` (H, W) uint8, set from 128 on, marks in the face crop of a (H, W, 3) uint8 photo.

        `parts` (H, W) uint8 are indices of `PARTS`: grain is then taken from skin, not from brows, lids and hair too.
        """
        mask = within_face(mask, points)
        if not mask.any():
            return Completion(photo=photo, mask=mask, method="none")
        skin = np.where(mask, 0, _hull(points, mask.shape)).astype(np.uint8)
        if parts is not None:
            skin &= np.isin(parts, _SKIN)
        crop = self._painted(photo, points, mask)
        out = fill_hole(photo, mask, crop, skin, grain=self._network is not None)
        return Completion(photo=out, mask=mask, method=self._method)

    def _painted(self, photo: np.ndarray, points: np.ndarray, mask: np.ndarray) -> PaintedCrop:
        matrix = alignment.crop_matrix(points, FACE_SIZE)
        seen = alignment.extract(photo, matrix, FACE_SIZE, cv2.BORDER_REFLECT_101)
        marked = alignment.extract(cv2.merge([mask, mask, mask]), matrix, FACE_SIZE, cv2.BORDER_REFLECT_101).image
        hole = (marked[..., 0] > 0).astype(np.uint8)
        overlap = hole
        if self._network is None:
            painted = cv2.inpaint(seen.image, hole, TELEA_RADIUS, cv2.INPAINT_TELEA).astype(np.float32)
        else:
            overlap = grown(hole, _OVERLAP)
            fractions = (alignment.apply(matrix, points) + 0.5) / FACE_SIZE
            given = {
                "image": network_input(seen),
                "mask": overlap[None, None].astype(np.float32),
                "landmarks": fractions[None].astype(np.float32),
            }
            if self._coarse is None:
                painted = _levels(self._network.run(**given)["completed"][0])
            else:
                fine = _both_ways(self._network, "completed", given)
                painted = with_coarse_colors(fine, _both_ways(self._coarse, "coarse", given), overlap)
        face = _hull(alignment.apply(matrix, points), hole.shape)
        return PaintedCrop(matrix, seen.image, painted, hole, face, overlap)


def _both_ways(network: Network, output: str, given: dict[str, np.ndarray]) -> np.ndarray:
    """(H, W, 3) float32 in [0, 255]: the mean of what is painted into a crop and into its mirror image."""
    mirrored = {name: values[..., ::-1] for name, values in given.items()}
    mirrored["landmarks"] = mirrored_fractions(given["landmarks"])
    both = network.run(**{name: np.concatenate([values, mirrored[name]]) for name, values in given.items()})[output]
    return _levels((both[0] + both[1][..., ::-1]) / 2)


def _levels(answer: np.ndarray) -> np.ndarray:
    """(3, H, W) in [0, 1] as (H, W, 3) float32 in [0, 255]."""
    return np.ascontiguousarray(answer.transpose(1, 2, 0)) * np.float32(255.0)


def _hull(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) uint8, 1 within the hull of (68, 2) landmarks."""
    face = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return face
