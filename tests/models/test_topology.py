"""The head's own topology, checked on the shipped face_model.npz; the fit also against the scanned source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from models.face_model import mouth_parts
from models.face_model import topology_checks as checks

if TYPE_CHECKING:
    from models.face_model.topology import Topology

SHELF = 0.17  # height of the strip of the UV layout that holds the hidden charts

MIRROR = np.array([-1.0, 1.0, 1.0])
MOUTH = slice(60, 68)


@pytest.fixture(scope="module")
def skin(model: FaceModel) -> np.ndarray:
    return model.faces[model.face_part == model.part("skin")].astype(int)


@pytest.fixture(scope="module")
def loops(skin: np.ndarray) -> list[np.ndarray]:
    return checks.closed_loops(skin)


def test_skin_comes_first_and_is_quads(model: FaceModel, skin: np.ndarray) -> None:
    assert 8000 <= len(skin) <= 14000
    assert checks.quad_share(skin) >= 0.99
    own = model.vertex_part == model.part("skin")
    assert own[: own.sum()].all()
    assert np.array_equal(np.unique(skin), np.arange(own.sum()))


def test_poles_are_few_and_mild(skin: np.ndarray) -> None:
    counts = checks.valence_counts(skin)
    assert min(counts) >= 3 and max(counts) <= 6
    assert counts[4] / sum(counts.values()) > 0.97


def test_skin_is_one_manifold_surface(skin: np.ndarray) -> None:
    directed = np.stack([skin, np.roll(skin, -1, axis=1)], axis=-1).reshape(-1, 2)
    assert len(np.unique(directed, axis=0)) == len(directed)
    edges, numbers = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    rim = edges[numbers == 1]
    assert numbers.max() == 2
    # the only border is the cut of the bust: one closed curve
    assert (np.bincount(rim.ravel())[np.unique(rim)] == 2).all()
    assert len(np.unique(skin)) - len(edges) + len(skin) == 1


def test_mirror_symmetry(model: FaceModel) -> None:
    assert np.array_equal(model.mirror[model.mirror], np.arange(len(model.mirror)))
    assert np.abs(model.vertices[model.mirror] * MIRROR - model.vertices).max() < 1e-6
    own = {frozenset(face) for face in model.faces.tolist()}
    assert own == {frozenset(face) for face in model.mirror[model.faces].tolist()}


def test_nested_loops_round_the_eyes(model: FaceModel, loops: list[np.ndarray]) -> None:
    for center in model.eye_centers:
        rings = checks.loops_round(loops, model.vertices, center, reach=0.03)
        # those in front of the eyeball lie on the lids, the others line the socket
        front = [ring for ring in rings if model.vertices[ring, 2].mean() > center[2] + 0.0105]
        assert len(front) >= 4
        assert len(rings) >= 6


def test_nested_loops_round_the_mouth(model: FaceModel, loops: list[np.ndarray]) -> None:
    center = model.landmarks(model.vertices)[MOUTH].mean(axis=0)
    rings = checks.loops_round(loops, model.vertices, center, reach=0.075)
    size = np.array([np.ptp(model.vertices[ring, 0]) / 2 for ring in rings])
    outside = np.array([model.vertices[ring, 2].mean() > 0.012 for ring in rings])
    assert (outside & (size < 0.035)).sum() >= 4
    # past the corners of the mouth, along the nasolabial folds
    assert (outside & (size > 0.035)).sum() >= 2


def test_loops_round_the_nostrils(model: FaceModel, loops: list[np.ndarray]) -> None:
    base = model.landmarks(model.vertices)[[32, 34]]
    for point in base:
        near = [ring for ring in loops if np.linalg.norm(model.vertices[ring] - point, axis=1).max() < 0.024]
        assert len(near) >= 3


def test_no_folded_quads(model: FaceModel, skin: np.ndarray) -> None:
    assert len(checks.folded_quads(model.vertices, skin)) <= 4
    assert checks.sharp_edges(model.vertices, skin, 100) < 0.003


def test_uv_layout(model: FaceModel) -> None:
    assert model.uv.min() >= 0 and model.uv.max() <= 1
    areas = checks.uv_areas(model.uv, model.uv_faces).reshape(-1, 2).sum(axis=1)
    assert (areas > 0).all()
    assert checks.uv_overlap(model.uv, model.uv_faces, size=1024) == 0


def test_uv_is_symmetric_without_seams_on_the_face(model: FaceModel, skin: np.ndarray) -> None:
    on_skin = np.flatnonzero(model.face_part == model.part("skin"))
    uv = model.uv[model.uv_faces[on_skin]]
    # every vertex in front of the ears and outside the mouth, nostrils and sockets has one UV only
    low = np.full((len(model.vertices), 2), np.inf)
    high = np.full((len(model.vertices), 2), -np.inf)
    np.minimum.at(low, skin.ravel(), uv.reshape(-1, 2))
    np.maximum.at(high, skin.ravel(), uv.reshape(-1, 2))
    hidden = model.in_regions("mouth_bag", "socket_left", "socket_right", "nostril", "scalp", "neck")
    face = ~hidden & (model.vertices[:, 2] > -0.03) & (model.vertex_part == 0)
    center = model.landmarks(model.vertices)[MOUTH].mean(axis=0)
    near_openings = np.linalg.norm(model.vertices[:, None] - model.eye_centers, axis=2).min(axis=1) < 0.0185
    near_openings |= np.linalg.norm((model.vertices - center) * [0.4, 1, 0.5], axis=1) < 0.016
    plain = face & ~near_openings & (low[:, 1] > SHELF)  # below lie the charts of nostrils, sockets and mouth
    assert plain.sum() > 2000
    seams = plain & ((high - low).max(axis=1) > 1e-5)
    assert seams.sum() <= 0.01 * plain.sum()
    single = np.flatnonzero(plain & ~seams)
    single = single[np.isin(model.mirror[single], single)]
    assert np.abs(low[single] + low[model.mirror[single]] * [1, -1] - [1, 0]).max() < 1e-4


def test_texels_favour_the_face(model: FaceModel) -> None:
    density = checks.millimetres_per_texel(model.vertices, model.faces, model.uv, model.uv_faces, 1024)
    center = model.vertices[model.faces].mean(axis=1)
    skin = model.face_part == model.part("skin")
    face = skin & (center[:, 2] > 0) & (np.abs(center[:, 1] + 0.02) < 0.06)
    back = skin & (center[:, 2] < -0.12)
    assert np.median(density[face]) < 0.55  # mm at 1024 texels
    assert np.median(density[back]) > 1.15 * np.median(density[face])


def test_eyeballs_are_round_and_corneas_cover_them(model: FaceModel) -> None:
    for side, center in zip(("right", "left"), model.eye_centers, strict=True):
        ball = model.vertices[model.vertex_part == model.part(f"eyeball_{side}")] - center
        radius = np.linalg.norm(ball, axis=1)
        white = ball[:, 2] < 0.009
        assert radius[white].std() < 0.0003
        dome = np.linalg.norm(model.vertices[model.vertex_part == model.part(f"cornea_{side}")] - center, axis=1)
        assert dome.min() > radius[white].max() - 0.0004
        assert 0.0008 < dome.max() - radius[white].mean() < 0.0025


def test_fit_to_the_scanned_surface(kept: Topology) -> None:
    import igl

    from models.face_model.sources import ict_range, load_ict
    from models.face_model.surface import triangulate

    ict, topology = load_ict(), kept
    own = topology.faces[topology.face_part == 0].astype(np.int64)
    points = np.ascontiguousarray(ict.vertices[ict_range("face")])
    squared, _, _ = igl.point_mesh_squared_distance(points, topology.vertices, triangulate(own))
    assert np.sqrt(squared.mean()) < 0.2e-3
    carried = topology.transfer @ ict.vertices + topology.offset
    assert np.abs(carried - topology.vertices).max() < 1e-9
    assert np.abs(np.asarray(topology.transfer.sum(axis=1)) - 1).max() < 1e-9
    assert len(own) != 14034


def round_crowns(centers: np.ndarray) -> np.ndarray:
    """(N * V, 3) vertices of a jaw of round crowns of 4 mm radius about (N, 3) centers."""
    angle = np.arange(mouth_parts.TOOTH_SEGMENTS) / mouth_parts.TOOTH_SEGMENTS * 2 * np.pi
    ring = 0.004 * np.stack([np.cos(angle), np.zeros(len(angle)), np.sin(angle)], axis=1)
    rings = [ring - [0.0, depth, 0.0] for depth in mouth_parts.RING_DEPTHS]
    return (np.concatenate([[[0.0, 0.0, 0.0]], *rings]) + centers[:, None]).reshape(-1, 3)


def test_crowns_are_widened_until_they_touch() -> None:
    """Four round crowns in a row, 10 mm apart: the inner sides meet, all else stays."""
    centers = np.array([[x, 0.0, -abs(x)] for x in (0.0035, 0.0106, -0.0035, -0.0106)]) * [10 / 7, 1, 0.1]
    jaw = round_crowns(centers)
    moved = (mouth_parts.touching(jaw) - jaw).reshape(4, -1, 3)
    shape = (4, len(mouth_parts.RING_DEPTHS), mouth_parts.TOOTH_SEGMENTS, 3)
    wider = (jaw.reshape(4, -1, 3) + moved)[:, 1:].reshape(shape)
    middle = wider[0, 2, :, 0].min() - wider[2, 2, :, 0].max()  # between the two in front, where they are widest
    assert middle == pytest.approx(mouth_parts.GAPS[2], abs=1e-6)
    edge = wider[0, 0, :, 0].min() - wider[2, 0, :, 0].max()
    assert edge == pytest.approx(mouth_parts.GAPS[0], abs=1e-6)
    assert not moved[:, 0].any() and not moved[:, -mouth_parts.TOOTH_SEGMENTS :].any()  # tips, and what is in the gum
    assert np.abs(moved[..., 1]).max() == 0.0
    outer = jaw.reshape(4, -1, 3)[1, :, 0] > centers[1, 0] + 0.001
    assert np.abs(moved[1, outer]).max() < 1e-6
    apart = jaw * [1.6, 1.0, 1.0]  # too far to be closed
    assert np.abs(mouth_parts.touching(apart) - apart).max() == pytest.approx(mouth_parts.WIDEST, rel=0.01)


def test_corners_between_crowns_are_filled_in_front() -> None:
    """Rounder ones would leave dark wedges between the teeth; behind them nobody looks."""
    jaw = round_crowns(np.array([[0.0044, 0, 0], [0.012, 0, -0.04], [-0.0044, 0, 0], [-0.012, 0, -0.04]]))
    rings = mouth_parts.touching(jaw).reshape(4, -1, 3)[:, 1:].reshape(4, -1, mouth_parts.TOOTH_SEGMENTS, 3)
    for ring in (1, 2, 3):
        one, other = rings[0, ring, :, 0], rings[2, ring, :, 0]
        before, behind = one[5] - one.min(), one[7] - one.min()  # of the circle's twelve the sixth is at the side
        assert before == pytest.approx(mouth_parts.BEVELS[ring], abs=1e-6)
        assert behind > 0.0004
        assert one[5] - other[1] == pytest.approx(mouth_parts.GAPS[ring] + 2 * before, abs=1e-6)
