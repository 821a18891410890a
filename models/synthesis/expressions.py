"""Expressions as people have them: what somebody is doing sets mouth, brows, lids and gaze together.

Sealed lips are sealed for every identity: after the sliders are drawn, `mouthClose` takes up what the identity and the
other sliders leave between the inner lips (`seal`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.geometry.face_model import FaceModel

from . import moods
from .chance import pick

GAZE_DEGREES = {"horizontal": 31.0, "up": 24.0, "down": 27.0}  # the eye's turn at slider 1
GAZE_MAX = 0.85
_PARTING = ("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthClose", "tongueOut")
_SEALED_GAP = -0.0003  # metres between the inner lips: pressed a little
_INNER_LIPS = ((61, 67), (62, 66), (63, 65))


@dataclass(frozen=True)
class Habit:
    """How one kind of doing is drawn."""

    share: float
    sets: tuple[tuple[moods.Sliders, ...], ...]  # one of each is added
    sealed: float  # chance that the lips are shut
    strength: tuple[float, float]
    at_camera: float  # chance that the eyes look into the camera
    closed: float  # chance that the eyes are shut


HABITS: dict[str, Habit] = {
    "rest": Habit(0.15, (), 0.85, (0.0, 0.0), 0.5, 0.03),
    "listen": Habit(0.15, (moods.THINKING,), 0.9, (0.2, 0.9), 0.3, 0.04),
    "pose": Habit(0.14, (moods.SMILES,), 0.8, (0.3, 1.1), 0.85, 0.02),
    "toothy": Habit(0.09, (moods.TOOTHY,), 0.0, (0.5, 1.1), 0.75, 0.02),
    "laugh": Habit(0.04, (moods.LAUGHS,), 0.0, (0.6, 1.1), 0.4, 0.2),
    "talk": Habit(0.2, (moods.VISEMES, moods.EMPHASIS), 0.12, (0.3, 1.15), 0.4, 0.05),
    "talk_smiling": Habit(0.04, (moods.VISEMES, moods.SMILES), 0.05, (0.3, 0.9), 0.5, 0.03),
    "think": Habit(0.04, (moods.THINKING, moods.EMPHASIS), 0.85, (0.4, 1.0), 0.05, 0.08),
    "act": Habit(0.06, (moods.ACTED,), 0.15, (0.35, 1.1), 0.5, 0.03),
    "play": Habit(0.03, (moods.PLAYFUL,), 0.4, (0.4, 1.1), 0.6, 0.08),
    "chew": Habit(0.02, (moods.CHEWING,), 0.85, (0.4, 1.2), 0.3, 0.04),
    "free": Habit(0.04, (), 0.3, (0.0, 0.0), 0.4, 0.05),
}


class ExpressionSampler:
    """Draws slider vectors in the order of the face model's expression names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._index = {name: row for row, name in enumerate(names)}
        self._free = [row for row, name in enumerate(names) if not name.startswith(("eyeLook", "eyeBlink"))]
        self._parting = [row for name in _PARTING for row in self._rows(name)]

    def sample(self, rng: np.random.Generator, yaw: float = 0.0, pitch: float = 0.0) -> tuple[np.ndarray, bool]:
        """(64,) float32 sliders in [0, 1], and whether the lips are to be sealed.

        `yaw` and `pitch` are the head's, radians: eyes that look into the camera turn back by as much.
        """
        sliders = np.zeros(len(self._index), np.float32)
        kind = str(pick(rng, list(HABITS), _SHARES))
        habit = HABITS[kind]
        for choices in habit.sets:
            self._add(sliders, choices[rng.integers(len(choices))], rng, rng.uniform(*habit.strength))
        if kind == "free":
            self._mix(sliders, rng)
        sealed = bool(rng.random() < habit.sealed)
        self._jitter(sliders, rng)
        if sealed:
            self._shut(sliders)
        self._gaze(sliders, rng, habit, yaw, pitch)
        self._lids(sliders, rng, habit)
        return np.clip(sliders, 0.0, 1.0), sealed

    def row(self, name: str) -> int:
        """Position of a slider."""
        return self._index[name]

    def _rows(self, name: str) -> list[int]:
        names = (name, f"{name}Left", f"{name}Right")
        return [self._index[candidate] for candidate in names if candidate in self._index]

    def _add(self, sliders: np.ndarray, values: Mapping[str, float], rng: np.random.Generator, strength: float) -> None:
        lopsided = rng.uniform(0.2, 0.9) if rng.random() < 0.15 else 0.15
        favoured = rng.integers(2)
        for name, value in values.items():
            rows = self._rows(name)
            for side, row in enumerate(rows):
                dampen = 1.0 - lopsided * rng.random() if len(rows) > 1 and side % 2 != favoured else 1.0
                sliders[row] += value * strength * dampen * rng.uniform(0.75, 1.15)

    def _mix(self, sliders: np.ndarray, rng: np.random.Generator) -> None:
        """Any muscles together: what no mood holds must still be read."""
        rows = rng.choice(self._free, rng.integers(2, 8), replace=False)
        sliders[rows] += rng.beta(1.2, 2.2, len(rows))

    def _jitter(self, sliders: np.ndarray, rng: np.random.Generator) -> None:
        """Small activity in a few muscles: nobody's rest face is the model's."""
        rows = rng.choice(self._free, 8, replace=False)
        sliders[rows] += np.abs(rng.normal(0.0, 0.08, len(rows))).astype(np.float32)
        for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            if rng.random() < 0.05:
                sliders[self._rows(name)] += rng.uniform(0.1, 0.5)

    def _shut(self, sliders: np.ndarray) -> None:
        """Lips that are together part with nothing; the jaw may hang a little behind them."""
        jaw = min(float(sliders[self._index["jawOpen"]]), 0.25)
        sliders[self._parting] = 0.0
        sliders[self._index["jawOpen"]] = jaw
        for name in ("noseSneerLeft", "noseSneerRight"):
            sliders[self._index[name]] *= 0.3

    def _gaze(self, sliders: np.ndarray, rng: np.random.Generator, habit: Habit, yaw: float, pitch: float) -> None:
        """Both eyes turn together: into the camera, with the head, or aside."""
        if rng.random() < habit.at_camera:
            left, up = -np.degrees(yaw), np.degrees(pitch)
            left, up = left + rng.normal(0, 2.5), up + rng.normal(0, 2.5)
            if abs(left) > 38:  # too far for the eyes: they rest ahead
                left, up = rng.normal(0, 5), rng.normal(0, 4)
        else:
            spread = pick(rng, [4.0, 10.0, 18.0], [0.4, 0.4, 0.2])
            left = rng.normal(np.degrees(yaw) * 0.15, spread)
            up = rng.normal(-2.0, spread * 0.6)
        self.look(sliders, float(left), float(up))

    def look(self, sliders: np.ndarray, left: float, up: float) -> None:
        """Turn both eyes to the subject's left and up, degrees against the head; in place."""
        across = min(abs(left) / GAZE_DEGREES["horizontal"], GAZE_MAX)
        rise = min(abs(up) / GAZE_DEGREES["up" if up > 0 else "down"], GAZE_MAX)
        for side, outward in (("Left", left > 0), ("Right", left <= 0)):
            self._set(sliders, f"eyeLook{'Out' if outward else 'In'}{side}", across)
            self._set(sliders, f"eyeLook{'Up' if up > 0 else 'Down'}{side}", rise)

    def _lids(self, sliders: np.ndarray, rng: np.random.Generator, habit: Habit) -> None:
        draw = rng.random()
        sides: tuple[str, ...] = ("Left", "Right")
        if draw < habit.closed:
            amount = 1.0
        elif draw < habit.closed + 0.08:
            amount = rng.uniform(0.2, 0.75)
        elif draw < habit.closed + 0.095:
            amount, sides = 1.0, (str(rng.choice(["Left", "Right"])),)
        else:
            amount = abs(rng.normal(0.0, 0.1))
        for side in sides:
            row = self._index[f"eyeBlink{side}"]
            sliders[row] = max(float(sliders[row]), amount * rng.uniform(0.95, 1.0))
            if sliders[row] > 0.5:
                sliders[self._rows(f"eyeWide{side}")] = 0.0

    def _set(self, sliders: np.ndarray, name: str, value: float) -> None:
        sliders[self._rows(name)] = value


