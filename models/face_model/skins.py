"""MakeHuman's skins and eyebrows carried to the ICT connectivity: colours without baked light, brow density fields."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from core.geometry.rasterizer import rasterize

from .registration import Registration
from .sources import DATA, ICT_COUNT, MakeHuman, read_obj
from .surface import averaging, closest_points, triangulate, vertex_normals

_TEXTURE = 2048  # pixels of MakeHuman's whole map
_ISLAND = (1264, 336)  # where the stored head island lies in it
_BROW_RADIUS = 0.0014  # metres, blur of the brow density
_BROW_RAISE = ((0.010, 0.050), (0.0035, 0.0070))  # metres by |x|: MakeHuman's brows sit low over ICT's deeper orbits
_FRONTAL = np.array([1.0, 1.0, 0.2])  # distances between brow hair and skin count in the frontal plane


def srgb_to_linear(color: np.ndarray) -> np.ndarray:
    """sRGB-encoded values in [0, 1] to linear ones."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def read_skins(registration: Registration, faces: np.ndarray, data: Path = DATA) -> dict[str, np.ndarray]:
    """Name -> (26719, 3) float64 linear RGB of each MakeHuman skin; vertices off the map take their neighbours'."""
    skins = {}
    for folder in ("skins", "skins_512"):
        for file in sorted((data / "makehuman" / folder).glob("*.png")):
            placed = _sample(file, registration.uv)
            skins[f"{folder}/{file.stem}"] = _fill(placed, registration.vertices, faces)
    return skins


def _sample(file: Path, uv: np.ndarray) -> np.ndarray:
    """(N, 3) linear RGB of a skin at (N, 2) texture coordinates, blurred to the spacing of the vertices."""
    image = _read_image(file)[:, :, 2::-1]
    size = 512 if image.shape[0] == 512 else _TEXTURE
    linear = srgb_to_linear(image / 255.0).astype(np.float32)
    if size == _TEXTURE:
        linear = cv2.GaussianBlur(linear, (0, 0), 2.0)
    shift = np.array(_ISLAND if size == _TEXTURE else (0, 0))
    pixels = (np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1) * size - 0.5 - shift).astype(np.float32)
    x, y = pixels[None, :, 0], pixels[None, :, 1]
    return cv2.remap(linear, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]


def _read_image(file: Path) -> np.ndarray:
    """(H, W, 3 or 4) uint8 BGR(A) picture."""
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"{file} cannot be read as a picture")
    return image


