"""Spectacles of every fashion: their styles, and the plan of one pair. Geometry is in frames.py, glass in lenses.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick

Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """A fashion of frames; lengths in metres."""

    half_width: Range
    half_height: Range
    power: tuple[Range, Range]  # superellipse of the upper and the lower half: 2 round, 5 boxy
    rim: Range  # breadth
    lift: Range = (0.0, 0.1)  # outer upper corner raised, of the half height
    droop: Range = (0.0, 0.15)  # outer lower corner lowered
    taper: Range = (-0.02, 0.08)  # narrower below
    upper: Range = (1.0, 1.3)  # breadth of the upper rim over the rim's
    lower: float = 1.0
    metal: float = 0.0  # share of these frames that are of metal
    double_bridge: float = 0.0


STYLES: dict[str, Style] = {
    "rectangular": Style((0.0245, 0.0285), (0.0125, 0.0175), ((3.2, 5.5), (3.0, 5.0)), (0.0016, 0.0034)),
    "thin": Style((0.0235, 0.0280), (0.0125, 0.0175), ((2.8, 5.0), (2.6, 4.5)), (0.0006, 0.0012), metal=1.0),
    "thick": Style(
        (0.0235, 0.0275), (0.0170, 0.0225), ((3.0, 4.5), (2.3, 3.2)), (0.0030, 0.0052), (0.05, 0.2), upper=(1.0, 1.5)
    ),
    "round": Style((0.0205, 0.0250), (0.0200, 0.0245), ((2.0, 2.2), (2.0, 2.2)), (0.0007, 0.0030), metal=0.55),
    "oval": Style((0.0235, 0.0265), (0.0145, 0.0180), ((2.1, 2.5), (2.1, 2.5)), (0.0007, 0.0022), metal=0.7),
    "aviator": Style(
        (0.0265, 0.0300), (0.0215, 0.0255), ((2.8, 3.6), (2.0, 2.4)), (0.0007, 0.0013), droop=(0.4, 0.7),
        taper=(-0.08, 0.0), metal=0.95, double_bridge=0.8,
    ),
    "cat-eye": Style(
        (0.0245, 0.0285), (0.0155, 0.0205), ((2.6, 3.4), (2.0, 2.6)), (0.0022, 0.0042), (0.25, 0.5), upper=(1.3, 2.0)
    ),
    "browline": Style(
        (0.0240, 0.0270), (0.0165, 0.0205), ((3.0, 4.0), (2.1, 2.6)), (0.0008, 0.0012), upper=(3.5, 5.5), metal=1.0
    ),
    "half-rim": Style(
        (0.0245, 0.0285), (0.0125, 0.0170), ((3.5, 5.5), (2.4, 3.6)), (0.0010, 0.0026), lower=0.15, metal=0.6
    ),
    "rimless": Style((0.0235, 0.0275), (0.0135, 0.0180), ((2.6, 4.5), (2.3, 4.0)), (0.00035, 0.0005), metal=1.0),
    "oversized": Style((0.0285, 0.0325), (0.0235, 0.0275), ((2.4, 3.6), (2.2, 3.0)), (0.0018, 0.0045)),
    "sport": Style(
        (0.0285, 0.0320), (0.0160, 0.0200), ((2.6, 3.4), (2.0, 2.6)), (0.0012, 0.0028), droop=(0.1, 0.4)
    ),
}  # fmt: skip
_CLEAR = {
    "rectangular": 0.2, "thin": 0.17, "thick": 0.17, "round": 0.14, "oval": 0.06, "aviator": 0.06, "cat-eye": 0.04,
    "browline": 0.04, "half-rim": 0.06, "rimless": 0.06,
}  # fmt: skip
_DARK = {
    "rectangular": 0.16, "thick": 0.28, "round": 0.1, "aviator": 0.2, "cat-eye": 0.07, "oversized": 0.1, "sport": 0.09,
}  # fmt: skip
_PLASTICS = ((0.1, 0.1, 0.1), (0.33, 0.2, 0.12), (0.55, 0.4, 0.25), (0.2, 0.22, 0.3), (0.92, 0.92, 0.9))
_METALS = ((0.85, 0.7, 0.42), (0.75, 0.75, 0.77), (0.32, 0.32, 0.34), (0.85, 0.6, 0.5), (0.1, 0.1, 0.1))


@dataclass(frozen=True)
class Frame:
    """A pair of glasses; metres."""

    half_width: float  # of a lens
    half_height: float
    power: tuple[float, float]  # upper, lower half
    lift: float
    droop: float
    taper: float
    rim: float
    upper: float
    lower: float
    double_bridge: bool
    bow: float  # curvature of the front, 1/metres
    wear: str  # "on", "low" on the nose, or "up" on the forehead
    drop: float  # of the lenses' middle below the eyes
    slide: float  # down the nose
    color: np.ndarray  # (3,) float32 linear
    top_color: np.ndarray  # (3,) float32 linear, of the upper rim and the temples
    mottled: float  # strength of a tortoiseshell pattern
    see_through: float  # share of light that the frame's plastic lets pass
    metal: bool
    glass: Glass


@dataclass(frozen=True)
class Glass:
    """Both lenses."""

    dark: bool
    tint: np.ndarray  # (3,) float32: share of the light that passes
    fade: float  # how much of the tint is gone at the bottom
    reflectance: np.ndarray  # (3,) float32 at right angles
    power: float  # enlargement of what is behind, minus one
    curve: float  # metres, radius of the front
    window: tuple[float, float, float, float, float]  # of a bright window: x, y, half sizes (tangents), radiance
    bars: bool  # the window has crossbars


def sample_frame(rng: np.random.Generator, dark: bool) -> Frame:
    """Reading glasses or sunglasses."""
    shares = _DARK if dark else _CLEAR
    name = str(pick(rng, list(shares), np.array(list(shares.values())) / sum(shares.values())))
    style = STYLES[name]
    metal = bool(rng.random() < style.metal)
    color = _frame_color(rng, metal)
    own_top = rng.random() < (0.9 if name == "browline" else 0.12)
    wear = str(pick(rng, ["on", "low", "up"], [0.87, 0.08, 0.05]))
    size = rng.normal(1.0, 0.03)
    bow = {"sport": rng.uniform(7.0, 11.0)}.get(name, rng.uniform(1.0, 5.0))
    draw = {key: float(rng.uniform(*getattr(style, key))) for key in ("lift", "droop", "taper", "upper")}
    return Frame(
        half_width=float(rng.uniform(*style.half_width) * size),
        half_height=float(rng.uniform(*style.half_height) * size),
        power=(float(rng.uniform(*style.power[0])), float(rng.uniform(*style.power[1]))),
        rim=float(rng.uniform(0.0006, 0.0012) if metal and style.rim[0] >= 0.0006 else rng.uniform(*style.rim)),
        lower=style.lower,
        double_bridge=bool(rng.random() < style.double_bridge),
        bow=float(bow),
        wear=wear,
        drop=float(rng.uniform(-0.002, 0.006)),
        slide={"on": float(rng.exponential(0.0012)), "low": float(rng.uniform(0.006, 0.016)), "up": 0.0}[wear],
        color=color,
        top_color=_frame_color(rng, False) if own_top else color,
        mottled=float(rng.uniform(0.4, 1.0)) if not metal and rng.random() < 0.2 else 0.0,
        see_through=float(rng.uniform(0.3, 0.75)) if not metal and rng.random() < 0.06 else 0.0,
        metal=metal,
        glass=sample_glass(rng, dark),
        **draw,
    )


def _frame_color(rng: np.random.Generator, metal: bool) -> np.ndarray:
    """(3,) linear."""
    if metal:
        base = np.array(_METALS)[pick(rng, len(_METALS), [0.3, 0.3, 0.2, 0.05, 0.15])]
    elif rng.random() < 0.14:
        base = rng.random(3)
    else:
        base = np.array(_PLASTICS)[pick(rng, len(_PLASTICS), [0.62, 0.18, 0.08, 0.07, 0.05])]
    return srgb_to_linear(np.clip(base * rng.uniform(0.75, 1.2), 0.02, 1.0))


def sample_glass(rng: np.random.Generator, dark: bool) -> Glass:
    """Clear, tinted, coated or mirrored lenses."""
    grey = rng.uniform(0.04, 0.28) if dark else pick(rng, [0.93, 0.85, rng.uniform(0.5, 0.8)], [0.72, 0.2, 0.08])
    hue = np.exp(rng.normal(0.0, 0.35 if dark else 0.03, 3) * (rng.random() < 0.7))
    coated = np.array([0.35, 1.0, 0.55] if rng.random() < 0.6 else [0.6, 0.5, 1.0]) * 0.018
    reflectance = coated if not dark and rng.random() < 0.5 else np.full(3, 0.075)
    if dark and rng.random() < 0.22:
        reflectance = rng.uniform(0.15, 0.6) * np.clip(np.exp(rng.normal(0.0, 0.45, 3)), 0.2, 1.5)
    shown = rng.random() < 0.35
    return Glass(
        dark=dark,
        tint=np.clip(grey * hue, 0.02, 0.97).astype(np.float32),
        fade=float(rng.uniform(0.3, 0.8)) if dark and rng.random() < 0.35 else 0.0,
        reflectance=np.clip(reflectance, 0.0, 0.85).astype(np.float32),
        power=float(np.clip(rng.normal(-0.012, 0.018), -0.045, 0.045)),
        curve=float(rng.uniform(0.07, 0.16)),
        window=(
            float(rng.normal(0, 0.35)), float(rng.normal(0.3, 0.3)), float(rng.uniform(0.06, 0.3)),
            float(rng.uniform(0.08, 0.35)), float(rng.uniform(2.0, 14.0)) if shown else 0.0,
        ),
        bars=bool(rng.random() < 0.5),
    )  # fmt: skip
