"""The face behind what hides it: Zhao & Qi's landmark-guided generator (3.2.2), its opponent, and the plain baseline.

The generator starts from a smooth fill of the hole and learns what is missing in it. It is a U-Net (Ronneberger et al.,
2015) with dilated residual blocks (Yu and Koltun, 2016) and one attention that looks for the missing among the seen
(Zheng et al., "Pluralistic image completion", 2019). Skips carry seen pixels alone, so what appears in the hole has
passed the coarsest features. Deleting, drawing the landmarks and putting the fill back are parts of the network: nobody
else has to agree on them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .blocks import ConvUnit, Normalise

# Points of one colour would leave open which is which: jaw, brows, nose, eyes, lips.
LANDMARK_GROUPS = (slice(0, 17), slice(17, 27), slice(27, 36), slice(36, 48), slice(48, 68))
STRIDE = 8  # of the coarsest features, in cells of `fold` pixels; sides of pictures are multiples of both
_DOT = 0.008  # standard deviation of a drawn landmark, crop sides
_NEVER = -1e4  # a logit that takes no share
_DARKEST = 0.02  # level at which the smooth fill is held, and its opposite: beyond, a logit moves too little
_TRUST = 4.0  # a cell of the smooth fill of which a quarter is seen needs no coarser cell
_LEAST = 1e-4  # share of seen pixels that counts as none


@dataclass(frozen=True)
class CompleterConfig:
    """Sizes of the generator."""

    size: int = 256  # side of the face crop, pixels
    fold: int = 2  # side of the cells of pixels that become channels first: a quarter of the work at the same size
    channels: tuple[int, int, int, int] = (16, 32, 64, 128)  # at strides of 1, 2, 4, 8 cells
    dilations: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)  # of the residual blocks
    sees_behind: bool = False  # a teacher: the encoder is given the clean picture whole


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the baseline."""

    size: int = 256  # side of the face crop, pixels
    channels: tuple[int, ...] = (16, 32, 64, 128, 160)  # at strides 2, 4, 8, 16, 32


class CompleterOutput(NamedTuple):
    """What the losses see."""

    painted: Tensor  # (N, 3, H, W) in [0, 1], everywhere
    completed: Tensor  # (N, 3, H, W): the picture, its hole painted; elsewhere equal to the picture to the bit
    context: Tensor  # (N, C, h, w) coarsest features


class LandmarkMaps(nn.Module):
    """(N, 68, 2) landmarks in crop fractions to (N, 5, H, W) soft dots in [0, 1], one map per group."""

    def forward(self, landmarks: Tensor, height: int, width: int) -> Tensor:
        across, down = (self._bells(landmarks[..., k], count) for k, count in enumerate((width, height)))
        maps = [down[:, part].transpose(1, 2) @ across[:, part] for part in LANDMARK_GROUPS]
        return torch.stack(maps, dim=1).clamp(max=1.0)

    @staticmethod
    def _bells(place: Tensor, count: int) -> Tensor:
        """(N, 68, count) Gaussian bells along one side."""
        centers = (torch.arange(count, dtype=place.dtype, device=place.device) + 0.5) / count
        return torch.exp(-0.5 * ((centers - place[..., None]) / _DOT) ** 2)


class DilatedResidual(nn.Module):
    """Two convolutions, the first with holes, beside a shortcut."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


class LongShortAttention(nn.Module):
    """Short-term attention among the decoder's features; long-term, along the same likeness, to the seen encoder's.

    The hole takes encoder features from seen places alone; seen places keep their own.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.short_share = nn.Parameter(torch.zeros(()))
        self.long_share = nn.Parameter(torch.full((), 0.1))
        self.join = ConvUnit(2 * channels, channels, kernel=1)

    def forward(self, features: Tensor, encoded: Tensor, hole: Tensor) -> Tensor:
        """(N, C, h, w) of the features, the encoder's features and the (N, 1, h, w) hole, 1 inside."""
        query = nn.functional.normalize(self.query(features).flatten(2), dim=1)
        likeness = 8.0 * query.transpose(1, 2) @ query  # (N, to, from): cosines, sharpened
        short = _gathered(features, likeness)
        long = _gathered(encoded, likeness + _NEVER * hole.flatten(2))
        flow = self.long_share * long * hole + encoded * (1.0 - hole)
        return features + self.join(torch.cat([features + self.short_share * short, flow], dim=1))


