"""Whether people are known better once their real glasses are removed: pairs of photos of seven people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import NoFaceFound
from core.pipeline import Pipeline

from . import data
from .answers import code_digest, kept_answers, spread
from .completions import METHODS, networks_of, with_method
from .data import Photo
from .identity import NETWORK, Identity
from .report import Table
from .systems import content

PEOPLE = 7
TARGETS = {  # whom a photo is compared with
    "the same person without": "With the photo without glasses of the same sitting.",
    "all their photos without": "Mean over all photos without glasses, of other expressions and light.",
}
_SOURCES = tuple(Path(__file__).with_name(f"{name}.py") for name in ("glasses_people", "identity"))


def people_tables(pipeline: Pipeline, there: Sequence[str]) -> list[Table]:
    """Cosines before and after by the methods that are there, one table for each of `TARGETS`."""
    known = _known(pipeline)
    after = {method: _after(with_method(pipeline, method), method, known) for method in there}
    tables = []
    for k, (whom, note) in enumerate(TARGETS.items()):
        before = known["before"][:, k]
        columns = [before, *(values[:, k] for values in after.values())]
        rows = [(str(person + 1), *(f"{column[person]:.3f}" for column in columns)) for person in range(PEOPLE)]
        rows.append(("mean", *(f"{column.mean():.3f}" for column in columns)))
        rows.append(("higher for", "", *(f"{int((one > before).sum())} of {PEOPLE}" for one in columns[1:])))
        tables.append(
            Table(
                f"De-occlusion of real glasses (`glasses_pairs`): identity with {whom}",
                ("person", "with glasses", *(f"removed, {METHODS[method]}" for method in after)),
                tuple(rows),
                f"Cosine by MobileFaceNet. {note} The landmarks of the photo with glasses serve before and after.",
            )
        )
    return tables


def glasses_pair(person: int) -> list[Photo]:
    """One person's photos: with glasses, without, then the others, none of which shows glasses."""
    folder = data.EVALUATION / "glasses_pairs"
    every = sorted(folder.glob(f"subject{person:02d}.*.png"))
    first = [folder / f"subject{person:02d}.{name}.png" for name in ("glasses", "noglasses")]
    return [Photo(path) for path in [*first, *(path for path in every if path not in first)]]


def _known(pipeline: Pipeline) -> dict[str, np.ndarray]:
    """Of all people: whom they look like without glasses, their landmarks with glasses, the cosines with them.

    Keys: "without" (7, 2, 128), embeddings of one photo and the mean of those of all; "points" (7, 68, 2) pixels;
    "before" (7, 2).
    """
    identity = Identity()

    def one(person: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        worn, *bare = glasses_pair(person)
        image, points = _found(pipeline, worn)
        embedded = np.array([identity(*_found(pipeline, photo)) for photo in bare])
        without = np.stack([embedded[0], embedded.mean(axis=0)])
        return without, points, without @ identity(image, points)

    def make() -> dict[str, np.ndarray]:
        without, points, before = map(np.array, zip(*spread(one, range(1, PEOPLE + 1)), strict=True))
        return {"without": without, "points": points, "before": before}

    return kept_answers("deocclusion_people", _depends(), make)


def _after(pipeline: Pipeline, method: str, known: dict[str, np.ndarray]) -> np.ndarray:
    """(7, 2) cosines when the glasses are removed."""
    identity = Identity()

    def one(person: int) -> np.ndarray:
        points = known["points"][person - 1]
        done = pipeline.complete(glasses_pair(person)[0].image(), points)
        return known["without"][person - 1] @ identity(done.photo, points)

    def make() -> dict[str, np.ndarray]:
        return {"after": np.array(spread(one, range(1, PEOPLE + 1)))}

    depends = method + _depends("parser", "rims", *networks_of(method))
    return kept_answers(f"deocclusion_people_{method}", depends, make)["after"]


def _depends(*networks: str) -> str:
    photos = [photo for person in range(1, PEOPLE + 1) for photo in glasses_pair(person)]
    return content(photos) + code_digest("detector", "landmarker", *networks, also=(*_SOURCES, NETWORK))


def _found(pipeline: Pipeline, photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """A photo and the (68, 2) landmarks of its largest face."""
    image = photo.image()
    boxes = pipeline.detect(image)
    if not boxes:
        raise NoFaceFound(f"No face was found in {photo.path.name}; the pairs cannot be compared without it.")
    return image, pipeline.landmarks(image, boxes[0]).points
