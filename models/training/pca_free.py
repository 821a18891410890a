"""Recipe of the PCA-free model: `python -m models.training.pca_free --data build/synthetic --out ...`."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry.face_model import FaceModel, load_face_model
from core.types import LAYOUT
from models.networks.pca_free import PcaFree, PcaFreeConfig, PcaFreeOutput, build_pca_free
from models.networks.regressor import RegressorConfig

from .data import Pictures, read_pictures
from .device_coefficients import CoefficientFeed
from .device_pictures import device_arguments, device_pictures
from .loop import Batch, run_recipe
from .options import common_arguments, config_from
from .pca_free_losses import PcaFreeLoss
from .regressor import RegressorRecipe

_COUNTED = 3000  # pictures whose labels give the statistics


class PcaFreeRecipe:
    """The regressor's crops and labels; of the labels geometry, sliders and pose are learnt."""

    name = "pca_free"

    def __init__(self, pictures: Pictures, model: FaceModel, config: PcaFreeConfig | None = None) -> None:
        self.config = config or PcaFreeConfig()
        self.samples = RegressorRecipe(pictures, model, RegressorConfig(size=self.config.size))
        self.net: PcaFree = build_pca_free(self.config)
        labels = self.samples.labels(self.samples.train[:_COUNTED])
        mean, std = labels.mean(dim=0), labels.std(dim=0)
        self.net.set_statistics(mean[LAYOUT["expression"]], mean[LAYOUT["pose"]], std[LAYOUT["pose"]])
        self.pose_std = std[LAYOUT["pose"]].clamp_min(1e-3)
        self.criterion = PcaFreeLoss(model)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """As the regressor's."""
        return self.samples.batch(rng, size)

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Geometry, projection, regions of the picture, pose."""
        self.criterion.to(image.device)
        out = self.net(image)
        with torch.autocast(image.device.type, enabled=False):
            return self.criterion(out, labels["coefficients"], image, self.pose_std.to(image.device))

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Errors on held-out people beside those of the mean head at rest."""
        truth = self.samples.labels(self.samples.held_out)
        out, criterion = self._answers(net), self.criterion.to("cpu")
        neutral, expression = criterion.moved(truth, "identity"), criterion.moved(truth, "expression")
        found = criterion.displaced(out.neutral)
        posed = criterion.sliders(out.expression) + criterion.displaced(out.correction)
        sliders = truth[:, LAYOUT["expression"]]
        degrees = (out.pose - truth[:, LAYOUT["pose"]])[:, :3].abs().mean(dim=0) * 180.0 / np.pi
        figures = {
            "neutral_mm": criterion.millimetres(found - neutral),
            "neutral_mm_of_mean": criterion.millimetres(neutral),
            "expression_mm": criterion.millimetres(posed - expression),
            "expression_mm_of_neutral": criterion.millimetres(expression),
            "vertex_mm": criterion.millimetres(found + posed - neutral - expression),
            "vertex_mm_of_mean": criterion.millimetres(neutral + expression),
            "correction_mm": criterion.millimetres(criterion.displaced(out.correction)),
            "slider_error": (out.expression - sliders).abs().mean(),
            "slider_error_of_neutral": sliders.abs().mean(),
            **dict(zip(("pitch_degrees", "yaw_degrees", "roll_degrees"), degrees, strict=True)),
        }
        return {key: float(value) for key, value in figures.items()}

    def _answers(self, net: nn.Module) -> PcaFreeOutput:
        """The network's answers to all held-out crops, on the CPU."""
        images = self.samples.crops(self.samples.held_out, next(net.parameters()).device)
        parts = [[part.cpu() for part in net(image)] for image in images]
        return PcaFreeOutput(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        return {"data": self.samples.pictures.describe(), "network": dataclasses.asdict(self.config)}


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("pca_free", "Train the PCA-free model on synthetic pictures.")
    device_arguments(parser)
    parser.add_argument("--bare", type=float, default=0.5, help="share of faces shown without their cover, on a device")
    arguments = parser.parse_args()
    config = config_from(arguments, batch=128, rate=2e-3)
    torch.manual_seed(config.seed)
    model, feed = load_face_model(), None
    recipe = PcaFreeRecipe(read_pictures(arguments.data), model)
    if arguments.device_data is not None:
        pictures = device_pictures(arguments, config.device, CoefficientFeed.planes, recipe.samples.pictures)
        feed = CoefficientFeed(pictures, model, recipe.config.size, bare=arguments.bare)
    run_recipe(recipe, config, arguments, feed)


if __name__ == "__main__":
    main()
