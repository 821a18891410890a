"""Second looks of the landmarker in closed form: `python -m models.training.descents --start CHECKPOINT --out RUN`.

Gradient descent does not find them: what a displaced point sees differs from what it should see far less than one
face differs from another, and in such ill-conditioned directions a first-order method hardly moves. Ridge regression
takes them all alike. The trained trunk stays as it is; first the layer that reads points off its features is solved
for, then one look after the other on what the looks before it left over (Xiong & De la Torre, 2013), and last the
standard deviations follow the smaller errors.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from core.geometry.face_model import load_face_model
from core.types import LANDMARKS
from models.networks.landmarker import Landmarker, LandmarkerConfig
from models.networks.refinement import Descent

from .cards import earlier_card, write_card
from .checkpoints import CHECKPOINT, load_averaged, load_shared
from .landmarker import LandmarkerRecipe, add_sources, read_sources

LOG = logging.getLogger(__name__)
REACHES = (0.05, 0.04, 0.03)  # crop fractions
_FARTHEST = 0.05  # crop fractions that one look is asked to move a point by
_SURE = 0.012  # crop fractions: crops that err by more say less
_RIDGE = 0.02  # of the mean variance of a descriptor's entry
_READOUT_RIDGE = 1e-3
_PART = 256  # crops at a time
_INNER = slice(17, LANDMARKS)


@dataclass(frozen=True, eq=False)
class Crops:
    """Face crops with their points."""

    images: Tensor  # (N, S, S, 3) uint8
    points: Tensor  # (N, P, 2) crop fractions
    known: Tensor  # (N, P) 1 where there is a label, else 0

    def parts(self) -> Iterator[tuple[slice, Tensor]]:
        """Rows and their (n, 3, S, S) images in [0, 1]."""
        for first in range(0, len(self.images), _PART):
            rows = slice(first, first + _PART)
            yield rows, self.images[rows].permute(0, 3, 1, 2).float().div_(255.0)


def draw(recipe: LandmarkerRecipe, count: int, seed: int) -> Crops:
    """Crops varied as in the training of the trunk."""
    batches = [recipe.batch(np.random.default_rng((seed, k)), _PART) for k in range(-(-count // _PART))]
    images, points, known = (np.concatenate([b[key] for b in batches])[:count] for key in ("image", "points", "known"))
    return Crops(torch.from_numpy(images), torch.from_numpy(points).float(), torch.from_numpy(known).float())


class Moments:
    """Weighted second moments of features and targets, added up part by part."""

    def __init__(self, features: int, targets: int, device: str) -> None:
        self.square = torch.zeros(features + 1, features + 1, device=device)
        self.cross = torch.zeros(features + 1, targets, device=device)

    def add(self, features: Tensor, targets: Tensor, weights: Tensor) -> None:
        """(n, F) features, (n, T) targets, (n,) weights."""
        features = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
        weighted = (features * weights[:, None]).T
        self.square.addmm_(weighted, features)
        self.cross.addmm_(weighted, targets)

    def __add__(self, other: Moments) -> Moments:
        out = Moments(len(self.square) - 1, self.cross.shape[1], str(self.square.device))
        out.square, out.cross = self.square + other.square, self.cross + other.cross
        return out

    def solve(self, ridge: float) -> Tensor:
        """(F + 1, T) weights, the constant in the last row and not held back."""
        hold = torch.full_like(self.square[0], ridge * float(self.square.diagonal()[:-1].mean()))
        hold[-1] = 0.0
        return torch.linalg.solve(self.square + hold.diag(), self.cross)

    def mean(self) -> Tensor:
        """(F,) weighted mean of the features."""
        return self.square[-1, :-1] / self.square[-1, -1]

    def covariance(self) -> Tensor:
        """(F, F) weighted covariance of the features."""
        mean = self.mean()
        return self.square[:-1, :-1] / self.square[-1, -1] - torch.outer(mean, mean)


@torch.no_grad()
def solve_readout(net: Landmarker, crops: Crops, device: str) -> Tensor:
    """Solve for the layer that reads points off the trunk's features; returns the (N, P, 2) points that it reads."""
    hidden = torch.cat([net.hidden(image.to(device)) for _, image in crops.parts()])
    wanted, known = crops.points.flatten(1).to(device), crops.known.repeat_interleave(2, dim=1).to(device) > 0
    whole, partial = (Moments(hidden.shape[1], wanted.shape[1], device) for _ in ("all points known", "the 68 alone"))
    every = known.all(-1)
    whole.add(hidden[every], wanted[every], torch.ones_like(wanted[every, 0]))
    solved = whole.solve(_READOUT_RIDGE)
    if not every.all():  # what is not known is taken to be what the others say
        others = hidden[~every]
        guess = others @ solved[:-1] + solved[-1]
        partial.add(others, torch.where(known[~every], wanted[~every], guess), torch.ones_like(guess[:, 0]))
        solved[:, : 2 * LANDMARKS] = (whole + partial).solve(_READOUT_RIDGE)[:, : 2 * LANDMARKS]
    weight = net.rest.weight.view(net.config.points, 4, -1)
    weight[:, :2] = solved[:-1].T.reshape(net.config.points, 2, -1)
    net.rest.bias.view(net.config.points, 4)[:, :2] = solved[-1].view(net.config.points, 2)
    return net.rest(hidden).view(-1, net.config.points, 4)[..., :2].cpu()


