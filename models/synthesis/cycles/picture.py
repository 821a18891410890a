"""One scene of the factory, path-traced: the picture by Cycles, the labels by the fast renderer on the same geometry.

Hair is the one thing with a shape of its own here; its label and what it hides come from the film's masks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from core.types import FaceParams
from models.synthesis import facemasks, frames, hands, occluders
from models.synthesis.assets import Assets
from models.synthesis.cards import card_mesh
from models.synthesis.facial_hair import facial_strands
from models.synthesis.garments import garment_meshes
from models.synthesis.grooms import sample_groom
from models.synthesis.hair import HairPlan, hair_cards, hair_meshes, hair_strands
from models.synthesis.labels import Label, Occluder
from models.synthesis.layers import Posed
from models.synthesis.light import LUMINANCE
from models.synthesis.renderer import Picture, render
from models.synthesis.scene import Scene, sample_scene
from models.synthesis.sensor import develop
from models.synthesis.skin_kernels import BEARD, BROW
from models.synthesis.strands import Strands

from .fur import grow_fur
from .ground_lens import ground_lens
from .projection import head_maps, mesh_map
from .stage import Film, Stage

_STREAM = 31_337  # keeps this renderer's random numbers apart from the factory's
_OCCLUDERS = {"none": 0.64, "glasses": 0.2, "sunglasses": 0.05, "mask": 0.07, "hand": 0.04}
_ENVIRONMENT = (128, 64)  # columns and rows of the map that lights
_DENSER, _THINNER = 2.5, 1.5  # strands over the fast renderer's
_LOCK = 0.7  # pixels of a 192 px picture: finer gaps between hairs are not labelled
_NOTICED = 0.02  # linear difference from which a pixel counts as touched


def sample_cycles_scene(assets: Assets, seed: int, index: int, size: int, whole_head: bool = False) -> Scene:
    """The factory's scene, with occluders that Cycles draws in three dimensions: glasses most of all."""
    scene = sample_scene(assets, seed, index, size, whole_head=whole_head)
    rng = np.random.default_rng([seed, index, _STREAM])
    kind = str(rng.choice(list(_OCCLUDERS), p=list(_OCCLUDERS.values())))
    plan = occluders.plan_of({kind} - {"none"}, rng, assets)
    ingredients = {**scene.ingredients, "occluder": kind != "none"}
    return replace(scene, occluders=plan, hair=_grown(rng, scene.hair), ingredients=ingredients)


def _grown(rng: np.random.Generator, plan: HairPlan) -> HairPlan:
    """The same head of hair as strands, many and thin; shells, sheets and strips become a hairdo of their own."""
    if plan.kind in ("bald", "buzz"):
        return plan
    groom = plan.groom or sample_groom(rng, fringe=bool(rng.random() < 0.3))
    groom = replace(groom, count=int(groom.count * _DENSER), width=groom.width / _THINNER)
    return replace(plan, kind="groom", mane=None, groom=groom)


@dataclass(frozen=True, eq=False)
class _Shot:
    """Both exposures and the fast renderer's labels of one scene."""

    bare: Picture  # fast, without hair meshes
    clean: Film
    occluded: Film | None


def cycles_picture(stage: Stage, assets: Assets, seed: int, index: int, size: int, whole_head: bool = False) -> Picture:
    """Picture `index` of the Cycles set `seed`; `whole_head`: framed as the parser's head crop is."""
    scene = sample_cycles_scene(assets, seed, index, size, whole_head)
    rng = np.random.default_rng([seed, index, _STREAM + 1])
    posed = Posed.of(scene.camera, scene.vertices, assets.head)
    try:
        _dress(stage, scene, assets, posed, rng)
        clean = stage.shoot(index)
        occluded = None
        if _occlude(stage, scene, assets, posed, rng):
            occluded = stage.shoot(index)
    finally:
        stage.clear()
    return _finish(scene, _Shot(render(_without_hair(scene), assets), clean, occluded))


def _without_hair(scene: Scene) -> Scene:
    """The scene as far as both renderers share its geometry: hats stay, hair goes."""
    return replace(scene, hair=replace(scene.hair, kind="buzz", mane=None, groom=None))


