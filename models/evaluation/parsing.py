"""What the parser makes of real photos: parts on hand-painted label maps, real face masks, occluders that are none."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from core.checks import choose_face
from core.errors import NoFaceFound
from core.geometry.boxes import overlap
from core.pipeline import Pipeline
from core.settings import SMALLEST_PARSED
from core.types import OCCLUDERS, PARTS, FaceBox, Parsing

from . import data, tiles
from .data import Photo
from .metrics import Interval, bootstrap
from .part_scores import FACE_GROUPS, GROUPS, f1_intervals, f1_percent, group_counts
from .report import Table

OUTER_LIPS = slice(48, 60)
MOUTH_COVERED, MASK_OF_FACE = 0.6, 0.1  # shares of the mouth and of the face that a found mask covers at least
COVERED = Path(__file__).with_name("parsing_covered.csv")  # what the label maps do not name
FALSE_FROM = 0.02  # of the face's area: an occluder this large where there is none is an error
_SAME_FACE = 0.3  # intersection over union with the labelled box
_MASK_KINDS = ("mask", "scarf")  # a scarf pulled over the mouth is rightly called so
_PALETTE = np.random.default_rng(3).integers(50, 255, (256, 3)).astype(np.uint8)
_PALETTE[0] = 0
_TILE = 200  # pixels


@dataclass(frozen=True, eq=False)
class Seen:
    """One photo as the pipeline sees it; nothing where it finds no face."""

    points: np.ndarray | None  # (68, 2) float32, pixels
    parsing: Parsing | None
    milliseconds: tuple[float, float]  # landmarks, parsing

    @property
    def face(self) -> np.ndarray:
        """(H, W) bool: the hull of the landmarks."""
        assert self.points is not None and self.parsing is not None
        return _filled(self.points, self.parsing.parts.shape)

    def covered(self, *kinds: str) -> np.ndarray:
        """(H, W) bool: occluders of these kinds, or of any."""
        assert self.parsing is not None
        codes = [OCCLUDERS.index(kind) for kind in kinds or OCCLUDERS[1:]]
        return np.isin(self.parsing.occluder, codes)


def label_map(photo: Photo) -> np.ndarray:
    """(H, W) uint8 hand-painted `PARTS` of a photo of the parsing set."""
    path = photo.path.parents[1] / "masks" / f"{photo.path.stem}.png"
    labels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if labels is None:
        raise FileNotFoundError(f"Cannot read {path}; restore the evaluation data.")
    return labels


def parsing_photos() -> list[Photo]:
    """250 faces with label maps."""
    return [Photo(path) for path in sorted((data.EVALUATION / "parsing" / "images").glob("*.jpg"))]


def look(pipeline: Pipeline, photo: Photo) -> Seen:
    """Parse the labelled face of a photo, or its largest one, found by our own detector."""
    image = photo.image()
    try:
        box = _chosen(pipeline.detect(image), photo, pipeline.settings.min_face)
        begin = time.perf_counter()
        points = pipeline.landmarks(image, box).points
        between = time.perf_counter()
        parsing = pipeline.parse(image, points)
    except NoFaceFound:
        return Seen(None, None, (np.nan, np.nan))
    end = time.perf_counter()
    return Seen(points, parsing, (1000.0 * (between - begin), 1000.0 * (end - between)))


def looks(pipeline: Pipeline, photo: Photo) -> Iterator[Seen]:
    """Parse one face of a photo after the other, largest first, found by our own detector."""
    image = photo.image()
    for box in pipeline.detect(image):
        if box.size >= pipeline.settings.min_face:
            points = pipeline.landmarks(image, box).points
            yield Seen(points, pipeline.parse(image, points), (np.nan, np.nan))


def _chosen(boxes: list[FaceBox], photo: Photo, least: int) -> FaceBox:
    if photo.box is None:
        return choose_face(boxes, least)
    own = photo.box

    def shared(box: FaceBox) -> float:
        return overlap(box.corners, own)

    return choose_face(sorted((box for box in boxes if shared(box) >= _SAME_FACE), key=shared, reverse=True), least)


def _filled(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: inside the convex hull of (P, 2) points."""
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), hull, 1) > 0


