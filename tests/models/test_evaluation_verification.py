"""Telling people apart and jitter: figures on cases that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from core.pipeline import Pipeline
from core.regressors import present
from core.settings import Settings
from models.evaluation import data, regression_costs, regression_identity, regression_videos, verification
from models.evaluation.data import Photo
from models.evaluation.rebuilding import NAMES, System
from models.evaluation.sections import Bench

# Pairs of photos


def test_a_clean_cut_is_judged_without_error() -> None:
    likeness, same = np.concatenate([np.linspace(0.6, 0.9, 20), np.linspace(-0.2, 0.4, 20)]), np.arange(40) < 20
    verdict = verification.judge(likeness, same)
    assert (verdict.equal, verdict.accuracy.mean, verdict.area) == (100.0, 100.0, 100.0)
    turned = verification.judge(-likeness, same)
    assert (turned.equal, turned.area) == (0.0, 0.0)


def test_rates_of_a_small_case() -> None:
    likeness, same = np.array([0.9, 0.7, 0.5, 0.8, 0.3, 0.1]), np.array([True, True, True, False, False, False])
    assert verification.area(likeness, same) == pytest.approx(700 / 9)  # seven of nine comparisons are right
    assert verification.equal_error(likeness, same) == pytest.approx(100 / 3)
    assert verification.area(np.zeros(6), same) == pytest.approx(50.0)
    assert verification.best_threshold(likeness, same) == pytest.approx(0.4)  # one of six is wrong there


def test_the_threshold_of_a_part_comes_from_the_others() -> None:
    same = np.tile([True, False], 50)
    likeness = np.where(same, 0.8, 0.2)
    likeness[0] = 0.0  # judged by the threshold of the rest, it is wrong
    right = verification.folded_hits(likeness, same)
    assert right.sum() == 99 and not right[0]


def test_a_missed_face_is_like_nobody() -> None:
    like = verification.plain(2)
    first, second = np.array([[1.0, 0], [1, 0], [1, 1]]), np.array([[2.0, 0], [np.nan, 0], [1, -1]])
    assert like(first, second) == pytest.approx([1.0, verification.MISSED, 0.0])


def kin_of(noisy_axis: int, people: int = 40, each: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of people who differ along five axes and change from picture to picture along one more."""
    rng = np.random.default_rng(1)
    vectors = np.repeat(np.pad(rng.normal(size=(people, 5)), ((0, 0), (0, 1))), each, axis=0)
    vectors = np.roll(vectors, noisy_axis - 5, axis=1)
    vectors += rng.normal(0.0, 0.05, vectors.shape)
    vectors[:, noisy_axis] += rng.normal(0.0, 8.0, len(vectors))
    return vectors, np.repeat(np.arange(people), each)


@pytest.mark.parametrize("axis", [0, 3])
def test_what_changes_within_people_is_not_what_tells_them_apart(axis: int) -> None:
    vectors, people = kin_of(axis)
    like = verification.chosen(vectors, people)
    assert like.name == "whitened cosine"
    others, theirs = kin_of(axis, people=30)
    first, second, same = verification.every_pair(theirs)
    found = verification.area(like(others[first], others[second]), same)
    assert found > 95.0 > verification.area(verification.plain(6)(others[first], others[second]), same)


def test_every_pair_once() -> None:
    first, second, same = verification.every_pair(np.array([7, 7, 9]))
    assert list(zip(first.tolist(), second.tolist(), same.tolist(), strict=True)) == [
        (0, 1, True), (0, 2, False), (1, 2, False),
    ]  # fmt: skip


def test_recognised_counts_those_nearest_to_themselves() -> None:
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [1, 1]])  # with and without glasses: the second person is halfway
    own, others, known = regression_identity.recognised(vectors, verification.plain(2))
    half = 1 - np.sqrt(0.5)
    assert own == pytest.approx((0 + half) / 2) and others == pytest.approx((half + 1.0) / 2)
    assert known == 2


def test_pairs_of_the_listing(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "lfw_view1"
    (folder / "images").mkdir(parents=True)
    for name in ("Ada_0001", "Ada_0002", "Bo_0003"):
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), np.zeros((4, 4, 3), np.uint8))
    (folder / "pairsDevTest.txt").write_text("1\nAda\t1\t2\nAda\t2\tBo\t3\n")
    monkeypatch.setattr(data, "EVALUATION", tmp_path)
    pairs = regression_identity.lfw_pairs(None)
    assert [photo.path.stem for photo in pairs.photos] == ["Ada_0001", "Ada_0002", "Bo_0003"]
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([0, 1], [1, 2])
    assert pairs.same.tolist() == [True, False]
    assert len(regression_identity.lfw_pairs(1).same) == 1


