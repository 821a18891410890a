"""Compiled skin: its paint at each pixel, the bend of its normals by relief, and its light."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernels import FAST
from .shading import harmonics
from .skin_atlas import SIDE as ATLAS_SIDE
from .skin_atlas import Fold, Mask

# Columns of `paint_pixels`' result
RED, GREEN, BLUE, RELIEF, OIL, WET, BROW_COVER, BEARD_COVER, SCALP_COVER = range(9)
CHANNELS = 9
FOLDS, MASKS = len(Fold), len(Mask)
(
    _LIPS, _LIDS, _LINER, _CHEEKS, _FLUSH, _OIL, _UNDER_EYES, _BEARD, _FRECKLES, _CAP
) = (int(mask) for mask in Mask)  # fmt: skip
# Numbers of a person, in the order of `skin.Complexion.numbers`
(
    LIPSTICK, LID_COLOR, LINER, BLUSH, FLUSH, RINGS, FRECKLED, TAN, MOTTLE, STUBBLE, FOUNDATION, OILY, SWEAT, PORES,
    LIP_GLOSS, DETAIL_A, DETAIL_B, DETAIL_RELIEF,
) = range(18)  # fmt: skip
NUMBERS = 18
BROW, BEARD, SCALP = range(3)  # channels of the chart of hairs, and rows of a person's colours
STUBBLE_COLOR, LIP_COLOR, LID_SHADE, LINER_COLOR = range(3, 7)  # further rows
NOISE_PERIOD = 512  # texels of the finest noise


@njit(cache=True, nogil=True, fastmath=FAST, inline="always")
def _place(u: Any, v: Any, width: int, height: int) -> tuple[int, int, tuple[Any, Any, Any, Any]]:
    """Top left texel for texel coordinates, kept inside, and float32 weights of the four texels from there."""
    x = min(max(np.float32(u), np.float32(0.0)), np.float32(width - 1.001))
    y = min(max(np.float32(v), np.float32(0.0)), np.float32(height - 1.001))
    column, row, one = int(x), int(y), np.float32(1.0)
    a, b = x - np.float32(column), y - np.float32(row)
    return column, row, ((one - a) * (one - b), a * (one - b), (one - a) * b, a * b)


@njit(cache=True, nogil=True, fastmath=FAST, inline="always")
def _texel(image: np.ndarray, column: int, row: int, share: tuple[Any, Any, Any, Any], channel: int) -> Any:
    """Bilinear value of one channel, float32: all in single precision, which doubles the loops' speed."""
    upper = np.float32(image[row, column, channel]) * share[0] + np.float32(image[row, column + 1, channel]) * share[1]
    lower = np.float32(image[row + 1, column, channel]) * share[2]
    return upper + lower + np.float32(image[row + 1, column + 1, channel]) * share[3]


