"""Crops of many pictures at once on the device, moved as `augment.jittered` and `alignment.mirrored` move one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.geometry import alignment

from .augment import Jitter

_MOST_DEGREES = 30.0


def crop_matrices(points: Tensor, size: int, margin: float = alignment.MARGIN, lift: float = 0.0) -> Tensor:
    """(N, 2, 3) picture -> crop similarities of (N, 68, 2) landmarks, framed as `alignment` frames one face."""
    right, left = points[:, 36:42].mean(1), points[:, 42:48].mean(1)
    mouth = points[:, [48, 54]].mean(1)
    across, down = left - right, mouth - (left + right) / 2
    upright = across + torch.stack([down[:, 1], -down[:, 0]], dim=1)
    roll = torch.atan2(upright[:, 1], upright[:, 0])
    c, s = roll.cos(), roll.sin()
    turn = torch.stack([torch.stack([c, s], -1), torch.stack([-s, c], -1)], dim=1)
    turned = points @ turn.transpose(1, 2)
    low, high = turned.amin(1), turned.amax(1)
    scale = size / (margin * (high - low).amax(1).clamp_min(1.0))
    shift = (size - 1) / 2 - (low + high) / 2 * scale[:, None]
    shift[:, 1] += size * lift / margin
    return torch.cat([turn * scale[:, None, None], shift[:, :, None]], dim=2)


def jittered(
    matrices: Tensor,
    size: int,
    jitter: Jitter,
    generator: torch.Generator,
    scales: tuple[float, float] = (0.0, torch.inf),
) -> Tensor:
    """(N, 2, 3) crop matrices turned, scaled by at most `scales` and shifted a little about the crop's centre."""
    count, device = len(matrices), matrices.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator, device=device)

    angle = torch.deg2rad((normal() * jitter.degrees).clamp(-_MOST_DEGREES, _MOST_DEGREES))
    scale, shift = (normal() * jitter.log_scale).exp().clamp(*scales), normal(2) * jitter.shift * size
    c, s = angle.cos() * scale, angle.sin() * scale
    turn = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], dim=1)
    out = turn @ matrices
    middle = torch.full((count, 2, 1), (size - 1) / 2, device=device)
    out[:, :, 2:] += middle + shift[:, :, None] - turn @ middle
    return out


def mirrored(matrices: Tensor, size: int, flip: Tensor) -> Tensor:
    """(N, 2, 3) matrices, those where (N,) bool `flip` is set made into mirror images."""
    image = matrices.clone()
    image[:, 0] = -image[:, 0]
    image[:, 0, 2] += size - 1
    return torch.where(flip[:, None, None], image, matrices)


def apply(matrices: Tensor, points: Tensor) -> Tensor:
    """(N, P, 2) points through (N, 2, 3) matrices."""
    return points @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]


def at_points(maps: Tensor, points: Tensor) -> Tensor:
    """(N, P) values of (N, S, S) maps at (N, P, 2) points in crop fractions; points outside see the nearest pixel."""
    side = maps.shape[-1]
    pixel = (points * side - 0.5).round().long().clamp(0, side - 1)
    return maps.flatten(1).gather(1, pixel[..., 1] * side + pixel[..., 0])


def inverted(matrices: Tensor) -> Tensor:
    """(N, 2, 3) inverses."""
    linear = torch.linalg.inv(matrices[:, :, :2])
    return torch.cat([linear, -linear @ matrices[:, :, 2:]], dim=2)


class Cut:
    """Where the pixels of a batch of crops lie in their pictures; cuts pictures and maps alike."""

    def __init__(self, matrices: Tensor, size: int, side: int, reflect: Tensor | None = None) -> None:
        """(N, 2, 3) picture -> crop matrices; `side` of the pictures; (N,) `reflect`: the outside mirrors them."""
        step = torch.arange(size, device=matrices.device, dtype=torch.float32)
        grid = torch.stack([step.repeat(size), step.repeat_interleave(size)], dim=-1)
        at = apply(inverted(matrices), grid[None].expand(len(matrices), -1, -1))
        if reflect is not None:
            period = 2.0 * (side - 1)
            folded = at.abs() % period
            folded = torch.minimum(folded, period - folded)
            at = torch.where(reflect[:, None, None], folded, at)
        self._grid = ((2.0 * at + 1.0) / side - 1.0).view(len(matrices), size, size, 2)

    def pictures(self, pictures: Tensor) -> Tensor:
        """(N, 3, size, size) float32 in [0, 1] of (N, side, side, 3) or grey (N, side, side) uint8, black outside."""
        channels = pictures.permute(0, 3, 1, 2) if pictures.ndim == 4 else pictures[:, None]
        cut = nn.functional.grid_sample(channels.float() / 255.0, self._grid, align_corners=False)
        return cut if cut.shape[1] == 3 else cut.expand(-1, 3, -1, -1)

    def codes(self, maps: Tensor, outside: int = 0) -> Tensor:
        """(N, size, size) uint8 of (N, side, side) uint8 codes, the nearest ones; `outside` beyond the picture."""
        values = maps[:, None].float() - outside
        cut = nn.functional.grid_sample(values, self._grid, mode="nearest", align_corners=False)
        return (cut[:, 0] + outside).round().to(torch.uint8)