class Enlarge(nn.Module):
    """Twice the resolution, joined with what the encoder saw at that resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = ConvUnit(inputs, outputs, kernel=1)  # before enlarging, where it costs a quarter
        self.join = ConvUnit(2 * outputs, outputs)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        enlarged = nn.functional.interpolate(self.narrow(features), scale_factor=2.0, mode="bilinear")
        return self.join(torch.cat([enlarged, skip], dim=1))


class Completer(nn.Module):
    """(N, 3, H, W) RGB in [0, 1], (N, 1, H, W) hole (1 inside), (N, 68, 2) landmarks in crop fractions."""

    def __init__(self, config: CompleterConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise, self.maps = Normalise(), LandmarkMaps()
        self.halvings = halvings(config.size)
        full, *coarser = config.channels
        self.stem = ConvUnit((3 + 1) * config.fold**2 + len(LANDMARK_GROUPS), full)
        inputs = (full, *coarser[:-1])
        self.down = nn.ModuleList(ConvUnit(a, b, stride=2) for a, b in zip(inputs, coarser, strict=True))
        wide = coarser[-1]
        self.middle = nn.Sequential(*(DilatedResidual(wide, dilation) for dilation in config.dilations))
        self.attention = LongShortAttention(wide)
        sizes = tuple(reversed(config.channels))
        self.up = nn.ModuleList(Enlarge(a, b) for a, b in itertools.pairwise(sizes))
        self.out = nn.Conv2d(full, 3 * config.fold**2, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor, landmarks: Tensor) -> CompleterOutput:
        smooth = smoothly_filled(image, mask, self.halvings)
        *skips, encoded = self._encode(image, smooth, mask, landmarks)
        fold = self.config.fold
        hole = coarse_hole(mask, STRIDE * fold)
        context = self.attention(self.middle(encoded), encoded, hole)
        features = context
        for k, (block, skip) in enumerate(zip(self.up, reversed(skips), strict=True)):
            features = block(features, skip * (1.0 - coarse_hole(mask, fold * STRIDE >> (k + 1))))
        change = nn.functional.pixel_shuffle(self.out(features), fold).float()
        painted = (change + smooth.clamp(_DARKEST, 1.0 - _DARKEST).logit()).sigmoid()
        return CompleterOutput(painted, put_back(image, painted, mask), context)

    def load_coarser(self, state: dict[str, Tensor]) -> None:
        """Take the weights of a generator that works on single pixels, of which each cell becomes a copy.

        What was learnt at half the size, where a step costs a quarter, goes on at the full size (Karras et al., 2018).
        """
        count = self.config.fold**2
        pixels, dots = state["stem.0.weight"].split((4, len(LANDMARK_GROUPS)), dim=1)
        stem = torch.cat([pixels.repeat_interleave(count, dim=1) / count, dots], dim=1)
        out = {name: state[name].repeat_interleave(count, dim=0) for name in ("out.weight", "out.bias")}
        self.load_state_dict(state | out | {"stem.0.weight": stem})

    def _encode(self, image: Tensor, smooth: Tensor, mask: Tensor, landmarks: Tensor) -> list[Tensor]:
        """Features of strides of 1, 2, 4, 8 cells."""
        fold, seen = self.config.fold, self.normalise(image if self.config.sees_behind else smooth)
        dots = self.maps(landmarks, image.shape[2] // fold, image.shape[3] // fold)
        cells = nn.functional.pixel_unshuffle(torch.cat([seen, mask], dim=1), fold)
        features = [self.stem(torch.cat([cells, dots], dim=1))]
        for block in self.down:
            features.append(block(features[-1]))
        return features


class Autoencoder(nn.Module):
    """The thesis' baseline: convolutions down, transposed ones up, nothing beside. It knows no landmarks."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = Normalise()
        sizes = config.channels
        self.encoder = nn.Sequential(*(ConvUnit(a, b, stride=2) for a, b in zip((4, *sizes), sizes, strict=False)))
        upward = tuple(reversed(sizes))
        self.decoder = nn.Sequential(
            *(_transposed(a, b) for a, b in itertools.pairwise(upward)),
            nn.ConvTranspose2d(upward[-1], 3, 4, 2, 1),
        )

    def forward(self, image: Tensor, mask: Tensor, landmarks: Tensor) -> CompleterOutput:
        """As the generator's, so that either can be chosen; the landmarks are not used."""
        del landmarks
        context = self.encoder(torch.cat([deleted(self.normalise(image), mask), mask], dim=1))
        painted = self.decoder(context).float().sigmoid()
        return CompleterOutput(painted, put_back(image, painted, mask), context)


