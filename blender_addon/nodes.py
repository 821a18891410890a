"""Node trees of materials and worlds, in Blender before and after 5.0."""

from __future__ import annotations

import bpy


def empty_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The owner's node tree without any node."""
    if owner.node_tree is None:  # before 5.0 the tree is made on request only
        owner.use_nodes = True
    tree = owner.node_tree
    if tree is None:
        raise RuntimeError(f"Blender gave {owner.name} no node tree")
    tree.nodes.clear()
    return tree
