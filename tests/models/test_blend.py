"""Weights between two runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from models.training.blend import blend  # noqa: E402
from models.training.checkpoints import CHECKPOINT, load_averaged  # noqa: E402


def finished(folder: Path, value: float, size: int = 3) -> Path:
    """A run of a small network with all weights alike."""
    net = torch.nn.Sequential(torch.nn.Linear(2, size), torch.nn.BatchNorm1d(size))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(value)
    folder.mkdir()
    torch.save({"average": {f"module.{key}": tensor for key, tensor in net.state_dict().items()}}, folder / CHECKPOINT)
    (folder / "card.json").write_text(json.dumps({"name": "small", "training": {"steps": int(value)}}))
    return folder


def test_weights_lie_between_and_the_card_tells_of_both(tmp_path: Path) -> None:
    first, second = finished(tmp_path / "first", 1.0), finished(tmp_path / "second", 5.0)
    blend(first, second, 0.25, tmp_path / "out")
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    load_averaged(net, tmp_path / "out" / CHECKPOINT)
    assert all(torch.equal(parameter, torch.full_like(parameter, 2.0)) for parameter in net.parameters())
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["training"]["steps"] == 5
    assert card["blended"]["share"] == 0.25
    assert card["blended"]["with"]["training"]["steps"] == 1


def test_what_cannot_be_blended_is_refused(tmp_path: Path) -> None:
    first, wider = finished(tmp_path / "first", 1.0), finished(tmp_path / "wider", 5.0, size=4)
    with pytest.raises(ValueError, match="different networks"):
        blend(first, wider, 0.5, tmp_path / "out")
    with pytest.raises(ValueError, match="between 0 and 1"):
        blend(first, first, 1.5, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no finished run"):
        blend(first, tmp_path / "none", 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
