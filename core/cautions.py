"""Sentences about a face that was reconstructed all the same: what may be wrong and what would help."""

from __future__ import annotations

import numpy as np

from .geometry.camera import angles_from_rotation
from .types import LANDMARKS, Camera, FaceBox, Landmarks

SMALL_FACE = 96  # pixels; below, the texture has less detail than the head shows
STRONG_YAW = np.deg2rad(50.0)
UNSURE_SCORE = 0.83  # detector confidence of a face that may not be one
MISFIT = 0.07  # of the outer-eye distance: more than a real face and good landmarks leave after the fit
COVERED = 0.6  # mean visibility of the inner landmarks
OUTSIDE = 0.06  # share of the landmarks outside the photo
_INNER = slice(17, LANDMARKS)


def about_choice(faces: int, picked: bool) -> tuple[str, ...]:
    """A word when several faces were found and none was picked."""
    if faces < 2 or picked:
        return ()
    return (f"{faces} faces were found and the largest was used. Pick another one if you meant it.",)


def about_face(box: FaceBox, landmarks: Landmarks, camera: Camera, fitted: np.ndarray) -> tuple[str, ...]:
    """What may spoil this face; `fitted` is (68, 2), the fitted model's landmarks in photo pixels."""
    findings = (
        (
            box.size < SMALL_FACE,
            f"The face is only {box.size:.0f} pixels large, so the texture is coarse. Use a larger photo.",
        ),
        (
            abs(angles_from_rotation(camera.rotation)[1]) > STRONG_YAW,
            "The face is turned far to the side, so its hidden half is a guess. Use a more frontal photo.",
        ),
        (
            _share_outside(landmarks.points, camera) > OUTSIDE,
            "Part of the face is outside the picture and was guessed. Use a photo that shows all of it.",
        ),
        (
            float(landmarks.visibility[_INNER].mean()) < COVERED,
            "Much of the face is covered or hidden and was guessed. Use a photo that shows more of it.",
        ),
        (
            box.score < UNSURE_SCORE or _misfit(landmarks, fitted) > MISFIT,
            "This may not be a photo of a human face (a drawing, an animal, a mask?), or it is unclear. "
            "Check the head, or use another photo.",
        ),
    )
    return tuple(text for applies, text in findings if applies)


def _share_outside(points: np.ndarray, camera: Camera) -> float:
    inside = ((points >= -0.5) & (points <= [camera.width - 0.5, camera.height - 0.5])).all(axis=1)
    return float(1.0 - inside.mean())


def _misfit(landmarks: Landmarks, fitted: np.ndarray) -> float:
    """Median distance of the inner landmarks from the fitted ones, over the fitted outer-eye distance."""
    distance = np.linalg.norm(landmarks.points[_INNER] - fitted[_INNER], axis=1)
    # a profile's eye corners nearly coincide: the eye-to-mouth height bounds the scale from below
    scale = max(
        float(np.linalg.norm(fitted[36] - fitted[45])),
        float(np.linalg.norm((fitted[36] + fitted[45] - fitted[48] - fitted[54]) / 2)),
    )
    return float(np.median(distance)) / max(scale, 1e-6)
