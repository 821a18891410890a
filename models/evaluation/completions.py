"""Every way of completing faces on the same held-out pairs and holes: pixels, identity, landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np

from core.errors import WeightsError
from core.geometry.alignment import apply, crop_matrix, extract
from core.pipeline import Pipeline
from core.runtime.sessions import Network, open_network
from core.runtime.specs import SPECS
from core.stages.complete import COARSE, NETWORKS
from core.types import FaceBox

from .answers import code_digest, kept_answers, spread
from .data import box_of
from .identity import NETWORK, Identity, five_points
from .metrics import hole_scores
from .pairs import Pair, Pairs, true_hole

METHODS = {"generator": "generator", "autoencoder": "auto-encoder", "telea": "Telea"}  # method: what tables call it
PLAIN = "plain"  # cv2.inpaint on the picture itself, nothing around it
HOLES = {"true": 1, "found": 2}  # name: of every how many pairs one is filled with such a hole
PART = 100  # pairs that are kept together
ALONE = 4  # of every how many pairs one is given to the networks by themselves
TELEA_RADIUS = 3.0  # pixels, OpenCV's usual
_SEES = ("landmarker", "parser", "rims")  # networks that look at the pictures
_SOURCES = tuple(Path(__file__).with_name(f"{name}.py") for name in ("completions", "identity", "metrics", "pairs"))


@dataclass(frozen=True, eq=False)
class Looks:
    """N pairs before anything is completed; sides of S pixels."""

    points: np.ndarray  # (N, 68, 2) float32 landmarks found in the occluded picture when told where the face is
    clean_points: np.ndarray  # (N, 68, 2) float32 the same in the clean twin
    person: np.ndarray  # (N, 128) float32 `Identity` of the clean twin, at the true landmarks as the next
    cosine: np.ndarray  # (N,) of the occluded picture with it
    true: np.ndarray  # (N, S, S) bool: holes round what is there
    found: np.ndarray  # (N, S, S) bool: holes that the application would cut


@dataclass(frozen=True, eq=False)
class Filled:
    """N pairs completed by one method, its holes being those of `HOLES` in turn; NaN where nothing was done."""

    psnr: np.ndarray  # (N, 2) dB in the hole
    ssim: np.ndarray  # (N, 2) in the hole
    cosine: np.ndarray  # (N, 2) `Identity` with the clean twin; not of `PLAIN`, as the next
    points: np.ndarray  # (N, 2, 68, 2) float32 landmarks found
    alone_psnr: np.ndarray  # (N,) dB in the true hole of the face crop at the network's own size
    alone_ssim: np.ndarray  # (N,)


def look_at(pipeline: Pipeline, pairs: Pairs) -> Looks:
    """What is seen on the pairs; from an earlier run if nothing has changed since."""
    identity = Identity()

    def one(index: int) -> tuple[np.ndarray, ...]:
        pair = pairs[index]
        points = pipeline.landmarks(pair.image, told_box(pair.points)).points
        clean_points = pipeline.landmarks(pair.clean, told_box(pair.points)).points
        person = identity(pair.clean, pair.points)
        cosine = person @ identity(pair.image, pair.points)
        hole = true_hole(pair, points, pipeline.settings.mask_grow)
        return points, clean_points, person, cosine, hole, pipeline.occluder_mask(pair.image, points) > 0

    depends = pairs.digest + code_digest(*_SEES, also=(*_SOURCES, NETWORK))
    return Looks(**_columns("deocclusion_looks", depends, Looks, one, len(pairs)))


def fill(pipeline: Pipeline, method: str, pairs: Pairs, looks: Looks) -> Filled | None:
    """The pairs completed by one of `METHODS` or `PLAIN`; None where its network is not in this build."""
    pipeline = pipeline if method == PLAIN else with_method(pipeline, method)
    if not is_there(pipeline, method):
        return None
    network = own_network(pipeline, method)
    complete = _complete_plainly if method == PLAIN else _through(pipeline)
    identity = Identity()

    def one(index: int) -> tuple[np.ndarray, ...]:
        pair, points = pairs[index], looks.points[index]
        holes = (looks.true[index], looks.found[index])
        scores = np.full((len(HOLES), 3), np.nan)
        found = np.full((len(HOLES), *points.shape), np.nan, np.float32)
        for k, (hole, every) in enumerate(zip(holes, HOLES.values(), strict=True)):
            if index % every:
                continue
            photo = complete(pair.image, points, hole) if hole.any() else pair.image
            scores[k, :2] = hole_scores(photo, pair.clean, hole)
            if method != PLAIN:
                scores[k, 2] = looks.person[index] @ identity(photo, pair.points)
                found[k] = pipeline.landmarks(photo, told_box(pair.points)).points
        alone = np.full(2, np.nan)
        if method != PLAIN and index % ALONE == 0:
            alone[:] = _alone(network, pair, points, holes[0])
        return (*scores.T, found, *alone)

    depends = method + pairs.digest + code_digest(*_SEES, *networks_of(method), also=(*_SOURCES, NETWORK))
    return Filled(**_columns(f"deocclusion_{method}", depends, Filled, one, len(pairs)))


def _columns(
    name: str, depends: str, kind: type[Looks] | type[Filled], one: Callable[[int], tuple], count: int
) -> dict[str, np.ndarray]:
    """The fields of `kind` for so many pairs, from a function of one pair's index; kept in parts, as it takes long."""
    names = [field.name for field in fields(kind)]

    def part(start: int) -> dict[str, np.ndarray]:
        rows = spread(one, range(start, min(start + PART, count)))
        return dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))

    starts = range(0, count, PART)
    parts = [kept_answers(f"{name}-{start}", f"{depends} {start}", lambda start=start: part(start)) for start in starts]
    return {key: np.concatenate([one_part[key] for one_part in parts]) for key in names}


