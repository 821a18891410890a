"""What comes between camera and face, laid over the finished picture; the picture before that is the clean twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.geometry.camera import project

from . import eyewear, facemasks, hands, objects
from .labels import Label, Occluder
from .layers import Canvas, Mesh, Posed, ShadowMap, contact_shadow, draw

if TYPE_CHECKING:
    from .assets import Assets
    from .scene import Scene

ANY = 0.47  # share of pictures with an occluder
_KINDS = ("glasses", "sunglasses", "mask", "hand", "object")
_SHARES = (0.33, 0.12, 0.14, 0.17, 0.24)
_NOTICED = 0.02  # linear difference from which a pixel counts as touched


@dataclass(frozen=True, eq=False)
class OccluderPlan:
    """The occluders of one picture, nearest to the face first."""

    frame: eyewear.Frame | None
    mask: facemasks.MaskPlan | None
    hand: hands.HandPlan | None
    stickers: tuple[str, ...]
    seed: int


def sample_occluder(rng: np.random.Generator, assets: Assets) -> OccluderPlan:
    """Nothing in about half of the pictures; now and then two things together."""
    kinds: set[str] = set()
    if rng.random() < ANY:
        count = 1 if rng.random() < 0.85 else 2
        kinds = {str(kind) for kind in rng.choice(_KINDS, count, replace=False, p=_SHARES)}
    dark = "sunglasses" in kinds
    return OccluderPlan(
        frame=eyewear.sample_frame(rng, dark) if dark or "glasses" in kinds else None,
        mask=facemasks.sample_mask(rng, assets.mask_templates) if "mask" in kinds else None,
        hand=hands.sample_hand(rng) if "hand" in kinds and assets.hand is not None else None,
        stickers=(objects.sample_kind(rng),) if "object" in kinds else (),
        seed=int(rng.integers(2**31)),
    )


def add_occluders(
    clean: Canvas, scene: Scene, assets: Assets, posed: Posed, shadow: ShadowMap | None, exposure: float
) -> tuple[Canvas, np.ndarray]:
    """The canvas with the occluders, and the (H, W) uint8 `Occluder` map of what changed."""
    canvas, plan = clean.copy(), scene.occluders
    kinds = np.zeros(clean.label.shape, np.uint8)
    for mesh in _meshes(plan, scene, assets, posed):
        _lay_mesh(canvas, kinds, mesh, scene, posed, shadow, exposure)
    rng = np.random.default_rng(plan.seed)
    for kind in plan.stickers:
        flat = project(posed.camera, assets.head.model.landmarks(posed.vertices))[:, :2]
        size = posed.camera.width
        sticker = objects.draw_sticker(rng, kind, flat, size, scene.paint.hair_color * exposure)
        level = 1.0 if sticker.kind == Occluder.BORDER else np.exp(rng.normal(0.0, 0.4))
        canvas.color += (sticker.color * level - canvas.color) * sticker.cover[:, :, None]
        kinds[sticker.cover > 0.5] = sticker.kind
    changed = np.abs(canvas.color - clean.color).max(axis=2) > 0
    kinds[changed & (kinds == Occluder.NONE)] = Occluder.TOUCHED
    return canvas, kinds


def _meshes(plan: OccluderPlan, scene: Scene, assets: Assets, posed: Posed) -> list[Mesh]:
    head, meshes = assets.head, []
    if plan.mask is not None:
        meshes += facemasks.mask_meshes(plan.mask, head, posed, assets.mask_templates)
    if plan.frame is not None:
        meshes += eyewear.glasses_meshes(plan.frame, head, posed)
    if plan.hand is not None and assets.hand is not None:
        skin = np.median(scene.vertex_albedo[head.label == Label.SKIN], axis=0)
        meshes += hands.hand_meshes(plan.hand, assets.hand, head, posed, skin)
    return meshes


def _lay_mesh(
    canvas: Canvas, kinds: np.ndarray, mesh: Mesh, scene: Scene, posed: Posed, shadow: ShadowMap | None, exposure: float
) -> None:
    layer = draw(mesh, posed, scene.light, shadow)
    layer.color[:] *= exposure
    seen = np.where(layer.depth < canvas.depth, layer.cover, 0.0).astype(np.float32)
    on_face = np.isfinite(canvas.depth) & (layer.depth > canvas.depth - 0.12) | ~np.isfinite(layer.depth)
    strength = {Occluder.FRAME: 0.35, Occluder.CLEAR_LENS: 0.0, Occluder.DARK_LENS: 0.3}.get(Occluder(mesh.kind), 0.5)
    if strength and seen.any():
        factor = contact_shadow(seen, 2.5 * posed.camera.width / 192.0, strength)
        factor = np.where(factor > 1.0 - _NOTICED, 1.0, factor)
        canvas.color *= np.where(on_face & np.isfinite(canvas.depth), factor, 1.0)[:, :, None]
    canvas.color += (layer.color - canvas.color) * seen[:, :, None]
    here = layer.depth < canvas.depth
    if mesh.kind == Occluder.CLEAR_LENS:
        kinds[here & (seen > 0)] = Occluder.CLEAR_LENS
        return
    solid = here & (seen > 0.5)
    kinds[solid] = mesh.kind
    canvas.depth[solid] = layer.depth[solid]
