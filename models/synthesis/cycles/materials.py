"""Node trees of the stage's materials.

Colours are projected from the camera: every picture brings, for each surface, what the fast renderer would paint at
each pixel, and the material looks it up by where the point lies in the frame. So both renderers paint alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MASKS = ("hair", "occluder", "fur")  # shader outputs that tell how much of a pixel a thing covers


def clear(tree: Any) -> None:
    """Remove every node."""
    tree.nodes.clear()


def projected(tree: Any, image: Any, data: bool = False) -> Any:
    """An image node that is looked up in the camera's frame."""
    place = tree.nodes.new("ShaderNodeTexCoord")
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.extension, texture.interpolation = image, "EXTEND", "Linear"
    image.colorspace_settings.name = "Non-Color"
    tree.links.new(place.outputs["Window"], texture.inputs["Vector"])
    return texture


def output(tree: Any, shader: Any) -> None:
    """Wire the surface."""
    tree.links.new(shader, tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])


def mark(material: Any, mask: str) -> None:
    """Let a material count as one of `MASKS`, or as none."""
    nodes = material.node_tree.nodes
    for name in MASKS:
        marker = nodes.get(f"mask {name}")
        if marker is None:
            marker = nodes.new("ShaderNodeOutputAOV")
            marker.name, marker.aov_name = f"mask {name}", name
        marker.inputs["Value"].default_value = float(name == mask)


def principled(tree: Any, **values: Any) -> Any:
    """A Principled BSDF; words of the input names joined by underscores."""
    node = tree.nodes.new("ShaderNodeBsdfPrincipled")
    for name, value in values.items():
        node.inputs[_input_name(name)].default_value = value
    return node


def _input_name(name: str) -> str:
    special = {"ior": "IOR", "coat_ior": "Coat IOR", "specular": "Specular IOR Level"}
    return special.get(name, name.replace("_", " ").title())


def new_material(bpy: Any, name: str) -> Any:
    """An empty material with nodes."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    clear(material.node_tree)
    return material


def skin(bpy: Any, albedo: Any, relief: Any) -> Any:
    """Living skin: light wanders below it, red farthest; oil on top. `relief` holds normals in the light frame."""
    material = new_material(bpy, "skin")
    tree = material.node_tree
    color, normal = projected(tree, albedo), projected(tree, relief)
    node = principled(
        tree, subsurface_weight=0.9, subsurface_radius=(1.0, 0.35, 0.2), subsurface_scale=0.0035, roughness=0.45,
        specular=0.45, coat_weight=0.05, coat_roughness=0.25,
    )  # fmt: skip
    node.subsurface_method = "BURLEY"
    bend = tree.nodes.new("ShaderNodeVectorMath")  # stored as (n + 1) / 2
    bend.operation = "MULTIPLY_ADD"
    bend.inputs[1].default_value, bend.inputs[2].default_value = (2.0, 2.0, 2.0), (-1.0, -1.0, -1.0)
    tree.links.new(normal.outputs["Color"], bend.inputs[0])
    tree.links.new(bend.outputs["Vector"], node.inputs["Normal"])
    tree.links.new(color.outputs["Color"], node.inputs["Base Color"])
    tree.links.new(color.outputs["Alpha"], node.inputs["Roughness"])
    output(tree, node.outputs["BSDF"])
    return material


def wet(bpy: Any, name: str, albedo: Any, roughness: float, coat: float, subsurface: float = 0.0) -> Any:
    """Eyes, teeth, gums: a projected colour under a film of water."""
    material = new_material(bpy, name)
    tree = material.node_tree
    color = projected(tree, albedo)
    node = principled(
        tree, roughness=roughness, coat_weight=coat, coat_roughness=0.03, coat_ior=1.36, specular=0.3,
        subsurface_weight=subsurface, subsurface_scale=0.001,
    )  # fmt: skip
    node.subsurface_method = "BURLEY"
    tree.links.new(color.outputs["Color"], node.inputs["Base Color"])
    output(tree, node.outputs["BSDF"])
    return material


def lens(bpy: Any) -> Any:
    """Ground glass of spectacles: refracts what the camera sees, lets lamps through, tinted per picture."""
    material = new_material(bpy, "lens")
    tree = material.node_tree
    glass = tree.nodes.new("ShaderNodeBsdfGlass")
    glass.inputs["IOR"].default_value, glass.inputs["Roughness"].default_value = 1.5, 0.0
    clear_part = tree.nodes.new("ShaderNodeBsdfTransparent")
    path, mix = tree.nodes.new("ShaderNodeLightPath"), tree.nodes.new("ShaderNodeMixShader")
    glass.name, clear_part.name = "glass", "clear"
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs["Fac"])
    tree.links.new(clear_part.outputs["BSDF"], mix.inputs[1])
    tree.links.new(glass.outputs["BSDF"], mix.inputs[2])
    output(tree, mix.outputs["Shader"])
    mark(material, "occluder")
    return material


def layer(bpy: Any, name: str, albedo: Any) -> Any:
    """Any other mesh: colour and cover projected, cut out where the cover is low."""
    material = new_material(bpy, name)
    tree = material.node_tree
    color = projected(tree, albedo)
    node = principled(tree, roughness=0.6, specular=0.3, subsurface_scale=0.003)
    node.subsurface_method = "BURLEY"
    node.name = "layer"
    tree.links.new(color.outputs["Color"], node.inputs["Base Color"])
    tree.links.new(color.outputs["Alpha"], node.inputs["Alpha"])
    output(tree, node.outputs["BSDF"])
    return material


def hair(bpy: Any, mask: str) -> Any:
    """Principled Hair in each strand's own colour."""
    material = new_material(bpy, mask)
    tree = material.node_tree
    node, tint = tree.nodes.new("ShaderNodeBsdfHairPrincipled"), tree.nodes.new("ShaderNodeAttribute")
    node.name = "hair"
    node.parametrization = "COLOR"
    node.inputs["Random Roughness"].default_value = 0.2
    tint.attribute_name = "tint"
    tree.links.new(tint.outputs["Color"], node.inputs["Color"])
    output(tree, node.outputs["BSDF"])
    mark(material, mask)
    return material


def add_masks(view_layer: Any, names: Iterable[str] = MASKS) -> None:
    """Shader outputs for the masks."""
    for name in names:
        marker = view_layer.aovs.add()
        marker.name, marker.type = name, "VALUE"