_SHARES = np.array([habit.share for habit in HABITS.values()])
_SHARES = _SHARES / _SHARES.sum()


def lip_gap(model: FaceModel, vertices: np.ndarray) -> float:
    """Widest distance between the inner lips of (V, 3) vertices, metres; negative where they overlap."""
    points = model.landmarks(vertices)
    return float(np.max([points[upper, 1] - points[lower, 1] for upper, lower in _INNER_LIPS]))


@lru_cache(maxsize=2)
def _gap_slope(model: FaceModel, row: int) -> float:
    """Metres by which a slider at 1 parts the lips."""
    return lip_gap(model, model.vertices + model.expression_basis[row]) - lip_gap(model, model.vertices)


def seal(model: FaceModel, sliders: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sliders and (V, 3) vertices with the lips together, whatever the identity and the other sliders leave open.

    `mouthClose` shuts what gapes; lips that overlap are drawn apart by raising the upper one.
    """
    sliders, vertices = sliders.copy(), vertices.copy()
    for name in ("mouthClose", "mouthShrugUpper"):
        row = model.expression_names.index(name)
        amount = (_SEALED_GAP - lip_gap(model, vertices)) / _gap_slope(model, row)
        amount = float(np.clip(amount, -sliders[row], 1.0 - sliders[row]))
        sliders[row] += amount
        vertices = vertices + np.float32(amount) * model.expression_basis[row]
    return sliders, vertices
