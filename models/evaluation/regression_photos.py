"""Landmarks of the projected mesh on real photos, bare and with things pasted on."""

from __future__ import annotations

import numpy as np

from core.types import LANDMARKS

from . import data, landmarks, variants
from .metrics import INNER, bootstrap
from .photo_cases import cases_of_photos
from .rebuilding import METHODS, Answers, System, left_out, rebuild_all, there
from .report import Table
from .sections import Bench

_EVERY = slice(0, LANDMARKS)


def landmark_tables(bench: Bench) -> list[Table]:
    """Every system on `landmarks68` and on the same photos with occluders."""
    bare = bench.photos(data.landmarks68())
    covered = variants.occluded(bare)
    systems = there(bench.pipeline, bench.all_methods)
    clean = rebuild_all(bench.pipeline, systems, cases_of_photos("landmarks68", bare))
    worn = rebuild_all(bench.pipeline, systems, cases_of_photos("landmarks68_occluded", covered))
    kinds = np.array([photo.kind for photo in covered])
    truths = landmarks.truths(bare), landmarks.truths(covered)
    rows = [_row(system, clean, worn, truths, kinds) for system in systems]
    header = ("system", "completing", "inner 51, %", "all 68, %", "covered: inner 51, %", "covered: all 68, %")
    over = ("covered over bare, inner 51", *(f"{kind}, over bare" for kind in variants.KINDS), "faces missed")
    return [
        Table(
            "Regression: landmarks of the projected mesh on real photos (`landmarks68`)",
            (*header, *over),
            tuple(rows),
            f"{len(bare)} photos, and each with {variants.KINDS_PER_PHOTO} of {', '.join(variants.KINDS)} pasted on. "
            "Errors over the distance of the outer eye corners; ratios over photos in which the face was found both "
            "ways. The labels count pixels from 1, which adds to all figures alike; see the table of landmarks."
            + left_out(systems),
        )
    ]


def _row(
    system: System,
    clean: dict[tuple[str, str], Answers],
    worn: dict[tuple[str, str], Answers],
    truths: tuple[np.ndarray, np.ndarray],
    kinds: np.ndarray,
) -> tuple[str, ...]:
    key, step = (system.method, system.regressor), system.step
    before, after = clean[key].points[:, step], worn[key].points[:, step]
    inner, covered = landmarks.errors(before, truths[0], INNER), landmarks.errors(after, truths[1], INNER)
    paired = np.repeat(inner, variants.KINDS_PER_PHOTO)
    ratios = [landmarks.ratio(covered[kinds == kind], paired[kinds == kind]).mean for kind in variants.KINDS]
    figures = (inner, landmarks.errors(before, truths[0], _EVERY), covered, landmarks.errors(after, truths[1], _EVERY))
    return (
        system.name,
        METHODS[system.method],
        *(bootstrap(one[np.isfinite(one)]).text() for one in figures),
        landmarks.ratio(covered, paired).text(),
        *("" if np.isnan(value) else f"{value:.2f}" for value in ratios),
        f"{int(np.isnan(inner).sum())} + {int(np.isnan(covered).sum())}",
    )
