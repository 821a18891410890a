"""The page's tables, from systems whose answers are known."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from models.evaluation import data, sections, variants
from models.evaluation.data import Photo
from models.evaluation.sections import Bench
from models.evaluation.systems import Predictions


@dataclass(frozen=True)
class Shifted:
    """A system that sees every point `shift` pixels off and misses the photos named in `misses`."""

    name: str
    shift: float
    misses: tuple[str, ...] = ()

    def predict(self, photos, landmarks=True, given=False):
        seen = [photo.path.name not in self.misses for photo in photos]
        truth = np.stack([photo.truth for photo in photos]) + [self.shift, 0.0]
        points = np.where(np.array(seen)[:, None, None], truth, np.nan)
        boxes = tuple(
            np.array([photo.box] if there else []).reshape(-1, 4) for photo, there in zip(photos, seen, strict=True)
        )
        return Predictions(boxes, points, truth, np.ones(len(photos)), np.ones(len(photos)))


@pytest.fixture
def photos(tmp_path, monkeypatch):
    points = np.random.default_rng(0).uniform(20, 80, (68, 2))
    points[36], points[45] = (25, 40), (75, 40)
    made = []
    for index in range(4):
        path = tmp_path / f"{index}.png"
        cv2.imwrite(str(path), np.full((100, 100, 3), 40 * index, np.uint8))
        made.append(Photo(path, points, data.box_of(points)))
    for module, name in ((data, "OUT"), (variants, "BUILD")):
        monkeypatch.setattr(module, name, tmp_path / "made")
    for name in ("landmarks68", "lfw", "real_masks", "not_faces"):
        monkeypatch.setattr(data, name, lambda: made)
    monkeypatch.setattr(sections, "YuNet", lambda threshold: lambda image: [])
    return made


def bench(*systems):
    return Bench(pipeline=None, systems=systems, limit=None, people=0)  # pyright: ignore[reportArgumentType]


def row(table, *start):
    return next(cells for cells in table.rows if cells[: len(start)] == start)


def test_the_detector_table_adds_the_sets_up(photos):
    ours, peer = Shifted("ours", 0.0), Shifted("peer", 0.0, misses=("1.png",))
    table, animals, turned = sections.detector_tables(bench(ours, peer))
    assert row(table, "landmarks68", "ours")[2] == "100.0 %"
    assert row(table, "together", "peer")[2] == "75.0 %"
    assert row(table, "together", "YuNet")[2] == "0.0 %"
    assert row(animals, "peer")[1] == "3 of 4"
    assert {cells[0] for cells in turned.rows} >= {"turned by 30 degrees", "turned by 90 degrees"}
    assert (data.OUT / "detector_landmarks68.png").exists() is False  # nothing missed, nothing to show


def test_the_landmark_table_has_a_row_for_every_way_of_looking(photos, monkeypatch):
    monkeypatch.setattr(sections.protocols, "fit_points", lambda pipeline, some: np.full((4, 68, 2), np.nan))
    (table,) = sections.landmark_tables(bench(Shifted("ours", 1.0), Shifted("peer", 2.0, misses=("0.png",))))
    assert row(table, "ours")[1].startswith("2.00 ") and row(table, "ours")[-1] == "0"
    assert row(table, "peer")[1].startswith("4.00 ") and row(table, "peer")[-1] == "1"
    assert row(table, "peer, given the true box")[-1] == "0"
    assert row(table, "Facewright, fitted model projected")[-1] == "4"
    assert (data.OUT / "landmarks68_worst.png").exists() and (data.OUT / "landmarks68.txt").exists()


def test_the_occluded_table_compares_with_the_bare_photos_and_with_the_peer(photos, monkeypatch):
    def occluded(clean):
        kinds = [variants.KINDS[(i + turn * 2) % 5] for i in range(len(clean)) for turn in range(2)]
        sources = [photo for photo in clean for _ in range(2)]
        return [Photo(p.path, p.truth + 1.0, p.box, kind=k) for p, k in zip(sources, kinds, strict=True)]

    class Pasted(Shifted):
        def predict(self, photos, landmarks=True, given=False):
            answer = super().predict(photos)
            off = 1.0 if photos[0].kind else 0.0  # the stand-in's truth is moved where something is pasted on
            points = answer.points + [off * self.shift, -off]
            return Predictions(answer.boxes, points, points, answer.detect_ms, answer.landmark_ms)

    monkeypatch.setattr(variants, "occluded", occluded)
    (table,) = sections.occluded_tables(bench(Pasted("ours", 3.0), Pasted("peer", 6.0)))
    header = table.header
    ours, peer = row(table, "ours"), row(table, "peer")
    assert header.index("glasses") < header.index("object")
    wrong = {name: float(cells[1].split()[0]) for name, cells in (("ours", ours), ("peer", peer))}
    over_bare = float(ours[header.index("over its error on the bare photos")].split()[0])
    over_peer = float(peer[header.index("ours over it")].split()[0])
    assert over_bare == pytest.approx(wrong["ours"] / 6.0, abs=0.01)  # 3 pixels of 50 on the bare photos
    assert over_peer == pytest.approx(wrong["ours"] / wrong["peer"], abs=0.01)
    assert ours[header.index("ours over it")] == ""
