"""Arrays to Blender meshes."""

from __future__ import annotations

import logging

import bpy
import numpy as np

from .coordinates import to_blender

LOGGER = logging.getLogger(__name__)


def loops_of(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(F, 4) bool corners that count, (F,) first corner and corner count; triangles repeat their last."""
    keep = np.ones(faces.shape, bool)
    keep[:, 3] = faces[:, 2] != faces[:, 3]
    totals = keep.sum(axis=1).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(totals)[:-1]]).astype(np.int32)
    return keep, starts, totals


def fill_mesh(mesh: bpy.types.Mesh, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray) -> None:
    """Fill an empty mesh: (V, 3) vertices in the model frame, (F, 4) faces, (F, 4, 2) UV of their corners; smooth."""
    keep, starts, totals = loops_of(faces)
    corners = faces[keep].astype(np.int32)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", to_blender(vertices).ravel())
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners)
    mesh.polygons.add(len(totals))
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.polygons.foreach_set("loop_total", totals)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(totals), bool))
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", uv[keep].astype(np.float32).ravel())
    mesh.update(calc_edges=True)
    if mesh.validate():
        LOGGER.warning("The mesh %s had to be repaired; what is tied to its vertices may not fit.", mesh.name)
