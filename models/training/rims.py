"""Recipe of the rim finder: `python -m models.training.rims --data build/faces`.

What rims hide is known exactly: rendered people with glasses have twins without. Strips are cut and recoloured
beforehand, so that training waits for nobody.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from core.runtime.specs import FACE_SIZE
from models.networks.rims import RimFinder, RimsConfig, build_rims

from . import augment
from .bank import Sources, bank_arguments, checked_count, cut
from .cards import PORTRAITS_NOTICE
from .completion_portraits import PortraitSampler
from .completion_samples import CompletionSampler
from .loop import Batch, run_recipe
from .options import config_from
from .people import split_people
from .rim_samples import RimSample, RimSampler, wearers
from .sources import tinted

STRENGTH = augment.Strength(color=0.85, grey=0.25, blur=0.12, coarse=0.25, noise=0.25, jpeg=0.2, shade=0.3)
_SHARPER = 0.3  # share of the strips that are sharpened: photos of large faces are finer than what is rendered
_PORTRAITS, _BARE_PORTRAITS, _BARE = 0.3, 0.05, 0.08  # shares of the strips
_CROSS = 4.0  # weight of the cross entropy beside the overlap
_FEW = 30.0  # pixels: rims of fewer hardly count as missed
_PART = 100  # samples cut at a time
_CHECKED = 200  # held-out samples


class RimsRecipe:
    """Cross entropy and overlap (Dice) of what is found with what hides the face."""

    name = "rims"

    def __init__(self, sources: Sources, samples: int, seed: int, config: RimsConfig | None = None) -> None:
        """Cut so many `samples`, of which batches are drawn."""
        self.config, self.samples = config or RimsConfig(), checked_count(samples)
        self.net: RimFinder = build_rims(self.config)
        self.sampler = _sampler_of(sources)
        self.pictures = self.sampler.pictures
        worn = wearers(self.pictures)
        train, held_out = (np.concatenate(people) for people in split_people(self.pictures))
        self.train, self.held_out, self.bare = train[worn[train]], held_out[worn[held_out]], train[~worn[train]]
        if not len(self.train) or not len(self.held_out):
            raise ValueError("Too few people wear clear glasses; render more pictures.")
        self._bank = cut(samples, _PART, seed, _cut, _open, sources, self.train, self.bare)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Strips of the bank, half of them mirrored."""
        rows, steps = rng.integers(0, self.samples, size), rng.choice((-1, 1), size)
        return {
            name: np.stack([values[row][:, ::step] for row, step in zip(rows, steps, strict=True)])
            for name, values in self._bank.items()
        }

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Per pixel, and per strip."""
        del progress
        true, found = labels["rims"][:, None].float() / 255.0, self.net(image).float()
        cross = nn.functional.binary_cross_entropy_with_logits(found, true)
        share = found.sigmoid()
        both, either = (share * true).sum((1, 2, 3)), share.sum((1, 2, 3)) + true.sum((1, 2, 3))
        return {"cross": _CROSS * cross, "dice": (1.0 - (2.0 * both + _FEW) / (either + _FEW)).mean()}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Precision, recall and F1 of the pixels of held-out people, all counted together."""
        chosen = self.held_out[:: max(len(self.held_out) // _CHECKED, 1)]
        samples = [self.sampler.exact(int(index)) for index in chosen]
        device, right, found, true = next(net.parameters()).device, 0, 0, 0
        for sample in samples:
            image = torch.from_numpy(sample.image).to(device).permute(2, 0, 1)[None].float() / 255.0
            seen, rims = net(image)[0, 0].cpu().numpy() > 0.0, sample.rims > 127
            right, found, true = right + int((seen & rims).sum()), found + int(seen.sum()), true + int(rims.sum())
        return {
            "precision": right / max(found, 1),
            "recall": right / max(true, 1),
            "f1": 2.0 * right / max(found + true, 1),
        }

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        counts = {"wearers": len(self.train), "held_out_wearers": len(self.held_out)}
        data: list[dict[str, object]] = [self.pictures.describe() | counts]
        out: dict[str, object] = {"samples": self.samples, "network": dataclasses.asdict(self.config)}
        if self.sampler.portraits is not None:
            data.append(self.sampler.portraits.describe() | {"share": _PORTRAITS, "bare": _BARE_PORTRAITS})
            out["provenance"] = PORTRAITS_NOTICE
        return out | {"data": data}


def _changed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(h, w, 3) uint8 strip as another camera would have taken it."""
    if rng.random() < _SHARPER:
        smooth = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.8, 1.8)))
        more = float(rng.uniform(0.5, 2.0))
        image = cv2.addWeighted(image, 1.0 + more, smooth, -more, 0.0)
    return augment.photometric(image, rng, STRENGTH)


_sampler: RimSampler  # of a process that cuts
_worn: np.ndarray
_bare: np.ndarray


def _open(sources: Sources, worn: np.ndarray, bare: np.ndarray) -> None:
    global _sampler, _worn, _bare
    _sampler, _worn, _bare = _sampler_of(sources), worn, bare


def _cut(rng: np.random.Generator, count: int) -> Batch:
    """(count, h, w, 3) "image" and (count, h, w) "rims"."""
    images, rims = zip(*(_one(rng) for _ in range(count)), strict=True)
    return {"image": np.stack(images), "rims": np.stack(rims)}


def _sampler_of(sources: Sources) -> RimSampler:
    pictures, portraits = sources.open()
    if portraits is None:
        return RimSampler(pictures, None)
    return RimSampler(pictures, PortraitSampler(portraits, CompletionSampler(pictures, FACE_SIZE)))


def _one(rng: np.random.Generator) -> RimSample:
    kind = rng.random()
    if _sampler.portraits is not None and kind < _PORTRAITS + _BARE_PORTRAITS:
        sample = _sampler.portrait(int(rng.choice(_sampler.portraits.train)), rng, bare=kind >= _PORTRAITS)
        sample = RimSample(tinted(sample.image[..., 0], rng), sample.rims)
    else:
        chosen = _bare if kind > 1.0 - _BARE and len(_bare) else _worn
        sample = _sampler.varied(int(rng.choice(chosen)), rng)
    return RimSample(_changed(sample.image, rng), sample.rims)


def main() -> None:
    """Train from the command line."""
    described = "Train the network that finds the rims of clear glasses."
    arguments = bank_arguments("rims", described, samples=20_000).parse_args()
    config = config_from(arguments, batch=48, rate=2e-3, half=True)
    torch.manual_seed(config.seed)
    run_recipe(RimsRecipe(Sources.of(arguments), arguments.samples, config.seed), config, arguments)


if __name__ == "__main__":
    main()
