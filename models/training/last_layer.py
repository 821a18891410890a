"""Light and pose of a trained regressor, solved anew: `python -m models.training.last_layer --run RUN --out SOLVED`.

What a face is lit by and where it looks is a nearly linear function of a regressor's last features. Where these two are
off, and their labels alone were at fault, the rows of the last layer are found by ridge regression on fresh crops in a
minute; shape, expression and albedo stay as they were learnt.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry.face_model import load_face_model
from core.types import LAYOUT
from models.networks.coefficients import CoefficientNetwork

from .cards import network_sizes
from .checkpoints import CHECKPOINT
from .data import read_pictures
from .regressor import NETWORKS, RegressorRecipe, load_regressor

LOG = logging.getLogger(__name__)
_SOLVED = slice(LAYOUT["light"].start, LAYOUT["pose"].stop)
_SCALE_INDEX = LAYOUT["pose"].start + 3  # f, of which the network answers the logarithm
_RIDGE = 1e-2  # of the features' mean square
_CHUNK = 64
_CARD = "card.json"


def solved(features: np.ndarray, wanted: np.ndarray, ridge: float = _RIDGE) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, F) and biases (K,) with which (N, F) features give (N, K) `wanted` values best."""
    middle, goal = features.mean(axis=0), wanted.mean(axis=0)
    spread = features - middle
    square = spread.T @ spread / len(spread)
    square[np.diag_indices(len(square))] += ridge * np.trace(square) / len(square)
    weights = np.linalg.solve(square, spread.T @ (wanted - goal) / len(spread)).T
    return weights, goal - weights @ middle


@torch.no_grad()
def solve_rest(net: CoefficientNetwork, recipe: RegressorRecipe, count: int, seed: int) -> dict[str, float]:
    """Set the rows of light and pose by `count` varied crops; mean errors in degrees on as many fresh ones, before and
    after."""
    layer, first = net.rest_layer
    before = _degrees(net, recipe, count, seed + 1)
    features, labels = _seen(net, layer, recipe, count, seed)
    wanted = labels[:, _SOLVED].copy()
    wanted[:, _SCALE_INDEX - _SOLVED.start] = np.log(wanted[:, _SCALE_INDEX - _SOLVED.start])
    wanted = (wanted - net.offset[_SOLVED].numpy()) / net.scale[_SOLVED].numpy()
    weights, bias = solved(features.astype(np.float64), wanted.astype(np.float64))
    rows = slice(first, first + len(bias))
    layer.weight[rows] = torch.from_numpy(weights).float()
    layer.bias[rows] = torch.from_numpy(bias).float()
    after = _degrees(net, recipe, count, seed + 1)
    return {
        f"{name}_degrees_{when}": value
        for when, part in (("before", before), ("after", after))
        for name, value in part.items()
    }


def _seen(
    net: CoefficientNetwork, layer: nn.Linear, recipe: RegressorRecipe, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(N, F) inputs of `layer` on N varied crops, and their (N, 239) labels."""
    features: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    labels = [labels for _, labels in _answers(net, recipe, count, seed)]
    hook.remove()
    return torch.cat(features).numpy(), np.concatenate(labels)


def _answers(net: CoefficientNetwork, recipe: RegressorRecipe, count: int, seed: int):
    """Answers and labels, chunk by chunk."""
    for chunk in range(0, count, _CHUNK):
        batch = recipe.batch(np.random.default_rng((seed, chunk)), _CHUNK)
        yield net(torch.from_numpy(batch["image"]).permute(0, 3, 1, 2).float() / 255.0), batch["coefficients"]


def _degrees(net: CoefficientNetwork, recipe: RegressorRecipe, count: int, seed: int) -> dict[str, float]:
    wrong = [
        (found.numpy() - labels)[:, LAYOUT["pose"]][:, :3] for found, labels in _answers(net, recipe, count // 4, seed)
    ]
    degrees = np.degrees(np.abs(np.concatenate(wrong)).mean(axis=0))
    return {name: round(float(value), 3) for name, value in zip(("pitch", "yaw", "roll"), degrees, strict=True)}


def save_solved(run: Path, out: Path, net: CoefficientNetwork, note: dict[str, object]) -> None:
    """Write a run whose averaged network is `net`, and say so in its card."""
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"average": {f"module.{name}": value for name, value in net.state_dict().items()}}, out / CHECKPOINT)
    card = json.loads((run / _CARD).read_text())
    card["last_layer"] = note
    (out / _CARD).write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Solve light and pose of a trained regressor anew.")
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training run")
    parser.add_argument("--data", type=Path, default=Path("build/synthetic"))
    parser.add_argument("--count", type=int, default=6400, help="crops to solve on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder of the solved run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pictures, net = read_pictures(arguments.data), load_regressor(arguments.run)
    name = json.loads((arguments.run / _CARD).read_text())["name"]
    recipe = RegressorRecipe(pictures, load_face_model(), NETWORKS[name][0](**network_sizes(arguments.run)), name)
    figures = solve_rest(net, recipe, arguments.count, arguments.seed)
    note = {"solved": "light and pose", "crops": arguments.count, "ridge": _RIDGE, **pictures.describe(), **figures}
    save_solved(arguments.run, arguments.out, net, note)
    LOG.info("%s", figures)


if __name__ == "__main__":
    main()
