"""Recipes of completion: `python -m models.training.completer --data build/synthetic --judge RUN`.

`--method autoencoder` trains the baseline, which needs no judge. Context distillation (Occlusion Resistant Network)
takes two runs: `--teacher` trains a network that sees the face behind its occluder, `--distil RUN` lets it teach.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from models.networks.completer import (
    Autoencoder,
    AutoencoderConfig,
    Completer,
    CompleterConfig,
    PatchCritic,
    build_autoencoder,
    build_completer,
)

from .cards import PORTRAITS_NOTICE, network_sizes
from .checkpoints import CHECKPOINT, load_averaged
from .completion_losses import (
    PerceptualJudge,
    adversarial_loss,
    critic_loss,
    distillation_loss,
    pixel_loss,
    total_variation,
)
from .completion_portraits import PortraitSampler
from .completion_samples import CompletionSample, CompletionSampler, lit
from .data import Pictures, read_pictures
from .device_completion import CompletionFeed
from .device_pictures import device_arguments, device_pictures
from .device_portraits import device_portraits
from .embedder import load_embedder
from .loop import Batch, run_recipe
from .options import common_arguments, config_from
from .parser import load_parser
from .people import draw, split_people
from .portraits import Portraits, read_portraits

# Of Zhao & Qi: pixels 1, style 250, total variation 0.1; the others so that each weighs about as much as the pixels.
WEIGHTS = {"pixel": 1.0, "style": 250.0, "variation": 0.1, "perceptual": 0.5, "identity": 0.1}
_ADVERSARIAL = 0.01
_CRITIC_FROM, _ADVERSARIAL_FROM = 0.6, 0.67  # share of the run before which a critic would only be in the way
_DISTILLATION = 0.2
_OCCLUSIONS = 2  # of each person in a batch
_PORTRAITS = 0.15  # share of real faces, where there are any
_OPPONENT_RATE = 1.0
_CHECKED = 96  # held-out samples
_TELEA_RADIUS = 3.0  # pixels, OpenCV's usual


class CompletionRecipe:
    """Batches of covered faces and figures of how well holes are filled, for whichever network."""

    def __init__(self, pictures: Pictures, size: int, occlusions: int, portraits: Portraits | None = None) -> None:
        if occlusions < 1:
            raise ValueError("At least one occlusion of each person is needed.")
        self.pictures, self.occlusions = pictures, occlusions
        self.sampler = CompletionSampler(pictures, size)
        self.portraits = None if portraits is None else PortraitSampler(portraits, self.sampler)
        bright = lit(pictures)
        self.train, self.held_out = (_those(people, bright) for people in split_people(pictures))

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Several occlusions of each of several people."""
        count = -(-size // self.occlusions)
        chosen = rng.choice(len(self.train), count, replace=count > len(self.train))
        samples = [sample for k in chosen for sample in self._of_one(self.train[k], rng)]
        return stacked(samples[:size])

    def _of_one(self, person: np.ndarray, rng: np.random.Generator) -> list[CompletionSample]:
        """Several occlusions of a synthetic person or, now and then, of somebody's portrait instead."""
        if self.portraits is not None and rng.random() < _PORTRAITS:
            index = int(rng.choice(self.portraits.train))
            return [self.portraits.varied(index, rng) for _ in range(self.occlusions)]
        return [self.sampler.varied(int(index), rng) for index in draw(person, self.occlusions, rng)]

    def shown(self, image: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """What the network is given of the pictures and their `as_pictures` labels."""
        return image

    def validate(self, net: nn.Module) -> dict[str, float]:
        """PSNR and SSIM inside the holes of held-out people, beside those of OpenCV's `inpaint` (Telea, 2004)."""
        indices = np.concatenate(self.held_out)
        scores = [self._scores(net, int(index)) for index in indices[:: max(len(indices) // _CHECKED, 1)]]
        names = ("psnr_db", "ssim", "telea_psnr_db", "telea_ssim")
        return {name: float(value) for name, value in zip(names, np.mean(scores, axis=0), strict=True)}

    def _scores(self, net: nn.Module, index: int) -> tuple[float, ...]:
        sample, device = self.sampler.exact(index), next(net.parameters()).device
        image, labels = tensors(stacked([sample]), device)
        out = net(self.shown(image, labels), labels["mask"], labels["landmarks"]).completed
        completed = (out[0].permute(1, 2, 0).cpu().numpy() * 255.0).round().astype(np.uint8)
        classical = cv2.inpaint(sample.image, sample.mask, _TELEA_RADIUS, cv2.INPAINT_TELEA)
        inside = sample.mask > 0
        return (*hole_scores(completed, sample.clean, inside), *hole_scores(classical, sample.clean, inside))

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        counts = {"people": len(self.train), "held_out_people": len(self.held_out), "occlusions": self.occlusions}
        pictures = self.pictures.describe() | counts
        if self.portraits is None:
            return {"data": pictures}
        return {
            "provenance": PORTRAITS_NOTICE,
            "data": [pictures, self.portraits.describe() | {"share": _PORTRAITS}],
        }


class AutoencoderRecipe(CompletionRecipe):
    """The thesis' baseline: nothing but the pixels of the occluded region."""

    name = "autoencoder"

    def __init__(
        self,
        pictures: Pictures,
        config: AutoencoderConfig | None = None,
        occlusions: int = 1,
        portraits: Portraits | None = None,
    ) -> None:
        self.config = config or AutoencoderConfig()
        super().__init__(pictures, self.config.size, occlusions, portraits)
        self.net: Autoencoder = build_autoencoder(self.config)

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Pixels in the hole."""
        labels = as_pictures(labels)
        out = self.net(image, labels["mask"], labels["landmarks"])
        return {"pixel": pixel_loss(out.painted, labels["clean"], labels["mask"])}

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        return super().provenance() | {"network": dataclasses.asdict(self.config)}


class CompleterRecipe(CompletionRecipe):
    """The landmark-guided generator against a critic, judged by frozen networks, perhaps taught by who saw the face."""

    name = "completer"
    opponent_rate = _OPPONENT_RATE

    def __init__(
        self,
        pictures: Pictures,
        judge: PerceptualJudge,
        config: CompleterConfig | None = None,
        occlusions: int = _OCCLUSIONS,
        teacher: Completer | None = None,
        portraits: Portraits | None = None,
    ) -> None:
        self.config = config or CompleterConfig()
        if teacher is not None and (not teacher.config.sees_behind or teacher.config.channels != self.config.channels):
            raise ValueError("A teacher must have seen the clean picture and be of the same sizes; train it --teacher.")
        super().__init__(pictures, self.config.size, occlusions, portraits)
        self.net: Completer = build_completer(self.config)
        self.critic, self.judge, self.teacher = PatchCritic(), judge, teacher

    @property
    def opponent(self) -> nn.Module:
        """The critic."""
        return self.critic

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """The generator's terms and, under "critic", the critic's."""
        labels = as_pictures(labels)
        clean, mask, landmarks = labels["clean"], labels["mask"], labels["landmarks"]
        out = self.net(self.shown(image, labels), mask, landmarks)
        terms = {
            "pixel": pixel_loss(out.painted, clean, mask),
            "variation": total_variation(out.completed, mask),
            **self.judge.to(image.device)(out.completed, torch.where(mask > 0.5, clean, image)),
        }
        terms = {name: WEIGHTS[name] * value for name, value in terms.items()}
        if progress >= _ADVERSARIAL_FROM:
            with _unmoved(self.critic):
                terms["adversarial"] = _ADVERSARIAL * adversarial_loss(self.critic(out.completed, mask), mask)
        if self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher.to(image.device)(clean, mask, landmarks).context
            terms["distillation"] = _DISTILLATION * distillation_loss(out.context, taught, mask)
        if progress >= _CRITIC_FROM:
            real, fake = self.critic(clean, mask), self.critic(out.completed.detach(), mask)
            terms["critic"] = critic_loss(real, fake, mask)
        return terms

    def shown(self, image: Tensor, labels: dict[str, Tensor]) -> Tensor:
        """A teacher sees the face as it is behind the cover."""
        return labels["clean"] if self.config.sees_behind else image

    def provenance(self) -> dict[str, object]:
        """Data, sizes and weights of the terms."""
        weights = WEIGHTS | {"adversarial": _ADVERSARIAL}
        if self.teacher is not None:
            weights |= {"distillation": _DISTILLATION}
        return super().provenance() | {"network": dataclasses.asdict(self.config), "loss_weights": weights}


def _those(people: list[np.ndarray], wanted: np.ndarray) -> list[np.ndarray]:
    """Each person's pictures that are `wanted`, (N,) bool; nobody without any."""
    chosen = (person[wanted[person]] for person in people)
    return [person for person in chosen if len(person)]


def stacked(samples: list[CompletionSample]) -> Batch:
    """(N, ...) arrays by the names of the sample's fields."""
    return {
        field.name: np.stack([getattr(sample, field.name) for sample in samples])
        for field in dataclasses.fields(CompletionSample)
    }


def as_pictures(labels: dict[str, Tensor]) -> dict[str, Tensor]:
    """The loop's labels with (N, 3, H, W) clean pictures in [0, 1] and (N, 1, H, W) float masks."""
    clean = labels["clean"].permute(0, 3, 1, 2).float() / 255.0
    return labels | {"clean": clean, "mask": labels["mask"][:, None].float()}


def tensors(batch: Batch, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch as a network takes it."""
    moved = {name: torch.from_numpy(array).to(device) for name, array in batch.items()}
    return moved.pop("image").permute(0, 3, 1, 2).float() / 255.0, as_pictures(moved)


def hole_scores(found: np.ndarray, clean: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """PSNR (dB) and SSIM of two (H, W, 3) uint8 pictures over an (H, W) bool hole."""
    error = np.square(found[inside].astype(float) - clean[inside]).mean()
    psnr = 10.0 * np.log10(255.0**2 / max(error, 1e-2))
    similarity = np.asarray(structural_similarity(found, clean, channel_axis=2, full=True)[1])
    return float(psnr), float(similarity[inside].mean())


@contextmanager
def _unmoved(net: nn.Module) -> Iterator[None]:
    """Gradients pass through `net` to its inputs but not to its weights."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)


def load_completer(run: Path) -> Completer:
    """The averaged generator of a training run, frozen."""
    if not (run / "card.json").exists():
        raise FileNotFoundError(f"{run} holds no finished generator; train one with `--teacher --out {run}`.")
    net = build_completer(CompleterConfig(**network_sizes(run)))
    load_averaged(net, run / CHECKPOINT)
    return net.eval().requires_grad_(False)


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("completer", "Train a network to paint the face behind what hides it.")
    parser.add_argument("--method", choices=("generator", "autoencoder"), default="generator")
    parser.add_argument("--judge", type=Path, default=Path("build/training/parser"), help="parser's run that judges")
    parser.add_argument("--embedder", type=Path, default=None, help="run that judges who it is, if any")
    parser.add_argument("--size", type=int, default=CompleterConfig.size, help="side of the crops, a multiple of 32")
    parser.add_argument("--fold", type=int, default=CompleterConfig.fold, help="side of the generator's cells, pixels")
    parser.add_argument("--coarser", type=Path, default=None, help="run with --fold 1 at a smaller size to go on from")
    parser.add_argument("--occlusions", type=int, default=_OCCLUSIONS, help="of each person in a batch")
    parser.add_argument("--portraits", type=Path, default=None, help="public-domain portraits, if any")
    device_arguments(parser)
    parser.add_argument("--channels", type=int, nargs=4, default=CompleterConfig.channels, help="of the generator")
    parser.add_argument("--teacher", action="store_true", help="train one who sees the face behind its cover")
    parser.add_argument("--distil", type=Path, default=None, help="run of the teacher")
    arguments = parser.parse_args()
    config = config_from(arguments, batch=8, rate=5e-4, half=True)
    torch.manual_seed(config.seed)
    recipe, feed = _recipe(arguments), None
    if arguments.device_data is not None:
        pictures = device_pictures(arguments, config.device, CompletionFeed.planes, recipe.pictures)
        portraits = None if arguments.portraits is None else device_portraits(arguments.portraits, config.device, True)
        feed = CompletionFeed(pictures, arguments.size, portraits, _PORTRAITS)
    run_recipe(recipe, config, arguments, feed)


def _recipe(arguments: argparse.Namespace) -> AutoencoderRecipe | CompleterRecipe:
    pictures = read_pictures(arguments.data)
    portraits = None if arguments.portraits is None else read_portraits(arguments.portraits)
    if arguments.method == "autoencoder":
        return AutoencoderRecipe(pictures, AutoencoderConfig(size=arguments.size), arguments.occlusions, portraits)
    teacher = load_completer(arguments.distil) if arguments.distil is not None else None
    sizes = CompleterConfig(
        size=arguments.size,
        fold=arguments.fold,
        channels=tuple(arguments.channels),
        sees_behind=arguments.teacher,
    )
    embedder = None if arguments.embedder is None else load_embedder(arguments.embedder)
    judge = PerceptualJudge(load_parser(arguments.judge), embedder)
    recipe = CompleterRecipe(pictures, judge, sizes, arguments.occlusions, teacher, portraits)
    if arguments.coarser is not None:
        recipe.net.load_coarser(load_completer(arguments.coarser).state_dict())
    return recipe


if __name__ == "__main__":
    main()
