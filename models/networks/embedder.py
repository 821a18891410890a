"""Who it is: a face as a point on the unit sphere, near to the other pictures of the same person.

FaceNet's task (Schroff et al., 2015) on the layers of MobileFaceNet (Chen et al., 2018): inverted bottlenecks, and a
depthwise convolution over the last map instead of its mean, because the places of a face's parts are not alike. The
features on the way are those that perceptual and style losses compare.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .blocks import ConvUnit, Normalise

STRIDES = (2, 4, 8, 16)  # of the features


@dataclass(frozen=True)
class EmbedderConfig:
    """Sizes of the network."""

    size: int = 128  # side of the face crop, pixels, a multiple of 16
    dimensions: int = 128  # of the embedding
    channels: tuple[int, int, int, int] = (32, 64, 96, 128)  # at `STRIDES`
    depth: tuple[int, int, int, int] = (1, 3, 4, 2)  # bottlenecks at `STRIDES`
    expansion: int = 2
    traits: int = 160  # coefficients of shape and colour that an embedding should tell


class Bottleneck(nn.Module):
    """Widen, filter each channel by itself, narrow without an activation (Sandler et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int = 1) -> None:
        super().__init__()
        wide = inputs * expansion
        self.layers = nn.Sequential(
            ConvUnit(inputs, wide, kernel=1),
            ConvUnit(wide, wide, kernel=3, stride=stride, groups=wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        out = self.layers(features)
        return features + out if self.residual else out


class Embedder(nn.Module):
    """(N, 3, S, S) RGB face crops in [0, 1] to (N, D) vectors of length 1."""

    def __init__(self, config: EmbedderConfig) -> None:
        super().__init__()
        if config.size % STRIDES[-1]:
            raise ValueError(f"The crop's side must be a multiple of {STRIDES[-1]}, not {config.size}.")
        self.config = config
        self.normalise = Normalise()
        inputs = (config.channels[0], *config.channels[:-1])
        strides = (1, 2, 2, 2)  # the stem halves the picture before the first stage
        self.stem = ConvUnit(3, config.channels[0], stride=2)
        self.stages = nn.ModuleList(
            _stage(*sizes, config.expansion)
            for sizes in zip(inputs, config.channels, config.depth, strides, strict=True)
        )
        last, cells = config.channels[-1], config.size // STRIDES[-1]
        self.gather = nn.Sequential(
            ConvUnit(last, 2 * last, kernel=1),
            nn.Conv2d(2 * last, 2 * last, cells, groups=2 * last, bias=False),
            nn.BatchNorm2d(2 * last),
            nn.Flatten(),
        )
        self.project = nn.Linear(2 * last, config.dimensions, bias=False)
        self.settle = nn.BatchNorm1d(config.dimensions, affine=False)
        self.traits = nn.Linear(config.dimensions, config.traits)  # for training alone

    def features(self, image: Tensor) -> list[Tensor]:
        """Features of strides 2, 4, 8, 16 of (N, 3, H, W) pictures of any size."""
        maps, out = self.stem(self.normalise(image)), []
        for stage in self.stages:
            maps = stage(maps)
            out.append(maps)
        return out

    def embedding(self, features: list[Tensor]) -> Tensor:
        """(N, D) unit vectors of the features of a crop of the network's own size."""
        point = self.settle(self.project(self.gather(features[-1])))
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


def _stage(inputs: int, outputs: int, depth: int, stride: int, expansion: int) -> nn.Sequential:
    first = Bottleneck(inputs, outputs, expansion, stride)
    return nn.Sequential(first, *(Bottleneck(outputs, outputs, expansion) for _ in range(depth - 1)))