def _dress(stage: Stage, scene: Scene, assets: Assets, posed: Posed, rng: np.random.Generator) -> None:
    """Put the bare person on the stage: head, hair, beard, brows, clothes, hat."""
    head, camera, color = assets.head, scene.camera, scene.paint.hair_color
    stage.place(camera, scene.vertices, scene.light, _surroundings(scene, assets))
    stage.paint(head_maps(scene, assets))
    for mesh in garment_meshes(scene.garment, head, posed, scene.vertex_albedo):
        stage.add_mesh(mesh, mesh_map(mesh, camera), roughness=0.8 if mesh.kind == Label.CLOTH else 0.35)
    cards = (card_mesh(cards) for cards in hair_cards(scene.hair, assets.hair, scene.neutral, color))
    for mesh in (*hair_meshes(scene.hair, head, posed, scene.neutral, color), *cards):
        stage.add_mesh(mesh, mesh_map(mesh, camera), "hair" if mesh.kind == Label.HAIR else "", roughness=0.85)
    roughness = float(rng.uniform(0.25, 0.5))
    for strands in hair_strands(scene.hair, head, posed, scene.neutral, color):
        stage.add_strands(strands, "hair", roughness)
    for strands in (*facial_strands(scene.facial_hair, head, posed), *_fur(scene, assets, rng)):
        stage.add_strands(strands, "fur", roughness)


def _fur(scene: Scene, assets: Assets, rng: np.random.Generator) -> list[Strands]:
    """Hairs where the skin is painted with a beard, brows or a cropped scalp and nothing has grown there yet."""
    head, paint, worn, out = assets.head, scene.paint, scene.facial_hair, []
    beard, brow = (paint.inks[:, :, ink].astype(np.float32) / 255.0 for ink in (BEARD, BROW))
    if worn.beard is None and beard.max() > 0.3:
        length = float(rng.uniform(0.001, 0.003) if beard.max() < 0.6 else rng.uniform(0.003, 0.014))
        color = paint.colors[BEARD]
        out.append(grow_fur(rng, head, scene.vertices, beard, 9000, length, (0.25, -1.0, 0.2), 0.00016, color))
    if worn.brows is None and brow.max() > 0.2:
        color = paint.colors[BROW]
        out.append(grow_fur(rng, head, scene.vertices, brow, 2400, 0.0065, (1.0, 0.35, 0.1), 0.00012, color))
    if scene.hair.kind == "buzz":
        color, length = paint.hair_color, float(rng.uniform(0.002, 0.008))
        out.append(
            grow_fur(rng, head, scene.vertices, scene.hair.scalp, 9000, length, (0.2, 0.2, -0.3), 0.00016, color)
        )
    return out


def _surroundings(scene: Scene, assets: Assets) -> np.ndarray:
    """(64, 128, 3) float32 radiance: the light's own small map with the detail of the map it came from."""
    light = scene.light
    coarse = cv2.resize(light.environment, _ENVIRONMENT, interpolation=cv2.INTER_LINEAR)
    if not scene.ingredients.get("hdri_light", True):
        return coarse
    fine = cv2.resize(assets.view_maps[light.map_index], _ENVIRONMENT, interpolation=cv2.INTER_AREA)
    fine = np.roll(fine, round(light.turn * _ENVIRONMENT[0]), axis=1)
    small = cv2.resize(fine, light.environment.shape[1::-1], interpolation=cv2.INTER_AREA)
    detail = fine / np.maximum(cv2.resize(small, _ENVIRONMENT, interpolation=cv2.INTER_LINEAR), 1e-3)
    return coarse * np.clip(detail, 0.3, 3.0).astype(np.float32)


def _occlude(stage: Stage, scene: Scene, assets: Assets, posed: Posed, rng: np.random.Generator) -> bool:
    """Add the occluders; False when there are none."""
    plan, head, camera = scene.occluders, assets.head, scene.camera
    if plan.mask is not None:
        for mesh in facemasks.mask_meshes(plan.mask, head, posed, assets.mask_templates):
            stage.add_mesh(mesh, mesh_map(mesh, camera), "occluder", roughness=0.8, flesh=0.15)
    if plan.frame is not None:
        lenses, frame = frames.glasses_parts(plan.frame, head, posed)
        stage.add_mesh(frame, mesh_map(frame, camera), "occluder", roughness=0.25)
        glass = plan.frame.glass
        for lens in lenses:
            dioptres = 0.0 if glass.dark else 60.0 * glass.power
            stage.add_lens(*ground_lens(lens.vertices, lens.triangles, lens.normals, dioptres), glass.tint)
    if plan.hand is not None and assets.hand is not None:
        skin = np.median(scene.vertex_albedo[head.label == Label.SKIN], axis=0)
        for mesh in hands.hand_meshes(plan.hand, assets.hand, head, posed, skin):
            stage.add_mesh(mesh, mesh_map(mesh, camera), "occluder", roughness=0.5, flesh=0.6)
    return plan.mask is not None or plan.frame is not None or plan.hand is not None


