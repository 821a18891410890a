"""How long and how a network is trained, and the command line that says so."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class TrainConfig:
    """How long and how. With `steps` a run is a function of its seed; with `minutes` the clock sets the rate."""

    minutes: float = 25.0
    steps: int | None = None
    seed: int = 0
    batch: int = 128
    rate: float = 2e-3  # peak of the one-cycle schedule
    weight_decay: float = 0.02
    average: float = 0.998  # per step, of the exponential moving average
    warmup: float = 0.03  # share of the run
    validate_minutes: float = 4.0
    workers: int = 1  # threads that prepare batches
    half: bool = False  # bfloat16 autocast
    compile: bool = False  # torch.compile of the network in training; pays in runs of more than ten minutes
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def common_arguments(name: str, description: str, data: bool = True) -> argparse.ArgumentParser:
    """The command line shared by all recipes; `data` adds the one folder of pictures that most of them read."""
    parser = argparse.ArgumentParser(description=description)
    if data:
        parser.add_argument("--data", type=Path, default=Path("build/synthetic"), help="folder of picture shards")
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--steps", type=int, default=None, help="a fixed number of steps instead of minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument(
        "--compile", action="store_true", default=None, help="fuse layers: two minutes, then a third faster"
    )
    parser.add_argument(
        "--half", action=argparse.BooleanOptionalAction, default=None, help="compute in bfloat16: pays in wide layers"
    )
    parser.add_argument("--out", type=Path, default=Path("build/training") / name)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--start", type=Path, default=None, help="checkpoint whose averaged weights to start from, where layers agree"
    )
    return parser


def config_from(arguments: argparse.Namespace, **defaults: object) -> TrainConfig:
    """The run's configuration: the recipe's defaults, overridden by the command line."""
    given = {key: getattr(arguments, key) for key in ("minutes", "steps", "seed", "batch", "rate", "compile", "half")}
    return TrainConfig(**{**defaults, **{key: value for key, value in given.items() if value is not None}})
