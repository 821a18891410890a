"""The 64 named expressions on the ICT connectivity: the 52 Apple ARKit names and 12 extras, metres at slider 1."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .sources import ICT_LANDMARKS, ICT_RANGES, IctModel, ict_range
from .surface import MIRROR, edges, geodesic

ARKIT = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft"),
    *("eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight"),
    *("eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose"),
    *("mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight"),
    *("mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
EXTRAS = (
    *("browInnerUpLeft", "browInnerUpRight", "cheekPuffLeft", "cheekPuffRight", "cheekRaiserLeft"),
    *("cheekRaiserRight", "pupilDilateLeft", "pupilDilateRight", "nostrilFlareLeft", "nostrilFlareRight"),
    *("browFurrow", "neckTense"),
)
NAMES = ARKIT + EXTRAS

# Degrees the eyeball turns at slider 1; the lids' own shapes are made for about these.
_GAZE = {"In": 30.0, "Out": 30.0, "Up": 25.0, "Down": 28.0}
_TONGUE_JAW, _TONGUE_LEVEL = 0.32, -0.0758  # share of jawOpen that makes way; height between the incisors, metres
_SIDES = {"Left": "L", "Right": "R"}


# ICT vertices of the left eye's sharp lid edges, inner to outer corner.
UPPER_LID = np.array(
    [3780, 3781, 3782, 3783, 3784, 3785, 3786, 3787, 4131, 3753, 3789, 3790, 3792, 3793, 4132, 3794, 3795] + [3761]
)
LOWER_LID = np.array(
    [3780, 4432, 3779, 3778, 3777, 3776, 3775, 3774, 3772, 3771, 3770, 3768, 3767, 3766, 3764, 3763, 3762]
    + [3831, 4433, 3761]
)
_LID_OVERLAP = np.array([-0.00030, 0.00012])  # metres y, z: the upper lid's edge past the lower's


def expressions(ict: IctModel, vertices: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """(64, 26719, 3) float32 deltas on the symmetric mean `vertices`, in the order of `NAMES`."""
    source = dict(zip(ict.expression_names, ict.expression, strict=True))
    mapped = {name: _mapped(name, source) for name in NAMES}
    shapes = {name: delta for name, delta in mapped.items() if delta is not None}
    for side in _SIDES:
        for direction in _GAZE:
            _turn_eyeball(shapes[f"eyeLook{direction}{side}"], vertices, side, direction)
    _close_lids(shapes, vertices)
    _meet_lips(shapes, ict, vertices, mirror)
    shapes["eyeBlinkRight"] = shapes["eyeBlinkLeft"][mirror] * MIRROR
    shapes["tongueOut"] = tongue_out(ict, vertices)
    for side in _SIDES:
        shapes[f"nostrilFlare{side}"] = _nostril_flare(vertices, side)
    shapes["browFurrow"] = _brow_furrow(vertices)
    shapes["neckTense"] = _neck_tense(vertices)
    return np.stack([_symmetric(name, shapes, mirror) for name in NAMES]).astype(np.float32)


def _mapped(name: str, source: dict[str, np.ndarray]) -> np.ndarray | None:
    """ICT's delta of one of our names: `_L`/`_R` suffixes, capitals and split halves mapped."""
    for whole, side in ((name.removesuffix(s), c) for s, c in _SIDES.items() if name.endswith(s)):
        for candidate in (f"{whole}_{side}", f"{whole[0].upper()}{whole[1:]}_{side}"):
            if candidate in source:
                return source[candidate].astype(float)
    if name in source:
        return source[name].astype(float)
    if f"{name}_L" in source:
        return source[f"{name}_L"].astype(float) + source[f"{name}_R"]
    return None


def partner(name: str) -> str:
    """Name of the mirrored expression; the name itself when it has no side."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name


def _symmetric(name: str, shapes: dict[str, np.ndarray], mirror: np.ndarray) -> np.ndarray:
    """Mean of an expression and its mirrored partner: removes the source's one-sided noise."""
    return (shapes[name] + shapes[partner(name)][mirror] * MIRROR) / 2


def _turn_eyeball(delta: np.ndarray, vertices: np.ndarray, side: str, direction: str) -> None:
    """Replace the eyeball's delta by a turn about its centre (ICT moves only the lids)."""
    ball = ict_range(f"eyeball_{side.lower()}")
    center = np.array([0.03116454 if side == "Left" else -0.03116454, 0.0, 0.0])
    angle = np.radians(_GAZE[direction])
    if direction in ("Up", "Down"):
        c, s = np.cos(angle), np.sin(angle if direction == "Down" else -angle)
        turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    else:
        outward = 1.0 if side == "Left" else -1.0
        c, s = np.cos(angle), np.sin(angle * outward * (1 if direction == "Out" else -1))
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    delta[ball] = (vertices[ball] - center) @ (turn - np.eye(3)).T


