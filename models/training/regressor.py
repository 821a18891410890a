"""Recipe of the coefficient regressors: `python -m models.training.regressor --data build/synthetic --network student`.

The direct supervision that synthetic truth allows; `--views N` trains on several covers of each face at once and asks
for one answer (Occlusion Resistant Network), that of `--teacher RUN` if there is one; `--rendered N` draws that many
faces of a batch through the rendering layer (Zhao & Qi 3.3). The last two make their batches on the device.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from core.geometry import alignment
from core.geometry.camera import pose_from_camera, rotation_from_angles
from core.geometry.face_model import FACE_REGIONS, FaceModel, load_face_model
from core.geometry.lighting import LIGHT_FLIP, basis
from core.geometry.mirroring import CoefficientMirror
from core.types import LAYOUT
from models.networks.coefficients import CoefficientNetwork
from models.networks.e2far import E2FARConfig, build_e2far
from models.networks.regressor import RegressorConfig, build_regressor
from models.networks.resnet import ResnetConfig, build_resnet
from models.synthesis.torch_renderer import RenderingLayer

from . import augment
from .cards import network_sizes
from .checkpoints import CHECKPOINT, load_averaged
from .composite_loss import RenderingLoss, agreement
from .crops import Cropper, split
from .data import Pictures, read_pictures
from .device_coefficients import CoefficientFeed
from .device_pictures import device_arguments, device_pictures
from .embedder import load_embedder
from .loop import Batch, run_recipe
from .losses import CoefficientLoss
from .options import common_arguments, config_from
from .variation import REGRESSOR

_DIRECTIONS = np.random.default_rng(3).normal(size=(24, 3))
_DIRECTIONS /= np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
_SOLVE = np.linalg.pinv(basis(_DIRECTIONS).astype(np.float64))
_AGREEMENT = 0.5  # weight of what the variants of a face and its teacher say against the truth's
_CHUNK = 128  # crops that are looked at together
_DRAWN_SIDE = 96  # pixels, of the pictures that the rendering layer draws
NETWORKS: dict[str, tuple[type, Callable[[Any], CoefficientNetwork]]] = {
    "regressor": (RegressorConfig, build_regressor),
    "regressor_resnet50": (ResnetConfig, build_resnet),
    "regressor_e2far": (E2FARConfig, build_e2far),
}


def turned_light(light: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(9,) light coefficients after a (3, 3) rotation of the camera frame, old axes to new."""
    turn = LIGHT_FLIP[:, None] * rotation * LIGHT_FLIP
    return _SOLVE @ (basis(_DIRECTIONS @ turn).astype(np.float64) @ light)


