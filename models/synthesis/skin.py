"""Skin: brows, beard, lips, make-up, folds, freckles and grain, painted on the head's chart."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chart import HEIGHT, WIDTH, Chart, locate, sample, smooth_curve
from .noise import NoisePool

HAIR_COLORS = np.array(  # sRGB
    [[18, 15, 14], [34, 26, 22], [58, 40, 28], [88, 60, 40], [120, 82, 52], [160, 118, 72], [196, 160, 108]]
    + [[150, 70, 36], [205, 190, 165], [150, 150, 150], [215, 215, 212], [95, 95, 95]],
    np.float32,
) / 255.0  # fmt: skip
_COMMON = np.array([5, 5, 4, 3, 2, 1.5, 1.3, 0.8, 0.5, 1.2, 1.2, 1.0])
_DARK = np.array([1, 1, 0.6, 0.2, 0.05, 0, 0, 0, 0, 0.4, 0.3, 0.4])
BROW, BEARD, LIPS, LINER = range(4)  # ink channels
DETAIL, SCALP, BLUSH, GLOSS = range(4)  # tone channels


@dataclass(frozen=True, eq=False)
class Paint:
    """The painted chart of one person."""

    inks: np.ndarray  # (HEIGHT, WIDTH, 4) uint8 cover of brow, beard, lips, liner
    tones: np.ndarray  # (HEIGHT, WIDTH, 4) uint8: detail (128 neutral), scalp hair cover, blush, gloss
    colors: np.ndarray  # (4, 3) float32 linear colours of the inks
    hair_color: np.ndarray  # (3,) float32 linear
    roughness: float
    lashes: float  # how dark they come out, in [0, 1]


def sample_hair_color(rng: np.random.Generator, skin_luminance: float) -> np.ndarray:
    """(3,) float32 linear: natural colours, a few dyed; dark skin mostly goes with dark or grey hair."""
    if rng.random() < 0.03:
        return srgb_to_linear(rng.random(3) * 0.8)
    common = _COMMON * (_DARK if skin_luminance < 0.16 and rng.random() < 0.9 else 1.0)
    base = HAIR_COLORS[rng.choice(len(HAIR_COLORS), p=common / common.sum())]
    return srgb_to_linear(np.clip(base * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.015, 3), 0.01, 0.95))


def paint_person(
    rng: np.random.Generator,
    chart: Chart,
    noise: NoisePool,
    albedo_luminance: float,
    scalp: np.ndarray,
    long_hair: bool,
) -> Paint:
    """Paint one face. `scalp` is the (HEIGHT, WIDTH) float32 cover of the hair painted on the scalp.

    Long hair goes with fewer beards and more make-up, as in most photos.
    """
    hair = sample_hair_color(rng, albedo_luminance)
    made_up = [0.25, 0.35, 0.4] if long_hair else [0.55, 0.35, 0.1]
    lipstick = rng.choice([0.0, rng.uniform(0.1, 0.5), rng.uniform(0.5, 0.95)], p=made_up)
    inks = [_brows(rng, chart), _beard(rng, chart, noise, long_hair), chart.lips * lipstick, _liner(rng, chart)]
    tones = [0.5 + _detail(rng, chart, noise), scalp, _blush(rng, chart), 0.5 + 0.15 * noise.cut(rng, "blotch")]
    darker = np.exp(-abs(rng.normal(0.2, 0.25)))
    lips = srgb_to_linear(np.array([rng.uniform(0.4, 0.8), rng.uniform(0.12, 0.4), rng.uniform(0.15, 0.4)]))
    lips *= np.clip(albedo_luminance / 0.3, 0.35, 1.2)
    liner = hair * 0.3 if rng.random() < 0.8 else srgb_to_linear(rng.random(3) * 0.5)
    return Paint(
        inks=_bytes(inks),
        tones=_bytes(tones),
        colors=np.stack([hair * darker, hair * rng.uniform(0.6, 1.3), lips, liner]).astype(np.float32),
        hair_color=hair,
        roughness=float(rng.uniform(0.3, 0.6)),
        lashes=float(rng.uniform(0.4, 0.85) if long_hair else rng.uniform(0.1, 0.6)),
    )


def _bytes(channels: list[np.ndarray]) -> np.ndarray:
    """(HEIGHT, WIDTH, 4) uint8 of four fields in [0, 1]."""
    return cv2.merge([cv2.convertScaleAbs(np.maximum(channel, 0.0), alpha=255.0) for channel in channels])


def _brows(rng: np.random.Generator, chart: Chart) -> np.ndarray:
    """Hair strokes along each brow; now and then hardly any."""
    cover = np.zeros((HEIGHT, WIDTH), np.float32)
    thickness = rng.uniform(3.0, 10.5)  # chart pixels of 0.8 mm
    below, arch, taper = rng.uniform(0.0, 0.6) * thickness, rng.normal(0, 1.2), rng.uniform(0.4, 1.2)
    reach = rng.uniform(-0.08, 0.1)
    strength = rng.choice([0.0, rng.uniform(0.25, 0.6), rng.uniform(0.6, 1.0)], p=[0.3, 0.25, 0.45])
    strokes = int(rng.uniform(60, 170))
    for order in (range(21, 16, -1), range(22, 27)):  # inner end to outer end
        spine = smooth_curve(chart.landmarks[list(order)], count=48)
        spine = spine + (spine[-1] - spine[0]) * reach * np.linspace(-0.5, 1.0, 48)[:, None]
        spine[:, 1] += below - arch * np.sin(np.linspace(0, np.pi, 48))
        _stroke_brow(rng, cover, spine, thickness, taper, strokes)
    soft = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.6, 1.6))
    return np.clip(soft * 1.5, 0.0, 1.0) * strength


def _stroke_brow(
    rng: np.random.Generator, cover: np.ndarray, spine: np.ndarray, thickness: float, taper: float, strokes: int
) -> None:
    along = np.sort(rng.random(strokes))
    row = (along * (len(spine) - 2)).astype(int)
    tangent = spine[row + 1] - spine[row]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    half = thickness / 2 * np.minimum(1.0, 0.55 + 2.5 * along) * (1.0 - along**2 * taper * 0.75).clip(0.12)
    root = spine[row] + np.stack([np.zeros(strokes), rng.uniform(-1, 1, strokes) * half], axis=1)
    rise = np.interp(along, [0.0, 0.35, 1.0], [1.6, 0.5, -0.1]) + rng.normal(0, 0.25, strokes)
    tip = root + (tangent + np.stack([np.zeros(strokes), -rise], axis=1)) * rng.uniform(2.0, 5.0, (strokes, 1))
    for a, b in zip(np.round(root * 8).astype(int).tolist(), np.round(tip * 8).astype(int).tolist(), strict=True):
        cv2.line(cover, a, b, 1.0, 1, cv2.LINE_AA, 3)


def _beard(rng: np.random.Generator, chart: Chart, noise: NoisePool, long_hair: bool) -> np.ndarray:
    kind = rng.choice(
        ["none", "shadow", "stubble", "full", "goatee", "moustache"], p=[0.42, 0.18, 0.14, 0.11, 0.08, 0.07]
    )
    if kind == "none" or (long_hair and rng.random() < 0.8):
        return np.zeros((HEIGHT, WIDTH), np.float32)
    lm, area = chart.landmarks, chart.beard
    y, x = np.arange(HEIGHT, dtype=np.float32)[:, None], np.arange(WIDTH, dtype=np.float32)[None, :]
    if kind == "moustache":
        area = (
            area * (y < lm[48, 1] + rng.uniform(-3, 12)) * _soft(np.abs(x - lm[8, 0]), abs(lm[54, 0] - lm[8, 0]) + 5, 3)
        )
    elif kind == "goatee":
        area = area * _soft(np.abs(x - lm[8, 0]), abs(lm[54, 0] - lm[8, 0]) + rng.uniform(-8, 8), 6)
        area = area * _soft(y, lm[8, 1] + rng.uniform(4, 14), 8)
    strand = 0.6 * noise.cut(rng, "grain") + 0.4 * noise.cut(rng, "strand")
    strength = {"shadow": rng.uniform(0.05, 0.22), "stubble": rng.uniform(0.2, 0.5)}.get(
        str(kind), rng.uniform(0.7, 1.0)
    )
    rough = 0.35 if kind in ("shadow", "stubble") else 0.12
    return np.clip(area * strength * (1.0 + rough * strand), 0.0, 1.0)


def _soft(distance: np.ndarray, limit: float, width: float) -> np.ndarray:
    """1 below `limit`, 0 above, a ramp of `width` between."""
    return np.clip((limit - distance) / width + 0.5, 0.0, 1.0).astype(np.float32)


def _liner(rng: np.random.Generator, chart: Chart) -> np.ndarray:
    """Lash lines, eyeliner and eye shadow."""
    cover = np.zeros((HEIGHT, WIDTH), np.float32)
    upper, lower = rng.uniform(0.4, 1.0), rng.uniform(0.05, 0.45)
    for lids, strength in (
        ((36, 37, 38, 39), upper),
        ((42, 43, 44, 45), upper),
        ((36, 41, 40, 39), lower),
        ((42, 47, 46, 45), lower),
    ):
        line = np.round(smooth_curve(chart.landmarks[list(lids)], count=20) * 8).astype(np.int32)
        cv2.polylines(cover, [line], False, float(strength), 1 + int(rng.random() < 0.3), cv2.LINE_AA, 3)
    cover = cv2.GaussianBlur(cover, (0, 0), 0.7)
    if rng.random() < 0.2:
        cover = np.maximum(cover, chart.eyes * rng.uniform(0.1, 0.6))
    return cover


def _detail(rng: np.random.Generator, chart: Chart, noise: NoisePool) -> np.ndarray:
    """Albedo detail round 0: grain, patches, folds, freckles and moles."""
    age = rng.beta(1.2, 1.6)
    detail = noise.cut(rng, "grain") * rng.uniform(0.005, 0.035) + noise.cut(rng, "blotch") * rng.uniform(0.005, 0.03)
    detail -= _folds(rng, chart) * age * 0.2
    marks = np.zeros((HEIGHT, WIDTH), np.float32)
    freckled = rng.random() < 0.12
    center = chart.landmarks[30]
    for _ in range(rng.integers(40, 160) if freckled else rng.integers(0, 6)):
        spot = center + rng.normal(0, [42, 22] if freckled else [60, 70])
        cv2.circle(
            marks,
            np.round(spot * 8).astype(int).tolist(),
            int(rng.uniform(3, 10)),
            rng.uniform(0.05, 0.25),
            -1,
            cv2.LINE_AA,
            3,
        )
    return detail - marks


def _folds(rng: np.random.Generator, chart: Chart) -> np.ndarray:
    """Soft dark lines: forehead, crow's feet, nasolabial folds, bags under the eyes."""
    lm, lines = chart.landmarks, np.zeros((HEIGHT, WIDTH), np.float32)

    def draw(points: list[np.ndarray], strength: float, width: int = 1) -> None:
        curve = np.round(smooth_curve(np.array(points), count=20) * 8).astype(np.int32)
        cv2.polylines(lines, [curve], False, float(strength), width, cv2.LINE_AA, 3)

    for wing, corner, side in ((31, 48, -1), (35, 54, 1)):
        draw(
            [lm[wing] + [side * 5, -4], (lm[wing] + lm[corner]) / 2 + [side * 12, -2], lm[corner] + [side * 8, 6]],
            1.0,
            2,
        )
    for inner, under, outer, side in ((39, 41, 36, -1), (42, 46, 45, 1)):
        draw([lm[inner] + [side * 1, 6], lm[under] + [0, 13], lm[outer] + [side * 2, 9]], rng.uniform(0.3, 0.9), 2)
        for rise in (-7, 0, 7):
            draw(
                [lm[outer] + [side * 6, rise / 3], lm[outer] + [side * 11, rise * 0.7], lm[outer] + [side * 17, rise]],
                0.5,
            )
    for level in range(rng.integers(0, 4)):
        y = lm[17:27, 1].min() - 16 - 11 * level
        draw([np.array([lm[18, 0], y]), np.array([lm[27, 0], y - 3]), np.array([lm[25, 0], y])], rng.uniform(0.3, 0.8))
    return cv2.GaussianBlur(lines, (0, 0), 2.2) * 2.0