def _close_lids(shapes: dict[str, np.ndarray], vertices: np.ndarray) -> None:
    """Make the left eyeBlink close: ICT leaves up to 1.6 mm open. The right one is its mirror image afterwards.

    Both sharp lid edges are drawn to a common line, the upper a little over it and in front, so that wider eyes of
    other people still close; the change fades over the lids.
    """
    delta = shapes["eyeBlinkLeft"]
    upper, lower = (vertices[rows] + delta[rows] for rows in (UPPER_LID, LOWER_LID))
    skin = ict_range("face", "eye_sockets", "eye_shells", "lashes")
    skin = skin[vertices[skin, 0] > 0.005]
    to_upper = cKDTree(vertices[UPPER_LID]).query(vertices[skin])[0]
    to_lower = cKDTree(vertices[LOWER_LID]).query(vertices[skin])[0]
    share = to_lower / np.maximum(to_upper + to_lower, 1e-9)  # 1 on the upper edge, 0 on the lower
    x = vertices[skin, 0] + delta[skin, 0]
    gap = _along(lower, x) - _along(upper, x)
    open_part = np.clip(-gap[:, :1] / 0.0006, 0, 1)  # no overlap in the corners, where the lids meet anyway
    close_upper = 0.8 * gap + _LID_OVERLAP * open_part
    fade = _bump(np.minimum(to_upper, to_lower), 0.011)[:, None]
    meet = np.where(share[:, None] > 0.5, close_upper, -0.2 * gap)
    delta[skin, 1:] += fade * meet * np.abs(2 * share - 1)[:, None] ** 0.5


def _meet_lips(shapes: dict[str, np.ndarray], ict: IctModel, vertices: np.ndarray, mirror: np.ndarray) -> None:
    """Let mouthClose on top of jawOpen end with the lips' inner edges in touch.

    ICT stretches the lower lip 5-8 mm up behind the upper one. The excess is taken back from the lower lip, all of it
    at the inner edge, none at the vermilion border, fading into the mouth.
    """
    closed = vertices + shapes["jawOpen"] + shapes["mouthClose"]
    upper, lower = (closed[ICT_LANDMARKS[rows]] for rows in ([60, 61, 62, 63, 64], [60, 67, 66, 65, 64]))
    skin = ict.mesh.faces[ict.mesh.faces.max(axis=1) < ICT_RANGES["mouth_socket"].stop]
    below = geodesic(skin, vertices, ICT_LANDMARKS[[67, 66, 65]]).clip(max=1.0)
    above = geodesic(skin, vertices, ICT_LANDMARKS[[61, 62, 63]]).clip(max=1.0)
    lift = _along(upper, closed[:, 0]) - _along(lower, closed[:, 0])
    share = _bump(below, 0.014) * np.clip((above - below) / 0.002 + 0.5, 0, 1)
    share = (share + share[mirror]) / 2
    shapes["mouthClose"][:, 1:] += share[:, None] * np.minimum(lift, 0) * [1.0, 0.0]


