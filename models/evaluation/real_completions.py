"""De-occlusion of real photos: what is left of glasses and masks, who it is then, what happens to bare faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.errors import NoFaceFound
from core.pipeline import Pipeline
from core.settings import SMALLEST_PARSED
from core.types import OCCLUDERS, PARTS

from . import data, parsing, tiles
from .answers import code_digest, kept_answers, spread
from .completions import METHODS, NETWORKS, is_there, with_method
from .data import Photo
from .identity import NETWORK, Identity
from .metrics import bootstrap
from .report import Table
from .sections import Bench
from .systems import content

GLASSES, MASKS = ("clear_glasses", "dark_glasses"), ("mask", "scarf")
MOST_LEFT = 0.1  # of an occluder's former area, up to which it counts as removed
PEOPLE = 7  # of the pairs
_FALSE_SHEET = "deocclusion_false.png"
_EYES = [PARTS.index(name) for name in ("eye_left", "eye_right")]
_SOURCES = tuple(Path(__file__).with_name(f"{name}.py") for name in ("real_completions", "identity", "parsing"))


@dataclass(frozen=True, eq=False)
class Removal:
    """What completion does to N photos."""

    found: np.ndarray  # (N,) bool: the parser saw the occluder
    masked: np.ndarray  # (N,) share of the photo that was replaced
    left: np.ndarray  # (N,) share of the occluder's former area where any occluder is seen afterwards; NaN: not found
    touched: np.ndarray  # (N,) int pixels outside the mask that changed


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
    _write_false(pipeline, [photo for photo, share in zip(bare, untouched.masked, strict=True) if share > 0.0])
    return [
        *_people_tables(pipeline, there),
        _removal_table(removals),
        _bare_table(untouched, first, removals),
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
    own = [NETWORKS[method]] if method in NETWORKS else []
    return code_digest("detector", "landmarker", "parser", *own, also=(*_SOURCES, NETWORK))


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


def _bare_table(bare: Removal, method: str, removals: dict[tuple[str, str], Removal]) -> Table:
    sets = [("bare faces, `parsing`", METHODS[method], bare)]
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
        "hands and things before a face, which the maps do not name, count as errors here. A photo counts as changed "
        f"when one pixel outside the mask differs by one level. The bare ones: `out/evaluation/{_FALSE_SHEET}`.",
    )


def _people_tables(pipeline: Pipeline, there: Sequence[str]) -> list[Table]:
    measured = {method: _people(with_method(pipeline, method), method) for method in there}
    targets = {
        "without": ("the same person without", "With the photo without glasses of the same sitting."),
        "others": ("all their photos without", "Mean over all photos without glasses, of other expressions and light."),
    }
    tables = []
    for target, (whom, note) in targets.items():
        before = next(iter(measured.values()))[f"{target}_before"]
        after = {method: one[f"{target}_after"] for method, one in measured.items()}
        rows = [
            (str(k + 1), f"{before[k]:.3f}", *(f"{values[k]:.3f}" for values in after.values()))
            for k in range(len(before))
        ]
        rows.append(("mean", f"{np.mean(before):.3f}", *(f"{np.mean(values):.3f}" for values in after.values())))
        rows.append(("higher for", "", *(f"{int((values > before).sum())} of {PEOPLE}" for values in after.values())))
        tables.append(
            Table(
                f"De-occlusion of real glasses (`glasses_pairs`): identity with {whom}",
                ("person", "with glasses", *(f"removed, {METHODS[method]}" for method in after)),
                tuple(rows),
                f"Cosine by MobileFaceNet. {note} The landmarks of the photo with glasses serve before and after.",
            )
        )
    return tables


def _people(pipeline: Pipeline, method: str) -> dict[str, np.ndarray]:
    """(7,) cosines before and after with the photo without glasses, and the mean of those with all bare photos."""

    def make() -> dict[str, np.ndarray]:
        rows = np.array(spread(lambda person: _person(pipeline, Identity(), person), range(1, PEOPLE + 1)))
        names = ("without_before", "without_after", "others_before", "others_after")
        return dict(zip(names, rows.T, strict=True))

    photos = [photo for person in range(1, PEOPLE + 1) for photo in glasses_pair(person)]
    return kept_answers(f"deocclusion_people_{method}", content(photos) + _digest(method), make)


def glasses_pair(person: int) -> list[Photo]:
    """One person's photos: with glasses, without, then the others, none of which shows glasses."""
    folder = data.EVALUATION / "glasses_pairs"
    every = sorted(folder.glob(f"subject{person:02d}.*.png"))
    first = [folder / f"subject{person:02d}.{name}.png" for name in ("glasses", "noglasses")]
    return [Photo(path) for path in [*first, *(path for path in every if path not in first)]]


def _person(pipeline: Pipeline, identity: Identity, person: int) -> tuple[float, float, float, float]:
    worn, *bare = glasses_pair(person)
    image, points = _found(pipeline, worn)
    done = pipeline.complete(image, points).photo
    known = np.array([identity(*_found(pipeline, photo)) for photo in bare])
    before, after = (known @ identity(photo, points) for photo in (image, done))
    return float(before[0]), float(after[0]), float(before.mean()), float(after.mean())


def _found(pipeline: Pipeline, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """A photo and the (68, 2) landmarks of its largest face."""
    image = photo.image()
    boxes = pipeline.detect(image)
    if not boxes:
        raise NoFaceFound(f"No face was found in {photo.path.name}; the pairs cannot be compared without it.")
    return image, pipeline.landmarks(image, boxes[0]).points