class RegressorRecipe:
    """Crops with their 239 coefficients, pose and light in the crop's own frame."""

    def __init__(
        self,
        pictures: Pictures,
        model: FaceModel,
        config: RegressorConfig | ResnetConfig | E2FARConfig | None = None,
        name: str = "regressor",
        views: int = 1,
        teacher: CoefficientNetwork | None = None,
        rendering: RenderingLoss | None = None,
    ) -> None:
        """`name` is one of `NETWORKS`; with `views` every so many neighbours in a batch show one face, first bare."""
        sizes, build = NETWORKS[name]
        self.name, self.config = name, config or sizes()
        self.views, self.teacher, self.rendering = views, teacher, rendering
        self.pictures = pictures
        self.cropper = Cropper(pictures, self.config.size)
        self.mirror = CoefficientMirror.of(model)
        self.train, self.held_out = split(len(pictures))
        self.net = build(self.config)
        sample = np.stack([self.label(i, self.cropper.matrices[i]) for i in self.train[:3000]])
        mean, std = (torch.from_numpy(array).float() for array in (sample.mean(axis=0), sample.std(axis=0)))
        self.net.set_statistics(mean, std)
        self.pose_std = std[LAYOUT["pose"]].clamp_min(1e-3)
        front = sample[:, LAYOUT["light"]] @ basis(_front_directions()).T
        self.criterion = CoefficientLoss(model, FACE_REGIONS, light_std=float(np.abs(front - front.mean(0)).mean()))

    def label(self, index: int, matrix: np.ndarray) -> np.ndarray:
        """(239,) float32 coefficients of one picture seen through a (2, 3) picture -> crop matrix."""
        camera = self.pictures.camera(index)
        out = self.pictures.truth.coefficients[index].astype(np.float64)
        out[LAYOUT["pose"]] = pose_from_camera(camera, matrix, self.config.size)
        in_crop = rotation_from_angles(*out[LAYOUT["pose"]][:3])
        out[LAYOUT["light"]] = turned_light(out[LAYOUT["light"]], in_crop @ camera.rotation.T)
        return out.astype(np.float32)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Slightly jittered, mirrored, recoloured crops."""
        samples = [self._sample(int(i), rng) for i in rng.choice(self.train, size)]
        image, coefficients = (np.stack(column) for column in zip(*samples, strict=True))
        return {"image": image, "coefficients": coefficients}

    def _sample(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        matrix = augment.jittered(self.cropper.matrices[index], self.config.size, rng, REGRESSOR.jitter)
        label = self.label(index, matrix)
        if rng.random() < 0.5:
            matrix, label = alignment.mirrored(matrix, self.config.size), self.mirror(label)
        border = cv2.BORDER_REFLECT_101 if rng.random() < REGRESSOR.reflected else cv2.BORDER_CONSTANT
        image = self.cropper.cut(index, matrix, border)
        if rng.random() < REGRESSOR.cover:
            other = int(rng.choice(self.train))
            augment.cover(image, rng, self.cropper.cut(other, self.cropper.matrices[other]))
        return augment.photometric(image, rng, REGRESSOR.strength), label

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Geometry, sliders, colour, light, pose; looks and agreement where they were asked for."""
        predicted = self.net(image).float()
        with torch.autocast(image.device.type, enabled=False):  # millimetres of metres are lost in half precision
            return self._terms(predicted, image, labels)

    def _terms(self, predicted: Tensor, image: Tensor, labels: dict[str, Tensor]) -> dict[str, Tensor]:
        criterion = self.criterion.to(image.device)
        terms = criterion(predicted, labels["coefficients"], self.pose_std.to(image.device))
        if self.views > 1:
            terms["agreement"] = _AGREEMENT * agreement(criterion, predicted, self._wanted(image, predicted))
        if self.rendering is not None:
            terms |= self.rendering.to(image.device)(predicted, image, labels["seen"])
        return terms

    def _wanted(self, image: Tensor, predicted: Tensor) -> Tensor:
        """(N / V, 239): what is said of the bare faces, by the teacher or by the network itself."""
        if self.teacher is None:
            return predicted[:: self.views]
        with torch.no_grad():
            return self.teacher.to(image.device)(image[:: self.views])

    def labels(self, indices: np.ndarray) -> Tensor:
        """(N, 239) float32 labels of pictures in their true crops."""
        return torch.from_numpy(np.stack([self.label(index, self.cropper.matrices[index]) for index in indices]))

    def crops(self, indices: np.ndarray, device: torch.device | str, clean: bool = False) -> Iterator[Tensor]:
        """Their true crops as networks take them, some at a time; `clean` shows them without their cover."""
        for chunk in np.array_split(indices, max(len(indices) // _CHUNK, 1)):
            cut = [self.cropper.cut(index, self.cropper.matrices[index], clean=clean) for index in chunk]
            yield torch.from_numpy(np.stack(cut)).to(device).permute(0, 3, 1, 2).float() / 255.0

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Errors on held-out people beside those of the mean coefficients."""
        criterion = self.criterion.to("cpu")
        truth, device = self.labels(self.held_out), next(net.parameters()).device
        wrong = torch.cat([net(image).cpu() for image in self.crops(self.held_out, device)]) - truth

        def millimetres(coefficients: Tensor, name: str) -> float:
            return float(1000.0 * criterion.moved(coefficients, name).norm(dim=-1).mean())

        degrees = wrong[:, LAYOUT["pose"]][:, :3].abs().mean(dim=0) * 180.0 / np.pi
        sliders = LAYOUT["expression"]
        return {
            "identity_mm": millimetres(wrong, "identity"),
            "identity_mm_of_mean": millimetres(truth, "identity"),
            "expression_mm": millimetres(wrong, "expression"),
            "expression_mm_of_neutral": millimetres(truth, "expression"),
            "slider_error": float(wrong[:, sliders].abs().mean()),
            "slider_error_of_neutral": float(truth[:, sliders].abs().mean()),
            "albedo_error": float((wrong[:, LAYOUT["albedo"]] @ criterion.albedo).abs().mean()),
            "albedo_error_of_mean": float((truth[:, LAYOUT["albedo"]] @ criterion.albedo).abs().mean()),
            "pitch_degrees": float(degrees[0]),
            "yaw_degrees": float(degrees[1]),
            "roll_degrees": float(degrees[2]),
        }

    def provenance(self) -> dict[str, object]:
        """Data, sizes, and what was asked for beside the truth."""
        terms = {
            "views": self.views,
            "teacher": None if self.teacher is None else type(self.teacher).__name__,
            "rendered": 0 if self.rendering is None else self.rendering.most,
            "features": self.rendering is not None and self.rendering.embedder is not None,
        }
        return {"data": self.pictures.describe(), "network": dataclasses.asdict(self.config), "composite": terms}


def _front_directions() -> np.ndarray:
    front = _DIRECTIONS.copy()
    front[:, 2] = np.abs(front[:, 2])
    return front


def load_regressor(run: Path) -> CoefficientNetwork:
    """The averaged network of a training run, frozen, as a teacher."""
    if not (run / "card.json").exists():
        raise FileNotFoundError(f"{run} holds no finished regressor; train one with `python -m {__name__}`.")
    name = json.loads((run / "card.json").read_text())["name"]
    sizes, build = NETWORKS[name]
    net = build(sizes(**network_sizes(run)))
    load_averaged(net, run / CHECKPOINT)
    return net.eval().requires_grad_(False)


def _recipe(arguments: argparse.Namespace, model: FaceModel) -> RegressorRecipe:
    rendering = None
    if arguments.rendered:
        embedder = None if arguments.embedder is None else load_embedder(arguments.embedder)
        rendering = RenderingLoss(RenderingLayer(model, _DRAWN_SIDE), embedder, arguments.rendered)
    teacher = None if arguments.teacher is None else load_regressor(arguments.teacher)
    pictures = read_pictures(arguments.data)
    return RegressorRecipe(pictures, model, None, arguments.network, arguments.views, teacher, rendering)


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("regressor", "Train a coefficient regressor on synthetic pictures.")
    device_arguments(parser)
    parser.add_argument("--network", choices=tuple(NETWORKS), default="regressor")
    parser.add_argument("--views", type=int, default=1, help="variants of each face in a batch")
    parser.add_argument("--bare", type=float, default=0.5, help="share of faces shown without their cover")
    parser.add_argument("--teacher", type=Path, default=None, help="run whose answer on the bare face is wanted")
    parser.add_argument("--rendered", type=int, default=0, help="faces of a batch that are drawn and compared")
    parser.add_argument("--embedder", type=Path, default=None, help="run that judges who it is, if any")
    arguments = parser.parse_args()
    if arguments.device_data is None and (arguments.views > 1 or arguments.rendered):
        parser.error("--views and --rendered need batches made on the device; give their pictures by --device-data.")
    config = config_from(arguments, batch=128, rate=2e-3)
    torch.manual_seed(config.seed)
    model = load_face_model()
    recipe, feed = _recipe(arguments, model), None
    if arguments.device_data is not None:
        pictures = device_pictures(arguments, config.device, CoefficientFeed.planes, recipe.pictures)
        feed = CoefficientFeed(pictures, model, recipe.config.size, arguments.views, arguments.bare)
    run_recipe(recipe, config, arguments, feed)


if __name__ == "__main__":
    main()
