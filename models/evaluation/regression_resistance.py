"""What occlusion-resistant training does: the shipped student beside the same network trained on bare faces alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.geometry.mirroring import CoefficientMirror
from core.pipeline import Pipeline
from core.runtime.sessions import open_network
from core.runtime.specs import SPECS
from core.stages.regress import Regress

from .answers import spread
from .covered_people import KINDS, CoveredPeople, covered_people
from .landmarks import ratio
from .rebuilding import NAMES, STEPS, Answers, look_at, rebuilt
from .regression_synthetic import COLUMNS, cases_of, shape_errors
from .report import Table
from .sections import Bench
from .shape_metrics import ERRORS, FaceJudge
from .systems import SystemFailure

_STUDENT, _NETWORK, _ALONE = "student", "regressor", 0
_SHOWN = ("neutral", "scaled", "posed")
_TRAININGS = ("occlusion-resistant training", "bare faces alone")


def resistance_tables(bench: Bench) -> list[Table]:
    """Errors of both, completed by nothing; raises `SystemFailure` where the other network is not at hand."""
    if bench.bare_student is None:
        raise SystemFailure(
            "there is no student trained on bare faces; train one with `--bare 1`, export it with "
            "`python -m models.export.onnx_export regressor --run RUN --bits 8 --draft FOLDER` and name FOLDER by "
            "`--bare-student FOLDER`."
        )
    people = covered_people(bench.covered)
    plain = bench.pipeline.with_settings(replace(bench.pipeline.settings, deocclusion="none", regressor=_STUDENT))
    errors = [_errors(plain, people), _errors(_with_regressor(plain, bench.bare_student), people)]
    rows = []
    for name in _SHOWN:
        column = list(ERRORS).index(name)
        for training, found in zip(_TRAININGS, errors, strict=True):
            means = (f"{np.nanmean(found[kind][:, column]):.2f}" for kind in KINDS)
            rows.append((ERRORS[name], training, *means))
        pairs = ((errors[0][kind][:, column], errors[1][kind][:, column]) for kind in KINDS)
        rows.append(("", "the one over the other", *(ratio(*pair).text() for pair in pairs)))
    return [
        Table(
            f"Occlusion-resistant training: the {NAMES[_STUDENT]} {STEPS[_ALONE]}",
            ("error", "training", *COLUMNS.values()),
            tuple(rows),
            f"The same {len(people.rows)} people and pictures as above, completed by nothing. Both networks went on "
            "from one student for the same time: one with four covers of each face in a batch and the ResNet-50 as "
            "the teacher that sees the bare one, the other with the bare faces alone.",
        )
    ]


def _with_regressor(pipeline: Pipeline, folder: Path) -> Pipeline:
    """The same pipeline with the student of a draft folder."""
    other = pipeline.with_settings(pipeline.settings)
    path = folder / f"{_NETWORK}.onnx"
    if not path.exists():
        raise SystemFailure(f"{path} is not there; export a student with `--draft {folder}`.")
    spec = replace(SPECS[_NETWORK], sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    network = open_network(spec, folder, pipeline.settings.provider, pipeline.settings.threads)
    other._regress = Regress(network, CoefficientMirror.of(pipeline.face_model))
    return other


def _errors(pipeline: Pipeline, people: CoveredPeople) -> dict[str, np.ndarray]:
    """(N, E) by `ERRORS` for every kind."""
    judge, out = FaceJudge(pipeline.face_model), {}
    for kind in KINDS:
        cases = cases_of(people, kind)
        made = spread(lambda index, cases=cases: rebuilt(pipeline, look_at(pipeline, cases, index)), range(cases.count))
        answers = Answers(*(np.array(column) for column in zip(*made, strict=True)))
        out[kind] = shape_errors(judge, people, answers, _ALONE)
    return out
