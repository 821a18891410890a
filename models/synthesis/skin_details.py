"""MakeHuman's painted skins (CC0) in the face model's own UV layout, as fine detail round 1 with mip levels.

Made once per face model and kept in build/; workers map the files, so that all share one copy in memory.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from core.geometry.face_model import FaceModel
from core.geometry.lighting import srgb_to_linear
from models.face_model.registration import register
from models.face_model.sources import DATA, load_ict, load_makehuman
from models.face_model.surface import mirror_map, symmetrised, triangulate

from .kernels import interpolate_hits, rasterize, vertex_normals
from .textures import read_texture

logger = logging.getLogger(__name__)
CACHE = Path(__file__).resolve().parents[2] / "build" / "skin_details"
SIDE = 2048  # texels of the finest level, over the whole UV square
LEVELS = 5
TALL = 27 / 32  # share of the square, from the top, that the skin fills
RANGE = 0.7  # of the log ratio that a byte spans each way
_COARSE = 512  # texels at which the correspondence is solved
_KEPT = 24.0  # texels: what is coarser is left to the albedo modes
_LIMIT = 0.4  # of the log ratio: painted lashes and lip lines are not where this person's are
_ISLAND, _STORED, _SOURCE = (1264, 336), (784, 1440), 2048  # the stored island in MakeHuman's map
_FADE = 5.0  # coarse texels over which detail sets in at lids, lips and the island's rim
_FACING = 0.005  # metres of distance that opposite normals are worth


@dataclass(frozen=True, eq=False)
class SkinDetails:
    """Fine detail of N skins; a skin without detail when the source data is absent."""

    levels: tuple[np.ndarray, ...]  # each (N, h, w, 3) uint8: 128 + 127 / RANGE times the log ratio

    def level(self, texel: float) -> np.ndarray:
        """(N, h, w, 3) of the level whose texels are nearest to `texel` finest ones."""
        return self.levels[int(np.clip(np.rint(np.log2(max(texel, 1e-3))), 0, len(self.levels) - 1))]

    @staticmethod
    def load(model: FaceModel, data: Path = DATA, cache: Path = CACHE) -> SkinDetails:
        """Map the cached levels; make them first when they are missing (half a minute)."""
        folder = data / "makehuman" / "skins"
        if not folder.is_dir():
            logger.warning("No painted skins in %s: skin stays plain.", folder)
            return SkinDetails((np.full((1, 27, 32, 3), 128, np.uint8),))
        files = [cache / f"{_key(model)}_{level}.npy" for level in range(LEVELS)]
        if not all(file.exists() for file in files):
            _make(model, data, files)
        return SkinDetails(tuple(np.load(file, mmap_mode="r") for file in files))


def _key(model: FaceModel) -> str:
    settings = f"{SIDE} {LEVELS} {RANGE} {_KEPT} {_LIMIT} {_FACING} {_FADE}".encode()
    return hashlib.sha256(model.uv.tobytes() + model.vertices.tobytes() + settings).hexdigest()[:16]


def _make(model: FaceModel, data: Path, files: list[Path]) -> None:
    logger.info("Carrying the painted skins to the face model, once.")
    mapping, trust = _correspondence(model, data)
    skins = sorted((data / "makehuman" / "skins").glob("*.png"))
    finest = np.stack([_detail(path, mapping, trust) for path in skins])
    files[0].parent.mkdir(parents=True, exist_ok=True)
    for level, file in enumerate(files):
        if level:
            finest = np.stack([cv2.resize(skin, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for skin in finest])
        _write(file, finest)


def _write(file: Path, array: np.ndarray) -> None:
    """Whole or not at all: several workers may start together."""
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    with os.fdopen(handle, "wb") as part:
        np.save(part, array)
    os.replace(name, file)


def _correspondence(model: FaceModel, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """(h, w, 2) float32 pixels of MakeHuman's map for each coarse texel, and how far to trust each (h, w)."""
    ict, makehuman = load_ict(data), load_makehuman(data)
    mirror = mirror_map(ict.vertices, ict.mesh.faces)
    mean = symmetrised(ict.vertices, mirror)
    target = register(ict, mean, mirror, makehuman).deformed
    mesh = makehuman.mesh
    body = mesh.groups == "body"
    high = (target[mesh.faces] > [-9.0, -0.26, -9.0]).all(axis=(1, 2))
    triangles, corners = triangulate(mesh.faces[body & high]), triangulate(mesh.uv_faces[body & high])
    points, normals, inside = _texels(model)
    owner, weights = _nearest(target, triangles, points, normals)
    uv = np.einsum("nk,nkd->nd", weights, mesh.uv[corners[owner]])
    found = np.zeros((*inside.shape, 2), np.float32)
    found[inside] = np.stack([uv[:, 0], 1.0 - uv[:, 1]], axis=1) * _SOURCE - 0.5 - np.array(_ISLAND)
    known = inside & (found > 6.0).all(axis=2) & (found < np.array(_STORED) - 6.0).all(axis=2)
    distance = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    return _spread(found, inside), np.clip(distance / _FADE, 0.0, 1.0).astype(np.float32)


