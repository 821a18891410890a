"""Where skin varies on the ICT head: painted detail, brows, lips, stubble, freckles, flush, smooth random fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .regions import REGIONS, regions
from .registration import Registration
from .skins import ambient_occlusion, brow_fields, read_skins, without_baked_light
from .sources import ICT_COUNT, ICT_RANGES, IctModel, MakeHuman
from .surface import averaging, vertex_normals

SKIN = ICT_RANGES["head"].stop  # face and head are the first vertices of the ICT mesh; the albedo basis lives there
_WAVES = 16


@dataclass(frozen=True)
class SkinFields:
    """What varies where on N skin vertices; scalar fields are (N,) in [0, 1] unless said otherwise."""

    details: np.ndarray  # (K, N, 3) log ratio of each painted skin to its own mean colour, light removed
    dark: np.ndarray  # (K,) bool: painted for dark skin
    brows: np.ndarray  # (B, N) hair density of the brow shapes
    lips: np.ndarray
    stubble: np.ndarray
    scalp: np.ndarray
    freckles: np.ndarray  # (3, N) patterns of small spots
    age_spots: np.ndarray  # (2, N) patterns of larger ones
    under_eyes: np.ndarray
    flush: np.ndarray  # cheeks, nose and ears, where blood shows
    waves: np.ndarray  # (W, N) smooth random fields of zero mean and unit deviation


def skin_fields(
    ict: IctModel, mean: np.ndarray, mirror: np.ndarray, makehuman: MakeHuman, registration: Registration, seed: int = 5
) -> SkinFields:
    """Build the fields over the first `SKIN` vertices of the symmetric ICT mean (26719, 3)."""
    rng = np.random.default_rng(seed)
    faces = ict.mesh.faces
    label = regions(mean, faces)
    front = facial(label)
    area_weight = front * (mean[:, 2] > -0.02)
    lips = region_field(label, ("upper_lip", "lower_lip"), faces, 2)
    scalp = region_field(label, ("scalp",), faces, 6)
    ears = region_field(label, ("ear_left", "ear_right"), faces, 3)
    skins = read_skins(registration, faces)
    fields = SkinFields(
        details=_painted_details(skins, mean, mirror, faces, label, lips, scalp),
        dark=np.array(["dark" in name for name in skins]),
        brows=brow_fields(registration, mean, makehuman, mirror),
        lips=lips,
        stubble=_stubble(mean, faces, label, lips, ears),
        scalp=scalp,
        freckles=np.stack([_freckles(mean, area_weight, rng) for _ in range(3)]),
        age_spots=np.stack([_age_spots(mean, area_weight, rng) for _ in range(2)]),
        under_eyes=_patch(mean, 0.028, -0.0145, 0.014, 0.006),
        flush=_flush(mean, ears),
        waves=_waves(mean, front, rng),
    )
    cut = {k: v if k == "dark" else v[:, :SKIN] if v.ndim > 1 else v[:SKIN] for k, v in vars(fields).items()}
    return SkinFields(**cut)


def region_field(label: np.ndarray, names: tuple[str, ...], faces: np.ndarray, rounds: int) -> np.ndarray:
    """(26719,) mask of the named regions, blurred by `rounds` of averaging."""
    field = np.isin(label, [REGIONS.index(name) for name in names]).astype(float)
    ring = averaging(faces, ICT_COUNT)
    for _ in range(rounds):
        field = ring @ field
    return field


def facial(label: np.ndarray) -> np.ndarray:
    """(26719,) bool: the face without ears, nostrils, scalp and neck."""
    off = [REGIONS.index(name) for name in ("none", "ear_right", "ear_left", "nostril", "scalp", "neck")]
    return (np.arange(ICT_COUNT) < ICT_RANGES["face"].stop) & ~np.isin(label, off)


def _painted_details(
    skins: dict[str, np.ndarray],
    mean: np.ndarray,
    mirror: np.ndarray,
    faces: np.ndarray,
    label: np.ndarray,
    lips: np.ndarray,
    scalp: np.ndarray,
) -> np.ndarray:
    """(K, 26719, 3) log ratio of each skin, baked light removed, to its mean colour; the scalp's hair is kept out."""
    quads = faces[(faces < ICT_RANGES["eye_sockets"].stop).all(axis=1)]
    occlusion, normals = ambient_occlusion(mean, quads), vertex_normals(mean, quads)
    fit = np.flatnonzero(facial(label) & (mean[:, 1] < 0.07) & (lips < 0.2))
    lit = [without_baked_light(color, occlusion, normals, fit) for color in skins.values()]
    ratio = np.log(np.maximum(np.stack(lit), 2e-3))
    ratio -= ratio[:, fit].mean(axis=1, keepdims=True)
    ratio = 0.85 * (ratio + ratio[:, mirror]) / 2 + 0.15 * ratio  # the paint's lopsided shading is not anatomy
    return np.clip(ratio, -0.7, 0.5) * (1 - 0.9 * scalp[:, None]) * (1 - 0.25 * lips[:, None])


