"""The face model: loads face_model.npz and evaluates shape, albedo and landmarks (linear, pure arrays)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import FaceModelError
from ..types import ALBEDO, EXPRESSION, IDENTITY, LANDMARKS

DEFAULT_PATH = Path(__file__).resolve().parents[2] / "models" / "face_model" / "face_model.npz"
JAW = 17  # contour landmarks


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

    @property
    def triangles(self) -> np.ndarray:
        """(T, 3) int32: every quad split in two, degenerate halves dropped."""
        return self._triangulate(self.faces)[0]

    @property
    def uv_triangles(self) -> np.ndarray:
        """(T, 3) int32 into `uv`, row by row with `triangles`."""
        _, keep = self._triangulate(self.faces)
        return self._split(self.uv_faces)[keep]

    @property
    def triangle_part(self) -> np.ndarray:
        """(T,) uint8 part of each triangle."""
        _, keep = self._triangulate(self.faces)
        return np.repeat(self.face_part, 2)[keep]

    @staticmethod
    def _split(faces: np.ndarray) -> np.ndarray:
        return faces[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)

    @classmethod
    def _triangulate(cls, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        triangles = cls._split(faces)
        keep = triangles[:, 1] != triangles[:, 2]
        return triangles[keep], keep

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
        """(17,) vertex indices of the jaw points on the visible contour under a (3, 3) model -> camera rotation.

        Each jaw point slides over its candidates to the outermost one, as annotators place it on the silhouette.
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


def rotation_without_roll(rotation: np.ndarray) -> np.ndarray:
    """(3, 3) model -> camera rotation with its roll removed."""
    from .camera import angles_from_rotation, rotation_from_angles

    pitch, yaw, _ = angles_from_rotation(rotation)
    return rotation_from_angles(pitch, yaw, 0.0)


@lru_cache(maxsize=2)
def load_face_model(path: Path = DEFAULT_PATH) -> FaceModel:
    """Read and check face_model.npz; raises `FaceModelError` when it is missing, damaged or of another version."""
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
    except FileNotFoundError as error:
        raise FaceModelError(f"The face model {path} is missing. Reinstall Facewright.") from error
    except (OSError, ValueError, EOFError, KeyError) as error:
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
        count = len(model.vertices)
        assert model.identity_basis.shape == (IDENTITY, count, 3)
        assert model.expression_basis.shape == (EXPRESSION, count, 3)
        assert model.albedo_basis.shape == (ALBEDO, count, 3)
        assert model.landmark_triangles.shape == (LANDMARKS, 3)
    except (KeyError, AssertionError) as error:
        raise FaceModelError(
            f"The face model {path} is of another version or damaged ({error}). Reinstall Facewright."
        ) from error
    return model
