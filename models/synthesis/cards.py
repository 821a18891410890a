"""Hair cards: textured strips, lit at their corners, blended from the back to the front so that layers show through."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from .chart import sample
from .labels import Label
from .layers import Canvas, Mesh, Posed, ShadowMap
from .light import Light
from .strands import Strands, kinds_of, light_strands, pixels_of

_FLAGS = {"contract", "reassoc", "nsz", "arcp"}  # infinities are used: they mean "nothing here"


@dataclass(frozen=True, eq=False)
class Cards:
    """N corners of M triangles, posed, model frame."""

    vertices: np.ndarray  # (N, 3) float32 metres
    triangles: np.ndarray  # (M, 3) int32
    uv: np.ndarray  # (N, 2) float32 in [0, 1], v down
    textures: tuple[np.ndarray, ...]  # (h, w, 2) uint8 each: brightness round 128, cover; halved from one to the next
    strand: np.ndarray  # (HEIGHT, WIDTH) float32 noise along the hair
    grain: tuple[float, float, float]  # strength of that noise, and its repeats over the texture's width and height
    tangents: np.ndarray  # (N, 3) float32 unit: along the hair
    normals: np.ndarray  # (N, 3) float32 unit: away from the head
    albedo: np.ndarray  # (N, 3) float32 linear
    occlusion: np.ndarray  # (N,) float32
    gloss: float


def draw_cards(
    canvas: Canvas, cards: Cards, posed: Posed, light: Light, shadow: ShadowMap | None, lift: float = 0.002
) -> np.ndarray:
    """Draw into the canvas, in place; returns the (H, W) float32 cover."""
    cover, front = np.zeros(canvas.depth.shape, np.float32), np.full(canvas.depth.shape, np.inf, np.float32)
    flat = pixels_of(posed.camera, cards.vertices)
    color = light_strands(_as_strands(cards), posed, light, shadow)[:, 0]
    corners = flat[cards.triangles]
    order = np.argsort(-corners[:, :, 2].sum(axis=1), kind="stable").astype(np.int32)
    texture = cards.textures[_level(cards, corners)]
    _blend(
        canvas.color, canvas.depth, cover, front, flat, cards.triangles, order, cards.uv, np.ascontiguousarray(color),
        texture, np.ascontiguousarray(cards.strand), np.array(cards.grain, np.float32), np.float32(lift),
    )  # fmt: skip
    solid = cover > 0.5
    canvas.label[solid] = Label.HAIR
    canvas.depth[solid] = np.minimum(front, canvas.depth)[solid]
    return cover


def card_mesh(cards: Cards) -> Mesh:
    """The cards as a mesh with its own paint: to throw shadows, and for renderers that draw no cards."""
    texture = cards.textures[min(1, len(cards.textures) - 1)]
    size = np.array(texture.shape[1::-1], np.float32)

    def paint(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        texel = sample(texture, attributes[:, :2] * size - 0.5) / 255.0
        return attributes[:, 2:] * (0.2 + 1.6 * texel[:, :1]), texel[:, 1]

    attributes = np.concatenate([cards.uv, cards.albedo], axis=1).astype(np.float32)
    return Mesh(cards.vertices, cards.triangles, attributes, paint, int(Label.HAIR), cards.gloss, sharpness=14.0)


def _as_strands(cards: Cards) -> Strands:
    """A short hair at every corner, to be lit as one."""
    count = len(cards.vertices)
    return Strands(
        points=np.stack([cards.vertices, cards.vertices + 0.001 * cards.tangents], axis=1).astype(np.float32),
        counts=np.full(count, 2, np.int32),
        radius=np.zeros((count, 2), np.float32),
        albedo=np.repeat(cards.albedo[:, None], 2, axis=1).astype(np.float32),
        occlusion=np.repeat(cards.occlusion[:, None], 2, axis=1).astype(np.float32),
        normals=cards.normals,
        kinds=kinds_of(Label.HAIR, count),
        gloss=cards.gloss,
    )


def _level(cards: Cards, corners: np.ndarray) -> int:
    """The smallest texture that still has about a texel for every pixel."""
    size = np.array(cards.textures[0].shape[1::-1], np.float32)
    texels, pixels = _area(cards.uv[cards.triangles] * size).sum(), _area(corners[:, :, :2]).sum()
    return int(np.clip(round(0.5 * np.log2(max(texels, 1.0) / max(pixels, 1.0)) - 0.3), 0, len(cards.textures) - 1))


def _area(corners: np.ndarray) -> np.ndarray:
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


@numba.njit(cache=True, nogil=True, fastmath=_FLAGS)
def _blend(color, depth, cover, front, flat, triangles, order, uv, rgb, texture, strand, grain, lift):
    """Triangles in the given order: perspective-correct place, bilinear texture, one blend a pixel."""
    height, width = depth.shape
    rows, columns = texture.shape[0], texture.shape[1]
    for m in order:
        a, b, c = triangles[m, 0], triangles[m, 1], triangles[m, 2]
        za, zb, zc = flat[a, 2], flat[b, 2], flat[c, 2]
        if min(za, zb, zc) <= 0.05:
            continue
        xa, ya, xb, yb, xc, yc = flat[a, 0], flat[a, 1], flat[b, 0], flat[b, 1], flat[c, 0], flat[c, 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if abs(area) < 1e-4:
            continue
        left, right = max(int(np.ceil(min(xa, xb, xc))), 0), min(int(np.floor(max(xa, xb, xc))), width - 1)
        top, bottom = max(int(np.ceil(min(ya, yb, yc))), 0), min(int(np.floor(max(ya, yb, yc))), height - 1)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                wa = ((xb - j) * (yc - i) - (xc - j) * (yb - i)) / area
                wb = ((xc - j) * (ya - i) - (xa - j) * (yc - i)) / area
                wc = 1.0 - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                z = 1.0 / (wa / za + wb / zb + wc / zc)
                if z > depth[i, j] + lift:
                    continue
                wa, wb, wc = wa * z / za, wb * z / zb, wc * z / zc
                u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
                v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
                x, y = min(max(u * columns - 0.5, 0.0), columns - 1.001), min(max(v * rows - 0.5, 0.0), rows - 1.001)
                p, q = int(y), int(x)
                s, t = y - p, x - q
                f00, f01, f10, f11 = (1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t
                alpha = (
                    f00 * texture[p, q, 1] + f01 * texture[p, q + 1, 1] + f10 * texture[p + 1, q, 1]
                    + f11 * texture[p + 1, q + 1, 1]
                ) / 255.0  # fmt: skip
                if alpha < 0.02:
                    continue
                bright = (
                    f00 * texture[p, q, 0] + f01 * texture[p, q + 1, 0] + f10 * texture[p + 1, q, 0]
                    + f11 * texture[p + 1, q + 1, 0]
                ) / 255.0  # fmt: skip
                noise = strand[int(abs(v) * grain[2]) % strand.shape[0], int(abs(u) * grain[1]) % strand.shape[1]]
                bright = (0.2 + 1.6 * bright) * np.exp(grain[0] * noise)
                for k in range(3):
                    shade = bright * (wa * rgb[a, k] + wb * rgb[b, k] + wc * rgb[c, k])
                    color[i, j, k] += (shade - color[i, j, k]) * alpha
                cover[i, j] += (1 - cover[i, j]) * alpha
                if alpha > 0.3:
                    front[i, j] = min(front[i, j], z)
