"""Texture stage: the photo on the head's UV layout, de-lit; what it does not show is filled in from the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..geometry import lighting
from ..geometry.camera import project
from ..geometry.delighting import (
    LUMINANCE,
    SkinReading,
    light_of_shading,
    read_skin,
    smoothstep,
    weighted_median,
    weighted_quantile,
)
from ..geometry.eye_colors import eye_texels, paint_eye, read_eyes
from ..geometry.face_model import FaceModel
from ..geometry.head_view import HeadView, view_head
from ..geometry.lash_lines import LashLines
from ..geometry.mesh_smoothing import vertex_areas
from ..geometry.part_painting import mouth_shadow, robust_color
from ..geometry.skin_regions import occlusion, skin_regions
from ..geometry.texel_blending import COMPLETED, MIRRORED, MODEL, SEEN, SkinBlender, SkinFields
from ..geometry.tooth_color import WHITEST, read_teeth, tooth_tint
from ..geometry.uv_sampling import build_atlas
from ..parallel import each
from ..types import Camera, FaceParams, FaceTexture, Landmarks

_AVERAGED = 0.0015  # metres round a vertex whose colours are read together
_KEPT = 0.55  # share of slow changes over plain skin that is complexion, not light
_VARIED, _VARIED_HUE = 0.045, 0.12  # log brightness, and length of the log hue, by which skin varies over centimetres
# Log darkness in red light of chin, jaw and upper lip, of both sides and of the darkest quarter, as beards leave parts
# bare: shaved, bearded; and of what belongs to a beard round them.
_BEARD, _BEARD_SHARE, _BEARD_ROUND = (0.42, 0.58), 0.75, (0.15, 0.45)
_LEAST_CHIN = 0.35  # share of these, that must be seen
_TURNED = (0.25, 0.6)  # cosine between surface and view from which parts are told there, and are fully believed
_GRAZING = (0.32, 0.66)  # the same of colours: light along the surface leaves a rim
_GRAZING_BEARD = (0.1, 0.35)  # the same in a beard, which is dull
_FOLDED = (0.04, 0.16)  # share of its area that an expression takes from skin: smooth still, folded
_TUCKED = (1.7, 3.0)  # times as large as a photo shows them are lids when they close: they keep it, they lose it
_MOST_GAIN = (1.6, 2.6)  # over the usual: noise in shadows is amplified, then the photo is not used
_UNLIKE_SKIN = (0.9, 1.3)  # largest log ratio of a channel to skin: a bare scalp in other light, hair
_ROUGH = (0.02, 0.035)  # log brightness over millimetres: a bare scalp, hair of the skin's colour
_LEAST_SCALP = 0.06  # share of the scalp that must be seen for a head to be called bald
_COVERED = (0.45, 0.5)  # share of the scalp that hair or a hat covers, as far as it is known: bald, not bald
_HAIR_AREA = (0.1, 0.14)  # area of the hair in the photo over that of the face, likewise
_CROSSED = 0.02  # of what lies round the eyes, that was painted: something was before them
_HELD, _DIMMEST = 0.1, 0.35  # weight, beside seen skin's, of what is not seen; the least light there over the usual
_MOST_FOREIGN = 0.5  # of the face's skin; more than this is a mistake of whoever told the parts
_DARK_HAIR = np.array([0.05, 0.035, 0.025], np.float32)  # linear, when no hair can be seen


@dataclass(frozen=True, eq=False)
class Covers:
    """What the photo's parts say about the vertices that it shows; (V,) float32 in [0, 1] each."""

    told: bool  # False: nothing is known, all is 0
    on_skin: np.ndarray  # hair, hats or clothes lie on it, told at any slant
    foreign: np.ndarray  # the same, as far as it is believed
    hair: np.ndarray  # it bears hair
    face: np.ndarray  # it is a bare part of the face

    @staticmethod
    def of(view: HeadView, shown: np.ndarray) -> Covers:
        """At the vertices of a view, as far as they are `shown`: neither grazing nor behind the head, (V,)."""
        foreign, hair, face = view.part_shares(view.points[:, :2]).T
        return Covers(view.parts is not None, foreign, shown * foreign, shown * hair, shown * face * (1.0 - foreign))