def _fill(placed: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Spread known colours over the rest of the skin by repeated averaging."""
    color = np.zeros((ICT_COUNT, 3))
    known = np.zeros(ICT_COUNT)
    color[vertices], known[vertices] = placed, 1.0
    fixed = known.copy()
    ring = averaging(faces, ICT_COUNT)
    for _ in range(60):
        weight = ring @ known
        spread = (ring @ (color * known[:, None])) / np.maximum(weight, 1e-9)[:, None]
        color = np.where(fixed[:, None] > 0, color, spread)
        known = np.maximum(fixed, (weight > 1e-9).astype(float))
    return color


def ambient_occlusion(vertices: np.ndarray, faces: np.ndarray, directions: int = 80) -> np.ndarray:
    """(V,) cosine-weighted share of the sky each vertex sees, in [0, 1]."""
    triangles, normals = triangulate(faces), vertex_normals(vertices, faces)
    middle = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    seen, most = np.zeros(len(vertices)), np.zeros(len(vertices))
    for k in range(directions):  # Fibonacci sphere
        height = 1 - 2 * (k + 0.5) / directions
        angle = np.pi * (1 + 5**0.5) * k
        radius = np.sqrt(1 - height**2)
        toward = np.array([radius * np.cos(angle), height, radius * np.sin(angle)])
        side = np.cross([0, 1, 0] if abs(height) < 0.9 else [1, 0, 0], toward)
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(toward, side), toward])
        turned = (vertices - middle) @ frame.T
        away = 4.0 - turned[:, 2]
        pixels = np.stack([6400 * turned[:, 0] / away + 384, 384 - 6400 * turned[:, 1] / away, away], axis=1)
        depth = rasterize(pixels, triangles, 768, 768).depth
        column, row = np.clip(np.round(pixels[:, :2]).astype(int), 0, 767).T
        cosine = np.maximum(normals @ toward, 0)
        most += cosine
        seen += cosine * (away < depth[row, column] + 0.0012)
    return seen / np.maximum(most, 1e-9)


def without_baked_light(color: np.ndarray, occlusion: np.ndarray, normals: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """(V, 3) colours with the part of their brightness that follows occlusion and facing removed.

    Painted skins carry some ambient shading; it is regressed in log brightness over the `fit` vertices.
    """
    brightness = np.log(np.maximum(color @ [0.2126, 0.7152, 0.0722], 1e-3))
    features = np.stack([np.log(np.clip(occlusion, 0.15, 1)), normals[:, 1], normals[:, 2]], axis=1)
    features -= features[fit].mean(axis=0)
    ridge = features[fit].T @ features[fit] + 5.0 * np.eye(3)
    slope = np.linalg.solve(ridge, features[fit].T @ (brightness[fit] - brightness[fit].mean()))
    slope = np.clip(slope, 0, [1.0, 0.4, 0.4])  # only shading darkens hollows and undersides
    return color * np.exp(-features @ slope)[:, None]


def brow_fields(registration: Registration, mean: np.ndarray, makehuman: MakeHuman, mirror: np.ndarray) -> np.ndarray:
    """(12, 26719) float64 hair density in [0, 1] of MakeHuman's eyebrows on the mean head, mirror-symmetric."""
    mesh = makehuman.mesh
    head = mesh.faces[(mesh.groups == "body")]
    head = head[(mesh.vertices[head][:, :, 1] > 6.5).all(axis=1)]
    triangles = triangulate(head)
    front = np.flatnonzero((mean[:, 2] > -0.03) & (np.abs(mean[:, 1] - 0.02) < 0.03) & (np.arange(ICT_COUNT) < 9409))
    fields = []
    for folder in sorted((makehuman.folder / "eyebrows").iterdir()):
        points, amount = _brow_points(folder, mesh.vertices)
        owner, weights, _ = closest_points(mesh.vertices, triangles, points)
        placed = np.einsum("nk,nkd->nd", weights, registration.deformed[triangles[owner]])
        placed[:, 1] += np.interp(np.abs(placed[:, 0]), *_BROW_RAISE)
        density = np.zeros(ICT_COUNT)
        tree = cKDTree(placed * _FRONTAL)
        for vertex in front:
            near = tree.query_ball_point(mean[vertex] * _FRONTAL, 3 * _BROW_RADIUS)
            if near:
                squared = (((placed[near] - mean[vertex]) * _FRONTAL) ** 2).sum(axis=1)
                density[vertex] = (amount[near] * np.exp(-squared / (2 * _BROW_RADIUS**2))).sum()
        density = (density + density[mirror]) / 2
        peak = np.percentile(density[density > 0.02 * density.max()], 80)
        fields.append(np.clip(density / peak, 0, 1))
    return np.stack(fields)


def _brow_points(folder: Path, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (N, 3) on the base mesh and the amount of hair (N,) of the opaque texels of one eyebrow asset."""
    name = folder.name
    mesh = read_obj(folder / f"{name}.obj")
    fitted = fit_clothes(folder / f"{name}.mhclo", base)
    alpha = _read_image(folder / f"{name}.png")[:, :, 3] / 255.0
    size = 256
    alpha = cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA)
    split = [0, 1, 2, 0, 2, 3]
    corners = mesh.faces[:, split].reshape(-1, 3)
    uv = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], axis=1) * size - 0.5
    uv_corners = mesh.uv_faces[:, split].reshape(-1, 3)
    places, amounts = [], []
    for keep in _without_overlap(uv[uv_corners]):
        raster = rasterize(uv, uv_corners[keep], size, size)
        hit = raster.mask & (alpha > 0.02)
        owner = corners[keep][raster.triangle_id[hit]]
        places.append(np.einsum("nk,nkd->nd", raster.barycentric[hit], fitted[owner]))
        amounts.append(alpha[hit])
    return np.concatenate(places), np.concatenate(amounts)


def fit_clothes(file: Path, base: np.ndarray) -> np.ndarray:
    """(N, 3) vertices of an asset fitted to the (V, 3) base mesh, by the vertex table of its .mhclo file.

    The asset's own offsets from the skin are left out: what is wanted lies on the skin.
    """
    rows = [line.split() for line in file.read_text().partition("verts 0")[2].splitlines()]
    table = np.array([row for row in rows if len(row) == 9], float)
    return np.einsum("nk,nkd->nd", table[:, 3:6], base[table[:, :3].astype(int)])


def _without_overlap(corners: np.ndarray) -> list[np.ndarray]:
    """Rows of (T, 3, 2) UV triangles, in two groups: left and right brows often share one picture."""
    half = len(corners) // 2
    return [np.arange(half), np.arange(half, len(corners))]
