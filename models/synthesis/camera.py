"""Where the camera stands: head pose, distance, focal length, and the frame round the face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.geometry.alignment import HEAD_LIFT, roll_from_points
from core.geometry.camera import rotation_from_angles
from core.geometry.face_model import FaceModel
from core.types import Camera

from .chance import pick

PICTURE_MARGIN = 2.0  # picture side over the larger side of the landmarks' upright box
HEAD_PICTURE_MARGIN = 2.6  # the same of a picture that shows the whole head crop, however it is moved a little
HEADROOM = 0.6  # share of pictures with the face lower, as portraits are framed: the hair and the hat are in it


@dataclass(frozen=True)
class View:
    """Pose and framing before the face's size in the picture is known."""

    pitch: float  # radians, in the picture's frame
    yaw: float
    roll: float
    distance: float  # metres from the camera to the model origin
    offset: tuple[float, float]  # tangent of the face's angle off the optical axis, right and down
    margin: float
    shift: tuple[float, float]  # of the face's box from the picture's centre, picture sides

    def of_whole_head(self) -> View:
        """The same view framed so that hair, hat and shoulders are in it, as the head crop frames a photo."""
        wider = HEAD_PICTURE_MARGIN / PICTURE_MARGIN
        return replace(self, margin=self.margin * wider, shift=(self.shift[0], HEAD_LIFT / HEAD_PICTURE_MARGIN))


def sample_view(rng: np.random.Generator) -> View:
    """Most heads within 45 degrees of yaw, some to 90; from a phone at arm's length to a long lens.

    The picture is framed round the face, so the distance alone sets the perspective: 0.25 m is a 20 mm selfie,
    4 m a 200 mm portrait.
    """
    kind = pick(rng, ["front", "half", "profile"], [0.46, 0.38, 0.16])
    yaw = {"front": rng.normal(0, 13), "half": rng.uniform(-55, 55), "profile": rng.uniform(45, 91)}[kind]
    yaw *= rng.choice([-1, 1])
    pitch = np.clip(rng.normal(2, 12), -40, 40) if rng.random() < 0.85 else rng.uniform(-42, 42)
    roll = np.clip(rng.normal(0, 9), -45, 45) if rng.random() < 0.82 else rng.uniform(-45, 45)
    near = rng.random() < 0.3
    distance = np.exp(rng.uniform(*np.log([0.25, 0.6] if near else [0.6, 4.0])))
    offset = rng.normal(0.0, 0.16 if near else 0.07, 2)  # wide lenses see faces far off their axis
    shift = rng.normal(0.0, 0.02, 2)
    if rng.random() < HEADROOM:
        shift[1] += rng.uniform(0.0, 0.1)
    return View(
        pitch=float(np.radians(pitch)),
        yaw=float(np.radians(yaw)),
        roll=float(np.radians(roll)),
        distance=float(distance),
        offset=(float(offset[0]), float(offset[1])),
        margin=PICTURE_MARGIN * float(np.exp(rng.normal(0.0, 0.03))),
        shift=(float(shift[0]), float(shift[1])),
    )


def place_camera(view: View, model: FaceModel, vertices: np.ndarray, size: int) -> Camera:
    """The camera of a `size` x `size` picture framed round the face of (V, 3) vertices."""
    rotation = rotation_from_angles(view.pitch, view.yaw, view.roll)
    translation = np.array([*view.offset, 1.0]) * view.distance
    points = model.visible_landmarks(vertices, rotation) @ rotation.T + translation
    flat = points[:, :2] / points[:, 2:]
    angle = roll_from_points(flat)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    upright = flat @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    focal = size / (view.margin * float((high - low).max()))
    middle = turn.T @ (low + high) / 2
    center = (size - 1) / 2 + np.array(view.shift) * size - focal * middle
    return Camera(
        focal=focal,
        center=(float(center[0]), float(center[1])),
        width=size,
        height=size,
        rotation=rotation,
        translation=translation,
    )
