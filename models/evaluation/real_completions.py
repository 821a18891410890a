"""De-occlusion of real photos: what is left of glasses and masks, and what happens to bare faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.pipeline import Pipeline
from core.settings import SMALLEST_PARSED
from core.types import OCCLUDERS, PARTS

from . import data, parsing, tiles
from .answers import code_digest, kept_answers, spread
from .completions import METHODS, is_there, networks_of, with_method
from .data import Photo
from .glasses_people import people_tables
from .metrics import bootstrap
from .report import Table
from .sections import Bench
from .systems import content

GLASSES, MASKS = ("clear_glasses", "dark_glasses"), ("mask", "scarf")
MOST_LEFT = 0.1  # of an occluder's former area, up to which it counts as removed
_FALSE_SHEET = "deocclusion_false.png"
_EYES = [PARTS.index(name) for name in ("eye_left", "eye_right")]
_SOURCES = tuple(Path(__file__).with_name(f"{name}.py") for name in ("real_completions", "parsing"))


@dataclass(frozen=True, eq=False)
class Removal:
    """What completion does to N photos."""

    found: np.ndarray  # (N,) bool: the parser saw the occluder
    masked: np.ndarray  # (N,) share of the photo that was replaced
    left: np.ndarray  # (N,) share of the occluder's former area where any occluder is seen afterwards; NaN: not found
    touched: np.ndarray  # (N,) int pixels outside the mask that changed

    def of(self, chosen: np.ndarray) -> Removal:
        """Those of the photos that are `chosen`, (N,) bool."""
        return Removal(self.found[chosen], self.masked[chosen], self.left[chosen], self.touched[chosen])


def real_tables(bench: Bench) -> list[Table]:
    """All tables on real photos; the methods that are not in this build have rows that say so."""
    pipeline = of_any_face(bench.pipeline)
    there = [method for method in METHODS if is_there(pipeline, method)]
    painted = {photo: parsing.label_map(photo) for photo in parsing.parsing_photos()}
    worn = bench.photos([photo for photo, labels in painted.items() if wears_glasses(labels)])
    bare = [photo for photo, labels in painted.items() if not wears_glasses(labels) and not hat_over_eyes(labels)]
    bare = bench.photos(bare)
    masked = bench.photos([photo for photo in data.real_masks() if photo.box is not None])
    sets = {"glasses, `parsing`": (worn, GLASSES), "masks, `real_masks`": (masked, MASKS)}
    removals = {
        (name, method): removal(with_method(pipeline, method), method, photos, kinds)
        for name, (photos, kinds) in sets.items()
        for method in there
    }
    first = there[0]  # the mask is the same for all
    untouched = removal(with_method(pipeline, first), first, bare, OCCLUDERS[1:])
    clear = np.array([photo.path.name not in parsing.covered_by_eye() for photo in bare])
    _write_false(pipeline, [photo for photo, share in zip(bare, untouched.masked, strict=True) if share > 0.0])
    return [
        *people_tables(pipeline, there),
        _removal_table(removals),
        _bare_table(untouched, clear, first, removals),
    ]


def of_any_face(pipeline: Pipeline) -> Pipeline:
    """The pipeline as the commands that only parse or complete use it: small faces are not refused."""
    return pipeline.with_settings(replace(pipeline.settings, min_face=SMALLEST_PARSED))


def wears_glasses(labels: np.ndarray) -> bool:
    """Whether a (H, W) label map has glasses."""
    return bool((labels == PARTS.index("glasses")).any())


def hat_over_eyes(labels: np.ndarray) -> bool:
    """Whether a (H, W) label map has a hat and lacks an eye."""
    counts = np.bincount(labels.ravel(), minlength=len(PARTS))
    return bool(counts[PARTS.index("hat")] > 0 and (counts[_EYES] == 0).any())


def removal(pipeline: Pipeline, method: str, photos: Sequence[Photo], kinds: Sequence[str]) -> Removal:
    """Complete the photos and parse them again at the same landmarks; kept for as long as nothing changes."""

    def make() -> dict[str, np.ndarray]:
        rows = np.array(spread(lambda photo: _removed(pipeline, photo, kinds), photos), float).reshape(-1, 4)
        return {"found": rows[:, 0] > 0, "masked": rows[:, 1], "left": rows[:, 2], "touched": rows[:, 3].astype(int)}

    depends = f"{method} {kinds}" + content(photos) + _digest(method)
    return Removal(**kept_answers(f"deocclusion_real_{method}", depends, make))


def _digest(method: str) -> str:
    return code_digest("detector", "landmarker", "parser", "rims", *networks_of(method), also=_SOURCES)


def _removed(pipeline: Pipeline, photo: Photo, kinds: Sequence[str]) -> tuple[bool, float, float, int]:
    """One row of `Removal`."""
    seen, image = parsing.look(pipeline, photo), photo.image()
    if seen.points is None:
        return False, 0.0, np.nan, 0
    done = pipeline.complete(image, seen.points)
    kept = done.mask == 0
    touched = int((done.photo != image).any(axis=2)[kept].sum())
    former = seen.covered(*kinds)
    if not former.any():
        return False, float(1.0 - kept.mean()), np.nan, touched
    after = pipeline.parse(done.photo, seen.points).occluder > 0
    return True, float(1.0 - kept.mean()), float(after[former].mean()), touched


def _removal_table(removals: dict[tuple[str, str], Removal]) -> Table:
    rows = []
    for (name, method), one in removals.items():
        gone = one.left <= MOST_LEFT
        rows.append(
            (
                name,
                METHODS[method],
                str(len(one.found)),
                str(int(one.found.sum())),
                bootstrap(100.0 * gone).text(1),
                bootstrap(100.0 * gone[one.found]).text(1),
                f"{100.0 * float(np.median(one.left[one.found])):.1f}" if one.found.any() else "",
            )
        )
    removed = f"removed, % of {{}}: at most {100 * MOST_LEFT:.0f} % left"
    header = ("photos", "method", "number", "occluder found", removed.format("all"), removed.format("the found"))
    return Table(
        "De-occlusion of real photos: what is left of the occluder",
        (*header, "median left, %"),
        tuple(rows),
        "Own detector and landmarks. Left is the share of the pixels that the parser called glasses, or mask or scarf, "
        "where it sees any occluder when it looks at the completed photo at the same landmarks. What was not found was "
        "not removed. Masks are those on faces of 20 pixels or more.",
    )


def _write_false(pipeline: Pipeline, photos: Sequence[Photo]) -> None:
    """Sheet of bare faces on which something would be deleted."""
    shown = []
    for photo in photos:
        points, image = parsing.look(pipeline, photo).points, photo.image()
        assert points is not None  # something was found on it
        mask = pipeline.occluder_mask(image, points)
        shown.append(tiles.whole_tile(tiles.tinted(image, mask), f"{100.0 * (mask > 0).mean():.1f} %"))
    tiles.write_tiles(shown, data.OUT / _FALSE_SHEET)


def _bare_table(bare: Removal, clear: np.ndarray, method: str, removals: dict[tuple[str, str], Removal]) -> Table:
    """`clear`, (N,) bool: the bare faces before which nothing was seen by eye."""
    sets = [("bare faces, `parsing`", METHODS[method], bare)]
    sets.append(("of them, nothing before the face", METHODS[method], bare.of(clear)))
    sets += [(name, METHODS[own], one) for (name, own), one in removals.items()]
    rows = [
        (
            name,
            own,
            str(len(one.found)),
            bootstrap(100.0 * (one.masked == 0)).text(1),
            str(int((one.masked > 0).sum())),
            str(int((one.touched > 0).sum())),
        )
        for name, own, one in sets
    ]
    return Table(
        "De-occlusion: what stays as it is",
        (
            "photos",
            "method",
            "number",
            "nothing deleted, %",
            "photos with something deleted",
            "photos changed outside the mask",
        ),
        tuple(rows),
        "Bare are the photos of `parsing` without glasses and without a hat over the eyes in their label maps; the few "
        "hands and things before a face, which the maps do not name, count as errors in the first row. A photo counts "
        "as changed when one pixel outside the mask differs by one level. The bare ones: "
        f"`out/evaluation/{_FALSE_SHEET}`.",
    )
