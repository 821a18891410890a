"""Recipe of the landmarker: `python -m models.training.landmarker --data build/synthetic --out build/training/...`.

`--data FOLDER=WEIGHT` may be given several times; portraits come in by `--portraits FILE=WEIGHT`.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry import alignment
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.mirroring import mirrored_landmarks
from models.networks.landmarker import LandmarkerConfig, build_landmarker

from . import augment
from .cards import DATA_NOTICE, PORTRAITS_NOTICE
from .data import read_pictures
from .device_landmarks import LandmarkFeed
from .device_pictures import device_arguments, device_pictures
from .device_portraits import device_portraits
from .loop import Batch, run_recipe
from .losses import landmark_terms, landmark_weights
from .options import common_arguments, config_from
from .portraits import read_portraits
from .relabel import follow_model
from .sources import FaceSource, PictureSource, PortraitSource
from .variation import LANDMARKER, WIDE, WIDE_JITTER

_CHECK_JITTER = augment.Jitter(degrees=4.0, log_scale=0.05, shift=0.025)
_FRONTAL = 0.22  # eye distance in crop fractions; in profile the eye corners coincide


class LandmarkerRecipe:
    """Crops with 68 and dense landmarks, drawn from one or several sources."""

    name = "landmarker"

    def __init__(
        self,
        sources: list[tuple[FaceSource, float]],
        model: FaceModel,
        config: LandmarkerConfig | None = None,
    ) -> None:
        """`sources` come with the share of crops that each gives; the first is a set of pictures."""
        first = sources[0][0]
        if not isinstance(first, PictureSource):
            raise ValueError("The first source must be synthetic pictures: it tells which points there are.")
        count = len(first.crop(0, first.matrices[0]).points)
        self.config = config or LandmarkerConfig(points=count)
        self.sources, self.pictures = [source for source, _ in sources], first.pictures
        shares = np.array([share for _, share in sources], float)
        self.shares = shares / shares.sum()
        self.order = mirrored_landmarks(model)
        self.net = build_landmarker(self.config)
        self.weights = landmark_weights(count)
        self.strength = LANDMARKER.strength

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Jittered, mirrored, recoloured crops."""
        chosen = rng.choice(len(self.sources), size, p=self.shares)
        samples = [self._sample(self.sources[source], rng) for source in chosen]
        names = ("image", "points", "visibility", "known")
        return {name: np.stack(column) for name, column in zip(names, zip(*samples, strict=True), strict=True)}

    def _sample(self, source: FaceSource, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        index = int(rng.choice(source.train))
        jitter = WIDE_JITTER if rng.random() < WIDE else LANDMARKER.jitter
        matrix = augment.jittered(source.matrices[index], self.config.size, rng, jitter)
        flip = rng.random() < 0.5
        if flip:
            matrix = alignment.mirrored(matrix, self.config.size)
        crop = source.crop(index, matrix, rng)
        image, order = crop.image, self.order if flip else slice(None)
        points, visibility, known = crop.points[order], crop.visibility[order], crop.known[order]
        if rng.random() < LANDMARKER.cover:
            filler = self._scrap(source, rng) if rng.random() < 0.5 else augment.plain(image, rng)
            visibility = visibility * ~_under(augment.cover(image, rng, filler), points)
        image = augment.photometric(image, rng, self.strength)
        inside = ((points > 0.0) & (points < 1.0)).all(axis=1)
        return image, points.astype(np.float32), (visibility * inside).astype(np.float32), known

    def _scrap(self, source: FaceSource, rng: np.random.Generator) -> np.ndarray:
        """Another face out of place, to cover with."""
        indices = rng.choice(source.train, 2)
        return source.crop(int(indices[0]), source.matrices[indices[1]], rng).image

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Distance first, the Gaussian likelihood from a tenth of the run on."""
        likelihood = min(max((progress - 0.1) / 0.1, 0.0), 1.0)
        weights, out = self.weights.to(image.device), self.net(image)
        return landmark_terms(out, labels["points"], labels["visibility"], weights, likelihood, labels["known"])

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Figures on the held-out faces of every source; those of the first go without its name."""
        figures = {}
        for k, source in enumerate(self.sources):
            prefix = f"{source.name}_" if k else ""
            figures.update({prefix + name: value for name, value in self._figures(net, source).items()})
        return figures

    def _figures(self, net: nn.Module, source: FaceSource) -> dict[str, float]:
        """Mean error over the outer-eye distance (per cent) on frontal and half-profile faces, and visibility."""
        device, rng = next(net.parameters()).device, np.random.default_rng(0)
        inner, every, seen_right, dense = [], [], [], []
        for chunk in np.array_split(source.held_out, max(len(source.held_out) // 128, 1)):
            jitters = [augment.jittered(source.matrices[i], self.config.size, rng, _CHECK_JITTER) for i in chunk]
            crops = [source.crop(int(i), matrix) for i, matrix in zip(chunk, jitters, strict=True)]
            image = torch.from_numpy(np.stack([crop.image for crop in crops])).to(device)
            out = net(image.permute(0, 3, 1, 2).float() / 255.0)
            truth, known = np.stack([crop.points for crop in crops]), np.stack([crop.known for crop in crops]) > 0
            error = np.where(known, np.linalg.norm(out.points.float().cpu().numpy() - truth, axis=2), np.nan)
            scale = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=1, keepdims=True)
            relative = 100.0 * (error / scale)[scale[:, 0] > _FRONTAL]
            inner.append(relative[:, 17:68])
            every.append(relative[:, :68])
            dense.append(100.0 * error)
            visible = out.visibility_logit.float().cpu().numpy() > 0
            seen_right.append((visible == (np.stack([crop.visibility for crop in crops]) > 0.5))[known])
        return {
            "inner51_percent": float(np.nanmean(np.concatenate(inner))),
            "all68_percent": float(np.nanmean(np.concatenate(every))),
            "all_points_percent_of_crop": float(np.nanmean(np.concatenate(dense))),
            "visibility_accuracy": float(np.concatenate(seen_right).mean()),
        }

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        shares = {source.name: round(float(share), 3) for source, share in zip(self.sources, self.shares, strict=True)}
        portraits = any(isinstance(source, PortraitSource) for source in self.sources)
        return {
            "provenance": PORTRAITS_NOTICE if portraits else DATA_NOTICE,
            "data": [source.describe() for source in self.sources],
            "shares": shares,
            "network": dataclasses.asdict(self.config),
        }


def _under(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(P,) bool: points (crop fractions) on a (H, W) mask."""
    pixel = np.rint(points * len(mask) - 0.5).astype(int).clip(0, len(mask) - 1)
    return mask[pixel[:, 1], pixel[:, 0]]


def weighted(text: str) -> tuple[Path, float]:
    """`PATH` or `PATH=WEIGHT` from the command line."""
    path, _, weight = text.partition("=")
    return Path(path), float(weight or 1.0)


def read_sources(arguments: argparse.Namespace, model: FaceModel, size: int) -> list[tuple[FaceSource, float]]:
    """The sources that the command line names."""
    sources: list[tuple[FaceSource, float]] = []
    for path, weight in arguments.data or [(Path("build/synthetic"), 1.0)]:
        pictures = follow_model(read_pictures(path), model)
        sources.append((PictureSource(path.name, pictures, size), weight))
    points = sources[0][0].crop(0, sources[0][0].matrices[0]).points
    for path, weight in arguments.portraits:
        sources.append((PortraitSource(read_portraits(path), len(points), size), weight))
    return sources


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Let `--data` repeat, and add `--portraits`."""
    parser.add_argument("--data", type=weighted, action="append", help="folder of picture shards, or FOLDER=WEIGHT")
    parser.add_argument("--portraits", type=weighted, action="append", default=[], help="portraits.npz, or FILE=WEIGHT")


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("landmarker", "Train the landmarker.", data=False)
    add_sources(parser)
    device_arguments(parser)
    arguments = parser.parse_args()
    config = config_from(arguments, batch=128, rate=2e-3)
    torch.manual_seed(config.seed)
    model = load_face_model()
    sources = read_sources(arguments, model, LandmarkerConfig(points=0).size)
    recipe = LandmarkerRecipe(sources, model)
    feed = None if arguments.device_data is None else _feed(arguments, recipe, model, config.device)
    run_recipe(recipe, config, arguments, feed)


def _feed(arguments: argparse.Namespace, recipe: LandmarkerRecipe, model: FaceModel, device: str) -> LandmarkFeed:
    """Batches made on the device; portraits keep the share that the command line gives them."""
    pictures = device_pictures(arguments, device, LandmarkFeed.planes, recipe.pictures)
    portraits = device_portraits(arguments.portraits[0][0], device) if arguments.portraits else None
    share = recipe.shares[[isinstance(source, PortraitSource) for source in recipe.sources]].sum()
    return LandmarkFeed(pictures, model, recipe.config.size, portraits, float(share))


if __name__ == "__main__":
    main()
