"""Principled materials of the parts of a head."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from .eye_texture import EDGE_ANGLE
from .nodes import empty_tree

CORNEA_IOR = 1.376
_COVERED = (np.radians(26.0), np.radians(34.0))  # off the optic axis: the cornea's rim, and its skirt's
_MIRRORED = 0.4  # by the cornea in EEVEE, of a sky so smooth that it would lie on the pupil as a grey veil
_TEARS = 0.25  # specular level of the white
_INSTEAD = "facewright_instead_of"  # custom property of an image node: the node whose place it takes
# Slots of a head's mesh, in order, and the parts of the face model that wear them.
SLOTS: dict[str, tuple[str, ...]] = {
    "Skin": ("skin",),
    "Eyes": ("eyeball_left", "eyeball_right"),
    "Cornea": ("cornea_left", "cornea_right"),
    "Teeth": ("teeth_upper", "teeth_lower"),
    "Gums": ("gums",),
    "Tongue": ("tongue",),
    "Lashes": ("lashes_left", "lashes_right"),
}


@dataclass(frozen=True)
class _Relief:
    """Cells on a surface."""

    per_metre: float
    strength: float
    depth: float  # metres


_PORES = _Relief(1500.0, 0.12, 0.0002)  # about half a millimetre apart
_PAPILLAE = _Relief(1100.0, 0.35, 0.0004)  # of the tongue


@dataclass(frozen=True)
class Textures:
    """Packed pictures of one head."""

    skin: bpy.types.Image  # and teeth, gums, tongue
    eye: bpy.types.Image
    skin_color: tuple[float, float, float]  # mean of the skin, linear: for displays without textures


def _new(name: str) -> tuple[bpy.types.Material, bpy.types.NodeTree, bpy.types.Node]:
    """A material with a Principled node wired to its output, its tree and that node."""
    material = bpy.data.materials.new(name)
    tree = empty_tree(material)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.location = (300, 0)
    principled = tree.nodes.new("ShaderNodeBsdfPrincipled")
    tree.links.new(principled.outputs["BSDF"], output.inputs["Surface"])
    return material, tree, principled


def _set(node: bpy.types.Node, **values: object) -> None:
    """Set sockets by name; `specular_ior_level` addresses "Specular IOR Level"."""
    by_key = {socket.name.lower().replace(" ", "_"): socket for socket in node.inputs}
    for key, value in values.items():
        by_key[key].default_value = value


def _picture(tree: bpy.types.NodeTree, image: bpy.types.Image, target: bpy.types.NodeSocket) -> bpy.types.Node:
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    node.location = (-600, 100)
    tree.links.new(node.outputs["Color"], target)
    tree.nodes.active = node  # what Workbench's texture display and painting use
    return node


def _relief(tree: bpy.types.NodeTree, principled: bpy.types.Node, relief: _Relief) -> None:
    """Fine relief that the photo cannot give."""
    place = tree.nodes.new("ShaderNodeTexCoord")
    place.location = (-1000, -300)
    noise = tree.nodes.new("ShaderNodeTexVoronoi")
    noise.location = (-800, -300)
    _set(noise, scale=relief.per_metre)
    bump = tree.nodes.new("ShaderNodeBump")
    bump.location = (-300, -300)
    _set(bump, strength=relief.strength, distance=relief.depth)
    tree.links.new(place.outputs["Object"], noise.inputs["Vector"])
    tree.links.new(noise.outputs["Distance"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], principled.inputs["Normal"])


def _skin(name: str, textures: Textures) -> bpy.types.Material:
    material, tree, principled = _new(name)
    _picture(tree, textures.skin, principled.inputs["Base Color"])
    _set(principled, roughness=0.48, specular_ior_level=0.4, ior=1.4)
    # light travels millimetres under skin, red farthest
    _set(principled, subsurface_weight=0.12, subsurface_radius=(1.0, 0.35, 0.2), subsurface_scale=0.004)
    _relief(tree, principled, _PORES)
    material.diffuse_color = (*textures.skin_color, 1.0)
    return material


def _eyes(name: str, textures: Textures) -> bpy.types.Material:
    """White and iris; wet where no cornea lies before them, which mirrors by itself."""
    material, tree, principled = _new(name)
    _picture(tree, textures.eye, principled.inputs["Base Color"])
    _set(principled, roughness=0.22)
    _wet_white(tree, principled)
    _set(principled, subsurface_weight=0.05, subsurface_radius=(1.0, 0.5, 0.4), subsurface_scale=0.002)
    material.diffuse_color = (0.7, 0.66, 0.62, 1.0)
    return material


def _wet_white(tree: bpy.types.NodeTree, principled: bpy.types.Node) -> None:
    """Reflection that grows from nothing on the iris to a film of tears on the white, by the eye's UV."""
    place, reach, wet = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "VectorMath", "MapRange"))
    for node, x in ((place, -1000), (reach, -800), (wet, -300)):
        node.location = (x, -250)
    reach.operation = "DISTANCE"
    reach.inputs[1].default_value = (0.5, 0.5, 0.0)
    for socket, value in zip(("From Min", "From Max"), _COVERED, strict=True):
        wet.inputs[socket].default_value = value / EDGE_ANGLE / 2
    wet.inputs["To Min"].default_value, wet.inputs["To Max"].default_value = 0.0, _TEARS
    tree.links.new(place.outputs["UV"], reach.inputs[0])
    tree.links.new(reach.outputs["Value"], wet.inputs["Value"])
    tree.links.new(wet.outputs["Result"], principled.inputs["Specular IOR Level"])


