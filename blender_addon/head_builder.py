"""FaceResult and face model to one head object.

One object holds skin and parts: one set of 64 shape keys then moves lids, eyeballs, teeth and lashes
together, the dope sheet shows one list of sliders, and exporters write one mesh with 64 morph targets.
Materials keep the parts apart.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..core.geometry.eyes import eye_of
from ..core.geometry.face_model import FaceModel
from ..core.geometry.lighting import srgb_to_linear
from ..core.types import FaceResult
from .animation import NAMES as EXPRESSION_NAMES
from .coordinates import to_blender
from .eye_texture import eye_coordinates, paint_eye
from .images import packed_image
from .material_builder import SLOTS, Textures, build_materials
from .mesh_builder import fill_mesh

BASIS = "Basis"
SIDES = ("left", "right")


def slot_of_parts(part_names: tuple[str, ...]) -> np.ndarray:
    """(P,) int32 material slot of each part."""
    slots = {part: index for index, parts in enumerate(SLOTS.values()) for part in parts}
    return np.array([slots.get(name, 0) for name in part_names], np.int32)


def layout(model: FaceModel, neutral: np.ndarray) -> np.ndarray:
    """(F, 4, 2) float32 UV of every face's corners: the model's layout; on eyeballs, the eye picture's."""
    uv = model.uv[model.uv_faces].astype(np.float32)
    for side in SIDES:
        here = model.face_part == model.part(f"eyeball_{side}")
        corners = neutral[model.faces[here]]
        uv[here] = eye_coordinates(corners.reshape(-1, 3), eye_of(model, neutral, side)).reshape(-1, 4, 2)
    return uv


def build_mesh(name: str, model: FaceModel, neutral: np.ndarray) -> bpy.types.Mesh:
    """The mesh of (V, 3) float32 `neutral` (model frame): faces, layout, smooth shading, material slots."""
    mesh = bpy.data.meshes.new(name)
    fill_mesh(mesh, neutral, model.faces, layout(model, neutral))
    mesh.polygons.foreach_set("material_index", slot_of_parts(model.part_names)[model.face_part])
    return mesh


def add_shape_keys(head: bpy.types.Object, model: FaceModel, neutral: np.ndarray, expression: np.ndarray) -> None:
    """A basis and one key per expression at the (64,) values of `expression`."""
    head.shape_key_add(name=BASIS, from_mix=False).value = 0.0  # Blender 5 makes new keys at 1
    rest = to_blender(neutral.astype(np.float32))
    deltas = to_blender(model.expression_basis)
    for name, delta, value in zip(model.expression_names, deltas, expression, strict=True):
        key = head.shape_key_add(name=name, from_mix=False)
        key.slider_min, key.slider_max = 0.0, 1.0
        key.points.foreach_set("co", (rest + delta).ravel())
        key.value = float(value)


def build_textures(name: str, model: FaceModel, result: FaceResult) -> Textures:
    """Packed skin and eye pictures."""
    eye = eye_of(model, model.vertices, SIDES[0])
    painted = paint_eye(result.texture.iris_color, result.texture.white_color, eye.iris_angle, eye.pupil_angle)
    skin = result.texture.color[result.texture.source > 0].mean(axis=0)
    return Textures(
        packed_image(f"{name} Skin", result.texture.color),
        packed_image(f"{name} Eye", painted),
        skin_color=tuple(srgb_to_linear(skin / 255).tolist()),
    )


def build_head(name: str, result: FaceResult, model: FaceModel, collection: bpy.types.Collection) -> bpy.types.Object:
    """The head object, linked to `collection`, upright at the world's origin, with the photo's expression."""
    mesh = build_mesh(name, model, result.neutral)
    for material in build_materials(name, build_textures(name, model, result)):
        mesh.materials.append(material)
    head = bpy.data.objects.new(name, mesh)
    collection.objects.link(head)
    add_shape_keys(head, model, result.neutral, result.params.expression)
    store_coefficients(head, result, model.expression_names)
    return head


def store_coefficients(head: bpy.types.Object, result: FaceResult, expression_names: tuple[str, ...]) -> None:
    """Keep what the photo told as custom properties, for scripts and for the reset buttons."""
    head[EXPRESSION_NAMES] = list(expression_names)
    for part in ("identity", "expression", "albedo", "light", "pose"):
        head[f"facewright_{part}"] = getattr(result.params, part).astype(float).tolist()
    head["facewright_warnings"] = list(result.warnings)


def is_head(candidate: bpy.types.Object | None) -> bool:
    """Whether an object is a head built here (also after it was saved, copied or renamed)."""
    if candidate is None or candidate.type != "MESH" or candidate.data.shape_keys is None:
        return False
    return "facewright_identity" in candidate