@torch.no_grad()
def solve_descent(net: Landmarker, descent: Descent, crops: Crops, points: Tensor, device: str) -> Tensor:
    """Solve for one look that starts from (N, P, 2) `points`; returns where it moves them.

    The 68 points learn from all crops; the dense ones from those where they are known.
    """
    wanted = (crops.points - points).clamp(-_FARTHEST, _FARTHEST) * crops.known[..., None]
    weights = 1.0 / (wanted[:, _INNER].square().sum(-1).mean(-1) + _SURE**2)
    weights = weights / weights.mean()
    every = (crops.known > 0).all(-1)
    whole, partial = (
        Moments(descent.inner.in_features, wanted[0].numel(), device) for _ in ("all points known", "the 68 alone")
    )
    for rows, image in crops.parts():
        described = descent.describe(net.gradients(image.to(device)), points[rows].to(device))
        for moments, chosen in ((whole, every[rows]), (partial, ~every[rows])):
            if chosen.any():
                on = chosen.to(device)
                moments.add(described[on], wanted[rows][chosen].flatten(1).to(device), weights[rows][chosen].to(device))
    both = whole + partial
    solved = torch.cat([both.solve(_RIDGE)[:, : 2 * LANDMARKS], whole.solve(_RIDGE)[:, 2 * LANDMARKS :]], dim=1)
    _reduce(descent, solved, both)
    moved = [descent(net.gradients(image.to(device)), points[rows].to(device)).cpu() for rows, image in crops.parts()]
    return torch.cat(moved)


def _reduce(descent: Descent, solved: Tensor, moments: Moments) -> None:
    """Keep the directions in which the answers vary most (reduced-rank regression)."""
    answers = solved[:-1].T @ moments.covariance() @ solved[:-1]
    directions = torch.linalg.eigh(answers).eigenvectors[:, -descent.inner.out_features :]  # (T, rank)
    inner = (solved[:-1] @ directions).T
    descent.inner.weight.copy_(inner)
    descent.inner.bias.copy_(-inner @ moments.mean())
    descent.outer.weight.copy_(directions)
    descent.outer.bias.copy_(solved[-1] + moments.mean() @ solved[:-1])


@torch.no_grad()
def solve_sigma(net: Landmarker, crops: Crops, device: str) -> None:
    """Per point, the log-linear law of the regressed deviation that makes the errors likeliest."""
    net.sigma_offset.zero_()
    net.sigma_slope.fill_(1.0)
    outs = [net(image.to(device)) for _, image in crops.parts()]
    before = torch.cat([out.log_sigma for out in outs]).cpu()
    squared = (torch.cat([out.points for out in outs]).cpu() - crops.points).square().sum(-1)
    offset, slope = torch.zeros_like(net.sigma_offset), torch.ones_like(net.sigma_slope)
    for point in range(net.config.points):
        known = crops.known[:, point] > 0
        offset[point], slope[point] = _log_law(before[known, point], squared[known, point])
    net.sigma_offset.copy_(offset)
    net.sigma_slope.copy_(slope)


def _log_law(log_sigma: Tensor, squared: Tensor) -> tuple[Tensor, Tensor]:
    """Offset and slope of the Gaussian maximum-likelihood fit to (N,) squared distances in the plane, by Newton."""
    x = torch.stack([torch.ones_like(log_sigma), log_sigma], dim=1).double()
    law = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for _ in range(20):
        share = 0.5 * squared.double() * torch.exp(-2.0 * (x @ law).clamp(-9.0, 2.0))
        slope = x.T @ (2.0 - 2.0 * share)  # of sum(2 log sigma + squared / (2 sigma^2))
        curve = (x * (4.0 * share)[:, None]).T @ x + 1e-6 * torch.eye(2, dtype=torch.float64)
        law = law - torch.linalg.solve(curve, slope).clamp(-0.5, 0.5)
    return law[0].float(), law[1].float()


