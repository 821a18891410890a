"""Recipe of the parser: `python -m models.training.parser --data build/synthetic --out build/training/parser`.

`--data FOLDER=WEIGHT` may be given several times; portraits come in by `--portraits FOLDER=WEIGHT`. With
`--teacher RUN` earlier parsers tell what pictures show, not their labels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from models.evaluation.part_scores import FACE_GROUPS, GROUPS, code_counts, f1_percent, group_counts
from models.networks.parser import Parser, ParserConfig, ParserOutput, build_parser
from models.synthesis.labels import Label, OccluderType, occluder_type

from .backgrounds import BACKGROUNDS_NOTICE, background_stock
from .cards import DATA_NOTICE, PORTRAITS_NOTICE, network_sizes
from .checkpoints import CHECKPOINT, load_averaged
from .crops import split
from .data import read_pictures
from .device_parsing import ParsingFeed
from .device_pictures import device_arguments, device_pictures
from .device_portraits import device_heads
from .landmarker import weighted
from .loop import Batch, run_recipe
from .options import common_arguments, config_from
from .parsed_portraits import ParsedPortraits, read_parsed
from .parser_teachers import Teachers, taught_by
from .parsing_loss import parser_terms
from .parsing_samples import LabelledHeads, ParsingSample, ParsingSampler

_SMALL_SHARE = 0.75  # of the batches are cut at three quarters of the size: twice as fast, and the scale varies more
_CHECKED = 200  # held-out pictures
_SCENE_SIDE = 256  # pixels, of backgrounds on the device
_STEP = 8  # pixels between those that are looked at to tell what a picture shows
_LEAST = 0.004  # share of a picture that a thing must fill to be sought out
# How often pictures with a thing are sought out, on top of their own frequency in the set.
_SOUGHT = {"hat": 0.1, "glasses": 0.14, "mask": 0.12, "other": 0.12}


def sought_pictures(pictures: LabelledHeads, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the pictures that show a hat, glasses, a mask or another occluder."""
    found: dict[str, list[int]] = {name: [] for name in _SOUGHT}
    seen_as = {
        "glasses": (OccluderType.CLEAR_GLASSES, OccluderType.DARK_GLASSES),
        "mask": (OccluderType.MASK,),
        "other": (OccluderType.SCARF, OccluderType.HAND, OccluderType.OBJECT),
    }
    for index in indices:
        labels, codes = (part[::_STEP, ::_STEP] for part in pictures.maps(int(index)))
        if (labels == Label.HAT).mean() > _LEAST:
            found["hat"].append(int(index))
        types = occluder_type(codes)
        for name, wanted in seen_as.items():
            if np.isin(types, wanted).mean() > _LEAST:
                found[name].append(int(index))
    return {name: np.array(rows, int) for name, rows in found.items() if rows}


@dataclass(frozen=True, eq=False)
class PictureSet:
    """One set of pictures and where in it what is found."""

    name: str
    pictures: LabelledHeads
    sampler: ParsingSampler
    train: np.ndarray  # indices
    held_out: np.ndarray
    sought: dict[str, np.ndarray]  # indices by what is seen

    @staticmethod
    def of(name: str, pictures: LabelledHeads, backgrounds: list[np.ndarray]) -> PictureSet:
        """Split a set and look through it."""
        train, held_out = split(len(pictures))
        sampler, sought = ParsingSampler(pictures, backgrounds), sought_pictures(pictures, train)
        return PictureSet(name, pictures, sampler, train, held_out, sought)

    def pick(self, rng: np.random.Generator) -> int:
        """A picture for training; what is rare is sought out."""
        draw = rng.random()
        for name, share in _SOUGHT.items():
            draw -= share
            if draw < 0.0 and name in self.sought:
                return int(rng.choice(self.sought[name]))
        return int(rng.choice(self.train))


