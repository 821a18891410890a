"""The training loop: deterministic batches by step, AdamW with a one-cycle rate, weight averaging, resume, log."""

from __future__ import annotations

import argparse
import dataclasses
import gc
import itertools
import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .cards import earlier_card, write_card
from .checkpoints import CHECKPOINT, load_shared
from .feed import Feed
from .opposition import GRADIENT, Opposed, Opposition
from .options import TrainConfig
from .ranks import Ranks

LOG = logging.getLogger(__name__)
Batch = dict[str, np.ndarray]


class Recipe(Protocol):
    """What a network brings along to be trained."""

    name: str

    @property
    def net(self) -> nn.Module:
        """The network in training."""
        ...

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """A batch of `size` samples, images as (N, H, W, 3) uint8 RGB under "image"."""
        ...

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """The terms whose sum is minimised, for (N, 3, H, W) images in [0, 1]; progress runs from 0 to 1."""
        ...

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Figures on held-out synthetic pictures."""
        ...

    def provenance(self) -> dict[str, object]:
        """What the card says of data and configuration."""
        ...


def batches(recipe: Recipe, config: TrainConfig, first: int, ranks: Ranks = Ranks()) -> Iterator[Batch]:
    """This process' shares of the batches from step `first` on, prepared ahead in threads.

    Batch k depends on (seed, k) alone.
    """

    def prepare(step: int) -> Batch:
        return ranks.share(recipe.batch(np.random.default_rng((config.seed, step)), config.batch))

    with ThreadPoolExecutor(config.workers) as pool:
        ahead: deque[Future[Batch]] = deque()
        step = first
        try:
            while True:
                while len(ahead) < 2 + config.workers:
                    ahead.append(pool.submit(prepare, step))
                    step += 1
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def to_device(batch: Batch, device: str) -> tuple[Tensor, dict[str, Tensor]]:
    """(N, 3, H, W) float images in [0, 1], channels last, and the labels."""
    image = torch.from_numpy(batch["image"]).to(device, non_blocking=True)
    image = image.permute(0, 3, 1, 2).float().div_(255.0)  # permute keeps the memory channels-last
    labels = {
        key: torch.from_numpy(value).to(device, non_blocking=True) for key, value in batch.items() if key != "image"
    }
    return image, labels


class Run:
    """One training run and its state."""

    def __init__(self, recipe: Recipe, config: TrainConfig, out: Path, feed: Feed | None = None) -> None:
        """`feed` makes the batches on the device; without one the recipe makes them."""
        cv2.setNumThreads(1)
        torch.manual_seed(config.seed)
        self.recipe, self.config, self.out, self.feed = recipe, config, out, feed
        self.ranks = Ranks.join(config.device)
        torch.backends.cudnn.benchmark = True  # sizes stay the same all through a run
        torch.set_float32_matmul_precision("high")
        self.ranks.check_batch(config.batch)
        self.net = recipe.net.to(torch.device(config.device)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.net = self.ranks.synchronised(self.net)
        self.average = AveragedModel(self.net, multi_avg_fn=_moving_average(config.average), use_buffers=True)
        if config.compile:
            torch._dynamo.config.suppress_errors = True  # a compiler that fails costs speed, not the run
            self.net.compile(dynamic=False)  # the sizes are few, and symbolic ones take minutes to compile
        self.optimiser = torch.optim.AdamW(_groups(self.net, config.weight_decay), lr=config.rate, fused=True)
        self.opposition = Opposition.of(recipe, config) if isinstance(recipe, Opposed) else None
        nets = (self.net,) if self.opposition is None else (self.net, self.opposition.net)
        self._loss = self.ranks.parallel(recipe.loss, nets)
        self.step, self.elapsed = 0, 0.0
        self.started_from: dict[str, object] | None = None  # card of the run whose weights this one began with
        out.mkdir(parents=True, exist_ok=True)

    def progress(self) -> float:
        """Share of the run that is done."""
        if self.config.steps is not None:
            return min(self.step / self.config.steps, 1.0)
        return min(self.elapsed / (self.config.minutes * 60.0), 1.0)

    def train(self) -> dict[str, float]:
        """Train to the end; returns the averaged network's figures on held-out pictures, in the first process."""
        clock, checked, seen = time.perf_counter(), self.elapsed, 0
        window = time.perf_counter()
        for image, labels in self._batches():
            if self.progress() >= 1.0:
                break
            terms = self._one_step(image, labels)
            now = time.perf_counter()
            self.elapsed, clock = self.ranks.told(self.elapsed + now - clock), now
            seen += len(image) * self.ranks.count
            if self.step % 20 == 0 or self.config.steps is not None:
                self._log(loss=sum(terms.values()), **terms, rate=self._rate(), images_per_s=seen / (now - window))
                window, seen = now, 0
            if self.ranks.leads and self.elapsed - checked > self.config.validate_minutes * 60.0:
                self._log(**self._validate())
                self.save()
                checked = self.elapsed
                clock = window = time.perf_counter()  # checking does not eat training time
                seen = 0
        if not self.ranks.leads:
            return {}
        figures = self._validate()
        self._log(**figures)
        self.save()
        card = self.out / "card.json"
        # the pictures that were learnt from where these are not the recipe's own, which then only validate
        fed: dict[str, object] = {} if self.feed is None else {"data_on_device": self.feed.describe()}
        training = {**dataclasses.asdict(self.config), "steps": self.step, "seconds": round(self.elapsed)}
        write_card(card, self.recipe, training, figures, self.started_from, fed)
        return figures

    def _batches(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Batches on the device, from the present step on."""
        if self.feed is None:
            for batch in batches(self.recipe, self.config, self.step, self.ranks):
                yield to_device(batch, self.config.device)
        else:
            for step in itertools.count(self.step):
                image, labels = self.feed.draw(self.config.seed, step, self.config.batch)
                labels = self.ranks.share(labels | {"image": image})
                yield labels.pop("image"), labels

    def _one_step(self, image: Tensor, labels: dict[str, Tensor]) -> dict[str, float]:
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        autocast = torch.autocast(self.config.device, torch.bfloat16) if self.config.half else nullcontext()
        with autocast:
            terms = self._loss(image, labels, self.progress())
        total = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        if self.opposition is not None:
            self.opposition.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT)
        if torch.isfinite(norm):  # one bad batch must not spoil the weights
            self.optimiser.step()
            self.average.update_parameters(self.net)
            if self.opposition is not None:
                self.opposition.step(self._rate())
        else:
            LOG.warning("step %d skipped: its gradient is not finite", self.step)
        self.step += 1
        values = torch.stack([value.detach().float() for value in terms.values()]).tolist()  # asks the device once
        return self.ranks.mean(dict(zip(terms, values, strict=True)))

    def _rate(self) -> float:
        done, warmup = self.progress(), self.config.warmup
        if done < warmup:
            return self.config.rate * (0.05 + 0.95 * done / warmup)
        return self.config.rate * (0.005 + 0.995 * 0.5 * (1.0 + math.cos(math.pi * (done - warmup) / (1 - warmup))))

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.average.eval()
        return {f"validation_{key}": value for key, value in self.recipe.validate(self.average.module).items()}

    def _log(self, **row: float) -> None:
        if not self.ranks.leads:
            return
        row = {"step": self.step, "elapsed": round(self.elapsed, 2), **row}
        LOG.info("%s", "  ".join(f"{key} {value:.5g}" for key, value in row.items()))
        with open(self.out / "log.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed": self.elapsed,
        }
        if self.opposition is not None:
            state["opponent"] = self.opposition.net.state_dict()
            state["opponent_optimiser"] = self.opposition.optimiser.state_dict()
        torch.save(state, self.out / f"{CHECKPOINT}.part")
        (self.out / f"{CHECKPOINT}.part").replace(self.out / CHECKPOINT)

    def resume(self) -> None:
        """Go on from the checkpoint."""
        state = torch.load(self.out / CHECKPOINT, map_location=self.config.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.opposition is not None:
            self.opposition.net.load_state_dict(state["opponent"])
            self.opposition.optimiser.load_state_dict(state["opponent_optimiser"])
        self.step, self.elapsed = state["step"], state["elapsed"]


def run_recipe(
    recipe: Recipe, config: TrainConfig, arguments: argparse.Namespace, feed: Feed | None = None
) -> dict[str, float]:
    """Train as the command line says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.start is not None:
        load_shared(recipe.net, arguments.start)
    run = Run(recipe, config, arguments.out, feed)
    if arguments.start is not None:
        run.started_from = earlier_card(arguments.start)
    if arguments.resume:
        run.resume()
    figures, ranks = run.train(), run.ranks
    del run  # it holds the group by the averaged gradients, whose threads must end before the interpreter does
    gc.collect()
    ranks.leave()
    return figures


def _moving_average(decay: float) -> Callable[..., None]:
    """Exponential average that follows quickly at first, so that short runs are not averaged with their start."""

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        seen = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + seen) / (10 + seen)))(averaged, current, count)

    return update


def _groups(net: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay matrices and kernels, not biases and normalisation."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