def _finish(scene: Scene, shot: _Shot) -> Picture:
    """Expose, label and develop."""
    bare, film = shot.bare, shot.occluded or shot.clean
    labels = _labels(bare, shot.clean)
    exposure = _exposure(scene, shot.clean, labels)
    clean = _developed_linear(shot.clean, scene, exposure)
    linear, occluder = clean, np.zeros_like(bare.occluder)
    if shot.occluded is not None:
        linear = _developed_linear(film, scene, exposure)
        occluder = _occluder_map(bare.occluder, film)
        changed = _changed(clean, linear, occluder)
        linear = np.where(changed[:, :, None], linear, clean)
        occluder[changed & (occluder == Occluder.NONE)] = Occluder.TOUCHED
    params = FaceParams.from_vector(bare.coefficients)
    same = shot.occluded is None
    focus = float(scene.camera.translation[2])
    image = develop(linear, scene.sensor, film.depth, focus)
    return replace(
        bare,
        image=image,
        clean=image if same else develop(clean, scene.sensor, shot.clean.depth, focus),
        linear=linear,
        clean_linear=clean,
        labels=labels,
        occluder=occluder,
        visibility=bare.visibility & ~_under_hair(labels, bare.landmarks),
        coefficients=replace(params, light=scene.light.label(exposure)).to_vector(),
        ingredients=scene.ingredients,
    )


def _labels(bare: Picture, clean: Film) -> np.ndarray:
    labels = bare.labels.copy()
    cover = cv2.GaussianBlur(clean.masks["hair"], (0, 0), _LOCK * labels.shape[0] / 192.0)
    labels[cover > 0.5] = Label.HAIR
    return labels


def _exposure(scene: Scene, clean: Film, labels: np.ndarray) -> float:
    """What brings the skin to the scene's wanted level."""
    skin = clean.color[(labels == Label.SKIN) | (labels == Label.NOSE)]
    if len(skin) == 0:
        skin = clean.color[clean.alpha > 0.5]
    return scene.level / max(float(np.percentile(skin @ LUMINANCE, 60)), 1e-4)


def _developed_linear(film: Film, scene: Scene, exposure: float) -> np.ndarray:
    """(S, S, 3) float32 exposed radiance over the background."""
    behind = scene.background * (1.0 - np.clip(film.alpha, 0.0, 1.0))[:, :, None]
    return (np.maximum(film.color, 0.0) * exposure + behind).astype(np.float32)


def _occluder_map(drawn: np.ndarray, film: Film) -> np.ndarray:
    """(S, S) uint8: what the fast renderer drew there, where Cycles saw it (hair may lie before a temple)."""
    cover = film.masks["occluder"] > 0.5
    solid = np.where(drawn > Occluder.TOUCHED, drawn, 0).astype(np.uint8)
    out = np.where(cover, solid, 0).astype(np.uint8)
    missing = cover & (solid == 0)  # half a pixel beside it
    if missing.any():
        out[missing] = cv2.dilate(solid, np.ones((5, 5), np.uint8))[missing]
    return out


def _changed(clean: np.ndarray, linear: np.ndarray, occluder: np.ndarray) -> np.ndarray:
    """(S, S) bool: under, beside or in the shadow of an occluder; elsewhere the two renders differ by noise alone."""
    level = _NOTICED + 0.06 * clean.max(axis=2)
    difference = cv2.GaussianBlur(np.abs(linear - clean).max(axis=2), (0, 0), 1.0) > level
    return cv2.dilate((occluder > 0).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) | difference


def _under_hair(labels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: (N, 2) points well inside hair, not merely beside it."""
    inside = cv2.erode((labels == Label.HAIR).astype(np.uint8), np.ones((3, 3), np.uint8))
    height, width = labels.shape
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(int)
    return inside[row, column] > 0