def with_method(pipeline: Pipeline, method: str) -> Pipeline:
    """The pipeline with another way of completing."""
    return pipeline.with_settings(replace(pipeline.settings, deocclusion=method))


def networks_of(method: str) -> tuple[str, ...]:
    """The networks that a method paints with."""
    own = (NETWORKS[method],) if method in NETWORKS else ()
    return (*own, COARSE) if method == "generator" else own


def own_network(pipeline: Pipeline, method: str) -> Network | None:
    """The network of a method, None where it has none; raises `WeightsError` when it is not in this build."""
    if method not in NETWORKS:
        return None
    return open_network(SPECS[NETWORKS[method]], pipeline.settings.weights_dir, "cpu", pipeline.settings.threads)


def is_there(pipeline: Pipeline, method: str) -> bool:
    """Whether the network of a method is in this build."""
    try:
        own_network(pipeline, method)
    except WeightsError:
        return False
    return True


def told_box(points: np.ndarray) -> FaceBox:
    """The face at (68, 2) true landmarks, as by somebody who knows where it is."""
    x0, y0, x1, y1 = box_of(points).tolist()
    return FaceBox(x0, y0, x1, y1, score=1.0, points=five_points(points).astype(np.float32))


Completing = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # photo, (68, 2) points, bool hole -> photo


def _through(pipeline: Pipeline) -> Completing:
    """The application's own way."""

    def complete(photo: np.ndarray, points: np.ndarray, hole: np.ndarray) -> np.ndarray:
        return pipeline.complete(photo, points, np.where(hole, 255, 0).astype(np.uint8)).photo

    return complete


def _complete_plainly(photo: np.ndarray, points: np.ndarray, hole: np.ndarray) -> np.ndarray:
    del points
    return cv2.inpaint(photo, hole.astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA)


def _alone(network: Network | None, pair: Pair, points: np.ndarray, hole: np.ndarray) -> tuple[float, float]:
    """PSNR and SSIM of a network's own picture of the face crop, or of OpenCV's."""
    side = SPECS["completer"].inputs["image"][-1]
    assert isinstance(side, int)
    matrix = crop_matrix(points, side)
    image, clean = (extract(photo, matrix, side, cv2.BORDER_REFLECT_101).image for photo in (pair.image, pair.clean))
    mask = cv2.warpAffine(hole.astype(np.uint8), matrix, (side, side), flags=cv2.INTER_NEAREST)
    if network is None:
        found = _complete_plainly(image, points, mask)
    else:
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1)[None] / np.float32(255.0), np.float32)
        fractions = ((apply(matrix, points) + 0.5) / side).astype(np.float32)[None]
        out = network.run(image=pixels, mask=mask[None, None].astype(np.float32), landmarks=fractions)["completed"][0]
        found = np.rint(out.transpose(1, 2, 0).clip(0.0, 1.0) * 255.0).astype(np.uint8)
    return hole_scores(found, clean, mask > 0)