class Cascade:
    """The run: its network, how many looks are solved for, and what each of them reached on held-out faces."""

    def __init__(self, recipe: LandmarkerRecipe, crops: Crops, out: Path, device: str) -> None:
        self.recipe, self.crops, self.out, self.device = recipe, crops, out, device
        self.net = recipe.net.to(device).eval()
        self.done, self.elapsed = 0, 0.0
        self.figures: list[dict[str, float]] = []
        out.mkdir(parents=True, exist_ok=True)

    def solve(self, minutes: float) -> None:
        """Solve for the looks that are not yet; none is begun after so many minutes."""
        begun = time.perf_counter() - self.elapsed
        points = self._resumed() if self.figures else self._read_off()
        for descent in list(self.net.descents)[self.done :]:
            assert isinstance(descent, Descent)
            if time.perf_counter() - begun > minutes * 60.0:
                break
            points = solve_descent(self.net, descent, self.crops, points, self.device)
            self.done += 1
            self._reached(begun)
        solve_sigma(self.net, self.crops, self.device)
        self._reached(begun, again=True)

    def _read_off(self) -> Tensor:
        begun = time.perf_counter()
        points = solve_readout(self.net, self.crops, self.device)
        self._reached(begun)
        return points

    @torch.no_grad()
    def _resumed(self) -> Tensor:
        return torch.cat([self.net(image.to(self.device)).points.cpu() for _, image in self.crops.parts()])

    @torch.no_grad()
    def _reached(self, begun: float, again: bool = False) -> None:
        """Measure, log and save."""
        self.elapsed = time.perf_counter() - begun
        figures = self.recipe.validate(self.net)
        self.figures = [*(self.figures[:-1] if again else self.figures), figures]
        LOG.info("%d looks, %.0f s: %s", self.done, self.elapsed, {k: round(v, 3) for k, v in figures.items()})
        average = {f"module.{key}": value for key, value in self.net.state_dict().items()}
        state = {"average": average, "done": self.done, "elapsed": self.elapsed, "figures": self.figures}
        torch.save(state, self.out / f"{CHECKPOINT}.part")
        (self.out / f"{CHECKPOINT}.part").replace(self.out / CHECKPOINT)

    def resume(self) -> None:
        """Go on after the looks of the checkpoint."""
        load_averaged(self.net, self.out / CHECKPOINT)
        state = torch.load(self.out / CHECKPOINT, map_location="cpu", weights_only=True)
        self.done, self.elapsed, self.figures = state["done"], state["elapsed"], state["figures"]


def main() -> None:
    """Solve from the command line."""
    parser = argparse.ArgumentParser(description="Solve for the landmarker's second looks.")
    add_sources(parser)
    parser.add_argument("--start", type=Path, required=True, help="checkpoint of a trained landmarker")
    parser.add_argument("--out", type=Path, default=Path("build/training/descents"))
    parser.add_argument("--crops", type=int, default=80000, help="50 kB of memory each")
    parser.add_argument("--reaches", type=float, nargs="+", default=list(REACHES), help="one look each, crop fractions")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    cv2.setNumThreads(1)
    torch.manual_seed(arguments.seed)
    model = load_face_model()
    sources = read_sources(arguments, model, LandmarkerConfig(points=0).size)
    plain = LandmarkerRecipe(sources, model)
    recipe = LandmarkerRecipe(sources, model, dataclasses.replace(plain.config, reaches=tuple(arguments.reaches)))
    load_shared(recipe.net, arguments.start)
    crops = draw(recipe, arguments.crops, arguments.seed)
    cascade = Cascade(recipe, crops, arguments.out, "cuda" if torch.cuda.is_available() else "cpu")
    if arguments.resume:
        cascade.resume()
    cascade.solve(arguments.minutes)
    names = ["read off the trunk", *(f"{k + 1} looks" for k in range(cascade.done))]
    write_card(
        arguments.out / "card.json",
        recipe,
        {
            "method": "ridge regression, one look after the other; the trunk is that of the earlier run",
            "seed": arguments.seed,
            "crops": arguments.crops,
            "looks": cascade.done,
            "seconds": round(cascade.elapsed),
        },
        cascade.figures[-1],
        earlier_card(arguments.start),
        more={"ablation": dict(zip(names, cascade.figures, strict=True))},
    )


if __name__ == "__main__":
    main()
