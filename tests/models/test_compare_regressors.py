"""Regressors are compared by what they get wrong, on whole sets, and the figures reach the card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel  # noqa: E402
from core.types import COEFFICIENTS, LAYOUT  # noqa: E402
from models.training import compare_regressors  # noqa: E402
from models.training.regressor import RegressorRecipe  # noqa: E402

from .people import make_pictures  # noqa: E402


class Told(torch.nn.Module):
    """Answers with the truth of the pictures in their order, one slider off by `off` on every crop."""

    def __init__(self, labels: np.ndarray, slider: int, off: float) -> None:
        super().__init__()
        self.labels, self.column, self.off, self.place = torch.from_numpy(labels), slider, off, 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows = (torch.arange(len(image)) + self.place) % len(self.labels)
        self.place += len(image)
        out = self.labels[rows].clone()
        out[:, self.column] += self.off
        return out


def test_figures_tell_what_is_wrong(model: FaceModel, tmp_path: Path, monkeypatch) -> None:
    pictures = make_pictures(model, count=6)
    recipe = RegressorRecipe(pictures, model)
    labels = np.stack([recipe.label(k, recipe.cropper.matrices[k]) for k in range(6)])
    jaw = LAYOUT["expression"].start + model.expression_names.index("jawOpen")
    nets = {"right": Told(labels, jaw, 0.0), "wrong": Told(labels, jaw, 0.7)}
    found = compare_regressors.compare(nets, pictures, model)
    assert list(found) == ["mean", "right", "wrong"]
    for view in ("bare", "as photographed"):
        assert max(found["right"][view].values()) == 0.0
        assert found["wrong"][view]["seven_sliders"] == pytest.approx(0.1)
        assert found["wrong"][view]["expression_mm"] > 0.5
        assert found["wrong"][view]["shape_mm"] == 0.0
    assert found["mean"]["shape_mm"] > 0.5 and found["mean"]["shape_mm"] < found["mean"]["identity_mm"]
    assert labels.shape == (6, COEFFICIENTS)

    card = tmp_path / "card.json"
    card.write_text(json.dumps({"name": "regressor"}))
    monkeypatch.setattr(compare_regressors, "read_pictures", lambda path: pictures)
    monkeypatch.setattr(compare_regressors, "load_regressor", lambda run: nets[run.name])
    monkeypatch.setattr("sys.argv", ["compare", "a/right", "b/wrong", "--data", "set", "--card", str(card)])
    compare_regressors.main()
    told = json.loads(card.read_text())
    assert told["name"] == "regressor" and set(told["ablation"]["figures"]) == {"mean", "right", "wrong"}
