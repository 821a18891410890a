"""Natural expressions: named combinations of sliders, speech, gaze with lids that follow, and free mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# Sliders without a side are given for both sides and may come out asymmetric.
MOODS: tuple[Mapping[str, float], ...] = (
    {"mouthSmile": 0.7, "cheekSquint": 0.35, "eyeSquint": 0.2},
    {"mouthSmile": 0.95, "cheekSquint": 0.6, "eyeSquint": 0.45, "mouthUpperUp": 0.35, "jawOpen": 0.12},
    {"mouthSmile": 0.8, "jawOpen": 0.4, "mouthUpperUp": 0.4, "mouthLowerDown": 0.3, "cheekSquint": 0.6},
    {"mouthSmile": 0.35, "mouthDimple": 0.4, "mouthPress": 0.2},
    {"mouthSmile": 0.6, "mouthLowerDown": 0.35, "mouthUpperUp": 0.45, "mouthStretch": 0.2},
    {"browInnerUp": 0.8, "browOuterUp": 0.7, "eyeWide": 0.7, "jawOpen": 0.5},
    {"browInnerUp": 0.5, "browOuterUp": 0.5, "eyeWide": 0.3},
    {"browDown": 0.8, "eyeSquint": 0.4, "mouthPress": 0.5, "noseSneer": 0.25},
    {"browDown": 0.9, "noseSneer": 0.7, "jawOpen": 0.35, "mouthUpperUp": 0.5, "mouthStretch": 0.4, "eyeWide": 0.3},
    {"browDown": 0.5, "eyeSquint": 0.7, "cheekSquint": 0.3},
    {"browInnerUp": 0.7, "mouthFrown": 0.7, "mouthShrugLower": 0.4, "eyeBlink": 0.15},
    {"noseSneer": 0.8, "mouthUpperUp": 0.5, "browDown": 0.4, "mouthFrown": 0.3, "eyeSquint": 0.4},
    {"browInnerUp": 0.8, "eyeWide": 0.6, "mouthStretch": 0.6, "jawOpen": 0.2},
    {"mouthPucker": 0.85, "mouthFunnel": 0.15},
    {"mouthPucker": 0.6, "cheekPuff": 0.2, "browOuterUp": 0.3},
    {"cheekPuff": 0.9, "mouthPress": 0.3},
    {"jawOpen": 0.9, "mouthStretch": 0.2, "eyeSquint": 0.4, "browInnerUp": 0.3},
    {"mouthPress": 0.7, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    {"mouthShrugUpper": 0.5, "mouthShrugLower": 0.7, "browInnerUp": 0.4},
    {"eyeBlink": 1.0, "mouthSmile": 0.3},
    {"eyeBlink": 1.0},
    {"tongueOut": 0.8, "jawOpen": 0.45},
    {"jawOpen": 0.25, "mouthRollLower": 0.6},
)
VISEMES: tuple[Mapping[str, float], ...] = (
    {"jawOpen": 0.45, "mouthLowerDown": 0.2},
    {"jawOpen": 0.25, "mouthStretch": 0.3, "mouthLowerDown": 0.25},
    {"jawOpen": 0.12, "mouthSmile": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
    {"jawOpen": 0.3, "mouthFunnel": 0.7},
    {"jawOpen": 0.1, "mouthPucker": 0.7, "mouthFunnel": 0.3},
    {"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    {"jawOpen": 0.08, "mouthRollLower": 0.5, "mouthUpperUp": 0.25},
    {"jawOpen": 0.15, "mouthFunnel": 0.5, "mouthShrugUpper": 0.3},
    {"jawOpen": 0.2, "mouthUpperUp": 0.2, "mouthLowerDown": 0.3},
    {"jawOpen": 0.15, "mouthClose": 0.12},
)
GAZE_MAX = 0.85


class ExpressionSampler:
    """Draws slider vectors in the order of the face model's expression names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._index = {name: row for row, name in enumerate(names)}
        self._free = [row for row, name in enumerate(names) if not name.startswith(("eyeLook", "eyeBlink"))]

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """(64,) float32 sliders in [0, 1]."""
        sliders = np.zeros(len(self._index), np.float32)
        kind = rng.choice(["rest", "mood", "speech", "both", "free"], p=[0.14, 0.34, 0.2, 0.2, 0.12])
        if kind in ("mood", "both"):
            self._add(sliders, MOODS[rng.integers(len(MOODS))], rng, rng.uniform(0.35, 1.15))
        if kind in ("speech", "both"):
            self._add(sliders, VISEMES[rng.integers(len(VISEMES))], rng, rng.uniform(0.4, 1.25))
        if kind == "free":
            rows = rng.choice(self._free, rng.integers(2, 8), replace=False)
            sliders[rows] += rng.beta(1.2, 2.2, len(rows))
        self._jitter(sliders, rng)
        self._gaze(sliders, rng)
        self._lids(sliders, rng)
        return np.clip(sliders, 0.0, 1.0)

    def _rows(self, name: str) -> list[int]:
        names = (name, f"{name}Left", f"{name}Right")
        return [self._index[candidate] for candidate in names if candidate in self._index]

    def _add(self, sliders: np.ndarray, values: Mapping[str, float], rng: np.random.Generator, strength: float) -> None:
        lopsided = rng.uniform(0.2, 0.9) if rng.random() < 0.15 else 0.15
        favoured = rng.integers(2)
        for name, value in values.items():
            rows = self._rows(name)
            for side, row in enumerate(rows):
                dampen = 1.0 - lopsided * rng.random() if len(rows) == 2 and side != favoured else 1.0
                sliders[row] += value * strength * dampen * rng.uniform(0.75, 1.15)

    def _jitter(self, sliders: np.ndarray, rng: np.random.Generator) -> None:
        """Small activity in a few muscles: nobody's rest face is the model's."""
        rows = rng.choice(self._free, 8, replace=False)
        sliders[rows] += np.abs(rng.normal(0.0, 0.08, len(rows))).astype(np.float32)
        for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            if rng.random() < 0.06:
                sliders[self._rows(name)] += rng.uniform(0.1, 0.5)

    def _gaze(self, sliders: np.ndarray, rng: np.random.Generator) -> None:
        """Both eyes turn together; the upper lids follow the gaze down and open with it upwards."""
        spread = rng.choice([0.05, 0.3, 0.55], p=[0.35, 0.45, 0.2])
        right, up = np.clip(rng.normal(0.0, [spread, spread * 0.6]), -GAZE_MAX, GAZE_MAX)
        self._set(sliders, "eyeLookOutLeft" if right > 0 else "eyeLookInLeft", abs(right))
        self._set(sliders, "eyeLookInRight" if right > 0 else "eyeLookOutRight", abs(right))
        for side in ("Left", "Right"):
            self._set(sliders, f"eyeLook{'Up' if up > 0 else 'Down'}{side}", abs(up))

    def _lids(self, sliders: np.ndarray, rng: np.random.Generator) -> None:
        kind = rng.choice(["open", "half", "shut", "wink"], p=[0.8, 0.1, 0.08, 0.02])
        amount = {"open": rng.uniform(0.0, 0.3), "half": rng.uniform(0.2, 0.7), "shut": 1.0, "wink": 1.0}[kind]
        sides = ("Left", "Right") if kind != "wink" else (str(rng.choice(["Left", "Right"])),)
        for side in sides:
            row = self._index[f"eyeBlink{side}"]
            sliders[row] = max(float(sliders[row]), amount * rng.uniform(0.95, 1.0))
            if sliders[row] > 0.5:
                sliders[self._rows(f"eyeWide{side}")] = 0.0

    def _set(self, sliders: np.ndarray, name: str, value: float) -> None:
        sliders[self._rows(name)] = value
