"""Real occluded photos to look at: photo, what would be deleted, completed, the head; under out/evaluation.

Which photos is a rule, not a choice: every pair's photo with glasses, every photo of `parsing` with glasses, evenly
spread ones of `real_masks`, the gallery's with glasses, and those of `landmarks68` and LFW on whose faces the parser
finds most hand or thing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from core.errors import FaceError
from core.geometry.boxes import overlap
from core.pipeline import Pipeline
from core.types import Completion, FaceBox, FaceResult

from . import data, parsing
from .answers import code_digest, kept_answers, spread
from .completions import is_there, with_method
from .data import Photo, thinned
from .glasses_people import PEOPLE, glasses_pair
from .real_completions import of_any_face, wears_glasses
from .report import Table
from .sections import Bench
from .sheets import draw_hair, render_head, shrink_camera, studio_camera
from .systems import content
from .tiles import tinted

log = logging.getLogger(__name__)
MASKS, HANDS, LOOKED_AT = 14, 6, 250  # photos of `real_masks`; of each set with hands; of each that are searched
IN_GALLERY = ("portrait_24", "portrait_25")  # wear glasses
TILE, PER_PAGE, ACROSS = 160, 12, 2  # pixels; photos a page and a row
_NEARER = 1.35  # enlarges the head by itself
_AROUND = 1.8  # side of a tile over the box of the landmarks


@dataclass(frozen=True, eq=False)
class Shown:
    """One row of the sheet."""

    name: str
    photo: np.ndarray  # (H, W, 3) uint8 RGB
    result: FaceResult


def sheet_tables(bench: Bench) -> list[Table]:
    """Write the pages; the table says how many rows they have."""
    pipeline = of_any_face(bench.pipeline)
    method = "generator" if is_there(pipeline, "generator") else "telea"
    pipeline = with_method(pipeline, method)
    chosen = {name: thinned(photos, bench.limit) for name, photos in chosen_photos(pipeline).items()}
    made = spread(lambda photo: shown(pipeline, photo), [photo for photos in chosen.values() for photo in photos])
    tiles = [strip(pipeline, one) for one in made if one is not None]
    pages = write_pages(tiles, data.OUT / f"deocclusion_{method}")
    log.info("de-occlusion: %s", ", ".join(str(page) for page in pages))
    rows = [(name, str(len(photos))) for name, photos in chosen.items()]
    rows += [
        ("together", str(len(made))),
        ("without a face that could be rebuilt", str(sum(one is None for one in made))),
    ]
    note = f"Photo, what is deleted, completed ({method}), head: `out/evaluation/deocclusion_{method}_*.png`, not kept."
    return [Table("De-occlusion: photos on the contact sheet", ("from", "photos"), tuple(rows), note)]


def chosen_photos(pipeline: Pipeline) -> dict[str, list[Photo]]:
    """The photos of the sheet, by the rule."""
    worn = [photo for photo in parsing.parsing_photos() if wears_glasses(parsing.label_map(photo))]
    return {
        "`glasses_pairs`, with glasses": [glasses_pair(person)[0] for person in range(1, PEOPLE + 1)],
        "`parsing`, with glasses": worn,
        "`real_masks`, evenly spread": thinned([one for one in data.real_masks() if one.box is not None], MASKS),
        "`gallery`, with glasses": [photo for photo in data.gallery() if photo.path.stem in IN_GALLERY],
        "`landmarks68`, most hand or thing found": most_held(pipeline, data.landmarks68()),
        "`lfw_view1`, most hand or thing found": most_held(pipeline, data.lfw()),
    }


def most_held(pipeline: Pipeline, photos: list[Photo]) -> list[Photo]:
    """Of `LOOKED_AT` evenly spread photos the `HANDS` with most hand or thing on the face, and at least some."""
    photos = thinned(photos, LOOKED_AT)

    def share(photo: Photo) -> float:
        seen = parsing.look(pipeline, photo)
        if seen.points is None:
            return 0.0
        return float((seen.covered("hand", "object") & seen.face).sum() / max(seen.face.sum(), 1))

    depends = content(photos) + code_digest("detector", "landmarker", "parser", "rims", also=(Path(__file__),))
    shares = kept_answers("deocclusion_held", depends, lambda: {"share": np.array(spread(share, photos))})["share"]
    order = np.argsort(-shares, kind="stable")[:HANDS]
    return [photos[k] for k in order if shares[k] > 0.0]


def shown(pipeline: Pipeline, photo: Photo) -> Shown | None:
    """The labelled face of a photo rebuilt, or its largest one; None where there is none."""
    image = photo.image()
    try:
        box = labelled(pipeline.detect(image), photo)
        return Shown(photo.path.stem[:14], image, pipeline.reconstruct(image, box=box))
    except FaceError as error:
        log.warning("%s: %s", photo.path.name, error)
        return None


def labelled(boxes: Sequence[FaceBox], photo: Photo) -> FaceBox | None:
    """The found face that is the labelled one; None leaves the choice to the pipeline."""
    own = photo.box
    if own is None:
        return None
    return max(boxes, key=lambda box: overlap(box.corners, own), default=None)


def strip(pipeline: Pipeline, one: Shown) -> np.ndarray:
    """(TILE, 5 * TILE, 3) photo, mask over it, completed, head over the completed photo, head by itself."""
    result, model = one.result, pipeline.face_model
    done = result.completion or Completion(one.photo, np.zeros(one.photo.shape[:2], np.uint8), "none")
    texture = result.texture.color
    scale = min(1.0, 3.0 * TILE / max(one.photo.shape[:2]))
    small = shrink_camera(result.camera, max(round(scale * one.photo.shape[0]), 1))
    backdrop = cv2.resize(done.photo, (small.width, small.height), interpolation=cv2.INTER_AREA)
    over = render_head(model, result.vertices, texture, small, backdrop)
    over = draw_hair(over, model, result.vertices, result.hair, small)
    over = cv2.resize(over, one.photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    points = result.landmarks.points
    seen = [_close_up(picture, points) for picture in (one.photo, tinted(one.photo, done.mask), done.photo, over)]
    studio = studio_camera(TILE, 20)
    closer = replace(studio, focal=_NEARER * studio.focal)
    head = render_head(model, result.vertices, texture, closer)
    row = np.hstack([*seen, draw_hair(head, model, result.vertices, result.hair, closer)])
    caption = f"{one.name} {'' if done.mask.any() else 'nothing found'}"
    return cv2.putText(row, caption, (3, TILE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 0), 1, cv2.LINE_AA)


def _close_up(photo: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(TILE, TILE, 3) of the head at (68, 2) landmarks."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = _AROUND * float((high - low).max())
    scale = TILE / side
    corner = (low + high) / 2 - [side / 2, 0.56 * side]  # more of the head lies above the brows
    matrix = np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]]])
    if scale < 1.0:  # else single pixels are picked
        photo = cv2.GaussianBlur(photo, (0, 0), 0.4 / scale)
    return cv2.warpAffine(photo, matrix, (TILE, TILE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def write_pages(strips: Sequence[np.ndarray], path: Path) -> list[Path]:
    """PATH_1.png and so on of strips in rows of `ACROSS`; pages of earlier runs go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{path.name}_*.png"):
        old.unlink()
    pages = []
    for start in range(0, len(strips), PER_PAGE):
        own = list(strips[start : start + PER_PAGE])
        own += [np.zeros_like(own[0])] * (-len(own) % ACROSS)
        rows = [np.hstack(own[k : k + ACROSS]) for k in range(0, len(own), ACROSS)]
        pages.append(path.with_name(f"{path.name}_{start // PER_PAGE + 1}.png"))
        cv2.imwrite(str(pages[-1]), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    return pages
