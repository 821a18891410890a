"""What comes between camera and face, laid over the finished picture; the picture before that is the clean twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.geometry.camera import project

from . import eyewear, facemasks, frames, goggles, hands, objects, props, scarves
from .hand_rig import HandModel
from .head import Head
from .labels import Occluder
from .layers import Canvas, Mesh, Posed, ShadowMap
from .laying import Smear, Stage, lay_mesh, throw_shadow
from .lenses import lay_lens

if TYPE_CHECKING:
    from .scene import Scene

ANY = 0.52  # share of pictures with an occluder
_TWO = 0.16  # share of those with two
_SOLID = 0.66  # share of objects that have depth
KINDS = {  # shares of the occluders
    "glasses": 0.33, "sunglasses": 0.1, "goggles": 0.02, "mask": 0.22, "scarf": 0.05, "hand": 0.11, "object": 0.17,
}  # fmt: skip


class Wardrobe(Protocol):
    """What occluders are made of besides code; `Assets` is one."""

    @property
    def head(self) -> Head: ...
    @property
    def mask_templates(self) -> dict[str, np.ndarray]: ...
    @property
    def hand(self) -> HandModel | None: ...


@dataclass(frozen=True, eq=False)
class OccluderPlan:
    """The occluders of one picture, nearest to the face first."""

    frame: eyewear.Frame | None
    goggles: goggles.GogglePlan | None
    mask: facemasks.MaskPlan | None
    scarf: scarves.ScarfPlan | None
    hand: hands.HandPlan | None
    prop: props.PropPlan | None
    grip: hands.HandPlan | None  # holds the thing
    stickers: tuple[str, ...]
    seed: int

    @property
    def empty(self) -> bool:
        """Nothing is worn or held."""
        worn = (self.frame, self.goggles, self.mask, self.scarf, self.hand, self.prop)
        return not self.stickers and all(item is None for item in worn)


def sample_occluder(rng: np.random.Generator, assets: Wardrobe) -> OccluderPlan:
    """Nothing in about half of the pictures; now and then two things together."""
    kinds: set[str] = set()
    if rng.random() < ANY:
        count = 2 if rng.random() < _TWO else 1
        kinds = {str(kind) for kind in rng.choice(list(KINDS), count, replace=False, p=list(KINDS.values()))}
    return plan_of(kinds, rng, assets)


def plan_of(kinds: set[str], rng: np.random.Generator, assets: Wardrobe) -> OccluderPlan:
    """A plan with the named `KINDS`."""
    dark = "sunglasses" in kinds
    eyes = (dark or "glasses" in kinds) and "goggles" not in kinds
    solid = "object" in kinds and rng.random() < _SOLID
    prop = props.sample_prop(rng) if solid else None
    holds = prop is not None and prop.held and assets.hand is not None
    return OccluderPlan(
        frame=eyewear.sample_frame(rng, dark) if eyes else None,
        goggles=goggles.sample_goggles(rng) if "goggles" in kinds else None,
        mask=facemasks.sample_mask(rng, assets.mask_templates) if "mask" in kinds else None,
        scarf=scarves.sample_scarf(rng) if "scarf" in kinds else None,
        hand=hands.sample_hand(rng) if "hand" in kinds and assets.hand is not None else None,
        prop=prop,
        grip=hands.sample_hand(rng, hands.HOLD) if holds else None,
        stickers=(objects.sample_kind(rng),) if "object" in kinds and not solid else (),
        seed=int(rng.integers(2**31)),
    )


def add_occluders(
    clean: Canvas, scene: Scene, assets: Wardrobe, posed: Posed, shadow: ShadowMap | None, exposure: float
) -> tuple[Canvas, np.ndarray]:
    """The canvas with the occluders, and the (H, W) uint8 `Occluder` map of what changed."""
    if scene.occluders.empty:
        return clean.copy(), np.zeros(clean.depth.shape, np.uint8)
    skin = np.median(scene.vertex_albedo[assets.head.face_sample], axis=0)
    stage = Stage(assets.head, posed, scene.light, shadow, exposure, skin, scene.paint.hair_color, _pixel(posed))
    return lay_plan(clean, scene.occluders, assets, stage)


def _pixel(posed: Posed) -> float:
    return posed.camera.width / 192.0


def lay_plan(clean: Canvas, plan: OccluderPlan, assets: Wardrobe, stage: Stage) -> tuple[Canvas, np.ndarray]:
    """A copy of the canvas with a plan's occluders, and the (H, W) uint8 `Occluder` map of what changed."""
    canvas, kinds = clean.copy(), np.zeros(clean.depth.shape, np.uint8)
    worn = _worn(plan, assets, stage)
    if worn:
        throw_shadow(canvas, worn, stage)
    for mesh in worn:
        lay_mesh(canvas, kinds, mesh, stage)
    _lay_eyewear(canvas, kinds, plan, stage)
    held = _held(plan, assets, stage)
    if held:
        throw_shadow(canvas, held, stage)
    for mesh in held:
        lay_mesh(canvas, kinds, mesh, stage)
    _lay_prop(canvas, kinds, plan, assets, stage)
    _lay_flat(canvas, kinds, plan, stage)
    other = canvas.color != clean.color
    changed = other[:, :, 0] | other[:, :, 1] | other[:, :, 2]
    kinds[changed & (kinds == Occluder.NONE)] = Occluder.TOUCHED
    return canvas, kinds


