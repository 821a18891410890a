"""Occlusion-resistant training is measured on the same pictures with and without."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from core.pipeline import Pipeline
from core.settings import Settings
from core.types import COEFFICIENTS, LANDMARKS, LAYOUT
from models.evaluation import regression_resistance as resistance
from models.evaluation.covered_people import KINDS, CoveredPeople
from models.evaluation.sections import Bench
from models.evaluation.systems import SystemFailure

from .people import make_pictures

ROWS = np.array([0, 2, 5])


@pytest.fixture
def people(model) -> CoveredPeople:
    return CoveredPeople(dict.fromkeys(KINDS, make_pictures(model, count=6)), ROWS, "made up")


def bench_of(folder) -> Bench:
    return Bench(Pipeline(Settings(threads=1)), (), None, 0, bare_student=folder)


def test_errors_of_both_stand_side_by_side(people, tmp_path, monkeypatch) -> None:
    """The shipped student knows everybody; the other one halves the shape of those who are covered."""
    asked: list[str] = []

    def rebuilt(pipeline, look, shapes=False):
        kind, index = look
        known = people.truth(int(ROWS[index])).copy()
        if pipeline.name == "other" and kind != "people_clean":
            known[LAYOUT["identity"]] *= 0.5
        both = np.stack([known, np.full(COEFFICIENTS, np.nan, np.float32)])  # the fit is not looked at
        return np.eye(2, 3), both, np.zeros((2, LANDMARKS, 2)), np.zeros((2, 3)), np.zeros((2, 0, 3))

    def with_settings(settings):
        asked.extend((settings.deocclusion, settings.regressor))
        return SimpleNamespace(name="shipped", face_model=people_model, settings=settings)

    bench = bench_of(tmp_path)
    people_model = bench.pipeline.face_model
    monkeypatch.setattr(resistance, "covered_people", lambda count: people)
    monkeypatch.setattr(resistance, "look_at", lambda pipeline, cases, index: (cases.name, index))
    monkeypatch.setattr(resistance, "rebuilt", rebuilt)
    other = SimpleNamespace(name="other", face_model=people_model)
    monkeypatch.setattr(resistance, "_with_regressor", lambda pipeline, folder: other)
    monkeypatch.setattr(bench.pipeline, "with_settings", with_settings)
    (table,) = resistance.resistance_tables(bench)
    assert asked == ["none", "student"]
    assert {len(row) for row in table.rows} == {len(table.header)} == {2 + len(KINDS)}
    shipped, bare, over = table.rows[:3]
    assert float(shipped[2]) == float(bare[2]) == 0.0
    assert all(float(a) == 0.0 and float(b) > 0.3 for a, b in zip(shipped[3:], bare[3:], strict=True))
    assert over[3].startswith("0.00 ")


def test_a_student_that_is_not_there_is_asked_for(tmp_path) -> None:
    with pytest.raises(SystemFailure, match="--bare-student"):
        resistance.resistance_tables(bench_of(None))
    pipeline = bench_of(None).pipeline
    with pytest.raises(SystemFailure, match="is not there"):
        resistance._with_regressor(pipeline, tmp_path)


def test_the_draft_takes_the_students_place(tmp_path) -> None:
    pipeline = Pipeline(Settings(threads=1))
    (tmp_path / "regressor.onnx").write_bytes((pipeline.settings.weights_dir / "regressor_e2far.onnx").read_bytes())
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8)
    points = np.random.default_rng(1).uniform(40, 120, (LANDMARKS, 2))
    other = resistance._with_regressor(pipeline, tmp_path)
    wanted = Pipeline(Settings(threads=1, regressor="e2far")).regress(image, points)
    np.testing.assert_array_equal(other.regress(image, points).identity, wanted.identity)
    assert np.abs(pipeline.regress(image, points).identity - wanted.identity).max() > 0.05