def part_counts(seen: Sequence[Seen], photos: Sequence[Photo]) -> np.ndarray:
    """(N, 3, groups) pixel counts per photo; a face that was not found has no part found."""
    out = []
    for one, photo in zip(seen, photos, strict=True):
        truth = label_map(photo)
        found = np.zeros_like(truth) if one.parsing is None else one.parsing.parts
        out.append(group_counts(found, truth))
    return np.array(out)


def mask_found(seen: Seen, kinds: tuple[str, ...] = _MASK_KINDS) -> bool:
    """Whether a face mask was found that covers the mouth."""
    if seen.points is None:
        return False
    mask, face = seen.covered(*kinds), seen.face
    mouth = _filled(seen.points[OUTER_LIPS], mask.shape)
    return bool(mask[mouth].mean() >= MOUTH_COVERED and mask.sum() >= MASK_OF_FACE * face.sum())


def false_share(seen: Seen, on_face: bool) -> float:
    """Area called an occluder, over the face's area; `on_face` counts what lies within the face's outline only."""
    if seen.points is None:
        return 0.0
    face, covered = seen.face, seen.covered()
    return float((covered & face if on_face else covered).sum() / max(face.sum(), 1))


def parsing_tables(pipeline: Pipeline, limit: int | None = None) -> list[Table]:
    """All tables of the parser; writes the sheets of the worst photos."""
    pipeline = pipeline.with_settings(replace(pipeline.settings, min_face=SMALLEST_PARSED))  # as the command `parse`
    photos = data.thinned(parsing_photos(), limit)
    masked = data.thinned(data.real_masks(), limit)
    seen = [look(pipeline, photo) for photo in photos]
    behind = [look(pipeline, photo) for photo in masked]
    anyone = [
        mask_found(one) or any(mask_found(other) for other in looks(pipeline, photo))
        for one, photo in zip(behind, masked, strict=True)
    ]
    counts = part_counts(seen, photos)
    _write_worst_parts(seen, photos, counts)
    return [_part_table(counts, seen), _occluder_table(seen, photos, behind, masked, anyone), _time_table(seen)]


def _part_table(counts: np.ndarray, seen: Sequence[Seen]) -> Table:
    rows = [(name, value.text(1)) for name, value in f1_intervals(counts).items()]
    missed = sum(one.parsing is None for one in seen)
    return Table(
        "Parts of the head (`parsing`, own detector and landmarks)",
        ("part", "F1, %"),
        tuple(rows),
        f"{len(seen)} photos at 512x512, pixels of all photos counted together, sides of a pair as one part. The mean "
        f"is that of {', '.join(FACE_GROUPS)}. Faces missed, with no part found: {missed}.",
    )


def _occluder_table(
    seen: Sequence[Seen],
    photos: Sequence[Photo],
    behind: Sequence[Seen],
    masked: Sequence[Photo],
    anyone: Sequence[bool],
) -> Table:
    bare = [one for one, photo in zip(seen, photos, strict=True) if not _wears_glasses(photo)]
    found, strict = ([mask_found(one, kinds) for one in behind] for kinds in (_MASK_KINDS, ("mask",)))
    large = [hit for hit, photo in zip(found, masked, strict=True) if photo.box is not None]
    false = {on_face: [false_share(one, on_face) > FALSE_FROM for one in bare] for on_face in (True, False)}
    names = [photo.path.name for photo in photos if not _wears_glasses(photo)]
    clear = [wrong for wrong, name in zip(false[True], names, strict=True) if name not in covered_by_eye()]
    _write_occluder_sheets(seen, photos, behind, masked)
    percent = f"{100 * FALSE_FROM:.0f} %"
    rows = (
        ("real_masks", "mask or scarf found, covers the mouth", _share(found)),
        ("real_masks", "mask found, covers the mouth", _share(strict)),
        ("real_masks, a face of 20 pixels or more", "mask or scarf found, covers the mouth", _share(large)),
        ("real_masks, whoever wears one", "mask or scarf found, covers the mouth", _share(anyone)),
        ("parsing, without glasses", f"occluder of more than {percent} of the face, on it", _share(false[True])),
        ("of them, nothing before the face", f"occluder of more than {percent} of the face, on it", _share(clear)),
        ("parsing, without glasses", "the same, wherever it lies in the head crop", _share(false[False])),
    )
    return Table(
        "Occluders on real photos",
        ("photos", "what", "share of the photos, %"),
        rows,
        f"{len(behind)} people in face masks: {100 * MOUTH_COVERED:.0f} % of the outline of the predicted lips must be "
        f"covered, and {100 * MASK_OF_FACE:.0f} % of the face; a face that is not found counts as a mask not found "
        f"({sum(one.points is None for one in behind)}). The face is the most prominent one; where it is bare or not "
        "found and somebody else wears a mask, the row of whoever wears one knows: it looks at all faces. "
        f"{len(bare)} photos without glasses in their label maps; hands "
        "and microphones, which the maps do not name, count as errors too, but not on the "
        f"{len(clear)} before whose faces no hand or thing was seen by eye (`{COVERED.name}`).",
    )


