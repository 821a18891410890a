"""Held-out synthetic people, each drawn bare and then behind every kind of occluder, kept under build/held_out.

One person's pictures share everything but the occluder: pose, expression, light, background, sensor. "half" is a bare
picture with half of the face pasted over, so that exactly half is hidden, and exactly what is known.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from core.geometry.camera import angles_from_rotation
from core.geometry.face_model import load_face_model
from models.synthesis.assets import Assets
from models.synthesis.dataset import THREAD_VARIABLES
from models.synthesis.labels import Occluder
from models.synthesis.occluders import plan_of
from models.synthesis.overlay import LEAST, covering_plan, hidden_share
from models.synthesis.renderer import Picture, render
from models.synthesis.scene import Scene, sample_scene
from models.synthesis.shards import write_shard
from models.training.completion_samples import lit
from models.training.data import Pictures, read_pictures

from .held_out import FOLDER, MOST_YAW
from .systems import digest
from .variants import MOST_HIDDEN, factory_digest

log = logging.getLogger(__name__)
SEED = 990_005  # no training draws from it
SIDE = 320  # pixels
PEOPLE, PART = 150, 50  # people unless more are asked for; people of a shard
COVERS = ("glasses", "sunglasses", "mask", "hand", "object", "half")
KINDS = ("clean", *COVERS)
HALF = 0.5  # share of the face that is pasted over
_SCENES, _TRIES = 8, 6  # scenes of a person of which the first near-frontal one is taken; draws of an occluder
_WAVES = 0.12  # of the face's extent by which the rim of what is pasted wanders
_AROUND = 0.25  # of the face's extent round the face that a pasted thing may reach


@dataclass(frozen=True, eq=False)
class CoveredPeople:
    """The same people in the same order for every kind."""

    pictures: dict[str, Pictures]  # by kind
    rows: np.ndarray  # (N,) int, those that count
    digest: str  # stands for all pictures

    def truth(self, row: int) -> np.ndarray:
        """(239,) float32 coefficients of one picture, whatever the kind; light in the picture's own camera."""
        return self.pictures["clean"].truth.coefficients[row]


