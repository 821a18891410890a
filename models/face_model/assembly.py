"""Carries the statistics from the ICT connectivity to our topology and packs face_model.npz."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np

from core.geometry.mirroring import MIRRORED_68

from .albedo import PART_COLORS
from .expressions import NAMES, partner
from .eye_fit import seat_eyes
from .eyes import IRIS_RADIUS, PUPIL_RADIUS, gaze_axis
from .identity import IdentityBasis
from .landmarks import Embedding, contour_candidates, embed
from .regions import REGIONS
from .skin_fields import SKIN
from .sources import ICT_COUNT, ict_range
from .statistics import Statistics
from .surface import MIRROR, symmetrised
from .topology import Topology
from .uv import KEEP_THE_SHIPPED

LOG = logging.getLogger(__name__)
IDENTITY_STEP = 1.5e-6  # metres; quantisation of all 80 modes together stays below 5 micrometres
EXPRESSION_STEP = 2.0e-6


def assemble(statistics: Statistics, topology: Topology) -> dict[str, np.ndarray]:
    """The arrays of docs/conventions.md, "face_model.npz"."""
    vertices = symmetrised(topology.transfer @ statistics.mean + topology.offset, topology.mirror)
    region = _regions(statistics, topology)
    identity = _identity(statistics.identity, topology)
    identity = seat_eyes(identity, statistics.identity.parity, topology, vertices, statistics.eye_centers)
    expression = _expression(statistics.expression, topology)
    albedo_mean, albedo = _albedo(statistics, topology, vertices)
    sparse = _landmarks(statistics, topology, vertices, region)
    dense = _dense(statistics, topology, vertices, region)
    visible = (topology.vertex_part == 0) & ~_named(region, "ear_right", "ear_left", "nostril", "mouth_bag")
    visible &= ~_named(region, "socket_right", "socket_left", "neck", "scalp")
    contour = contour_candidates(vertices, topology.faces, visible, sparse.points(vertices)[:17], topology.mirror)
    identity_levels, identity_scale = _quantise(identity, IDENTITY_STEP, np.int16)
    expression_levels, expression_scale = _quantise(expression, EXPRESSION_STEP, np.int16)
    albedo_levels, albedo_scale = _quantise(albedo, None, np.int8)
    return {
        "vertices": vertices.astype(np.float32),
        "faces": topology.faces,
        "uv": topology.uv.astype(np.float32),
        "uv_faces": topology.uv_faces.astype(np.int32),
        "part_names": np.array(topology.part_names),
        "vertex_part": topology.vertex_part,
        "face_part": topology.face_part,
        "identity_basis": identity_levels,
        "identity_scale": identity_scale,
        "expression_basis": expression_levels,
        "expression_scale": expression_scale,
        "expression_names": np.array(NAMES),
        "albedo_mean": albedo_mean.astype(np.float32),
        "albedo_basis": albedo_levels,
        "albedo_scale": albedo_scale,
        "region_names": np.array(REGIONS),
        "region": region,
        "mirror": topology.mirror.astype(np.int32),
        "landmark_triangles": sparse.triangles,
        "landmark_weights": sparse.weights,
        "contour_candidates": contour,
        "dense_triangles": dense.triangles,
        "dense_weights": dense.weights,
        "eye_centers": statistics.eye_centers.astype(np.float32),
    }


def keep_signs(arrays: dict[str, np.ndarray], shipped: Path) -> None:
    """Flip modes, in place, to the sign they have in the shipped file, so that trained networks stay valid.

    A component's sign is arbitrary, and that of an antisymmetric one hangs on rounding.
    """
    if not shipped.exists():
        return
    with np.load(shipped, allow_pickle=False) as old:
        for name in ("identity_basis", "albedo_basis"):
            if old[name].shape != arrays[name].shape:
                LOG.warning("another topology in %s: the signs of %s are not compared", shipped.name, name)
                continue
            now = arrays[name].reshape(len(arrays[name]), -1).astype(float)
            then = old[name].reshape(now.shape).astype(float)
            cosine = (now * then).sum(axis=1) / np.linalg.norm(now, axis=1) / np.linalg.norm(then, axis=1)
            if (np.abs(cosine) < 0.95).any():
                LOG.warning("%s differs from the shipped modes: train the networks again", name)
            arrays[name] = arrays[name] * np.where(cosine < 0, -1, 1).astype(arrays[name].dtype)[:, None, None]


def save(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write an npz with the strongest deflate and fixed dates, so that equal arrays give equal files.

    Arrays with NaN or infinite values are refused before anything is written.
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{path.name} is not written, `{name}` holds NaN: {KEEP_THE_SHIPPED}")
    temporary = path.with_suffix(".partial")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (2020, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    _recompress(temporary, path)


def _recompress(stored: Path, path: Path) -> None:
    """`ZipInfo` members start uncompressed; copy them into a deflated archive."""
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for info in source.infolist():
            member = zipfile.ZipInfo(info.filename, info.date_time)
            target.writestr(member, source.read(info), zipfile.ZIP_DEFLATED, 9)
    stored.unlink()


def _quantise(basis: np.ndarray, step: float | None, kind: type) -> tuple[np.ndarray, np.ndarray]:
    """Levels of a (K, V, 3) basis and their (K,) size; a given `step` is widened only where a mode would overflow."""
    largest = np.abs(basis).reshape(len(basis), -1).max(axis=1) / np.iinfo(kind).max
    scale = np.maximum(largest, step or 1e-9)
    levels = np.round(basis / scale[:, None, None]).astype(kind)
    return levels, scale.astype(np.float32)


def _carry(topology: Topology, deltas: np.ndarray) -> np.ndarray:
    """(K, V, 3) deltas on our topology from (K, 26719, 3) on the ICT connectivity."""
    flat = deltas.transpose(1, 0, 2).reshape(ICT_COUNT, -1)
    return (topology.transfer @ flat).reshape(-1, len(deltas), 3).transpose(1, 0, 2)


def _identity(basis: IdentityBasis, topology: Topology) -> np.ndarray:
    carried = _carry(topology, basis.modes)
    sign = basis.parity[:, None, None]
    return (carried + sign * carried[:, topology.mirror] * MIRROR) / 2


def _expression(deltas: np.ndarray, topology: Topology) -> np.ndarray:
    carried = _carry(topology, deltas)
    twin = [NAMES.index(partner(name)) for name in NAMES]
    return (carried + carried[twin][:, topology.mirror] * MIRROR) / 2


def _regions(statistics: Statistics, topology: Topology) -> np.ndarray:
    """(V,) uint8: the region with the largest share of each skin vertex's sources; mirrored from the right half."""
    votes = np.stack([topology.transfer @ (statistics.label == k) for k in range(len(REGIONS))], axis=1)
    region = votes.argmax(axis=1).astype(np.uint8)
    region[topology.vertex_part != 0] = 0
    swap = np.array([REGIONS.index(_other_side(name)) for name in REGIONS], np.uint8)
    left = topology.vertices[:, 0] > 0
    region[left] = swap[region[topology.mirror[left]]]
    return region


