"""Batches made on the device, for each network: what the recipes' own samplers do, thousands at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry import alignment
from core.geometry.face_model import FaceModel
from core.geometry.mirroring import MIRRORED_68, CoefficientMirror, mirrored_landmarks
from core.types import LANDMARKS, LAYOUT
from models.synthesis.labels import Occluder, OccluderType

from . import augment, completion_samples, embedder, landmarker, parsing_samples, regressor
from .device_augment import Draws, photometric
from .device_crops import Cut, apply, jittered, mirrored
from .device_holes import COVERED, FreeForms, borrowed, isin, patches, unevenly_grown
from .device_labels import CropLabels
from .device_pictures import DeviceBatch, DevicePictures, base_matrices
from .device_portraits import DevicePortraits
from .painted_parts import IGNORED

_REFRESH = 200  # steps between looks for new pictures
_REFLECTED = 0.6  # share of crops whose outside mirrors the picture instead of being black
_LEAST, _MOST = 0.005, 0.6  # share of the crop that a hole fills


@dataclass(frozen=True, eq=False)
class _Cutting:
    """A batch of moved crops before their pixels are cut."""

    rows: Tensor  # (N,) rows of the pictures
    matrices: Tensor  # (N, 2, 3)
    upright: Tensor  # (N, 2, 3) before any was mirrored
    flip: Tensor  # (N,) bool
    cut: Cut


class _Pictured:
    """What all feeds share."""

    def __init__(self, pictures: DevicePictures, size: int) -> None:
        self.pictures, self.size, self.device = pictures, size, pictures.device
        self.growing = True

    def _begin(self, seed: int, step: int) -> torch.Generator:
        if step % _REFRESH == 0 and self.growing:
            self.pictures.refresh()
        return torch.Generator(self.device).manual_seed((seed << 32) + step)

    def _cutting(self, rows: Tensor, jitter: augment.Jitter, generator: torch.Generator, reflect: float) -> _Cutting:
        points = self.pictures.rows.points[rows, :LANDMARKS]
        upright = jittered(base_matrices(points, self.size), self.size, jitter, generator)
        flip = self._coin(len(rows), 0.5, generator)
        matrices = mirrored(upright, self.size, flip)
        reflected = self._coin(len(rows), reflect, generator)
        return _Cutting(rows, matrices, upright, flip, Cut(matrices, self.size, self.pictures.size, reflected))

    def _coin(self, count: int, share: float, generator: torch.Generator) -> Tensor:
        return torch.rand(count, generator=generator, device=self.device) < share

    def _filler(self, views: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, S, S): another picture of the batch or a plain noisy colour."""
        draw = Draws(len(views), generator)
        plain = (draw.uniform(channels=3) + draw.field(views[:, None]) * 0.05).clamp(0.0, 1.0)[:, 0]
        other = views.roll(1, 0).flip(3)
        return torch.where(draw.happens(0.5)[:, 0], plain, other)