def _along(edge: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(N, 2) y and z of an (M, 3) lid edge at (N,) places x."""
    order = np.argsort(edge[:, 0])
    return np.stack([np.interp(x, edge[order, 0], edge[order, k]) for k in (1, 2)], axis=1)


def tongue_vertices(ict: IctModel) -> np.ndarray:
    """ICT vertices of the tongue: the UV island of the gums' layout that holds the tongue's tip."""
    pairs = edges(ict.mesh.uv_faces)
    count = len(ict.mesh.uv)
    island = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count)))[1]
    gums = ict.mesh.groups == "M_GumsTongue"
    face_island = island[ict.mesh.uv_faces[gums, 0]]
    inside = (np.abs(ict.mesh.uv[ict.mesh.uv_faces[gums, 0]] - [2.70, 0.30]) < 0.03).all(axis=1)
    chosen = np.bincount(face_island[inside]).argmax()
    return np.unique(ict.mesh.faces[gums][face_island == chosen])


def _bump(distance: np.ndarray, radius: float) -> np.ndarray:
    """Smooth weight: 1 at distance 0, 0 from `radius` on."""
    t = np.clip(1 - distance / radius, 0, 1)
    return t * t * (3 - 2 * t)


def tongue_out(ict: IctModel, vertices: np.ndarray) -> np.ndarray:
    """(26719, 3) delta: the tongue slides out between the teeth and hangs over the lower lip; the jaw opens for it.

    The front third moves as one piece and the root stays. On its way out the tongue is levelled into the gap between
    the incisors and flattened to fit; past the lips it sinks.
    """
    jaw = _TONGUE_JAW * dict(zip(ict.expression_names, ict.expression, strict=True))["jawOpen"].astype(float)
    tongue = tongue_vertices(ict)
    points = vertices[tongue]
    depth, middle, half = _profile(points)
    back, tip = points[:, 2].min(), points[:, 2].max()
    advance = _bump(np.clip(1 - (points[:, 2] - back) / (tip - back) / 0.7, 0, 1), 1.0)
    reached = points[:, 2] + jaw[tongue, 2] + 0.037 * advance
    level = _TONGUE_LEVEL - 26.0 * np.clip(reached - 0.031, 0, None) ** 2
    here = np.interp(points[:, 2], depth, middle)
    fit = np.minimum(1.0, 0.0023 / np.interp(points[:, 2], depth, half))
    flat = 1 + advance * np.clip((reached - 0.002) / 0.012, 0, 1) * (fit - 1)
    delta = jaw.copy()
    delta[tongue, 2] = reached - points[:, 2]
    wanted = level + (points[:, 1] - here) * flat
    moved = points[:, 1] + jaw[tongue, 1]
    share = advance * np.clip((reached + 0.012) / 0.02, 0, 1)
    delta[tongue, 1] = moved + share * (wanted - moved) - points[:, 1]
    delta[tongue, 0] = jaw[tongue, 0] - 0.12 * points[:, 0] * advance
    return delta


def _profile(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth, mid height and half thickness of slices along the tongue, back to tip."""
    slices = np.array_split(points[np.argsort(points[:, 2])], 14)
    low, high = (np.array([f(s[:, 1]) for s in slices]) for f in (np.min, np.max))
    return np.array([s[:, 2].mean() for s in slices]), (low + high) / 2, np.maximum((high - low) / 2, 1e-4)


def _nostril_flare(vertices: np.ndarray, side: str) -> np.ndarray:
    """(26719, 3) delta: one nose wing widens and lifts slightly."""
    sign = 1.0 if side == "Left" else -1.0
    wing = np.array([sign * 0.0165, -0.0405, 0.0300])
    weight = _bump(np.linalg.norm((vertices - wing) * [1.0, 0.9, 0.8], axis=1), 0.015)
    weight *= np.clip((vertices[:, 0] * sign - 0.003) / 0.008, 0, 1)
    return _skin_only(weight[:, None] * np.array([sign * 0.0034, 0.0012, 0.0004]))


def _brow_furrow(vertices: np.ndarray) -> np.ndarray:
    """(26719, 3) delta: corrugator; the inner brows move together, a vertical fold rises between them."""
    x, y, z = vertices.T
    front = np.clip(z / 0.01 - 0.5, 0, 1)
    weight = _bump(np.hypot((np.abs(x) - 0.017) / 1.1, y - 0.020), 0.022) * front
    pull = -np.sign(x) * 0.0042 * weight * np.clip(np.abs(x) / 0.010, 0, 1)
    fold = 0.0012 * np.exp(-((np.abs(x) - 0.0055) ** 2) / 0.0026**2) * _bump(np.abs(y - 0.021), 0.016) * front
    return _skin_only(np.stack([pull, -0.0012 * weight, fold - 0.0004 * weight], axis=1))


def _neck_tense(vertices: np.ndarray) -> np.ndarray:
    """(26719, 3) delta: platysma; two bands stand out of the front of the neck, the mouth corners are drawn down."""
    x, y, z = vertices.T
    low = np.clip((-0.112 - y) / 0.02, 0, 1) * np.clip((y + 0.215) / 0.05, 0, 1) * np.clip((z + 0.075) / 0.03, 0, 1)
    lean = 0.020 + 0.10 * np.clip(-0.11 - y, 0, 0.1)
    band = np.exp(-((np.abs(x) - lean) ** 2) / 0.0055**2) * low
    hollow = np.exp(-(x**2) / 0.010**2) * low
    corner = np.array([0.0262, -0.0715, 0.022])
    weight = _bump(np.linalg.norm((vertices * [1, 1, 1] - corner * [1, 1, 1]) * [1, 1, 0.7], axis=1), 0.03)
    weight += _bump(np.linalg.norm((vertices * MIRROR - corner) * [1, 1, 0.7], axis=1), 0.03)
    delta = np.stack([np.zeros_like(x), -0.0040 * weight, 0.0052 * band - 0.0016 * hollow], axis=1)
    delta[:, 0] += np.sign(x) * 0.0022 * weight
    return _skin_only(delta)


def _skin_only(delta: np.ndarray) -> np.ndarray:
    """Zero off the skin: teeth, gums, tongue and eyes do not take part."""
    skin = ict_range("face", "head", "mouth_socket")
    kept = np.zeros_like(delta)
    kept[skin] = delta[skin]
    return kept
