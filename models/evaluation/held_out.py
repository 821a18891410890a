"""Landmarks on synthetic people that no training saw: what the networks lose between drawn and real photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from core.geometry.face_model import FaceModel
from core.types import LANDMARKS, LAYOUT
from models.synthesis.assets import Assets
from models.synthesis.dataset import HELD_OUT_SEED, make_picture
from models.synthesis.shards import read_shard

from . import landmarks
from .data import ROOT, Photo
from .report import Table
from .sections import Bench
from .systems import digest
from .variants import Made, factory_digest, kept

FOLDER = ROOT / "build" / "held_out"  # NAME/shard_*: sets that were rendered for this alone
PAIRS = FOLDER / "pairs"  # not among them: what de-occlusion is measured on
MOST_YAW = np.radians(45)  # farther round, the eye corners come too close to measure by
DRAWN = "fast renderer, as it is now"


def tables(bench: Bench) -> list[Table]:
    """The 68-point error of every system on every held-out set."""
    rows = []
    for name, photos in held_out_sets(bench.pipeline.face_model, bench.people).items():
        for system, answer in bench.answers(photos).items():
            score = landmarks.score(answer.points, photos)
            rows.append((name, str(len(photos)), system, score.inner.text(), score.all.text(), str(score.missed)))
    return [
        Table(
            "68 landmarks on held-out synthetic people",
            ("set", "pictures", "system", "inner 51, %", "all 68, %", "faces missed"),
            tuple(rows),
            f"Pictures of seed {HELD_OUT_SEED}, occluders and all, of up to {np.degrees(MOST_YAW):.0f} degrees of yaw.",
        )
    ]


def held_out_sets(model: FaceModel, count: int) -> dict[str, list[Photo]]:
    """`count` pictures drawn for this run, and those of every set under build/held_out."""
    sets = {DRAWN: kept("held_out", f"{factory_digest()} {count}", lambda: _drawn(model, count))}
    for folder in sorted(FOLDER.glob("*/")):
        shards = sorted(folder.glob("shard_*/truth.npz"))
        if shards and folder != PAIRS:
            sets[folder.name] = kept(f"held_out_{folder.name}", digest(tuple(shards)), _shards(shards))
    return sets


def _drawn(model: FaceModel, count: int) -> Iterator[Made]:
    assets = Assets.load(model)
    for index in range(count):
        picture = make_picture(assets, HELD_OUT_SEED, index, group=1)
        if faces_camera(picture.coefficients):
            yield Made(Photo(Path(f"{index:05d}")), "drawn", picture.image, picture.landmarks[:LANDMARKS])


def _shards(truths: list[Path]) -> Callable[[], Iterator[Made]]:
    def make() -> Iterator[Made]:
        for path in truths:
            shard = read_shard(path.parent)
            for row, image in enumerate(shard.images):
                if faces_camera(shard.truth.coefficients[row]):
                    points = shard.truth.landmarks[row, :LANDMARKS]
                    yield Made(Photo(Path(f"{path.parent.name}_{row:03d}")), "drawn", image, points)

    return make


def faces_camera(coefficients: np.ndarray) -> bool:
    """Whether a head of these (239,) coefficients is turned by `MOST_YAW` at most."""
    return abs(float(coefficients[LAYOUT["pose"]][1])) <= MOST_YAW
