"""The hair's mesh to an object of its own that hangs on the head: it may be hidden, edited, replaced or deleted."""

from __future__ import annotations

import bpy
import numpy as np
from scipy.spatial import cKDTree

from ..core.geometry.face_model import FaceModel
from ..core.geometry.lighting import srgb_to_linear
from ..core.types import HairMesh
from .images import packed_image
from .material_builder import build_hair_material
from .mesh_builder import fill_mesh

_HAIR = "facewright_hair"  # custom property of an object that is a head's hair
STRANDS = "facewright_strands"  # the same of strands that were grown on one
HAT = "facewright_hat"  # vertex attribute: how far it is a hat there
ROOT = "facewright_root"  # attribute of vertices, and of strands: the vertex of the head that they move with
_SOLID = 128  # of 255, cover of texels that count for the colour in displays without textures


def build_hair(
    name: str, hair: HairMesh, head: bpy.types.Object, model: FaceModel, neutral: np.ndarray
) -> bpy.types.Object:
    """The hair object, in the collections of its head; `neutral` (V, 3) is the head at rest, model frame."""
    mesh = bpy.data.meshes.new(f"{name} Hair")
    fill_mesh(mesh, hair.vertices, hair.faces, hair.uv[hair.uv_faces])
    mesh.attributes.new(ROOT, "INT", "POINT").data.foreach_set("value", _roots(hair.vertices, model, neutral))
    mesh.attributes.new(HAT, "FLOAT", "POINT").data.foreach_set("value", hair.hat)
    picture = packed_image(f"{name} Hair", hair.color)
    color = srgb_to_linear(hair.color[..., :3][hair.color[..., 3] >= _SOLID].mean(axis=0) / 255.0)
    mesh.materials.append(build_hair_material(f"{name} Hair", picture, tuple(color.tolist())))
    made = bpy.data.objects.new(f"{name} Hair", mesh)
    for collection in head.users_collection:
        collection.objects.link(made)
    made.parent = head
    made[_HAIR] = True
    return made


def _roots(points: np.ndarray, model: FaceModel, neutral: np.ndarray) -> np.ndarray:
    """(H,) int32: the vertex of the skin nearest to each of (H, 3) points."""
    skin = np.flatnonzero(model.vertex_part == model.part("skin"))
    return skin[cKDTree(neutral[skin]).query(points)[1]].astype(np.int32)


def hairs_of(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The hair that hangs on a head; copies of a hair count, and one that the user put in its place does not."""
    return [child for child in head.children if child.type == "MESH" and _HAIR in child]


def strands_of(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The strands that were grown on a head's hair, and copies of them."""
    return [child for child in head.children if child.type == "CURVES" and STRANDS in child]


def head_of(hair: bpy.types.Object | None) -> bpy.types.Object | None:
    """The head that a hair or its strands hang on; None for anything else."""
    return hair.parent if hair is not None and (_HAIR in hair or STRANDS in hair) else None


def carry_along(head: bpy.types.Object, offset: np.ndarray) -> None:
    """Move a head's hair and its strands with the (V, 3) offset of its vertices, Blender's axes."""
    for hair in hairs_of(head):
        roots = roots_of(hair.data, "POINT")
        if roots is not None:
            shift(hair.data, offset[roots.clip(0, len(offset) - 1)].ravel())
    for grown in strands_of(head):
        roots = roots_of(grown.data, "CURVE")
        if roots is not None:
            _shift_strands(grown.data, offset[roots.clip(0, len(offset) - 1)])


def roots_of(data: bpy.types.Mesh | bpy.types.Curves, domain: str) -> np.ndarray | None:
    """(N,) int32: which vertices of the head the vertices or strands move with; None where that is not known."""
    roots = data.attributes.get(ROOT)
    if roots is None or roots.domain != domain or roots.data_type != "INT":
        return None
    rows = np.empty(len(roots.data), np.int32)
    roots.data.foreach_get("value", rows)
    return rows


def _shift_strands(curves: bpy.types.Curves, offset: np.ndarray) -> None:
    """Add (S, 3) offsets, one per strand."""
    starts = np.empty(len(curves.curve_offset_data), np.int32)
    curves.curve_offset_data.foreach_get("value", starts)
    points = np.empty(3 * len(curves.position_data), np.float32)
    curves.position_data.foreach_get("vector", points)
    curves.position_data.foreach_set("vector", points + np.repeat(offset, np.diff(starts), axis=0).ravel())
    curves.update_tag()


def shift(mesh: bpy.types.Mesh, offset: np.ndarray) -> None:
    """Add a flat (3V,) offset to a mesh and to each of its shape keys, if it has any."""
    points = np.empty(len(offset), np.float32)
    keys = mesh.shape_keys.key_blocks if mesh.shape_keys is not None else ()
    for target in (mesh.vertices, *(key.points for key in keys)):
        target.foreach_get("co", points)
        target.foreach_set("co", points + offset)
    mesh.update()
