"""What each ingredient of the data buys on real photos.

`python -m models.training.ablation landmarker --steps 250 --data build/synthetic2 --portraits FILE`

Each variant trains the same small number of steps from the same start on the same number of pictures, with one thing
left out: an ingredient of the pictures, a whole source, or most of the pictures. One JSON file a variant; runs that
are there already are not made again. `models.training.ablation_table` makes the page and the cards' entries.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.geometry.face_model import load_face_model
from models.networks.landmarker import LandmarkerConfig
from models.synthesis.ingredients import NAMES, UNKNOWN, used

from .backgrounds import background_stock
from .checkpoints import load_shared
from .crops import split
from .crowd import Crowd, Group, picture_groups, portrait_groups
from .data import Pictures, read_pictures
from .detector import DetectorRecipe
from .landmarker import LandmarkerRecipe, weighted
from .loop import Recipe, Run
from .options import TrainConfig
from .parsed_portraits import read_parsed
from .parser import ParserRecipe, PictureSet
from .portraits import read_portraits
from .real_figures import measure
from .relabel import follow_model
from .sources import FaceSource, PictureSource, PortraitSource

LOG = logging.getLogger(__name__)
EVERYTHING, WITHOUT, SHARE = "everything", "without-", "pictures-"
_BATCH = {"landmarker": 128, "detector": 32, "parser": 16}
_AVERAGE = 0.98  # of the weights, per step: the runs are short


@dataclass(frozen=True)
class Variant:
    """One thing that is different from everything."""

    name: str
    ingredient: str = ""  # of the pictures, left out
    source: str = ""  # folder name, or "portraits", left out
    share: float = 1.0  # of the pictures

    @staticmethod
    def of(name: str) -> Variant:
        """`everything`, `without-INGREDIENT`, `without-SOURCE` or `pictures-0.1`."""
        if name == EVERYTHING:
            return Variant(name)
        if name.startswith(SHARE):
            return Variant(name, share=float(name.removeprefix(SHARE)))
        if not name.startswith(WITHOUT):
            raise ValueError(f"There is no variant {name!r}; write everything, without-NAME or pictures-SHARE.")
        left_out = name.removeprefix(WITHOUT)
        return Variant(name, ingredient=left_out) if left_out in NAMES else Variant(name, source=left_out)

    def chosen(self, pictures: Pictures, indices: np.ndarray, most: int) -> np.ndarray:
        """At most `most` of some pictures' indices that the variant may use, spread evenly."""
        bits = pictures.truth.ingredients[indices]
        if self.ingredient and not (bits == UNKNOWN).all():
            indices = indices[~used(bits, self.ingredient)]
        count = max(round(min(most, len(indices)) * self.share), 1)
        return indices[np.linspace(0, len(indices) - 1, count).round().astype(int)]


@dataclass(frozen=True)
class Data:
    """What the command line names; weights are shares of the samples."""

    folders: tuple[tuple[Path, float], ...]
    portraits: tuple[tuple[Path, float], ...]
    most: int  # pictures of each folder, the same for every variant

    def kept(self, variant: Variant) -> Data:
        """Without the source that the variant leaves out."""
        folders = tuple(item for item in self.folders if item[0].name != variant.source)
        portraits = () if variant.source == "portraits" else self.portraits
        if len(folders) + len(portraits) == len(self.folders) + len(self.portraits) and variant.source:
            raise ValueError(f"There is no source {variant.source!r} to leave out.")
        return dataclasses.replace(self, folders=folders, portraits=portraits)


def landmarker_recipe(data: Data, variant: Variant) -> Recipe:
    """The landmarker on a variant's data."""
    model, size = load_face_model(), LandmarkerConfig(points=0).size
    sources: list[tuple[FaceSource, float]] = []
    for path, weight in data.folders:
        source = PictureSource(path.name, follow_model(read_pictures(path), model), size)
        source.train = variant.chosen(source.pictures, source.train, data.most)
        sources.append((source, weight))
    points = len(sources[0][0].crop(0, sources[0][0].matrices[0]).points)
    sources += [(PortraitSource(read_portraits(path), points, size), weight) for path, weight in data.portraits]
    return LandmarkerRecipe(sources, model)


