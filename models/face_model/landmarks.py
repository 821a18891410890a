"""Points on the mean head that everything else refers to: 68 landmarks, sliding contour, dense landmarks.

All functions work on positions in the model frame (metres), so that they can be embedded in any topology later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from core.geometry.mirroring import MIRRORED_68

from .regions import REGIONS
from .sources import ICT_COUNT, ICT_LANDMARKS, ICT_RANGES
from .surface import closest_points, triangulate, vertex_normals

DENSE = 320
_CENTRAL_DENSE = 20
CONTOUR_STEPS = 16
_FLAT = np.array([1.0, 1.0, 0.15])  # contour paths are drawn in the frontal plane; depth only breaks ties
# Inner ends |x|, y (metres) of the paths of jaw points 0-7: temple and cheek outside the eye, then cheek and chin.
_CONTOUR_END = np.array(
    [
        [0.0530, 0.0020],
        [0.0360, -0.0220],
        [0.0330, -0.0400],
        [0.0330, -0.0620],
        [0.0290, -0.0780],
        [0.0240, -0.0900],
        [0.0170, -0.0970],
        [0.0090, -0.1030],
        [0.0000, 0.0000],
    ]
)
# Brow landmarks 17-21 (and 26-22): |x|, y on the upper half of the hair, metres.
BROW_POINTS = np.array([[0.0590, 0.0140], [0.0500, 0.0205], [0.0378, 0.0232], [0.0245, 0.0218], [0.0122, 0.0178]])

# Points of the right half (and the midline) that the 300-W markup has elsewhere than ICT's vertices, as shares of the
# way (from, towards). MediaPipe's mesh on rendered frontal faces tells how far; its eyes and mouth corners agree.
SLIDES: Mapping[tuple[int, int], float] = {
    (28, 29): 0.24,
    (29, 30): 0.32,
    (30, 33): 0.15,
    (37, 38): 0.20,
    (41, 40): 0.20,
    (49, 50): 0.31,
    (58, 57): 0.28,
    (59, 58): 0.56,
    (61, 62): 0.48,
    (67, 66): 0.50,
}


@dataclass(frozen=True)
class Embedding:
    """Points on a mesh as barycentric combinations of vertices."""

    triangles: np.ndarray  # (N, 3) int32 vertex indices
    weights: np.ndarray  # (N, 3) float32, sum 1

    def points(self, vertices: np.ndarray) -> np.ndarray:
        """(N, 3) points on (V, 3) vertices."""
        return np.einsum("nk,nkd->nd", self.weights, vertices[self.triangles])


def embed(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> Embedding:
    """Embed (N, 3) points in the nearest triangles of (F, 4) faces."""
    triangles = triangulate(faces)
    owner, weights, _ = closest_points(vertices, triangles, points)
    return Embedding(triangles[owner].astype(np.int32), weights.astype(np.float32))


def landmark_points(mean: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(68, 3) landmark places on the ICT mean: its own `vertices`, moved to where the 300-W markup has the points.

    ICT puts its brow points on the upper edge of a high brow; annotators follow the hair. The others slide along the
    feature they lie on (`SLIDES`), a line of edges of the (F, 4) faces.
    """
    points = slid(mean, vertices, faces)
    front = np.flatnonzero((np.arange(ICT_COUNT) < ICT_RANGES["face"].stop) & (mean[:, 2] > -0.03))
    tree = cKDTree(mean[front, :2])
    for index, (x, y) in enumerate(BROW_POINTS):
        for row, sign in ((17 + index, -1.0), (26 - index, 1.0)):
            distance, near = tree.query([sign * x, y], k=3)
            weight = 1 / np.maximum(distance, 1e-6)
            points[row] = [sign * x, y, weight @ mean[front[near], 2] / weight.sum()]
    return points