def _cornea(name: str, textures: Textures) -> bpy.types.Material:
    """Clear and refracting to the camera, open to light and shadow so that the iris behind it is lit."""
    material, tree, principled = _new(name)
    _set(principled, base_color=(1.0, 1.0, 1.0, 1.0), roughness=0.02, ior=CORNEA_IOR, transmission_weight=1.0)
    path = tree.nodes.new("ShaderNodeLightPath")
    path.location = (-700, -100)
    lights = tree.nodes.new("ShaderNodeMath")
    lights.operation = "MAXIMUM"
    lights.location = (-480, -100)
    tree.links.new(path.outputs["Is Shadow Ray"], lights.inputs[0])
    tree.links.new(path.outputs["Is Diffuse Ray"], lights.inputs[1])
    alpha = tree.nodes.new("ShaderNodeMath")
    alpha.operation = "SUBTRACT"
    alpha.location = (-250, -100)
    alpha.inputs[0].default_value = 1.0
    tree.links.new(lights.outputs[0], alpha.inputs[1])
    tree.links.new(alpha.outputs[0], principled.inputs["Alpha"])
    _cornea_for_eevee(tree)
    material.surface_render_method = "BLENDED"
    material.diffuse_color = (1.0, 1.0, 1.0, 0.05)
    return material


def _cornea_for_eevee(tree: bpy.types.NodeTree) -> None:
    """EEVEE sees nothing through refraction unless the scene traces rays: there the cornea only mirrors."""
    refracting = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    refracting.target = "CYCLES"
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.target = "EEVEE"
    mix, clear, mirror, fresnel = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("MixShader", "BsdfTransparent", "BsdfGlossy", "Fresnel")
    )
    for node, place in ((output, (300, -400)), (mix, (80, -400)), (clear, (-150, -480)), (mirror, (-150, -580))):
        node.location = place
    fresnel.location = (-150, -340)
    _set(fresnel, ior=CORNEA_IOR)
    _set(mirror, color=(_MIRRORED, _MIRRORED, _MIRRORED, 1.0), roughness=0.03)
    tree.links.new(fresnel.outputs[0], mix.inputs[0])
    tree.links.new(clear.outputs[0], mix.inputs[1])
    tree.links.new(mirror.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])


def _wet(color: tuple[float, float, float], subsurface: float, roughness: float, papillae: bool = False):
    """Builds what is wet within the mouth, coloured by the head's texture; `color` is for displays without."""

    def build(name: str, textures: Textures) -> bpy.types.Material:
        material, tree, principled = _new(name)
        _picture(tree, textures.skin, principled.inputs["Base Color"])
        _set(principled, roughness=roughness, specular_ior_level=0.5)
        _set(
            principled,
            subsurface_weight=subsurface,
            subsurface_radius=(1.0, 0.4, 0.25),
            subsurface_scale=0.003,
        )
        if papillae:
            _relief(tree, principled, _PAPILLAE)
        material.diffuse_color = (*color, 1.0)
        return material

    return build


def _lashes(name: str, textures: Textures) -> bpy.types.Material:
    material, _, principled = _new(name)
    _set(principled, base_color=(0.012, 0.008, 0.006, 1.0), roughness=0.6, specular_ior_level=0.2)
    material.diffuse_color = (0.012, 0.008, 0.006, 1.0)
    return material


