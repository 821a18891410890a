"""The evaluation's own measures, on cases whose answer is known."""

import numpy as np
import pytest

from models.evaluation import metrics
from models.evaluation.report import Section, Table, read_page, write_page


def points(seed=0, count=200):
    return np.random.default_rng(seed).normal(0, 0.05, (count, 3))


def rotation(seed=1):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def test_rigid_alignment_undoes_a_rotation_and_shift_but_not_a_scale():
    shape = points()
    moved = shape @ rotation().T + [0.3, -0.1, 0.7]
    assert metrics.vertex_error(moved, shape) == pytest.approx(0, abs=1e-9)
    grown = moved * 1.1
    assert metrics.vertex_error(grown, shape) > 1.0
    assert metrics.vertex_error(grown, shape, with_scale=True) == pytest.approx(0, abs=1e-9)


def test_alignment_never_mirrors():
    shape = points()
    mirrored = shape * [-1, 1, 1]
    assert metrics.vertex_error(mirrored, shape, with_scale=True) > 1.0


def test_landmark_error_is_relative_to_the_outer_eye_corners():
    truth = np.random.default_rng(0).uniform(0, 200, (68, 2))
    truth[36], truth[45] = (50, 100), (150, 100)
    assert metrics.landmark_error(truth + [3, 4], truth) == pytest.approx(5.0)
    moved_jaw = truth.copy()
    moved_jaw[:17] += 50
    assert metrics.landmark_error(moved_jaw, truth, metrics.INNER) == pytest.approx(0.0)
    assert metrics.landmark_error(moved_jaw, truth) > 10


def test_bootstrap_interval_holds_the_mean_and_narrows_with_data():
    values = np.random.default_rng(0).normal(3, 1, 400)
    wide, narrow = metrics.bootstrap(values[:20]), metrics.bootstrap(values)
    assert narrow.low < values.mean() < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert np.isnan(metrics.bootstrap(np.array([])).mean)


def test_a_measured_section_replaces_its_own_part_of_the_page(tmp_path):
    page, order = tmp_path / "evaluation.md", ["first", "second"]
    table = Table("Title", ("a", "b"), (("1", "2"),), "Note.")
    write_page([Section.of("second", "abc", "2 cores", [table, table])], order, page)
    write_page([Section.of("first", "def", "4 cores", [Table("Other", ("c",), (("3",),))])], order, page)
    text = page.read_text()
    assert text.index("## Other") < text.index("## Title") and "| 1 | 2 |" in text and "Note." in text
    assert "Code def; 4 cores." in text and "Code abc; 2 cores." in text
    write_page([Section.of("second", "ghi", "2 cores", [Table("Title", ("a",), (("9",),))])], order, page)
    text = page.read_text()
    assert "| 9 |" in text and "| 1 | 2 |" not in text and "abc" not in text and "## Other" in text
    assert list(read_page(page)) == order