@njit(cache=True, nogil=True, fastmath=FAST)
def paint_pixels(
    uv: np.ndarray, places: np.ndarray, side: np.ndarray, base: np.ndarray, detail_a: np.ndarray, detail_b: np.ndarray,
    gain: float, masks: np.ndarray, folds: np.ndarray, weights: np.ndarray, hairs: np.ndarray, noise: np.ndarray,
    shift: np.ndarray, numbers: np.ndarray, colors: np.ndarray, spots: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """(N, CHANNELS) float32: linear albedo, height (metres), oil, wet, and covers of brow, beard and scalp hair.

    `uv` (N, 2), `places` (N, 2) chart pixels, `side` (N,) from 0 (subject's right) to 1 (left), `base` (N, 3) albedo;
    `detail_a`, `detail_b` (h, w, 3) uint8 skins with `gain` per step; `masks`, `folds` the atlas; `weights` (2,
    FOLDS) metres, right and left; `hairs` (H, W, 4) uint8 chart of brow, beard, scalp and unevenness; `noise` (P, P,
    4) float32, wraps: grain, blotch, freckles, stubble; `shift` (2,) of it; `colors` (7, 3); `spots` (S, 7): texel
    x, y, radius, log red, green, blue, height in metres.
    """
    count = uv.shape[0]
    out = np.empty((count, CHANNELS), np.float32)
    tall, wide = masks.shape[0], masks.shape[1]
    period = noise.shape[0]
    scale, wrap = period / np.float32(NOISE_PERIOD), period - 1  # the period is a power of two
    mask, detail = np.empty(MASKS, np.float32), np.empty(3, np.float32)
    coarse, step = np.float32(wide / ATLAS_SIDE), np.float32(detail_a.shape[1] / ATLAS_SIDE)
    byte, half = np.float32(1.0 / 255.0), np.float32(0.5)
    first, second = np.float32(numbers[DETAIL_A] * gain), np.float32(numbers[DETAIL_B] * gain)
    # folds: what the subject's right gives, and how much more the left, from bytes round 128
    right, more = weights[0] / np.float32(127.0), (weights[1] - weights[0]) / np.float32(127.0)
    for n in range(count):
        u, v = uv[n, 0] * np.float32(ATLAS_SIDE), (np.float32(1.0) - uv[n, 1]) * np.float32(ATLAS_SIDE)
        column, top, share = _place(u * coarse - half, v * coarse - half, wide, tall)
        for k in range(MASKS):
            mask[k] = _texel(masks, column, top, share, k) * byte
        left = side[n]
        height = np.float32(0.0)
        for k in range(FOLDS):
            height += (right[k] + more[k] * left) * (_texel(folds, column, top, share, k) - np.float32(128.0))
        gx, gy = int((u * 2.0 + shift[0]) * scale) & wrap, int((v * 2.0 + shift[1]) * scale) & wrap
        bx, by = int((u * 0.5 + shift[1]) * scale) & wrap, int((v * 0.5 + shift[0]) * scale) & wrap
        grain, freckles, dots = noise[gy, gx, 0], noise[gy, gx, 2], noise[gy, gx, 3]
        blotch = noise[by, bx, 1]  # the slow channel, spread further
        # painted skin
        dc, dr, share = _place(u * step - half, v * step - half, detail_a.shape[1], detail_a.shape[0])
        cover = np.float32(1.0) - numbers[FOUNDATION]
        for k in range(3):
            detail[k] = first * (_texel(detail_a, dc, dr, share, k) - np.float32(128.0))
        if second != 0.0:
            for k in range(3):
                detail[k] += second * (_texel(detail_b, dc, dr, share, k) - np.float32(128.0))
        painted = (detail[0] + detail[1] + detail[2]) * np.float32(1.0 / 3.0)
        red, green, blue = detail[0] * cover, detail[1] * cover, detail[2] * cover
        # blood, pigment and age
        flush = numbers[FLUSH] * mask[_FLUSH] * cover * (1.0 + 0.3 * blotch) + numbers[BLUSH] * mask[_CHEEKS]
        mottle = numbers[MOTTLE] * blotch * cover
        rings = numbers[RINGS] * mask[_UNDER_EYES] * cover
        freckle = numbers[FRECKLED] * mask[_FRECKLES] * freckles * cover
        tan = numbers[TAN] * (0.5 - mask[_CAP])
        red += 0.12 * flush - 0.35 * freckle - 0.35 * rings + 0.6 * mottle - 0.5 * tan + 0.01 * grain
        green += -0.4 * flush - 0.8 * freckle - 0.6 * rings - 0.8 * mottle - 0.8 * tan + 0.01 * grain
        blue += -0.3 * flush - 1.1 * freckle - 0.45 * rings - 0.6 * mottle - tan + 0.01 * grain
        for k in range(spots.shape[0]):
            dx, dy = (u - spots[k, 0]) / spots[k, 2], (v - spots[k, 1]) / spots[k, 2]
            near = dx * dx + dy * dy
            if near < 2.0:
                amount = min(max(1.6 - 1.3 * near, 0.0), 1.0) * (1.0 - 0.5 * numbers[FOUNDATION])
                red += amount * spots[k, 3]
                green += amount * spots[k, 4]
                blue += amount * spots[k, 5]
                height += amount * spots[k, 6]
        red = base[n, 0] * np.exp(np.float32(red))
        green = base[n, 1] * np.exp(np.float32(green))
        blue = base[n, 2] * np.exp(np.float32(blue))
        # hair and make-up over it
        hc, hr, share = _place(places[n, 0], places[n, 1], hairs.shape[1], hairs.shape[0])
        brow, beard = _texel(hairs, hc, hr, share, 0) * byte, _texel(hairs, hc, hr, share, 1) * byte
        scalp = _texel(hairs, hc, hr, share, 2) * byte
        uneven = np.float32(0.45) + np.float32(1.1) * _texel(hairs, hc, hr, share, 3) * byte
        shadow = numbers[STUBBLE] * mask[_BEARD] * max(0.5 + dots + 0.15 * blotch, 0.0)
        lips, lids = numbers[LIPSTICK] * mask[_LIPS], numbers[LID_COLOR] * mask[_LIDS]
        liner = min(numbers[LINER] * mask[_LINER], 0.95)
        for layer in range(7):
            amount, even = np.float32(0.0), np.float32(1.0)
            if layer == 0:
                amount, row = min(shadow, 0.9) * (1.0 - scalp), STUBBLE_COLOR
            elif layer == 1:
                amount, row = lips, LIP_COLOR
            elif layer == 2:
                amount, row = lids, LID_SHADE
            elif layer == 3:
                amount, row = liner, LINER_COLOR
            elif layer == 4:
                amount, even, row = beard, uneven, BEARD
            elif layer == 5:
                amount, even, row = brow, uneven, BROW
            else:
                amount, even, row = scalp, uneven, SCALP
            if amount > 0.0:
                red = red * (1.0 - amount) + colors[row, 0] * even * amount
                green = green * (1.0 - amount) + colors[row, 1] * even * amount
                blue = blue * (1.0 - amount) + colors[row, 2] * even * amount
        hairy = max(brow, max(beard, scalp))
        height += numbers[DETAIL_RELIEF] * painted + numbers[PORES] * grain * (1.0 - mask[_LIPS])
        sweat = numbers[SWEAT] * (0.3 + 0.7 * mask[_OIL]) * min(max(0.5 + 0.7 * blotch + 0.3 * grain, 0.0), 1.6)
        oil = numbers[OILY] * (0.25 + 0.75 * mask[_OIL]) * (1.0 + 0.35 * blotch + 0.12 * grain)
        wet = sweat + numbers[LIP_GLOSS] * mask[_LIPS]
        out[n, RED], out[n, GREEN], out[n, BLUE] = red, green, blue
        out[n, RELIEF] = height
        out[n, OIL] = max(oil, 0.0) * (1.0 - 0.7 * hairy)
        out[n, WET] = max(wet, 0.0) * (1.0 - hairy)
        out[n, BROW_COVER], out[n, BEARD_COVER], out[n, SCALP_COVER] = brow, beard, scalp
    return out


@njit(cache=True, nogil=True, fastmath=FAST)
def bend_normals(index: np.ndarray, points: np.ndarray, normals: np.ndarray, height: np.ndarray, jump: float) -> None:
    """Tilt (N, 3) unit normals in place by the slope of (N,) heights (metres) over (N, 3) points of one frame.

    `index` (H, W) int32 gives each pixel's row, -1 where none is; neighbours farther than `jump` metres are another
    surface. The gradient on the surface follows from differences between pixels (Mikkelsen 2010).
    """
    tall, wide = index.shape
    bent = np.empty_like(normals)
    bent[:] = normals
    for y in range(tall):
        for x in range(wide):
            n = index[y, x]
            if n < 0:
                continue
            sx, sy, sz, sh = _difference(index, points, height, n, y, x - 1, y, x + 1, jump)
            tx, ty, tz, th = _difference(index, points, height, n, y - 1, x, y + 1, x, jump)
            if sh == 0.0 and th == 0.0:
                continue
            nx, ny, nz = normals[n, 0], normals[n, 1], normals[n, 2]
            ax, ay, az = ty * nz - tz * ny, tz * nx - tx * nz, tx * ny - ty * nx  # t x n
            bx, by, bz = ny * sz - nz * sy, nz * sx - nx * sz, nx * sy - ny * sx  # n x s
            det = sx * ax + sy * ay + sz * az
            if abs(det) < 1e-12:
                continue
            gx, gy, gz = (sh * ax + th * bx) / det, (sh * ay + th * by) / det, (sh * az + th * bz) / det
            steep = np.sqrt(gx * gx + gy * gy + gz * gz)
            limit = 0.8 / max(steep, 0.8)
            px, py, pz = nx - gx * limit, ny - gy * limit, nz - gz * limit
            length = np.sqrt(px * px + py * py + pz * pz)
            bent[n, 0], bent[n, 1], bent[n, 2] = px / length, py / length, pz / length
    normals[:] = bent


@njit(cache=True, nogil=True, fastmath=FAST, inline="always")
def _difference(
    index: np.ndarray, points: np.ndarray, height: np.ndarray, n: int, y0: int, x0: int, y1: int, x1: int, jump: float
) -> tuple[float, float, float, float]:
    """Difference of place and height between two pixels round pixel n, one-sided at edges."""
    first, last = n, n
    before = index[y0, x0] if y0 >= 0 and x0 >= 0 else -1
    after = index[y1, x1] if y1 < index.shape[0] and x1 < index.shape[1] else -1
    if before >= 0 and abs(points[before, 2] - points[n, 2]) < jump:
        first = before
    if after >= 0 and abs(points[after, 2] - points[n, 2]) < jump:
        last = after
    return (
        points[last, 0] - points[first, 0],
        points[last, 1] - points[first, 1],
        points[last, 2] - points[first, 2],
        height[last] - height[first],
    )


@njit(cache=True, nogil=True, fastmath=FAST, inline="always")
def environment_at(environment: np.ndarray, channel: int, x: float, y: float, z: float) -> float:
    """Bilinear radiance of a (h, w, 3) equirectangular map in a unit direction, light frame."""
    tall, wide = environment.shape[0], environment.shape[1]
    v = np.arccos(min(max(y, -1.0), 1.0)) / np.pi * tall - 0.5
    u = (np.arctan2(x, -z) / (2.0 * np.pi) + 0.5) * wide - 0.5
    row = int(min(max(v, 0.0), tall - 1.001))
    b = min(max(v, 0.0), tall - 1.001) - row
    left = int(np.floor(u))
    a = u - left
    left, right = left % wide, (left + 1) % wide
    upper = environment[row, left, channel] * (1.0 - a) + environment[row, right, channel] * a
    lower = environment[row + 1, left, channel] * (1.0 - a) + environment[row + 1, right, channel] * a
    return upper * (1.0 - b) + lower * b


@njit(cache=True, nogil=True, fastmath=FAST)
def light_skin(
    normals: np.ndarray, towards_eye: np.ndarray, ambient: np.ndarray, environment: np.ndarray, key: np.ndarray,
    key_color: np.ndarray, lit: np.ndarray, occlusion: np.ndarray, gloss: np.ndarray, oil: np.ndarray, wet: np.ndarray,
    sharpness: np.ndarray, wrap: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(N, 3) diffuse irradiance over pi and (N, 3) reflected radiance of N points.

    Three lobes: `gloss` (N,) of the broad one whose exponent is `sharpness` (N,), `oil` of one four times as sharp,
    `wet` of a film of water that also mirrors the surroundings. The rest as in `shading.shade`.
    """
    count = normals.shape[0]
    diffuse, mirrored = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    for n in range(count):
        x, y, z = normals[n, 0], normals[n, 1], normals[n, 2]
        vx, vy, vz = towards_eye[n, 0], towards_eye[n, 1], towards_eye[n, 2]
        facing = x * key[0] + y * key[1] + z * key[2]
        across = x * vx + y * vy + z * vz
        highlight = np.float32(0.0)
        if facing > 0.0 and lit[n] > 0.0:
            hx, hy, hz = vx + key[0], vy + key[1], vz + key[2]
            length = max(np.sqrt(hx * hx + hy * hy + hz * hz), np.float32(1e-6))
            cosine = max((x * hx + y * hy + z * hz) / length, np.float32(0.0))
            turn = max(1.0 - (vx * hx + vy * hy + vz * hz) / length, 0.0)
            fresnel = 0.028 + 0.972 * turn * turn * turn * turn * turn
            if cosine > 0.3:
                log = np.log(cosine)
                s = sharpness[n]
                highlight = gloss[n] * (s + 8.0) / 25.0 * np.exp(s * log)
                highlight += oil[n] * (4.0 * s + 8.0) / 25.0 * np.exp(4.0 * s * log)
                highlight += wet[n] * 8.0 * np.exp(220.0 * log)
            highlight *= fresnel * lit[n] * min(4.0 * facing, 1.0)
        slant = min(max(1.0 - across, 0.0), 1.0)
        edge = slant * slant * slant * slant * slant
        sheen = ((0.028 + 0.07 * edge) * gloss[n] + (0.02 + 0.1 * edge) * oil[n]) * occlusion[n]
        film = min(0.025 + 0.3 * edge, 0.2) * wet[n] * occlusion[n]
        mx, my, mz = 2.0 * across * x - vx, 2.0 * across * y - vy, 2.0 * across * z - vz
        for k in range(3):
            direct = max((facing + wrap[k]) / (1.0 + wrap[k]), 0.0) * lit[n] * key_color[k]
            diffuse[n, k] = harmonics(ambient, k, x, y, z) * occlusion[n] + direct
            value = highlight * key_color[k] + sheen * harmonics(ambient, k, mx, my, mz)
            if film > 0.001:
                value += film * min(environment_at(environment, k, mx, my, mz), 12.0)
            mirrored[n, k] = value
    return diffuse, mirrored
