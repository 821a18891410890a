"""The face model: loads face_model.npz and evaluates shape, albedo and landmarks (linear, pure arrays)."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ..checks import check_shape
from ..errors import FaceModelError
from ..types import ALBEDO, EXPRESSION, IDENTITY, LANDMARKS
from .camera import rotation_without_roll

DEFAULT_PATH = Path(__file__).resolve().parents[2] / "models" / "face_model" / "face_model.npz"
JAW = 17  # contour landmarks
FACE_REGIONS = (  # where shapes are compared: no ears, scalp or neck
    "forehead", "brow_right", "brow_left", "lids_right", "lids_left", "nose", "cheek_right", "cheek_left",
    "upper_lip", "lower_lip", "chin", "jaw",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class FaceModel:
    """Arrays of docs/conventions.md, "face_model.npz", dequantised to float32."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    part_names: tuple[str, ...]
    vertex_part: np.ndarray
    face_part: np.ndarray
    identity_basis: np.ndarray  # (80, V, 3) float32, metres per standard deviation
    expression_basis: np.ndarray  # (64, V, 3) float32, metres at slider 1
    expression_names: tuple[str, ...]
    albedo_mean: np.ndarray
    albedo_basis: np.ndarray  # (80, V, 3) float32, linear RGB per standard deviation
    region_names: tuple[str, ...]
    region: np.ndarray
    mirror: np.ndarray
    landmark_triangles: np.ndarray
    landmark_weights: np.ndarray
    contour_candidates: np.ndarray
    dense_triangles: np.ndarray
    dense_weights: np.ndarray
    eye_centers: np.ndarray

    @cached_property
    def triangles(self) -> np.ndarray:
        """(T, 3) int32: every quad split in two, degenerate halves dropped."""
        return _split(self.faces)[self._kept_halves]

    @cached_property
    def uv_triangles(self) -> np.ndarray:
        """(T, 3) int32 into `uv`, row by row with `triangles`."""
        return _split(self.uv_faces)[self._kept_halves]

    @cached_property
    def triangle_part(self) -> np.ndarray:
        """(T,) uint8 part of each triangle."""
        return np.repeat(self.face_part, 2)[self._kept_halves]

    @cached_property
    def _kept_halves(self) -> np.ndarray:
        halves = _split(self.faces)
        return halves[:, 1] != halves[:, 2]

    def part(self, name: str) -> int:
        """Index of a part by name."""
        return self.part_names.index(name)

    def in_regions(self, *names: str) -> np.ndarray:
        """(V,) bool: vertices in any of the named regions."""
        return np.isin(self.region, [self.region_names.index(name) for name in names])

    def shape(self, identity: np.ndarray, expression: np.ndarray | None = None) -> np.ndarray:
        """(V, 3) float32 vertices, metres, for (80,) identity and optional (64,) expression."""
        flat = self.vertices.reshape(-1) + identity @ self.identity_basis.reshape(IDENTITY, -1)
        if expression is not None:
            flat = flat + expression @ self.expression_basis.reshape(EXPRESSION, -1)
        return flat.reshape(-1, 3).astype(np.float32)

    def albedo(self, coefficients: np.ndarray) -> np.ndarray:
        """(V, 3) float32 linear RGB in [0, 1] for (80,) albedo coefficients."""
        flat = self.albedo_mean.reshape(-1) + coefficients @ self.albedo_basis.reshape(ALBEDO, -1)
        return np.clip(flat.reshape(-1, 3), 0.0, 1.0).astype(np.float32)

    def landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """(68, 3) landmarks at their frontal embedding on (V, 3) vertices."""
        return np.einsum("nk,nkd->nd", self.landmark_weights, vertices[self.landmark_triangles])

    def dense_landmarks(self, vertices: np.ndarray) -> np.ndarray:
        """(D, 3) dense landmarks on (V, 3) vertices."""
        return np.einsum("nk,nkd->nd", self.dense_weights, vertices[self.dense_triangles])

    def contour_vertices(self, vertices: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """(17,) vertex indices of the jaw points on the contour seen under a (3, 3) model -> camera rotation.

        Each jaw point slides over its candidates to the outermost, as annotators place it on the silhouette.
        """
        points = vertices[self.contour_candidates]  # (17, K, 3)
        roll_free = rotation_without_roll(rotation)
        x = points @ roll_free[0]
        outward = np.where(np.arange(JAW) < JAW // 2, -1.0, 1.0)[:, None]
        best = np.argmax(outward * x, axis=1)
        best[JAW // 2] = 0  # the chin does not slide
        return self.contour_candidates[np.arange(JAW), best]

    def visible_landmarks(self, vertices: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """(68, 3) landmarks with the jaw points slid onto the visible contour."""
        points = self.landmarks(vertices)
        slid = self.contour_vertices(vertices, rotation)
        moved = slid != self.contour_candidates[:, 0]
        points[:JAW][moved] = vertices[slid[moved]]
        return points


def _split(faces: np.ndarray) -> np.ndarray:
    """(2 F, 3) halves of (F, 4) faces; the second half of a triangle is degenerate."""
    return faces[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def load_face_model(path: Path = DEFAULT_PATH) -> FaceModel:
    """Read and check face_model.npz, once; raises `FaceModelError` when it is missing, damaged or another one."""
    return _load(path)


@lru_cache(maxsize=2)
def _load(path: Path) -> FaceModel:  # apart, for the cache would hold a default and the same path twice
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
    except FileNotFoundError as error:
        raise FaceModelError(f"The face model {path} is missing. Reinstall Facewright.") from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise FaceModelError(f"The face model {path} is damaged. Reinstall Facewright.") from error
    return _from_arrays(arrays, path)


def _from_arrays(arrays: dict[str, np.ndarray], path: Path) -> FaceModel:
    fields: dict[str, object] = {}
    try:
        for name in ("identity", "expression", "albedo"):
            scale = arrays.pop(f"{name}_scale").astype(np.float32)
            fields[f"{name}_basis"] = arrays.pop(f"{name}_basis").astype(np.float32) * scale[:, None, None]
        for name in ("part_names", "expression_names", "region_names"):
            fields[name] = tuple(str(item) for item in arrays.pop(name))
        wanted = FaceModel.__dataclass_fields__.keys() - fields.keys()
        fields.update({key: arrays[key] for key in wanted})
        model = FaceModel(**fields)  # type: ignore[arg-type]
        _check_layout(model)
    except (KeyError, ValueError, IndexError) as error:
        raise FaceModelError(
            f"The face model {path} is of another version or damaged ({error}). Reinstall Facewright."
        ) from error
    return model


def _check_layout(model: FaceModel) -> None:
    """Raise ValueError when arrays are not shaped as in docs/conventions.md or point outside the mesh."""
    count, faces = len(model.vertices), len(model.faces)
    dense = len(model.dense_triangles)
    shapes: dict[str, tuple[int, ...]] = {
        "vertices": (count, 3),
        "identity_basis": (IDENTITY, count, 3),
        "expression_basis": (EXPRESSION, count, 3),
        "albedo_basis": (ALBEDO, count, 3),
        "albedo_mean": (count, 3),
        "faces": (faces, 4),
        "uv_faces": (faces, 4),
        "face_part": (faces,),
        "vertex_part": (count,),
        "region": (count,),
        "mirror": (count,),
        "landmark_triangles": (LANDMARKS, 3),
        "landmark_weights": (LANDMARKS, 3),
        "dense_triangles": (dense, 3),
        "dense_weights": (dense, 3),
        "eye_centers": (2, 3),
    }
    for name, shape in shapes.items():
        check_shape(name, getattr(model, name), shape)
    check_shape("contour_candidates", model.contour_candidates, (JAW, None))
    check_shape("uv", model.uv, (None, 2))
    if len(model.expression_names) != EXPRESSION:
        raise ValueError(f"{len(model.expression_names)} expression names, expected {EXPRESSION}")
    for name in ("faces", "mirror", "landmark_triangles", "dense_triangles", "contour_candidates"):
        index = getattr(model, name)
        if index.size and (index.min() < 0 or index.max() >= count):
            raise ValueError(f"{name} points outside the {count} vertices")
