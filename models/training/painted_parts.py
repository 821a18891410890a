"""Parts as the painters of CelebAMask-HQ bound them.

Their nose begins at its root between the eyes, their lips end where the red ends, their eyes are what the lids leave
open. The regions of our head model are made for shapes and colours: its nose reaches up to the brows, its lips a ring
of triangles beyond the red. On photos with trusted landmarks eyes and lips are drawn from these.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from core.geometry.alignment import roll_from_points
from models.synthesis.labels import Label

IGNORED = 255  # a pixel of which nobody knows what it shows
_ROOT = 27  # highest point of the bridge
_LIPS = (Label.UPPER_LIP, Label.LOWER_LIP)
_UPPER_RED, _LOWER_RED = (48, 49, 50, 51, 52, 53, 54), (54, 55, 56, 57, 58, 59, 48)
_UPPER_RIM, _LOWER_RIM = (60, 61, 62, 63, 64), (64, 65, 66, 67, 60)  # of the mouth's opening
_EYES = {
    Label.EYE_RIGHT: ((36, 37, 38, 39), (39, 40, 41, 36)),
    Label.EYE_LEFT: ((42, 43, 44, 45), (45, 46, 47, 42)),
}
_FRONTAL = 0.5  # least ratio of the halves of the upper lip: in profile its outline is the silhouette, not the points
_CLOSED = 0.04  # of the mouth's width: a smaller gap between the lips is the landmarks' error
_AROUND = 0.03  # of the map's side: skin next to eyes and lips
_STEPS = 8  # of an arc between two points
_FRACTION = 4  # binary digits of the parts of a pixel that outlines are drawn with
Arcs = Sequence[Sequence[int]]  # indices of the 68 points, one curve after another


def as_painted(labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(H, W) uint8 `Label` with nose and lips bounded as painters do; (68, 2) points in pixels of the map."""
    out = labels.copy()
    out[(labels == Label.NOSE) & _above_root(points, labels.shape)] = Label.SKIN
    if _seen_from_the_front(points):
        out[np.isin(labels, _LIPS) & ~inside(points, (_UPPER_RED, _LOWER_RED), labels.shape)] = Label.SKIN
    return out


def with_outlined_parts(labels: np.ndarray, points: np.ndarray, trusted: np.ndarray) -> np.ndarray:
    """(H, W) uint8 `Label` or `IGNORED` of a photo, with eyes and lips drawn through its (68, 2) points.

    Where a point of a part is not `trusted`, (68,) bool, the part stays open.
    """
    out = labels.copy()
    for label, arcs in _EYES.items():
        whole = inside(points, arcs, labels.shape)
        _draw(out, whole, {int(label): whole}, bool(trusted[list(sum(arcs, ()))].all()), (label,))
    red, parts = inside(points, (_UPPER_RED, _LOWER_RED), labels.shape), _mouth_parts(points, labels.shape)
    _draw(out, red, parts, bool(trusted[48:68].all()), (*_LIPS, Label.MOUTH))
    return out


def inside(points: np.ndarray, arcs: Arcs, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool within smooth curves through (68, 2) points."""
    outline = np.concatenate([_smooth(points[list(arc)]) for arc in arcs])
    canvas = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(canvas, [np.rint(outline * (1 << _FRACTION)).astype(np.int32)], 1, shift=_FRACTION)
    return canvas > 0


def _draw(
    out: np.ndarray, whole: np.ndarray, parts: dict[int, np.ndarray], known: bool, kinds: tuple[Label, ...]
) -> None:
    """Replace the parts of some kinds within and around their (H, W) bool outline, in place."""
    reach = max(round(_AROUND * len(out)), 1)
    near = cv2.dilate(whole.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    out[near & np.isin(out, (*kinds, IGNORED))] = Label.SKIN if known else IGNORED
    out[np.isin(out, kinds)] = IGNORED  # elsewhere there are none
    out[whole] = IGNORED
    if known:
        for code, part in parts.items():
            out[part] = code


def _mouth_parts(points: np.ndarray, shape: tuple[int, ...]) -> dict[int, np.ndarray]:
    """Both lips and the opening between them, by code; no opening between lips that touch."""
    rims = points.astype(float).copy()
    closed = np.linalg.norm(points[62] - points[66]) < _CLOSED * np.linalg.norm(points[54] - points[48])
    if closed:
        rims[[61, 62, 63]] = rims[[67, 66, 65]] = (points[[61, 62, 63]] + points[[67, 66, 65]]) / 2
    parts = {
        int(Label.LOWER_LIP): inside(rims, (_LOWER_RED, _LOWER_RIM[::-1]), shape),
        int(Label.UPPER_LIP): inside(rims, (_UPPER_RED, _UPPER_RIM[::-1]), shape),
    }
    return parts if closed else parts | {int(Label.MOUTH): inside(rims, (_UPPER_RIM, _LOWER_RIM), shape)}


def _smooth(arc: np.ndarray) -> np.ndarray:
    """(Q, 2) points of a curve through (P, 2) points."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(arc, axis=0), axis=1) + 1e-6)])
    steps = np.interp(np.linspace(0, len(arc) - 1, _STEPS * (len(arc) - 1) + 1), np.arange(len(arc)), along)
    return CubicSpline(along, arc.astype(float), bc_type="natural")(steps)


def _above_root(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: higher than the root of the nose in the upright face."""
    roll = roll_from_points(points)
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - points[_ROOT, 1]) * np.cos(roll) - (x - points[_ROOT, 0]) * np.sin(roll) < 0.0


def _seen_from_the_front(points: np.ndarray) -> bool:
    halves = np.linalg.norm(points[[48, 54]] - points[51], axis=1)
    return bool(halves.min() >= _FRONTAL * halves.max())
