"""The build keeps the shipped topology: its operator is found again, and no file with broken UVs is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

igl = pytest.importorskip("igl", reason="libigl is not installed")

from core.geometry.face_model import DEFAULT_PATH, FaceModel  # noqa: E402
from models.face_model import assembly, build, eyes, kept_topology, uv  # noqa: E402
from models.face_model.comparison import differences  # noqa: E402
from models.face_model.expressions import expressions  # noqa: E402
from models.face_model.quads import edges_of, loop_table  # noqa: E402
from models.face_model.source_surface import Places, make_surface  # noqa: E402
from models.face_model.sources import load_ict  # noqa: E402
from models.face_model.surface import mirror_map, symmetrised  # noqa: E402
from models.face_model.topology import Topology  # noqa: E402

CLOSED = ("lid_edge", "lid_outer", "nostril", "nostril_seam", "ear_front")
JUNCTION = "ear_back"  # runs into itself behind the ear
SIDE = 7  # quads along a side of the sheets below


@pytest.fixture(scope="module")
def mean() -> np.ndarray:
    ict = load_ict()
    return symmetrised(ict.vertices, mirror_map(ict.vertices, ict.mesh.faces))


def sheet() -> np.ndarray:
    """(49, 4) quads of a square sheet, vertices row by row."""
    corner = np.arange(SIDE)[:, None] * (SIDE + 1) + np.arange(SIDE)
    return np.stack([corner, corner + 1, corner + SIDE + 2, corner + SIDE + 1], axis=-1).reshape(-1, 4)


def bumpy(layers: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) vertices and (F, 4) quads of uneven sheets of 70 mm, one 0.2 mm above the other."""
    x, y = np.meshgrid(np.arange(SIDE + 1.0), np.arange(SIDE + 1.0))
    one = np.stack([x, y, np.sin(x) * np.cos(1.3 * y)], axis=-1).reshape(-1, 3) / 100
    stacked = [one + [0, 0, 0.0002 * layer] for layer in range(layers)]
    return np.concatenate(stacked), np.concatenate([sheet() + layer * len(one) for layer in range(layers)])


def bridged(on: list[tuple[int, int]]) -> set[tuple[int, int]]:
    pairs = edges_of(sheet()).pairs
    known = np.array([tuple(pair) in on for pair in pairs.tolist()])
    chosen = pairs[kept_topology._bridged(pairs, known, loop_table(sheet()))]
    return {(a, b) for a, b in chosen.tolist()}


def test_what_is_kept_is_what_is_shipped(kept: Topology, model: FaceModel, mean: np.ndarray) -> None:
    for name in ("faces", "uv", "uv_faces", "part_names", "vertex_part", "face_part", "mirror"):
        assert np.array_equal(getattr(kept, name), getattr(model, name)), name
    carried = symmetrised(kept.transfer @ mean + kept.offset, kept.mirror)
    assert np.abs(carried - model.vertices).max() < 2e-8, "float32 rounds to this"


def test_expressions_are_carried_as_in_the_shipped_file(kept: Topology, model: FaceModel, mean: np.ndarray) -> None:
    """All rows of the operator at once: any other place on the scan, or another layer of it, moves otherwise."""
    ict = load_ict()
    shapes = expressions(ict, mean, mirror_map(ict.vertices, ict.mesh.faces))
    carried = assembly._expression(shapes, kept)
    step = np.maximum(np.abs(carried).max(axis=(1, 2)) / 32767, assembly.EXPRESSION_STEP)
    assert (np.abs(carried - model.expression_basis).max(axis=(1, 2)) < 0.6 * step).all()


def test_curves_run_from_end_to_end(kept: Topology) -> None:
    assert {"midline", "rim", "lid_edge", "lid_outer", "lip_upper", "mouth_corner"} <= set(kept.curve_names)
    for name in kept.curve_names:
        degree = np.bincount(kept.curve(name).ravel())
        ends = 0 if name in CLOSED else 1 if name == JUNCTION else 2
        assert (degree == 1).sum() == ends, name
        assert (degree > 2).sum() == (name == JUNCTION), name


def test_a_moved_vertex_is_refused(kept: Topology, model: FaceModel, mean: np.ndarray) -> None:
    vertices = model.vertices.copy()
    vertices[np.flatnonzero(model.vertex_part == model.part("tongue"))[3], 1] += 5e-6
    with pytest.raises(ValueError, match=r"tongue lies 5\.0 micrometres.*--new-topology"):
        kept_topology._check(kept, mean, dataclasses.replace(model, vertices=vertices))
    with pytest.raises(ValueError, match=r"`mirror`.*differs"):
        kept_topology._check(kept, mean, dataclasses.replace(model, mirror=np.roll(model.mirror, 1)))


