"""The photo, its mirror image and the model brought together on the skin's texels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .delighting import LUMINANCE, smoothstep
from .face_model import FaceModel
from .head_view import HeadView
from .part_painting import hair_strands, pores
from .uv_sampling import Atlas, sample

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
_RAGGED = 0.5  # how far strands reach over the hairline
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
    hair: np.ndarray  # (3,) albedo of the hair


@dataclass(frozen=True, eq=False)
class _FacePhoto:
    """What the photo says about the F texels of the face."""

    color: np.ndarray  # (F, 3) linear albedo, the photo's and its mirror image's, weighted; add to the rest
    seen: np.ndarray  # (F,) weight of the photo
    mirrored: np.ndarray  # (F,) weight of the mirror image
    grain: float  # deviation of the log brightness at the scale of pores


class SkinBlender:
    """Blends on one atlas; see `blend`."""

    def __init__(self, model: FaceModel, atlas: Atlas, allowed: np.ndarray) -> None:
        """`allowed` (V,): 0 where no photo is ever used; texels there are filled without looking at one."""
        self._atlas, self._metre = atlas, texels_per_metre(model, atlas.size)
        self._strands = hair_strands(model, atlas.skin)
        self._pores = pores(atlas.skin)
        self._rows = np.flatnonzero(atlas.skin.interpolate(allowed) > 0)
        self._face, corner = atlas.skin.window(self._rows)
        self._mirror = atlas.skin.read(atlas.mirror)[self._rows] - corner.astype(np.float32)

    def blend(self, view: HeadView, fields: SkinFields) -> tuple[np.ndarray, np.ndarray]:
        """Linear colour (S, S, 3) float32 and source (S, S) uint8; both 0 outside the skin."""
        texels = self._atlas.skin.interpolate(np.concatenate([fields.fill, fields.scalp[:, None]], axis=1))
        face = self._read_photo(view, fields, texels[self._rows, :3])
        color = texels[:, :3] * np.exp(face.grain * self._pores)[:, None]
        color[self._rows] *= (1.0 - face.seen - face.mirrored)[:, None]
        color[self._rows] += face.color
        scalp = self._hairline(texels[:, 3])
        color += scalp[:, None] * (fields.hair * (1.0 + self._strands)[:, None] - color)
        source = np.full(len(color), MODEL, np.uint8)
        skin = 1.0 - scalp[self._rows]
        source[self._rows[face.mirrored * skin > 0.5]] = MIRRORED
        source[self._rows[face.seen * skin > 0.5]] = SEEN
        sources = self._atlas.skin.image(source).astype(np.uint8)
        return self._atlas.skin.image(np.clip(color, 0.0, 1.0)), sources

    def _read_photo(self, view: HeadView, fields: SkinFields, smooth: np.ndarray) -> _FacePhoto:
        """The photo on the face's texels; `smooth` (F, 3) is the fill there."""
        single = (fields.weight, fields.bare, fields.lined, fields.even)
        columns = [view.points, fields.gain, *(field[:, None] for field in single)]
        texels = self._face.interpolate(np.concatenate(columns, axis=1))
        points, (weight, bare, lined, even) = texels[:, :3], texels[:, 6:].T
        photo = view.colors(points[:, :2]) * texels[:, 3:6]
        ratio = np.log((photo + 2e-3) / (smooth + 2e-3))
        departure = ratio @ LUMINANCE
        seen = self._feathered(weight * view.shown(points) * (1.0 - view.part_shares(points[:, :2])[:, 0]))
        seen *= 1.0 - self._thin_occluders(ratio - departure[:, None], departure, bare, lined)
        photo = _without_glare(photo, smooth, departure)
        turned = self._turned(photo, seen)
        photo *= self._one_sided(photo, turned[:, :3], np.minimum(seen, turned[:, 3]) * even)
        mirrored = (1.0 - seen) * turned[:, 3]
        color = photo * seen[:, None] + turned[:, :3] * mirrored[:, None]
        return _FacePhoto(color, seen, mirrored, self._grain(departure, seen))

    def _one_sided(self, photo: np.ndarray, turned: np.ndarray, both: np.ndarray) -> np.ndarray:
        """(F, 3) factor that takes out shadows and folds of one side alone: what the other side lacks is seldom skin.

        `photo` and `turned` are (F, 3) linear albedos of the two sides, `both` (F,) says where both are even skin that
        is seen; half of the texels each way tell enough. Moles are too small.
        """
        reach = _SHADOW * self._metre / 2
        own, other = (
            self._halved(np.concatenate([side * both[:, None], both[:, None]], axis=1), reach)
            for side in (photo, turned)
        )
        known = own[..., 3:]
        dark = 2e-3 * known + 1e-6
        gap = np.log((other[..., :3] + dark) / (own[..., :3] + dark))
        darker = gap @ LUMINANCE * (known[..., 0] > 0.05)
        _, pieces, statistics, _ = cv2.connectedComponentsWithStats((darker > _UNLIKE).view(np.uint8))
        large = statistics[:, cv2.CC_STAT_AREA] >= _LARGE * (self._metre / 2) ** 2
        large[0] = False
        taken = _TAKEN * (1.0 - _UNLIKE / np.maximum(darker, _UNLIKE))
        share = np.where(large[np.asarray(pieces, np.int32)], taken, 0.0).astype(np.float32)
        whole = self._face.shape[::-1]
        lighter = cv2.resize(np.exp(share[..., None] * gap), whole, interpolation=cv2.INTER_LINEAR)
        return 1.0 + (self._face.read(lighter) - 1.0) * both[:, None]

    def _halved(self, values: np.ndarray, blur: float) -> np.ndarray:
        """(h / 2, w / 2, 4) smoothed picture of (F, 4) texel values, at half its size."""
        picture = self._face.image(values)
        half = (picture.shape[1] // 2, picture.shape[0] // 2)
        return cv2.GaussianBlur(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), (0, 0), blur)

    def _hairline(self, hair: np.ndarray) -> np.ndarray:
        """(M,) share of hair, with an edge of single strands where the field (M,) in [0, 1] crosses one half."""
        between = 4.0 * hair * (1.0 - hair)
        return smoothstep(hair + _RAGGED * between * self._strands, 0.35, 0.65)

    def _feathered(self, weight: np.ndarray) -> np.ndarray:
        """(F,) weights drawn back from their own edges and softened."""
        picture = self._face.image(weight)
        drawn_back = cv2.erode(picture, _disk(0.0006 * self._metre))
        soft = cv2.GaussianBlur(drawn_back, (0, 0), 0.0011 * self._metre)
        return np.minimum(self._face.read(soft), weight)

    def _thin_occluders(
        self, hue: np.ndarray, departure: np.ndarray, bare: np.ndarray, lined: np.ndarray
    ) -> np.ndarray:
        """(F,) in [0, 1]: texels by the rims of glasses, strands of hair and the like.

        `departure` (F,) and `hue` (F, 3) are the log ratio of the photo to the fill, brightness and the rest of
        it; freckles and moles are too small.
        """
        strange = (departure * bare < _DARK_LINE) | (np.einsum("mc,mc->m", hue, hue) * bare > _OTHER_HUE**2)
        picture = self._face.image(strange.astype(np.float32))
        core = cv2.morphologyEx(picture, cv2.MORPH_OPEN, _disk(0.0006 * self._metre))
        # close by, the same dark line goes on where brows and lashes are dark anyway
        dark = self._face.image((departure * lined < _DARK_LINE).astype(np.float32))
        core = np.maximum(core, np.minimum(dark, cv2.dilate(core, _disk(_CARRIED_ON * self._metre))))
        grown = cv2.dilate(core, _disk(0.002 * self._metre))
        return self._face.read(cv2.GaussianBlur(grown, (0, 0), 0.0008 * self._metre))

    def _turned(self, photo: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """(F, 4): colour and weight of the mirrored texels."""
        picture = self._face.image(np.concatenate([photo, weight[:, None]], axis=1))
        return sample(picture, self._mirror, border=cv2.BORDER_CONSTANT)

    def _grain(self, departure: np.ndarray, weight: np.ndarray) -> float:
        """Deviation of the log brightness of the photo's smoothest skin at the scale of pores, for the fill to match.

        Wrinkles, stubble and the edges of brows and lips are as fine, but not of the skin all over.
        """
        picture, side = self._face.image(departure), (_GRAIN_WINDOW, _GRAIN_WINDOW)
        fine = picture - cv2.GaussianBlur(picture, (0, 0), _GRAIN_SIZE)
        power = self._face.read(cv2.blur(fine * fine, side))
        whole = self._face.read(cv2.erode(self._face.image(weight), np.ones(side, np.uint8))) > 0.9
        if not whole.any():
            return 0.0
        return min(float(np.sqrt(max(np.quantile(power[whole], _SMOOTHEST), 0.0))), _MOST_GRAIN)


def texels_per_metre(model: FaceModel, size: int) -> float:
    """Median density of the texture on the face."""
    face = model.in_regions("nose", "cheek_right", "cheek_left", "forehead")[model.triangles].all(axis=1)
    surface = _areas(model.vertices[model.triangles[face]])
    layout = _areas(np.pad(model.uv[model.uv_triangles[face]] * size, ((0, 0), (0, 0), (0, 1))))
    return float(np.median(np.sqrt(layout / np.maximum(surface, 1e-12))))


def _areas(corners: np.ndarray) -> np.ndarray:
    """(T,) areas of (T, 3, 3) triangles."""
    a, b, c = corners.transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0


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
