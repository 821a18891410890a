"""The rasterizer against a brute-force loop and against depths that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry.rasterizer import (
    BACKGROUND,
    interpolate,
    rasterize,
    vertex_normals,
    visible_points,
)


def _brute_force(points: np.ndarray, triangles: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    ids, depths = np.full((height, width), BACKGROUND), np.full((height, width), np.inf)
    for y in range(height):
        for x in range(width):
            for row, triangle in enumerate(triangles):
                a, b, c = points[triangle, :2].astype(np.float64)
                matrix = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]])
                weights = np.linalg.solve(matrix, [x, y, 1])
                depth = 1.0 / (weights @ (1.0 / points[triangle, 2]))
                if (weights >= 0).all() and depth < depths[y, x]:
                    ids[y, x], depths[y, x] = row, depth
    return ids, depths


@pytest.mark.parametrize("size", [(24, 24), (31, 17)])
def test_agrees_with_brute_force(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(3)
    points = rng.uniform([-8, -8, 0.5], [width + 8, height + 8, 4.0], (60, 3))
    triangles = np.arange(60).reshape(20, 3)
    raster = rasterize(points, triangles, width, height)
    ids, depths = _brute_force(points, triangles, width, height)
    assert (raster.triangle_id == ids).mean() > 0.995  # a centre on an edge may go either way
    same = (raster.triangle_id == ids) & raster.mask
    assert np.allclose(raster.depth[same], depths[same], rtol=1e-4)


def test_depth_and_barycentrics_of_a_slanted_plane_are_perspective_correct() -> None:
    focal, center = 50.0, 19.5
    plane = np.array([[-3, -3, 2.0], [3, -3, 4.0], [3, 3, 6.0], [-3, 3, 4.0]])  # z = 4 + x / 3 + y / 3
    points = np.column_stack([focal * plane[:, :2] / plane[:, 2:] + center, plane[:, 2]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    raster = rasterize(points, triangles, 40, 40)
    y, x = np.nonzero(raster.mask)
    rx, ry = (x - center) / focal, (y - center) / focal
    expected = 4 / (1 - rx / 3 - ry / 3)
    assert len(x) > 1000
    assert np.allclose(raster.depth[y, x], expected, rtol=1e-4)
    surface = interpolate(raster, triangles, plane.astype(np.float32))
    assert np.allclose(surface[y, x, 0], rx * expected, atol=1e-3)


def test_culling_keeps_faces_turned_to_the_viewer() -> None:
    corners = np.array([[2, 2, 1.0], [2, 18, 1.0], [18, 18, 1.0]])
    assert rasterize(corners, np.array([[0, 1, 2]]), 20, 20, cull=True).mask.any()
    assert not rasterize(corners, np.array([[0, 2, 1]]), 20, 20, cull=True).mask.any()


def test_flat_layout_and_empty_input() -> None:
    square = np.array([[-0.2, -0.2], [9.2, -0.2], [9.2, 9.2], [-0.2, 9.2]], np.float32)
    raster = rasterize(square, np.array([[0, 1, 2], [0, 2, 3]]), 12, 12)
    assert raster.mask[:10, :10].all() and not raster.mask[10:].any()
    assert not rasterize(square + 100, np.array([[0, 1, 2]]), 12, 12).mask.any()
    with pytest.raises(ValueError, match="points"):
        rasterize(np.zeros((3, 4)), np.array([[0, 1, 2]]), 4, 4)


def test_normals_of_a_sphere_point_outwards() -> None:
    from scipy.spatial import ConvexHull

    directions = np.random.default_rng(0).normal(size=(400, 3))
    points = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    hull = ConvexHull(points)
    faces = hull.simplices
    outward = np.einsum(
        "fk,fk->f",
        np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]),
        hull.equations[:, :3],
    )
    faces = np.where((outward > 0)[:, None], faces, faces[:, ::-1])
    normals = vertex_normals(points.astype(np.float32), faces)
    assert np.einsum("vk,vk->v", normals, points).min() > 0.9


def test_visible_points_sees_what_lies_in_front() -> None:
    wall = np.array([[-5, -5, 2.0], [30, -5, 2.0], [-5, 60, 2.0]])
    raster = rasterize(wall, np.array([[0, 1, 2]]), 20, 20)
    probes = np.array([[5, 5, 1.9], [5, 5, 2.0], [5, 5, 2.2], [25, 5, 1.0], [19, 19, 9.0]])
    assert visible_points(raster, probes, tolerance=0.05).tolist() == [True, True, False, False, True]