def _patch(mean: np.ndarray, x: float, y: float, width: float, height: float) -> np.ndarray:
    """(26719,) soft symmetric spot at (+-x, y) in the frontal plane, metres."""
    away = ((np.abs(mean[:, 0]) - x) / width) ** 2 + ((mean[:, 1] - y) / height) ** 2
    on_face = (np.arange(ICT_COUNT) < ICT_RANGES["face"].stop) & (mean[:, 2] > -0.03)
    return np.exp(-away) * on_face


def _flush(mean: np.ndarray, ears: np.ndarray) -> np.ndarray:
    cheeks, nose = _patch(mean, 0.043, -0.032, 0.018, 0.016), _patch(mean, 0.0, -0.033, 0.013, 0.012)
    return np.clip(cheeks + 0.9 * nose + 0.3 * _patch(mean, 0.0, -0.105, 0.016, 0.012) + 0.7 * ears, 0, 1)


def _stubble(mean: np.ndarray, faces: np.ndarray, label: np.ndarray, lips: np.ndarray, ears: np.ndarray) -> np.ndarray:
    """(26719,) beard shadow: moustache, chin, jaw and the upper neck."""
    x, y, z = np.abs(mean[:, 0]), mean[:, 1], mean[:, 2]
    moustache = _patch(mean, 0.0, -0.053, 0.026, 0.006) * (y < -0.049)
    chin = np.clip((-0.075 - y) / 0.01, 0, 1) * np.clip((y + 0.135) / 0.02, 0, 1) * (z > -0.045)
    jaw = np.clip((x - 0.04) / 0.012, 0, 1) * np.clip((-0.02 - y) / 0.03, 0, 1)
    jaw *= np.clip((z + 0.085) / 0.02, 0, 1) * np.clip((y + 0.14) / 0.02, 0, 1)
    field = np.clip(np.maximum(np.maximum(moustache, chin), jaw), 0, 1) * (1 - lips) * (1 - np.clip(2 * ears, 0, 1))
    field *= np.arange(ICT_COUNT) < ICT_RANGES["face"].stop
    ring = averaging(faces, ICT_COUNT)
    for _ in range(4):
        field = ring @ field
    return field * (1 - lips)


def spots(vertices: np.ndarray, where: np.ndarray, count: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """(V,) soft random spots of about `radius` metres among vertices of positive weight `where`."""
    centers = vertices[rng.choice(len(vertices), count, p=where / where.sum())]
    size = radius * rng.uniform(0.6, 1.4, count)
    strength = rng.uniform(0.5, 1.0, count)
    distance, nearest = cKDTree(centers).query(vertices)
    return strength[nearest] * np.exp(-((distance / size[nearest]) ** 2)) * (where > 0)


def _freckles(mean: np.ndarray, area_weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    near_nose = np.exp(-(((mean[:, 1] + 0.015) / 0.03) ** 2) - (mean[:, 0] / 0.05) ** 2)
    return spots(mean, area_weight * near_nose, 170, 0.0016, rng)


def _age_spots(mean: np.ndarray, area_weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    outer = (np.abs(mean[:, 0]) > 0.03) | (mean[:, 1] > 0.04)
    return spots(mean, area_weight * outer, 25, 0.004, rng)


def _waves(mean: np.ndarray, front: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(W, 26719) smooth random fields of zero mean and unit deviation over the face; zero off the skin."""
    result = np.zeros((_WAVES, ICT_COUNT))
    skin = mean[:SKIN]
    for row in result:
        centers, amounts = skin[rng.choice(SKIN, 60)], rng.standard_normal(60)
        squared = ((skin[:, None] - centers) ** 2).sum(axis=2)
        wave = np.exp(-squared / (2 * rng.uniform(0.012, 0.035) ** 2)) @ amounts
        row[:SKIN] = (wave - wave[front[:SKIN]].mean()) / wave[front[:SKIN]].std()
    return result
