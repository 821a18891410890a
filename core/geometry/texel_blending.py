"""The photo, its mirror image and the model brought together on the skin's texels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .delighting import LUMINANCE, smoothstep, weighted_median
from .face_model import FaceModel
from .head_view import HeadView
from .part_painting import hair_strands, pores
from .uv_sampling import Atlas

MODEL, MIRRORED, SEEN = 1, 2, 4  # values of FaceTexture.source; 0 is outside, 3 left to completion
_DARK_LINE = -0.5  # log brightness over the skin's at which a line across the face is no wrinkle
_CARRIED_ON = 0.0035  # metres that an occluder found on bare skin is followed into brows and lashes
_OTHER_HUE = 0.45  # length of the log hue at which a line is no skin
_GLARE = 0.12  # log brightness over the skin's beyond which a highlight is held back
_HELD_BACK = 0.75  # of that excess
_RAGGED = 0.5  # how far strands reach over the hairline
_GRAIN_SIZE = 3.0  # texels
_MOST_GRAIN = 0.06  # log brightness; more than this is noise or hair, not skin


@dataclass(frozen=True, eq=False)
class SkinFields:
    """What is known per vertex before blending; colours linear."""

    weight: np.ndarray  # (V,) in [0, 1], trust in the photo
    gain: np.ndarray  # (V, 3) factor that turns the photo into albedo
    fill: np.ndarray  # (V, 3) albedo where there is no photo
    scalp: np.ndarray  # (V,) in [0, 1], hair above one half
    bare: np.ndarray  # (V,) in [0, 1], where a dark line is no part of a face
    lined: np.ndarray  # (V,) in [0, 1], brows and lashes, into which such a line may go on
    hair: np.ndarray  # (3,) albedo of the hair


class SkinBlender:
    """Blends on one atlas; see `blend`."""

    def __init__(self, model: FaceModel, atlas: Atlas) -> None:
        self._atlas, self._metre = atlas, texels_per_metre(model, atlas.size)
        self._strands = hair_strands(model, atlas.skin)
        self._pores = pores(atlas.skin)

    def blend(self, view: HeadView, fields: SkinFields) -> tuple[np.ndarray, np.ndarray]:
        """Linear colour (S, S, 3) float32 and source (S, S) uint8; both 0 outside the skin."""
        columns = [
            view.points,
            fields.gain,
            fields.fill,
            *(f[:, None] for f in (fields.weight, fields.scalp, fields.bare, fields.lined)),
        ]
        texels = self._atlas.skin.interpolate(np.concatenate(columns, axis=1))
        points, smooth = texels[:, :3], texels[:, 6:9]
        scalp = self._hairline(texels[:, 10])
        photo = view.colors(points[:, :2]) * texels[:, 3:6]
        ratio = np.log((photo + 2e-3) / (smooth + 2e-3))
        departure = ratio @ LUMINANCE
        weight = self._feathered(texels[:, 9] * view.shown(points))
        weight *= 1.0 - self._thin_occluders(ratio - departure[:, None], departure, texels[:, 11], texels[:, 12])
        photo = _without_glare(photo, smooth, departure)
        mirrored = self._mirrored(photo, weight)
        other = (1.0 - weight) * mirrored[:, 3]
        filled = smooth * np.exp(self._grain(departure, weight) * self._pores)[:, None]
        color = filled + weight[:, None] * (photo - filled) + other[:, None] * (mirrored[:, :3] - filled)
        hair = fields.hair * (1.0 + self._strands)[:, None]
        color += scalp[:, None] * (hair - color)
        bare = 1.0 - scalp
        return self._atlas.skin.image(np.clip(color, 0.0, 1.0)), self._sources(weight * bare, other * bare)

    def _hairline(self, hair: np.ndarray) -> np.ndarray:
        """(M,) share of hair, with an edge of single strands where the field (M,) in [0, 1] crosses one half."""
        between = 4.0 * hair * (1.0 - hair)
        return smoothstep(hair + _RAGGED * between * self._strands, 0.35, 0.65)

    def _feathered(self, weight: np.ndarray) -> np.ndarray:
        """(M,) weights drawn back from their own edges and softened."""
        picture = self._atlas.skin.image(weight)
        drawn_back = cv2.erode(picture, _disk(0.0006 * self._metre))
        soft = cv2.GaussianBlur(drawn_back, (0, 0), 0.0011 * self._metre)
        return np.minimum(soft.ravel()[self._atlas.skin.index], weight)

    def _thin_occluders(
        self, hue: np.ndarray, departure: np.ndarray, bare: np.ndarray, lined: np.ndarray
    ) -> np.ndarray:
        """(M,) in [0, 1]: texels by the rims of glasses, strands of hair and the like.

        `departure` (M,) and `hue` (M, 3) are the log ratio of the photo to the fill, brightness and the rest of
        it; freckles and moles are too small.
        """
        strange = (departure * bare < _DARK_LINE) | (np.einsum("mc,mc->m", hue, hue) * bare > _OTHER_HUE**2)
        picture = self._atlas.skin.image(strange.astype(np.float32))
        core = cv2.morphologyEx(picture, cv2.MORPH_OPEN, _disk(0.0006 * self._metre))
        # close by, the same dark line goes on where brows and lashes are dark anyway
        dark = self._atlas.skin.image((departure * lined < _DARK_LINE).astype(np.float32))
        core = np.maximum(core, np.minimum(dark, cv2.dilate(core, _disk(_CARRIED_ON * self._metre))))
        grown = cv2.dilate(core, _disk(0.002 * self._metre))
        return cv2.GaussianBlur(grown, (0, 0), 0.0008 * self._metre).ravel()[self._atlas.skin.index]

    def _mirrored(self, photo: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """(M, 4): colour and weight of the mirrored texels."""
        seen = self._atlas.skin.image(np.concatenate([photo, weight[:, None]], axis=1))
        mirror = self._atlas.mirror
        turned = cv2.remap(seen, mirror[..., 0], mirror[..., 1], cv2.INTER_LINEAR)
        return turned.reshape(-1, 4)[self._atlas.skin.index]

    def _grain(self, departure: np.ndarray, weight: np.ndarray) -> float:
        """Deviation of the log brightness of the photo's skin at the scale of pores, for the fill to match."""
        picture = self._atlas.skin.image(departure)
        fine = picture - cv2.GaussianBlur(picture, (0, 0), _GRAIN_SIZE)
        chosen = slice(None, None, 7)
        size = np.abs(fine.ravel()[self._atlas.skin.index][chosen])
        return min(1.48 * weighted_median(size, np.maximum(weight[chosen] - 0.9, 0.0)), _MOST_GRAIN)

    def _sources(self, seen: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
        source = np.full(len(seen), MODEL, np.uint8)
        source[mirrored > 0.5] = MIRRORED
        source[seen > 0.5] = SEEN
        out = np.zeros(self._atlas.size**2, np.uint8)
        out[self._atlas.skin.index] = source
        return out.reshape(self._atlas.size, self._atlas.size)


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
