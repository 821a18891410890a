"""Where the landmark error comes from: a text to read, under out/evaluation. Never tuned on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from .data import Photo
from .landmarks import errors, truths
from .metrics import INNER, OUTER_EYES

REGIONS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose bridge": slice(27, 31),
    "nose base": slice(31, 36),
    "eyes": slice(36, 48),
    "outer lips": slice(48, 60),
    "inner lips": slice(60, 68),
}
FIFTHS = [0, 20, 40, 60, 80, 100]


def report(points: np.ndarray, photos: Sequence[Photo]) -> str:
    """What is systematic in (N, 68, 2) predictions and what they depend on; all errors of the inner 51, per cent."""
    seen = ~np.isnan(points).any(axis=(1, 2))
    photos = [photo for photo, there in zip(photos, seen, strict=True) if there]
    points, truth = points[seen].astype(float), truths(photos)
    scale = np.linalg.norm(truth[:, OUTER_EYES[0]] - truth[:, OUTER_EYES[1]], axis=1)
    shift = (points - truth)[:, INNER].mean(axis=1)
    offset = (points - truth) / scale[:, None, None]
    still = points - shift[:, None]
    lines = [
        f"as it is {_mean(points, truth)}, p90 {np.percentile(errors(points, truth), 90):.2f}",
        f"mean offset {_pair(shift.mean(axis=0))} px = {_pair(100 * (shift / scale[:, None]).mean(axis=0))} %",
        f"one shift of the whole set removed {_mean(points - shift.mean(axis=0), truth)}",
        f"one offset per point removed {_mean(points - offset.mean(axis=0) * scale[:, None, None], truth)}",
        f"one shift per photo removed {_mean(still, truth)}",
        f"one similarity per photo removed {_mean(_similar(points, truth), truth)}",
    ]
    for name, part in REGIONS.items():
        drift = _pair(100 * offset[:, part].mean(axis=(0, 1)))
        lines.append(f"{name}: {_mean(points, truth, part)}, shift per photo removed {_mean(still, truth, part)}, "
                     f"mean offset {drift} %")  # fmt: skip
    for name, value in _properties(photos, truth, scale).items():
        lines.append(f"by {name}: " + _by_fifth(value, errors(points, truth), errors(still, truth)))
    return "\n".join(lines) + "\n"


def _mean(points: np.ndarray, truth: np.ndarray, part: slice = INNER) -> str:
    return f"{errors(points, truth, part).mean():.2f}"


def _pair(vector: np.ndarray) -> str:
    return f"({vector[0]:+.2f}, {vector[1]:+.2f})"


def _similar(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N, 68, 2) points after the best similarity of each photo's inner points onto the labels."""
    a, b = points @ [1, 1j], truth @ [1, 1j]  # a similarity is one complex factor and a shift
    from_a, from_b = a[:, INNER].mean(axis=1, keepdims=True), b[:, INNER].mean(axis=1, keepdims=True)
    inner = (a - from_a)[:, INNER]
    factor = (inner.conj() * (b - from_b)[:, INNER]).sum(axis=1) / (abs(inner) ** 2).sum(axis=1)
    moved = (a - from_a) * factor[:, None] + from_b
    return np.stack([moved.real, moved.imag], axis=-1)


def _properties(photos: Sequence[Photo], truth: np.ndarray, scale: np.ndarray) -> dict[str, np.ndarray]:
    """(N,) values that the error may depend on."""
    nose = truth[:, 30] - truth[:, list(OUTER_EYES)].mean(axis=1)
    faces = [_face(photo) for photo in photos]
    return {
        "yaw (nose tip off the eyes' middle, eye distances)": nose[:, 0] / scale,
        "eye distance, px": scale,
        "brightness": np.array([face.mean() for face in faces]),
        "sharpness": np.array([cv2.Laplacian(cv2.resize(face, (96, 96)), cv2.CV_32F).std() for face in faces]),
        "open mouth, eye distances": np.linalg.norm(truth[:, 62] - truth[:, 66], axis=1) / scale,
    }


def _face(photo: Photo) -> np.ndarray:
    """Grey pixels of the labelled face."""
    assert photo.box is not None
    grey = cv2.cvtColor(photo.image(), cv2.COLOR_RGB2GRAY)
    x0, y0, x1, y1 = np.clip(photo.box, 0, [*grey.shape[::-1]] * 2).astype(int)
    return grey[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]


def _by_fifth(value: np.ndarray, raw: np.ndarray, still: np.ndarray) -> str:
    bounds = np.percentile(value, FIFTHS)
    fifth = np.clip(np.searchsorted(bounds, value, side="right") - 1, 0, len(FIFTHS) - 2)
    return " | ".join(
        f"{bounds[k]:.2f}..{bounds[k + 1]:.2f}: {raw[fifth == k].mean():.2f} ({still[fifth == k].mean():.2f})"
        for k in range(len(FIFTHS) - 1)
        if (fifth == k).any()
    )


def write_reports(systems: Mapping[str, np.ndarray], photos: Sequence[Photo], path: Path) -> None:
    """One text for all systems' (N, 68, 2) predictions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(f"{name}\n{report(points, photos)}" for name, points in systems.items()))
