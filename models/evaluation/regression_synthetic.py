"""The tables of regression on held-out synthetic people behind every kind of occluder, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.geometry.camera import pose_from_camera, rotation_from_angles
from core.pipeline import Pipeline
from core.runtime.specs import CROP_SIZE
from core.types import COEFFICIENTS, LANDMARKS, LAYOUT

from . import landmarks
from .completions import told_box
from .covered_people import COVERS, HALF, KINDS, SEED, CoveredPeople, covered_people
from .held_out import MOST_YAW
from .metrics import Interval, bootstrap
from .rebuilding import METHODS, Answers, Cases, System, left_out, rebuild_all, there
from .report import Table
from .sections import Bench
from .shape_metrics import ABOUT_SIZELESS, ERRORS, LARGEST, SIZELESS, SLIDERS, FaceJudge, sizeless_error

COLUMNS = {kind: f"{100 * HALF:.0f} % covered" if kind == "half" else kind for kind in KINDS}
_DIGITS = {"sliders": 3}
_EVERY = slice(0, LANDMARKS)


@dataclass(frozen=True, eq=False)
class Measured:
    """All systems on N people behind every kind; NaN where a face was missed."""

    count: int
    errors: dict[tuple[System, str], np.ndarray]  # (N, 8) by `ERRORS`
    sliders: dict[tuple[System, str], np.ndarray]  # (N, 7) by `SLIDERS`
    points: dict[tuple[System, str], np.ndarray]  # (N,) 68-point error of the projected mesh, per cent
    mean: np.ndarray  # (N, 8) of the mean face, in the mean light
    sizeless: np.ndarray  # (N,) mm, of the true face at rest at the mean face's size

    @property
    def systems(self) -> list[System]:
        """In the order of the tables."""
        return list(dict.fromkeys(system for system, _ in self.errors))


def synthetic_tables(bench: Bench) -> list[Table]:
    """Errors of every system, one table for each of `ERRORS`, and the sliders one by one."""
    found = measured(bench.pipeline, bench.covered, bench.all_methods)
    return [*(_error_table(found, name) for name in ERRORS), _slider_table(found)]


def robustness_tables(bench: Bench) -> list[Table]:
    """Errors of covered faces over those of the same faces uncovered."""
    return [ratio_table(measured(bench.pipeline, bench.covered, bench.all_methods))]


@lru_cache(maxsize=1)
def measured(pipeline: Pipeline, count: int, all_methods: bool) -> Measured:
    """Measure once for both sections."""
    return measure(pipeline, there(pipeline, all_methods), covered_people(count))


def measure(pipeline: Pipeline, systems: list[System], people: CoveredPeople) -> Measured:
    """Every system on every picture."""
    judge = FaceJudge(pipeline.face_model)
    out = Measured(len(people.rows), {}, {}, {}, _mean_errors(judge, people), _sizeless_errors(judge, people))
    truth = np.array([people.truth(row) for row in people.rows])
    points = people.pictures["clean"].points[people.rows, :LANDMARKS].astype(float)
    for kind in KINDS:
        answers = rebuild_all(pipeline, systems, cases_of(people, kind))
        for system in systems:
            own = answers[system.method, system.regressor]
            out.errors[system, kind] = shape_errors(judge, people, own, system.step)
            made = own.coefficients[:, system.step]
            out.sliders[system, kind] = np.array([judge.sliders(*pair) for pair in zip(made, truth, strict=True)])
            out.points[system, kind] = landmarks.errors(own.points[:, system.step], points, _EVERY)
    return out


def cases_of(people: CoveredPeople, kind: str) -> Cases:
    """The people behind one kind, told where the face is; what is pasted on is told too, as if painted in by hand."""
    pictures, rows = people.pictures[kind], people.rows

    def mask(index: int) -> np.ndarray | None:
        if kind != "half":
            return None
        return np.where(pictures.maps(int(rows[index]))[1] > 0, 255, 0).astype(np.uint8)

    return Cases(
        name=f"people_{kind}",
        digest=f"{people.digest} {kind}",
        count=len(rows),
        image=lambda index: np.array(pictures.image(int(rows[index]))),
        box=lambda pipeline, index, image: told_box(pictures.points[rows[index], :LANDMARKS]),
        mask=mask,
        shapes=True,
    )


def shape_errors(judge: FaceJudge, people: CoveredPeople, answers: Answers, step: int) -> np.ndarray:
    rows = []
    for place, row in enumerate(people.rows):
        camera = people.pictures["clean"].camera(int(row))
        turn = np.eye(3)
        if np.isfinite(answers.matrix[place]).all():
            pose = pose_from_camera(camera, answers.matrix[place], CROP_SIZE)
            turn = rotation_from_angles(*pose[:3]) @ camera.rotation.T
        made, own = answers.coefficients[place, step], answers.own_face(place)
        rows.append(judge.errors(made, people.truth(row), turn, camera.rotation, own))
    return np.array(rows)


def _mean_errors(judge: FaceJudge, people: CoveredPeople) -> np.ndarray:
    mean = np.zeros(COEFFICIENTS, np.float32)
    mean[LAYOUT["light"]] = np.mean([people.truth(row)[LAYOUT["light"]] for row in people.rows], axis=0)
    cameras = [people.pictures["clean"].camera(int(row)) for row in people.rows]
    pairs = zip(people.rows, cameras, strict=True)
    return np.array([judge.errors(mean, people.truth(row), np.eye(3), camera.rotation) for row, camera in pairs])


def _sizeless_errors(judge: FaceJudge, people: CoveredPeople) -> np.ndarray:
    mean = judge.neutral(np.zeros(COEFFICIENTS, np.float32))
    return np.array([sizeless_error(judge.neutral(people.truth(row)), mean) for row in people.rows])


def _error_table(found: Measured, name: str) -> Table:
    column, digits = list(ERRORS).index(name), _DIGITS.get(name, 2)
    known = {"mean face": found.mean[:, column]}  # no picture is looked at
    if name == "neutral":
        known[SIZELESS] = found.sizeless
    rows: list[tuple[str, ...]]
    rows = [(title, "", _finite(values).text(digits), *[""] * len(COVERS)) for title, values in known.items()]
    for system in found.systems:
        cells = [_finite(found.errors[system, kind][:, column]).text(digits) for kind in KINDS]
        rows.append((system.name, METHODS[system.method], *cells))
    header = ("system", "completing", *COLUMNS.values())
    return Table(f"Regression: {ERRORS[name]}", header, tuple(rows), _about(found) if name == "neutral" else "")


def _about(found: Measured) -> str:
    return (
        f"{found.count} held-out people of seed {SEED}, which no training draws from, at most "
        f"{np.degrees(MOST_YAW):.0f} degrees aside, each drawn bare and behind every kind, all else alike; told where "
        f"the face is. {100 * HALF:.0f} % covered: half of the face is pasted over, and what is pasted is told as a "
        "painted mask would; all other masks are found. Face region. Largest error: the "
        f"{LARGEST} % figure of the work on de-occluding eyeglasses, whose own figures are on other people and so not "
        f"comparable. {ABOUT_SIZELESS}The mean face is in the mean light, as seen by the photo's camera."
        + left_out(found.systems)
    )


def _slider_table(found: Measured) -> Table:
    rows = []
    for system in found.systems:
        values = found.sliders[system, "clean"]
        cells = [_finite(values[:, k]).text(3) for k in range(len(SLIDERS))]
        rows.append((system.name, METHODS[system.method], _finite(values.mean(axis=1)).text(3), *cells))
    header = ("system", "completing", "mean of these", *SLIDERS)
    return Table("Regression: absolute slider errors, bare faces", header, tuple(rows))


def ratio_table(found: Measured) -> Table:
    """Covered over clean, paired, by kind and over all kinds."""
    what = {
        "neutral shape, rigid": {key: value[:, 0] for key, value in found.errors.items()},
        "68 points of the projected mesh": found.points,
    }
    rows: list[tuple[str, ...]] = [
        (title, system.name, METHODS[system.method], *_ratios(values, system))
        for title, values in what.items()
        for system in found.systems
    ]
    rows.append(("published: landmarks, real occluders", "Occlusion Resistant Network", "", "0.77: not comparable"))
    rows.append(("", "the method before it", "", "5.84: not comparable"))
    header = ("error", "system", "completing", "any occluder", *(COLUMNS[kind] for kind in COVERS))
    padded = tuple((*row, *[""] * (len(header) - len(row))) for row in rows)
    return Table(
        "Regression: error of covered faces over that of the same faces uncovered",
        header,
        padded,
        "Means over means, paired by person. The Occlusion Resistant Network's figures are landmark errors under real "
        "occluders on other data, not ratios." + left_out(found.systems),
    )


def _ratios(values: dict[tuple[System, str], np.ndarray], system: System) -> list[str]:
    clean = values[system, "clean"]
    every = landmarks.ratio(np.concatenate([values[system, kind] for kind in COVERS]), np.tile(clean, len(COVERS)))
    return [every.text(), *(landmarks.ratio(values[system, kind], clean).text() for kind in COVERS)]


def _finite(values: np.ndarray) -> Interval:
    return bootstrap(values[np.isfinite(values)])
