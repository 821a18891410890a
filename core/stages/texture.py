"""Texture stage: the photo on the head's UV layout, de-lit; what it does not show is filled in from the model."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..geometry import lighting
from ..geometry.camera import project
from ..geometry.delighting import LUMINANCE, SkinReading, read_skin, smoothstep, weighted_median
from ..geometry.face_model import FaceModel
from ..geometry.part_painting import BROWN, IRIS_RADIUS, PUPIL_RADIUS, eye_texels, hair_strands, paint_eye, robust_color
from ..geometry.rasterizer import rasterize, vertex_normals, visible_points
from ..geometry.skin_regions import occlusion, skin_regions
from ..geometry.uv_sampling import build_atlas, sample
from ..types import Camera, FaceParams, FaceTexture, Landmarks

MODEL, MIRRORED, SEEN = 1, 2, 4  # values of FaceTexture.source; 0 is outside, 3 is a completion network's
_DEPTH_SIZE = 320  # pixels across the head in the depth buffer
_DEPTH_TOLERANCE = 0.003  # metres
_JUMP = 0.015  # metres of depth between neighbouring pixels
_JUMP_MARGIN = (0.002, 0.007)  # metres from a jump of depth: unbelieved, fully believed
_DARK_LINE = -0.5  # log brightness over the skin's at which a line across the face is no wrinkle
_GLARE = 0.12  # log brightness over the skin's beyond which a highlight is held back
_HELD_BACK = 0.75  # of that excess
_MOST_GAIN = (2.0, 3.5)  # over the usual: noise in shadows is amplified, then the photo is not used
_GRAZING = (0.18, 0.48)  # cosine between surface and view: unseen, fully believed


@dataclass(frozen=True, eq=False)
class _View:
    """The posed head in the photo, cut out and reduced to about the texture's own resolution."""

    photo: np.ndarray  # (h, w, 3) uint8 RGB, the part around the head
    points: np.ndarray  # (V, 3) float32: x, y in pixels of that part, depth in metres
    normals: np.ndarray  # (V, 3) float32, light frame
    facing: np.ndarray  # (V,) float32 cosine between normal and view
    depth: np.ndarray  # (d, e) float32 farthest depth in each neighbourhood, metres
    edge: np.ndarray  # (d, e) float32 in [0, 1]: 0 at jumps of depth, where a small misfit shows another surface
    depth_scale: float  # pixels of `depth` per pixel of `photo`
    visible: np.ndarray  # (V,) bool: not hidden by the head itself
    inside: np.ndarray  # (V,) bool: within the photo


