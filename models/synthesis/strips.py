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

from .cards import Cards
from .chance import pick
from .head import Head
from .labels import Label
from .prepared import prepared
from .strands import CENTER
from .textures import read_texture

# Strip hair and how often each is worn; fringes that hide an eye are rare
_WEIGHTS = {
    "short01": 1.5, "short02": 1.5, "short03": 0.5, "short04": 1.6, "bob01": 0.4, "bob02": 0.8, "long01": 1.3,
    "ponytail01": 1.2, "afro01": 0.7, "braid01": 0.5,
}  # fmt: skip
STYLES = tuple(_WEIGHTS)
LONG = ("bob01", "bob02", "long01", "ponytail01", "braid01")
_TEXTURES = (512, 256, 128, 64)  # pixels
_PLAIN = ("offset", "anchors", "weights", "triangles", "uv", "tangents")  # fields of `BoundHair` but its textures


def pick_style(rng: np.random.Generator, styles: tuple[str, ...]) -> str:
    """One of the styles that were found; an empty string when none was."""
    if not styles:
        return ""
    weights = np.array([_WEIGHTS[style] for style in styles])
    return str(pick(rng, styles, weights / weights.sum()))


@dataclass(frozen=True, eq=False)
class BoundHair:
    """Strip hair fitted to the mean head; it follows the scalp of every identity."""

    offset: np.ndarray  # (N, 3) float32 from the blend of its anchors
    anchors: np.ndarray  # (N, 4) int32 head vertices
    weights: np.ndarray  # (N, 4) float32
    triangles: np.ndarray  # (M, 3) int32
    uv: np.ndarray  # (N, 2) float32 in [0, 1], v down
    tangents: np.ndarray  # (N, 3) float32 unit: along the hair
    textures: tuple[np.ndarray, ...]  # see `Cards`


def load_styles(head: Head, data: Path = DATA) -> dict[str, BoundHair]:
    """Fit every strip hair style to the head; an empty dictionary without the source data."""
    if not (data / "makehuman" / "hair").is_dir():
        return {}
    arrays = prepared("strips", head.model, lambda: _bound(head, data), data)
    return {style: _unpacked(arrays, style) for style in STYLES}


def _bound(head: Head, data: Path) -> dict[str, np.ndarray]:
    """The arrays of every style, by "style/field" and "style/textures/level"."""
    folder, transform = data / "makehuman" / "hair", _makehuman_to_head(head, data)
    base, arrays = load_makehuman(data).mesh.vertices, {}
    for style in STYLES:
        bound = _bind(head, folder / style, base, transform)
        arrays |= {f"{style}/{name}": getattr(bound, name) for name in _PLAIN}
        arrays |= {f"{style}/textures/{level}": texture for level, texture in enumerate(bound.textures)}
    return arrays


def _unpacked(arrays: dict[str, np.ndarray], style: str) -> BoundHair:
    textures = tuple(arrays[f"{style}/textures/{level}"] for level in range(len(_TEXTURES)))
    return BoundHair(**{name: arrays[f"{style}/{name}"] for name in _PLAIN}, textures=textures)


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
    uv = np.stack([mesh.uv[pairs[:, 1], 0], 1.0 - mesh.uv[pairs[:, 1], 1]], axis=1)
    return BoundHair(
        (vertices - base).astype(np.float32),
        anchors.astype(np.int32),
        weights.astype(np.float32),
        triangles.astype(np.int32),
        uv.astype(np.float32),
        _along(vertices, triangles, uv),
        _grey_textures(next(folder.glob("*_diffuse.png"))),
    )


def _along(vertices: np.ndarray, triangles: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(N, 3) float32 unit direction in which the texture's v runs: that of the hair."""
    (a, b, c), (ta, tb, tc) = (np.moveaxis(values[triangles], 1, 0) for values in (vertices, uv))
    across = (tb - ta)[:, 0] * (tc - ta)[:, 1] - (tc - ta)[:, 0] * (tb - ta)[:, 1]
    along = (tb - ta)[:, :1] * (c - a) - (tc - ta)[:, :1] * (b - a)
    along *= np.sign(across)[:, None]
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, triangles[:, corner], along)
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _grey_textures(path: Path) -> tuple[np.ndarray, ...]:
    """Brightness round 128 and cover at 512, 256, 128 and 64 pixels; brightness is averaged over what is covered."""
    image = cv2.resize(read_texture(path), (512, 512), interpolation=cv2.INTER_AREA)
    linear, cover = srgb_to_linear(image[:, :, :3].mean(axis=2) / 255.0), image[:, :, 3].astype(np.float32) / 255.0
    bright = np.clip(linear / max(float(linear[cover > 0.5].mean()), 1e-4), 0.0, 2.0)
    levels = []
    for size in _TEXTURES:
        area = cv2.resize(cover, (size, size), interpolation=cv2.INTER_AREA)
        solid = cv2.resize(cover * bright, (size, size), interpolation=cv2.INTER_AREA) / np.maximum(area, 0.02)
        # Thin hair would fade away as it is averaged: keep the share of covered texels
        area = np.clip(area * (1.0 + 0.25 * np.log2(512 / size)), 0, 1)
        levels.append(np.stack([np.minimum(solid * 127.0, 255.0), area * 255.0], axis=2).astype(np.uint8))
    return tuple(levels)


