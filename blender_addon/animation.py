"""Expression values and their keyframes. Sliders are plain shape keys: whatever animates those works here."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np

from .expression_groups import mirrored

NAMES = "facewright_expression_names"  # custom property: the sliders that are ours


def sliders(head: bpy.types.Object) -> dict[str, bpy.types.ShapeKey]:
    """The head's expression keys by name; those the user deleted or renamed are left out."""
    keys = head.data.shape_keys.key_blocks
    return {name: keys[name] for name in head[NAMES] if name in keys}


def values(head: bpy.types.Object) -> dict[str, float]:
    """Slider values by name."""
    return {name: key.value for name, key in sliders(head).items()}


def set_values(head: bpy.types.Object, wanted: Mapping[str, float]) -> None:
    """Set all sliders; those not named go to zero."""
    for name, key in sliders(head).items():
        key.value = float(wanted.get(name, 0.0))


def photo_values(head: bpy.types.Object) -> dict[str, float]:
    """The expression of the photo."""
    return dict(zip(head[NAMES], head["facewright_expression"], strict=True))


def mirrored_values(head: bpy.types.Object) -> dict[str, float]:
    """The present expression with left and right exchanged."""
    present = values(head)
    return {name: present[mirrored(name, set(present))] for name in present}


def random_values(head: bpy.types.Object, seed: int, strength: float = 1.0) -> dict[str, float]:
    """A plausible random expression: a few sliders, both sides nearly alike, none pulling against another."""
    rng = np.random.default_rng(seed)
    names = set(sliders(head))
    pool = sorted(names - {"tongueOut", "mouthClose"})
    chosen: dict[str, float] = {}
    for name in rng.permutation(pool)[: int(rng.integers(3, 8))]:
        value = float(rng.beta(1.6, 2.4)) * strength
        partner = mirrored(str(name), names)
        chosen[str(name)] = value
        if partner != name and not str(name).startswith(("jaw", "mouthLeft", "mouthRight", "eyeLook")):
            chosen[partner] = value * float(rng.uniform(0.8, 1.0))
    return _without_contradictions(chosen)


def _without_contradictions(chosen: dict[str, float]) -> dict[str, float]:
    """Keep the stronger of sliders that pull against each other."""
    for one, other in (
        ("jawLeft", "jawRight"),
        ("mouthLeft", "mouthRight"),
        *((f"mouthSmile{s}", f"mouthFrown{s}") for s in ("Left", "Right")),
        *((f"eyeBlink{s}", f"eyeWide{s}") for s in ("Left", "Right")),
        *((f"eyeLookUp{s}", f"eyeLookDown{s}") for s in ("Left", "Right")),
        *((f"eyeLookIn{s}", f"eyeLookOut{s}") for s in ("Left", "Right")),
    ):
        if one in chosen and other in chosen:
            chosen.pop(min((one, other), key=lambda name: chosen[name]))
    return chosen


def insert_keyframes(head: bpy.types.Object, frame: int) -> int:
    """Key every expression slider at `frame`; how many were keyed."""
    keyed = 0
    for key in sliders(head).values():
        keyed += bool(key.keyframe_insert("value", frame=frame, group="Facewright"))
    return keyed


def clear_keyframes(head: bpy.types.Object, frame: int) -> int:
    """Remove the keys of all expression sliders at `frame`; how many there were."""
    shape_keys = head.data.shape_keys
    if shape_keys.animation_data is None or shape_keys.animation_data.action is None:
        return 0
    removed = 0
    for key in sliders(head).values():
        if _has_key(shape_keys, key.name, frame):
            removed += bool(key.keyframe_delete("value", frame=frame))
    return removed


def _has_key(shape_keys: bpy.types.Key, name: str, frame: int) -> bool:
    path = f'key_blocks["{name}"].value'
    curves = [c for c in _curves(shape_keys) if c.data_path == path]
    return any(round(point.co.x) == frame for curve in curves for point in curve.keyframe_points)


def _curves(shape_keys: bpy.types.Key) -> list[bpy.types.FCurve]:
    """All curves of the shape keys' action, before and after Blender 4.4's layered actions."""
    action = shape_keys.animation_data.action
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    slot = shape_keys.animation_data.action_slot
    bags = [strip.channelbag(slot) for layer in action.layers for strip in layer.strips]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]
