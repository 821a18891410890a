"""`augment.photometric` for batches on the device: every picture draws its own changes.

Views are (N, K, 3, H, W) in [0, 1]: the K pictures of a row, say a covered face and its clean twin, change alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from .augment import SOCKET_DEPTH, SOCKET_EDGE, SOCKET_HEIGHT, SOCKET_SIZE, Strength

_PARTS = 4  # of a batch; each part is coarsened by a factor of its own
_LUMA = (0.299, 0.587, 0.114)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
# Tables of the JPEG standard (ITU T.81, annex K) for luminance and colour.
_BRIGHT = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_COLOUR = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
    99, 99, 99, *(99,) * 32,
)  # fmt: skip


class Draws:
    """Random numbers for N rows, each shaped to act on (N, K, 3, H, W)."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self._count, self._generator = count, generator

    def uniform(self, low: float = 0.0, high: float = 1.0, channels: int = 1) -> Tensor:
        """(N, 1, channels, 1, 1) evenly spread."""
        shape = (self._count, 1, channels, 1, 1)
        return low + (high - low) * torch.rand(shape, generator=self._generator, device=self._generator.device)

    def normal(self, deviation: float, mean: float = 0.0, channels: int = 1) -> Tensor:
        """(N, 1, channels, 1, 1) normally spread."""
        shape = (self._count, 1, channels, 1, 1)
        return mean + deviation * torch.randn(shape, generator=self._generator, device=self._generator.device)

    def happens(self, share: float) -> Tensor:
        """(N, 1, 1, 1, 1) bool, true for about that share."""
        return self.uniform() < share

    def field(self, like: Tensor) -> Tensor:
        """(N, 1, 3, H, W) standard normal."""
        shape = (self._count, 1, *like.shape[2:])
        return torch.randn(shape, generator=self._generator, device=self._generator.device)


@torch.no_grad()
def photometric(views: Tensor, strength: Strength, generator: torch.Generator) -> Tensor:
    """(N, K, 3, H, W) views with changed colour, sharpness, noise and compression."""
    draw = Draws(len(views), generator)
    views = torch.where(draw.happens(strength.shade), _shaded(views, draw), views)
    views = torch.where(draw.happens(strength.color), _recoloured(views, draw), views)
    grey = (views * views.new_tensor(_LUMA).view(1, 1, 3, 1, 1)).sum(2, keepdim=True).expand_as(views)
    views = torch.where(draw.happens(strength.grey), grey, views)
    views = _some(views, draw.happens(strength.blur), lambda part: _blurred(part, generator))
    views = _some(
        views, draw.happens(strength.coarse), lambda part: _coarser(part, strength.coarsest, 0.8, generator, False)
    )
    grain = draw.happens(strength.noise) * draw.uniform(2.0, 14.0) / 255.0
    views = (views + grain * draw.field(views)).clamp(0.0, 1.0)
    views = _some(views, draw.happens(strength.jpeg), lambda part: compressed(part, _qualities(part, generator)))
    return _some(views, draw.happens(strength.video), lambda part: _coarser(part, 0.3, 0.9, generator, True))


