"""Recipe of the face detector: `python -m models.training.detector --data build/synthetic --out ...`.

`--data FOLDER=WEIGHT` may be given several times; portraits come in by `--portraits FILE=WEIGHT`.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou, nms

from models.networks.detector import DetectorConfig, DetectorOutput, build_detector

from .backgrounds import BACKGROUNDS_NOTICE, background_stock
from .cards import DATA_NOTICE, PORTRAITS_NOTICE
from .crops import split
from .crowd import MASKED_SHARE, Crowd, Group, picture_groups, portrait_groups
from .data import read_pictures
from .landmarker import add_sources
from .loop import Batch, run_recipe
from .losses import detector_terms
from .options import common_arguments, config_from
from .portraits import read_portraits
from .scenes import Scene, SceneComposer
from .sources import PORTRAITS_SET

SIZE = 320  # pixels, side of a scene
LARGE_SIZE, LARGE_SHARE = 544, 0.25  # some batches hold fewer, larger scenes: faces that fill a portrait
_CHECKED, _AT_ONCE = 192, 32  # scenes
_PORTRAITS_HELD_OUT = 80  # photos
_SCORE, _SAME = 0.5, 0.4


class DetectorRecipe:
    """Scenes with any number of faces."""

    name = "detector"

    def __init__(
        self,
        train: Crowd,
        held_out: Crowd,
        backgrounds: list[np.ndarray],
        config: DetectorConfig | None = None,
        size: int = SIZE,
        checked: int = _CHECKED,
    ) -> None:
        """`size` is a scene's side in pixels, `checked` the number of scenes to validate on."""
        self.config = config or DetectorConfig()
        self.train, self.held_out = train, held_out
        self.size, self.checked = size, checked
        self.composer = SceneComposer(backgrounds, size)
        self.large = SceneComposer(backgrounds, LARGE_SIZE * size // SIZE // 32 * 32)
        self.net = build_detector(self.config)
        self.described: dict[str, object] = {}
        self._check: list[Scene] = []

    def batch(self, rng: np.random.Generator, size: int) -> Batch:
        """Scenes of about `size` times the usual area; boxes are padded to the most faces a scene may have."""
        composer = self.large if rng.random() < LARGE_SHARE else self.composer
        count = max(round(size * (self.size / composer.size) ** 2), 1)
        return _stack([composer.scene(self.train, rng) for _ in range(count)])

    def loss(self, image: Tensor, labels: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Score, box, points."""
        size = (image.shape[2], image.shape[3])
        return detector_terms(self.net(image), labels["boxes"], labels["points"], labels["counted"], size)

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Recall, false faces per 100 scenes and point error on fixed scenes of held-out people."""
        if not self._check:
            rng = np.random.default_rng(12345)
            self._check = [self.composer.scene(self.held_out, rng) for _ in range(self.checked)]
        found, false, faces, errors = 0, 0, 0, []
        for scene, (boxes, points) in zip(self._check, self._detect(net), strict=True):
            truth = torch.from_numpy(scene.boxes[scene.boxes[:, 2] > scene.boxes[:, 0]])
            counted = torch.from_numpy(scene.counted[: len(truth)])
            overlap = box_iou(truth, boxes)
            hits = (overlap > 0.5).any(dim=1) & counted
            found += int(hits.sum())
            faces += int(counted.sum())
            false += int((overlap.amax(dim=0) < 0.3).sum()) if len(truth) else len(boxes)
            for k in torch.nonzero(hits).flatten().tolist():
                difference = points[overlap[k].argmax()] - torch.from_numpy(scene.points[k])
                side = float((truth[k, 2:] - truth[k, :2]).max())
                errors.append(float(difference.view(5, 2).norm(dim=1).mean()) / side)
        return {
            "recall_percent": 100.0 * found / max(faces, 1),
            "false_per_100": 100.0 * false / len(self._check),
            "point_error_percent_of_side": 100.0 * float(np.mean(errors)) if errors else 100.0,
        }

    def _detect(self, net: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """Boxes and points of each of the fixed scenes."""
        device = next(net.parameters()).device
        for start in range(0, len(self._check), _AT_ONCE):
            images = np.stack([scene.image for scene in self._check[start : start + _AT_ONCE]])
            out = net(torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255.0)
            for row in range(len(images)):
                yield _decode(DetectorOutput(*(part[row].cpu() for part in out)))

    def provenance(self) -> dict[str, object]:
        """Data and sizes."""
        return {
            **self.described,
            "masked_share": MASKED_SHARE,
            "network": dataclasses.asdict(self.config),
            "scene": self.size,
            "backgrounds": BACKGROUNDS_NOTICE,
        }


def _decode(out: DetectorOutput) -> tuple[Tensor, Tensor]:
    """(K, 4) boxes and (K, 10) points of one picture (no batch axis) above the score, duplicates removed."""
    score = out.score_logit.sigmoid()
    kept = torch.nonzero(score > _SCORE).flatten()
    best = kept[nms(out.boxes[kept], score[kept], _SAME)]
    return out.boxes[best], out.points[best]


def _stack(scenes: list[Scene]) -> Batch:
    names = [field.name for field in dataclasses.fields(Scene)]
    return {name: np.stack([getattr(scene, name) for scene in scenes]) for name in names}


def read_crowds(arguments: argparse.Namespace) -> tuple[Crowd, Crowd, dict[str, object]]:
    """People to train on, people to check on, and what the card says of them."""
    train: list[Group] = []
    held_out: list[Group] = []
    data: list[dict[str, object]] = []
    for path, weight in arguments.data or [(Path("build/synthetic"), 1.0)]:
        pictures = read_pictures(path)
        for groups, indices in zip((train, held_out), split(len(pictures)), strict=True):
            groups += picture_groups(pictures, indices, weight)
        data.append({"set": path.name, "share": weight, **pictures.describe()})
    for path, weight in arguments.portraits:
        portraits = read_portraits(path)
        parts = np.split(np.arange(len(portraits)), [len(portraits) - _PORTRAITS_HELD_OUT])
        for groups, photos in zip((train, held_out), parts, strict=True):
            groups += portrait_groups(portraits, photos, weight)
        data.append({"set": PORTRAITS_SET, "share": weight, "pictures": len(portraits), "used": len(parts[0])})
    notice = PORTRAITS_NOTICE if arguments.portraits else DATA_NOTICE
    return Crowd(train), Crowd(held_out), {"provenance": notice, "data": data}


def main() -> None:
    """Train from the command line."""
    parser = common_arguments("detector", "Train the face detector on composed scenes.", data=False)
    add_sources(parser)
    arguments = parser.parse_args()
    config = config_from(arguments, batch=32, rate=2e-3, workers=2, half=True)
    torch.manual_seed(config.seed)
    train, held_out, described = read_crowds(arguments)
    recipe = DetectorRecipe(train, held_out, background_stock())
    recipe.described = described
    run_recipe(recipe, config, arguments)


if __name__ == "__main__":
    main()