class CompletionFeed(_Pictured):
    """`CompletionSampler.varied` and `PortraitSampler.varied` in one."""

    def __init__(
        self, pictures: DevicePictures, size: int, portraits: DevicePortraits | None = None, share: float = 0.15
    ) -> None:
        super().__init__(pictures, size)
        self.portraits, self._share = portraits, share if portraits is not None else 0.0
        self._forms = FreeForms(size, pictures.device)
        self._mirror = torch.from_numpy(MIRRORED_68).to(pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Covered crops; "clean" (N, S, S, 3) uint8, "mask" (N, S, S) uint8, "landmarks" (N, 68, 2)."""
        generator = self._begin(seed, step)
        real = round(size * self._share)
        parts = [self._drawn(size - real, generator)] + ([self._portraits(real, generator)] if real else [])
        image, clean, mask, landmarks = (torch.cat(column) for column in zip(*parts, strict=True))
        views = photometric(torch.stack([image, clean], dim=1), completion_samples.STRENGTH, generator)
        labels = {
            "clean": (views[:, 1].permute(0, 2, 3, 1) * 255.0).round().to(torch.uint8),
            "mask": mask.to(torch.uint8),
            "landmarks": self._misplaced(landmarks, mask, generator),
        }
        return views[:, 0].contiguous(memory_format=torch.channels_last), labels

    def _drawn(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        pictures = self.pictures
        worn = self._coin(count, 0.75, generator)  # holes round real covers teach more than made-up ones
        rows = torch.where(
            worn, pictures.draw(count, generator, pictures.occluded), pictures.draw(count, generator, pictures.bright)
        )
        cutting = self._cutting(rows, completion_samples.JITTER, generator, 1.0)
        image, clean = cutting.cut.pictures(pictures.image[rows]), cutting.cut.pictures(pictures.clean[rows])
        codes = cutting.cut.codes(pictures.codes[rows])
        cover = isin(codes, COVERED).float()
        own = self._coin(count, completion_samples.OWN, generator) & (cover.mean((1, 2)) > _LEAST)
        hole = self._own_holes(cover, codes, generator)
        strange = self._strange(count, generator)
        hole = torch.where(own[:, None, None], hole, strange)
        both = torch.maximum(hole, strange)
        more = self._coin(count, completion_samples.EXTRA, generator) & (both.mean((1, 2)) < _MOST)
        hole = torch.where(more[:, None, None], both, hole)
        image = torch.where(own[:, None, None, None], image, clean)
        return image, clean, hole, self._fractions(cutting)

    def _own_holes(self, cover: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        """Round what covers, and over its shadow where that is near."""
        near = unevenly_grown(cover, completion_samples.SHADOW_REACH, completion_samples.SHADOW_REACH, generator)
        shadow = (
            near
            * (codes == Occluder.TOUCHED)
            * self._coin(len(cover), completion_samples.SHADOW, generator)[:, None, None]
        )
        return unevenly_grown(torch.maximum(cover, shadow), *completion_samples.GROWTH, generator)

    def _strange(self, count: int, generator: torch.Generator) -> Tensor:
        """Holes shaped as others' covers, or drawn freely."""
        _, mask = borrowed(self.pictures, count, self.size, generator)
        mask = unevenly_grown(mask, 0.01, 0.03, generator)
        share = mask.mean((1, 2))
        fits = (share > _LEAST) & (share < _MOST) & self._coin(count, completion_samples.BORROWED, generator)
        return torch.where(fits[:, None, None], mask, self._forms.draw(count, generator))

    def _portraits(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Real faces; the holes have the shapes of what synthetic people wear."""
        assert self.portraits is not None
        image, points, _ = portrait_crops(self.portraits, count, self.size, completion_samples.JITTER, generator)
        return image, image, self._strange(count, generator), points

    def _fractions(self, cutting: _Cutting) -> Tensor:
        points = apply(cutting.matrices, self.pictures.rows.points[cutting.rows, :LANDMARKS])
        points = torch.where(cutting.flip[:, None, None], points[:, self._mirror], points)
        return (points + 0.5) / self.size

    def _misplaced(self, landmarks: Tensor, mask: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 68, 2) landmarks as a landmarker would find them: worse, and together, where the hole hides them."""
        pixel = (landmarks * self.size - 0.5).round().long().clamp(0, self.size - 1)
        hidden = mask.flatten(1).gather(1, pixel[..., 1] * self.size + pixel[..., 0])[..., None] > 0
        noise = torch.randn(landmarks.shape, generator=generator, device=self.device)
        together = torch.randn((len(landmarks), 1, 2), generator=generator, device=self.device)
        wrong = noise * completion_samples.FOUND + torch.where(hidden, together * completion_samples.GUESSED, 0.0)
        return landmarks + wrong


class CoefficientFeed(_Pictured):
    """`RegressorRecipe.batch`, with `views` of each face: as photographed, bare, and behind other things."""

    def __init__(
        self, pictures: DevicePictures, model: FaceModel, size: int, views: int = 1, bare: float = 0.5
    ) -> None:
        """With one view a share of `bare` faces is shown without their cover; with more the first view is bare."""
        super().__init__(pictures, size)
        self.views, self._bare = views, bare
        self._label = CropLabels(CoefficientMirror.of(model), size, pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """(N V, 3, S, S), views of one face side by side; "coefficients" (N V, 239), "seen" (N V, S, S) uint8."""
        generator, count = self._begin(seed, step), size // self.views
        rows = self.pictures.draw(count, generator)
        cutting = self._cutting(rows, regressor.JITTER, generator, _REFLECTED)
        label = self._label(self.pictures.rows.coefficients[rows], self.pictures.rows.camera[rows], cutting.upright)
        label = torch.where(cutting.flip[:, None], self._label.mirrored(label), label)
        covered, clean = (cutting.cut.pictures(p[rows]) for p in (self.pictures.image, self.pictures.clean))
        hidden = isin(cutting.cut.codes(self.pictures.codes[rows]), COVERED)
        if self.views == 1:
            bare = self._coin(count, self._bare, generator)[:, None, None]
            views, masks = [torch.where(bare[:, None], clean, covered)], [hidden & ~bare]
        else:
            views, masks = [clean, covered], [torch.zeros_like(hidden), hidden]
        while len(views) < self.views:
            image, mask = self._behind(clean, generator)
            views.append(image)
            masks.append(mask)
        image = torch.stack(views, dim=1).flatten(0, 1)
        seen = ~torch.stack(masks, dim=1).flatten(0, 1)
        image, seen = self._covered(image, seen, generator)
        image = photometric(image[:, None], regressor.STRENGTH, generator)[:, 0]
        labels = {"coefficients": label.repeat_interleave(self.views, 0), "seen": seen.to(torch.uint8)}
        return image.contiguous(memory_format=torch.channels_last), labels

    def _behind(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The faces behind what other people wear, and (N, S, S) bool where that is."""
        other, mask = borrowed(self.pictures, len(clean), self.size, generator)
        return torch.where(mask[:, None] > 0, other, clean), mask > 0

    def _covered(self, image: Tensor, seen: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Now and then one more patch; never on the first of several views."""
        happens = self._coin(len(image), regressor.COVER, generator)
        if self.views > 1:
            happens[:: self.views] = False
        alpha = patches(len(image), self.size, generator) * happens[:, None, None]
        image = image + (self._filler(image, generator) - image) * alpha[:, None]
        return image, seen & (alpha < 0.5)


class LandmarkFeed(_Pictured):
    """`LandmarkerRecipe.batch` of synthetic pictures and, in a share, of portraits."""

    def __init__(
        self,
        pictures: DevicePictures,
        model: FaceModel,
        size: int,
        portraits: DevicePortraits | None = None,
        share: float = 0.2,
    ) -> None:
        super().__init__(pictures, size)
        self.portraits, self._share = portraits, share if portraits is not None else 0.0
        self._order = torch.from_numpy(mirrored_landmarks(model)).to(pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Moved crops; "points" (N, P, 2) crop fractions, "visibility" and "known" (N, P)."""
        generator = self._begin(seed, step)
        real = round(size * self._share)
        parts = [self._drawn(size - real, generator)] + ([self._real(real, generator)] if real else [])
        image, points, visibility, known = (torch.cat(column) for column in zip(*parts, strict=True))
        happens = self._coin(size, landmarker.COVER, generator)
        alpha = patches(size, self.size, generator) * happens[:, None, None]
        image = image + (self._filler(image, generator) - image) * alpha[:, None]
        pixel = (points * self.size - 0.5).round().long().clamp(0, self.size - 1)
        under = alpha.flatten(1).gather(1, pixel[..., 1] * self.size + pixel[..., 0]) > 0.5
        inside = ((points > 0.0) & (points < 1.0)).all(-1)
        image = photometric(image[:, None], landmarker.STRENGTH, generator)[:, 0]
        labels = {"points": points, "visibility": visibility * ~under * inside, "known": known}
        return image.contiguous(memory_format=torch.channels_last), labels

    def _drawn(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        rows, wide = self.pictures.draw(count, generator), count * 3 // 10
        wide_rows, near_rows = rows.split([wide, count - wide])
        parts = (
            self._sample(wide_rows, landmarker.WIDE_JITTER, generator),
            self._sample(near_rows, augment.Jitter(), generator),
        )
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    def _sample(self, rows: Tensor, jitter: augment.Jitter, generator: torch.Generator) -> tuple[Tensor, ...]:
        cutting = self._cutting(rows, jitter, generator, _REFLECTED)
        points = (apply(cutting.matrices, self.pictures.rows.points[rows]) + 0.5) / self.size
        visibility = self.pictures.rows.visibility[rows]
        points = torch.where(cutting.flip[:, None, None], points[:, self._order], points)
        visibility = torch.where(cutting.flip[:, None], visibility[:, self._order], visibility)
        return cutting.cut.pictures(self.pictures.image[rows]), points, visibility, torch.ones_like(visibility)

    def _real(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        assert self.portraits is not None
        image, places, trusted = portrait_crops(self.portraits, count, self.size, augment.Jitter(), generator)
        total = self.pictures.rows.points.shape[1]
        points = torch.full((count, total, 2), 0.5, device=self.device)
        visibility, known = torch.zeros(2, count, total, device=self.device)
        points[:, :LANDMARKS], known[:, :LANDMARKS], visibility[:, :LANDMARKS] = places, trusted, 1.0
        return image, points, visibility, known


class EmbeddingFeed(_Pictured):
    """`EmbedderRecipe.batch` of sets in which `group` neighbours show one person."""

    def __init__(self, pictures: DevicePictures, size: int, group: int) -> None:
        super().__init__(pictures, size)
        self._group = group

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """All pictures of several people; "person" (N,) and "traits" (N, 160)."""
        generator, group = self._begin(seed, step), self._group
        person = torch.randint(self.pictures.count // group, (size // group,), generator=generator, device=self.device)
        rows = (person[:, None] * group + torch.arange(group, device=self.device)).flatten()
        cutting = self._cutting(rows, embedder.JITTER, generator, _REFLECTED)
        bare = self._coin(len(rows), embedder.CLEAN, generator)[:, None, None, None]
        covered, clean = (cutting.cut.pictures(p[rows]) for p in (self.pictures.image, self.pictures.clean))
        image = torch.where(bare, clean, covered)
        alpha = patches(len(rows), self.size, generator)
        alpha = alpha * self._coin(len(rows), embedder.COVER, generator)[:, None, None]
        image = image + (self._filler(image, generator) - image) * alpha[:, None]
        image = photometric(image[:, None], embedder.STRENGTH, generator)[:, 0]
        known = self.pictures.rows.coefficients[rows]
        traits = torch.cat([known[:, LAYOUT["identity"]], known[:, LAYOUT["albedo"]]], dim=1)
        labels = {"person": person.repeat_interleave(group), "traits": traits}
        return image.contiguous(memory_format=torch.channels_last), labels


class ParsingFeed(_Pictured):
    """`ParsingSampler.varied` of pictures that were read with their parts; `stock` are (M, H, W, 3) uint8 scenes."""

    def __init__(
        self,
        pictures: DevicePictures,
        size: int,
        stock: np.ndarray,
        portraits: DevicePictures | None = None,
        share: float = 0.23,
    ) -> None:
        super().__init__(pictures, size)
        self.portraits, self._share = portraits, share if portraits is not None else 0.0
        self._stock = torch.from_numpy(stock).to(pictures.device)
        self._swap = torch.from_numpy(parsing_samples.MIRRORED).to(pictures.device)

    def draw(self, seed: int, step: int, size: int) -> DeviceBatch:
        """Head crops of varying frames; "classes", "occluder" (N, S / 2, S / 2) uint8 and their "weight"."""
        generator = self._begin(seed, step)
        real = round(size * self._share)
        parts = [self._cropped(self.pictures, size - real, generator)]
        if self.portraits is not None:
            parts.append(self._cropped(self.portraits, real, generator))
        image, part, kind = (torch.cat(column) for column in zip(*parts, strict=True))
        alpha = patches(size, self.size, generator) * self._coin(size, 0.15, generator)[:, None, None]
        image = image + (self._scenes(size, generator) - image) * alpha[:, None]
        kind = torch.where((alpha > 0.5) & (kind != IGNORED), OccluderType.OBJECT, kind).to(torch.uint8)
        image = photometric(image[:, None], parsing_samples.STRENGTH, generator)[:, 0]
        part, kind = part[:, ::2, ::2].contiguous(), kind[:, ::2, ::2].contiguous()
        labels = {"classes": part, "occluder": kind, "weight": self._weights(part, kind)}
        return image.contiguous(memory_format=torch.channels_last), labels

    def _cropped(self, pictures: DevicePictures, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Pictures, parts and types of occluders of crops; covered faces are sought out."""
        sought = count // 2
        rows = torch.cat(
            [pictures.draw(sought, generator, pictures.occluded), pictures.draw(count - sought, generator)]
        )
        matrices, flip = self._framed(pictures.rows.points[rows, :LANDMARKS], generator)
        cut = Cut(matrices, self.size, pictures.size, self._coin(count, 0.5, generator))
        part, kind = (cut.codes(codes[rows], IGNORED) for codes in (pictures.part, pictures.kind))
        part = torch.where(flip[:, None, None], self._swap[part.long()], part)
        image = self._set_before(cut.pictures(pictures.image[rows]), cut, pictures, rows, generator)
        return image, part, kind

    def _framed(self, points: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Close, tight and whole head crops, moved and mirrored."""
        count = len(points)
        close = base_matrices(points, self.size, alignment.CLOSE_MARGIN)
        tight = base_matrices(points, self.size, parsing_samples.TIGHT_MARGIN)
        head = base_matrices(points, self.size, alignment.HEAD_MARGIN, alignment.HEAD_LIFT)
        kind = torch.rand(count, 1, 1, generator=generator, device=self.device)
        nearer = parsing_samples.CLOSE
        farther = nearer + (1.0 - nearer) * parsing_samples.TIGHT
        matrices = torch.where(kind < nearer, close, torch.where(kind < farther, tight, head))
        flip = self._coin(count, 0.5, generator)
        moved = jittered(matrices, self.size, parsing_samples.JITTER, generator)
        return mirrored(moved, self.size, flip), flip

    def _set_before(
        self, image: Tensor, cut: Cut, pictures: DevicePictures, rows: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Some people before another background."""
        seen_through = isin(pictures.codes[rows], (Occluder.NONE, Occluder.TOUCHED, Occluder.BORDER))
        person = (~((pictures.part[rows] == 0) & seen_through)).to(torch.uint8)
        alpha = nn.functional.avg_pool2d(cut.codes(person, 1)[:, None].float(), 3, 1, 1)
        changed = self._coin(len(rows), 0.3, generator)[:, None, None, None]
        return torch.where(changed, image * alpha + self._scenes(len(rows), generator) * (1.0 - alpha), image)

    def _scenes(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 3, S, S) pieces of the stock or plain noisy colours."""
        chosen = torch.randint(len(self._stock), (count,), generator=generator, device=self.device)
        scenes = self._stock[chosen].permute(0, 3, 1, 2).float() / 255.0
        scenes = nn.functional.interpolate(scenes, self.size, mode="bilinear")
        draw = Draws(count, generator)
        plain = (draw.uniform(channels=3) + draw.field(scenes[:, None]) * draw.uniform(0.0, 0.06))[:, 0]
        return torch.where(draw.happens(0.3)[:, 0], plain.clamp(0.0, 1.0), scenes)

    @staticmethod
    def _weights(part: Tensor, kind: Tensor) -> Tensor:
        """Outlines count more, what is guessed behind an occluder less."""
        value = part[:, None].float()
        edge = nn.functional.max_pool2d(value, 3, 1, 1) > -nn.functional.max_pool2d(-value, 3, 1, 1)
        weight = 1.0 + parsing_samples.EDGE * edge[:, 0]
        return torch.where(isin(kind, parsing_samples.LOOKED_THROUGH), parsing_samples.GUESSED, weight)


def portrait_crops(
    portraits: DevicePortraits, count: int, size: int, jitter: augment.Jitter, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """(count, 3, S, S) moved, mirrored, tinted crops, (count, 68, 2) crop fractions, (count, 68) trusted."""
    device = portraits.device
    rows = torch.randint(portraits.count, (count,), generator=generator, device=device)
    points, known = portraits.points[rows], portraits.known[rows]
    matrices = jittered(base_matrices(points, size), size, jitter, generator)
    flip = torch.rand(count, generator=generator, device=device) < 0.5
    matrices = mirrored(matrices, size, flip)
    reflect = torch.ones(count, dtype=torch.bool, device=device)
    grey = Cut(matrices, size, portraits.size, reflect).pictures(portraits.image[rows])
    draw = Draws(count, generator)
    warmth = draw.normal(0.14, 0.18)
    bends = torch.cat([-warmth, draw.normal(0.05), warmth * draw.uniform(0.6, 1.4)], dim=2).exp()[:, 0]
    tinted = grey.clamp_min(1e-4) ** bends
    order = torch.from_numpy(MIRRORED_68).to(device)
    placed = (apply(matrices, points) + 0.5) / size
    placed = torch.where(flip[:, None, None], placed[:, order], placed)
    return tinted, placed, torch.where(flip[:, None], known[:, order], known)
