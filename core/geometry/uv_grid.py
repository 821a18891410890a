"""Shapes free of the linear basis: a smooth displacement on a coarse grid over the layout of the skin.

The grid spans the one symmetric chart that holds all skin in sight. Its cells are control values of uniform cubic
B-splines (de Boor, "A Practical Guide to Splines", 1978): the displacement has no creases at the cells' borders. What
lies inside the head has no place on the grid; it follows the skin around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU, splu
from scipy.spatial import cKDTree

from .face_model import FaceModel

_LASH_NEIGHBOURS = 6
_GROUPS = (  # parts that keep their form, the regions of the skin that carry them, and whether they grow with these
    (("eyeball_left", "cornea_left"), ("lids_left",), False),  # the eyes of people differ little in size
    (("eyeball_right", "cornea_right"), ("lids_right",), False),
    (("teeth_upper", "teeth_lower", "gums", "tongue"), ("upper_lip", "lower_lip"), True),
)


@dataclass(frozen=True, eq=False)
class _Group:
    """Vertices that move as one solid body, and those of the skin that carry them."""

    inside: np.ndarray
    carriers: np.ndarray
    grows: bool


class GridField:
    """Reads displacements off (3, size, size) grids, metres: row 0 at the top of the chart, columns along u."""

    def __init__(self, model: FaceModel, size: int) -> None:
        self.size = size
        self._rest = model.vertices.astype(np.float64)
        vertices, uv = _chart(model)
        self.charted = np.unique(vertices)  # vertices with a place on the grid
        own = _spline_weights(vertices, uv, size, len(self._rest))
        self.matrix = csr_matrix(own + _lash_weights(model, self.charted) @ own)  # (V, size * size)
        self._groups = [_group(model, self.charted, *names) for names in _GROUPS]
        self._hidden, self._border, self._solver = _lining(model, self.charted)

    def displacement(self, grid: np.ndarray) -> np.ndarray:
        """(V, 3) float32 of skin and lashes; zero for the solid parts inside the head."""
        cells = grid.reshape(3, -1).T.astype(np.float64)
        out = np.asarray(self.matrix @ cells)
        out[self._hidden] = self._solver.solve(np.asarray(self._border @ out))
        return out.astype(np.float32)

    def neutral(self, displacement: np.ndarray) -> np.ndarray:
        """(V, 3) float32 head at rest: the mean head moved by a (V, 3) displacement, eyes and teeth following."""
        out = self._rest + displacement
        for group in self._groups:
            out[group.inside] = _carried(self._rest, out[group.carriers], group)
        return out.astype(np.float32)


def mirrored_grid(grid: np.ndarray) -> np.ndarray:
    """(..., 3, size, size) displacements of the mirror image; the chart is symmetric."""
    return grid[..., ::-1] * np.array([-1.0, 1.0, 1.0], grid.dtype)[:, None, None]


def _chart(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    """(K,) vertices and (K, 2) places in [0, 1] of the largest chart; a vertex on its seam occurs twice."""
    skin = model.face_part == model.part("skin")
    faces = model.uv_faces[skin]
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    count = len(model.uv)
    graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(count, count))
    _, chart = connected_components(graph, directed=False)
    corners = np.unique(np.stack([model.faces[skin].ravel(), start], axis=1), axis=0)
    largest = np.bincount(chart[np.unique(start)]).argmax()
    vertices, texels = corners[chart[corners[:, 1]] == largest].T
    uv = model.uv[texels].astype(np.float64)
    low, high = uv.min(axis=0), uv.max(axis=0)
    return vertices, (uv - low) / (high - low)


def _spline_weights(vertices: np.ndarray, places: np.ndarray, size: int, count: int) -> csr_matrix:
    """(count, size * size) weights of the cells at each vertex, the mean of its places; rows sum to one or zero."""
    column, across = _cubic(places[:, 0] * (size - 1), size)
    row, down = _cubic((1.0 - places[:, 1]) * (size - 1), size)
    cells = (row[:, :, None] * size + column[:, None, :]).reshape(len(vertices), -1)
    weights = (down[:, :, None] * across[:, None, :]).reshape(len(vertices), -1)
    rows = np.repeat(vertices, cells.shape[1])
    matrix = coo_matrix((weights.ravel(), (rows, cells.ravel())), shape=(count, size * size)).tocsr()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return csr_matrix(diags(1.0 / np.maximum(total, 1e-9)) @ matrix)


def _cubic(place: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(K, 4) cells and weights of the uniform cubic B-spline at (K,) places; cells beyond the rim repeat it."""
    cell = np.floor(place).astype(int)
    t = place - cell
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return np.clip(cell[:, None] + np.arange(-1, 3), 0, size - 1), np.stack(weights, axis=1) / 6.0


def _lash_weights(model: FaceModel, charted: np.ndarray) -> csr_matrix:
    """(V, V): each lash vertex is the mean of the nearest vertices of the skin, the nearer the heavier."""
    lashes = np.flatnonzero(np.isin(model.vertex_part, [model.part("lashes_left"), model.part("lashes_right")]))
    distance, nearest = cKDTree(model.vertices[charted]).query(model.vertices[lashes], _LASH_NEIGHBOURS)
    weights = 1.0 / (distance + 1e-4)
    weights /= weights.sum(axis=1, keepdims=True)
    count = len(model.vertices)
    rows = np.repeat(lashes, _LASH_NEIGHBOURS)
    return csr_matrix((weights.ravel(), (rows, charted[nearest].ravel())), shape=(count, count))


def _lining(model: FaceModel, charted: np.ndarray) -> tuple[np.ndarray, csr_matrix, SuperLU]:
    """Skin out of sight (mouth, nostrils, behind the lids): its rows, how the rest pulls it, and a solver.

    Its displacement is harmonic: every vertex moves as the mean of its neighbours, those on the chart as they are.
    """
    skin = model.triangles[model.triangle_part == model.part("skin")]
    edges = np.unique(np.sort(skin[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    first, second = np.concatenate([edges, edges[:, ::-1]]).T
    count = len(model.vertices)
    adjacency = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count)).tocsr()
    hidden = np.setdiff1d(skin, charted)
    laplacian = csr_matrix(diags(np.asarray(adjacency.sum(axis=1)).ravel()) - adjacency)
    border = adjacency[hidden] @ diags(np.isin(np.arange(count), charted).astype(float))
    return hidden, border.tocsr(), splu(laplacian[hidden][:, hidden].tocsc())


def _group(
    model: FaceModel, charted: np.ndarray, parts: tuple[str, ...], regions: tuple[str, ...], grows: bool
) -> _Group:
    inside = np.flatnonzero(np.isin(model.vertex_part, [model.part(name) for name in parts]))
    return _Group(inside, charted[model.in_regions(*regions)[charted]], grows)


def _carried(rest: np.ndarray, moved: np.ndarray, group: _Group) -> np.ndarray:
    """(M, 3) solid body under the scale and shift that bring its carriers to (K, 3) `moved` with least squares.

    Without a turn: a raised corner of the mouth or of an eye does not tilt what lies behind it.
    """
    carriers = rest[group.carriers]
    middle, target = carriers.mean(axis=0), moved.mean(axis=0)
    centred = carriers - middle
    scale = float((centred * (moved - target)).sum() / (centred**2).sum()) if group.grows else 1.0
    return target + scale * (rest[group.inside] - middle)