def _some(views: Tensor, chosen: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change the chosen rows alone: what is dear is not done to all."""
    rows = chosen.flatten().nonzero().squeeze(1)
    return views if len(rows) == 0 else views.index_copy(0, rows, change(views[rows]).to(views.dtype))


def _recoloured(views: Tensor, draw: Draws) -> Tensor:
    """Exposure, contrast, gamma, white balance; saturation of half of them."""
    gamma, contrast = draw.normal(0.25).exp(), draw.normal(0.2).exp()
    gain = (draw.normal(0.18) + draw.normal(0.06, channels=3)).exp()
    out = ((views.clamp_min(1e-4) ** gamma * gain - 0.5) * contrast + 0.5 + draw.normal(0.06)).clamp(0.0, 1.0)
    keep = torch.where(draw.happens(0.5), draw.normal(0.35).exp(), 1.0)
    mean = out.mean(2, keepdim=True)
    return (mean + (out - mean) * keep).clamp(0.0, 1.0)


def _shaded(views: Tensor, draw: Draws) -> Tensor:
    """A soft ramp of light across the picture."""
    angle, middle, width = draw.uniform(0.0, 2.0 * math.pi), draw.normal(0.25), draw.uniform(0.1, 0.8)
    height, across = views.shape[-2:]
    x = torch.linspace(-1.0, 1.0, across, device=views.device).view(1, 1, 1, 1, -1) * angle.cos()
    y = torch.linspace(-1.0, 1.0, height, device=views.device).view(1, 1, 1, -1, 1) * angle.sin()
    ramp = torch.sigmoid((x + y - middle) / width * 4.0)
    low, high = draw.uniform(0.25, 0.9), draw.uniform(0.9, 1.4)
    return (views * (low + (high - low) * ramp)).clamp(0.0, 1.0)


def sockets_shaded(images: Tensor, eyes: Iterable[tuple[Tensor, Tensor]], draw: Draws) -> Tensor:
    """(N, 3, H, W) images as `augment.shade_sockets` shades one; `eyes` are (N, 2) middles and half widths."""
    height, width = images.shape[-2:]
    depth, size, tall, edge = (
        draw.uniform(*span)[:, 0] for span in (SOCKET_DEPTH, SOCKET_SIZE, SOCKET_HEIGHT, SOCKET_EDGE)
    )
    x = torch.arange(width, device=images.device, dtype=images.dtype).view(1, 1, 1, -1)
    y = torch.arange(height, device=images.device, dtype=images.dtype).view(1, 1, -1, 1)
    for middle, half in eyes:
        (middle_x, middle_y), (half_x, half_y) = (pair[:, :, None, None, None].unbind(1) for pair in (middle, half))
        reach = size * (half_x**2 + half_y**2).clamp_min(1.0)
        along = ((x - middle_x) * half_x + (y - middle_y) * half_y) / reach
        across = ((y - middle_y) * half_x - (x - middle_x) * half_y) / (reach * tall)
        images = images * (1.0 - depth * torch.exp(-((along**2 + across**2) ** edge)))
    return images


def _blurred(views: Tensor, generator: torch.Generator) -> Tensor:
    """Out of focus or moved: a Gaussian that is stretched along a random direction, wide or narrow."""
    count, reach, device = len(views), views.shape[-1] / 128.0, views.device
    half = math.ceil(4.0 * reach)
    step = torch.arange(-half, half + 1, device=device, dtype=torch.float32)
    draw = torch.rand(3, count, 1, 1, generator=generator, device=device)
    angle, wide = draw[0] * math.pi, (0.4 + 1.4 * draw[1]) * reach
    narrow = torch.where(draw[2] < 0.6, wide, 0.35)
    along = step[None, :, None] * angle.cos() + step[None, None, :] * angle.sin()
    beside = step[None, None, :] * angle.cos() - step[None, :, None] * angle.sin()
    kernel = torch.exp(-0.5 * ((along / wide) ** 2 + (beside / narrow) ** 2))
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    layers = views.shape[1] * 3
    flat = nn.functional.pad(views.flatten(1, 2), (half,) * 4, mode="replicate").flatten(0, 1)[None]
    out = nn.functional.conv2d(flat, kernel.repeat_interleave(layers, 0)[:, None], groups=count * layers)
    return out.view_as(views)


def _coarser(views: Tensor, low: float, high: float, generator: torch.Generator, video: bool) -> Tensor:
    """Shrunk and enlarged again, as `video` compressed in between; each part of the batch by its own factor."""
    out, size = [], views.shape[-2:]
    factors = torch.rand(_PARTS, generator=generator, device=generator.device).tolist()
    for part, factor in zip(views.chunk(_PARTS), factors, strict=False):
        sides = tuple(max(round(side * (low + (high - low) * factor)), 8) for side in size)
        small = nn.functional.interpolate(part.flatten(0, 1), sides, mode="bilinear", antialias=True)
        if video:
            small = small.view(*part.shape[:3], *sides)
            small = compressed(small, _qualities(small, generator)).flatten(0, 1)
        how = "bicubic" if not video and factor > 0.7 else "bilinear"
        out.append(nn.functional.interpolate(small, size, mode=how).clamp(0.0, 1.0).view_as(part))
    return torch.cat(out)


def _qualities(views: Tensor, generator: torch.Generator) -> Tensor:
    return 20.0 + 60.0 * torch.rand(len(views), generator=generator, device=views.device)


def compressed(views: Tensor, quality: Tensor) -> Tensor:
    """(N, K, 3, H, W) as JPEG of (N,) qualities in [1, 100] gives them back, colours at half the resolution."""
    count, several, _, height, width = views.shape
    bottom, right = -height % 16, -width % 16
    flat = nn.functional.pad(views.flatten(0, 1), (0, right, 0, bottom), mode="replicate")
    to_ycc = flat.new_tensor(_TO_YCC)
    ycc = torch.einsum("oc,nchw->nohw", to_ycc, flat) * 255.0
    quality = quality.repeat_interleave(several).clamp(1.0, 100.0)
    scale = torch.where(quality < 50.0, 5000.0 / quality, 200.0 - 2.0 * quality) / 100.0
    bright = _quantised(ycc[:, :1] - 128.0, _BRIGHT, scale) + 128.0
    colour = _quantised(nn.functional.avg_pool2d(ycc[:, 1:], 2), _COLOUR, scale)
    colour = nn.functional.interpolate(colour, scale_factor=2.0, mode="bilinear")
    out = torch.einsum("oc,nchw->nohw", torch.linalg.inv(to_ycc), torch.cat([bright, colour], dim=1)) / 255.0
    return out[..., :height, :width].clamp(0.0, 1.0).view(count, several, 3, height, width)


def _quantised(planes: Tensor, table: tuple[int, ...], scale: Tensor) -> Tensor:
    """(N, C, H, W) planes through the rounded cosine transform of their 8 x 8 blocks."""
    count, channels, height, width = planes.shape
    k = torch.arange(8, device=planes.device, dtype=planes.dtype)
    cosine = torch.cos((2.0 * k[None] + 1.0) * k[:, None] * math.pi / 16.0) * 0.5
    cosine[0] /= math.sqrt(2.0)
    blocks = planes.view(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    steps = (planes.new_tensor(table).view(8, 8) * scale.view(-1, 1, 1, 1, 1, 1)).clamp(1.0, 255.0)
    waves = (cosine @ blocks @ cosine.T / steps).round() * steps
    return (cosine.T @ waves @ cosine).transpose(3, 4).reshape(count, channels, height, width)
