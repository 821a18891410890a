"""Real faces for completion: public-domain portraits with holes, which need no labels but what is behind the hole."""

from __future__ import annotations

import dataclasses

import numpy as np

from core.geometry import alignment
from core.geometry.mirroring import MIRRORED_68
from core.types import LANDMARKS

from . import augment
from .completion_samples import JITTER, STRENGTH, CompletionSample, CompletionSampler, misplaced
from .parsed_portraits import glasses_by_name
from .portraits import Portraits
from .sources import PortraitSource


class PortraitSampler:
    """Cuts samples out of bare portraits; the holes have the shapes of what synthetic people wear."""

    def __init__(self, portraits: Portraits, holes: CompletionSampler) -> None:
        bare = dataclasses.replace(portraits, images=portraits.images[:, :1], visibility=portraits.visibility[:, :1])
        self.source = PortraitSource(bare, LANDMARKS, holes.size)
        wears = glasses_by_name()  # nobody shall learn to paint glasses
        self.train = np.array([k for k in self.source.train if str(portraits.names[k]) not in wears])
        self._holes = holes

    def varied(self, index: int, rng: np.random.Generator) -> CompletionSample:
        """A moved, mirrored, tinted crop with a made-up hole."""
        size = self._holes.size
        matrix = augment.jittered(self.source.matrices[index], size, rng, JITTER)
        flip = rng.random() < 0.5
        if flip:
            matrix = alignment.mirrored(matrix, size)
        face = self.source.crop(index, matrix, rng)
        image, mask = augment.photometric(face.image, rng, STRENGTH), self._holes.strange_hole(rng)
        points = (face.points[MIRRORED_68] if flip else face.points).astype(np.float32)
        return CompletionSample(image, image, mask, misplaced(points, mask, rng))

    def describe(self) -> dict[str, object]:
        """For the card."""
        return self.source.describe() | {"used": len(self.train), "left_out": "who wears or may wear glasses"}
