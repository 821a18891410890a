"""How sure landmarks change the score of a doubtful face."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")

from core.stages.detect import Detect, opinion_evidence
from core.types import FaceBox
from models.training import second_opinion
from models.training.crowd import Crowd, Group, Person
from models.training.scenes import Scene
from models.training.second_opinion import Candidates, collect, fit, report


def candidates_of(weights: tuple[float, float, float], count: int) -> Candidates:
    """Candidates that are faces by chance, as likely as the weights say."""
    rng = np.random.default_rng(2)
    score, doubt = rng.uniform(0.4, 0.88, count), np.exp(rng.uniform(np.log(0.01), np.log(0.15), count))
    odds = opinion_evidence(score, doubt) @ weights[:2] + weights[2]
    return Candidates(np.arange(count), score, doubt, rng.random(count) < 1.0 / (1.0 + np.exp(-odds)))


def test_the_weights_behind_the_candidates_are_found() -> None:
    wanted = (1.5, -2.0, -6.0)
    assert fit(candidates_of(wanted, 20000)) == pytest.approx(wanted, abs=0.25)


def test_the_report_counts_what_each_rule_keeps() -> None:
    candidates = Candidates(
        np.arange(4),
        np.array([0.7, 0.5, 0.7, 0.5]),
        np.array([0.02, 0.02, 0.12, 0.12]),
        np.array([True, True, 0, 0], bool),
    )
    text = report(candidates, np.array([1.4, -2.2, -6.5]))
    assert "score alone: 1 of 2 faces, 1 of 2 others" in text
    assert "with the opinion: 2 of 2 faces, 0 of 2 others" in text


class _Spots:
    """Takes the white square for a face, doubtfully, and a place in the corner too."""

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        rows, columns = np.nonzero(image[0, 0] > 0.5)
        square = [columns.min(), rows.min(), columns.max(), rows.max()]
        corner = [0.0, 0.0, 0.1 * image.shape[3], 0.1 * image.shape[2]]
        return {
            "boxes": np.array([[square, corner]], np.float32),
            "scores": np.array([[0.6, 0.5]], np.float32),
            "points": np.zeros((1, 2, 10), np.float32),
        }


class _Squares:
    """Scenes of one square."""

    def __init__(self, backgrounds: list[np.ndarray], size: int) -> None:
        self.size = size

    def scene(self, crowd: Crowd, rng: np.random.Generator) -> Scene:
        low, side = rng.integers(self.size // 3, self.size // 2), self.size // 4
        image = np.zeros((self.size, self.size, 3), np.uint8)
        image[low : low + side, low : low + side] = 255
        boxes = np.zeros((12, 4), np.float32)
        boxes[3] = [low, low, low + side, low + side]
        return Scene(image, boxes, np.zeros((12, 10), np.float32), np.ones(12, bool))


class _Opinions:
    def opinion(self, photo: np.ndarray, boxes: list[FaceBox]) -> tuple[np.ndarray, np.ndarray]:
        return np.array([0.1 if box.x0 < 1.0 else 0.02 for box in boxes]), np.zeros((len(boxes), 4))


def test_what_lies_on_no_face_is_told_from_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_opinion, "Detect", lambda _, opinion: Detect(_Spots(), opinion))  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(second_opinion, "SceneComposer", _Squares)
    found = collect(_Opinions(), Crowd([Group(_nobody, np.arange(1), 1.0)]), 5, seed=1)  # pyright: ignore[reportArgumentType]
    assert len(found.score) == 5 * len(second_opinion.LOOKS) * 2
    assert (found.is_face == (found.doubt < 0.05)).all()
    assert found.score == pytest.approx(np.where(found.is_face, 0.6, 0.5))
    assert (np.bincount(found.scene) == 2 * len(second_opinion.LOOKS)).all()


def _nobody(index: int, rng: np.random.Generator) -> Person:
    raise AssertionError("the squares need no people")