def _time_table(seen: Sequence[Seen]) -> Table:
    landmarks, parsing = np.nanmedian([one.milliseconds for one in seen], axis=0)
    rows = (
        ("landmarks, all looks", f"{landmarks:.1f}"),
        ("parser, with its mirror image, at 512x512", f"{parsing:.1f}"),
    )
    return Table("Time per face of the parsing photos, ms", ("stage", "median"), rows)


def _share(values: Sequence[bool]) -> str:
    interval: Interval = bootstrap(100.0 * np.array(values, float))
    return interval.text(1)


def covered_by_eye() -> frozenset[str]:
    """File names of the photos without glasses in which a hand or a thing is before the face, noted by eye."""
    with open(COVERED, newline="") as file:
        return frozenset(row["file"] for row in csv.DictReader(file))


def _wears_glasses(photo: Photo) -> bool:
    return bool((label_map(photo) == PARTS.index("glasses")).any())


def _write_worst_parts(seen: Sequence[Seen], photos: Sequence[Photo], counts: np.ndarray) -> None:
    """Photo, found parts, painted parts of those with the lowest mean F1 of the face."""
    face = [list(GROUPS).index(name) for name in FACE_GROUPS]
    score = np.nanmean(f1_percent(counts)[:, face], axis=1)
    shown = []
    for index in np.argsort(score, kind="stable")[: tiles.WORST]:
        truth, parsing = label_map(photos[index]), seen[index].parsing
        found = np.zeros_like(truth) if parsing is None else parsing.parts
        shown.append(_strip(photos[index], [found, truth], f"{score[index]:.0f}"))
    _write(shown, "parsing_worst.png", columns=3)


def _write_occluder_sheets(
    seen: Sequence[Seen], photos: Sequence[Photo], behind: Sequence[Seen], masked: Sequence[Photo]
) -> None:
    """Photo and occluders of the masks that were not found and of the largest false occluders."""
    shares = [0.0 if _wears_glasses(p) else false_share(one, False) for one, p in zip(seen, photos, strict=True)]
    worst = [i for i in np.argsort(shares)[::-1][: tiles.WORST] if shares[i] > 0.0]
    _write([_occluder_strip(seen[i], photos[i], f"{100 * shares[i]:.0f} %") for i in worst], "parsing_false.png", 4)
    lost = [_occluder_strip(one, photo, "") for one, photo in zip(behind, masked, strict=True) if not mask_found(one)]
    _write(lost[: tiles.WORST], "masks_lost.png", 4)


def _occluder_strip(seen: Seen, photo: Photo, caption: str) -> np.ndarray:
    kinds = np.zeros(photo.image().shape[:2], np.uint8) if seen.parsing is None else seen.parsing.occluder
    present = [OCCLUDERS[code] for code in np.unique(kinds) if code]
    return _strip(photo, [kinds], f"{caption} {' '.join(present)}")


def _strip(photo: Photo, maps: Sequence[np.ndarray], caption: str) -> np.ndarray:
    """(_TILE, _TILE * (1 + maps), 3) the photo and coloured maps."""
    pictures = [photo.image(), *(_PALETTE[codes] for codes in maps)]
    strip = np.hstack([cv2.resize(p, (_TILE, _TILE), interpolation=cv2.INTER_AREA) for p in pictures])
    cv2.putText(strip, caption, (3, _TILE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
    return strip


def _write(strips: Sequence[np.ndarray], name: str, columns: int) -> None:
    """Strips in rows as a PNG under out/evaluation; nothing when there are none."""
    path = data.OUT / name
    if not strips:
        path.unlink(missing_ok=True)
        return
    blank = [np.zeros_like(strips[0])] * (-len(strips) % columns)
    padded = [*strips, *blank]
    rows = [np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
