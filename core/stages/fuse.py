"""Fuse stage: the textures that several photos of one person gave become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ..geometry.delighting import LUMINANCE
from ..geometry.face_model import FaceModel
from ..geometry.rasterizer import vertex_normals
from ..geometry.texel_blending import MODEL, SEEN
from ..geometry.uv_sampling import build_atlas
from ..types import Camera, FaceTexture

_DETAIL, _TONE = 0.003, 0.016  # of the texture's side: how softly pores and complexion change over between photos
_BAND = 0.008  # of the same: what is finer is taken from one photo, what is coarser is mixed
_OVERLAP = 0.002  # share of the texels that two photos must both show for their tones to be compared
_GAMMA = 2.2  # by which linear light changes faster than sRGB levels
_MOST_TONE = 1.4  # factor by which a photo's tone is changed at most


class Fuse:
    """(textures, posed vertices, cameras) of one person -> texture."""

    def __init__(self, model: FaceModel, size: int = 1024) -> None:
        self._model, self._size = model, size
        self._atlas = build_atlas(model, size)
        self._teeth = np.concatenate([texels.index for name, texels in self._atlas.parts.items() if "teeth" in name])

    def __call__(
        self, textures: Sequence[FaceTexture], vertices: Sequence[np.ndarray], cameras: Sequence[Camera]
    ) -> tuple[FaceTexture, ...]:
        """One texture, for each photo with its own light; each texel from the photo that knows it best.

        Seen beats completed beats mirrored beats model.

        Of photos that know a texel equally well, the one that shows it at the finest scale is taken; what no photo
        shows is the mean of all, teeth that of those that show them. Photos change over in two bands (Burt & Adelson
        1983), so that no seam shows and details are not blurred by mixing them. `vertices` are (V, 3) and posed, one
        array for each photo.
        """
        if len(textures) == 1:
            return tuple(textures)
        source = np.stack([texture.source for texture in textures])
        colors, gains = _same_tone([texture.color.astype(np.float32) for texture in textures], source)
        detail = np.stack([self._detail(*each) for each in zip(vertices, cameras, strict=True)])
        chosen, smiling = _chosen(source, detail), np.array([texture.teeth_seen for texture in textures], np.float32)
        if smiling.any():
            chosen.reshape(len(textures), -1)[:, self._teeth] = smiling[:, None] / smiling.sum()
        color = self._blend(colors, chosen, source.max(axis=0) > 0)
        self._atlas.pad(color)
        one = FaceTexture(
            color=np.clip(color + 0.5, 0, 255).astype(np.uint8),
            source=source.max(axis=0),
            iris_color=np.mean([texture.iris_color for texture in textures], axis=0),
            hair_color=np.mean([texture.hair_color for texture in textures], axis=0),
            white_color=np.mean([texture.white_color for texture in textures], axis=0),
            light=textures[0].light,
            teeth_seen=bool(smiling.any()),
        )
        brighter = (gains @ LUMINANCE) ** _GAMMA
        return tuple(replace(one, light=texture.light / gain) for texture, gain in zip(textures, brighter, strict=True))

    def _detail(self, vertices: np.ndarray, camera: Camera) -> np.ndarray:
        """(S, S) float32 photo pixels per metre of skin, foreshortened."""
        rotation = camera.rotation.astype(np.float32)
        normals = vertex_normals(vertices, self._model.triangles) @ rotation.T
        rays = vertices @ rotation.T + camera.translation.astype(np.float32)
        distance = np.linalg.norm(rays, axis=1)
        facing = np.maximum(-(normals * rays).sum(axis=1) / distance, 0.0)
        return self._atlas.skin.image(self._atlas.skin.interpolate(facing * camera.focal / distance))

    def _blend(self, colors: np.ndarray, chosen: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """(S, S, 3) of (P, S, S, 3) colours by (P, S, S) shares; the layout is `inside`, (S, S)."""
        layout = inside.astype(np.float32)
        band = self._size * _BAND
        known = np.maximum(_blurred(layout, band), 1e-3)[..., None]
        weight = np.full((2, *layout.shape), 1e-6, np.float32)
        parts = np.zeros((2, *colors.shape[1:]), np.float32)
        for color, share in zip(colors, chosen, strict=True):
            coarse = _blurred(color * layout[..., None], band) / known
            for row, (part, reach) in enumerate(((coarse, _TONE), (color - coarse, _DETAIL))):
                soft = _blurred(share * layout, self._size * reach)
                parts[row] += soft[..., None] * part
                weight[row] += soft
        return np.sum(parts / weight[..., None], axis=0)


def _chosen(source: np.ndarray, detail: np.ndarray) -> np.ndarray:
    """(P, S, S) float32 shares, of (P, S, S) sources and details: one photo, or all alike where none shows anything."""
    best, seen = source.max(axis=0), (source == SEEN).mean(axis=(1, 2))
    detail = detail * (seen / max(float(seen.max()), 1e-6))[:, None, None]  # nearly alike: the photo that shows more
    finest = np.where(source == best, detail, -1.0).argmax(axis=0)
    one = np.arange(len(source))[:, None, None] == finest
    return np.where(best > MODEL, one, 1.0 / len(source)).astype(np.float32)


def _same_tone(colors: Sequence[np.ndarray], source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, S, S, 3) colours, their tone brought to the middle of all, and the (P, 3) factors on sRGB levels that did it.

    Every photo's light was told from skin apart.

    Each photo is compared with the one that shows most, on the texels that both show.
    """
    seen = source == SEEN
    first = int(seen.sum(axis=(1, 2)).argmax())
    gains = np.ones((len(colors), 3), np.float32)
    for row, color in enumerate(colors):
        both = seen[row] & seen[first]
        if row != first and both.mean() > _OVERLAP:
            ratio = np.median((colors[first][both] + 1.0) / (color[both] + 1.0), axis=0)
            gains[row] = np.clip(ratio, 1.0 / _MOST_TONE, _MOST_TONE)
    middle = np.exp(np.log(gains).mean(axis=0))
    gains = gains / middle
    return np.stack([color * gain for color, gain in zip(colors, gains, strict=True)]), gains


def _blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), max(sigma, 0.5))