def test_points_are_found_on_their_own_layer() -> None:
    vertices, faces = bumpy(layers=2)
    surface = make_surface(vertices, faces, {})
    rng = np.random.default_rng(3)
    near = rng.integers(len(surface.vertices), size=300)
    corners = np.concatenate([near[:, None], surface.fans[near, rng.integers(6, size=300)]], axis=1)
    places = Places(near, corners, rng.dirichlet(np.ones(3), 300))
    found = surface.closest(surface.positions(places))
    assert np.abs(surface.positions(found) - surface.positions(places)).max() < 1e-12
    assert abs(surface.weights(found) - surface.weights(places)).max() < 1e-9


def test_gaps_of_a_curve_are_closed_straight_on() -> None:
    row = [(k, k + 1) for k in range(24, 31)]  # across the sheet
    assert bridged([*row[:2], *row[4:]]) == set(row)
    assert bridged(row[:2]) == set(row[:2]), "what meets nothing is no part of the curve"


def test_an_equally_close_layer_is_told_by_how_it_moves(kept: Topology, model: FaceModel) -> None:
    ict = load_ict()
    ball = kept.vertices[kept.vertex_part == model.part("eyeball_left")]
    ring = ball[25:49]  # round the pupil
    moves = kept_topology._dilated(model)[25:49] / eyes.PUPIL_FOLLOW
    dilation = ict.expression[ict.expression_names.index("PupilDilate_L")]
    for own_move in (moves, moves + [0, 0, 1e-3]):
        columns, values = eyes._on_scanned_iris(ict, ring, own_move)
        apart = np.linalg.norm(np.einsum("nk,nkd->nd", values, dilation[columns]) - moves, axis=1)
        assert (apart.max() < assembly.EXPRESSION_STEP / eyes.PUPIL_FOLLOW) == (own_move is moves)


def test_no_file_with_broken_uvs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "face_model.npz"
    with pytest.raises(ValueError, match=r"face_model\.npz is not written, `uv` holds NaN.*without --new-topology"):
        assembly.save({"faces": np.zeros((1, 4), np.int32), "uv": np.array([[0.5, np.nan]], np.float32)}, path)
    assert not list(tmp_path.iterdir())
    vertices, faces = bumpy()
    assert np.isfinite(uv._unwrap(faces, vertices)).all()
    monkeypatch.setattr(uv.igl, "slim_solve", lambda data, steps: np.full((len(vertices), 3), np.nan))
    with pytest.raises(ValueError, match=r"chart of 64 vertices to NaN.*without --new-topology"):
        uv._unwrap(faces, vertices)


@pytest.mark.parametrize(("flags", "asked"), [([], "kept"), (["--new-topology"], "new")])
def test_a_new_topology_is_an_explicit_choice(
    flags: list[str], asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(answer: str) -> None:
        raise InterruptedError(answer)

    monkeypatch.setattr(build, "kept_topology", lambda: stop("kept"))
    monkeypatch.setattr(build, "build_topology", lambda: stop("new"))
    monkeypatch.setattr("sys.argv", ["build", "--out", str(tmp_path / "face_model.npz"), *flags])
    with pytest.raises(InterruptedError, match=asked):
        build.main()


def test_differences_from_the_shipped_file() -> None:
    with np.load(DEFAULT_PATH) as file:
        arrays = {name: file[name] for name in file.files}
    assert all(found.largest == 0 for found in differences(arrays, DEFAULT_PATH))
    arrays["vertices"] = arrays["vertices"] + np.float32(0.001)
    arrays["albedo_scale"] = arrays["albedo_scale"] * 2
    order = [2, 0, 1]  # the same points, embedded otherwise
    arrays["dense_triangles"], arrays["dense_weights"] = (
        arrays["dense_triangles"][:, order],
        arrays["dense_weights"][:, order],
    )
    found = {found.name: found for found in differences(arrays, DEFAULT_PATH) if found.largest > 1e-9}
    assert set(found) == {"vertices", "albedo_basis"}
    assert found["vertices"].largest == pytest.approx(found["vertices"].rms, rel=1e-3) == pytest.approx(0.001, rel=1e-3)