class Texture:
    """(photo, coefficients, camera, landmarks) -> texture of `size` x `size` texels."""

    def __init__(self, model: FaceModel, size: int = 1024) -> None:
        self._model, self._size = model, size
        self._atlas = build_atlas(model, size)
        self._regions = skin_regions(model)
        self._eyes = eye_texels(model, self._atlas)
        self._strands = hair_strands(model, self._atlas.skin)

    def __call__(self, photo: np.ndarray, params: FaceParams, camera: Camera, landmarks: Landmarks) -> FaceTexture:
        """Unwrap a (H, W, 3) uint8 RGB photo."""
        view = self._view(photo, params, camera)
        albedo = self._model.albedo(params.albedo)
        colors = self._vertex_colors(view)
        seen = self._seen(view, landmarks)
        tolerance, regions = self._regions.tolerance, self._regions
        reading = read_skin(colors, albedo, view.normals, seen * regions.plain, tolerance)
        trust, cut_off = self._connected(self._smooth_trust(reading.trust), seen)
        weight = seen * regions.allowed * trust
        hair = self._hair_color(view, colors, reading)
        correction, base = self._low_frequencies(reading, weight)
        fill = np.clip(albedo * np.exp(base), 0.0, 1.0)
        gain = np.exp(correction) / reading.shading
        weight = weight * _bearable(gain @ LUMINANCE, weight)
        fringe = regions.forehead * seen * (1.0 - trust) * np.maximum(reading.dark, cut_off)
        scalp = np.maximum(regions.scalp, regions.fine(fringe))
        color, source = self._compose(view, gain, weight, fill, scalp, hair)
        iris = self._iris_color(view, reading)
        self._paint_parts(color, source, albedo, iris)
        self._atlas.pad(color)
        encoded = (lighting.linear_to_srgb(color) * 255.0 + 0.5).astype(np.uint8)
        return FaceTexture(
            color=encoded,
            source=source,
            iris_color=lighting.linear_to_srgb(iris),
            hair_color=lighting.linear_to_srgb(hair),
        )

    def _view(self, photo: np.ndarray, params: FaceParams, camera: Camera) -> _View:
        vertices = self._model.shape(params.identity, params.expression)
        points = project(camera, vertices).astype(np.float32)
        height, width = photo.shape[:2]
        inside = (points[:, 0] > 0) & (points[:, 0] < width - 1) & (points[:, 1] > 0) & (points[:, 1] < height - 1)
        part, points, shrink = _cut_out(photo, points, self._size)
        normals = vertex_normals(vertices, self._model.triangles) @ camera.rotation.T.astype(np.float32)
        rays = vertices @ camera.rotation.T.astype(np.float32) + camera.translation.astype(np.float32)
        facing = -(normals * rays).sum(axis=1) / np.linalg.norm(rays, axis=1)
        metre = shrink * camera.focal / float(camera.translation[2])
        depth, edge, scale, visible = self._depth(points, metre)
        return _View(
            photo=part,
            points=points,
            normals=lighting.camera_normals_to_light(normals),
            facing=facing,
            depth=depth,
            edge=edge,
            depth_scale=scale,
            visible=visible,
            inside=inside,
        )

    def _depth(self, points: np.ndarray, metre: float) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Depth buffer without corneas and lashes, its edges and scale, and the vertices it leaves visible.

        `metre` is the length of a metre at the head, in the photo's pixels.
        """
        model = self._model
        solid = ~np.isin(
            model.triangle_part, [i for i, n in enumerate(model.part_names) if n.startswith(("cornea", "lashes"))]
        )
        extent = points[:, :2].max(axis=0)
        scale = _DEPTH_SIZE / float(max(extent.max(), 1.0))
        width, height = np.maximum(np.ceil(extent * scale).astype(int) + 2, 2)
        scaled = points * np.array([scale, scale, 1.0], np.float32)
        raster = rasterize(scaled, model.triangles[solid], int(width), int(height))
        visible = visible_points(raster, scaled, _DEPTH_TOLERANCE)
        finite = np.where(np.isfinite(raster.depth), raster.depth, 1e3).astype(np.float32)
        jump = cv2.morphologyEx(finite, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > _JUMP
        away = cv2.distanceTransform((~jump).astype(np.uint8), cv2.DIST_L2, 3)
        edge = smoothstep(away, *(scale * metre * margin for margin in _JUMP_MARGIN))
        return cv2.dilate(finite, np.ones((2, 2), np.uint8)), edge, scale, visible

    def _vertex_colors(self, view: _View) -> np.ndarray:
        """(V, 3) linear photo colours, averaged over about the spacing of the vertices."""
        span = float(np.ptp(view.points[:, 0]))
        sigma = max(0.4, 0.008 * span)
        blurred = cv2.GaussianBlur(view.photo, (0, 0), sigma)
        return lighting.srgb_to_linear(sample(blurred, view.points[:, :2]).astype(np.float32) / 255.0)

    def _seen(self, view: _View, landmarks: Landmarks) -> np.ndarray:
        """(V,) float32: skin that the photo shows, not grazing, not hidden by the head or by something else."""
        facing = smoothstep(view.facing, *_GRAZING) * sample(view.edge, view.points[:, :2] * view.depth_scale)
        clear = 1.0 - occlusion(self._regions, landmarks.visibility)
        return facing * clear * (view.visible & view.inside & self._regions.skin)

    def _smooth_trust(self, trust: np.ndarray) -> np.ndarray:
        """Trust without lone believers inside an occluder and with its edges drawn back."""
        blurred = self._regions.fine(trust)
        return smoothstep(np.minimum(blurred, trust), 0.45, 0.85)

    def _connected(self, trust: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Trust only in the piece of skin that holds the middle of the face, and what was cut off; (V,) each.

        Highlights on a fringe look like skin but are separated from it by the hair around them.
        """
        piece = self._regions.pieces((trust > 0.5) & (seen > 0.02))
        weight = np.bincount(piece, trust * seen * self._regions.plain, minlength=2)
        weight[0] = 0.0  # no piece
        cut_off = ((piece > 0) & (piece != weight.argmax())).astype(np.float32)
        return trust * (1.0 - self._regions.fine(cut_off)) * (1.0 - cut_off), cut_off

    def _low_frequencies(self, reading: SkinReading, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(V, 3) log factor that takes leftover light out of the photo, and the log ratio of the fill to the model.

        What differs between the sides over centimetres is light that nine harmonics missed, not skin; on plain
        skin part of the rest is, too. The fill follows the corrected photo, so that the two meet without a seam.
        """
        regions, mirror = self._regions, self._model.mirror
        even = weight * regions.even
        wide = regions.wide.extend(reading.log_ratio, even, reading.usual)
        complexion = regions.coarse.extend(reading.log_ratio, even, wide)
        known = np.maximum(regions.wide(even), 1e-4)
        bright = (wide - reading.usual) @ LUMINANCE
        both = (bright * known + bright[mirror] * known[mirror]) / (known + known[mirror])
        hue = complexion - reading.usual
        hue -= (hue @ LUMINANCE)[:, None]
        # hue may be evened out at a finer scale than brightness: the eye sees no halos in it
        correction = (regions.kept * both - bright)[:, None] + (regions.kept[:, None] ** 1.5 - 1.0) * hue
        return correction, complexion + correction

    def _compose(
        self,
        view: _View,
        gain: np.ndarray,
        weight: np.ndarray,
        fill: np.ndarray,
        scalp: np.ndarray,
        hair: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Linear colour (S, S, 3) and source (S, S) of the skin's texels."""
        atlas = self._atlas
        fields = [view.points, weight[:, None], gain, fill, scalp[:, None], self._regions.bare[:, None]]
        texels = atlas.skin.interpolate(np.concatenate(fields, axis=1))
        smooth = texels[:, 7:10]
        photo = _to_linear(sample(view.photo, texels[:, :2])) * texels[:, 4:7]
        departure = np.log((photo @ LUMINANCE + 1e-3) / (smooth @ LUMINANCE + 1e-3))
        weights = self._texel_weight(view, texels) * (1.0 - self._thin_occluders(departure, texels[:, 11]))
        photo = _without_glare(photo, smooth, departure)
        seen = atlas.skin.image(np.concatenate([photo, weights[:, None]], axis=1))
        mirrored = cv2.remap(seen, atlas.mirror[..., 0], atlas.mirror[..., 1], cv2.INTER_LINEAR)
        mirrored = mirrored.reshape(-1, 4)[atlas.skin.index]
        other = (1.0 - weights) * mirrored[:, 3]
        rest = (1.0 - weights - other)[:, None]
        color = photo * weights[:, None] + mirrored[:, :3] * other[:, None] + smooth * rest
        rooted = texels[:, 10:11]
        color = color * (1.0 - rooted) + hair * self._strands[:, None] * rooted
        weights, other = weights * (1.0 - rooted[:, 0]), other * (1.0 - rooted[:, 0])
        source = np.full(len(color), MODEL, np.uint8)
        source[other > 0.5] = MIRRORED
        source[weights > 0.5] = SEEN
        sources = np.zeros(self._size**2, np.uint8)
        sources[atlas.skin.index] = source
        return atlas.skin.image(np.clip(color, 0.0, 1.0)), sources.reshape(self._size, self._size)

    def _texel_weight(self, view: _View, texels: np.ndarray) -> np.ndarray:
        """(M,) weight of the photo: the vertices' own, cut where the depth buffer hides the texel, feathered."""
        nearest = sample(view.depth, texels[:, :2] * view.depth_scale)
        shown = texels[:, 2] <= nearest + _DEPTH_TOLERANCE
        picture = self._atlas.skin.image(np.where(shown, texels[:, 3], 0.0))
        radius = self._size / 256.0
        feathered = cv2.GaussianBlur(cv2.erode(picture, np.ones((5, 5), np.uint8)), (0, 0), radius)
        return np.minimum(feathered.ravel()[self._atlas.skin.index], texels[:, 3])

    def _thin_occluders(self, departure: np.ndarray, bare: np.ndarray) -> np.ndarray:
        """(M,) in [0, 1]: texels by the rims of glasses, strands of hair and the like.

        `departure` (M,) is the log of the photo's brightness over the fill's; freckles and moles are too small.
        """
        picture = self._atlas.skin.image((departure * bare < _DARK_LINE).astype(np.float32))
        unit = self._size / 1024.0
        core = cv2.morphologyEx(picture, cv2.MORPH_OPEN, _disk(2.0 * unit))
        grown = cv2.dilate(core, _disk(7.0 * unit))
        return cv2.GaussianBlur(grown, (0, 0), 2.5 * unit).ravel()[self._atlas.skin.index]

    def _hair_color(self, view: _View, colors: np.ndarray, reading: SkinReading) -> np.ndarray:
        """(3,) linear albedo of the hair above the forehead; the skin's own when the scalp is bare."""
        model = self._model
        top = model.in_regions("scalp") & view.visible & view.inside & (view.facing > 0.3)
        front = top & (model.vertices[:, 2] > np.median(model.vertices[model.in_regions("scalp"), 2]))
        if front.sum() < 12:
            return np.array([0.05, 0.035, 0.025], np.float32)
        level = np.median(reading.shading[front], axis=0)
        found = robust_color(colors[front])
        assert found is not None
        return np.clip(found / np.maximum(level, 1e-3), 0.004, 0.8).astype(np.float32)

    def _iris_color(self, view: _View, reading: SkinReading) -> np.ndarray:
        """(3,) linear iris albedo from both eyes' visible iris pixels, brown when there are too few."""
        pixels = []
        for name, eye in self._eyes.items():
            if not name.startswith("eyeball"):
                continue
            ring = (eye.radius > 1.15 * PUPIL_RADIUS) & (eye.radius < 0.9 * IRIS_RADIUS)
            points = eye.texels.weights[np.flatnonzero(ring)] @ view.points
            hidden = sample(view.depth, points[:, :2] * view.depth_scale) + _DEPTH_TOLERANCE < points[:, 2]
            pixels.append(_to_linear(sample(view.photo, points[~hidden, :2])))
        found = robust_color(np.concatenate(pixels)) if pixels else None
        if found is None:
            return lighting.srgb_to_linear(BROWN)
        level = np.median(reading.shading[self._regions.plain > 0.5] @ LUMINANCE)
        return np.clip(found / max(float(level), 1e-3), 0.01, 0.6).astype(np.float32)

    def _paint_parts(self, color: np.ndarray, source: np.ndarray, albedo: np.ndarray, iris: np.ndarray) -> None:
        """Eyes painted, every other part in the model's own colours; in place."""
        flat, sources = color.reshape(-1, 3), source.reshape(-1)
        for name, texels in self._atlas.parts.items():
            eye = self._eyes.get(name)
            flat[texels.index] = paint_eye(eye, iris) if eye else texels.interpolate(albedo)
            sources[texels.index] = MODEL


def _bearable(gain: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(V,) in [0, 1], falling where the photo would be brightened so much that its noise shows."""
    usual = max(weighted_median(gain, weight), 1e-3)
    return smoothstep(gain / usual, _MOST_GAIN[1], _MOST_GAIN[0])


def _disk(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _without_glare(photo: np.ndarray, smooth: np.ndarray, departure: np.ndarray) -> np.ndarray:
    """(M, 3) `photo` with highlights held back and in the hue of the `smooth` skin: glints belong to the light.

    `departure` (M,) is the log of the photo's brightness over the smooth skin's.
    """
    held = np.exp(-_HELD_BACK * np.maximum(departure - _GLARE, 0.0))[:, None]
    share = smoothstep(departure, 0.0, 4.0 * _GLARE)[:, None]
    return held * (photo + share * (smooth * np.exp(departure)[:, None] - photo))


def _cut_out(photo: np.ndarray, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The photo round the projected head, shrunk where it is finer than the texture; moved points; its scale."""
    height, width = photo.shape[:2]
    low = np.clip(np.floor(points[:, :2].min(axis=0)) - 8, 0, [width - 2, height - 2]).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(axis=0)) + 8, low + 2, [width, height]).astype(int)
    part = photo[low[1] : high[1], low[0] : high[0]]
    factor = min(1.0, 1.2 * size / float(np.ptp(points[:, 0])))
    if factor < 1.0:
        target = np.maximum(np.round((high - low) * factor), 2).astype(int)
        part = cv2.resize(part, (int(target[0]), int(target[1])), interpolation=cv2.INTER_AREA)
    scale = np.array([part.shape[1], part.shape[0]]) / (high - low)
    moved = points.copy()
    moved[:, :2] = (points[:, :2] - low + 0.5) * scale - 0.5
    return np.ascontiguousarray(part), moved, float(scale[0])


_LINEAR = lighting.srgb_to_linear(np.arange(256, dtype=np.float32) / 255.0)


def _to_linear(encoded: np.ndarray) -> np.ndarray:
    """uint8 sRGB of any shape to linear float32."""
    return _LINEAR[encoded]
