"""What goes into the fit: photos of a person, and what the networks say about the face in each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .geometry.hole_mask import covers
from .geometry.mouth import Mouth
from .stages.fit import Regressed
from .stages.pca_free import PersonalShape
from .types import OCCLUDERS, PARTS, Completion, Crop, FaceBox, FaceParams, Landmarks, Parsing

_OPAQUE = [OCCLUDERS.index(kind) for kind in ("mask", "scarf", "hand", "object")]
_GUESSED = 2.0  # factor on the deviation of a landmark that something hides


@dataclass(frozen=True, eq=False)
class PersonPhoto:
    """One of several photos of a person."""

    name: str  # as errors are to call it
    pixels: np.ndarray  # (H, W, 3) uint8 RGB
    box: FaceBox | None = None  # the person's face; the largest when None
    focal: float | None = None  # pixels, if known
    mask: np.ndarray | None = None  # (H, W) uint8, set from 128 on where something hides the face; None: find it


@dataclass(frozen=True, eq=False)
class Look:
    """What the networks say about one face, before the fit."""

    face: FaceBox
    landmarks: Landmarks  # of the photo as it is
    seen: Landmarks  # of the completed photo
    completion: Completion
    regressed: FaceParams
    crop: Crop
    parts: np.ndarray  # (H, W) uint8 index into `PARTS`: `parts_shown`
    mouth: Mouth | None
    words: tuple[str, ...]  # of caution
    own: PersonalShape | None = None  # geometry free of the linear basis, where the settings want it
    teeth: float = 0.0  # metres by which the upper teeth hang lower than the geometry's, once it is fitted

    def for_fit(self, focal: float | None) -> Regressed:
        """What the fit asks for; `focal` is that of the photo in pixels, if known."""
        height, width = self.completion.photo.shape[:2]
        trusted = believed(self.seen, self.completion.mask)
        return Regressed(trusted, self.regressed, self.crop, (height, width), focal, self.mouth)


def parts_shown(parsed: Parsing, painted: np.ndarray, left: bool) -> np.ndarray:
    """(H, W) uint8 parts of the completed photo: what is `painted` is the face's own, and nothing is said of it.

    `left`: what stands before the face was not to be deleted; it is as foreign to the skin as clothes are.
    """
    parts = np.where(painted > 0, np.uint8(0), parsed.parts)
    if left:
        parts[np.isin(parsed.occluder, _OPAQUE)] = PARTS.index("cloth")
    return parts


def believed(landmarks: Landmarks, mask: np.ndarray) -> Landmarks:
    """Landmarks for the fit: those under the (H, W) mask lie on painted skin, so their deviation grows."""
    hidden = covers(mask, np.concatenate([landmarks.points, landmarks.dense]))
    return replace(landmarks, sigma=np.where(hidden, _GUESSED * landmarks.sigma, landmarks.sigma))


def uncovered(landmarks: Landmarks, mask: np.ndarray) -> Landmarks:
    """Landmarks for the texture: those that the (H, W) mask hid are seen on the completed photo."""
    hidden = covers(mask, np.concatenate([landmarks.points, landmarks.dense]))
    return replace(landmarks, visibility=np.where(hidden, np.float32(1.0), landmarks.visibility))
