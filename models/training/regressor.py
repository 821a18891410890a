"""Recipe of the coefficient regressor: `python -m models.training.regressor --data build/synthetic --out ...`."""

from __future__ import annotations

import dataclasses

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
from models.networks.regressor import RegressorConfig, build_regressor

from . import augment
from .crops import Cropper, split
from .data import Pictures, read_pictures
from .loop import Batch, common_arguments, config_from, run_recipe
from .losses import CoefficientLoss

COVER = 0.12
JITTER = augment.Jitter(degrees=3.0, log_scale=0.04, shift=0.02)  # the crop comes from 68 landmarks
STRENGTH = augment.Strength(color=0.35, grey=0.08)  # colour is a label here
_DIRECTIONS = np.random.default_rng(3).normal(size=(24, 3))
_DIRECTIONS /= np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
_SOLVE = np.linalg.pinv(basis(_DIRECTIONS).astype(np.float64))


def turned_light(light: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(9,) light coefficients after a (3, 3) rotation of the camera frame, old axes to new."""
    turn = LIGHT_FLIP[:, None] * rotation * LIGHT_FLIP
    return _SOLVE @ (basis(_DIRECTIONS @ turn).astype(np.float64) @ light)


class RegressorRecipe:
    """Crops with their 239 coefficients, pose and light in the crop's own frame."""

    name = "regressor"

    def __init__(self, pictures: Pictures, model: FaceModel, config: RegressorConfig | None = None) -> None:
        self.config = config or RegressorConfig()
        self.pictures = pictures
        self.cropper = Cropper(pictures, self.config.size)
        self.mirror = CoefficientMirror.of(model)
        self.train, self.held_out = split(len(pictures))
        self.net = build_regressor(self.config)
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
        matrix = augment.jittered(self.cropper.matrices[index], self.config.size, rng, JITTER)
        label = self.label(index, matrix)
        if rng.random() < 0.5:
            matrix, label = alignment.mirrored(matrix, self.config.size), self.mirror(label)
        border = cv2.BORDER_REFLECT_101 if rng.random() < 0.6 else cv2.BORDER_CONSTANT
        image = self.cropper.cut(index, matrix, border)
        if rng.random() < COVER:
            other = int(rng.choice(self.train))
            augment.cover(image, rng, self.cropper.cut(other, self.cropper.matrices[other]))
        return augment.photometric(image, rng, STRENGTH), label

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Geometry, sliders, colour, light, pose."""
        self.criterion.to(image.device)
        return self.criterion(self.net(image), labels["coefficients"], self.pose_std.to(image.device))

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Errors on held-out people beside those of the mean coefficients."""
        device = next(net.parameters()).device
        criterion = self.criterion.to("cpu")
        labels = np.stack([self.label(i, self.cropper.matrices[i]) for i in self.held_out])
        chunks = np.array_split(self.held_out, max(len(self.held_out) // 128, 1))
        predicted = []
        for chunk in chunks:
            crops = np.stack([self.cropper.cut(i, self.cropper.matrices[i]) for i in chunk])
            predicted.append(net(torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 255.0).cpu())
        wrong = torch.cat(predicted) - torch.from_numpy(labels)
        truth = torch.from_numpy(labels)

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
        """Data and sizes."""
        return {"data": self.pictures.describe(), "network": dataclasses.asdict(self.config)}


def _front_directions() -> np.ndarray:
    front = _DIRECTIONS.copy()
    front[:, 2] = np.abs(front[:, 2])
    return front


def main() -> None:
    """Train from the command line."""
    arguments = common_arguments("regressor", "Train the coefficient regressor on synthetic pictures.").parse_args()
    config = config_from(arguments, batch=128, rate=2e-3)
    torch.manual_seed(config.seed)
    recipe = RegressorRecipe(read_pictures(arguments.data), load_face_model())
    run_recipe(recipe, config, arguments)


if __name__ == "__main__":
    main()
