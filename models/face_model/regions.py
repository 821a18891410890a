"""Names the parts of the skin on the ICT mean head (docs/conventions.md, `region_names`)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree
from skimage.measure import points_in_poly

from core.geometry.rasterizer import rasterize

from .sources import ICT_COUNT, ICT_LANDMARKS, ICT_RANGES, ict_range
from .surface import adjacency, geodesic, path, triangulate, vertex_normals

REGIONS = (
    *("none", "scalp", "forehead", "brow_right", "brow_left", "lids_right", "lids_left", "socket_right", "socket_left"),
    *("nose", "nostril", "cheek_right", "cheek_left", "upper_lip", "lower_lip", "mouth_bag", "chin", "jaw"),
    *("ear_right", "ear_left", "neck"),
)


def mouth_loop(faces: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Closed vertex loop of the ICT mesh along the vermilion border, through the outer-lip landmarks."""
    return _loop(faces, vertices, ICT_LANDMARKS[48:60])


def eye_margins(faces: np.ndarray) -> np.ndarray:
    """ICT face vertices on the edges between the lids and the eye sockets, both eyes, unordered."""
    socket = np.zeros(ICT_COUNT, bool)
    socket[ict_range("eye_sockets")] = True
    touching = faces[socket[faces].any(axis=1) & ~socket[faces].all(axis=1)]
    rim = np.unique(touching)
    return rim[rim < ICT_RANGES["face"].stop]


def _loop(faces: np.ndarray, vertices: np.ndarray, corners: np.ndarray) -> np.ndarray:
    skin = faces[faces.max(axis=1) < ICT_RANGES["face"].stop]
    graph = adjacency(skin, vertices)
    pieces = [path(graph, int(a), int(b))[:-1] for a, b in zip(corners, np.roll(corners, -1), strict=True)]
    return np.concatenate(pieces)