@dataclass(frozen=True, eq=False)
class Bend:
    """How strip hair differs from its pattern."""

    mirrored: bool
    volume: float  # of its distance from the scalp
    length: float  # of what hangs below the ears
    sideways: tuple[float, float]  # metres to the left and forwards per metre off the scalp
    wave: float  # metres
    waves: float  # per metre
    swell: np.ndarray  # (3,) by axis


def sample_bend(rng: np.random.Generator, long: bool) -> Bend:
    """A gentle change of shape; long hair may be cut or grown."""
    return Bend(
        mirrored=bool(rng.random() < 0.5),
        volume=float(np.exp(rng.normal(0.0, 0.22))),
        length=float(rng.uniform(0.45, 1.35) if long else rng.uniform(0.85, 1.15)),
        sideways=(float(rng.normal(0, 0.2)), float(rng.normal(0, 0.12))),
        wave=float(pick(rng, [0.0, rng.uniform(0.001, 0.006)], [0.5, 0.5])),
        waves=float(rng.uniform(8, 45)),
        swell=1.0 + rng.normal(0.0, 0.03, 3),
    )


def strip_cards(
    bound: BoundHair, neutral: np.ndarray, strand: np.ndarray, seed: int, color: np.ndarray, long: bool
) -> Cards:
    """The strips on the (V, 3) rest shape of one person; `strand` is a field of the noise pool, `color` (3,) linear."""
    rng = np.random.default_rng(seed)
    vertices, away = _bent(bound, neutral, sample_bend(rng, long), rng)
    outward = vertices - CENTER
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    tips = np.clip(away / 0.05, 0.0, 1.0) if not long else np.clip((0.08 - vertices[:, 1]) / 0.3, 0.0, 1.0)
    phase, ways = rng.uniform(0, 6.28, 3), rng.normal(0, 130.0, (3, 3))
    streaks = np.sin(vertices @ ways.T + phase).sum(axis=1) * rng.uniform(0.03, 0.16)
    tint = np.exp(streaks + rng.normal(0.1, 0.3) * (tips - 0.4))
    return Cards(
        vertices=vertices.astype(np.float32),
        triangles=bound.triangles,
        uv=bound.uv,
        textures=bound.textures,
        strand=strand,
        grain=(float(rng.uniform(0.15, 0.45)), float(rng.uniform(300, 900)), float(rng.uniform(60, 250))),
        tangents=bound.tangents,
        normals=outward.astype(np.float32),
        albedo=np.minimum(color * tint[:, None], 0.9).astype(np.float32),
        occlusion=np.clip(0.4 + away / 0.03, 0.4, 0.95).astype(np.float32),
        gloss=float(rng.uniform(0.25, 1.0)),
    )


def _bent(bound: BoundHair, neutral: np.ndarray, bend: Bend, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) vertices and (N,) their distance from the scalp, metres."""
    base = np.einsum("nk,nkd->nd", bound.weights, neutral[bound.anchors])
    offset = bound.offset * bend.volume
    away = np.linalg.norm(offset, axis=1)
    vertices = CENTER + (base + offset - CENTER) * bend.swell
    low = np.maximum(0.01 - vertices[:, 1], 0.0)
    vertices[:, 1] += low * (1.0 - bend.length)
    loose = np.maximum(away - 0.008, 0.0) + 0.4 * low
    vertices[:, 0] += bend.sideways[0] * np.minimum(loose, 0.1)
    vertices[:, 2] += bend.sideways[1] * np.minimum(loose, 0.1)
    turn = 2 * np.pi * bend.waves * vertices[:, 1] + 25.0 * vertices[:, 0] + rng.uniform(0, 6.28)
    size = bend.wave * np.minimum(1.0, 20.0 * loose)
    vertices += np.stack([size * np.sin(turn), np.zeros(len(turn)), size * np.cos(turn)], axis=1)
    if bend.mirrored:
        vertices = vertices * np.array([-1.0, 1.0, 1.0])
    return vertices, away
