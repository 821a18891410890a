"""What the photo says about the skin: its light, its albedo, and where something else covers it.

Everything happens on vertices and in linear light: the photo's colours there are explained by the model's albedo
under nine spherical harmonics per channel; what cannot be explained as skin is not skin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import lighting

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_RIDGE = np.array([1e-4] + [5e-3] * 3 + [3e-2] * 5)  # the dim harmonics are told apart by few normals only
_TINT_RIDGE = np.array([1e-4, 0.1, 0.1, 0.1])
_FEW = 30  # vertices, from which no light is learned
_DARKEST = 0.12  # floor of the shading over its mean: deeper shadows stay in the albedo
_HUE_SPREAD = 0.25  # log units by which skin's hue varies within a photo
_LIGHT_TINT = 0.3  # share of the colour cast blamed on the light; cameras balance most of it away
_SPREAD = (0.15, 0.12)  # log brightness and chroma by which skin varies within a photo
_WIDEST = (1.5, 1.0)  # times as much, in hard light, that may be skin ...
_WIDEST_TOLD = (2.5, 4.0)  # ... and where it is known to be
_BEARD_DARKER, _BEARD_CHROMA = 2.6, 0.6  # tolerances of a beard, log units
_LEAST_SHADE = 0.65  # of the usual light, the least that counts in a beard and round the eyes
_LINED_DARKER, _LINED_BRIGHTER, _LINED_CHROMA = 2.8, 2.0, 0.9  # tolerances round the eyes, log units
_EXPOSURE = 0.6  # share of the photo's overall brightness that is the skin's, in log units
_LEVELS = (0.6, 1.7)  # factors on the regressed albedo's level, lowest and highest


@dataclass(frozen=True, eq=False)
class Tolerance:
    """Per vertex, how far the de-lit photo may lie from the model's skin and still be believed, in log units."""

    darker: np.ndarray  # (V,) float32
    brighter: np.ndarray  # (V,) float32
    chroma: np.ndarray  # (V,) float32

    def bearing(self, beard: np.ndarray) -> Tolerance:
        """The tolerance of skin on which a beard grows, where (V,) in [0, 1] says so."""
        darker = np.maximum(self.darker, beard * _BEARD_DARKER)
        return replace(self, darker=darker, chroma=np.maximum(self.chroma, beard * _BEARD_CHROMA))

    def round_eyes(self, orbits: np.ndarray) -> Tolerance:
        """The tolerance where lids fold, lashes and make-up draw lines and brows are plucked, where (V,) says so."""
        return Tolerance(
            darker=np.maximum(self.darker, orbits * _LINED_DARKER),
            brighter=np.maximum(self.brighter, orbits * _LINED_BRIGHTER),
            chroma=np.maximum(self.chroma, orbits * _LINED_CHROMA),
        )


@dataclass(frozen=True, eq=False)
class SkinReading:
    """The skin as read from the photo, per vertex."""

    shading: np.ndarray  # (V, 3) float32, linear; photo = albedo * shading
    log_albedo: np.ndarray  # (V, 3) float32, of the photo
    log_ratio: np.ndarray  # (V, 3) float32, log of the photo's albedo over the model's
    usual: np.ndarray  # (3,) float32, its robust middle over the trusted skin
    trust: np.ndarray  # (V,) float32 in [0, 1], 0 where the photo shows something else than skin
    dark: np.ndarray  # (V,) float32 in [0, 1], 1 where that something is as dark as hair

    def exposed(self, weight: np.ndarray) -> SkinReading:
        """The same reading with the albedo's level drawn towards the photo's own brightness.

        One photo cannot tell bright light from bright skin; photographers expose for the face, so its brightness
        says more about the skin than the regressed albedo, which stays near the mean. `weight` is (V,).
        """
        lit = weighted_median(self.shading @ LUMINANCE, weight * self.trust)
        if lit <= 0.0:
            return self
        level = float(np.clip(lit**_EXPOSURE, *_LEVELS))
        shift = np.float32(np.log(level))
        return replace(
            self,
            shading=self.shading / np.float32(level),
            log_albedo=self.log_albedo + shift,
            log_ratio=self.log_ratio + shift,
            usual=self.usual + shift,
        )

    def unshaded(self, where: np.ndarray, weight: np.ndarray) -> SkinReading:
        """The same reading with light that is nowhere dim `where` (V,) in [0, 1]; `weight` (V,) as in `exposed`.

        How dark a beard is in the shade cannot be told: brightened as skin would be, it would fade and turn to noise.
        """
        weight = weight * self.trust
        usual = [weighted_median(channel, weight) for channel in self.shading.T]
        least = _LEAST_SHADE * np.array(usual, np.float32)
        lift = where[:, None] * np.log(np.maximum(least / np.maximum(self.shading, 1e-6), 1.0))
        return replace(
            self,
            shading=self.shading * np.exp(lift),
            log_albedo=self.log_albedo - lift,
            log_ratio=self.log_ratio - lift,
        )


