"""Recipe of the embedder: `python -m models.training.embedder --data build/synthetic --out build/training/embedder`.

`--start` may be a landmarker's or a regressor's checkpoint: the trunk is the same.
The sets should show each person several times (`models.synthesis.dataset --group`); an occluded picture and its clean
twin are two pictures of one person as well.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from core.geometry import alignment
from core.types import LAYOUT
from models.networks.embedder import Embedder, EmbedderConfig, build_embedder, frozen

from . import augment
from .cards import network_sizes
from .checkpoints import CHECKPOINT, load_averaged
from .crops import Cropper
from .data import Pictures, read_pictures
from .device_embedding import EmbeddingFeed
from .device_pictures import device_arguments, device_pictures
from .identity_loss import margin_softmax, pair_cosines, verification
from .loop import Batch, run_recipe
from .options import common_arguments, config_from
from .people import draw, split_people
from .variation import EMBEDDER, UNCOVERED

_VIEWS = 4  # pictures of each person in a batch
_MARGIN = 0.2  # radians
_TRAITS = 10.0  # weight of the coefficients
_CHECKED = 250  # held-out people


class EmbedderRecipe:
    """Batches of several varied crops of each of several people."""

    name = "embedder"

    def __init__(self, pictures: Pictures, config: EmbedderConfig | None = None, views: int = _VIEWS) -> None:
        if views < 2:
            raise ValueError("At least two pictures of each person are needed to learn who is who.")
        self.config, self.views = config or EmbedderConfig(), views
        self.pictures = pictures
        self.cropper = Cropper(pictures, self.config.size)
        self.train, self.held_out = split_people(pictures)
        self.net: Embedder = build_embedder(self.config)

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Crops under "image", under "person" a number that those of one person share, and that person's "traits"."""
        count = max(size // self.views, 2)
        chosen = rng.choice(len(self.train), count, replace=count > len(self.train))
        indices = [int(index) for k in chosen for index in draw(self.train[k], self.views, rng)]
        images = np.stack([self._varied(index, rng) for index in indices])
        known = self.pictures.truth.coefficients[indices]
        traits = np.concatenate([known[:, LAYOUT["identity"]], known[:, LAYOUT["albedo"]]], axis=1)
        return {"image": images, "person": np.repeat(chosen, self.views), "traits": traits}

    def _varied(self, index: int, rng: np.random.Generator) -> np.ndarray:
        """(S, S, 3) uint8 moved, mirrored, recoloured crop, perhaps without the occluder or with one more."""
        matrix = augment.jittered(self.cropper.matrices[index], self.config.size, rng, EMBEDDER.jitter)
        if rng.random() < 0.5:
            matrix = alignment.mirrored(matrix, self.config.size)
        border = cv2.BORDER_REFLECT_101 if rng.random() < EMBEDDER.reflected else cv2.BORDER_CONSTANT
        image = self.cropper.cut(index, matrix, border, clean=rng.random() < UNCOVERED)
        if rng.random() < EMBEDDER.cover:
            augment.cover(image, rng, augment.plain(image, rng))
        return augment.photometric(image, rng, EMBEDDER.strength)

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Who is who and, because that alone is learnt slowly, the coefficients of everybody's shape and colour.

        The margin grows from the first third of the run to the second: at the start nothing would meet it.
        """
        embedding = self.net(image)
        margin = _MARGIN * min(max(progress * 3.0 - 1.0, 0.0), 1.0)
        wrong = nn.functional.smooth_l1_loss(self.net.traits(embedding).float(), labels["traits"])
        return {"identity": margin_softmax(embedding, labels["person"], margin), "traits": _TRAITS * wrong}

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Verification of held-out people as they are, without occluders, and the one kind against the other."""
        chosen = self.held_out[:: max(len(self.held_out) // _CHECKED, 1)]
        indices, person = np.concatenate(chosen), np.repeat(np.arange(len(chosen)), [len(one) for one in chosen])
        if len(chosen) < 2 or len(indices) == len(chosen):
            return {}  # a set that shows each person once cannot say who is who
        worn, clean = (self._embedded(net, indices, bare) for bare in (False, True))
        figures = {}
        for prefix, probe, gallery in (("", worn, worn), ("clean_", clean, clean), ("mixed_", worn, clean)):
            found = verification(*pair_cosines(probe, person, gallery))
            figures.update({prefix + name: value for name, value in found.items()})
        return figures

    def _embedded(self, net: nn.Module, indices: np.ndarray, clean: bool) -> np.ndarray:
        """(N, D) of exact crops."""
        device, found = next(net.parameters()).device, []
        for chunk in np.array_split(indices, max(len(indices) // 64, 1)):
            crops = np.stack([self.cropper.cut(int(i), self.cropper.matrices[i], clean=clean) for i in chunk])
            image = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 255.0
            found.append(net(image).cpu().numpy())
        return np.concatenate(found)

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        counts = {"people": len(self.train), "held_out_people": len(self.held_out), "views": self.views}
        return {"data": self.pictures.describe() | counts, "network": dataclasses.asdict(self.config)}


def load_embedder(run: Path) -> Embedder:
    """The averaged network of a training run, frozen, as a measure for other trainings."""
    if not (run / "card.json").exists():
        raise FileNotFoundError(
            f"{run} holds no finished embedder; train one with `python -m models.training.embedder --out {run}`."
        )
    net = build_embedder(EmbedderConfig(**network_sizes(run)))
    load_averaged(net, run / CHECKPOINT)
    return frozen(net)


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("embedder", "Train the face embedder on synthetic people.")
    device_arguments(parser)
    parser.add_argument("--views", type=int, default=_VIEWS, help="pictures of each person in a batch, or in the set")
    arguments = parser.parse_args()
    config = config_from(arguments, batch=128, rate=1e-3)
    torch.manual_seed(config.seed)
    recipe, feed = EmbedderRecipe(read_pictures(arguments.data), views=arguments.views), None
    if arguments.device_data is not None:
        pictures = device_pictures(arguments, config.device, EmbeddingFeed.planes, recipe.pictures)
        feed = EmbeddingFeed(pictures, recipe.config.size, arguments.views)
    run_recipe(recipe, config, arguments, feed)


if __name__ == "__main__":
    main()