_BUILDERS = {
    "Skin": _skin,
    "Eyes": _eyes,
    "Cornea": _cornea,
    "Teeth": _wet((0.72, 0.66, 0.53), 0.15, 0.22),
    "Gums": _wet((0.42, 0.12, 0.11), 0.2, 0.3),
    "Tongue": _wet((0.45, 0.14, 0.13), 0.2, 0.34, papillae=True),
    "Lashes": _lashes,
}


def build_materials(face_name: str, textures: Textures) -> list[bpy.types.Material]:
    """One material per slot of `SLOTS`, in order."""
    return [_BUILDERS[slot](f"{face_name} {slot}", textures) for slot in SLOTS]


def build_hair_material(name: str, picture: bpy.types.Image, color: tuple[float, float, float]) -> bpy.types.Material:
    """Hair that is there or not at each point: what is half there could not be sorted by game engines.

    `color` is its mean, linear, for displays without textures.
    """
    material, tree, principled = _new(name)
    node = _picture(tree, picture, principled.inputs["Base Color"])
    whole = tree.nodes.new("ShaderNodeMath")
    whole.operation = "ROUND"
    whole.location = (-250, -100)
    tree.links.new(node.outputs["Alpha"], whole.inputs[0])
    tree.links.new(whole.outputs[0], principled.inputs["Alpha"])
    _set(principled, roughness=0.65, specular_ior_level=0.0)  # the photo has its highlights
    material.diffuse_color = (*color, 1.0)
    return material


def build_strand_material(name: str, color: str, normal: str, usual: np.ndarray) -> bpy.types.Material:
    """Strands of the colours in an attribute `color`, lit as the surface whose `normal` is another, in object space.

    By their own round sides they would be far darker than the surface that wears the photo. `usual` is a (3,) linear
    colour for displays without attributes.
    """
    material, tree, principled = _new(name)
    colored, outward = (tree.nodes.new("ShaderNodeAttribute") for _ in range(2))
    colored.attribute_name, colored.location = color, (-600, 100)
    outward.attribute_name, outward.location = normal, (-600, -150)
    turned = tree.nodes.new("ShaderNodeVectorTransform")
    turned.vector_type, turned.convert_from, turned.convert_to = "NORMAL", "OBJECT", "WORLD"
    turned.location = (-300, -150)
    tree.links.new(colored.outputs["Color"], principled.inputs["Base Color"])
    tree.links.new(outward.outputs["Vector"], turned.inputs[0])
    tree.links.new(turned.outputs[0], principled.inputs["Normal"])
    _set(principled, roughness=0.5, specular_ior_level=0.0)  # the photo has its highlights
    material.diffuse_color = (*usual.tolist(), 1.0)
    return material


def picture_on(hair: bpy.types.Object) -> bpy.types.Image | None:
    """The image that colours a hair, if it has one."""
    color = _base_color(hair)
    node = color.links[0].from_node if color is not None and color.is_linked else None
    return None if node is None or node.type != "TEX_IMAGE" else node.image


def shown_on_skin(head: bpy.types.Object) -> bpy.types.Image | None:
    """The image that colours a head's skin instead of its texture, if any."""
    color = _base_color(head)
    node = color.links[0].from_node if color is not None and color.is_linked else None
    return node.image if node is not None and _INSTEAD in node else None


def show_on_skin(head: bpy.types.Object, image: bpy.types.Image | None) -> bool:
    """Colour a head's skin by `image`, or by its texture again; False where the material was made anew."""
    color = _base_color(head)
    if color is None or not color.is_linked:
        return False
    tree, node = color.id_data, color.links[0].from_node
    if _INSTEAD in node:
        node = _put_back(tree, node, color)
    if image is not None and node is not None:
        _picture(tree, image, color)[_INSTEAD] = node.name
    return node is not None


def _put_back(tree: bpy.types.NodeTree, instead: bpy.types.Node, color: bpy.types.NodeSocket) -> bpy.types.Node | None:
    """Wire the node that another stands in for; None when the user removed it."""
    node = tree.nodes.get(instead[_INSTEAD])
    tree.nodes.remove(instead)
    if node is not None:
        tree.links.new(node.outputs[0], color)
        tree.nodes.active = node
    return node


def _base_color(item: bpy.types.Object) -> bpy.types.NodeSocket | None:
    """The socket that takes the colour of an object's first material: a head's skin."""
    material = item.material_slots[0].material if item.material_slots else None
    if material is None or material.node_tree is None:
        return None
    shader = next((node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None)
    return None if shader is None else shader.inputs["Base Color"]
