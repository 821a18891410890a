"""Geometry on held-out synthetic people, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import FaceError
from core.geometry.face_model import FACE_REGIONS
from core.pipeline import Pipeline
from models.synthesis.dataset import held_out_pictures

from .metrics import Interval, bootstrap, vertex_error
from .protocols import Fitter
from .report import Table
from .shape_metrics import ABOUT_SIZELESS, SIZELESS, sizeless_error


@dataclass(frozen=True)
class SyntheticScore:
    """Mean vertex errors in the face region, mm; `*_mean` is the mean face's own error."""

    people: int
    missed: int
    neutral: Interval
    neutral_mean: Interval
    neutral_scaled: Interval
    neutral_scaled_mean: Interval
    regressed: Interval
    posed: Interval
    posed_mean: Interval
    sizeless: Interval  # of the true neutral shape at the mean face's size


def measure(pipeline: Pipeline, count: int) -> SyntheticScore:
    """Run the whole pipeline on `count` pictures of unseen people and compare shapes."""
    model = pipeline.face_model
    face = model.in_regions(*FACE_REGIONS)
    mean = model.vertices[face]
    rows: list[tuple[float, ...]] = []
    fitter, missed = Fitter(pipeline), 0
    for picture in held_out_pictures(model, count):
        truth = model.shape(picture.identity)[face]
        posed = model.shape(picture.identity, picture.expression)[face]
        try:
            boxes = pipeline.detect(picture.image)
            if not boxes:
                missed += 1
                continue
            fitted = fitter(picture.image, boxes[0])
        except FaceError:
            missed += 1
            continue
        neutral = model.shape(fitted.params.identity)[face]
        regressed = model.shape(fitted.regressed.identity)[face]
        moved = model.shape(fitted.params.identity, fitted.params.expression)[face]
        rows.append(
            (
                vertex_error(neutral, truth),
                vertex_error(mean, truth),
                vertex_error(neutral, truth, with_scale=True),
                vertex_error(mean, truth, with_scale=True),
                vertex_error(regressed, truth),
                vertex_error(moved, posed),
                vertex_error(mean, posed),
                sizeless_error(truth, mean),
            )
        )
    columns = [bootstrap(column) for column in np.array(rows).reshape(-1, 8).T]
    return SyntheticScore(len(rows), missed, *columns)


def shape_table(pipeline: Pipeline, count: int) -> Table:
    """Vertex error on held-out synthetic people."""
    score = measure(pipeline, count)

    def row(name: str, value: Interval, mean: Interval) -> tuple[str, str, str, str]:
        return name, value.text(), mean.text(), f"{100 * value.mean / mean.mean:.0f} %"

    return Table(
        f"Vertex error on {score.people} held-out synthetic people, mm",
        ("face region after alignment", "regression + fit", "mean face", "share"),
        (
            row("neutral shape, rigid", score.neutral, score.neutral_mean),
            row(f"{SIZELESS}, rigid", score.sizeless, score.neutral_mean),
            row("neutral shape, similarity", score.neutral_scaled, score.neutral_scaled_mean),
            row("neutral shape, regression alone, rigid", score.regressed, score.neutral_mean),
            row("with expression, rigid", score.posed, score.posed_mean),
        ),
        f"{ABOUT_SIZELESS}Faces missed by the detector: {score.missed}. "
        "Pictures of a seed that no training used, without occluders.",
    )
