"""Regressors beside each other: `python -m models.training.compare_regressors RUN ... --data SET --card CARD.json`.

Runs that differ in one thing, on pictures that none of them has learnt from, each person bare and as photographed. The
figures go into a card as its "ablation".
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.geometry.face_model import FaceModel, load_face_model
from core.types import LAYOUT
from models.evaluation.shape_metrics import SLIDERS
from models.networks.coefficients import CoefficientNetwork

from .data import Pictures, read_pictures
from .losses import CoefficientLoss
from .regressor import RegressorRecipe, load_regressor

LOG = logging.getLogger(__name__)
_VIEWS = {"bare": True, "as photographed": False}


def figures(criterion: CoefficientLoss, wrong: Tensor, sliders: list[int]) -> dict[str, float]:
    """Mean errors of (N, 239) differences: shape beside size and place, expression, colour, light, pose."""
    shape = criterion.moved(wrong, "identity")
    degrees = torch.rad2deg(wrong[:, LAYOUT["pose"]][:, :3]).abs().mean(dim=0)
    out = {
        "shape_mm": 1000.0 * criterion.shape_distance.beside_place(shape).norm(dim=-1).mean(),
        "identity_mm": 1000.0 * shape.norm(dim=-1).mean(),
        "expression_mm": 1000.0 * criterion.moved(wrong, "expression").norm(dim=-1).mean(),
        "seven_sliders": wrong[:, LAYOUT["expression"]][:, sliders].abs().mean(),
        "albedo": (wrong[:, LAYOUT["albedo"]] @ criterion.albedo).abs().mean(),
        "light": (wrong[:, LAYOUT["light"]] @ criterion.light_basis.T).abs().mean(),
        **dict(zip(("pitch_degrees", "yaw_degrees", "roll_degrees"), degrees, strict=True)),
    }
    return {name: round(float(value), 4) for name, value in out.items()}


@torch.no_grad()
def compare(runs: dict[str, CoefficientNetwork], pictures: Pictures, model: FaceModel) -> dict[str, dict[str, object]]:
    """Figures by run, or "mean" for what a network that knows nothing would have, and by `_VIEWS`."""
    recipe, everyone = RegressorRecipe(pictures, model), np.arange(len(pictures))
    truth = recipe.labels(everyone)
    sliders = [model.expression_names.index(name) for name in SLIDERS]
    idle = truth.mean(dim=0, keepdim=True) - truth
    for name in ("identity", "expression"):
        idle[:, LAYOUT[name]] = -truth[:, LAYOUT[name]]
    out: dict[str, dict[str, object]] = {"mean": dict(figures(recipe.criterion, idle, sliders))}
    for view, clean in _VIEWS.items():
        for name, net in runs.items():
            found = torch.cat([net(image) for image in recipe.crops(everyone, "cpu", clean)])
            out.setdefault(name, {})[view] = figures(recipe.criterion, found - truth, sliders)
    return out


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Compare trained regressors on pictures that they have not seen.")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--data", type=Path, required=True, help="folder of picture shards of a seed of their own")
    parser.add_argument("--card", type=Path, help="card that the figures are written into")
    arguments = parser.parse_args()
    pictures = read_pictures(arguments.data)
    found = compare({run.name: load_regressor(run) for run in arguments.runs}, pictures, load_face_model())
    for name, values in found.items():
        LOG.info("%s: %s", name, values)
    if arguments.card is not None:
        card = json.loads(arguments.card.read_text())
        card["ablation"] = {"data": pictures.describe(), "figures": found}
        arguments.card.write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
