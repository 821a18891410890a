"""Batches of the parser made on the device: `ParsingSampler.varied`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry import alignment
from core.types import LANDMARKS
from models.networks.parser import OUTPUT_STRIDE
from models.synthesis.labels import Label, OccluderType

from . import parsing_samples as samples
from .data import BARE
from .device_augment import Draws, sockets_shaded
from .device_crops import Cut, apply, crop_matrices, inverted, jittered, mirrored
from .device_feed import DeviceFeed
from .device_holes import isin
from .device_pictures import DevicePictures, GrowingPictures
from .feed import DeviceBatch
from .painted_parts import IGNORED

_COVERED = 0.5  # share of crops that are sought among covered faces
_GRAIN = 0.06  # greatest deviation of the noise on plain colours, of full white


class ParsingFeed(DeviceFeed):
    """Head crops with parts and occluders; a share shows portraits, if there are."""

    planes = ("image", "codes", "part", "kind")

    def __init__(
        self,
        pictures: GrowingPictures,
        size: int,
        stock: np.ndarray,
        portraits: DevicePictures | None = None,
        share: float = 0.0,
    ) -> None:
        """`stock` are (M, H, W, 3) uint8 scenes without people, to stand behind or before a head."""
        super().__init__(pictures, size)
        self.portraits, self.share = portraits, share
        self._stock = torch.from_numpy(stock).to(pictures.device)
        self._swap = torch.from_numpy(samples.MIRRORED).to(pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Head crops of varying frames; "classes", "occluder" (N, S / 2, S / 2) uint8 and their "weight"."""
        generator = self._begin(seed, step)
        real = 0 if self.portraits is None else round(size * self.share)
        parts = [self._cropped(self.pictures, size - real, generator)]
        if self.portraits is not None and real:
            parts.append(self._cropped(self.portraits, real, generator))
        image, part, kind = (torch.cat(column) for column in zip(*parts, strict=True))
        happens = self._coin(size, samples.COVER, generator)
        image, alpha = self._patched(image, self._scenes(size, generator), happens, generator)
        kind = torch.where((alpha > 0.5) & (kind != IGNORED), OccluderType.OBJECT, kind).to(torch.uint8)
        part, kind = (codes[:, ::OUTPUT_STRIDE, ::OUTPUT_STRIDE].contiguous() for codes in (part, kind))
        labels = {"classes": part, "occluder": kind, "weight": weights(part, kind)}
        return self._changed(image, samples.STRENGTH, generator), labels

    def _cropped(self, pictures: DevicePictures, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Pictures, parts and types of occluders of crops; covered faces are sought out."""
        sought = round(count * _COVERED)
        chosen = pictures.draw(sought, generator, pictures.occluded), pictures.draw(count - sought, generator)
        rows = torch.cat(chosen)
        points = pictures.rows.points[rows, :LANDMARKS]
        matrices, flip = self._framed(points, pictures.size, generator)
        cut = Cut(matrices, self.size, pictures.size, self._coin(count, samples.REFLECTED, generator))
        part, kind = (cut.codes(pictures.planes[name][rows], IGNORED) for name in ("part", "kind"))
        part = torch.where(flip[:, None, None], self._swap[part.long()], part)
        image, eyes = self._set_before(cut, pictures, rows, generator), samples.sockets(apply(matrices, points))
        happens = self._coin(count, samples.SHADED, generator)[:, None, None, None]
        return torch.where(happens, sockets_shaded(image, eyes, Draws(count, generator)), image), part, kind

    def _framed(self, points: Tensor, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Matrices of close, tight and whole head crops, moved and mirrored, and which are mirrored.

        `side` is that of the pictures; those that show the whole head crop are not cut tighter, small faces not close.
        """
        count = len(points)
        close = crop_matrices(points, self.size, alignment.CLOSE_MARGIN)
        tight = crop_matrices(points, self.size, samples.TIGHT_MARGIN)
        head = crop_matrices(points, self.size, alignment.HEAD_MARGIN, alignment.HEAD_LIFT)
        nearest, near = (self._coin(count, share, generator) for share in (samples.CLOSE, samples.TIGHT))
        nearest &= self.size / alignment.CLOSE_MARGIN / torch.linalg.det(close[:, :, :2]).sqrt() >= samples.CLOSE_FROM
        near &= _shown(head, self.size, side) < samples.TIGHT_BELOW
        matrices = torch.where(nearest[:, None, None], close, torch.where(near[:, None, None], tight, head))
        flip = self._coin(count, 0.5, generator)
        moved = jittered(matrices, self.size, samples.JITTER, generator, samples.SCALES)
        return mirrored(moved, self.size, flip), flip

    def _set_before(self, cut: Cut, pictures: DevicePictures, rows: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, S, S) crops, some people before another background."""
        image = cut.pictures(pictures.planes["image"][rows])
        behind = (pictures.planes["part"][rows] == Label.BACKGROUND) & isin(pictures.planes["codes"][rows], BARE)
        alpha = nn.functional.avg_pool2d(cut.codes((~behind).to(torch.uint8), 1)[:, None].float(), 3, 1, 1)
        changed = self._coin(len(rows), samples.BACKGROUND, generator)[:, None, None, None]
        scenes = self._scenes(len(rows), generator)
        return torch.where(changed, image * alpha + scenes * (1.0 - alpha), image)

    def _scenes(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 3, S, S) scenes of the stock or plain noisy colours."""
        chosen = torch.randint(len(self._stock), (count,), generator=generator, device=self.device)
        scenes = self._stock[chosen].permute(0, 3, 1, 2).float() / 255.0
        scenes = nn.functional.interpolate(scenes, self.size, mode="bilinear")
        draw = Draws(count, generator)
        plain = (draw.uniform(channels=3) + draw.field(scenes[:, None]) * draw.uniform(0.0, _GRAIN))[:, 0]
        return torch.where(draw.happens(samples.PLAIN)[:, 0], plain.clamp(0.0, 1.0), scenes)


def _shown(matrices: Tensor, size: int, side: int) -> Tensor:
    """(N,) share of upright crops of `size` pixels that lies within the pictures, for (N, 2, 3) matrices."""
    corners = matrices.new_tensor([[0, 0], [size, 0], [0, size], [size, size]]) - 0.5
    reach = apply(inverted(matrices), corners.expand(len(matrices), 4, 2))
    low, high = reach.amin(1), reach.amax(1)
    return (high.clamp_max(side) - low.clamp_min(0)).clamp_min(0).prod(1) / (high - low).prod(1)


def weights(part: Tensor, kind: Tensor) -> Tensor:
    """(N, H, W) weights of (N, H, W) uint8 parts: outlines count more, what is guessed behind an occluder less."""
    value = part[:, None].float()
    edge = nn.functional.max_pool2d(value, 3, 1, 1) > -nn.functional.max_pool2d(-value, 3, 1, 1)
    weight = 1.0 + samples.EDGE * edge[:, 0]
    return torch.where(isin(kind, samples.LOOKED_THROUGH), samples.GUESSED, weight)