def read_skin(
    colors: np.ndarray,
    albedo: np.ndarray,
    normals: np.ndarray,
    weight: np.ndarray,
    tolerance: Tolerance,
    told: bool = False,
    beard: np.ndarray | float = 0.0,
) -> SkinReading:
    """Explain (V, 3) linear photo colours by (V, 3) albedo under light from (V, 3) normals in the light frame.

    `weight` (V,) in [0, 1] marks skin that is well seen; the light comes from there. `told`: somebody knows that all
    that weighs is skin, so that colours that vary widely are those of a hard or tinted light. `beard` (V,) in [0, 1]
    is where a beard grows: its darkness is no shadow.
    """
    bare = weight * (1.0 - beard)
    safe = np.maximum(albedo, 0.01)
    trust = _likely_skin(colors, safe, weight)
    widest = _WIDEST_TOLD if told else _WIDEST
    for _ in range(3):
        light = estimate_light(colors, safe, normals, bare * trust)
        shading = _shading(normals, light, bare * trust)
        log_albedo = np.log(np.maximum(colors, 2e-3)) - np.log(shading)
        log_ratio = log_albedo - np.log(safe)
        usual, trust, dark = _judge(log_ratio, bare * (1.0 if told else np.maximum(trust, 0.05)), tolerance, widest)
    return SkinReading(shading=shading, log_albedo=log_albedo, log_ratio=log_ratio, usual=usual, trust=trust, dark=dark)


