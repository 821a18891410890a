"""The tables of docs/evaluation.md on real photos: detector, landmarks, occluded faces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.pipeline import Pipeline

from . import data, detection, diagnosis, landmarks, protocols, tiles, variants
from .data import Photo
from .report import Table
from .systems import Predictions, System, YuNet

YUNET = "YuNet"
YUNET_THRESHOLD, ARBITER_THRESHOLD = 0.6, 0.3


@dataclass(frozen=True, eq=False)
class Bench:
    """What every section measures with."""

    pipeline: Pipeline
    systems: tuple[System, ...]  # ours first
    limit: int | None  # photos of each set, None for all
    people: int  # held-out synthetic people
    covered: int = 150  # held-out synthetic people behind every kind of occluder
    all_methods: bool = False  # regressors behind every way of completing, not the best alone
    bare_student: Path | None = None  # folder of a student trained on bare faces alone, if there is one

    def photos(self, photos: list[Photo]) -> list[Photo]:
        """The set, or its evenly spread part."""
        return data.thinned(photos, self.limit)

    def answers(self, photos: list[Photo], landmarks: bool = True, given: bool = False) -> dict[str, Predictions]:
        """Every system's predictions, as many systems at a time as there are processor cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = pool.map(lambda system: system.predict(photos, landmarks, given), self.systems)
            return dict(zip((system.name for system in self.systems), made, strict=True))


def detector_tables(bench: Bench) -> list[Table]:
    """Recall and false faces of every detector on every set, then all sets together."""
    boxed = [photo for photo in data.real_masks() if photo.box is not None]
    sets = {"landmarks68": data.landmarks68(), "lfw_view1": data.lfw(), "real_masks": boxed}
    scores: dict[str, dict[str, detection.DetectionScore]] = {}
    for name, photos in sets.items():
        scores[name] = _detection_scores(bench, name, bench.photos(photos))
    first = next(iter(scores.values()))
    scores["together"] = {
        system: sum((part[system] for part in list(scores.values())[1:]), first[system]) for system in first
    }
    rows = [
        (name, system, f"{score.recall:.1f} %", f"{score.false_per_200:.2f}")
        for name, part in scores.items()
        for system, score in part.items()
    ]
    table = Table(
        "Face detector",
        ("photos", "system", "recall", "false faces per 200 photos"),
        tuple(rows),
        "Found means IoU of at least 0.3 with the labelled face: the box of its 68 points; the middle of an LFW photo; "
        "in `real_masks` the most prominent face, boxed by eye in the 107 photos of 120 where it is 20 pixels wide. "
        "A further face is false unless YuNet at threshold 0.3 (in `real_masks`: a box placed by eye; crowds are not "
        "judged) has a face there. MediaPipe's boxes are those of its meshes.",
    )
    return [table, _animals(bench), *_variant_tables(bench)]


def _detectors(bench: Bench, photos: list[Photo]) -> dict[str, Sequence[np.ndarray]]:
    """Boxes per photo of every detector."""
    boxes: dict[str, Sequence[np.ndarray]] = {
        name: answer.boxes for name, answer in bench.answers(photos, landmarks=False).items()
    }
    return {**boxes, YUNET: detection.boxes_of(YuNet(YUNET_THRESHOLD), photos)}


def _detection_scores(bench: Bench, name: str, photos: list[Photo]) -> dict[str, detection.DetectionScore]:
    arbiter, found = YuNet(ARBITER_THRESHOLD), _detectors(bench, photos)
    ours = found[bench.systems[0].name]
    missed = detection.missed(ours, photos)
    false = [detection.false_boxes(own, photo, arbiter) for own, photo in zip(ours, photos, strict=True)]
    shown = [tiles.box_tile(photos[i], ours[i], "missed") for i in missed]
    shown += [tiles.box_tile(photo, own, "false") for photo, own in zip(photos, false, strict=True) if len(own)]
    tiles.write_tiles(shown[: 2 * tiles.WORST], data.OUT / f"detector_{name}.png")
    return {system: detection.score(boxes, photos, arbiter) for system, boxes in found.items()}


def _animals(bench: Bench) -> Table:
    photos = data.not_faces()
    rows = [
        (system, f"{sum(len(own) > 0 for own in boxes)} of {len(photos)}")
        for system, boxes in _detectors(bench, photos).items()
    ]
    return Table("Animals taken for a face (`not_faces`)", ("system", "photos"), tuple(rows))


