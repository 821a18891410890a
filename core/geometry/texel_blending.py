"""The photo, its mirror image and the model brought together on the skin's texels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..parallel import each
from .delighting import smoothstep
from .face_model import FaceModel
from .head_view import HeadView
from .mesh_smoothing import triangle_areas
from .part_painting import hair_strands, pores
from .planes import disk, luminance
from .uv_sampling import Atlas, PictureMap, TexelMap

MODEL, MIRRORED, COMPLETED, SEEN = 1, 2, 3, 4  # values of FaceTexture.source: one above FaceResult.confidence's
_DARK_LINE = -0.5  # log brightness over the skin's at which a line across the face is no wrinkle
_CARRIED_ON = 0.0035  # metres that an occluder found on bare skin is followed into brows and lashes
_OTHER_HUE = 0.45  # length of the log hue at which a line is no skin
_GLARE = 0.12  # log brightness over the skin's beyond which a highlight is held back
_HELD_BACK = 0.75  # of that excess
_SHADOW = 0.0012  # metres over which the two sides of a face are compared
_UNLIKE = 0.1  # log brightness by which they differ on skin
_LARGE = 3e-5  # square metres of a shadow or a fold
_TAKEN = 0.85  # of a one-sided shadow that is taken for one
_FOLD, _FOLD_WIDTH = 0.008, 0.0006  # metres: the least length of a fold, and what is finer than one
_UNFOLDED = 0.8  # of a fold's darkness
_RAGGED = 0.5  # how far strands reach over the hairline
_HAIRLINE = (0.15, 0.85)  # of the hair's field, beyond which no strand reaches
_GRAIN_SIZE = 3.0  # texels
_GRAIN_WINDOW = 15  # texels within which a deviation is taken
_SMOOTHEST = 0.2  # share of such windows that are smoother than the one that counts
_MOST_GRAIN = 0.06  # log brightness; more than this is noise or hair, not skin


@dataclass(frozen=True, eq=False)
class SkinFields:
    """What is known per vertex before blending; colours linear."""

    weight: np.ndarray  # (V,) in [0, 1], trust in the photo
    gain: np.ndarray  # (V, 3) factor that turns the photo into albedo
    fill: np.ndarray  # (V, 3) albedo where there is no photo
    scalp: np.ndarray  # (V,) in [0, 1], hair above one half
    bare: np.ndarray  # (V,) in [0, 1], where a dark line is no part of a face
    even: np.ndarray  # (V,) in [0, 1], away from lips, brows and lashes, whose edges the fit may miss
    lined: np.ndarray  # (V,) in [0, 1], brows and lashes, into which such a line may go on
    glossy: np.ndarray  # (V,) in [0, 1], where what is brighter than the fill is a highlight: not where brows are thin
    folded: np.ndarray  # (V,) in [0, 1], where the expression folds the skin, so that a dark line is no albedo
    hair: np.ndarray  # (3,) albedo of the hair


@dataclass(frozen=True, eq=False)
class _FacePhoto:
    """What the photo says about the window of the face, (h, w) float32 planes."""

    color: list[np.ndarray]  # linear albedo, the photo's and its mirror image's, weighted; add to the rest
    seen: np.ndarray  # weight of the photo
    mirrored: np.ndarray  # weight of the mirror image
    grain: float  # deviation of the log brightness at the scale of pores


class SkinBlender:
    """Blends on one atlas, in pictures of the layout and of the face's window in it; see `blend`."""

    def __init__(self, model: FaceModel, atlas: Atlas, pixels: PictureMap, allowed: np.ndarray) -> None:
        """`pixels` are all of the layout's, those of the skin known.

        `allowed` (V,): 0 where no photo is ever used; texels there are filled without looking at one.
        """
        skin = atlas.skin
        self._metre, self._skin = texels_per_metre(model, atlas.size), pixels
        self._inside = skin.image(np.ones(len(skin.index), np.float32)).astype(np.uint8)
        self._strands = 1.0 + skin.image(hair_strands(model, skin))
        self._pores = skin.image(pores(skin))
        rows = _on_one_chart(self._inside, skin, skin.interpolate(allowed) > 0)
        self._face, self._window = skin.pictured(rows)
        corner = np.array([self._window[1].start, self._window[0].start], np.float32)
        mirror = atlas.mirror[self._window] - corner
        self._mirror = np.ascontiguousarray(mirror[..., 0]), np.ascontiguousarray(mirror[..., 1])

    def blend(self, view: HeadView, fields: SkinFields) -> tuple[list[np.ndarray], np.ndarray]:
        """Linear colour, three (S, S) float32 planes, and source, (S, S) uint8; all 0 outside the skin."""
        *color, hair = self._skin.planes(np.concatenate([fields.fill, fields.scalp[:, None]], axis=1))
        face = self._read_photo(view, fields, [plane[self._window] for plane in color])
        scalp = self._hairline(hair)
        pored, rest = np.exp(face.grain * self._pores), 1.0 - face.seen - face.mirrored

        def blend_in(plane: np.ndarray, own: np.ndarray, tint: float) -> None:
            plane *= pored
            plane[self._window] *= rest
            plane[self._window] += own
            hairy = tint * self._strands
            hairy -= plane
            hairy *= scalp
            plane += hairy
            np.clip(plane, 0.0, 1.0, out=plane)

        each(blend_in, color, face.color, fields.hair)
        source, skin = MODEL * self._inside, 1.0 - scalp[self._window]
        source[self._window][face.mirrored * skin > 0.5] = MIRRORED
        source[self._window][face.seen * skin > 0.5] = SEEN
        return color, source

    def _read_photo(self, view: HeadView, fields: SkinFields, smooth: list[np.ndarray]) -> _FacePhoto:
        """The photo on the window of the face; `smooth` is the fill there, three (h, w) planes."""
        single = [field[:, None] for field in (
            fields.weight, fields.bare, fields.lined, fields.glossy, fields.even, fields.folded
        )]  # fmt: skip
        x, y, depth, *gains, weight, bare, lined, glossy, even, folded = self._face.planes(
            np.concatenate([view.points, fields.gain, *single], axis=1)
        )
        photo = [plane * gain for plane, gain in zip(view.color_planes(x, y), gains, strict=True)]
        ratio = [cv2.log((plane + 2e-3) / (fill + 2e-3)) for plane, fill in zip(photo, smooth, strict=True)]
        departure = luminance(ratio)
        hue = np.sum([(plane - departure) ** 2 for plane in ratio], axis=0)
        seen = self._feathered(weight * view.open_plane(x, y, depth))
        brows = view.brow_plane(x, y)
        seen *= 1.0 - self._thin_occluders(hue, departure, bare * (1.0 - brows), lined * (1.0 - brows))
        _hold_glare(photo, smooth, departure, glossy)
        self._unfold(photo, ratio, departure, folded)
        *other, known = self._turned([*photo, seen])
        lighter = self._one_sided(photo, other, np.minimum(seen, known) * even)
        mirrored = (1.0 - seen) * known
        sides = zip(photo, lighter, other, strict=True)
        color = [own * factor * seen + turned * mirrored for own, factor, turned in sides]
        return _FacePhoto(color, seen, mirrored, self._grain(departure, seen))

    def _one_sided(self, photo: list[np.ndarray], turned: list[np.ndarray], both: np.ndarray) -> list[np.ndarray]:
        """Three (h, w) factors that take out shadows and folds of one side: what the other side lacks is seldom skin.

        `photo` and `turned` are linear albedos of the two sides, `both` (h, w) says where both are even skin that is
        seen; half of the pixels each way tell enough. Moles are too small.
        """
        reach = _SHADOW * self._metre / 2
        planes = [both, *(plane * both for plane in (*photo, *turned))]
        known, *sides = each(lambda plane: _halved(plane, reach), planes)
        dark = 2e-3 * known + 1e-6
        gaps = [cv2.log((other + dark) / (own + dark)) for own, other in zip(sides[:3], sides[3:], strict=True)]
        darker = luminance(gaps) * (known > 0.05)
        _, pieces, statistics, _ = cv2.connectedComponentsWithStats((darker > _UNLIKE).view(np.uint8))
        large = statistics[:, cv2.CC_STAT_AREA] >= _LARGE * (self._metre / 2) ** 2
        large[0] = False
        taken = _TAKEN * (1.0 - _UNLIKE / np.maximum(darker, _UNLIKE))
        share = np.where(large[np.asarray(pieces, np.int32)], taken, 0.0).astype(np.float32)
        whole = self._face.shape[::-1]
        lighter = (cv2.resize(cv2.exp(share * gap), whole, interpolation=cv2.INTER_LINEAR) for gap in gaps)
        return [1.0 + (factor - 1.0) * both for factor in lighter]

    def _unfold(
        self, photo: list[np.ndarray], ratio: list[np.ndarray], departure: np.ndarray, folded: np.ndarray
    ) -> None:
        """Take the folds of the expression out of three (h, w) planes, in place: long dark lines in pressed skin.

        `ratio` are three planes, the log of the photo over the fill, `departure` their luminance; `folded` (h, w) as
        in `SkinFields`. Moles and freckles are shorter than folds.
        """
        if not folded.any():
            return
        blur, whole = _FOLD_WIDTH * self._metre / 2, departure.shape[::-1]
        dark = _halved(np.maximum(-departure, 0.0), blur)
        opened = each(lambda line: cv2.morphologyEx(dark, cv2.MORPH_OPEN, line), _lines(_FOLD * self._metre / 2))
        line = np.max(opened, axis=0) / np.maximum(dark, 1e-6)
        for plane, own in zip(photo, ratio, strict=True):
            depth = cv2.resize(line * np.minimum(_halved(own, blur), 0.0), whole, interpolation=cv2.INTER_LINEAR)
            plane *= cv2.exp(-_UNFOLDED * folded * depth)

    def _hairline(self, hair: np.ndarray) -> np.ndarray:
        """(S, S) share of hair, with an edge of single strands where the field (S, S) in [0, 1] crosses one half."""
        out = (hair > 0.5).astype(np.float32)
        edge = (hair > _HAIRLINE[0]) & (hair < _HAIRLINE[1])
        share = hair[edge]
        between = 4.0 * share * (1.0 - share)
        out[edge] = smoothstep(share + _RAGGED * between * (self._strands[edge] - 1.0), 0.35, 0.65)
        return out

    def _feathered(self, weight: np.ndarray) -> np.ndarray:
        """(h, w) weights drawn back from their own edges and softened."""
        drawn_back = cv2.erode(weight, disk(0.0006 * self._metre))
        return np.minimum(cv2.GaussianBlur(drawn_back, (0, 0), 0.0011 * self._metre), weight)

    def _thin_occluders(
        self, hue: np.ndarray, departure: np.ndarray, bare: np.ndarray, lined: np.ndarray
    ) -> np.ndarray:
        """(h, w) in [0, 1]: pixels by the rims of glasses, strands of hair and the like.

        `departure` and `hue`, (h, w) each, are the log ratio of the photo to the fill, its brightness and the square of
        the rest of it; freckles and moles are too small.
        """
        strange = (departure * bare < _DARK_LINE) | (hue * bare > _OTHER_HUE**2)
        core = cv2.morphologyEx(strange.view(np.uint8), cv2.MORPH_OPEN, disk(0.0006 * self._metre))
        # close by, the same dark line goes on where brows and lashes are dark anyway
        dark = (departure * lined < _DARK_LINE).view(np.uint8)
        core |= dark & cv2.dilate(core, disk(_CARRIED_ON * self._metre))
        grown = cv2.dilate(core, disk(0.002 * self._metre))
        return cv2.GaussianBlur(grown.astype(np.float32), (0, 0), 0.0008 * self._metre)

    def _turned(self, planes: list[np.ndarray]) -> list[np.ndarray]:
        """The mirror images of four (h, w) planes; 0 where a pixel has none."""
        return list(cv2.split(cv2.remap(cv2.merge(planes), *self._mirror, cv2.INTER_LINEAR)))

    def _grain(self, departure: np.ndarray, weight: np.ndarray) -> float:
        """Deviation of the log brightness of the photo's smoothest skin at the scale of pores, for the fill to match.

        Wrinkles, stubble and the edges of brows and lips are as fine, but not of the skin all over.
        """
        side = (_GRAIN_WINDOW, _GRAIN_WINDOW)
        fine = departure - cv2.GaussianBlur(departure, (0, 0), _GRAIN_SIZE)
        power = cv2.blur(fine * fine, side)[cv2.erode(weight, np.ones(side, np.uint8)) > 0.9]
        if not len(power):
            return 0.0
        return min(float(np.sqrt(max(np.quantile(power, _SMOOTHEST), 0.0))), _MOST_GRAIN)