def slid(mean: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(68, 3) places of the landmark `vertices` after all `SLIDES`, on both halves."""
    ends = np.concatenate([faces[:, [k, (k + 1) % 4]] for k in range(4)])
    lengths = np.linalg.norm(mean[ends[:, 0]] - mean[ends[:, 1]], axis=1)
    graph = csr_matrix((lengths, ends.T), shape=(len(mean), len(mean)))
    points = mean[vertices].copy()
    for (row, towards), share in SLIDES.items():
        for a, b in {(row, towards), (int(MIRRORED_68[row]), int(MIRRORED_68[towards]))}:
            points[a] = _along(graph, mean, int(vertices[a]), int(vertices[b]), share)
    return points


def _along(graph: csr_matrix, mean: np.ndarray, start: int, end: int, share: float) -> np.ndarray:
    """(3,) place at a share of the shortest way along mesh edges."""
    before = dijkstra(graph, directed=False, indices=end, return_predecessors=True)[1]
    way = [start]
    while way[-1] != end:
        way.append(int(before[way[-1]]))
    places = mean[way]
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    return np.array([np.interp(share * length[-1], length, places[:, axis]) for axis in range(3)])


def contour_candidates(
    vertices: np.ndarray, faces: np.ndarray, skin: np.ndarray, jaw: np.ndarray, mirror: np.ndarray
) -> np.ndarray:
    """(17, K) int32 vertices over which each of (17, 3) jaw points slides, frontal position first, towards the nose.

    `skin` is a (V,) bool mask of the outer face. The paths of the right half rise gently to the cheek beside the nose
    or mouth, where the outline of a turned face runs, and stay on the surface; the left half mirrors them.
    """
    normal = vertex_normals(vertices, faces)
    front = np.flatnonzero(skin & (normal[:, 2] > -0.35) & (vertices[:, 0] < 0.001))
    surface = cKDTree(vertices[front])
    tree = cKDTree(vertices[front] * _FLAT)
    result = np.empty((len(jaw), CONTOUR_STEPS), np.int32)
    for row in range(9):
        end = _CONTOUR_END[row] * [-1.0, 1.0]
        steps = np.linspace(jaw[row, :2], end if row < 8 else jaw[row, :2], CONTOUR_STEPS)
        depth = _front_depth(vertices[front], steps, jaw[row, 2])
        result[row] = front[tree.query(np.column_stack([steps, depth]) * _FLAT)[1]]
        result[row, 0] = front[surface.query(jaw[row])[1]]
        result[16 - row] = mirror[result[row]]
    result[8] = result[8, 0]
    return result


def _front_depth(points: np.ndarray, steps: np.ndarray, start: float) -> np.ndarray:
    """(K,) depth of the front-most surface at (K, 2) frontal places; the path starts at depth `start`."""
    near = cKDTree(points[:, :2]).query(steps, k=8)[1]
    depth = points[near, 2].max(axis=1)
    depth[0] = start
    return depth


def dense_points(vertices: np.ndarray, label: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """(320,) ICT vertices spread over the face, mirror-symmetric: pairs right then left, then the centre line.

    Farthest-point sampling with a spacing that is finer on lids, lips, brows and nose than on cheeks, forehead, ears.
    """
    spacing = np.full(len(REGIONS), np.inf)
    fine = {"lids": 2.6, "upper_lip": 3.6, "lower_lip": 3.6, "brow": 4.2, "nose": 5.0, "chin": 8.0, "cheek": 9.5}
    coarse = {"jaw": 9.0, "forehead": 11.0, "ear": 13.0}
    for index, name in enumerate(REGIONS):
        base = name.removesuffix("_right").removesuffix("_left")
        spacing[index] = {**fine, **coarse}.get(base, np.inf)
    scale = spacing[label]
    usable = np.isfinite(scale) & (vertices[:, 1] > -0.125)
    central = np.flatnonzero(usable & (mirror == np.arange(len(mirror))) & (vertices[:, 2] > 0))
    right = np.flatnonzero(usable & (vertices[:, 0] < -0.0012))
    picked_center = _farthest(vertices, central, scale, _CENTRAL_DENSE, seeds=vertices[ICT_LANDMARKS[[30]]])
    picked_right = _farthest(vertices, right, scale, (DENSE - _CENTRAL_DENSE) // 2, vertices[picked_center])
    return np.concatenate([picked_right, mirror[picked_right], picked_center])


def _farthest(
    vertices: np.ndarray, candidates: np.ndarray, scale: np.ndarray, count: int, seeds: np.ndarray
) -> np.ndarray:
    """Pick `count` candidates, each the farthest (in units of its local spacing) from those picked before."""
    points, local = vertices[candidates], scale[candidates]
    distance = cKDTree(seeds).query(points)[0] / local
    picked = []
    for _ in range(count):
        best = int(distance.argmax())
        picked.append(candidates[best])
        distance = np.minimum(distance, np.linalg.norm(points - points[best], axis=1) / local)
    return np.array(picked)
