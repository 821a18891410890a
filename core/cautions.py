"""Sentences about a face that was reconstructed all the same: what may be wrong and what would help."""

from __future__ import annotations

import cv2
import numpy as np

from .geometry.camera import angles_from_rotation
from .types import LANDMARKS, Camera, Completion, FaceBox, Landmarks

SMALL_FACE = 96  # pixels; below, the texture has less detail than the head shows
STRONG_YAW = np.deg2rad(50.0)
UNSURE_SCORE = 0.83  # detector confidence of a face that may not be one
MISFIT = 0.07  # of the outer-eye distance: more than a real face and good landmarks leave after the fit
UNSTEADY = 0.065  # mean landmark deviation over the outer-eye distance; the official portraits stay below 0.045
WIDE_EYES = 0.094  # height of the eye openings over the outer-eye distance; the official portraits stay below 0.087
COVERED = 0.6  # mean visibility of the inner landmarks
MOSTLY_COVERED = 0.7  # share of the landmarks' hull
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
            box.score < UNSURE_SCORE or _unlike_a_face(landmarks, fitted),
            "This may not be a photo of a human face (a drawing, an animal, a mask?), or it is unclear. "
            "Check the head, or use another photo.",
        ),
    )
    return tuple(text for applies, text in findings if applies)


def about_completion(completion: Completion, wanted: str, points: np.ndarray) -> tuple[str, ...]:
    """What to know of a completed photo; `wanted` is the method that was asked for, `points` are (68, 2) landmarks."""
    if not completion.mask.any():
        return ()
    findings = (
        (
            completion.method != wanted,
            "The network that paints hidden parts of the face is not in this build; they were filled in from their "
            "surroundings, which blurs them. Check them, or paint the mask smaller.",
        ),
        (
            _share_covered(completion.mask, points) > MOSTLY_COVERED,
            "Nearly all of the face is hidden, so most of what you see was invented. Use a photo that shows more of "
            "it, or paint the mask smaller.",
        ),
    )
    return tuple(text for applies, text in findings if applies)


def _share_covered(mask: np.ndarray, points: np.ndarray) -> float:
    """Share of the landmarks' hull that a (H, W) mask covers."""
    face = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return float((mask[face > 0] > 0).mean()) if face.any() else 0.0


def _share_outside(points: np.ndarray, camera: Camera) -> float:
    inside = ((points >= -0.5) & (points <= [camera.width - 0.5, camera.height - 0.5])).all(axis=1)
    return float(1.0 - inside.mean())


def _unlike_a_face(landmarks: Landmarks, fitted: np.ndarray) -> bool:
    """A poor fit, landmarks the network is unsure of, or eyes as large as only drawn ones are."""
    points, scale = landmarks.points, _scale(fitted)
    openings = points[[41, 40, 47, 46]] - points[[37, 38, 43, 44]]
    return bool(
        _misfit(landmarks, fitted) > MISFIT
        or landmarks.sigma[:LANDMARKS].mean() / scale > UNSTEADY
        or np.linalg.norm(openings, axis=1).mean() / scale > WIDE_EYES
    )


def _misfit(landmarks: Landmarks, fitted: np.ndarray) -> float:
    """Median distance of the inner landmarks from the fitted ones, over the fitted outer-eye distance."""
    distance = np.linalg.norm(landmarks.points[_INNER] - fitted[_INNER], axis=1)
    return float(np.median(distance)) / _scale(fitted)


def _scale(points: np.ndarray) -> float:
    """Outer-eye distance of (68, 2) points; at least the eye-to-mouth height, since in profile the corners coincide."""
    across = float(np.linalg.norm(points[36] - points[45]))
    down = float(np.linalg.norm((points[36] + points[45] - points[48] - points[54]) / 2))
    return max(across, down, 1e-6)
