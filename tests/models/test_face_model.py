"""The built face model, judged from face_model.npz alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.geometry.face_model import DEFAULT_PATH, FaceModel
from core.geometry.rasterizer import rasterize
from core.types import ALBEDO, EXPRESSION, IDENTITY

MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)
ARKIT = [
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft"),
    *("eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight"),
    *("eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft"),
    *("jawRight", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft"),
    *("mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper"),
    *("mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft"),
    *("mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight"),
    *("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft"),
    *("cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
]
PIXEL = 0.0001  # metres per pixel of the close-ups below


def posed(model: FaceModel, **sliders: float) -> np.ndarray:
    """(V, 3) mean head with some sliders set."""
    expression = np.zeros(EXPRESSION)
    for name, value in sliders.items():
        expression[model.expression_names.index(name)] = value
    return model.shape(np.zeros(IDENTITY), expression)


def seen_parts(model: FaceModel, vertices: np.ndarray, center: tuple[float, float], half: float) -> np.ndarray:
    """(H, W) what a distant camera in front sees: a part's number, -2 for the mouth's lining.

    Lashes and cornea are left out.
    """
    hidden = [model.part(n) for n in ("cornea_left", "cornea_right", "lashes_left", "lashes_right")]
    keep = ~np.isin(model.triangle_part, hidden)
    triangles, part = model.triangles[keep], model.triangle_part[keep].astype(int)
    lining = model.in_regions("mouth_bag")[triangles].all(axis=1)
    part[lining & (part == model.part("skin"))] = -2
    size = int(2 * half / PIXEL)
    away = 4.0 - vertices[:, 2]
    scale = 4.0 / PIXEL
    x = (vertices[:, 0] * 4.0 / away - center[0]) * scale / 4.0 + size / 2
    y = (center[1] - vertices[:, 1] * 4.0 / away) * scale / 4.0 + size / 2
    raster = rasterize(np.stack([x, y, away], axis=1), triangles, size, size)
    return np.where(raster.mask, part[raster.triangle_id], -1)


def tallest_gap(seen: np.ndarray) -> float:
    """Longest vertical run of True in a (H, W) mask, metres."""
    run = np.zeros(seen.shape[1], int)
    longest = 0
    for row in seen:
        run = np.where(row, run + 1, 0)
        longest = max(longest, int(run.max()))
    return longest * PIXEL


def test_file_is_small_and_complete(model: FaceModel) -> None:
    assert DEFAULT_PATH.stat().st_size <= 10_000_000
    count = len(model.vertices)
    assert model.identity_basis.shape == (IDENTITY, count, 3)
    assert model.expression_basis.shape == (EXPRESSION, count, 3)
    assert model.albedo_basis.shape == (ALBEDO, count, 3)
    assert model.contour_candidates.shape[0] == 17
    assert len(model.dense_triangles) >= 300
    for name in FaceModel.__dataclass_fields__:
        value = getattr(model, name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert np.isfinite(value).all(), name
    assert model.faces.max() < count and model.uv_faces.max() < len(model.uv)
    assert model.uv.min() >= 0 and model.uv.max() <= 1


def test_expressions_are_apple_s_and_twelve_more(model: FaceModel) -> None:
    assert list(model.expression_names[:52]) == ARKIT
    assert len(set(model.expression_names)) == 64
    largest = np.linalg.norm(model.expression_basis, axis=2).max(axis=1)
    assert (largest > 0.001).all(), "every slider moves something by a millimetre or more"


def test_mirror_symmetry(model: FaceModel) -> None:
    mirror = model.mirror
    assert (mirror[mirror] == np.arange(len(mirror))).all()
    assert np.abs(model.vertices - model.vertices[mirror] * MIRROR).max() < 1e-6
    assert np.abs(model.albedo_mean - model.albedo_mean[mirror]).max() < 1e-6
    names = list(model.expression_names)
    for name in names:
        twin = name.replace("Left", "@").replace("Right", "Left").replace("@", "Right")
        mine = model.expression_basis[names.index(name)]
        other = model.expression_basis[names.index(twin)][mirror] * MIRROR
        step = max(model.expression_basis[names.index(name)].max() / 32767, 2e-6)
        assert np.abs(mine - other).max() <= 2 * step, name


def test_identity_modes_are_symmetric_or_antisymmetric(model: FaceModel) -> None:
    for mode in model.identity_basis:
        image = mode[model.mirror] * MIRROR
        assert min(np.abs(mode - image).max(), np.abs(mode + image).max()) < 5e-6


def test_modes_are_ordered_by_what_they_explain(model: FaceModel) -> None:
    """Unit-variance modes: their energy over the face falls; neighbours may swap by the weighting of the rest."""
    face = model.in_regions("nose", "cheek_right", "cheek_left", "chin", "upper_lip", "lower_lip", "forehead", "jaw")
    for basis in (model.identity_basis, model.albedo_basis):
        energy = (basis[:, face] ** 2).sum(axis=(1, 2))
        order = np.argsort(-energy)
        assert order[0] == 0
        assert np.corrcoef(np.argsort(order), np.arange(len(energy)))[0, 1] > 0.85


@pytest.mark.parametrize(("side", "x"), [("Left", 0.0312), ("Right", -0.0312)])
def test_blink_closes_the_eye(model: FaceModel, side: str, x: float) -> None:
    ball = model.part(f"eyeball_{side.lower()}")
    assert tallest_gap(seen_parts(model, posed(model), (x, -0.001), 0.018) == ball) > 0.006
    closed = seen_parts(model, posed(model, **{f"eyeBlink{side}": 1.0}), (x, -0.003), 0.018)
    assert tallest_gap(closed == ball) <= 0.0003


def test_lips_meet_over_an_open_jaw(model: FaceModel) -> None:
    inside = [-2] + [model.part(n) for n in ("teeth_upper", "teeth_lower", "gums", "tongue")]
    opened = seen_parts(model, posed(model, jawOpen=1.0), (0.0, -0.08), 0.035)
    closed = seen_parts(model, posed(model, jawOpen=1.0, mouthClose=1.0), (0.0, -0.08), 0.035)
    assert tallest_gap(np.isin(opened, inside)) > 0.02
    assert tallest_gap(np.isin(closed, inside)) <= 0.0006
    points = model.landmarks(posed(model, jawOpen=1.0, mouthClose=1.0))
    apart = np.abs(points[[61, 62, 63], 1] - points[[67, 66, 65], 1])
    assert apart[1] < 0.0015
    assert apart.max() < 0.0025  # beside the middle the rims lie one before the other


@pytest.mark.parametrize("side", ["Left", "Right"])
@pytest.mark.parametrize(("look", "axis", "sign"), [("Up", 1, 1), ("Down", 1, -1), ("In", 0, -1), ("Out", 0, 1)])
def test_eyes_turn_about_their_centres(model: FaceModel, side: str, look: str, axis: int, sign: int) -> None:
    rows = model.vertex_part == model.part(f"eyeball_{side.lower()}")
    center = model.eye_centers[int(side == "Left")]
    before = model.vertices[rows] - center
    after = posed(model, **{f"eyeLook{look}{side}": 1.0})[rows] - center
    assert np.abs(np.linalg.norm(after, axis=1) - np.linalg.norm(before, axis=1)).max() < 5e-5
    front = before[:, 2].argmax()
    outward = (1 if side == "Left" else -1) if axis == 0 else 1
    assert (after[front] - before[front])[axis] * sign * outward > 0.003


def test_teeth_follow_the_jaw(model: FaceModel) -> None:
    moved = posed(model, jawOpen=1.0) - model.vertices
    lower = model.vertex_part == model.part("teeth_lower")
    upper = model.vertex_part == model.part("teeth_upper")
    assert np.abs(moved[upper]).max() < 1e-4
    assert moved[lower, 1].max() < -0.01
    incisors = lower & (model.vertices[:, 2] > model.vertices[lower, 2].max() - 0.004)
    chin = model.landmarks(posed(model, jawOpen=1.0))[8] - model.landmarks(model.vertices)[8]
    assert abs(moved[incisors, 1].mean() - chin[1]) < 0.012


def test_neighbouring_teeth_touch(model: FaceModel) -> None:
    for name in ("teeth_upper", "teeth_lower"):
        crowns = model.vertices[model.vertex_part == model.part(name)].reshape(-1, 73, 3)
        rings = crowns[:, 1:].reshape(len(crowns), 6, 12, 3)
        middle = crowns.mean(axis=1)
        right, left = (sorted(np.flatnonzero(s * middle[:, 0] > 0), key=lambda k: -middle[k, 2]) for s in (-1, 1))
        order = [*right[::-1], *left]
        gaps = np.array([[_apart(rings[a, k], rings[b, k]) for k in range(6)] for a, b in itertools.pairwise(order)])
        assert np.abs(gaps[:, 2:4].min(axis=1)).max() < 2e-4  # where they are widest
        assert gaps.min() > -2e-4  # and none stands in another
        front = gaps[len(gaps) // 2 - 2 : len(gaps) // 2 + 3]
        assert front[:, 1].max() < 1.0e-3  # a millimetre and a half below the biting edge


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of two rings along the line between them, seen from above."""
    along = other.mean(axis=0) - one.mean(axis=0)
    along[1] = 0.0
    distance = np.linalg.norm(along)
    along /= distance
    return float(distance - ((one - one.mean(axis=0)) @ along).max() + ((other - other.mean(axis=0)) @ along).min())