def covered_people(count: int) -> CoveredPeople:
    """The first `count` people behind every kind; rendered at first use."""
    folder = FOLDER / f"regression-{factory_digest()[:12]}"
    parts = range(-(-count // PART))
    tasks = [_Task(folder / kind / f"shard_{part:05d}", kind, part * PART) for kind in KINDS for part in parts]
    _render([task for task in tasks if not task.folder.is_dir()])
    pictures = {kind: read_pictures(folder / kind) for kind in KINDS}
    rows = np.flatnonzero(lit(pictures["clean"])[:count])
    shards = tuple(sorted(path for kind in KINDS for path in (folder / kind).glob("shard_*/truth.npz")))
    return CoveredPeople(pictures, rows, hashlib.sha256(f"{digest(shards)} {count}".encode()).hexdigest())


@dataclass(frozen=True)
class _Task:
    """One shard to be drawn."""

    folder: Path
    kind: str
    first: int  # number of the first person


def _render(tasks: list[_Task]) -> None:
    if not tasks:
        return
    log.info("rendering %d pictures of people of seed %d", PART * len(tasks), SEED)
    for variable in THREAD_VARIABLES:  # read by the workers' libraries when they start
        os.environ[variable] = "1"
    with multiprocessing.get_context("spawn").Pool(min(os.cpu_count() or 1, len(tasks))) as pool:
        for task in pool.imap_unordered(_write, tasks):
            log.info("%s %s", task.kind, task.folder.name)


def _write(task: _Task) -> _Task:
    cv2.setNumThreads(1)
    people = range(task.first, task.first + PART)
    write_shard(task.folder, (drawn(_assets(), person, task.kind) for person in people), SEED, task.first)
    return task


@lru_cache(maxsize=1)
def _assets() -> Assets:
    return Assets.load(load_face_model())


def drawn(assets: Assets, person: int, kind: str) -> Picture:
    """One person behind one of `KINDS`; depends on nothing but the arguments."""
    scene = bare_scene(assets, person)
    rng = np.random.default_rng([SEED, person, KINDS.index(kind)])
    if kind == "clean":
        return render(scene, assets)
    return _pasted(render(scene, assets), rng) if kind == "half" else _worn(scene, assets, kind, rng)


def bare_scene(assets: Assets, person: int) -> Scene:
    """The first scene of a person who is turned by `MOST_YAW` at most, without occluders; the last when none is."""
    for turn in range(_SCENES):
        scene = sample_scene(assets, SEED, person * _SCENES + turn, SIDE, group=_SCENES, alone=True)
        if abs(angles_from_rotation(scene.camera.rotation)[1]) <= MOST_YAW:
            break
    return replace(scene, occluders=plan_of(set(), np.random.default_rng(0), assets))


def _worn(scene: Scene, assets: Assets, kind: str, rng: np.random.Generator) -> Picture:
    """The person with an occluder that hides some of the face and not nearly all; the last draw when none does."""
    for _ in range(_TRIES):
        picture = render(replace(scene, occluders=covering_plan(kind, rng, assets)), assets)
        if LEAST <= hidden_share(picture.occluder, picture.landmarks[:68]) <= MOST_HIDDEN:
            break
    return picture


def _pasted(picture: Picture, rng: np.random.Generator) -> Picture:
    points = picture.landmarks[:68]
    cover = half_cover(points, len(picture.image), rng)
    column, row = np.rint(picture.landmarks).astype(int).clip(0, len(cover) - 1).T
    return replace(
        picture,
        image=paste(picture.image, cover, rng),
        clean=picture.image,
        occluder=np.where(cover, Occluder.OBJECT, Occluder.NONE).astype(np.uint8),
        visibility=np.where(cover[row, column], 0, picture.visibility).astype(np.uint8),
    )


def half_cover(points: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """(S, S) bool that is set on `HALF` of the hull of (68, 2) landmarks: a border or a thing with a wavy rim.

    A border is all that lies to one side, a thing what is nearest to some point on the rim of the face.
    """
    face = np.zeros((side, side), np.uint8)
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    cv2.fillConvexPoly(face, hull, 1)
    extent = float(np.ptp(points, axis=0).max())
    rows, columns = np.indices(face.shape).astype(np.float32)
    waves = cv2.resize(rng.standard_normal((6, 6)), (side, side), interpolation=cv2.INTER_CUBIC) * _WAVES * extent
    if rng.random() < 0.5:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        far, reach = np.cos(angle) * columns + np.sin(angle) * rows + waves, np.ones(face.shape, bool)
    else:
        x, y = hull[rng.integers(len(hull)), 0]
        far = np.hypot(columns - x, rows - y) + waves
        away = cv2.distanceTransform(1 - face, cv2.DIST_L2, 5)
        reach = away <= _AROUND * extent
    return (far <= np.quantile(far[face > 0], HALF)) & reach


def paste(image: np.ndarray, cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A (S, S, 3) uint8 picture with a patterned surface where (S, S) bool `cover` is set; the rest is unchanged."""
    side = len(image)
    coarse = rng.uniform(0.0, 255.0, 3) + rng.normal(0.0, rng.uniform(2.0, 40.0), (8, 8, 3))
    surface = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) + rng.normal(0.0, 3.0, (side, side, 1))
    inside = np.clip(2.0 * cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 0.8) - 1.0, 0.0, 1.0)
    inside = (inside * cover)[:, :, None]
    return np.rint(image + (np.clip(surface, 0, 255) - image) * inside).astype(np.uint8)


def kin(count: int, pictures: int) -> Iterator[Picture]:
    """So many pictures of each of `count` further people, with whatever they wear: for measures of likeness."""
    assets = _assets()
    for index in range(count * pictures):
        yield render(sample_scene(assets, SEED + 1, index, SIDE, group=pictures), assets)