def _other_side(name: str) -> str:
    if name.endswith("_right"):
        return name.replace("_right", "_left")
    return name.replace("_left", "_right")


def _named(region: np.ndarray, *names: str) -> np.ndarray:
    return np.isin(region, [REGIONS.index(name) for name in names])


def _albedo(statistics: Statistics, topology: Topology, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (V, 3) and modes (80, V, 3) of linear RGB; parts other than skin have a mean colour only."""
    source = np.zeros((ICT_COUNT, 3))
    source[:SKIN] = statistics.albedo.mean
    source[ict_range("mouth_socket")] = PART_COLORS["mouth_bag"]
    source[ict_range("eye_sockets")] = PART_COLORS["socket"]
    mean = topology.transfer @ source
    mean = np.clip((mean + mean[topology.mirror]) / 2, 0, 1)
    modes = np.zeros((len(statistics.albedo.modes), ICT_COUNT, 3), np.float32)
    modes[:, :SKIN] = statistics.albedo.modes
    carried = _carry(topology, modes)
    carried = (carried + statistics.albedo.parity[:, None, None] * carried[:, topology.mirror]) / 2
    skin = topology.vertex_part == 0
    carried[:, ~skin] = 0
    mean[~skin] = _part_colors(topology, vertices, statistics.eye_centers)[~skin]
    return mean, carried


def _part_colors(topology: Topology, vertices: np.ndarray, eye_centers: np.ndarray) -> np.ndarray:
    """(V, 3) linear RGB of eyes, teeth, gums, tongue and lashes."""
    colors = np.zeros((len(vertices), 3))
    for part, name in enumerate(topology.part_names):
        rows = topology.vertex_part == part
        kind = name.split("_")[0]
        if kind in ("eyeball", "cornea"):
            left = name.endswith("left")
            colors[rows] = _eye_colors(vertices[rows] - eye_centers[int(left)], left, kind)
        elif kind in PART_COLORS:
            colors[rows] = PART_COLORS[kind]
    return colors


def _eye_colors(points: np.ndarray, left: bool, kind: str) -> np.ndarray:
    """(N, 3) sclera, iris and pupil by the distance from the optical axis."""
    axis = gaze_axis() * (1 if left else MIRROR)
    off_axis = np.linalg.norm(np.cross(points, axis), axis=1)
    colors = np.tile(PART_COLORS["sclera"], (len(points), 1))
    if kind == "cornea":
        return colors
    front = points @ axis > 0
    colors[front & (off_axis < IRIS_RADIUS * 0.995)] = PART_COLORS["iris"]
    colors[front & (off_axis < PUPIL_RADIUS * 0.99)] = PART_COLORS["pupil"]
    return colors


def _landmarks(statistics: Statistics, topology: Topology, vertices: np.ndarray, region: np.ndarray) -> Embedding:
    """The 68 points: the right half and the midline embedded, the left half mirrored."""
    return _embed_pairs(statistics.landmarks, statistics.landmark_region, MIRRORED_68, topology, vertices, region)


def _dense(statistics: Statistics, topology: Topology, vertices: np.ndarray, region: np.ndarray) -> Embedding:
    label = statistics.label[statistics.dense]
    lips = [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")]
    half = (len(statistics.dense) - int((np.abs(statistics.mean[statistics.dense, 0]) < 1e-6).sum())) // 2
    twin = np.concatenate([np.arange(half, 2 * half), np.arange(half), np.arange(2 * half, len(statistics.dense))])
    keep = np.where(np.isin(label, lips), label, 0)
    return _embed_pairs(statistics.mean[statistics.dense], keep, twin, topology, vertices, region)


def _embed_pairs(
    points: np.ndarray, on: np.ndarray, twin: np.ndarray, topology: Topology, vertices: np.ndarray, region: np.ndarray
) -> Embedding:
    """Embed points on the skin, those with a region number `on` only there; left points mirror their right twins."""
    inner = _named(region, "mouth_bag", "socket_right", "socket_left", "nostril")
    skin = topology.faces[(topology.face_part == 0) & ~inner[topology.faces].all(axis=1)]
    triangles, weights = np.zeros((len(points), 3), np.int32), np.zeros((len(points), 3), np.float32)
    for number in np.unique(on):
        rows = np.flatnonzero(on == number)
        faces = skin if number == 0 else skin[(region[skin] == number).any(axis=1)]
        found = embed(vertices, faces, points[rows])
        triangles[rows], weights[rows] = found.triangles, found.weights
    left = np.flatnonzero(points[:, 0] > 1e-5)
    triangles[left] = topology.mirror[triangles[twin[left]]]
    weights[left] = weights[twin[left]]
    middle = np.flatnonzero((np.abs(points[:, 0]) <= 1e-5) & (on == 0))
    triangles[middle], weights[middle] = _on_midline(points[middle], vertices, skin)
    return Embedding(triangles, weights)


def _on_midline(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) vertices (two of the midline, the second twice) and weights of the places nearest to (N, 3) points."""
    edges = np.concatenate([faces[:, [k, (k + 1) % 4]] for k in range(4)])
    edges = np.unique(np.sort(edges[(np.abs(vertices[edges, 0]) < 1e-6).all(axis=1)], axis=1), axis=0)
    start, along = vertices[edges[:, 0]], vertices[edges[:, 1]] - vertices[edges[:, 0]]
    share = (((points[:, None] - start) * along).sum(-1) / (along**2).sum(-1)).clip(0.0, 1.0)
    nearest = np.linalg.norm(start + share[..., None] * along - points[:, None], axis=-1).argmin(axis=1)
    share = share[np.arange(len(points)), nearest]
    weights = np.stack([1.0 - share, share, np.zeros(len(points))], axis=1)
    return edges[nearest][:, [0, 1, 1]].astype(np.int32), weights.astype(np.float32)
