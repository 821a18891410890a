"""Recipe of the coarse completer: `python -m models.training.completer_coarse --data build/faces`.

Seen from afar a hole is a matter of light, skin and where features lie. A network of few pixels learns from more than
200 crops a second on two cores, if nobody has to cut them meanwhile: they are cut beforehand.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry.mirroring import mirrored_fractions
from models.networks.completer import (
    CoarseCompleter,
    CompleterConfig,
    build_coarse_completer,
    halvings,
    pooled,
    smoothly_filled,
)

from .bank import Sources, bank_arguments, checked_count, cut
from .completer import CompletionRecipe, stacked, tensors
from .loop import Batch, run_recipe
from .options import config_from

SIZES = CompleterConfig(size=64, fold=2, channels=(32, 64, 128, 160), dilations=(1, 1, 1))
_CROP = 128  # side of the crops that are cut for it, pixels: fine enough for cells without aliasing
_SMOOTHEST = 1e-4  # mean square below which an error hardly matters
_PART = 500  # samples cut at a time
_CHECKED = 192  # held-out samples


class CoarseRecipe:
    """The error that a hole's PSNR knows, each hole alike, on crops that were cut before."""

    name = "completer_coarse"

    def __init__(self, sources: Sources, samples: int, seed: int, config: CompleterConfig = SIZES) -> None:
        """Cut so many `samples`, of which batches are drawn."""
        self.config, self.samples = config, checked_count(samples)
        self.net: CoarseCompleter = build_coarse_completer(config)
        self.crops = _recipe_of(sources)
        self._bank = cut(samples, _PART, seed, _cut, _open, sources, config.size)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Samples of the bank, half of them mirrored."""
        rows, flip = rng.integers(0, self.samples, size), rng.random(size) < 0.5
        out = {name: values[rows] for name, values in self._bank.items()}
        for name in ("image", "clean", "mask"):
            out[name] = np.where(_along(flip, out[name]), out[name][:, :, ::-1], out[name])
        mirrored = mirrored_fractions(out["landmarks"])
        return out | {"landmarks": np.where(_along(flip, mirrored), mirrored, out["landmarks"])}

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Root of the mean square in the hole."""
        del progress
        clean = labels["clean"].permute(0, 3, 1, 2).float() / 255.0
        mask = labels["mask"][:, None].float() / 255.0
        painted = self.net(image, mask, labels["landmarks"])
        return {"cells": (hole_square(painted.float(), clean, mask) + _SMOOTHEST).sqrt().mean()}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """PSNR of the cells in the holes of held-out people, beside that of a smooth fill."""
        indices = np.concatenate(self.crops.held_out)
        chosen = indices[:: max(len(indices) // _CHECKED, 1)]
        batch = stacked([self.crops.sampler.exact(int(index)) for index in chosen])
        image, labels = tensors(batch, next(net.parameters()).device)
        smooth = pooled(smoothly_filled(image, labels["mask"], halvings(_CROP)), _CROP // self.config.size)
        painted = net(image, labels["mask"], labels["landmarks"])
        return {
            name: float(-10.0 * hole_square(one, labels["clean"], labels["mask"]).clamp_min(1e-6).log10().mean())
            for name, one in (("psnr_db", painted), ("smooth_psnr_db", smooth))
        }

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        return self.crops.provenance() | {"samples": self.samples, "network": dataclasses.asdict(self.config)}


def hole_square(painted: Tensor, clean: Tensor, mask: Tensor) -> Tensor:
    """(N,) mean square error of (N, 3, s, s) cells against (N, 3, S, S) clean pictures in the (N, 1, S, S) hole."""
    cell = clean.shape[2] // painted.shape[2]
    share = pooled(mask, cell)
    wrong = (painted - pooled(clean, cell)).square().mean(dim=1, keepdim=True) * share
    return wrong.sum((1, 2, 3)) / share.sum((1, 2, 3)).clamp_min(1e-3)


def _along(flip: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N,) as (N, 1, ...) beside the values."""
    return flip.reshape(-1, *[1] * (values.ndim - 1))


_recipe: CompletionRecipe  # of a process that cuts
_size: int


def _open(sources: Sources, size: int) -> None:
    global _recipe, _size
    _recipe, _size = _recipe_of(sources), size


def _cut(rng: np.random.Generator, count: int) -> Batch:
    """(count, ...) arrays: "image" with its hole smoothly filled and "clean", "mask" in 1 / 255, "landmarks"."""
    batch = _recipe.batch(rng, count)
    image, labels = tensors(batch, torch.device("cpu"))
    smooth = smoothly_filled(image, labels["mask"], halvings(_CROP))
    cell = _CROP // _size
    image, clean, mask = (_bytes(pooled(one, cell)) for one in (smooth, labels["clean"], labels["mask"]))
    return {"image": image, "clean": clean, "mask": mask[..., 0], "landmarks": batch["landmarks"]}


def _recipe_of(sources: Sources) -> CompletionRecipe:
    """Cuts crops."""
    pictures, portraits = sources.open()
    return CompletionRecipe(pictures, _CROP, 1, portraits)


def _bytes(image: Tensor) -> np.ndarray:
    """(N, C, h, w) in [0, 1] as (N, h, w, C) uint8."""
    return (image.permute(0, 2, 3, 1) * 255.0).round().to(torch.uint8).numpy()


def main() -> None:
    """Train from the command line."""
    described = "Train the network that gives holes their colours."
    arguments = bank_arguments("completer_coarse", described, samples=150_000).parse_args()
    config = config_from(arguments, batch=64, rate=1e-3, half=True)
    torch.manual_seed(config.seed)
    run_recipe(CoarseRecipe(Sources.of(arguments), arguments.samples, config.seed), config, arguments)


if __name__ == "__main__":
    main()