def _texels(model: FaceModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rest positions (N, 3) and normals (N, 3) of the skin's coarse texels, and the (h, w) bool mask of those."""
    skin = model.triangle_part == model.part("skin")
    pixels = np.stack([model.uv[:, 0], 1.0 - model.uv[:, 1]], axis=1) * _COARSE - 0.5
    corners = model.uv_triangles[skin]
    raster = rasterize(pixels, corners, _COARSE, round(_COARSE * TALL))
    normals = vertex_normals(model.vertices, model.triangles)
    values = np.zeros((len(model.uv), 6), np.float32)
    values[corners] = np.concatenate([model.vertices, normals], axis=1)[model.triangles[skin]]
    at = interpolate_hits(raster, corners, values)
    return at[:, :3], at[:, 3:], raster.mask


def _nearest(
    vertices: np.ndarray, triangles: np.ndarray, points: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangle (N,) and weights (N, 3) of a near place that faces alike: upper lips must not find lower ones."""
    facing = vertex_normals(vertices, triangles)
    split = np.array([[4, 1, 1], [1, 4, 1], [1, 1, 4], [2, 2, 2], [3, 3, 0], [0, 3, 3], [3, 0, 3]]) / 6.0
    split = np.concatenate([split, np.eye(3)])
    places = np.einsum("sk,tkd->tsd", split, vertices[triangles]).reshape(-1, 3)
    turned = np.einsum("sk,tkd->tsd", split, facing[triangles]).reshape(-1, 3)
    tree = cKDTree(np.concatenate([places, turned * _FACING], axis=1))
    distance, near = tree.query(np.concatenate([points, normals * _FACING], axis=1), k=6)
    owner = near[:, 0] // len(split)
    share = 1.0 / (distance + 2e-4) ** 2 * (near // len(split) == owner[:, None])
    return owner, np.einsum("nk,nkd->nd", share / share.sum(axis=1, keepdims=True), split[near % len(split)])


def _spread(values: np.ndarray, known: np.ndarray, steps: int = 12) -> np.ndarray:
    """(h, w, C) with the texels beside the (h, w) known ones filled from them."""
    mask = known.astype(np.float32)
    out = np.asarray(values * mask[:, :, None], np.float32)
    for _ in range(steps):
        weight = cv2.blur(mask, (3, 3))
        near = cv2.blur(np.asarray(out * mask[:, :, None], np.float32), (3, 3)) / np.maximum(weight, 1e-6)[:, :, None]
        out = np.where(mask[:, :, None] > 0, out, near)
        mask = np.maximum(mask, (weight > 1e-6).astype(np.float32))
    return out


def _detail(path: Path, mapping: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 detail of one skin at the finest level."""
    size = (SIDE, round(SIDE * TALL))
    fine = cv2.resize(mapping, size, interpolation=cv2.INTER_LINEAR)
    image = srgb_to_linear(read_texture(path)[:, :, :3] / 255.0)
    log = np.log(np.maximum(image, 0.004))
    log = cv2.remap(log, fine[..., 0], fine[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.resize(trust, size, interpolation=cv2.INTER_LINEAR)
    weight = np.maximum(cv2.GaussianBlur(mask, (0, 0), _KEPT), 1e-4)[:, :, None]
    log -= cv2.GaussianBlur(log * mask[:, :, None], (0, 0), _KEPT) / weight
    log = _LIMIT * np.tanh(log / _LIMIT) * mask[:, :, None]
    log -= log.sum(axis=(0, 1)) / mask.sum()  # the mean colour is the albedo modes' affair
    return np.clip(np.rint(128.0 + log * (127.0 / RANGE)), 0, 255).astype(np.uint8)