def _blush(rng: np.random.Generator, chart: Chart) -> np.ndarray:
    return chart.cheeks * rng.uniform(0.0, 0.4) + chart.nose_tip * rng.uniform(0.0, 0.35)


def skin_albedo(paint: Paint, base: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Albedo, gloss and paint at N surface points.

    `base` is (N, 3) linear model albedo, `rest` (N, 3) rest positions. Returns (N, 3) linear albedo, (N,) gloss round
    1, and the (N, 8) sampled inks and tones in [0, 1].
    """
    places = locate(rest)
    inks, tones = sample(paint.inks, places) / 255.0, sample(paint.tones, places) / 255.0
    albedo = base * np.exp(2.0 * (tones[:, DETAIL] - 0.502))[:, None]
    blush = tones[:, BLUSH, None]
    albedo = albedo * (1.0 + blush * np.array([0.1, -0.35, -0.25], np.float32))
    for channel in (LIPS, LINER, BEARD, BROW):
        cover = inks[:, channel, None]
        uneven = 0.45 + 1.1 * tones[:, DETAIL, None] if channel in (BEARD, BROW) else 1.0
        albedo = albedo * (1.0 - cover) + paint.colors[channel] * uneven * cover
    scalp = tones[:, SCALP, None]
    albedo = albedo * (1.0 - scalp) + paint.hair_color * (0.55 + 0.9 * (tones[:, DETAIL, None])) * scalp
    gloss = (0.4 + 1.2 * tones[:, GLOSS]) * (1.0 - 0.8 * np.maximum(inks[:, BEARD], inks[:, BROW]))
    gloss += 1.2 * inks[:, LIPS]
    return albedo, gloss, np.concatenate([inks, tones], axis=1)
