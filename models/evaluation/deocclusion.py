"""The tables of de-occlusion on held-out synthetic pairs: pixels, identity, landmarks, all methods side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.types import LANDMARKS

from . import completions, landmarks
from .completions import HOLES, METHODS, PLAIN, Filled, Looks
from .held_out import MOST_YAW
from .metrics import INNER, Interval, bootstrap
from .pairs import KINDS, LEAST_COVERED, SEED, Pairs, held_out_pairs
from .report import Table
from .sections import Bench
from .variants import MOST_HIDDEN

NAMES = {**METHODS, PLAIN: "cv2.inpaint on the picture itself"}
NOT_HERE = "not in this build"
_HOLE_NAMES = {"true": "true", "found": "found by the parser"}
Values = Mapping[str, np.ndarray]  # method: (N, 2) by hole


def pair_tables(bench: Bench) -> list[Table]:
    """Every method on the held-out pairs."""
    pairs = held_out_pairs(bench.limit)
    looks = completions.look_at(bench.pipeline, pairs)
    filled = {method: completions.fill(bench.pipeline, method, pairs, looks) for method in NAMES}
    return tables_of(pairs, looks, filled)


def tables_of(pairs: Pairs, looks: Looks, filled: Mapping[str, Filled | None]) -> list[Table]:
    """The tables of what was measured; None is a method that is not in this build."""
    there = {method: one for method, one in filled.items() if one is not None}
    through = {method: one for method, one in there.items() if method in METHODS}
    missing = [NAMES[method] for method in filled if method not in there]
    psnr = {method: one.psnr for method, one in there.items()}
    ssim = {method: one.ssim for method, one in there.items()}
    made = [
        _pixel_table("PSNR inside the hole, dB", psnr, pairs.kinds, 2, _about(pairs, looks)),
        _pixel_table("SSIM inside the hole", ssim, pairs.kinds, 3, "The same pairs and holes."),
        _alone_table(through),
        _identity_table(pairs, looks, through),
        _landmark_table(pairs, looks, through),
    ]
    return [_with_missing(table, missing) for table in made]


def _about(pairs: Pairs, looks: Looks) -> str:
    counts = ", ".join(f"{kind} {int((pairs.kinds == kind).sum())}" for kind in KINDS)
    found = looks.found[:: HOLES["found"]].any(axis=(1, 2))
    return (
        f"{len(pairs)} people of seed {SEED}, which no training draws from, at {looks.true.shape[1]} pixels, of all "
        f"yaws, by what covers most of the face ({counts}); the clean twin is the truth. At least "
        f"{100 * LEAST_COVERED:.0f} % of the face is covered, at most {100 * MOST_HIDDEN:.0f} % of the landmarks are, "
        "and nearly black pictures are left out. All methods get the same holes and the landmarks found in the covered "
        "picture, and all but the last go through the application, which paints a crop of 256 pixels and brings it "
        "back into the picture. Holes are the truth, with shadows, grown by the usual margin; or, in "
        f"{len(found)} of the pairs, what the application itself would delete. In {int((~found).sum())} of these it "
        "would delete nothing; they do not count here. Means of the pictures' own figures; differences are paired."
    )


def _pixel_table(title: str, values: Values, kinds: np.ndarray, digits: int, note: str) -> Table:
    rows = []
    for k, hole in enumerate(HOLES):
        for method, found in values.items():
            cells = (*_by_kind(found[:, k], kinds, digits), _above(values, method, k, digits))
            rows.append((_HOLE_NAMES[hole], NAMES[method], *cells))
    header = ("hole", "method", "all kinds", *KINDS, "generator above it")
    return Table(f"De-occlusion: {title}", header, tuple(rows), note)


def _above(values: Values, method: str, hole: int, digits: int) -> str:
    if method == "generator" or "generator" not in values:
        return ""
    return _mean(values["generator"][:, hole] - values[method][:, hole]).text(digits)


def _by_kind(values: np.ndarray, kinds: np.ndarray, digits: int) -> list[str]:
    """The mean of (N,) values with its interval, and the mean of every kind."""
    means = [_mean(values[kinds == kind]).mean for kind in KINDS]
    return [_mean(values).text(digits), *("" if np.isnan(mean) else f"{mean:.{digits}f}" for mean in means)]


def _mean(values: np.ndarray) -> Interval:
    return bootstrap(values[np.isfinite(values)])


def _alone_table(there: Mapping[str, Filled]) -> Table:
    rows = [
        (NAMES[method], _mean(one.alone_psnr).text(), _mean(one.alone_ssim).text(3)) for method, one in there.items()
    ]
    return Table(
        "De-occlusion: the networks alone, in the face crop of 256 pixels",
        ("method", "PSNR, dB", "SSIM"),
        tuple(rows),
        f"The true holes of every {completions.ALONE}th pair, filled in the crop that a network sees, with no matching "
        "of colour and grain: what is compared is the crop of the clean twin.",
    )


def _identity_table(pairs: Pairs, looks: Looks, there: Mapping[str, Filled]) -> Table:
    rows = [("", "covered", *_by_kind(looks.cosine, pairs.kinds, 3), *[""] * (1 + len(KINDS)))]
    for k, hole in enumerate(HOLES):
        for method, one in there.items():
            closed = gap_closed(one.cosine[:, k], looks.cosine)
            kinds = [gap_closed(one.cosine[own, k], looks.cosine[own]) for own in _of_kinds(pairs)]
            cells = [_percent(value) for value in (closed, *kinds)]
            rows.append((_HOLE_NAMES[hole], NAMES[method], *_by_kind(one.cosine[:, k], pairs.kinds, 3), *cells))
    gaps = ("gap closed, %", *(f"gap closed, {kind}, %" for kind in KINDS))
    return Table(
        "De-occlusion: identity, cosine to the clean face",
        ("hole", "picture", "all kinds", *KINDS, *gaps),
        tuple(rows),
        "By MobileFaceNet (Apache-2.0, foamliu/MobileFaceNet), at the true landmarks in all pictures. The gap is that "
        "of the covered face to 1, the clean face; pictures in which nothing was found stay as they are.",
    )


def gap_closed(completed: np.ndarray, covered: np.ndarray) -> Interval:
    """Share of the gap between (N,) cosines of covered faces and 1 that (N,) cosines of completed ones close."""
    left = landmarks.ratio(1.0 - completed, 1.0 - covered)
    return Interval(1.0 - left.mean, 1.0 - left.high, 1.0 - left.low)


def _percent(value: Interval) -> str:
    if np.isnan(value.mean):
        return ""
    return Interval(*(100.0 * bound for bound in (value.mean, value.low, value.high))).text(0)


def _of_kinds(pairs: Pairs) -> list[np.ndarray]:
    return [pairs.kinds == kind for kind in KINDS]


def _landmark_table(pairs: Pairs, looks: Looks, there: Mapping[str, Filled]) -> Table:
    near = pairs.near_frontal
    truth = np.array([pairs.pictures.points[row, :LANDMARKS] for row in pairs.rows[near]], float)
    kinds = pairs.kinds[near]

    def errors(points: np.ndarray, part: slice) -> np.ndarray:
        return landmarks.errors(points[near], truth, part)

    clean = errors(looks.clean_points, INNER), errors(looks.clean_points, slice(0, LANDMARKS))

    def row(hole: str, name: str, points: np.ndarray) -> tuple[str, ...]:
        inner, every = errors(points, INNER), errors(points, slice(0, LANDMARKS))
        by_kind = [landmarks.ratio(inner[kinds == kind], clean[0][kinds == kind]).mean for kind in KINDS]
        return (
            hole,
            name,
            _mean(inner).text(),
            landmarks.ratio(inner, clean[0]).text(),
            *("" if np.isnan(value) else f"{value:.2f}" for value in by_kind),
            _mean(every).text(),
            landmarks.ratio(every, clean[1]).text(),
        )

    rows = [row("", "clean", looks.clean_points), row("", "covered", looks.points)]
    for k, hole in enumerate(HOLES):
        rows += [row(_HOLE_NAMES[hole], NAMES[method], one.points[:, k]) for method, one in there.items()]
    over = ("over the clean face's", *(f"{kind}, over it" for kind in KINDS))
    return Table(
        "De-occlusion: landmarks found on the completed face",
        ("hole", "picture", "inner 51, %", *over, "all 68, %", "all 68, over the clean face's"),
        tuple(rows),
        f"Errors against the truth over the distance of the outer eye corners, found when told where the face is, in "
        f"the {int(near.sum())} pairs of at most {np.degrees(MOST_YAW):.0f} degrees of yaw. The ratios are the errors' "
        "over those of the landmarks found on the clean twins. The application itself keeps the landmarks of the "
        "covered photo.",
    )


def _with_missing(table: Table, missing: list[str]) -> Table:
    """The table with a row for every method that could not be measured."""
    width = len(table.header)
    where = table.header.index("method") if "method" in table.header else table.header.index("picture")
    rows: list[tuple[str, ...]] = []
    for name in missing:
        cells = [""] * width
        cells[where], cells[where + 1] = name, NOT_HERE
        rows.append(tuple(cells))
    return Table(table.title, table.header, (*table.rows, *rows), table.note)