class CoarseCompleter(nn.Module):
    """What the hole holds, seen from afar: a small generator's painting, each of whose pixels is a cell of the crop.

    (N, 3, S, S) RGB in [0, 1], (N, 1, S, S) hole and (N, 68, 2) landmarks to (N, 3, s, s) colours, s the config's size.
    Where light falls and how bright lips are needs no fine pixels, and without them training goes far on a CPU.
    """

    def __init__(self, config: CompleterConfig) -> None:
        super().__init__()
        self.config = config
        self.painter = Completer(config)

    def forward(self, image: Tensor, mask: Tensor, landmarks: Tensor) -> Tensor:
        smooth = smoothly_filled(image, mask, halvings(image.shape[2]))
        cell = image.shape[2] // self.config.size
        return self.painter(pooled(smooth, cell), pooled(mask, cell), landmarks).painted


class PatchCritic(nn.Module):
    """Says of each patch of a picture whether it looks real (Isola et al., 2017), spectrally normalised.

    (N, 3, H, W) pictures and their (N, 1, H, W) holes to (N, 1, H / 8 - 2, W / 8 - 2) scores of patches of 70 pixels.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = (4, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(sizes[-1], sizes[-1], 4, 1, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(sizes[-1], 1, 4, 1, 1)))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.layers(torch.cat([image * 2.0 - 1.0, mask], dim=1))


class CompletionExport(nn.Module):
    """The application's view of either network: the picture with its hole painted."""

    input_names = ("image", "mask", "landmarks")
    output_names = ("completed",)

    def __init__(self, net: Completer | Autoencoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor, mask: Tensor, landmarks: Tensor) -> Tensor:
        return self.net(image, mask, landmarks).completed


def build_completer(config: CompleterConfig) -> Completer:
    """A generator with random weights."""
    return Completer(config)


def build_autoencoder(config: AutoencoderConfig) -> Autoencoder:
    """A baseline with random weights."""
    return Autoencoder(config)


def build_coarse_completer(config: CompleterConfig) -> CoarseCompleter:
    """A coarse completer with random weights."""
    return CoarseCompleter(config)


def pooled(image: Tensor, cell: int) -> Tensor:
    """(N, C, H / cell, W / cell) means of square cells."""
    return nn.functional.avg_pool2d(image, cell) if cell > 1 else image


def deleted(image: Tensor, mask: Tensor) -> Tensor:
    """(N, C, H, W) with nothing in the hole."""
    return image * (1.0 - mask)


def halvings(size: int) -> int:
    """How often a side can be halved, down to 2 pixels."""
    return 0 if size % 2 or size <= 2 else 1 + halvings(size // 2)


def smoothly_filled(image: Tensor, mask: Tensor, coarser: int) -> Tensor:
    """(N, 3, H, W) with the hole filled smoothly from its surroundings: pull and push (Gortler et al., 1996).

    `coarser` is how often both sides are halved. Colour and shading are given by it; what is left to learn is the face.
    """
    colour, weight = deleted(image, mask), 1.0 - mask
    levels = [(colour, weight)]
    for _ in range(coarser):
        colour, weight = nn.functional.avg_pool2d(colour, 2), nn.functional.avg_pool2d(weight, 2)
        levels.append((colour, weight))
    filled = colour.sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(_LEAST)
    for colour, weight in reversed(levels):
        size = (colour.shape[2], colour.shape[3])
        filled = nn.functional.interpolate(filled, size=size, mode="bilinear")
        known = (weight * _TRUST).clamp(max=1.0)
        filled = colour / weight.clamp_min(_LEAST) * known + filled * (1.0 - known)
    return filled


def put_back(image: Tensor, painted: Tensor, mask: Tensor) -> Tensor:
    """(N, 3, H, W) painted in the hole of a mask of 0 and 1; elsewhere the picture itself, to the bit."""
    return torch.where(mask > 0.5, painted, image)


def coarse_hole(mask: Tensor, stride: int) -> Tensor:
    """(N, 1, H / stride, W / stride): cells of which any part lies in the hole."""
    return nn.functional.max_pool2d(mask, stride) if stride > 1 else mask


def _gathered(values: Tensor, likeness: Tensor) -> Tensor:
    """(N, C, h, w) mean of (N, C, h, w) values for each place, weighted by the (N, to, from) likeness."""
    share = likeness.float().softmax(dim=-1).to(values.dtype)
    return (values.flatten(2) @ share.transpose(1, 2)).view_as(values)


def _transposed(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