def detector_recipe(data: Data, variant: Variant) -> Recipe:
    """The detector on a variant's data."""
    train: list[Group] = []
    held_out: list[Group] = []
    for path, weight in data.folders:
        pictures = read_pictures(path)
        indices, checked = split(len(pictures))
        train += picture_groups(pictures, variant.chosen(pictures, indices, data.most), weight)
        held_out += picture_groups(pictures, checked, weight)
    for path, weight in data.portraits:
        portraits = read_portraits(path)
        train += portrait_groups(portraits, np.arange(len(portraits)), weight)
    return DetectorRecipe(Crowd(train), Crowd(held_out), background_stock(), checked=32)


def parser_recipe(data: Data, variant: Variant) -> Recipe:
    """The parser on a variant's data."""
    stock, sets = background_stock(), []
    for path, weight in data.folders:
        pictures = read_pictures(path)
        whole = PictureSet.of(path.name, pictures, stock)
        train = variant.chosen(pictures, whole.train, data.most)
        sought = {name: rows[np.isin(rows, train)] for name, rows in whole.sought.items()}
        sought = {name: rows for name, rows in sought.items() if len(rows)}
        sets.append((dataclasses.replace(whole, train=train, sought=sought), weight))
    sets += [(PictureSet.of("portraits", read_parsed(path), stock), weight) for path, weight in data.portraits]
    return ParserRecipe(sets)


RECIPES: dict[str, Callable[[Data, Variant], Recipe]] = {
    "landmarker": landmarker_recipe,
    "detector": detector_recipe,
    "parser": parser_recipe,
}


def run_variant(network: str, variant: Variant, data: Data, arguments: argparse.Namespace) -> dict[str, object]:
    """Train one variant and measure it."""
    config = TrainConfig(
        steps=arguments.steps,
        batch=_BATCH[network],
        rate=arguments.rate,
        seed=arguments.seed,
        half=network == "detector",
        average=_AVERAGE,
        validate_minutes=1e9,
    )
    torch.manual_seed(config.seed)
    recipe = RECIPES[network](data.kept(variant), variant)
    if arguments.start is not None:
        load_shared(recipe.net, arguments.start)
    folder = arguments.out / f"{network}-{variant.name}"
    begin = time.perf_counter()
    synthetic = Run(recipe, config, folder).train()
    return {
        "network": network,
        "variant": variant.name,
        "steps": arguments.steps,
        "start": None if arguments.start is None else arguments.start.parent.name,
        "seconds": round(time.perf_counter() - begin),
        "data": recipe.provenance()["data"] if network != "detector" else [str(path) for path, _ in data.folders],
        "synthetic": synthetic,
        "real": measure(network, folder, arguments.photos),
    }


def default_variants(data: Data) -> list[str]:
    """Everything; without each ingredient and each source but the first; fewer pictures."""
    sources = [path.name for path, _ in data.folders[1:]]
    if data.portraits:
        sources.append("portraits")
    return [EVERYTHING, *(WITHOUT + name for name in (*sources, *NAMES)), f"{SHARE}0.25", f"{SHARE}0.05"]


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(description="Train short runs with one ingredient left out, measure on photos.")
    parser.add_argument("network", choices=list(RECIPES))
    parser.add_argument("--data", type=weighted, action="append", required=True, help="FOLDER or FOLDER=WEIGHT")
    parser.add_argument("--portraits", type=weighted, action="append", default=[], help="FILE or FILE=WEIGHT")
    parser.add_argument("--variants", nargs="*", help="instead of all")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=4000, help="pictures of each folder that every variant gets")
    parser.add_argument("--photos", type=int, default=250, help="at most so many photos of each evaluation set")
    parser.add_argument("--start", type=Path, help="checkpoint to start all variants from")
    parser.add_argument("--out", type=Path, default=Path("build/ablation"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = Data(tuple(arguments.data), tuple(arguments.portraits), arguments.most)
    for name in arguments.variants or default_variants(data):
        path = arguments.out / f"{arguments.network}-{name}.json"
        if path.exists():
            LOG.info("%s is there", path)
            continue
        result = run_variant(arguments.network, Variant.of(name), data, arguments)
        path.write_text(json.dumps(result, indent=1) + "\n")
        LOG.info("%s: %s", name, {k: v for k, v in result["real"].items() if not isinstance(v, list)})  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
