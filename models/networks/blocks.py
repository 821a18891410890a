"""Building blocks shared by the networks."""

from __future__ import annotations

import itertools
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small

TRUNK_STRIDES = (8, 16, 32)
_NORM_MOMENTUM = 0.05
_TRUNK_ENDS = {8: 4, 16: 9, 32: 13}  # features[:end] is the part of MobileNetV3-small up to that stride
_MEAN, _STD = (0.5, 0.45, 0.42), (0.27, 0.26, 0.26)  # of sRGB-encoded pictures of faces, rounded


class Normalise(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] to zero mean and unit deviation, so that no caller has to know the numbers."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Separable(nn.Module):
    """Depthwise 3x3 and pointwise convolution; residual where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs)
        )
        self.pointwise = ConvUnit(inputs, outputs, kernel=1)
        self.residual = inputs == outputs and stride == 1

    def forward(self, features: Tensor) -> Tensor:
        out = self.pointwise(self.depthwise(features))
        return features + out if self.residual else out


class MobileNetTrunk(nn.Module):
    """MobileNetV3-small (Howard et al., 2019) up to strides 8, 16 and 32, from random weights."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        # torchvision's own momentum, 0.01, suits months of ImageNet; here the statistics must settle in minutes
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=_NORM_MOMENTUM)
        features = mobilenet_v3_small(weights=None, width_mult=width, norm_layer=norm).features
        ends = [0, *(_TRUNK_ENDS[stride] for stride in TRUNK_STRIDES)]
        self.parts = nn.ModuleList(features[a:b] for a, b in itertools.pairwise(ends))
        self.channels = tuple(_output_channels(part) for part in self.parts)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of strides 8, 16, 32 of a (N, 3, H, W) normalised picture."""
        out = []
        for part in self.parts:
            image = part(image)
            out.append(image)
        return out


class MultiScaleHead(nn.Module):
    """Flattens features of three strides, positions kept, into one hidden vector (as PFLD, Guo et al., 2019).

    Fine strides give the head precise positions, the coarse one the whole face's shape.
    """

    def __init__(self, channels: tuple[int, ...], size: int, narrow: int, hidden: int) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.fine = Separable(fine, narrow, stride=2)
        self.middle = ConvUnit(middle, narrow, kernel=1)
        self.coarse = ConvUnit(coarse, narrow * 4, kernel=1)
        cells = (size // 16) ** 2
        self.mix = nn.Linear(narrow * cells * 3, hidden)
        self.act = nn.Hardswish()

    def forward(self, features: list[Tensor]) -> Tensor:
        """(N, hidden) of the trunk's features."""
        parts = (self.fine(features[0]), self.middle(features[1]), self.coarse(features[2]))
        return self.act(self.mix(torch.cat([part.flatten(1) for part in parts], dim=1)))


def _output_channels(part: nn.Module) -> int:
    return [module.num_features for module in part.modules() if isinstance(module, nn.BatchNorm2d)][-1]
