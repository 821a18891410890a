"""Strands on a head's hair: hair curves that lie as its picture shows, to render, sculpt, or delete."""

from __future__ import annotations

import bpy
import numpy as np
from scipy.spatial import cKDTree

from ..core.errors import FaceError
from ..core.geometry.hair_curves import USUAL_COUNT, Strands, grown_strands
from ..core.types import HairMesh
from .hair_builder import HAT, ROOT, STRANDS, roots_of, strands_of
from .material_builder import build_strand_material, picture_on

THICKNESS = 0.24  # millimetres: three true strands each
# attributes, of points and of strands; Cycles reads none that is called "color"
_COLOR, _NORMAL = "hair_color", "surface_normal"


class NothingGrows(FaceError):
    """The mesh shows no hair: it is all a hat, or its picture is empty."""


def grow_strands(
    head: bpy.types.Object,
    hair: bpy.types.Object,
    count: int = USUAL_COUNT,
    thickness: float = THICKNESS,
    seed: int = 0,
) -> bpy.types.Object:
    """Strands of a `thickness` in millimetres on a head's hair as it is now, in place of those it had.

    `NothingGrows` on hats and empty pictures, another `FaceError` where the hair has lost its picture.
    """
    shown = _hair_mesh(hair)
    height = _height(head, hair, shown.vertices)
    try:
        strands = grown_strands(shown, height, count, thickness / 2000.0, seed)
    except ValueError as error:
        raise NothingGrows(
            f"{hair.name} shows no hair on which strands could grow: it is a hat, or its picture has no alpha. "
            "Paint hair into the picture, or reconstruct the head from another photo."
        ) from error
    name = f"{hair.name} Strands"
    curves = bpy.data.hair_curves.new(name)
    _fill(curves, strands)
    roots = roots_of(hair.data, "POINT")
    if roots is not None:
        nearest = cKDTree(shown.vertices).query(strands.points[:, 0])[1]
        curves.attributes.new(ROOT, "INT", "CURVE").data.foreach_set("value", roots[nearest])
    curves.materials.append(build_strand_material(name, _COLOR, _NORMAL, strands.color.mean(axis=(0, 1))))
    made = bpy.data.objects.new(name, curves)
    for collection in head.users_collection:
        collection.objects.link(made)
    made.parent = head
    made.matrix_parent_inverse = hair.matrix_parent_inverse
    made.matrix_basis = hair.matrix_basis
    # The mesh below casts the shadow; strands that shade each other would be far darker than the photo.
    made.visible_shadow = made.visible_diffuse = made.visible_glossy = False
    made[STRANDS] = hair.name
    _replace(head, made)
    return made


def _hair_mesh(hair: bpy.types.Object) -> HairMesh:
    """The hair as it is in the scene, edited or not, in its own space."""
    mesh, image = hair.data, picture_on(hair)
    if image is None or min(image.size) < 2 or not mesh.uv_layers:
        raise FaceError(
            f"{hair.name} has lost its picture or its UV map, which strands take their colours from. Give its material "
            "an image as Base Color again, or reconstruct the head."
        )
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    mesh.calc_loop_triangles()
    corners, loops = (np.empty(3 * len(mesh.loop_triangles), np.int32) for _ in range(2))
    mesh.loop_triangles.foreach_get("vertices", corners)
    mesh.loop_triangles.foreach_get("loops", loops)
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uv)
    hat = np.zeros(len(mesh.vertices), np.float32)
    told = mesh.attributes.get(HAT)
    if told is not None and told.domain == "POINT" and told.data_type == "FLOAT":
        told.data.foreach_get("value", hat)
    faces, uv_faces = (rows.reshape(-1, 3)[:, [0, 1, 2, 2]] for rows in (corners, loops))
    return HairMesh(points.reshape(-1, 3), faces, uv.reshape(-1, 2), uv_faces, _levels(image), hat)


def _levels(image: bpy.types.Image) -> np.ndarray:
    """(h, w, 4) uint8 of an image, its first row on top."""
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    return np.rint(255.0 * flat.clip(0.0, 1.0)).astype(np.uint8).reshape(height, width, 4)[::-1]


def _height(head: bpy.types.Object, hair: bpy.types.Object, points: np.ndarray) -> np.ndarray:
    """(H,) metres of a hair's (H, 3) points above the nearest vertex of the head."""
    skin = np.empty(3 * len(head.data.vertices), np.float32)
    head.data.vertices.foreach_get("co", skin)
    local = np.array(hair.matrix_parent_inverse @ hair.matrix_basis)
    return cKDTree(skin.reshape(-1, 3)).query(points @ local[:3, :3].T + local[:3, 3])[0]


def _fill(curves: bpy.types.Curves, strands: Strands) -> None:
    count, points = strands.points.shape[:2]
    curves.add_curves([points] * count)
    curves.position_data.foreach_set("vector", strands.points.ravel())
    radius = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    radius.data.foreach_set("value", strands.radius.ravel())
    color = np.ones((count * points, 4), np.float32)
    color[:, :3] = strands.color.reshape(-1, 3)
    curves.attributes.new(_COLOR, "BYTE_COLOR", "POINT").data.foreach_set("color", color.ravel())
    curves.attributes.new(_NORMAL, "FLOAT_VECTOR", "CURVE").data.foreach_set("vector", strands.normal.ravel())


def _replace(head: bpy.types.Object, made: bpy.types.Object) -> None:
    """Remove earlier strands of the same hair, with what only they use; undo brings them back."""
    for old in strands_of(head):
        if old != made and old[STRANDS] == made[STRANDS]:
            name, used = old.name, (old.data, *old.data.materials)
            bpy.data.objects.remove(old)
            for item in used:
                if item is not None and not item.users:
                    bpy.data.batch_remove([item])
            made.name = name
