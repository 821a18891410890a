"""How sure landmarks change the score of a doubtful face: `python -m models.training.second_opinion --data HEADS`.

Prints the constants `OPINION` of `core/stages/detect.py`: a logistic regression on what the shipped detector takes for
faces in synthetic scenes, from its score and from what the shipped landmarker says of each (`Landmark.opinion`).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from core.geometry.boxes import overlap
from core.geometry.face_model import load_face_model
from core.geometry.mirroring import mirrored_landmarks
from core.runtime.sessions import open_network
from core.runtime.specs import SPECS
from core.settings import Settings
from core.stages.detect import CANDIDATE, SURE, Detect, opinion_evidence
from core.stages.landmark import Landmark

from .backgrounds import background_stock
from .crowd import Crowd, picture_groups
from .data import read_pictures
from .scenes import Scene, SceneComposer

LOG = logging.getLogger(__name__)
SIZES = (192, 256, 384, 512)  # pixels of the scenes
LOOKS = ((640, 1.0), (1280, 2.0), (2560, 4.0))  # pixels of the longer side and how far a scene may be enlarged
_FACE, _NO_FACE = 0.3, 0.2  # intersection over union with some face from which, or below which, a box is judged
_HELD_OUT = 0.25  # share of the scenes


@dataclass(frozen=True, eq=False)
class Candidates:
    """N doubtful boxes."""

    scene: np.ndarray  # (N,) int
    score: np.ndarray  # (N,) of the detector
    doubt: np.ndarray  # (N,) of the landmarker
    is_face: np.ndarray  # (N,) bool

    def of(self, chosen: np.ndarray) -> Candidates:
        """Those chosen by (N,) bool."""
        return Candidates(self.scene[chosen], self.score[chosen], self.doubt[chosen], self.is_face[chosen])


def collect(landmark: Landmark, crowd: Crowd, count: int, seed: int) -> Candidates:
    """What is doubtful in `count` scenes."""
    detect = Detect(open_network(SPECS["detector"], Settings().weights_dir), landmark.opinion)
    backgrounds, rng = background_stock(), np.random.default_rng(seed)
    composers = [SceneComposer(backgrounds, size) for size in SIZES]
    rows = []
    for number in range(count):
        scene = composers[int(rng.integers(len(composers)))].scene(crowd, rng)
        rows += [(number, *row) for row in _doubtful(detect, landmark, scene)]
    scene, score, doubt, is_face = map(np.array, zip(*rows, strict=True))
    return Candidates(scene, score, doubt, is_face)


def _doubtful(detect: Detect, landmark: Landmark, scene: Scene) -> Iterator[tuple[float, float, bool]]:
    """Score, doubt and truth of the doubtful boxes of one scene that are clearly right or clearly wrong."""
    truth = scene.boxes[scene.boxes[:, 2] > scene.boxes[:, 0]]
    for side, enlarge in LOOKS:
        scale = min(side / max(scene.image.shape[:2]), enlarge)
        boxes = [box for box in detect.candidates(scene.image, scale, CANDIDATE) if box.score < SURE]
        closeness = np.array([max((overlap(box.corners, face) for face in truth), default=0.0) for box in boxes])
        doubts = landmark.opinion(scene.image, boxes)[0] if boxes else np.empty(0)
        for box, doubt, close in zip(boxes, doubts, closeness, strict=True):
            if close >= _FACE or close < _NO_FACE:
                yield box.score, float(doubt), bool(close >= _FACE)


def fit(candidates: Candidates) -> np.ndarray:
    """(3,) slopes of the evidence and constant, by most likelihood."""
    evidence = np.column_stack([opinion_evidence(candidates.score, candidates.doubt), np.ones(len(candidates.score))])
    side = np.where(candidates.is_face, 1.0, -1.0)

    def cost(weights: np.ndarray) -> float:
        return float(np.logaddexp(0.0, -side * (evidence @ weights)).mean())

    return minimize(cost, np.zeros(3)).x


def report(candidates: Candidates, weights: np.ndarray) -> str:
    """Faces and others that are kept at the least score of the settings, by the detector alone and with the opinion."""
    least = Settings().min_score
    odds = opinion_evidence(candidates.score, candidates.doubt) @ weights[:2] + weights[2]
    kept = {"score alone": candidates.score >= least, "with the opinion": expit(odds) >= least}
    return "; ".join(
        f"{name}: {int((chosen & candidates.is_face).sum())} of {int(candidates.is_face.sum())} faces, "
        f"{int((chosen & ~candidates.is_face).sum())} of {int((~candidates.is_face).sum())} others"
        for name, chosen in kept.items()
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fit how sure landmarks change the score of a doubtful face.")
    parser.add_argument("--data", type=Path, default=Path("build/heads"), help="rendered pictures")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pictures = read_pictures(options.data)
    crowd = Crowd(picture_groups(pictures, np.arange(len(pictures)), 1.0))
    landmark = Landmark(
        open_network(SPECS["landmarker"], Settings().weights_dir), mirrored_landmarks(load_face_model())
    )
    candidates = collect(landmark, crowd, options.scenes, options.seed)
    held_out = candidates.scene >= (1.0 - _HELD_OUT) * options.scenes
    weights = fit(candidates.of(~held_out))
    LOG.info("OPINION = (%.2f, %.2f, %.2f)", *weights)
    LOG.info("Held out: %s", report(candidates.of(held_out), weights))


if __name__ == "__main__":
    main()
