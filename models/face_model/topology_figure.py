"""Draws docs/images/topology.png: the wireframe from front, three-quarter and side, eye, mouth, ear and UV layout.

Run `python -m models.face_model.topology_figure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .kept_topology import kept_topology
from .topology import Topology

OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "topology.png"
PANEL = 760  # pixels a side
SUPER = 2  # drawn this much larger, then averaged down
SKIN, WHITE, TEETH, GUM, LASH = (190, 202, 216), (244, 244, 244), (226, 240, 240), (128, 128, 205), (45, 40, 40)
PART_COLORS = {
    "skin": SKIN,
    "teeth_upper": TEETH,
    "teeth_lower": TEETH,
    "gums": GUM,
    "tongue": GUM,
    "lashes_left": LASH,
    "lashes_right": LASH,
}
LOOP_COLORS = {  # BGR
    "lid_outer": (190, 60, 40),
    "lid_edge": (190, 60, 40),
    "lip_border_upper": (50, 50, 200),
    "lip_border_lower": (50, 50, 200),
    "lip_upper": (50, 50, 200),
    "nostril": (40, 130, 30),
    "ear_crest": (160, 60, 150),
}


@dataclass(frozen=True)
class View:
    """One picture of the head."""

    yaw: float  # degrees, > 0 shows the subject's left side
    center: tuple[float, float, float]  # metres, in the middle of the panel
    width: float  # metres across the panel
    title: str
    curves: bool = False


VIEWS = (
    View(0, (0, -0.045, 0), 0.37, "front"),
    View(40, (0, -0.045, -0.03), 0.37, "three-quarter"),
    View(90, (0, -0.045, -0.06), 0.37, "side"),
    View(18, (0.032, 0.000, 0.0), 0.062, "eye", curves=True),
    View(0, (0, -0.062, 0), 0.085, "nose and mouth", curves=True),
    View(75, (0.074, -0.021, -0.068), 0.085, "ear", curves=True),
)


def draw_head(topology: Topology, view: View) -> np.ndarray:
    """(PANEL, PANEL, 3) uint8 BGR wireframe with hidden faces removed by depth order."""
    turn = np.radians(view.yaw)
    rotation = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    points = (topology.vertices - view.center) @ rotation.T
    size = PANEL * SUPER
    pixels = np.stack([points[:, 0], -points[:, 1]], axis=1) * (size / view.width) + size / 2
    drawn = [i for i, name in enumerate(topology.part_names) if not name.startswith("cornea")]
    faces = np.flatnonzero(np.isin(topology.face_part, drawn))
    quad = points[topology.faces[faces]]
    normal = np.cross(quad[:, 2] - quad[:, 0], quad[:, 3] - quad[:, 1])
    triangle = topology.faces[faces, 2] == topology.faces[faces, 3]
    normal[triangle] = np.cross(quad[triangle, 1] - quad[triangle, 0], quad[triangle, 2] - quad[triangle, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)
    lash = np.char.startswith(np.array(topology.part_names)[topology.face_part[faces]], "lashes")
    seen = ((normal[:, 2] > 0) | lash) & (np.abs(quad[:, :, :2]) < view.width).all(axis=(1, 2))
    light = np.array([0.3, 0.4, 0.866])
    shade = 0.50 + 0.50 * np.clip(normal @ light, 0, 1)
    canvas = np.full((size, size, 3), 255, np.uint8)
    order = np.flatnonzero(seen)
    edges = _curve_edges(topology) if view.curves else {}
    for i in order[np.argsort(quad[order, :, 2].mean(axis=1))]:
        face = topology.faces[faces[i]]
        color = PART_COLORS.get(topology.part_names[topology.face_part[faces[i]]], WHITE)
        shape = np.round(pixels[face] * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, shape, tuple(float(c * shade[i]) for c in color), cv2.LINE_AA, 4)
        cv2.polylines(canvas, [shape], True, (62, 48, 44), 1, cv2.LINE_AA, 4)
        for k in range(4):
            key = (min(face[k], face[k - 1]), max(face[k], face[k - 1]))
            if key in edges:
                cv2.line(canvas, tuple(shape[k]), tuple(shape[k - 1]), edges[key], 4, cv2.LINE_AA, 4)
    return _titled(cv2.resize(canvas, (PANEL, PANEL), interpolation=cv2.INTER_AREA), view.title)


def _curve_edges(topology: Topology) -> dict[tuple[int, int], tuple[int, int, int]]:
    edges = {}
    for name, color in LOOP_COLORS.items():
        left = topology.curve(name)
        for pair in np.concatenate([left, topology.mirror[left]]).tolist():
            edges[min(pair), max(pair)] = color
    return edges


def draw_layout(topology: Topology, size: int) -> np.ndarray:
    """(size, size, 3) uint8 BGR picture of the UV layout."""
    canvas = np.full((size * SUPER, size * SUPER, 3), 255, np.uint8)
    corners = topology.uv[topology.uv_faces] * [1, -1] + [0, 1]
    for shape, part in zip(np.round(corners * size * SUPER * 16).astype(np.int32), topology.face_part, strict=True):
        color = PART_COLORS.get(topology.part_names[part], WHITE)
        cv2.fillConvexPoly(canvas, shape, color, cv2.LINE_AA, 4)
        cv2.polylines(canvas, [shape], True, (90, 80, 76), 1, cv2.LINE_AA, 4)
    return _titled(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), "UV layout")


def _titled(image: np.ndarray, title: str) -> np.ndarray:
    cv2.putText(image, title, (12, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (70, 60, 60), 1, cv2.LINE_AA)
    return image


def draw_figure(topology: Topology) -> np.ndarray:
    """The whole figure: two rows of three views, and the UV layout to their right."""
    panels = [draw_head(topology, view) for view in VIEWS]
    rows = np.vstack([np.hstack(panels[:3]), np.hstack(panels[3:])])
    return np.hstack([rows, draw_layout(topology, 2 * PANEL)])


if __name__ == "__main__":
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    picture = cv2.resize(draw_figure(kept_topology()), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(OUTPUT), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
