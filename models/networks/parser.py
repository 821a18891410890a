"""The parser, Zhao & Qi's "deleter" (3.2.1): which part of the head each pixel shows, and what stands before it.

A U-Net (Ronneberger et al., 2015) on the trunk of MobileNetV3-small (Howard et al., 2019). The decoder stops at half
the input's resolution; whoever needs more enlarges the probabilities, which are smooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .blocks import ConvUnit, MobileNetTrunk, Normalise, Separable

OUTPUT_STRIDE = 2


@dataclass(frozen=True)
class ParserConfig:
    """Sizes of the network."""

    classes: int = 19  # CelebAMask-HQ's
    occluders: int = 7  # `models.synthesis.labels.OccluderType`
    size: int = 256  # crop side in the application, pixels; any multiple of 32 works
    width: float = 1.0
    decoder: tuple[int, int, int, int] = (96, 64, 40, 24)  # channels at strides 16, 8, 4, 2


class ParserOutput(NamedTuple):
    """What the losses see."""

    classes: Tensor  # (N, 19, H / 2, W / 2) logits of the head's parts
    occluder: Tensor  # (N, T, H / 2, W / 2) logits of what stands before them


class Context(nn.Module):
    """The coarsest features, narrowed, and gated by what the whole picture shows (LR-ASPP, Howard et al., 2019)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = ConvUnit(inputs, outputs, kernel=1)
        self.gate = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.narrow(features) * self.gate(features.mean((2, 3), keepdim=True)).sigmoid()


class UpBlock(nn.Module):
    """Twice the resolution, joined with the encoder's features of that resolution."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.narrow = ConvUnit(inputs, outputs, kernel=1)  # before enlarging, where it costs a quarter
        self.join = Separable(outputs + skip, outputs)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        enlarged = nn.functional.interpolate(self.narrow(features), scale_factor=2.0, mode="bilinear")
        return self.join(torch.cat([enlarged, skip], dim=1))


class Parser(nn.Module):
    """(N, 3, H, W) RGB in [0, 1], sides multiples of 32, to parts and occluders at half the resolution."""

    def __init__(self, config: ParserConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        self.trunk = MobileNetTrunk(config.width)
        skips = self._skip_channels()
        self.context = Context(self.trunk.channels[-1], config.decoder[0])
        inputs = (config.decoder[0], *config.decoder[:-1])
        self.up = nn.ModuleList(UpBlock(*sizes) for sizes in zip(inputs, skips, config.decoder, strict=True))
        self.out = nn.Conv2d(config.decoder[-1], config.classes + config.occluders, 1)

    def forward(self, image: Tensor) -> ParserOutput:
        *skips, coarse = self._encode(self.normalise(image))
        features = self.context(coarse)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            features = block(features, skip)
        logits = self.out(features)
        return ParserOutput(logits[:, : self.config.classes], logits[:, self.config.classes :])

    def features(self, image: Tensor) -> list[Tensor]:
        """Features of strides 2, 4, 8, 16 of (N, 3, H, W) RGB in [0, 1], by which pictures may be compared."""
        return self._encode(self.normalise(image))[:-1]

    def _encode(self, image: Tensor) -> list[Tensor]:
        """Features of strides 2, 4, 8, 16, 32."""
        to_eighth, to_sixteenth, to_coarse = self.trunk.parts
        stem, quarter, *rest = to_eighth.children()
        half = stem(image)
        fourth = quarter(half)
        eighth = nn.Sequential(*rest)(fourth)
        sixteenth = to_sixteenth(eighth)
        return [half, fourth, eighth, sixteenth, to_coarse(sixteenth)]

    def _skip_channels(self) -> list[int]:
        """Channels of strides 16, 8, 4, 2, asked of the trunk itself."""
        self.trunk.eval()
        with torch.no_grad():
            features = self._encode(torch.zeros(1, 3, 32, 32))
        self.trunk.train()
        return [feature.shape[1] for feature in reversed(features[:-1])]


class ParserExport(nn.Module):
    """The application's view: probabilities of parts and of occluders at half the crop's resolution."""

    input_names = ("image",)
    output_names = ("classes", "occluder")

    def __init__(self, net: Parser) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        out = self.net(image)
        return _shares(out.classes), _shares(out.occluder)


def _shares(logits: Tensor) -> Tensor:
    """Softmax over channels, spelt out: onnxruntime's own moves them last and back, and takes half of the time."""
    raised = (logits - logits.amax(1, keepdim=True)).exp()
    return raised / raised.sum(1, keepdim=True)


def build_parser(config: ParserConfig) -> Parser:
    """A parser with random weights."""
    return Parser(config)
