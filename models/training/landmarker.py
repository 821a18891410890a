"""Recipe of the landmarker: `python -m models.training.landmarker --data build/synthetic --out build/training/...`."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from core.geometry import alignment
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.mirroring import mirrored_landmarks
from models.networks.landmarker import LandmarkerConfig, build_landmarker

from . import augment
from .crops import Cropper, split
from .data import Pictures, read_pictures
from .loop import Batch, common_arguments, config_from, run_recipe
from .losses import landmark_terms, landmark_weights

_COVER = 0.2  # share of crops that get one more occluder
_WIDE_JITTER = augment.Jitter(degrees=15.0, log_scale=0.14, shift=0.07)  # as from a poor detection
_STRENGTH = augment.Strength(color=0.9, grey=0.15, blur=0.3, coarse=0.4, noise=0.45, jpeg=0.3, shade=0.3)
_CHECK_JITTER = augment.Jitter(degrees=4.0, log_scale=0.05, shift=0.025)


class LandmarkerRecipe:
    """Crops with 68 and dense landmarks."""

    name = "landmarker"

    def __init__(self, pictures: Pictures, model: FaceModel, config: LandmarkerConfig | None = None) -> None:
        count = pictures.points.shape[1]
        self.config = config or LandmarkerConfig(points=count)
        self.pictures = pictures
        self.cropper = Cropper(pictures, self.config.size)
        self.train, self.held_out = split(len(pictures))
        self.order = mirrored_landmarks(model)
        self.net = build_landmarker(self.config)
        mean = self.cropper.mean_points(self.train[:2000])
        self.net.set_mean_points(torch.from_numpy(mean).float())
        self.weights = landmark_weights(count)
        self.strength = _STRENGTH

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Jittered, mirrored, recoloured crops."""
        samples = [self._sample(int(i), rng) for i in rng.choice(self.train, size)]
        image, points, visibility = (np.stack(column) for column in zip(*samples, strict=True))
        return {"image": image, "points": points, "visibility": visibility}

    def _sample(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        jitter = _WIDE_JITTER if rng.random() < 0.3 else augment.Jitter()
        matrix = augment.jittered(self.cropper.matrices[index], self.config.size, rng, jitter)
        flip = rng.random() < 0.5
        if flip:
            matrix = alignment.mirrored(matrix, self.config.size)
        border = cv2.BORDER_REFLECT_101 if rng.random() < 0.6 else cv2.BORDER_CONSTANT
        image = self.cropper.cut(index, matrix, border)
        points, visibility = self.cropper.fractions(index, matrix), self.pictures.visibility[index].astype(np.float32)
        if flip:
            points, visibility = points[self.order], visibility[self.order]
        if rng.random() < _COVER:
            other = self.cropper.cut(int(rng.choice(self.train)), self.cropper.matrices[index])
            hidden = augment.cover(image, rng, other if rng.random() < 0.5 else _plain(image, rng))
            visibility = visibility * ~_under(hidden, points)
        image = augment.photometric(image, rng, self.strength)
        inside = ((points > 0.0) & (points < 1.0)).all(axis=1)
        return image, points.astype(np.float32), (visibility * inside).astype(np.float32)

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Distance first, the Gaussian likelihood from a tenth of the run on."""
        likelihood = min(max((progress - 0.1) / 0.1, 0.0), 1.0)
        weights = self.weights.to(image.device)
        return landmark_terms(self.net(image), labels["points"], labels["visibility"], weights, likelihood)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Mean error over the outer-eye distance (per cent) on frontal and half-profile faces, and visibility."""
        device = next(net.parameters()).device
        rng = np.random.default_rng(0)
        inner, every, seen_right, dense = [], [], [], []
        for chunk in np.array_split(self.held_out, max(len(self.held_out) // 128, 1)):
            jitters = [augment.jittered(self.cropper.matrices[i], self.config.size, rng, _CHECK_JITTER) for i in chunk]
            crops = np.stack([self.cropper.cut(i, m) for i, m in zip(chunk, jitters, strict=True)])
            truth = np.stack([self.cropper.fractions(i, m) for i, m in zip(chunk, jitters, strict=True)])
            out = net(torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 255.0)
            error = np.linalg.norm(out.points.float().cpu().numpy() - truth, axis=2)
            scale = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=1, keepdims=True)
            turned_little = scale[:, 0] > 0.22  # in profile the eye corners coincide
            relative = 100.0 * error[turned_little] / scale[turned_little]
            inner.append(relative[:, 17:68].mean(axis=1))
            every.append(relative[:, :68].mean(axis=1))
            dense.append(100.0 * error.mean(axis=1))
            visible = out.visibility_logit.float().cpu().numpy() > 0
            seen_right.append((visible == (self.pictures.visibility[chunk] > 0.5)).mean(axis=1))
        return {
            "inner51_percent": float(np.concatenate(inner).mean()),
            "all68_percent": float(np.concatenate(every).mean()),
            "all_points_percent_of_crop": float(np.concatenate(dense).mean()),
            "visibility_accuracy": float(np.concatenate(seen_right).mean()),
        }

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        return {"data": self.pictures.describe(), "network": dataclasses.asdict(self.config)}


def _plain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One random colour, slightly noisy."""
    color = rng.integers(0, 256, 3) + rng.normal(0.0, 12.0, image.shape)
    return color.clip(0, 255).astype(np.uint8)


def _under(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(P,) bool: points (crop fractions) on a (H, W) mask."""
    pixel = np.rint(points * len(mask) - 0.5).astype(int).clip(0, len(mask) - 1)
    return mask[pixel[:, 1], pixel[:, 0]]


def main() -> None:
    """Train from the command line."""
    arguments = common_arguments("landmarker", "Train the landmarker on synthetic pictures.").parse_args()
    config = config_from(arguments, batch=128, rate=2e-3)
    torch.manual_seed(config.seed)
    recipe = LandmarkerRecipe(read_pictures(arguments.data), load_face_model())
    run_recipe(recipe, config, arguments)


if __name__ == "__main__":
    main()