def test_tongue_comes_out_over_the_lower_teeth(model: FaceModel) -> None:
    tongue = model.vertex_part == model.part("tongue")
    out = posed(model, tongueOut=1.0)
    assert out[tongue, 2].max() > model.landmarks(out)[57, 2] + 0.004, "past the lower lip"
    for extra in (0.0, 0.3):
        out = posed(model, tongueOut=1.0, jawOpen=extra)
        teeth = out[model.vertex_part == model.part("teeth_lower")]
        incisors = teeth[(np.abs(teeth[:, 0]) < 0.006) & (teeth[:, 2] > teeth[:, 2].max() - 0.006)]
        above = tongue & (np.abs(out[:, 0]) < 0.006) & (np.abs(out[:, 2] - incisors[:, 2].mean()) < 0.004)
        assert out[above, 1].min() > incisors[:, 1].max() - 0.001


def test_eyeballs_stay_round_and_in_their_lids(model: FaceModel) -> None:
    rng = np.random.default_rng(1)
    rows = model.vertex_part == model.part("eyeball_left")
    reach = np.linalg.norm(model.vertices - model.eye_centers[1], axis=1)
    white = rows & (np.abs(reach - np.median(reach[rows])) < 2e-4)
    for _ in range(5):
        ball = model.shape(rng.standard_normal(IDENTITY))[white]
        system = np.concatenate([2 * ball, np.ones((len(ball), 1))], axis=1)
        center = np.linalg.lstsq(system, (ball**2).sum(axis=1), rcond=None)[0][:3]
        radius = np.linalg.norm(ball - center, axis=1)
        assert np.ptp(radius) < 1e-4
        assert 0.010 < radius.mean() < 0.019