class Texture:
    """(photo, coefficients, camera, landmarks) -> texture of `size` x `size` texels."""

    def __init__(self, model: FaceModel, size: int = 1024, fringe: bool = True) -> None:
        """`fringe`: hair is painted where it hangs into the face; not wanted below a mesh that shows it."""
        self._model, self._size, self._fringe = model, size, fringe
        self._atlas = build_atlas(model, size)
        self._regions = skin_regions(model)
        self._skin, _ = self._atlas.skin.pictured()
        self._mirror_x, self._mirror_y = cv2.split(self._atlas.mirror)
        self._blender = SkinBlender(model, self._atlas, self._skin, self._regions.allowed)
        self._eyes = eye_texels(model, self._atlas)
        self._teeth = {name: texels for name, texels in self._atlas.parts.items() if name.startswith("teeth")}
        self._tooth_tint = {name: tooth_tint(model, texels) for name, texels in self._teeth.items()}
        self._shadow = mouth_shadow(model)
        self._lashes = LashLines.of(model, self._atlas.skin)
        self._resting = vertex_areas(model.vertices, model.triangles)
        self._blink = np.isin(model.expression_names, ("eyeBlinkLeft", "eyeBlinkRight")).astype(np.float32)

    def __call__(
        self,
        photo: np.ndarray,
        params: FaceParams,
        camera: Camera,
        landmarks: Landmarks,
        completed: np.ndarray | None = None,
        vertices: np.ndarray | None = None,
        parts: np.ndarray | None = None,
    ) -> FaceTexture:
        """Unwrap a (H, W, 3) uint8 RGB photo; (H, W) `completed` is set where its pixels were painted.

        `vertices` (V, 3) is the head where it is not the one that the coefficients make. `parts` (H, W) uint8 are
        indices of `PARTS`; hair, hats and clothes are then told from skin by them, otherwise by their colours alone.
        """
        if vertices is None:
            vertices = self._model.shape(params.identity, params.expression)
        view = view_head(self._model, vertices, photo, camera, self._size, parts)
        albedo = self._model.albedo(params.albedo) * self._shadow[:, None]
        colors = view.averages(_AVERAGED)
        there = view.away_from_edges(view.points) * (view.visible & self._regions.skin)
        shown = smoothstep(view.facing, *_TURNED) * there
        view = self._believed(view, shown)
        covers = Covers.of(view, shown)
        open_to_view = 1.0 - occlusion(self._regions, landmarks.visibility)
        seen = np.minimum(smoothstep(view.facing, *_GRAZING) * there, shown - covers.foreign) * open_to_view
        places = project(camera, vertices)[:, :2]
        orbits = self._open_orbits(view, covers, completed, places)
        reading, bearded = self._read(colors, albedo, view, seen, covers, orbits)
        hair, hairy = self._hair(view, reading, covers)
        grown = bearded * self._regions.full_beard * smoothstep(view.facing, *_GRAZING_BEARD)
        seen = np.maximum(seen, grown * there * open_to_view * (1.0 - covers.on_skin))
        areas = self._areas(params.expression)
        seen = seen * (1.0 - self._tucked(areas, params.expression, view.facing))
        folded = self._folded(areas) * (1.0 - bearded * self._regions.full_beard)
        fields = self._fields(seen, reading, albedo, covers, hair, hairy, bearded, folded)
        fields = replace(fields, bare=fields.bare * (1.0 - orbits))
        color, source = self._blender.blend(view, fields)
        if completed is not None and completed.any():
            self._mark_completed(source, completed, places)
        self._lashes.draw(color, view, *self._plain_skin(colors, reading))
        plain = self._regions.plain > 0.5
        iris, white = read_eyes(self._eyes, view, reading, plain)
        teeth, teeth_seen = self._painted_teeth(view, albedo, reading, plain)
        self._paint_parts(color, source, albedo, iris, white, teeth)
        return FaceTexture(
            color=cv2.merge(each(self._encoded, color)),
            source=source,
            iris_color=lighting.linear_to_srgb(iris),
            hair_color=lighting.linear_to_srgb(hair),
            white_color=lighting.linear_to_srgb(white),
            light=self._light(fields.gain, view, seen),
            teeth_seen=teeth_seen,
        )

    def _open_orbits(
        self, view: HeadView, covers: Covers, completed: np.ndarray | None, points: np.ndarray
    ) -> np.ndarray:
        """(V,) in [0, 1]: round eyes before which nothing is or was, so that what is dark there is their own.

        `completed` is (H, W), `points` (V, 2) are the vertices in its pixels.
        """
        orbits = self._regions.orbits
        if not covers.told:
            return np.zeros_like(orbits)
        if completed is not None and completed.any():
            x, y = np.rint(np.clip(points, 0, np.array(completed.shape[::-1]) - 1)).astype(int).T
            near = orbits * view.visible
            if near @ (completed[y, x] > 0) > _CROSSED * near.sum():
                return np.zeros_like(orbits)
        return orbits

    def _light(self, gain: np.ndarray, view: HeadView, seen: np.ndarray) -> np.ndarray:
        """(9,) light that undoes the (V, 3) gain where (V,) is seen; elsewhere it is not dark.

        Left free, it would be black on the side that the photo does not show.
        """
        weight, shading = seen * self._regions.plain, 1.0 / (gain @ LUMINANCE)
        elsewhere = np.maximum(shading, _DIMMEST * weighted_median(shading, weight))
        shading = weight * shading + (1.0 - weight) * elsewhere
        return light_of_shading(shading, view.normals, np.maximum(weight, _HELD * self._regions.skin))

    def _read(
        self,
        colors: np.ndarray,
        albedo: np.ndarray,
        view: HeadView,
        seen: np.ndarray,
        covers: Covers,
        orbits: np.ndarray,
    ) -> tuple[SkinReading, float]:
        """The skin as read from (V, 3) colours where (V,) is seen, and how surely it bears a beard, in [0, 1].

        A beard says nothing about the light: read with the rest, it would pass for shadow. Where the parts are not
        known, what is dark about the mouth may be anything.
        """
        regions = self._regions
        plain, tolerance = seen * regions.plain, regions.tolerance.round_eyes(orbits)
        reading = read_skin(colors, albedo, view.normals, plain, tolerance, covers.told).exposed(plain)
        if not covers.told or self._bearded(reading, seen * regions.even) == 0.0:
            return reading.unshaded(orbits, plain), 0.0
        bare, tolerance = plain * (1.0 - regions.full_beard), tolerance.bearing(regions.full_beard)
        reading = read_skin(colors, albedo, view.normals, plain, tolerance, covers.told, regions.full_beard)
        reading = reading.exposed(bare)
        bearded = self._bearded(reading, seen * regions.even)
        return reading.unshaded(np.maximum(bearded * regions.full_beard, orbits), bare), bearded

    def _believed(self, view: HeadView, shown: np.ndarray) -> HeadView:
        """The view, without its parts where they leave too little of the face of which (V,) is `shown`."""
        plain = shown * self._regions.plain
        foreign = view.part_shares(view.points[:, :2])[:, 0]
        return view if plain @ foreign <= _MOST_FOREIGN * plain.sum() else replace(view, parts=None)

    def _fields(
        self,
        seen: np.ndarray,
        reading: SkinReading,
        albedo: np.ndarray,
        covers: Covers,
        hair: np.ndarray,
        hairy: float,
        bearded: float,
        folded: np.ndarray,
    ) -> SkinFields:
        regions = self._regions
        trust, cut_off = self._connected(self._drawn_back(reading.trust), seen)
        weight = seen * regions.allowed * trust
        weight *= _bearable(1.0 / (reading.shading @ LUMINANCE), weight)
        correction, complexion = self._low_frequencies(reading, weight, bearded, folded)
        gain = np.exp(correction) / reading.shading
        fringe = covers.hair if covers.told else seen * (1.0 - trust) * np.maximum(reading.dark, cut_off)
        hung = hairy * regions.hung(regions.forehead * fringe) if self._fringe else np.zeros_like(fringe)
        scalp = regions.scalp * (covers.hair + hairy * (1.0 - covers.hair - covers.face))
        return SkinFields(
            weight=weight * _bearable(gain @ LUMINANCE, weight),
            gain=gain,
            fill=np.clip(albedo * np.exp(complexion), 0.0, 1.0),
            scalp=regions.hairline(np.maximum(scalp, hung)),
            bare=regions.bare * (1.0 - bearded * regions.full_beard),
            even=regions.even,
            lined=regions.lined,
            glossy=np.maximum(regions.even, regions.lips),
            folded=folded,
            hair=hair,
        )

    def _folded(self, areas: np.ndarray) -> np.ndarray:
        """(V,) in [0, 1]: even skin that the expression presses together, to (V,) areas, so much that it folds."""
        pressed = self._regions.fine(1.0 - areas / np.maximum(self._resting, 1e-12))
        return smoothstep(pressed, *_FOLDED) * self._regions.even

    def _areas(self, expression: np.ndarray) -> np.ndarray:
        """(V,) square metres round the mean head's vertices, with (64,) sliders."""
        moved = self._model.vertices + np.tensordot(expression, self._model.expression_basis, 1)
        return vertex_areas(moved, self._model.triangles)

    def _tucked(self, now: np.ndarray, expression: np.ndarray, facing: np.ndarray) -> np.ndarray:
        """(V,) in [0, 1]: lids that the photo shows so narrow that closed eyes would draw its lashes out to smears.

        `now` are (V,) areas under the (64,) expression, `facing` (V,) the cosine between surface and view.
        """
        closed = self._areas(np.maximum(expression, self._blink))
        wider = closed / np.maximum(now * np.maximum(facing, 0.05), 1e-12)
        lids = self._regions.orbits * (closed > 1.05 * now)
        return smoothstep(wider, *_TUCKED) * lids

    def _drawn_back(self, trust: np.ndarray) -> np.ndarray:
        """Trust without lone believers inside an occluder and with its edges drawn back."""
        return smoothstep(np.minimum(self._regions.fine(trust), trust), 0.45, 0.85)

    def _connected(self, trust: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Trust only in the piece of skin that holds the middle of the face, and what was cut off; (V,) each.

        Highlights on a fringe look like skin but are separated from it by the hair around them.
        """
        piece = self._regions.pieces((trust > 0.5) & (seen > 0.02))
        weight = np.bincount(piece, trust * seen * self._regions.plain, minlength=2)
        weight[0] = 0.0  # no piece
        cut_off = ((piece > 0) & (piece != weight.argmax())).astype(np.float32)
        return trust * (1.0 - self._regions.fine(cut_off)) * (1.0 - cut_off), cut_off

    def _low_frequencies(
        self, reading: SkinReading, weight: np.ndarray, bearded: float, folded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(V, 3) log factor that takes leftover light out of the photo; log ratio of the fill to the model.

        What differs between the sides over centimetres is light that nine harmonics missed, not skin; on plain
        skin part of the rest is, too. The fill follows the corrected photo, so the two meet without a seam.
        """
        regions, mirror = self._regions, self._model.mirror
        even = weight * regions.even * (1.0 - folded)
        wide, far = regions.wide.extend(reading.log_ratio, even, reading.usual)
        complexion, near = regions.coarse.extend(reading.log_ratio, even, wide)
        own, _ = regions.coarse.extend(reading.log_ratio, weight * regions.lips, reading.usual)
        of_lips = own - complexion
        complexion += bearded * regions.lips[:, None] * of_lips  # they are none of the beard
        known = np.maximum(far, 1e-4)
        bright = (wide - reading.usual) @ LUMINANCE
        both = (bright * known + bright[mirror] * known[mirror]) / (known + known[mirror])
        patches = (complexion - wide) @ LUMINANCE
        hue = complexion - reading.usual
        hue -= (hue @ LUMINANCE)[:, None]
        hue *= smoothstep(near, 0.0, 0.3)[:, None]  # the rim of the seen skin is a poor witness
        kept, patched = self._kept(even, bright, patches, bearded)
        # hue may be evened out at a finer scale than brightness: the eye sees no halos in it
        spread = 1.48 * weighted_median(np.linalg.norm(hue, axis=1), even)
        tinted = kept**1.5 * min(1.0, _VARIED_HUE / max(spread, 1e-3))
        correction = (kept * both - bright + (patched - 1.0) * patches)[:, None] + (tinted - 1.0)[:, None] * hue
        return correction, complexion + (1.0 - bearded) * regions.inner_lips[:, None] * of_lips + correction

    def _kept(
        self, weight: np.ndarray, slow: np.ndarray, patches: np.ndarray, bearded: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """(V,) shares of slow changes of brightness, and of patches, that are the person's own: all in a beard.

        On skin they are part of them; the more a face varies, the less of it is skin and the more is light.
        """
        beard = self._regions.beard
        around = self._regions.full_beard * smoothstep(-slow - patches, *_BEARD_ROUND)
        growth = bearded * np.maximum(beard, around)
        own = []
        for change, share in ((slow, _KEPT), (patches, 1.0)):
            spread = 1.48 * weighted_median(np.abs(change), weight * (1.0 - beard))
            on_skin = min(share, _VARIED / max(spread, 1e-3))
            own.append(on_skin + (1.0 - on_skin) * growth)
        return own[0], own[1]

    def _bearded(self, reading: SkinReading, weight: np.ndarray) -> float:
        """How surely the person has a beard, in [0, 1], by (V,) weights of the skin that is seen."""
        mirror, weight = self._model.mirror, weight * reading.trust
        place = self._regions.allowed * self._regions.even * (self._regions.beard > 0.9)
        grown = weight * (place > 0.0)
        if grown.sum() < _LEAST_CHIN * place.sum():
            return 0.0
        depth = (reading.usual - reading.log_ratio)[:, 0]  # red light: a flush dims the others
        depth = np.where(weight[mirror] > 0.3, np.minimum(depth, depth[mirror]), depth)  # shadows are of one side
        return float(smoothstep(weighted_quantile(depth, grown, _BEARD_SHARE), *_BEARD))

    def _hair(self, view: HeadView, reading: SkinReading, covers: Covers) -> tuple[np.ndarray, float]:
        """(3,) linear albedo of the hair, and how much of the scalp bears any: 0 for a bald one, 1 for hair.

        Where the parts of the head are not known, what lies above the forehead is told from skin by its colour.
        """
        if covers.told:
            hair = robust_color(view.colors_where(view.hair_pixels))
            lit = weighted_median(reading.shading @ LUMINANCE, self._regions.plain * covers.face)
            return _DARK_HAIR if hair is None else _bounded(hair / max(lit, 1e-3)), self._hairy(view)
        crown = np.flatnonzero(self._regions.crown & view.visible & (view.facing > 0.3))
        hair = robust_color(np.exp(reading.log_albedo[crown]))
        if hair is None:
            return _DARK_HAIR, 1.0
        departure = np.abs(np.median(reading.log_ratio[crown], axis=0) - reading.usual).max()
        bright = reading.log_ratio @ LUMINANCE
        roughness = np.median(np.abs(bright - self._regions.fine(bright))[crown])
        hairy = np.maximum(smoothstep(departure, *_UNLIKE_SKIN), smoothstep(roughness, *_ROUGH))
        return _bounded(hair), float(hairy)

    def _hairy(self, view: HeadView) -> float:
        """1 where the parts show hair or a hat on the head, 0 for a bald one; a foreign rim is a mistake.

        A photo that ends at the forehead tells neither: most people have hair.
        """
        scalp = self._regions.scalp > 0
        foreign, _, face = view.part_shares(view.points[:, :2])[scalp & view.visible].sum(axis=0)
        if foreign + face <= _LEAST_SCALP * scalp.sum():
            return 1.0
        by_area = float(view.hair_pixels.sum()) / max(float(view.face_pixels.sum()), 1.0)
        return float(max(smoothstep(foreign / (foreign + face), *_COVERED), smoothstep(by_area, *_HAIR_AREA)))

    def _encoded(self, plane: np.ndarray) -> np.ndarray:
        """(S, S) uint8 sRGB levels of a linear plane, carried on beyond the layout."""
        levels = lighting.srgb_levels(plane)
        self._atlas.pad(levels)
        return levels

    def _mark_completed(self, source: np.ndarray, completed: np.ndarray, points: np.ndarray) -> None:
        """Tell texels that show painted pixels, or mirror them, from those that show the person; in place.

        `completed` is (H, W), `points` (V, 2) are the vertices in its pixels.
        """
        x, y = self._skin.planes(points)
        border = cv2.BORDER_CONSTANT
        painted = cv2.remap(completed, x, y, cv2.INTER_NEAREST, borderMode=border)
        turned = cv2.remap(painted, self._mirror_x, self._mirror_y, cv2.INTER_NEAREST, borderMode=border)
        source[((source == SEEN) & (painted > 0)) | ((source == MIRRORED) & (turned > 0))] = COMPLETED

    def _plain_skin(self, colors: np.ndarray, reading: SkinReading) -> tuple[np.ndarray, np.ndarray]:
        """(3,) linear colour of the face's skin in the photo, of its (V, 3) colours, and without the light."""
        plain = (self._regions.plain > 0.5) & (reading.trust > 0.5)
        if not plain.any():
            return np.zeros(3, np.float32), self._model.albedo_mean[self._regions.plain > 0.5].mean(axis=0)
        return np.median(colors[plain], axis=0), np.exp(np.median(reading.log_albedo[plain], axis=0))

    def _painted_teeth(
        self, view: HeadView, albedo: np.ndarray, reading: SkinReading, plain: np.ndarray
    ) -> tuple[dict[str, np.ndarray], bool]:
        """(M, 3) linear colours of both rows by their names, as bright as the photo's, and whether it shows them."""
        usual = {name: texels.interpolate(albedo) * self._tooth_tint[name] for name, texels in self._teeth.items()}
        factor = read_teeth(list(self._teeth.values()), list(usual.values()), view, reading, plain)
        if factor is None:
            return usual, False
        return {name: np.minimum(colors * factor, WHITEST) for name, colors in usual.items()}, True

    def _paint_parts(
        self,
        color: list[np.ndarray],
        source: np.ndarray,
        albedo: np.ndarray,
        iris: np.ndarray,
        white: np.ndarray,
        teeth: dict[str, np.ndarray],
    ) -> None:
        """Eyes and teeth painted, every other part in the model's own colours; in place."""
        for name, texels in self._atlas.parts.items():
            if name in self._eyes:
                painted = paint_eye(self._eyes[name], iris, white)
            else:
                painted = teeth[name] if name in teeth else texels.interpolate(albedo)
            for plane, values in zip(color, painted.T, strict=True):
                plane.reshape(-1)[texels.index] = values
            source.reshape(-1)[texels.index] = MODEL


def _bounded(hair: np.ndarray) -> np.ndarray:
    return np.clip(hair, 0.004, 0.8).astype(np.float32)


def _bearable(gain: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(V,) in [0, 1], falling where the photo would be brightened so much that its noise shows."""
    usual = max(weighted_median(gain, weight), 1e-3)
    return smoothstep(gain / usual, _MOST_GAIN[1], _MOST_GAIN[0])