def _on_one_chart(inside: np.ndarray, skin: TexelMap, chosen: np.ndarray) -> np.ndarray:
    """Rows of (M,) chosen texels on the chart of the layout, (S, S) uint8 `inside`, that holds most of them.

    What little is left lies in nostrils and lids and behind the lips, where photos see nothing.
    """
    charts = skin.read(np.asarray(cv2.connectedComponents(inside)[1]))
    return np.flatnonzero(chosen & (charts == np.bincount(charts[chosen]).argmax()))


def _halved(plane: np.ndarray, blur: float) -> np.ndarray:
    """(h / 2, w / 2) smoothed picture of a (h, w) one, at half its size."""
    half = (plane.shape[1] // 2, plane.shape[0] // 2)
    return cv2.GaussianBlur(cv2.resize(plane, half, interpolation=cv2.INTER_LINEAR), (0, 0), blur)


def texels_per_metre(model: FaceModel, size: int) -> float:
    """Median density of the texture on the face."""
    face = model.in_regions("nose", "cheek_right", "cheek_left", "forehead")[model.triangles].all(axis=1)
    surface = triangle_areas(model.vertices, model.triangles[face])
    layout = triangle_areas(np.pad(model.uv * size, ((0, 0), (0, 1))), model.uv_triangles[face])
    return float(np.median(np.sqrt(layout / np.maximum(surface, 1e-12))))


def _lines(length: float) -> list[np.ndarray]:
    """Structuring elements: straight lines of a length in pixels, in eight directions."""
    half = max(1, round(length / 2))
    lines = []
    for angle in np.arange(8) * np.pi / 8:
        element = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
        x, y = round(half * float(np.cos(angle))), round(half * float(np.sin(angle)))
        cv2.line(element, (half - x, half - y), (half + x, half + y), 1)
        lines.append(element)
    return lines


def _hold_glare(photo: list[np.ndarray], smooth: list[np.ndarray], departure: np.ndarray, glossy: np.ndarray) -> None:
    """Hold highlights of three (h, w) planes back, in place, in the hue of the `smooth` skin: they are of the light.

    `departure` (h, w) is the log of the photo's brightness over the smooth skin's; `glossy` as in `SkinFields`.
    """
    held = cv2.exp(-_HELD_BACK * glossy * np.maximum(departure - _GLARE, 0.0))
    share, bright = glossy * smoothstep(departure, 0.0, 4.0 * _GLARE), cv2.exp(departure)
    for plane, fill in zip(photo, smooth, strict=True):
        plane += share * (fill * bright - plane)
        plane *= held
