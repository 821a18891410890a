"""What a network of a training run reaches on real photos: the last judge of an ingredient, never a thing to tune on.

`python -m models.training.real_figures landmarker --run build/training/landmarker`
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import FaceError
from core.geometry.boxes import overlap
from core.pipeline import Pipeline
from core.runtime.specs import SPECS
from core.types import FaceBox
from models.evaluation import data, detection, landmarks, parsing, part_scores
from models.evaluation.data import Photo
from models.evaluation.systems import YuNet
from models.export.onnx_export import load_exportable

LOG = logging.getLogger(__name__)
_FACE = 0.3  # overlap from which a box is the labelled face's


class TorchNetwork:
    """Stands in for `core.runtime.sessions.Network` before the network is exported."""

    provider = "torch"

    def __init__(self, name: str, net: nn.Module) -> None:
        self._names, self._net = tuple(SPECS[name].outputs), net.eval()

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name for (N, 3, H, W) float32."""
        with torch.no_grad():
            out = self._net(torch.from_numpy(np.ascontiguousarray(image)))
        out = (out,) if isinstance(out, Tensor) else out
        return {name: part.numpy() for name, part in zip(self._names, out, strict=True)}


class TrialPipeline(Pipeline):
    """The shipped pipeline with one network replaced by that of a training run."""

    def __init__(self, name: str, run: Path) -> None:
        super().__init__()
        self._trial = {name: TorchNetwork(name, load_exportable(name, run).net)}

    def _network(self, name: str):
        return self._trial[name] if name in self._trial else super()._network(name)


def measure(name: str, run: Path, photos: int | None) -> dict[str, float | list[float]]:
    """Figures of a run's network on at most `photos` photos of each set; lists hold one value per photo."""
    pipeline = TrialPipeline(name, run)
    return {"landmarker": _landmarks, "detector": _detector, "parser": _parser}[name](pipeline, photos)


def _landmarks(pipeline: Pipeline, limit: int | None) -> dict[str, float | list[float]]:
    photos = data.thinned(data.landmarks68(), limit)
    points = np.array([_points(pipeline, photo) for photo in photos])
    truth = landmarks.truths(photos)
    inner, every = landmarks.errors(points, truth), landmarks.errors(points, truth, slice(0, 68))
    return {
        "inner51_percent": float(np.nanmean(inner)),
        "all68_percent": float(np.nanmean(every)),
        "inner51_one_based_percent": float(np.nanmean(landmarks.errors(points + landmarks.ONE_BASED, truth))),
        "missed": float(np.isnan(inner).sum()),
        "per_photo": [round(float(value), 2) for value in inner],
    }


def _points(pipeline: Pipeline, photo: Photo) -> np.ndarray:
    """(68, 2) landmarks of the labelled face, NaN where it is missed."""
    image, missing = photo.image(), np.full((68, 2), np.nan)
    box = _labelled(pipeline.detect(image), photo)
    try:
        return missing if box is None else pipeline.landmarks(image, box).points
    except FaceError:
        return missing


def _labelled(faces: Sequence[FaceBox], photo: Photo) -> FaceBox | None:
    assert photo.box is not None
    shares = [overlap(face.corners, photo.box) for face in faces]
    best = int(np.argmax(shares)) if shares else -1
    return faces[best] if shares and shares[best] >= _FACE else None


def _detector(pipeline: Pipeline, limit: int | None) -> dict[str, float | list[float]]:
    sets = {"landmarks68": data.landmarks68(), "lfw_view1": data.lfw(), "real_masks": data.real_masks()}
    arbiter, total, out = YuNet(0.3), None, {}
    for name, photos in sets.items():
        chosen = data.thinned([photo for photo in photos if photo.box is not None], limit)
        boxes = [np.array([face.corners for face in pipeline.detect(photo.image())]).reshape(-1, 4) for photo in chosen]
        score = detection.score(boxes, chosen, arbiter)
        out[f"recall_{name}_percent"] = score.recall
        total = score if total is None else total + score
    assert total is not None
    animals = sum(bool(pipeline.detect(photo.image())) for photo in data.not_faces())
    return {**out, "recall_percent": total.recall, "false_per_200": total.false_per_200, "animals": float(animals)}


def _parser(pipeline: Pipeline, limit: int | None) -> dict[str, float | list[float]]:
    photos = data.thinned(parsing.parsing_photos(), limit)
    seen = [parsing.look(pipeline, photo) for photo in photos]
    behind = [parsing.look(pipeline, photo) for photo in data.thinned(data.real_masks(), limit)]
    counts = parsing.part_counts(seen, photos)
    figures = part_scores.f1_intervals(counts, rounds=2)
    return {
        "counts": counts.astype(int).tolist(),
        **{f"f1_{name.replace(' ', '_')}_percent": interval.mean for name, interval in figures.items()},
        "masks_found_percent": 100.0 * float(np.mean([parsing.mask_found(one) for one in behind])),
    }


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Figures of a training run on real photos.")
    parser.add_argument("name", choices=["landmarker", "detector", "parser"])
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--photos", type=int, help="at most so many photos of each set")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for key, value in measure(arguments.name, arguments.run, arguments.photos).items():
        if not isinstance(value, list):
            LOG.info("%s %.3f", key, value)


if __name__ == "__main__":
    main()