def test_people_are_told_apart_by_coefficients(monkeypatch) -> None:
    """Identity tells everybody apart, albedo nobody; glasses spoil the second photo of every other pair."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 80))
    bare, worn, kin = (np.zeros((count, 2, 239), np.float32) for count in (80, 40, 120))
    bare[:, :, :80] = np.repeat(vectors, 2, axis=0)[:, None]  # two photos of each
    second = np.where(np.arange(40) < 20, 2 * np.arange(40) + 1, (2 * np.arange(40) + 2) % 80)
    worn[:, :, :80] = bare[second, :, :80]
    worn[::2, :, :80] = 9.0 * rng.normal(size=(20, 1, 80))
    kin[:, :, :80] = np.repeat(rng.normal(size=(30, 80)), 4, axis=0)[:, None] + 0.1 * rng.normal(size=(120, 1, 80))
    made = {"lfw": bare, "lfw_glasses": worn, "kin": kin, "glasses_pairs": bare[:14]}
    system = System("none", "student", 1)

    def rebuild_all(pipeline, systems, cases):
        return {("none", "student"): SimpleNamespace(coefficients=made[cases])}

    photos = [Photo(Path(f"{k}.jpg")) for k in range(80)]
    pairs = regression_identity.LfwPairs(photos, 2 * np.arange(40), second, np.arange(40) < 20)
    people = np.repeat(np.arange(30), 4)
    for name, stand_in in {
        "there": lambda pipeline, all_methods: [system],
        "rebuild_all": rebuild_all,
        "kin_cases": lambda: ("kin", people),
        "lfw_pairs": lambda limit: pairs,
        "with_glasses": lambda pipeline, pairs: photos[:40],
        "cases_of_photos": lambda name, photos: name,
        "glasses_pair": lambda person: photos[:2],
    }.items():
        monkeypatch.setattr(regression_identity, name, stand_in)
    verified, glasses = regression_identity.identity_tables(Bench(None, (), None, 0))  # pyright: ignore[reportArgumentType]
    figures = {row[:3]: row[4:] for row in verified.rows}
    for coefficients in regression_identity.FEATURES:
        equal, accuracy, area, _ = figures["as they are", coefficients, "student + fit"]
        assert (equal, accuracy[:7], area) == ("100.00", "100.00 ", "100.00")
        _, accuracy, area, _ = figures["glasses pasted on the second of each pair", coefficients, "student + fit"]
        assert 60.0 < float(accuracy.split()[0]) < 90.0 and float(area) < 95.0
    assert [row[4:7] for row in verified.rows if row[2].startswith("published")] == [
        ("89.33", "89.80", "96.09"), ("84.77", "87.05", "92.77"),
    ]  # fmt: skip
    assert {row[5] for row in glasses.rows} == {"7 of 7"}


@pytest.mark.skipif(not (Settings().weights_dir / "regressor.onnx").exists(), reason="no weights here")
def test_costs_of_the_regressors_of_this_build(monkeypatch) -> None:
    pytest.importorskip("torch", reason="training packages are not installed")
    monkeypatch.setattr(regression_costs, "_photo_ms", lambda pipeline, photo: 99.0)
    monkeypatch.setattr(regression_costs, "median_ms", lambda call, rounds: call() is None or 1.5)
    (table,) = regression_costs.cost_tables(Bench(Pipeline(Settings(threads=1)), (), None, 0))
    *rows, peer = table.rows
    assert [row[0] for row in rows] == [NAMES[name] for name in present()]
    size = (Settings().weights_dir / "regressor.onnx").stat().st_size
    assert rows[0][1:] == ("1.50", "1.50", "1.50", "3.00", "99", f"{size / 1e6:.2f}")
    assert 0.05 < float(peer[1]) < 100.0 and len(peer) == len(table.header)


def test_the_peer_in_time_is_the_network_that_it_is_named_after() -> None:
    torch = pytest.importorskip("torch", reason="training packages are not installed")
    from models.evaluation import mobilenet_peer

    peer = mobilenet_peer.build_peer()
    assert peer(torch.rand(2, 3, mobilenet_peer.SIDE, mobilenet_peer.SIDE)).shape == (2, 62)
    assert sum(weight.numel() for weight in peer.parameters()) == 850398  # 3DDFA_V2 names 0.85 M for mb0.5


# Clips


def test_jitter_is_the_second_difference() -> None:
    even = np.column_stack([np.arange(6.0), 2.0 * np.arange(6.0)])
    assert regression_videos.jitter(even) == pytest.approx([0.0, 0.0])  # a steady turn is no jitter
    zigzag = np.tile([[0.0], [1.0]], (3, 1))
    assert regression_videos.jitter(zigzag) == pytest.approx([2.0])
    zigzag[5] = np.nan
    assert regression_videos.jitter(zigzag) == pytest.approx([2.0])
    assert np.isnan(regression_videos.jitter(zigzag[:2])).all()


def test_a_full_turn_is_no_jump() -> None:
    angles = np.array([[0.0, 0, 3.1], [0, 0, np.nan], [0, 0, -3.1]])
    turned = regression_videos.turned_degrees(angles)
    assert turned[2, 2] - turned[0, 2] == pytest.approx(np.degrees(2 * np.pi - 6.2))
    assert np.isnan(turned[1]).all()


def test_frames_of_a_clip(tmp_path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in (40, 120, 200):
        writer.write(np.full((48, 64, 3), (0, 0, level), np.uint8))
    writer.release()
    cases = regression_videos.frames_of(path, 2)
    assert cases.count == 2
    assert cases.image(1)[24, 32] == pytest.approx([120, 0, 0], abs=8)  # RGB
