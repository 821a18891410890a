"""Reads the licence-clean source data: the ICT-FaceKit model (MIT) and the MakeHuman base and targets (CC0)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
ICT_COUNT = 26719
CENTIMETRE = 0.01
DECIMETRE = 0.1  # MakeHuman's unit

# Vertex ranges of the ICT mesh (data README).
ICT_RANGES: dict[str, range] = {
    "face": range(9409),
    "head": range(9409, 11248),
    "mouth_socket": range(11248, 13294),
    "eye_sockets": range(13294, 14062),
    "gums_tongue": range(14062, 17039),
    "teeth": range(17039, 21451),
    "eyeball_left": range(21451, 23021),
    "eyeball_right": range(23021, 24591),
    "eye_shells": range(24591, 25351),
    "lashes": range(25351, 26719),
}
# 68 landmark vertices of the ICT mesh in Multi-PIE order (data README).
ICT_LANDMARKS = np.array(
    [1278, 1272, 12, 1834, 243, 781, 2199, 1447, 966, 3661, 4390, 3022, 2484, 4036, 2253, 3490, 3496]
    + [268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360]
    + [1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732]
    + [5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470]
    + [5517, 5966]
)


@dataclass(frozen=True)
class ObjMesh:
    """A Wavefront mesh; triangles repeat their third index to fit the quad tables."""

    vertices: np.ndarray  # (V, 3) float64, file units
    uv: np.ndarray  # (T, 2) float64
    faces: np.ndarray  # (F, 4) int32
    uv_faces: np.ndarray  # (F, 4) int32
    groups: np.ndarray  # (F,) str: group (`g`) or material (`usemtl`) of each face


def read_obj(path: Path, label: str = "usemtl") -> ObjMesh:
    """Read a Wavefront file; `label` is the statement that names the faces: `usemtl` or `g`."""
    vertices, uv, faces, uv_faces, groups = [], [], [], [], []
    current = ""
    for line in path.read_text().splitlines():
        key, _, rest = line.partition(" ")
        if key == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif key == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif key == label:
            current = rest.strip()
        elif key == "f":
            corners = [[int(x) for x in corner.split("/")[:2]] for corner in rest.split()]
            corners += [corners[-1]] * (4 - len(corners))
            faces.append([corner[0] - 1 for corner in corners])
            uv_faces.append([corner[1] - 1 for corner in corners])
            groups.append(current)
    return ObjMesh(
        np.array(vertices), np.array(uv), np.array(faces, np.int32), np.array(uv_faces, np.int32), np.array(groups)
    )


@dataclass(frozen=True)
class IctModel:
    """The ICT-FaceKit model in our model frame, metres."""

    vertices: np.ndarray  # (26719, 3) float64, mean neutral
    mesh: ObjMesh  # faces, UVs and materials; its own vertices stay in file units
    identity: np.ndarray  # (100, 26719, 3) float32, metres per standard deviation
    expression: np.ndarray  # (57, 26719, 3) float32, metres at 1
    expression_names: tuple[str, ...]
    eye_centers: np.ndarray  # (2, 3) float64: right, left eyeball centre


def sphere_center(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares centre (3,) and radius of a sphere through (N, 3) points."""
    system = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


@lru_cache(maxsize=1)
def load_ict(data: Path = DATA) -> IctModel:
    """Load the ICT model, move its origin between the eyes and scale it to metres."""
    folder = data / "ict_facekit"
    mesh = read_obj(folder / "generic_neutral_mesh.obj")
    vertices = mesh.vertices * CENTIMETRE
    centers = np.stack([sphere_center(vertices[eyeball_sclera(side)])[0] for side in ("right", "left")])
    origin = centers.mean(axis=0)
    with np.load(folder / "shapes.npz") as shapes:
        identity = shapes["identity"] * (shapes["identity_scale"][:, None, None] * np.float32(CENTIMETRE))
        expression = shapes["expression"] * (shapes["expression_scale"][:, None, None] * np.float32(CENTIMETRE))
        names = tuple(str(name) for name in shapes["expression_names"])
    return IctModel(vertices - origin, mesh, identity, expression, names, centers - origin)


def eyeball_sclera(side: str) -> np.ndarray:
    """ICT vertices of one eyeball's white (`side` is the subject's left or right): a sphere without the cornea."""
    start = ICT_RANGES[f"eyeball_{side}"].start
    return np.arange(start, start + 770)


def ict_range(*names: str) -> np.ndarray:
    """Vertex indices of the named parts of the ICT mesh."""
    return np.concatenate([np.arange(ICT_RANGES[name].start, ICT_RANGES[name].stop) for name in names])


@dataclass(frozen=True)
class MakeHuman:
    """The MakeHuman base mesh and its shape targets, file units (decimetres), MakeHuman's frame."""

    mesh: ObjMesh
    folder: Path

    @cached_property
    def names(self) -> list[str]:
        """Names of all targets, as paths below `targets/` without the suffix."""
        root = self.folder / "targets"
        return sorted(str(p.relative_to(root)).removesuffix(".target.gz") for p in root.rglob("*.target.gz"))

    def target(self, name: str) -> np.ndarray:
        """(V, 3) float64 deltas of one target."""
        deltas = np.zeros_like(self.mesh.vertices)
        with gzip.open(self.folder / "targets" / f"{name}.target.gz", "rt") as lines:
            rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        if rows:
            deltas[[int(row[0]) for row in rows]] = [[float(x) for x in row[1:4]] for row in rows]
        return deltas


@lru_cache(maxsize=1)
def load_makehuman(data: Path = DATA) -> MakeHuman:
    """Load the MakeHuman base mesh; targets are read on demand."""
    folder = data / "makehuman"
    return MakeHuman(read_obj(folder / "base.obj", label="g"), folder)
