"""Recipe of the face detector: `python -m models.training.detector --data build/synthetic --out ...`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou, nms

from models.networks.detector import DetectorConfig, DetectorOutput, build_detector

from .backgrounds import BACKGROUNDS_NOTICE, background_stock
from .crops import split
from .data import Pictures, read_pictures
from .loop import Batch, common_arguments, config_from, run_recipe
from .losses import detector_terms
from .scenes import Scene, SceneComposer

SIZE = 320  # pixels, side of a scene
LARGE_SIZE, LARGE_SHARE = 544, 0.25  # some batches hold fewer, larger scenes: faces that fill a portrait
_CHECKED, _AT_ONCE = 192, 32  # scenes
_MASKED_AGAIN = 3  # further times that a person with a hidden mouth is drawn
_SCORE, _SAME = 0.5, 0.4


class DetectorRecipe:
    """Scenes with any number of faces."""

    name = "detector"

    def __init__(
        self,
        pictures: Pictures,
        backgrounds: list[np.ndarray],
        config: DetectorConfig | None = None,
        size: int = SIZE,
        checked: int = _CHECKED,
    ) -> None:
        """`size` is a scene's side in pixels, `checked` the number of scenes to validate on."""
        self.config = config or DetectorConfig()
        self.pictures, self.size, self.checked = pictures, size, checked
        self.composer = SceneComposer(pictures, backgrounds, size)
        self.large = SceneComposer(pictures, backgrounds, LARGE_SIZE * size // SIZE // 32 * 32)
        train, self.held_out = split(len(pictures))
        self.train = np.concatenate([train, np.repeat(_mouth_hidden(pictures, train), _MASKED_AGAIN)])
        self.net = build_detector(self.config)
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
            "data": self.pictures.describe(),
            "network": dataclasses.asdict(self.config),
            "scene": self.size,
            "backgrounds": BACKGROUNDS_NOTICE,
        }


def _mouth_hidden(pictures: Pictures, indices: np.ndarray) -> np.ndarray:
    """Those of (N,) pictures whose eyes are seen and whose mouth is not: mostly face masks, which are rare."""
    seen = pictures.visibility[indices]
    return indices[(seen[:, 48:68].mean(axis=1) < 0.2) & (seen[:, 36:48].mean(axis=1) > 0.6)]


def _decode(out: DetectorOutput) -> tuple[Tensor, Tensor]:
    """(K, 4) boxes and (K, 10) points of one picture (no batch axis) above the score, duplicates removed."""
    score = out.score_logit.sigmoid()
    kept = torch.nonzero(score > _SCORE).flatten()
    best = kept[nms(out.boxes[kept], score[kept], _SAME)]
    return out.boxes[best], out.points[best]


def _stack(scenes: list[Scene]) -> Batch:
    names = [field.name for field in dataclasses.fields(Scene)]
    return {name: np.stack([getattr(scene, name) for scene in scenes]) for name in names}


def main() -> None:
    """Train from the command line."""
    arguments = common_arguments("detector", "Train the face detector on composed scenes.").parse_args()
    config = config_from(arguments, batch=32, rate=2e-3, workers=2, half=True)
    torch.manual_seed(config.seed)
    recipe = DetectorRecipe(read_pictures(arguments.data), background_stock())
    run_recipe(recipe, config, arguments)


if __name__ == "__main__":
    main()
