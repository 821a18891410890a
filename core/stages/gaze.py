"""Where the eyes look to the sides: the dark disc of the iris is sought between the lids that the photo shows.

No landmark tells it, and a regression from the whole face is off by several degrees. Up and down stay regressed: lids
hide what would tell.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry.camera import project
from ..geometry.eyes import Eye, eye_of
from ..geometry.face_model import FaceModel
from ..types import Camera

_POINTS = {"right": slice(36, 42), "left": slice(42, 48)}  # of the 68, from corner to corner over the upper lid
_DEGREES = np.arange(-40.0, 40.1, 2.0)  # sought, towards the subject's left
_USUAL = 16.0  # degrees by which the regression is off
_PRIOR = 0.12  # weight of that beside the mean contrast of the disc
_DARK = 0.6  # of the range of brightness between the lids: darker is iris
_RANGE = (0.05, 0.9)  # shares of the pixels between the lids: the darkest and the brightest that count
_CONTRAST = 40.0  # levels between these from which an eye is fully believed
_LEAST_OPEN, _LEAST_WIDE = 0.12, 10.0  # height of the opening over its width; pixels
_MOST_PAINTED = 0.3  # share of an opening behind which nothing is told
_RADII, _TURNS = 6, 16  # places on the disc


class Gaze:
    """(photo, landmarks, head at rest, camera, sliders) -> sliders that look where the photo's irises are."""

    def __init__(self, model: FaceModel) -> None:
        self._model = model
        names = list(model.expression_names)
        self._rows = {
            (side, way): names.index(f"eyeLook{way}{side.title()}") for side in _POINTS for way in ("In", "Out")
        }
        self._reach = {key: _turned(model, key[0], row) for key, row in self._rows.items()}

    def __call__(
        self,
        photo: np.ndarray,
        points: np.ndarray,
        neutral: np.ndarray,
        camera: Camera,
        expression: np.ndarray,
        painted: np.ndarray | None = None,
    ) -> np.ndarray:
        """(64,) float32 `expression` with other sliders eyeLookIn and eyeLookOut; as it was where no eye tells.

        `photo` is (H, W, 3) uint8 RGB, `points` (68, 2) its landmarks in pixels, `neutral` (V, 3) the head at rest.
        Both eyes turn alike. An opening that is `painted`, (H, W), tells nothing.
        """
        before = self.aside(expression)
        bright = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        told = [
            _contrast(bright, points[where], eye_of(self._model, neutral, side), camera, painted)
            for side, where in _POINTS.items()
        ]
        if not any(weight for _, weight in told):
            return expression
        away = 0.5 * ((_DEGREES - before) / _USUAL) ** 2
        dark = np.sum([weight * score for score, weight in told], axis=0)
        found = float(_DEGREES[np.argmax(dark - _PRIOR * away)])
        return self._looking(expression, found)

    def aside(self, expression: np.ndarray) -> float:
        """Degrees towards the subject's left that both eyes look on average."""
        turns = []
        for side in _POINTS:
            out, inwards = (expression[self._rows[side, way]] * self._reach[side, way] for way in ("Out", "In"))
            turns.append(float(out - inwards) * (1.0 if side == "left" else -1.0))
        return float(np.mean(turns))

    def _looking(self, expression: np.ndarray, degrees: float) -> np.ndarray:
        changed = expression.copy()
        for side in _POINTS:
            outwards = degrees if side == "left" else -degrees
            for way, turn in (("Out", outwards), ("In", -outwards)):
                changed[self._rows[side, way]] = np.clip(turn / self._reach[side, way], 0.0, 1.0)
        return changed


def _turned(model: FaceModel, side: str, row: int) -> float:
    """Degrees by which slider `row` turns the eyeball of a side."""
    eye = eye_of(model, model.vertices, side)
    ball = model.vertex_part == model.part(f"eyeball_{side}")
    rays = model.vertices[ball] - eye.center
    pole = int(np.argmax(rays @ eye.axis))
    before, after = rays[pole], rays[pole] + model.expression_basis[row][ball][pole]
    return float(np.degrees(np.arccos(before @ after / (np.linalg.norm(before) * np.linalg.norm(after)))))


def _contrast(
    bright: np.ndarray, opening: np.ndarray, eye: Eye, camera: Camera, painted: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """For each of `_DEGREES` how dark the disc of the iris is between the lids, and how far that is believed.

    `bright` is (H, W) uint8, `opening` (6, 2) pixels round it.
    """
    nothing = np.zeros(len(_DEGREES)), 0.0
    wide = float(np.linalg.norm(opening[0] - opening[3]))
    high = float(np.linalg.norm(opening[[1, 2]] - opening[[5, 4]], axis=1).mean())
    if wide < _LEAST_WIDE or high < _LEAST_OPEN * wide:
        return nothing
    low = np.maximum(np.floor(opening.min(axis=0)).astype(int) - 2, 0)
    top = np.minimum(np.ceil(opening.max(axis=0)).astype(int) + 3, bright.shape[::-1])
    if (top <= low).any():
        return nothing
    part = (slice(low[1], top[1]), slice(low[0], top[0]))
    seen = cv2.GaussianBlur(bright[part], (0, 0), max(0.015 * wide, 0.3)).astype(np.float32)
    between = np.zeros(seen.shape, np.uint8)
    cv2.fillPoly(between, [np.rint(16.0 * (opening - low)).astype(np.int32)], 255, cv2.LINE_AA, 4)
    inside = between > 127
    if not inside.any() or (painted is not None and (painted[part][inside] > 0).mean() > _MOST_PAINTED):
        return nothing
    darkest, brightest = np.quantile(seen[inside], _RANGE)
    level = np.clip((seen - darkest) / max(float(brightest - darkest), 8.0), 0.0, 1.0)
    flat = (project(camera, _discs(eye).reshape(-1, 3))[:, :2] - low).astype(np.float32)
    x, y = (np.ascontiguousarray(flat[:, axis]).reshape(len(_DEGREES), -1) for axis in (0, 1))
    score = cv2.remap((_DARK - level) * (between / np.float32(255.0)), x, y, cv2.INTER_LINEAR).mean(axis=1)
    return 2.0 * score, min(float(brightest - darkest) / _CONTRAST, 1.0)


def _discs(eye: Eye) -> np.ndarray:
    """(D, N, 3) points spread evenly over the iris, model frame, for an eye that looks to each of `_DEGREES`."""
    radius = 0.97 * np.sqrt((np.arange(_RADII) + 0.5) / _RADII)[:, None] * eye.iris_angle
    turn = np.arange(_TURNS)[None] / _TURNS * 2.0 * np.pi
    local = (np.sin(radius) * np.cos(turn), np.sin(radius) * np.sin(turn), np.cos(radius) + 0.0 * turn)
    rays = np.stack(local, axis=-1).reshape(-1, 3) @ eye.frame.T
    cos, sin = np.cos(np.radians(_DEGREES)), np.sin(np.radians(_DEGREES))
    x = cos[:, None] * rays[:, 0] + sin[:, None] * rays[:, 2]
    z = cos[:, None] * rays[:, 2] - sin[:, None] * rays[:, 0]
    return eye.center + eye.radius * np.stack([x, np.broadcast_to(rays[:, 1], x.shape), z], axis=2)
