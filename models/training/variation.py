"""How the recipes vary their face crops, whether numpy makes their batches or the device does."""

from __future__ import annotations

from dataclasses import dataclass

from .augment import Jitter, Strength

_USUAL = Jitter()


@dataclass(frozen=True)
class Variation:
    """One recipe's."""

    strength: Strength
    jitter: Jitter = _USUAL
    cover: float = 0.2  # share of crops that get one more occluder
    reflected: float = 0.6  # share of crops whose outside mirrors the picture instead of being black


LANDMARKER = Variation(
    Strength(color=0.9, grey=0.15, blur=0.25, coarse=0.25, noise=0.4, jpeg=0.25, shade=0.3, video=0.35)
)
WIDE, WIDE_JITTER = 0.3, Jitter(degrees=15.0, log_scale=0.14, shift=0.07)  # share of its crops as of poor detections
EMBEDDER = Variation(
    Strength(color=0.9, grey=0.15, blur=0.25, coarse=0.3, noise=0.35, jpeg=0.25, shade=0.4, video=0.2),
    Jitter(degrees=6.0, log_scale=0.08, shift=0.035),
    reflected=0.5,
)
UNCOVERED = 0.4  # share of the embedder's occluded pictures that are shown without their occluder
REGRESSOR = Variation(
    Strength(color=0.35, grey=0.08),  # colour is a label here
    Jitter(degrees=3.0, log_scale=0.04, shift=0.02),  # the crop comes from 68 landmarks
    cover=0.12,
)
