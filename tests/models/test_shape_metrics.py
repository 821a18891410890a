"""How wrong a rebuilt face is: every figure on a case that can be worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from core.geometry.camera import rotation_from_angles
from core.geometry.lighting import LIGHT_FLIP, basis
from core.types import LAYOUT, FaceParams
from models.evaluation import shape_metrics, synthetic
from models.evaluation.metrics import bootstrap
from models.evaluation.shape_metrics import ERRORS, SLIDERS, FaceJudge


def errors(judge: FaceJudge, found: np.ndarray, truth: np.ndarray, turn=None, rotation=None) -> dict[str, float]:
    upright = rotation_from_angles(0.0, 0.0, 0.0)
    values = judge.errors(found, truth, np.eye(3) if turn is None else turn, upright if rotation is None else rotation)
    return dict(zip(ERRORS, values.tolist(), strict=True))


def test_the_truth_has_no_error_and_a_missed_face_no_figure(judge, person) -> None:
    found = errors(judge, person, person)
    assert max(found.values()) < 0.02  # degrees; arccos is steep at one
    assert np.isnan(judge.errors(np.full(239, np.nan, np.float32), person, np.eye(3), np.eye(3))).all()


def test_shape_errors_are_distances_after_alignment(judge, model, person) -> None:
    other = person.copy()
    other[LAYOUT["identity"]] = 0.0
    other[LAYOUT["identity"].start] = 2.0
    found = errors(judge, other, person)
    face = judge.face
    first, second = (model.shape(one[LAYOUT["identity"]])[face].astype(float) for one in (other, person))
    moved, target = first - first.mean(axis=0), second - second.mean(axis=0)
    left, stretch, right = np.linalg.svd(target.T @ moved)
    turned = moved @ (left @ right).T  # neither is a mirror image
    expected = np.linalg.norm(turned - target, axis=1).mean() * 1000
    assert found["neutral"] == pytest.approx(expected, rel=1e-4)
    scaled = stretch.sum() / (moved**2).sum() * turned
    assert found["scaled"] == pytest.approx(np.linalg.norm(scaled - target, axis=1).mean() * 1000, rel=1e-4)
    assert found["largest"] > found["posed"] > 0.1
    assert found["normals"] > 1.0


def test_a_true_shape_of_the_wrong_size_is_off_by_its_size_alone(judge, person) -> None:
    true, mean = judge.neutral(person), judge.neutral(np.zeros(239, np.float32))
    away = true - true.mean(axis=0)
    ratio = np.sqrt(((mean - mean.mean(axis=0)) ** 2).sum() / (away**2).sum())
    expected = abs(ratio - 1.0) * np.linalg.norm(away, axis=1).mean() * 1000
    assert expected > 0.2
    assert shape_metrics.sizeless_error(true, mean) == pytest.approx(expected, rel=1e-6)
    turned = 1.07 * mean @ rotation_from_angles(0.1, 0.2, 0.3).T + 0.05
    assert shape_metrics.sizeless_error(mean, turned) == pytest.approx(
        0.07 * np.linalg.norm(mean - mean.mean(axis=0), axis=1).mean() * 1000, rel=1e-6
    )


def test_the_size_that_no_photo_tells_stands_beside_the_reconstruction(judge, model, monkeypatch) -> None:
    """People who are rebuilt as the mean face, and one who is missed."""
    rng = np.random.default_rng(1)
    people = [SimpleNamespace(image=None, identity=rng.normal(size=80), expression=np.zeros(64)) for _ in range(4)]
    boxes = iter([[None], [], [None], [None]])
    nobody = FaceParams.from_vector(np.zeros(239, np.float32))
    fitted = SimpleNamespace(params=nobody, regressed=nobody)
    monkeypatch.setattr(synthetic, "held_out_pictures", lambda model, count: people[:count])
    monkeypatch.setattr(synthetic, "Fitter", lambda pipeline: lambda image, box: fitted)
    pipeline = SimpleNamespace(face_model=model, detect=lambda image: next(boxes))
    table = synthetic.shape_table(pipeline, 4)  # pyright: ignore[reportArgumentType]
    rows = {row[0]: row[1:] for row in table.rows}
    mean = model.vertices[judge.face]
    true = [model.shape(people[k].identity)[judge.face] for k in (0, 2, 3)]
    expected = bootstrap(np.array([shape_metrics.sizeless_error(one, mean) for one in true]))
    value, baseline, share = rows[f"{shape_metrics.SIZELESS}, rigid"]
    assert value == expected.text() and "missed by the detector: 1" in table.note
    assert rows["neutral shape, rigid"] == (baseline, baseline, "100 %")
    assert 0 < int(share.split()[0]) < 100


def test_an_expression_counts_in_the_posed_shape_alone(judge, person) -> None:
    other = person.copy()
    other[LAYOUT["expression"]][judge.model.expression_names.index("jawOpen")] += 0.7
    found = errors(judge, other, person)
    assert found["neutral"] < 1e-3 < found["posed"]
    assert found["sliders"] == pytest.approx(0.7 / len(SLIDERS), abs=1e-6)
    assert judge.sliders(other, person) == pytest.approx([0.7, 0, 0, 0, 0, 0, 0], abs=1e-6)


def test_normals_of_a_turned_face_are_turned(judge, person) -> None:
    shape = judge.posed(person)
    quarter = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert judge.normals(shape @ quarter.T) == pytest.approx(judge.normals(shape) @ quarter.T, abs=1e-9)
    assert np.linalg.norm(judge.normals(shape), axis=1) == pytest.approx(np.ones(len(judge.rounded)))
    nose = judge.posed(person)[judge.rounded, 2].argmax()
    assert judge.normals(shape)[nose, 2] > 0.5  # out of the face


def test_angles_and_distances() -> None:
    up, aside = np.array([[0.0, 1.0, 0.0]]), np.array([[1.0, 1.0, 0.0]]) / np.sqrt(2)
    assert shape_metrics.angles(up, aside) == pytest.approx([45.0])
    assert shape_metrics.distances(up, aside * 0.0) == pytest.approx([1000.0])


def test_light_is_compared_where_it_falls() -> None:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(300, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    even = np.array([0.8, 0, 0, 0, 0, 0, 0, 0, 0], np.float32)
    assert shape_metrics.light_error(even, even, normals, np.eye(3)) == 0.0
    assert shape_metrics.light_error(1.25 * even, even, normals, np.eye(3)) == pytest.approx(25.0, abs=1e-3)


def test_light_in_a_turned_frame_is_the_same_light() -> None:
    from_right = np.array([0.8, 0, 0, 0.3, 0, 0, 0, 0, 0], np.float32)  # brighter where x is large
    from_above = np.array([0.8, 0.3, 0, 0, 0, 0, 0, 0, 0], np.float32)
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # camera axes: what points right points up
    normals = np.eye(3)
    assert basis((normals @ turn.T) * LIGHT_FLIP) @ from_above == pytest.approx(
        basis(normals * LIGHT_FLIP) @ from_right
    )
    assert shape_metrics.light_error(from_above, from_right, normals, turn) == pytest.approx(0.0, abs=1e-4)
    assert shape_metrics.light_error(from_above, from_right, normals, np.eye(3)) > 10.0


def test_albedo_error_is_a_share_of_white(judge) -> None:
    grey = judge.model.albedo_basis[0, judge.face]
    one = np.zeros(80)
    one[0] = 0.05
    assert judge.albedo_error(one, np.zeros(80)) == pytest.approx(np.abs(0.05 * grey).mean() * 100, rel=0.02)