def _likely_skin(colors: np.ndarray, albedo: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(V,) first guess of the trust: the hues nearest to the model's skin, whatever the photo's white balance.

    Without it a mask over most of the face would pass for the skin and the skin for an occluder.
    """
    ratio = np.log(np.maximum(colors, 2e-3) / albedo)
    hue = np.linalg.norm(ratio - (ratio @ LUMINANCE)[:, None], axis=1)
    used = weight > 0.3
    if not used.any():
        return np.ones(len(colors), np.float32)
    nearest = np.quantile(hue[used], 0.2)
    return np.exp(-0.5 * (np.maximum(hue - nearest, 0.0) / _HUE_SPREAD) ** 2).astype(np.float32)


def estimate_light(colors: np.ndarray, albedo: np.ndarray, normals: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(9, 3) light by robust least squares of (V, 3) `colors` on `albedo` times harmonics of `normals`."""
    basis = lighting.basis(normals).astype(np.float64)
    used = weight > 0.01
    if used.sum() < _FEW:  # no skin to learn from: flat light of the photo's brightness
        flat = np.zeros((9, 3), np.float32)
        flat[0] = np.median(colors / albedo, axis=0) if len(colors) else 1.0
        return flat
    basis, weight = basis[used], weight[used].astype(np.float64)
    bright, gray = colors[used] @ LUMINANCE, albedo[used] @ LUMINANCE
    shared = _robust_solve(basis * gray[:, None], bright, weight, _RIDGE)
    shaded = np.maximum(basis @ shared, 0.05 * shared[0])
    light = np.empty((9, 3))
    for channel in range(3):  # colour changes slowly over a face: four harmonics, held closely to one tint
        rows = basis[:, :4] * (albedo[used][:, channel] * shaded)[:, None]
        tint = _robust_solve(rows, colors[used][:, channel], weight, _TINT_RIDGE)
        light[:, channel] = shared * tint[0]
        light[1:4, channel] += shared[0] * tint[1:]
    return light.astype(np.float32)


def light_of_shading(shading: np.ndarray, normals: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(9,) float32 monochrome light whose irradiance at (V, 3) normals, light frame, is nearest to (V,) `shading`.

    `weight` is (V,) in [0, 1]; with hardly any, the light is even and of the usual shading.
    """
    used = weight > 0.01
    if used.sum() < _FEW:
        return np.array([weighted_median(shading, weight) or 1.0] + [0.0] * 8, np.float32)
    rows = lighting.basis(normals[used]).astype(np.float64)
    weighted = rows * weight[used, None]
    normal = weighted.T @ rows
    ridge = np.diag(_RIDGE * normal[0, 0])
    return np.linalg.solve(normal + ridge, weighted.T @ shading[used]).astype(np.float32)


def _robust_solve(rows: np.ndarray, target: np.ndarray, weight: np.ndarray, ridges: np.ndarray) -> np.ndarray:
    solution = np.zeros(rows.shape[1])
    robust = weight
    for _ in range(5):
        weighted = rows * robust[:, None]
        normal = weighted.T @ rows
        ridge = ridges * normal[0, 0]
        solution = np.linalg.solve(normal + np.diag(ridge), weighted.T @ target)
        error = np.abs(rows @ solution - target)
        scale = max(1.5 * weighted_median(error, weight), 1e-4)
        robust = weight / (1.0 + (error / (2.0 * scale)) ** 2)
    return solution


def _shading(normals: np.ndarray, light: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(V, 3) irradiance with most of its colour cast taken out and deep shadows limited."""
    shading = lighting.basis(normals) @ light
    mean = np.maximum((shading * weight[:, None]).sum(axis=0) / max(float(weight.sum()), 1e-6), 1e-4)
    cast = mean / (mean @ LUMINANCE)
    shading = np.maximum(shading, _DARKEST * mean)
    return (shading * cast ** (_LIGHT_TINT - 1.0)).astype(np.float32)


def _judge(
    log_ratio: np.ndarray, weight: np.ndarray, tolerance: Tolerance, widest: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The usual ratio (3,), the trust (V,) and the darkness (V,) of everything that departs from it."""
    usual = np.array([weighted_median(log_ratio[:, c], weight) for c in range(3)], np.float32)
    offset = log_ratio - usual
    bright = offset @ LUMINANCE
    chroma = np.linalg.norm(offset - bright[:, None], axis=1)
    spread, spread_chroma = (
        np.clip(weighted_median(value, weight) / usually, 1.0, most)
        for value, usually, most in zip((np.abs(bright), chroma), _SPREAD, widest, strict=True)
    )
    limit = np.where(bright < 0, tolerance.darker, tolerance.brighter) * spread
    # a dim colour is uncertain: its chroma may wander further
    limit_chroma = tolerance.chroma * spread_chroma * (1.0 + np.maximum(-bright, 0.0))
    distance = np.maximum(np.abs(bright) / limit, chroma / limit_chroma)
    trust = smoothstep(distance, 1.25, 0.85)
    dark = smoothstep(-bright, 0.5, 1.0)
    return usual, trust, dark


def weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """Median of (N,) values under (N,) weights; 0 when nothing weighs."""
    return weighted_quantile(values, weight, 0.5)


def weighted_quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float:
    """The value below which a share of the weight lies, of (N,) values under (N,) weights; 0 when nothing weighs."""
    heavy = np.flatnonzero(weight)
    order = heavy[np.argsort(values[heavy])]
    reach = np.cumsum(weight[order])
    if len(reach) == 0 or reach[-1] <= 0:
        return 0.0
    return float(values[order[np.searchsorted(reach, reach[-1] * share)]])


def smoothstep(value: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """0 at `low`, 1 at `high` (which may be the smaller), smooth between; float32."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)
