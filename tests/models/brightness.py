"""A recipe small enough to be trained by several processes in a test: `python -m tests.models.brightness --out ...`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.training.loop import Batch, run_recipe
from models.training.options import TrainConfig, common_arguments

STEPS, BATCH = 8, 6


class BrightnessRecipe:
    """How bright and how red a picture of noise is. No batch normalisation: shares then add up exactly."""

    name = "brightness"

    def __init__(self) -> None:
        layers = (nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
        self.net = nn.Sequential(*layers)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Noise about a random colour."""
        color = rng.integers(40, 200, (size, 1, 1, 3))
        image = (color + rng.integers(0, 40, (size, 12, 12, 3))).astype(np.uint8)
        mean = image.mean(axis=(1, 2)) / 255.0
        return {"image": image, "truth": np.stack([mean.mean(axis=1), mean[:, 0]], axis=1).astype(np.float32)}

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Two terms, so that their order and their means are seen in the log."""
        wrong = (self.net(image) - labels["truth"]).square().mean(dim=0)
        return {"bright": wrong[0], "red": (1.0 + progress) * wrong[1]}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """The mean answer, of one fixed batch."""
        image = self.batch(np.random.default_rng(1), 4)["image"]
        return {"answer": float(net(torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255.0).mean())}

    def provenance(self) -> dict[str, object]:
        """For the card."""
        return {"data": "noise"}


def train(out: Path) -> dict[str, float]:
    """A few steps; under `torchrun`, of all its processes together."""
    torch.manual_seed(0)
    arguments: argparse.Namespace = common_arguments("brightness", "A test.").parse_args(["--out", str(out)])
    config = TrainConfig(steps=STEPS, batch=BATCH, seed=5, rate=1e-2, device="cpu")
    return run_recipe(BrightnessRecipe(), config, arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    train(parser.parse_args().out)
