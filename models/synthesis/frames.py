"""The geometry of a pair of glasses round the eyes of a head: rims, bridge, pads, temples, and the lenses' surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .eyewear import Frame
from .head import Head
from .labels import Occluder
from .layers import Mesh, Posed
from .meshes import grid_triangles
from .solids import Solid, ball, joined, tube

_POINTS = 40  # round one rim
_EYE_SPAN = 0.0625  # metres between the eyes of the head that the styles' lengths are for
_LENS_RINGS = 4


@dataclass(frozen=True, eq=False)
class LensSurface:
    """The front of one lens."""

    vertices: np.ndarray  # (N, 3) float32 model frame
    triangles: np.ndarray  # (M, 3) int32
    normals: np.ndarray  # (N, 3) float32 unit, model frame
    place: np.ndarray  # (N, 2) float32 on the lens, -1 to 1 in half sizes
    center: np.ndarray  # (3,) model frame


@dataclass(frozen=True, eq=False)
class _Seat:
    """Where a frame sits: axes across (to the subject's left), up, forward; the middle of its front; scale."""

    axes: np.ndarray  # (3, 3) rows
    middle: np.ndarray  # (3,)
    centers: np.ndarray  # (2,) of the right and left lens along the first axis
    scale: float
    landmarks: np.ndarray  # (68, 3)
    ears: np.ndarray  # (2, 3) where the right and left temple rest

    def on_front(self, frame: Frame, flat: np.ndarray, lift: float = 0.0) -> np.ndarray:
        """(N, 3) points of (N, 2) places on the bowed front, `lift` metres before it."""
        depth = lift - frame.bow * flat[:, 0] ** 2
        return self.middle + np.column_stack([flat, depth]) @ self.axes


def glasses_parts(frame: Frame, head: Head, posed: Posed) -> tuple[list[LensSurface], Mesh]:
    """Both lenses and the frame."""
    seat = _seat(frame, head, posed)
    lenses = [_lens(frame, seat, center) for center in seat.centers]
    rims = [_rim(frame, seat, center) for center in seat.centers]
    others = _bridge(frame, seat) + [solid for k in range(2) for solid in _temple(frame, seat, k)]
    if frame.metal and frame.wear != "up":
        others += _pads(frame, seat)
    vertices, triangles = joined([*rims, *others])
    upper = np.zeros(len(vertices))
    count = len(rims[0][0])
    height = (vertices[: 2 * count] - seat.middle) @ seat.axes[1] / (frame.half_height * seat.scale)
    upper[: 2 * count] = np.clip(height * 6.0 - 1.5, 0.0, 1.0)
    upper[2 * count :] = 1.0
    local = (vertices - seat.middle) @ seat.axes.T
    return lenses, _frame_mesh(frame, vertices, triangles, np.column_stack([local, upper]))


def glasses_meshes(frame: Frame, head: Head, posed: Posed) -> list[Mesh]:
    """Lenses, then the frame, all as plain meshes; a lens paints the light it keeps as its cover."""
    lenses, frame_mesh = glasses_parts(frame, head, posed)
    kept = float(1.0 - frame.glass.tint.mean())
    kind = Occluder.DARK_LENS if frame.glass.dark else Occluder.CLEAR_LENS

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(frame.glass.tint, (len(at), 1)), np.full(len(at), kept, np.float32)

    sheets = [Mesh(lens.vertices, lens.triangles, lens.place, paint, int(kind), 4.0, 120.0) for lens in lenses]
    return [*sheets, frame_mesh]


@lru_cache(maxsize=4)
def _ear_roots(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the right and left ear, high up where they grow from the head."""
    roots = []
    for name in ("ear_right", "ear_left"):
        rows = np.flatnonzero(head.model.in_regions(name))
        place = head.rest[rows]
        high = rows[place[:, 1] > np.quantile(place[:, 1], 0.75)]
        inner = np.abs(head.rest[high, 0])
        roots.append(high[inner <= np.quantile(inner, 0.25)])
    return roots[0], roots[1]


def _seat(frame: Frame, head: Head, posed: Posed) -> _Seat:
    lm = head.model.landmarks(posed.vertices)
    right, left = lm[36:42].mean(axis=0), lm[42:48].mean(axis=0)
    across = left - right
    span = float(np.linalg.norm(across))
    across /= span
    tip = {"on": 0.09, "low": 0.16, "up": -0.45}[frame.wear]
    forward = np.array([0.0, -tip, 1.0])
    forward -= across * (forward @ across)
    forward /= np.linalg.norm(forward)
    axes = np.stack([across, np.cross(forward, across), forward])
    scale = span / _EYE_SPAN
    middle = (right + left) / 2
    if frame.wear == "up":
        crown = head.on_surface(posed.vertices, head.chart.landmarks[[19, 24]].mean(axis=0)[None] - [0, 34.0])[0]
        middle = crown + forward * 0.012
    else:
        middle = middle - axes[1] * (frame.drop + frame.slide) * scale
        brow = lm[[19, 24]].mean(axis=0) @ forward + 0.003
        nose = (lm[27] @ forward) + 0.3 * frame.slide + 0.001
        lashes = lm[[37, 38, 43, 44]].mean(axis=0) @ forward + 0.009
        middle = middle + forward * (max(brow - 1.5 * frame.slide, nose, lashes) - middle @ forward)
    reach = max(span / 2, (frame.half_width + 0.0075) * scale)
    ears = np.stack([posed.vertices[rows].mean(axis=0) for rows in _ear_roots(head)])
    return _Seat(axes, middle, np.array([-reach, reach]), scale, lm, ears)


def _outline(frame: Frame, side: float, grow: np.ndarray | float) -> np.ndarray:
    """(_POINTS + 1, 2) closed lens outline, metres, x to the subject's left; `grow` metres outside the lens."""
    turn = np.linspace(0, 2 * np.pi, _POINTS + 1)
    c, s = np.cos(turn), np.sin(turn)
    power = np.where(s > 0, frame.power[0], frame.power[1])
    x = np.sign(c) * np.abs(c) ** (2 / power) * (frame.half_width + grow)
    y = np.sign(s) * np.abs(s) ** (2 / power) * (frame.half_height + grow)
    outer = c * np.sign(side)
    y = y * (1.0 + frame.droop * np.where(s < 0, 0.35 * outer, 0.0))
    y = y + frame.lift * frame.half_height * np.clip(outer, 0, 1) ** 2 * np.clip(0.4 + s, 0, 1)
    x = x * (1.0 + frame.taper * y / frame.half_height)
    return np.stack([x, y], axis=1)


def _lens(frame: Frame, seat: _Seat, center: float) -> LensSurface:
    outline = _outline(frame, center, 0.0)
    local = np.concatenate([outline * share for share in np.linspace(0.0, 1.0, _LENS_RINGS)])
    bulge = -(local**2).sum(axis=1) / (2 * frame.glass.curve)
    points = seat.on_front(frame, local * seat.scale + [center, 0.0]) + bulge[:, None] * seat.axes[2] * 0.5
    tilt = 2 * frame.bow * (local[:, :1] + center)
    normals = seat.axes[2] + local @ seat.axes[:2] / frame.glass.curve + tilt * seat.axes[0]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return LensSurface(
        vertices=points.astype(np.float32),
        triangles=grid_triangles(_LENS_RINGS, _POINTS + 1),
        normals=normals.astype(np.float32),
        place=(local / [frame.half_width, frame.half_height]).astype(np.float32),
        center=seat.on_front(frame, np.array([[center, 0.0]]))[0],
    )


def _rim(frame: Frame, seat: _Seat, center: float) -> Solid:
    """A closed band with a rounded front: five rings round the lens."""
    turn = np.linspace(0, 2 * np.pi, _POINTS + 1)
    above, below = np.clip(np.sin(turn) * 1.5, 0, 1), np.clip(-np.sin(turn) * 3.0, 0, 1)
    breadth = frame.rim * (1.0 + (frame.upper - 1.0) * above) * (1.0 + (frame.lower - 1.0) * below)
    thick = max(0.0012, min(frame.rim, 0.003))
    rings = []
    for share, lift in ((-0.1, -thick), (0.0, 0.5 * thick), (0.5, 0.9 * thick), (1.0, 0.5 * thick), (1.0, -thick)):
        flat = _outline(frame, center, breadth * share) * seat.scale + [center, 0.0]
        rings.append(seat.on_front(frame, flat, lift))
    return np.concatenate(rings), grid_triangles(5, _POINTS + 1)


def _bridge(frame: Frame, seat: _Seat) -> list[Solid]:
    inner = seat.centers + np.array([1.0, -1.0]) * frame.half_width * 0.97 * seat.scale
    x = np.linspace(inner[0], inner[1], 9)
    bump = np.cos(np.linspace(-np.pi / 2, np.pi / 2, 9))
    heights = [(0.3, 0.0035)] + ([(0.75, 0.0012)] if frame.double_bridge else [])
    half = max(frame.rim * 0.55, 0.0007) * (1.0 if frame.metal else 1.25)
    bars = []
    for level, arch in heights:
        y = (frame.half_height * level + arch * bump) * seat.scale
        path = seat.on_front(frame, np.stack([x, y], axis=1)) + bump[:, None] * seat.axes[2] * 0.002
        bars.append(tube(path, half * seat.scale, seat.axes[2], 6))
    return bars


def _pads(frame: Frame, seat: _Seat) -> list[Solid]:
    """The two pads on the nose and the wires that hold them."""
    solids = []
    for center, side in zip(seat.centers, (1.0, -1.0), strict=True):
        edge = center + side * frame.half_width * seat.scale
        start = seat.on_front(frame, np.array([[edge, 0.0]]))[0]
        end = start + seat.axes[0] * side * 0.002 - seat.axes[1] * 0.004 - seat.axes[2] * 0.006
        points, triangles = ball((0.0012, 0.0036, 0.002), 6, 9)
        solids.append((points + end, triangles))
        solids.append(tube(np.stack([start, (start + end) / 2 - seat.axes[2] * 0.002, end]), 0.0004, seat.axes[1], 4))
    return solids


def _temple(frame: Frame, seat: _Seat, side: int) -> list[Solid]:
    """Hinge, the arm to the ear, and its hook behind it."""
    center = seat.centers[side]
    sign = np.sign(center)
    edge = center + sign * (frame.half_width + frame.rim) * seat.scale
    high = frame.half_height * (0.45 if frame.lift < 0.2 else 0.8)
    start = seat.on_front(frame, np.array([[edge, high * seat.scale]]))[0]
    out = seat.axes[0] * sign
    ear = seat.ears[side] + out * 0.004 + np.array([0.0, 0.003, 0.0])
    if frame.wear == "up":
        ear = ear + np.array([0.0, 0.03, 0.01])
    corner = start + out * 0.004 - seat.axes[2] * 0.004
    push = max(0.0, float((ear - corner) @ out)) * 0.35 + 0.002
    share = np.linspace(0, 1, 9)[:, None]
    arm = corner + (ear - corner) * share + out * push * np.sin(np.pi * share) ** 0.8
    hook = ear + np.array([[0, -0.012, -0.012], [0, -0.03, -0.016]])
    path = np.concatenate([start[None], arm, hook])
    broad = 0.0009 if frame.metal else float(np.clip(frame.rim * 0.85, 0.0014, 0.0035))
    half = np.column_stack([np.full(len(path), broad), np.full(len(path), max(0.0006, broad * 0.45))])
    return [tube(path, half * seat.scale, seat.axes[1], 6)]


def _frame_mesh(frame: Frame, vertices: np.ndarray, triangles: np.ndarray, attributes: np.ndarray) -> Mesh:
    """Attributes are the place in the frame's own axes (metres) and the share of the upper rim's colour."""

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        color = frame.color + (frame.top_color - frame.color) * at[:, 3:4]
        if frame.mottled:
            wave = np.sin(at[:, 0] * 520.0 + 3.0 * np.sin(at[:, 1] * 610.0))
            wave = wave * np.sin(at[:, 1] * 430.0 + at[:, 2] * 300.0)
            color = color * np.exp(frame.mottled * wave)[:, None]
        return color.astype(np.float32), np.full(len(at), 1.0 - frame.see_through, np.float32)

    return Mesh(
        vertices.astype(np.float32), triangles, attributes.astype(np.float32), paint, int(Occluder.FRAME),
        gloss=9.0 if frame.metal else 2.0, sharpness=60.0 if frame.metal else 35.0,
    )  # fmt: skip
