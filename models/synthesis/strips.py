"""MakeHuman's strip hair: bound to the mean head, fitted to every identity, varied by bending and by its paint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from core.geometry.lighting import srgb_to_linear
from core.geometry.rasterizer import vertex_normals
from models.face_model.sources import DATA, load_makehuman, read_obj

from .chart import AXIS_Z, WIDTH, sample
from .head import Head
from .labels import Label
from .layers import Mesh
from .textures import read_texture

# Strip hair and how often each is worn; fringes that hide an eye are rare
_WEIGHTS = {
    "short01": 1.5, "short02": 1.5, "short03": 0.5, "short04": 1.6, "bob01": 0.4, "bob02": 0.8, "long01": 1.3,
    "ponytail01": 1.2, "afro01": 0.7, "braid01": 0.5,
}  # fmt: skip
STYLES = tuple(_WEIGHTS)
LONG = ("bob01", "bob02", "long01", "ponytail01", "braid01")


def pick_style(rng: np.random.Generator, styles: tuple[str, ...]) -> str:
    """One of the styles that were found; an empty string when none was."""
    if not styles:
        return ""
    weights = np.array([_WEIGHTS[style] for style in styles])
    return str(rng.choice(styles, p=weights / weights.sum()))


@dataclass(frozen=True, eq=False)
class BoundHair:
    """Strip hair fitted to the mean head; it follows the scalp of every identity."""

    offset: np.ndarray  # (N, 3) float32 from the blend of its anchors
    anchors: np.ndarray  # (N, 4) int32 head vertices
    weights: np.ndarray  # (N, 4) float32
    triangles: np.ndarray  # (M, 3) int32
    uv: np.ndarray  # (N, 2) float32 texture pixels
    texture: np.ndarray  # (h, w, 4) uint8: brightness round 128 (three times), cover

    def place(self, vertices: np.ndarray) -> np.ndarray:
        """(N, 3) hair vertices on a head of (V, 3) vertices."""
        return self.offset + np.einsum("nk,nkd->nd", self.weights, vertices[self.anchors])


def load_styles(head: Head, data: Path = DATA) -> dict[str, BoundHair]:
    """Fit every strip hair style to the head; an empty dictionary without the source data."""
    folder = data / "makehuman" / "hair"
    if not folder.is_dir():
        return {}
    transform = _makehuman_to_head(head, data)
    base = load_makehuman(data).mesh.vertices
    return {style: _bind(head, folder / style, base, transform) for style in STYLES}


def _makehuman_to_head(head: Head, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """(3,) scale and (3,) shift that bring MakeHuman's skull onto the mean head's."""
    mesh = load_makehuman(data).mesh
    body = np.unique(mesh.faces[mesh.groups == "body"])
    vertices = mesh.vertices[body]
    eyes = np.stack(
        [mesh.vertices[np.unique(mesh.faces[mesh.groups == f"joint-{side}-eye"])].mean(axis=0) for side in "rl"]
    ).mean(axis=0)
    ours = head.rest[head.skin_vertices]
    source, target = (_skull_box(points) for points in (vertices - eyes, ours * 10.0))
    scale = (target[1] - target[0]) / (source[1] - source[0])
    shift = target[0] - source[0] * scale - eyes * scale
    return scale / 10.0, shift / 10.0


def _skull_box(points: np.ndarray) -> np.ndarray:
    """(2, 3) extent of the skull above the ears, decimetres from the eyes; y counts from the eyes."""
    upper = points[(points[:, 1] > 0.35) & (np.abs(points[:, 0]) < 1.2) & (points[:, 2] > -3)]
    low, high = upper.min(axis=0), upper.max(axis=0)
    low[1] = 0.0
    return np.stack([low, high])


def _fitted(folder: Path, base: np.ndarray) -> np.ndarray:
    """(N, 3) positions of a MakeHuman proxy on the base mesh, from its binding (`.mhclo`), decimetres.

    Each line binds one vertex: to one base vertex, or to three with weights and an offset in scaled axes.
    """
    scale, rows = np.ones(3), []
    bound = False
    for line in next(folder.glob("*.mhclo")).read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in ("x_scale", "y_scale", "z_scale"):
            axis = "xyz".index(words[0][0])
            first, second, unit = int(words[1]), int(words[2]), float(words[3])
            scale[axis] = abs(base[first, axis] - base[second, axis]) / unit
        elif words[0] == "verts":
            bound = True
        elif bound and words[0].lstrip("-").isdigit():
            rows.append(words)
    out = np.empty((len(rows), 3))
    for row, words in enumerate(rows):
        if len(words) == 1:
            out[row] = base[int(words[0])]
        else:
            corners, numbers = base[[int(word) for word in words[:3]]], np.array(words[3:9], float)
            out[row] = numbers[:3] @ corners + numbers[3:] * scale
    return out


def _bind(head: Head, folder: Path, base_mesh: np.ndarray, transform: tuple[np.ndarray, np.ndarray]) -> BoundHair:
    mesh = read_obj(next(folder.glob("*.obj")))
    fitted = _fitted(folder, base_mesh)
    corners = np.stack([mesh.faces, mesh.uv_faces], axis=-1).reshape(-1, 2)
    pairs, inverse = np.unique(corners, axis=0, return_inverse=True)
    faces = inverse.reshape(-1, 4)
    triangles = np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]])
    triangles = triangles[triangles[:, 1] != triangles[:, 2]]
    vertices = (fitted * transform[0] + transform[1])[pairs[:, 0]]
    rows = np.flatnonzero(head.skin_vertices & (head.label != Label.MOUTH))
    normals = vertex_normals(head.rest, head.model.triangles)
    distance, nearest = cKDTree(head.rest[rows]).query(vertices, k=4)
    anchors, weights = rows[nearest], 1.0 / (distance + 0.01)
    weights /= weights.sum(axis=1, keepdims=True)
    height = np.einsum("nd,nd->n", vertices - head.rest[anchors[:, 0]], normals[anchors[:, 0]])
    lift = np.where(distance[:, 0] < 0.03, np.maximum(0.003 - height, 0.0), 0.0)
    vertices = vertices + normals[anchors[:, 0]] * lift[:, None]
    base = np.einsum("nk,nkd->nd", weights, head.rest[anchors])
    texture = _grey_texture(next(folder.glob("*_diffuse.png")))
    size = np.array(texture.shape[1::-1])
    uv = np.stack([mesh.uv[pairs[:, 1], 0], 1.0 - mesh.uv[pairs[:, 1], 1]], axis=1) * size - 0.5
    return BoundHair(
        (vertices - base).astype(np.float32),
        anchors.astype(np.int32),
        weights.astype(np.float32),
        triangles.astype(np.int32),
        uv.astype(np.float32),
        texture,
    )


def _grey_texture(path: Path) -> np.ndarray:
    image = cv2.resize(read_texture(path), (256, 256), interpolation=cv2.INTER_AREA)
    linear = srgb_to_linear(image[:, :, :3].mean(axis=2) / 255.0)
    solid = image[:, :, 3] > 128
    bright = np.clip(linear / max(float(linear[solid].mean()), 1e-4), 0.0, 2.0)
    out = np.empty((256, 256, 4), np.uint8)
    out[:, :, :3] = (bright * 127.0)[:, :, None]
    out[:, :, 3] = image[:, :, 3]
    return out


def strip_mesh(bound: BoundHair, neutral: np.ndarray, strand: np.ndarray, seed: int, color: np.ndarray) -> Mesh:
    """The strips on the (V, 3) rest shape of one person; `strand` is a field of the noise pool, `color` (3,) linear."""
    rng = np.random.default_rng(seed)
    swell = 1.0 + rng.normal(0.0, 0.05)
    vertices = bound.place(neutral)
    center = np.array([0.0, 0.0, AXIS_Z], np.float32)
    vertices = center + (vertices - center) * np.array([swell * rng.normal(1, 0.03), swell, swell], np.float32)
    if rng.random() < 0.5:
        vertices = vertices * np.array([-1, 1, 1], np.float32)

    gloss = rng.uniform(0.2, 0.8)
    fine, coarse = rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.25)
    shift = rng.uniform(0, WIDTH / 2, 2)

    def paint(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        texel = sample(bound.texture, attributes) / 255.0
        thin, thick = (sample(strand, attributes * step + shift)[:, 0] for step in ((1.0, 0.7), (0.35, 0.2)))
        bright = (0.25 + 1.6 * texel[:, 0]) * np.exp(fine * thin + coarse * thick)
        return color * bright[:, None], texel[:, 3]

    return Mesh(vertices, bound.triangles, bound.uv, paint, int(Label.HAIR), gloss, sharpness=14.0, occlusion=0.75)