def _worn(plan: OccluderPlan, assets: Wardrobe, stage: Stage) -> list[Mesh]:
    meshes: list[Mesh] = []
    if plan.mask is not None:
        meshes += facemasks.mask_meshes(plan.mask, stage.head, stage.posed, assets.mask_templates)
    if plan.scarf is not None:
        meshes += scarves.scarf_meshes(plan.scarf, stage.head, stage.posed)
    return meshes


def _held(plan: OccluderPlan, assets: Wardrobe, stage: Stage) -> list[Mesh]:
    """Hands on the face."""
    if plan.hand is None or assets.hand is None:
        return []
    return hands.hand_meshes(plan.hand, assets.hand, stage.head, stage.posed, stage.skin)


def _lay_prop(canvas: Canvas, kinds: np.ndarray, plan: OccluderPlan, assets: Wardrobe, stage: Stage) -> None:
    if plan.prop is None:
        return
    prop = props.make_prop(plan.prop, stage.head.model.landmarks(stage.posed.vertices))
    hand = []
    if plan.grip is not None and assets.hand is not None:
        hand = hands.holding_hand(plan.grip, assets.hand, prop.grip, stage.skin)
    throw_shadow(canvas, [prop.mesh, *hand], stage)
    for mesh in (prop.mesh, *hand):
        lay_mesh(canvas, kinds, mesh, stage, Smear(plan.prop.blur, plan.prop.smear))


def _lay_eyewear(canvas: Canvas, kinds: np.ndarray, plan: OccluderPlan, stage: Stage) -> None:
    if plan.frame is not None:
        lenses, frame = frames.glasses_parts(plan.frame, stage.head, stage.posed)
        meshes, glass = [frame], plan.frame.glass
        kind = Occluder.DARK_LENS if glass.dark else Occluder.CLEAR_LENS
    elif plan.goggles is not None:
        lenses, meshes = goggles.goggle_parts(plan.goggles, stage.head, stage.posed)
        glass = plan.goggles.glass
        kind = Occluder.VISOR if plan.goggles.kind == "visor" else Occluder.GOGGLES
    else:
        return
    throw_shadow(canvas, meshes, stage)
    for lens in lenses:
        lay_lens(canvas, kinds, lens, glass, stage, kind)
    for mesh in meshes:
        lay_mesh(canvas, kinds, mesh, stage)


def _lay_flat(canvas: Canvas, kinds: np.ndarray, plan: OccluderPlan, stage: Stage) -> None:
    rng = np.random.default_rng(plan.seed)
    for kind in plan.stickers:
        posed = stage.posed
        flat = project(posed.camera, stage.head.model.landmarks(posed.vertices))[:, :2]
        sticker = objects.draw_sticker(rng, kind, flat, posed.camera.width, stage.hair_color * stage.exposure)
        level = 1.0 if sticker.kind == Occluder.BORDER else np.exp(rng.normal(0.0, 0.4))
        canvas.color += (sticker.color * level - canvas.color) * sticker.cover[:, :, None]
        kinds[sticker.cover > 0.5] = sticker.kind
