"""The parser, Zhao & Qi's "deleter" (3.2.1): which part of the head each pixel shows, and what stands before it.

A U-Net (Ronneberger et al., 2015) on the trunk of MobileNetV3-small (Howard et al., 2019). The decoder stops at half
the input's resolution; whoever needs more enlarges the probabilities, which are smooth.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .blocks import ConvUnit, MobileNetTrunk, Normalise, Separable

OUTPUT_STRIDE = 2
_HIGHEST_LOGIT = 80.0  # above the first: its exponential, summed over classes, is within float32


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
        self.skipped = skip  # channels
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
        logits = self.out(self.decoded(image))
        return ParserOutput(logits[:, : self.config.classes], logits[:, self.config.classes :])

    def decoded(self, image: Tensor) -> Tensor:
        """Features of stride 2 of (N, 3, H, W) RGB in [0, 1]."""
        *skips, coarse = self._encode(self.normalise(image))
        features = self.context(coarse)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            features = block(features, skip)
        return features

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


class SplitJoin(nn.Module):
    """What an `UpBlock` computes, without putting enlarged and fine features together first.

    Its depthwise convolution treats every channel on its own and the pointwise one adds them up, so that either half
    may go its own way; a runtime that keeps channels in blocks need not lay them out anew.
    """

    def __init__(self, block: UpBlock) -> None:
        super().__init__()
        depthwise, pointwise = _fused(block.join.depthwise), _fused(block.join.pointwise)
        own = pointwise.in_channels - block.skipped
        self.narrow, self.act = block.narrow, block.join.pointwise[2]
        self.enlarged = _part_of(depthwise, pointwise, slice(own), bias=True)
        self.skip = _part_of(depthwise, pointwise, slice(own, None), bias=False)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        enlarged = nn.functional.interpolate(self.narrow(features), scale_factor=2.0, mode="bilinear")
        return self.act(self.enlarged(enlarged) + self.skip(skip))


def _fused(unit: nn.Sequential) -> nn.Conv2d:
    """A convolution with the normalisation after it."""
    conv, norm = unit[0], unit[1]
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


def _part_of(depthwise: nn.Conv2d, pointwise: nn.Conv2d, channels: slice, bias: bool) -> nn.Sequential:
    """Both convolutions on some of their input channels; `bias`: with that of the second."""
    assert depthwise.bias is not None and pointwise.bias is not None
    deep, flat = depthwise.weight.data[channels], pointwise.weight.data[:, channels]
    count = len(deep)
    first = nn.Conv2d(count, count, 3, 1, 1, groups=count)
    first.load_state_dict({"weight": deep, "bias": depthwise.bias.data[channels]})
    second = nn.Conv2d(count, pointwise.out_channels, 1, bias=bias)
    second.load_state_dict({"weight": flat} | ({"bias": pointwise.bias.data} if bias else {}))
    return nn.Sequential(first, second)


class ParserExport(nn.Module):
    """The application's view: probabilities of parts and of occluders at half the crop's resolution.

    It computes what the parser computes, arranged for a CPU.
    """

    input_names = ("image",)
    output_names = ("classes", "occluder")

    def __init__(self, net: Parser) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval()
        stem = next(layer for layer in self.net.trunk.modules() if isinstance(layer, nn.Conv2d))
        stem.weight.data /= self.net.normalise.std
        self.net.normalise.std.fill_(1.0)
        self.net.up = nn.ModuleList(SplitJoin(block) for block in self.net.up if isinstance(block, UpBlock))
        parts = net.config.classes
        self.classes, self.occluder = (_against_first(net.out, rows) for rows in (slice(parts), slice(parts, None)))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.net.decoded(image)
        return _shares(self.classes(features)), _shares(self.occluder(features))


def _against_first(conv: nn.Conv2d, rows: slice) -> nn.Conv2d:
    """Some of a 1x1 convolution's outputs less the first of them."""
    assert conv.bias is not None
    weight, bias = conv.weight.data[rows], conv.bias.data[rows]
    out = nn.Conv2d(conv.in_channels, len(bias), 1)
    out.load_state_dict({"weight": weight - weight[:1], "bias": bias - bias[:1]})
    return out


def _shares(logits: Tensor) -> Tensor:
    """Softmax over channels of logits of which the first is 0, so that their sum is never small.

    Spelt out: onnxruntime's own moves the channels last and back, and takes half of the time.
    """
    raised = logits.minimum(logits.new_tensor(_HIGHEST_LOGIT)).exp()
    return raised / raised.sum(1, keepdim=True)


def build_parser(config: ParserConfig) -> Parser:
    """A parser with random weights."""
    return Parser(config)