def _variant_tables(bench: Bench) -> list[Table]:
    photos = bench.photos(data.landmarks68())
    sets = {
        "turned by 30 degrees": variants.turned(photos, 30),
        "turned by 90 degrees": variants.turned(photos, 90),
        f"{100 * variants.CUT:.0f} % of the face beyond the border": variants.cut(photos),
    }
    rows = []
    for name, made in sets.items():
        for system, answer in bench.answers(made).items():
            inner = landmarks.score(answer.points, made).inner.text()
            missed = len(detection.missed(answer.boxes, made))
            rows.append((name, system, f"{100 - 100 * missed / len(made):.1f} %", inner))
        missed = len(detection.missed(detection.boxes_of(YuNet(YUNET_THRESHOLD), made), made))
        rows.append((name, YUNET, f"{100 - 100 * missed / len(made):.1f} %", ""))
    return [
        Table(
            "Turned and cut photos (`landmarks68`)",
            ("photos", "system", "recall", "inner 51 of those found, %"),
            tuple(rows),
            "Every photo turned about its middle, to the left and to the right in turn, or cropped at one of its four "
            "sides in turn.",
        )
    ]


def landmark_tables(bench: Bench) -> list[Table]:
    """Every landmark system on hand-placed points, with its own detector and given the true box."""
    photos = bench.photos(data.landmarks68())
    answers = bench.answers(photos, given=True)
    points = {name: answer.points for name, answer in answers.items()}
    diagnosis.write_reports(points, photos, data.OUT / "landmarks68.txt")
    tiles.write_worst(points[bench.systems[0].name], photos, data.OUT / "landmarks68_worst.png")
    points["Facewright, fitted model projected"] = protocols.fit_points(bench.pipeline, photos)
    points |= {f"{name}, given the true box": answer.given for name, answer in answers.items()}
    rows = []
    for name, own in points.items():
        score = landmarks.score(own, photos)
        rows.append(
            (
                name,
                score.inner.text(),
                score.all.text(),
                score.inner_one_based.text(),
                f"{score.median:.2f}",
                f"{score.worst_tenth:.2f}",
                str(score.failed),
                str(score.missed),
            )
        )
    return [
        Table(
            "68 landmarks on real photos (`landmarks68`)",
            (
                "system",
                "inner 51, %",
                "all 68, %",
                "inner 51, labels counted from 1, %",
                "median",
                "90th percentile",
                f"beyond {landmarks.FAILED:.0f} %",
                "faces missed",
            ),
            tuple(rows),
            "Mean point error over the distance of the outer eye corners, on the photos where the face was found; "
            "own detector unless the true box is given. The labels lie about one pixel right of and below what every "
            "system sees, whatever the size of the face: the 68-point files of this family count pixels from 1, as "
            "MATLAB does. The first columns take them as they stand, one column as counted from 1. MediaPipe's 468 "
            "points are mapped by the list in common use; its jaw points do not slide along the contour.",
        )
    ]


def occluded_tables(bench: Bench) -> list[Table]:
    """The same photos with 3D things pasted on, the same pixels for every system."""
    clean = bench.photos(data.landmarks68())
    made = variants.occluded(clean)
    kinds = np.array([photo.kind for photo in made])
    twin = np.arange(len(made)) // variants.KINDS_PER_PHOTO
    ours = bench.systems[0].name
    answers = bench.answers(made, given=True)
    tiles.write_worst(answers[ours].points, made, data.OUT / "occluded68_worst.png")
    truth = landmarks.truths(made)
    bare_truth = landmarks.truths(clean)
    bare = {name: landmarks.errors(a.points, bare_truth) for name, a in bench.answers(clean, given=True).items()}
    wrong = {name: landmarks.errors(answer.points, truth) for name, answer in answers.items()}
    rows = []
    for name, answer in answers.items():
        given = landmarks.score(answer.given, made)
        by_kind = [_mean(wrong[name][kinds == kind]) for kind in variants.KINDS]
        rows.append(
            (
                name,
                landmarks.score(answer.points, made).inner.text(),
                *by_kind,
                landmarks.ratio(wrong[name], bare[name][twin]).text(),
                "" if name == ours else landmarks.ratio(wrong[ours], wrong[name]).text(),
                str(int(np.isnan(wrong[name]).sum())),
                given.inner.text(),
            )
        )
    return [
        Table(
            f"Occluded faces: `landmarks68` with our 3D occluders pasted on, {len(made)} pictures, inner 51, %",
            (
                "system",
                "all kinds",
                *variants.KINDS,
                "over its error on the bare photos",
                "ours over it",
                "faces missed",
                "given the true box",
            ),
            tuple(rows),
            "Hidden points count like the others. Every photo comes with two of the five kinds, one at a time, from a "
            "fixed seed; what hides over 80 % of the points is drawn again. Means over the faces each system "
            "found; ratios over those found in both; given the true box, no detector decides.",
        )
    ]


def _mean(values: np.ndarray) -> str:
    return f"{np.nanmean(values):.2f}" if np.isfinite(values).any() else "none found"