def test_landmarks_lie_on_the_skin_and_mirror(model: FaceModel) -> None:
    for triangles, weights in (
        (model.landmark_triangles, model.landmark_weights),
        (model.dense_triangles, model.dense_weights),
    ):
        assert (model.vertex_part[triangles] == model.part("skin")).all()
        assert np.allclose(weights.sum(axis=1), 1, atol=1e-5) and weights.min() >= -1e-6
    points = model.landmarks(model.vertices)
    pairs = [(0, 16), (17, 26), (31, 35), (36, 45), (39, 42), (48, 54), (60, 64), (50, 52), (61, 63)]
    for right, left in pairs:
        assert np.abs(points[right] * MIRROR - points[left]).max() < 1e-5
        assert points[right, 0] < 0
    assert points[30, 2] == points[17:, 2].max()
    assert np.abs(points[[27, 28, 29, 30, 33, 51, 57, 62, 66, 8], 0]).max() < 1e-4
    dense = model.dense_landmarks(model.vertices)
    mirrored = np.linalg.norm(dense[:, None] * MIRROR - dense, axis=2).min(axis=1)
    assert mirrored.max() < 5e-5


def test_contour_slides_inwards_with_yaw(model: FaceModel) -> None:
    from core.geometry.camera import rotation_from_angles

    frontal = model.visible_landmarks(model.vertices, rotation_from_angles(0, 0, 0))
    turned = model.visible_landmarks(model.vertices, rotation_from_angles(0, 0.8, 0))
    shift = np.linalg.norm(turned - frontal, axis=1)
    assert shift[:17].max() > 0.02 and (shift[17:] < 1e-6).all()
    assert (shift[:7] < 0.012).all(), "the near side stays on the jaw"


def test_skin_stays_skin(model: FaceModel) -> None:
    """Within two sigma of every mode, and for nearly all random people, clipped skin is not green or blue."""
    cheek = model.in_regions("cheek_right", "cheek_left", "forehead", "chin", "nose")
    for mode in range(ALBEDO):
        for sigma in (-2.0, 2.0):
            color = model.albedo(sigma * np.eye(ALBEDO)[mode])[cheek]
            assert (color[:, 1] > color[:, 0] + 0.01).mean() < 0.005, (mode, sigma)
            assert (color[:, 2] > color[:, 1] + 0.02).mean() < 0.005, (mode, sigma)
    rng = np.random.default_rng(2)
    off = [
        ((c[:, 1] > c[:, 0] + 0.01) | (c[:, 2] > c[:, 1] + 0.02)).mean()
        for c in (model.albedo(rng.standard_normal(ALBEDO))[cheek] for _ in range(100))
    ]
    assert np.mean(off) < 0.01


def test_tones_span_light_to_dark(model: FaceModel) -> None:
    cheek = model.in_regions("cheek_right", "cheek_left")
    tones = sorted(model.albedo(s * np.eye(ALBEDO)[0])[cheek].mean() for s in (-2.0, 2.0))
    assert tones[0] < 0.10 and tones[1] > 0.45
