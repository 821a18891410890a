"""The data that passes between stages. Frozen; shapes, types, units and frames as in docs/conventions.md.

Compared by identity (`eq=False`): comparing arrays field by field has no single truth value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

IDENTITY, EXPRESSION, ALBEDO, LIGHT, POSE = 80, 64, 80, 9, 6
LAYOUT: dict[str, slice] = {
    "identity": slice(0, 80),
    "expression": slice(80, 144),
    "albedo": slice(144, 224),
    "light": slice(224, 233),
    "pose": slice(233, 239),
}
COEFFICIENTS = 239
LANDMARKS = 68
# CelebAMask-HQ's classes in its order; left and right are the subject's.
PARTS = (
    "background", "skin", "nose", "glasses", "eye_left", "eye_right", "brow_left", "brow_right", "ear_left",
    "ear_right", "mouth", "upper_lip", "lower_lip", "hair", "hat", "earring", "necklace", "neck", "cloth",
)  # fmt: skip
# How well each texel of the skin is known: values of `FaceResult.confidence`.
MODEL, MIRRORED, COMPLETED, SEEN = 0, 1, 2, 3
CONFIDENCE = ("model", "mirrored", "completed", "seen")
OCCLUDERS = ("none", "clear_glasses", "dark_glasses", "mask", "scarf", "hand", "object")


@dataclass(frozen=True, eq=False)
class FaceBox:
    """One detected face in photo pixels."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float  # in [0, 1]
    points: np.ndarray  # (5, 2) float32, pixels: right eye, left eye, nose tip, right and left mouth corner

    @property
    def corners(self) -> np.ndarray:
        """(4,) float64 x0, y0, x1, y1."""
        return np.array([self.x0, self.y0, self.x1, self.y1], np.float64)

    @property
    def size(self) -> float:
        """Larger side of the box, pixels."""
        return max(self.x1 - self.x0, self.y1 - self.y0)


@dataclass(frozen=True, eq=False)
class Crop:
    """A square face crop and the similarity that made it."""

    matrix: np.ndarray  # (2, 3) float64, photo pixels -> crop pixels
    size: int  # pixels
    image: np.ndarray  # (size, size, 3) uint8 RGB


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Predicted landmarks of one face in photo pixels."""

    points: np.ndarray  # (68, 2) float32, pixels
    dense: np.ndarray  # (D, 2) float32, pixels
    visibility: np.ndarray  # (68 + D,) float32 in [0, 1]
    sigma: np.ndarray  # (68 + D,) float32, predicted standard deviation, pixels


@dataclass(frozen=True, eq=False)
class Parsing:
    """What each pixel of the photo shows of one head, and what stands before it; zeros beyond the head crop."""

    parts: np.ndarray  # (H, W) uint8 index into `PARTS`; behind masks, hands and things a guess of what they hide
    occluder: np.ndarray  # (H, W) uint8 index into `OCCLUDERS`
    occluded: np.ndarray  # (H, W) uint8, 255 times the probability that something stands before the head


@dataclass(frozen=True, eq=False)
class Completion:
    """The photo without what stood before the face."""

    photo: np.ndarray  # (H, W, 3) uint8 RGB; the input's pixels, to the bit, where `mask` is 0
    mask: np.ndarray  # (H, W) uint8, 255 where pixels were replaced, else 0
    method: str  # what painted them, one of `core.settings.DEOCCLUSION`; "none" when nothing was deleted


@dataclass(frozen=True, eq=False)
class FaceParams:
    """The 239 coefficients of Zhao & Qi, 3.3."""

    identity: np.ndarray  # (80,) float32, standard deviations
    expression: np.ndarray  # (64,) float32 in [0, 1]
    albedo: np.ndarray  # (80,) float32, standard deviations
    light: np.ndarray  # (9,) float32, see docs/conventions.md
    pose: np.ndarray  # (6,) float32: pitch, yaw, roll (radians), f (crop sides per metre), t2d (crop sides)

    def to_vector(self) -> np.ndarray:
        """(239,) float32 in the order of `LAYOUT`."""
        return np.concatenate([getattr(self, name) for name in LAYOUT]).astype(np.float32)

    @staticmethod
    def from_vector(vector: np.ndarray) -> FaceParams:
        """Split a (239,) vector by `LAYOUT`."""
        if vector.shape != (COEFFICIENTS,):
            raise ValueError(f"expected ({COEFFICIENTS},) coefficients, got {vector.shape}")
        return FaceParams(**{name: vector[part].astype(np.float32) for name, part in LAYOUT.items()})


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera that sees the model: p_camera = rotation @ p_model + translation."""

    focal: float  # pixels
    center: tuple[float, float]  # principal point, pixels
    width: int  # pixels
    height: int  # pixels
    rotation: np.ndarray  # (3, 3) float64, model -> camera (OpenCV axes)
    translation: np.ndarray  # (3,) float64, metres


@dataclass(frozen=True, eq=False)
class FaceTexture:
    """The unwrapped skin and what is known about each texel."""

    color: np.ndarray  # (S, S, 3) uint8 RGB, sRGB-encoded base colour, row 0 at v = 1
    source: np.ndarray  # (S, S) uint8: 0 outside the layout, 1 model, 2 mirrored, 3 completed, 4 seen
    iris_color: np.ndarray  # (3,) float32, sRGB-encoded in [0, 1]
    hair_color: np.ndarray  # (3,) float32, sRGB-encoded in [0, 1], tint of the scalp
    white_color: np.ndarray  # (3,) float32, sRGB-encoded in [0, 1], of the eyes' whites
    light: np.ndarray  # (9,) float32, light under which this texture looks as in the photo; frame of the photo's camera
    teeth_seen: bool = False  # whether their colour is the photo's, too


@dataclass(frozen=True, eq=False)
class HairMesh:
    """The hair's outer surface, a mesh beside the head: open before the face and below."""

    vertices: np.ndarray  # (H, 3) float32, head at rest, model frame, metres
    faces: np.ndarray  # (G, 4) int32, counter-clockwise from outside; a triangle repeats its last corner
    uv: np.ndarray  # (U, 2) float32
    uv_faces: np.ndarray  # (G, 4) int32, rows of `uv`
    color: np.ndarray  # (h, w, 4) uint8: sRGB-encoded base colour and how much hair there is, row 0 at v = 1
    hat: np.ndarray  # (H,) float32 in [0, 1]: how far it is a hat's surface there


@dataclass(frozen=True, eq=False)
class FaceResult:
    """Everything known about one face; enough to build the head without the photo at hand."""

    box: FaceBox
    landmarks: Landmarks
    params: FaceParams  # after the fit
    camera: Camera
    vertices: np.ndarray  # (V, 3) float32, posed expression, model frame, metres
    neutral: np.ndarray  # (V, 3) float32, same identity at rest, model frame, metres
    texture: FaceTexture
    timings: dict[str, float]  # seconds by stage
    warnings: tuple[str, ...] = field(default=())
    completion: Completion | None = None  # None: nothing was deleted
    hair: HairMesh | None = None  # None: hardly any is seen, or it was not asked for
    teeth_lowered: float = 0.0  # metres by which the upper teeth hang lower than those of the face model's shape

    @property
    def confidence(self) -> np.ndarray:
        """(S, S) uint8 per texel of the texture: `MODEL`, `MIRRORED`, `COMPLETED` or `SEEN`; `MODEL` outside."""
        return np.maximum(self.texture.source, 1) - 1