def regions(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(26719,) uint8 index into `REGIONS` for the symmetric ICT mean; 0 (none) off the skin."""
    label = np.zeros(ICT_COUNT, np.uint8)
    skin = np.zeros(ICT_COUNT, bool)
    skin[ict_range("face", "head", "mouth_socket", "eye_sockets")] = True
    face = np.zeros(ICT_COUNT, bool)
    face[ict_range("face")] = True
    points = vertices[ICT_LANDMARKS]
    x, y, z = vertices.T
    left = x > 0

    def paint(where: np.ndarray, name: str) -> None:
        if name in REGIONS:
            label[where] = REGIONS.index(name)
        else:
            label[where & left] = REGIONS.index(f"{name}_left")
            label[where & ~left] = REGIONS.index(f"{name}_right")

    paint(skin, "neck")
    paint(skin & (y > _jaw_height(x, z, points)), "cheek")
    paint(skin & _scalp(x, y, z), "scalp")
    paint(face & (y > 0.027) & (z > -0.055) & ~_scalp(x, y, z), "forehead")
    near_jaw = geodesic(faces, vertices, _jaw_line(faces, vertices)) < 0.011
    paint(face & near_jaw & (y < -0.035), "jaw")
    paint(face & (np.abs(x) < 0.022) & (y < -0.078) & (y > -0.117) & (z > 0.0), "chin")
    paint(face & _nose(x, y, z, points), "nose")
    paint(_nostrils(vertices, faces) & face & _nose(x, y, z, points), "nostril")
    paint(face & (brow_distance(vertices) < 1.0), "brow")
    paint(face & (geodesic(faces, vertices, eye_margins(faces)) < 0.0075), "lids")
    border = mouth_loop(faces, vertices)
    lips = face & points_in_poly(vertices[:, :2], vertices[border, :2]) & (z > 0.015)
    lips[border] = True
    loop_y = points[[60, 64], 1].mean() + 0.0015 * np.clip(1 - (x / 0.025) ** 2, 0, 1)
    upper = _upper_lip(vertices, faces, lips, points, loop_y)
    paint(lips & upper, "upper_lip")
    paint(lips & ~upper, "lower_lip")
    paint(face & _ears(vertices, faces), "ear")
    inner = np.zeros(ICT_COUNT, bool)
    inner[ict_range("mouth_socket")] = True
    paint(inner, "mouth_bag")
    inner[:] = False
    inner[ict_range("eye_sockets")] = True
    paint(inner, "socket")
    return label


def _jaw_line(faces: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """ICT vertices on the edge paths that join the jaw landmarks."""
    graph = adjacency(faces[faces.max(axis=1) < ICT_RANGES["head"].stop], vertices)
    jaw = ICT_LANDMARKS[1:16]
    return np.concatenate([path(graph, int(a), int(b)) for a, b in pairwise(jaw)])


def _jaw_height(x: np.ndarray, z: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Height (y) of the lower edge of the jaw at each depth: a line from the jaw angle to the chin."""
    angle, chin = points[[3, 13]].mean(axis=0), points[8]
    along = np.clip((z - angle[2]) / (chin[2] - angle[2]), -0.3, 1.1)
    height = angle[1] - 0.012 + along * (chin[1] - angle[1] + 0.008)
    return np.where(z < angle[2] - 0.012, height + 3.0 * (angle[2] - 0.012 - z), height)


def _scalp(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Hair-bearing part of the head: behind the hairline, above the nape, in front of and behind the ears."""
    width = np.abs(x)
    hairline = 0.079 - 9.0 * width**2 - 0.10 * np.clip(width - 0.050, 0, None)
    above = y > np.where(z > -0.045, hairline, 0.012)
    side = (z < -0.045) & (y > 0.005 - 0.2 * np.clip(-0.09 - z, 0, 0.02))
    nape = (z < -0.108) & (y > -0.055)
    return above | side | nape


def _nose(x: np.ndarray, y: np.ndarray, z: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Frontal outline of the nose by height: narrow at the root, wings at the base."""
    base, wing, tip, bridge, root = points[[33, 31, 30, 28, 27], 1]
    heights = np.array([base - 0.002, wing + 0.004, tip, bridge, root, 0.016])
    widths = np.array([0.0105, 0.0195, 0.0185, 0.0125, 0.0095, 0.009])
    half = np.interp(y, heights, widths, left=0.0, right=0.0)
    return (np.abs(x) < half) & (z > 0.0)


def _nostrils(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertices inside the nose: hidden from in front, from the sides and from a little below."""
    skin = triangulate(faces[faces.max(axis=1) < ICT_RANGES["head"].stop])
    seen = np.zeros(len(vertices), bool)
    for pitch, yaw in ((0, 0), (0.35, 0), (-0.5, 0), (0, 1.2), (0, -1.2), (0.3, 0.7), (0.3, -0.7)):
        (sp, cp), (sy, cy) = (np.sin(pitch), np.cos(pitch)), (np.sin(yaw), np.cos(yaw))
        turned = (
            vertices
            @ (np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])).T
        )
        away = 2.0 - turned[:, 2]
        pixels = np.stack([8000 * turned[:, 0] / away + 512, 400 - 8000 * turned[:, 1] / away, away], axis=1)
        depth = rasterize(pixels, skin, 1024, 1024).depth
        column, row = np.clip(np.round(pixels[:, :2]).astype(int), 0, 1023).T
        seen |= pixels[:, 2] < depth[row, column] + 0.0008
    return ~seen


def brow_distance(vertices: np.ndarray) -> np.ndarray:
    """(V,) distance from the brows' centre line in half-widths (below 1 inside the hair), frontal plane."""
    x, y = np.abs(vertices[:, 0]), vertices[:, 1]
    center = BROW_LINE
    dense_x = np.linspace(center[0, 0], center[-1, 0], 60)
    line = np.stack([dense_x, np.interp(dense_x, center[:, 0], center[:, 1])], axis=1)
    half = np.interp(dense_x, center[:, 0], center[:, 2])
    distance, nearest = cKDTree(line).query(np.stack([x, y], axis=1))
    off = (vertices[:, 2] < -0.02) * 10.0
    return distance / half[nearest] + off


# Right half of the brow on the mean head: |x|, y of the centre line and half-width, metres.
BROW_LINE = np.array(
    [
        [0.0105, 0.0155, 0.0040],
        [0.0180, 0.0190, 0.0048],
        [0.0270, 0.0207, 0.0046],
        [0.0370, 0.0213, 0.0042],
        [0.0450, 0.0202, 0.0036],
        [0.0530, 0.0175, 0.0028],
        [0.0590, 0.0130, 0.0020],
    ]
)


def _upper_lip(
    vertices: np.ndarray, faces: np.ndarray, lips: np.ndarray, points: np.ndarray, fallback: np.ndarray
) -> np.ndarray:
    """Upper lip by surface distance: nearer to the upper than to the lower lip's landmarks."""
    skin = faces[faces.max(axis=1) < ICT_RANGES["face"].stop]
    upper = geodesic(skin, vertices, ICT_LANDMARKS[[49, 50, 51, 52, 53, 61, 62, 63]])
    lower = geodesic(skin, vertices, ICT_LANDMARKS[[59, 58, 57, 56, 55, 67, 66, 65]])
    return np.where(np.isclose(upper, lower), vertices[:, 1] > fallback, upper < lower)


def _ears(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The auricles: what sticks out of the smoothed side of the head."""
    x, y, z = vertices.T
    box = (np.abs(x) > 0.056) & (y > -0.062) & (y < 0.012) & (z < -0.052) & (z > -0.125)
    normal = vertex_normals(vertices, faces)
    side = np.abs(x) - _side_width(y, z)
    concha = ((y + 0.027) / 0.028) ** 2 + ((z + 0.077) / 0.014) ** 2 < 1
    return box & ((side > 0.0025) | ((np.abs(normal[:, 0]) < 0.5) & (side > -0.002)) | concha)


def _side_width(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Half-width (metres) of the mean head's side without the ears, a plane through temple and nape."""
    return 0.0715 + 0.04 * np.clip(y, -0.06, 0.012) - 0.03 * (z + 0.06)
