"""The line that runs along a region's outline where a picture shows it best."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

STEP = 3.0  # pixels from one place on the outline to the next
_SMOOTH = 3.0  # places over which the outline is smoothed before its normals are taken
_LONGEST = 2  # pixels across by which the line may move from one place to the next
_BEYOND = 60  # places before the first and after the last from which on a line no longer knows where it began
_STIFF = 0.35  # what a pixel of such a move costs, in the contrast's unit


@dataclass(frozen=True, eq=False)
class Strip:
    """What lies along an outline of N places and across it, one pixel apart."""

    places: np.ndarray  # (N, 2) float32 x, y of the outline
    normals: np.ndarray  # (N, 2) float32 of length 1, out of the region
    offsets: np.ndarray  # (D,) float32 pixels along the normals, ascending

    def at(self, offsets: np.ndarray) -> np.ndarray:
        """(N, 2) points at (N,) pixels along the normals."""
        return self.places + self.normals * offsets[:, None]

    def sampled(self, picture: np.ndarray) -> np.ndarray:
        """(N, D) values of a (H, W) float32 picture."""
        x, y = (self.places[:, None] + self.normals[:, None] * self.offsets[None, :, None]).transpose(2, 0, 1)
        return cv2.remap(picture, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR)


def strips_round(region: np.ndarray, inward: float, outward: float, shortest: float) -> list[Strip]:
    """A strip round each piece of (H, W) uint8 `region` whose outline is `shortest` pixels long at least."""
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    offsets = np.arange(-round(inward), round(outward) + 1, dtype=np.float32)
    return [Strip(*_smoothed(outline[:, 0]), offsets) for outline in outlines if len(outline) >= shortest]


def best_line(values: np.ndarray) -> np.ndarray:
    """(N,) int: for each place the column of a closed line that collects most of (N, D) `values` and bends little."""
    count, more = len(values), min(len(values), _BEYOND)
    return _line(np.concatenate([values[count - more :], values, values[:more]]))[more : more + count]


def _line(values: np.ndarray) -> np.ndarray:
    """(N,) int columns, by dynamic programming (Viterbi, 1967)."""
    moves = np.arange(-_LONGEST, _LONGEST + 1)
    cost = (_STIFF * np.abs(moves)).astype(np.float32)[:, None]
    width = values.shape[1]
    sources = np.arange(width) + moves[:, None]
    cost = np.where((sources >= 0) & (sources < width), cost, np.float32(np.inf))
    sources = sources.clip(0, width - 1)
    columns, best, came = np.arange(width), values[0], np.zeros(values.shape, np.int64)
    for place in range(1, len(values)):
        reached = best[sources] - cost
        chosen = reached.argmax(axis=0)
        came[place] = sources[chosen, columns]
        best = values[place] + reached[chosen, columns]
    line = np.zeros(len(values), np.int64)
    line[-1] = best.argmax()
    for place in range(len(values) - 1, 0, -1):
        line[place - 1] = came[place, line[place]]
    return line


def _smoothed(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) places at equal steps along a closed (P, 2) outline, and their normals."""
    count = max(round(len(outline) / STEP), 3)
    places = outline[np.linspace(0, len(outline), count, endpoint=False).astype(int)].astype(np.float32)
    margin = min(round(4 * _SMOOTH), count)
    wide = np.concatenate([places[-margin:], places, places[:margin]])
    smooth = cv2.GaussianBlur(wide, (1, 2 * margin + 1), _SMOOTH, borderType=cv2.BORDER_REPLICATE)
    smooth = smooth[margin : margin + count]
    along = np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    area = cv2.contourArea(smooth, oriented=True)
    normals *= np.sign(area) / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-6)
    return smooth, normals.astype(np.float32)