class ParserRecipe:
    """Head crops with parts and occluders, from sets drawn by their weights; the first one validates."""

    name = "parser"

    def __init__(
        self,
        sets: list[tuple[PictureSet, float]],
        config: ParserConfig | None = None,
        teachers: Teachers | None = None,
    ) -> None:
        """`teachers` tell what pictures show instead of their labels."""
        self.teachers = teachers
        self.config = config or ParserConfig(occluders=len(OccluderType))
        self.sets = [pictures for pictures, _ in sets]
        self.shares = np.array([weight for _, weight in sets]) / sum(weight for _, weight in sets)
        self.net: Parser = build_parser(self.config)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Varied crops of one size."""
        side = self.config.size * 3 // 4 if rng.random() < _SMALL_SHARE else self.config.size
        side -= side % 32
        chosen = (self.sets[k] for k in rng.choice(len(self.sets), size, p=self.shares))
        samples = [pictures.sampler.varied(pictures.pick(rng), side, rng) for pictures in chosen]
        return {field.name: _stacked(samples, field.name) for field in dataclasses.fields(ParsingSample)}

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Entropy and overlap of parts and occluders, or what teachers say."""
        del progress
        out: ParserOutput = self.net(image)
        if self.teachers is not None:
            return self.teachers.terms(out, image, labels["weight"])
        return parser_terms(out, labels["classes"], labels["occluder"], labels["weight"])

    def validate(self, net: nn.Module) -> dict[str, float]:
        """F1 (per cent) of parts and occluders on unmoved held-out head crops, and of parts on close crops."""
        parts, occluders = self._counted(net, close=False)
        near, _ = self._counted(net, close=True)
        figures = dict(zip((f"f1_{name}_percent" for name in GROUPS), f1_percent(parts), strict=True))
        figures |= dict(zip((f"f1_close_{name}_percent" for name in FACE_GROUPS), f1_percent(near), strict=False))
        kinds = (f"f1_occluder_{kind.name.lower()}_percent" for kind in OccluderType)
        figures |= dict(zip(kinds, f1_percent(occluders), strict=True))
        return {name: float(value) for name, value in figures.items() if np.isfinite(value)}

    def _counted(self, net: nn.Module, close: bool) -> tuple[np.ndarray, np.ndarray]:
        """(3, groups) and (3, occluders) pixel counts on the held-out pictures of the first set."""
        device, first = next(net.parameters()).device, self.sets[0]
        parts, occluders = np.zeros((3, len(GROUPS))), np.zeros((3, self.config.occluders))
        chosen = first.held_out[:: max(len(first.held_out) // _CHECKED, 1)]
        for chunk in np.array_split(chosen, max(len(chosen) // 16, 1)):
            samples = [first.sampler.exact(int(index), self.config.size, close) for index in chunk]
            image = torch.from_numpy(_stacked(samples, "image")).to(device).permute(0, 3, 1, 2).float() / 255.0
            out: ParserOutput = net(image)
            found, cover = (logits.argmax(1).cpu().numpy().astype(np.uint8) for logits in out)
            parts += group_counts(found, _stacked(samples, "classes"))
            occluders += code_counts(cover, _stacked(samples, "occluder"), self.config.occluders)
        return parts, occluders

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        portraits = any(isinstance(one.pictures, ParsedPortraits) for one in self.sets)
        return {
            "provenance": PORTRAITS_NOTICE if portraits else DATA_NOTICE,
            "data": [
                {"set": one.name, "share": round(float(share), 4), **one.pictures.describe()}
                for one, share in zip(self.sets, self.shares, strict=True)
            ],
            "network": dataclasses.asdict(self.config),
            "backgrounds": BACKGROUNDS_NOTICE,
            **({} if self.teachers is None else {"teachers": self.teachers.card}),
        }


def load_parser(run: Path) -> Parser:
    """The averaged parser of a training run, frozen, as a measure for other trainings."""
    if not (run / "card.json").exists():
        raise FileNotFoundError(f"{run} holds no finished parser; train one with `python -m models.training.parser`.")
    net = build_parser(ParserConfig(**network_sizes(run)))
    load_averaged(net, run / CHECKPOINT)
    return net.eval().requires_grad_(False)


def _teachers(face: Path | None, around: Path | None) -> Teachers | None:
    """Those that are named."""
    if face is None:
        return None
    return Teachers(load_parser(face), None if around is None else load_parser(around), taught_by(face, around))


def _stacked(samples: list[ParsingSample], name: str) -> np.ndarray:
    return np.stack([getattr(sample, name) for sample in samples])


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("parser", "Train the parser on synthetic pictures.", data=False)
    parser.add_argument("--data", type=weighted, action="append", help="folder of picture shards, or FOLDER=WEIGHT")
    parser.add_argument("--portraits", type=weighted, action="append", default=[], help="FOLDER=WEIGHT of parsed ones")
    parser.add_argument("--teacher", type=Path, default=None, help="run of a parser that tells what pictures show")
    parser.add_argument("--around", type=Path, default=None, help="run of one that tells hats from hair and background")
    device_arguments(parser)
    arguments = parser.parse_args()
    if arguments.around is not None and arguments.teacher is None:
        parser.error("--around tells a part only; name the run that tells the rest by --teacher")
    config = config_from(arguments, batch=16, rate=2e-3)
    torch.manual_seed(config.seed)
    folders, stock = arguments.data or [(Path("build/synthetic"), 1.0)], background_stock()
    read = [(path.name, read_pictures(path), weight) for path, weight in folders]
    portraits = [("portraits", read_parsed(path), weight) for path, weight in arguments.portraits]
    sets = [(PictureSet.of(name, one, stock), weight) for name, one, weight in [*read, *portraits]]
    recipe, feed = ParserRecipe(sets, teachers=_teachers(arguments.teacher, arguments.around)), None
    if arguments.device_data is not None:
        pictures = device_pictures(arguments, config.device, ParsingFeed.planes, read[0][1])
        scenes = np.stack([cv2.resize(scene, (_SCENE_SIDE, _SCENE_SIDE)) for scene in stock])
        heads = device_heads(portraits[0][1], config.device) if portraits else None
        feed = ParsingFeed(pictures, recipe.config.size, scenes, heads, float(recipe.shares[len(read) :].sum()))
    run_recipe(recipe, config, arguments, feed)


if __name__ == "__main__":
    main()
