"""How far a built face model of the shipped topology lies from the shipped one, array by array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BASES = ("identity", "expression", "albedo")
_POINTS = ("landmark", "dense")


@dataclass(frozen=True)
class Difference:
    """Between two arrays of one shape, in their own unit: metres, linear RGB, texture widths, indices."""

    name: str
    largest: float
    rms: float


def differences(arrays: dict[str, np.ndarray], shipped: Path) -> list[Difference]:
    """One for each array of numbers of docs/conventions.md, "face_model.npz".

    Modes count with their scale, embedded points by where they lie on the shipped vertices: a point on an edge may be
    embedded in either face.
    """
    with np.load(shipped, allow_pickle=False) as old:
        then = {name: old[name] for name in old.files}
    now, then = _readable(arrays, then["vertices"]), _readable(then, then["vertices"])
    return [_difference(name, now[name], then[name]) for name in then]


def _readable(arrays: dict[str, np.ndarray], vertices: np.ndarray) -> dict[str, np.ndarray]:
    values = {name: array.astype(float) for name, array in arrays.items() if array.dtype.kind in "fiu"}
    for name in _BASES:
        values[f"{name}_basis"] *= values.pop(f"{name}_scale")[:, None, None]
    for name in _POINTS:
        corners = vertices[values.pop(f"{name}_triangles").astype(int)].astype(float)
        values[f"{name}_points"] = np.einsum("nk,nkd->nd", values.pop(f"{name}_weights"), corners)
    return values


def _difference(name: str, now: np.ndarray, then: np.ndarray) -> Difference:
    apart = np.abs(now - then)
    return Difference(name, float(apart.max()), float(np.sqrt((apart**2).mean())))
