"""Who it is: a face as a point on the unit sphere, near to the other pictures of the same person.

FaceNet's task (Schroff et al., 2015) on the trunk that the landmarker and the regressor have, so that what they learned
of faces can be its start; the last features keep their places, because a face's parts are not alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .blocks import MobileNetTrunk, MultiScaleHead, Normalise

STRIDES = (8, 16, 32)  # of the features


@dataclass(frozen=True)
class EmbedderConfig:
    """Sizes of the network."""

    size: int = 128  # side of the face crop, pixels, a multiple of 32
    dimensions: int = 128  # of the embedding
    width: float = 1.0  # of the trunk
    narrow: int = 24
    hidden: int = 256
    traits: int = 160  # coefficients of shape and colour that an embedding should tell


class Embedder(nn.Module):
    """(N, 3, S, S) RGB face crops in [0, 1] to (N, D) vectors of length 1."""

    def __init__(self, config: EmbedderConfig) -> None:
        super().__init__()
        if config.size % STRIDES[-1]:
            raise ValueError(f"The crop's side must be a multiple of {STRIDES[-1]}, not {config.size}.")
        self.config = config
        self.normalise, self.trunk = Normalise(), MobileNetTrunk(config.width)
        self.head = MultiScaleHead(self.trunk.channels, config.size, config.narrow, config.hidden)
        self.project = nn.Linear(config.hidden, config.dimensions, bias=False)
        self.settle = nn.BatchNorm1d(config.dimensions, affine=False)
        self.traits = nn.Linear(config.dimensions, config.traits)  # for training alone

    def features(self, image: Tensor) -> list[Tensor]:
        """Features of strides 8, 16, 32 of (N, 3, H, W) pictures of any size."""
        return self.trunk(self.normalise(image))

    def embedding(self, features: list[Tensor]) -> Tensor:
        """(N, D) unit vectors of the features of a crop of the network's own size."""
        point = self.settle(self.project(self.head(features)))
        return nn.functional.normalize(point.float(), dim=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.embedding(self.features(image))


class EmbedderExport(nn.Module):
    """The application's view."""

    input_names = ("image",)
    output_names = ("embedding",)

    def __init__(self, net: Embedder) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)


def build_embedder(config: EmbedderConfig) -> Embedder:
    """An embedder with random weights."""
    return Embedder(config)


def frozen(net: Embedder) -> Embedder:
    """The network as a measure for others: its statistics and weights stay as they are."""
    return net.eval().requires_grad_(False)
