"""Identity sliders: rebakes the head at rest; every shape key keeps its offsets, the user's own included.

The hair goes along, and its strands.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..core.errors import FaceError
from ..core.geometry.face_model import FaceModel
from .coordinates import to_blender
from .hair_builder import carry_along, hairs_of, shift, strands_of

APPLIED = "facewright_applied_identity"  # custom property: what the mesh at rest is made of now


def rebake_problem(head: bpy.types.Object, vertex_count: int | None = None) -> str | None:
    """Why the head at rest cannot be changed now, as a sentence, or None."""
    if any(item.mode == "EDIT" for item in (head, *hairs_of(head), *strands_of(head))):
        return "Leave Edit Mode to change the identity."
    if head.library is not None or head.data.library is not None:
        return "This head is linked from another file; make it local to change it."
    if vertex_count is not None and len(head.data.vertices) != vertex_count:
        return "This head's vertices were added to or removed; reconstruct it again to change its identity."
    return None


def applied_identity(head: bpy.types.Object) -> np.ndarray:
    """(80,) float64 identity of the mesh at rest."""
    return np.array(head.get(APPLIED, head["facewright_identity"]), float)


def apply_identity(head: bpy.types.Object, model: FaceModel, identity: np.ndarray) -> None:
    """Move the mesh at rest and all shape keys to the (80,) `identity`; `FaceError` where that cannot be."""
    problem = rebake_problem(head, len(model.vertices))
    if problem is not None:
        raise FaceError(problem)
    change = identity - applied_identity(head)
    moving = np.flatnonzero(change)
    if len(moving) == 0:
        return
    offset = np.tensordot(change[moving].astype(np.float32), model.identity_basis[moving], axes=1)
    moved = to_blender(offset)
    shift(head.data, moved.ravel())
    carry_along(head, moved)
    head[APPLIED] = identity.astype(float).tolist()
