"""Strands on a mesh of hair: on its surface, along what its picture shows, of its colours, and none on a hat."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.geometry.hair_curves import POINTS, grown_strands
from core.geometry.lighting import LINEAR
from core.types import HairMesh

RADIUS, TALL = 0.1, 0.12  # metres, of a tube that stands for hair
COLUMNS, ROWS = 32, 12


@pytest.fixture(scope="module")
def tube() -> HairMesh:
    """Brown hair on an upright tube, open above and below; its lower third shows none."""
    turn = 2.0 * np.pi * (np.arange(COLUMNS) / COLUMNS - 0.5)
    high = np.linspace(TALL, 0.0, ROWS)
    points = np.stack(
        np.broadcast_arrays(RADIUS * np.sin(turn), high[:, None], RADIUS * np.cos(turn)), axis=-1
    ).reshape(-1, 3)
    corner = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    around = np.concatenate([corner, corner[:, :1]], axis=1)
    place = np.arange(ROWS * (COLUMNS + 1)).reshape(ROWS, COLUMNS + 1)
    u, v = np.meshgrid(np.arange(COLUMNS + 1) / COLUMNS, np.linspace(1.0, 0.0, ROWS))
    picture = np.full((192, 768, 4), (90, 60, 40, 255), np.uint8)
    picture[128:, :, 3] = 0
    return HairMesh(
        points.astype(np.float32),
        _quads(around),
        np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32),
        _quads(place),
        picture,
        np.zeros(len(points), np.float32),
    )


def _quads(corner: np.ndarray) -> np.ndarray:
    quads = np.stack([corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]], axis=-1)
    return quads.reshape(-1, 4).astype(np.int32)


def _grown(hair: HairMesh, height: float = 0.012, seed: int = 0):
    return grown_strands(hair, np.full(len(hair.vertices), height), 2000, 1e-4, seed)


def _striped(hair: HairMesh, slope: float) -> HairMesh:
    """The hair with strands that go `slope` metres to the right, seen from outside, per metre down."""
    rows, columns = hair.color.shape[:2]
    across = 2.0 * np.pi * RADIUS * np.arange(columns) / columns
    down = TALL * np.arange(rows) / rows
    wave = np.sin(2.0 * np.pi * np.rint(np.hypot(1.0, slope) * 0.63 / 0.004) * (across - slope * down[:, None]) / 0.63)
    picture = hair.color.copy()
    picture[..., :3] = np.clip(picture[..., :3] * (1.0 + 0.5 * wave[..., None]), 0, 255)
    return replace(hair, color=picture)


def test_strands_lie_on_the_surface_and_point_down(tube) -> None:
    strands = _grown(tube)
    assert strands.points.shape == (2000, POINTS, 3) and strands.radius.shape == (2000, POINTS)
    away = np.hypot(strands.points[..., 0], strands.points[..., 2]) - RADIUS
    assert np.quantile(away, [0.01, 0.9]) == pytest.approx([0.0, 0.002], abs=0.0022)
    way = strands.points[:, -1] - strands.points[:, 0]
    assert np.median(-way[:, 1] / np.linalg.norm(way, axis=1)) > 0.97
    middle = strands.points.mean(axis=1)
    outwards = middle * [1.0, 0.0, 1.0] / np.linalg.norm(middle * [1.0, 0.0, 1.0], axis=1, keepdims=True)
    assert (strands.normal * outwards).sum(axis=1).min() > 0.97
    assert (np.diff(strands.radius, axis=1) < 0.0).all() and strands.radius.max() == pytest.approx(1e-4)


def test_strands_grow_where_the_picture_shows_hair_and_end_near_its_edge(tube) -> None:
    strands = _grown(tube)
    edge = TALL / 3.0
    assert strands.points[:, 0, 1].min() > edge - 0.002
    below = edge - strands.points[:, -1, 1]
    assert 0.0 < below.max() < 0.03
    assert (below > 0.003).mean() > 0.02  # some hide the edge
    turn = np.arctan2(strands.points[:, 0, 0], strands.points[:, 0, 2])
    assert np.histogram(turn, 8, (-np.pi, np.pi))[0].min() > 150  # all round, across the seam as well


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_strands_follow_the_picture(tube, slope: float) -> None:
    strands = _grown(_striped(tube, slope))
    well_inside = strands.points[:, -1, 1] > TALL / 3.0 + 0.005
    first, last = strands.points[well_inside, 0], strands.points[well_inside, -1]
    right = RADIUS * np.angle(np.exp(1j * (np.arctan2(last[:, 0], last[:, 2]) - np.arctan2(first[:, 0], first[:, 2]))))
    assert np.median(right / (first[:, 1] - last[:, 1])) == pytest.approx(slope, abs=0.3)


def test_strands_wear_the_colours_of_the_picture(tube) -> None:
    left = tube.color.copy()
    left[:, :384, :3] = 200, 160, 90  # of the back half and beyond
    strands = _grown(replace(tube, color=left))
    turn = np.arctan2(strands.points[:, 0, 0], strands.points[:, 0, 2])
    for side, color in ((turn < -0.3, (200, 160, 90)), (turn > 0.3, (90, 60, 40))):
        usual = np.median(strands.color[side].reshape(-1, 3), axis=0)
        assert usual / LINEAR[list(color)] == pytest.approx([0.9] * 3, abs=0.15)
    spread = np.log(strands.color[turn > 0.3].mean(axis=(1, 2))).std()
    assert 0.2 < spread < 0.6  # no two strands are alike


def test_long_strands_need_hair_that_stands_off_the_skin(tube) -> None:
    short, long = (np.linalg.norm(np.diff(_grown(tube, h).points, axis=1), axis=-1).sum(axis=1) for h in (0.005, 0.015))
    assert np.median(short) == pytest.approx(0.008, rel=0.35)
    assert np.median(long) > 2.0 * np.median(short)


def test_no_strand_grows_on_a_hat(tube) -> None:
    cap = (tube.vertices[:, 1] > 0.08).astype(np.float32)
    strands = _grown(replace(tube, hat=cap))
    assert strands.points[:, 0, 1].max() < 0.08 + 0.006
    with pytest.raises(ValueError, match="shows hair"):
        _grown(replace(tube, hat=np.ones_like(tube.hat)))


def test_the_same_seed_gives_the_same_strands(tube) -> None:
    one, again, other = _grown(tube), _grown(tube), _grown(tube, seed=1)
    assert np.array_equal(one.points, again.points) and np.array_equal(one.color, again.color)
    assert not np.allclose(one.points, other.points)


def test_tips_gather_in_locks(tube) -> None:
    points = _grown(tube).points
    inside = points[:, -1, 1] > TALL / 3.0 + 0.005  # the edge gathers no tips of its own
    roots, tips = (cKDTree(points[inside, k]).query(points[inside, k], k=4)[0][:, 1:].mean() for k in (0, -1))
    assert tips < 0.85 * roots
