"""How readily the parser names each part."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from core.types import OCCLUDERS, PARTS  # noqa: E402
from models.training.parsing_samples import IGNORED  # noqa: E402
from models.training.part_balance import Seen, balance, main, occluder_shifts  # noqa: E402


def test_parts_drawn_too_large_or_too_small_are_set_right() -> None:
    """Eyes that are named too readily become rarer, brows that are named too rarely more frequent."""
    rng = np.random.default_rng(3)
    eye, brow, skin = (PARTS.index(name) for name in ("eye_left", "brow_left", "skin"))
    truth = np.full((4, 32, 32), skin, np.uint8)
    truth[:, 8:14, 8:20], truth[:, 20:26, 8:20], truth[:, 30:] = eye, brow, IGNORED
    logits = rng.normal(0.0, 0.6, (len(PARTS), 4, 32, 32)) - 6.0
    for part in (eye, brow, skin):
        logits[part] += 6.0 + 1.2 * (truth == part)
    logits[eye] += 1.1
    logits[brow] -= 1.1
    seen = Seen(logits.astype(np.float16), truth)
    shifts = balance(seen)
    assert shifts[eye] < -0.4 < 0.4 < shifts[brow] - shifts[skin]
    assert seen.f1(shifts) > seen.f1(0.0 * shifts) + 1.0


def test_odds_of_occluders_are_set_by_name() -> None:
    shifts = occluder_shifts(["clear_glasses=0.35", "hand=2"])
    assert shifts[OCCLUDERS.index("clear_glasses")] == pytest.approx(np.log(0.35))
    assert shifts[OCCLUDERS.index("hand")] == pytest.approx(np.log(2.0))
    assert np.count_nonzero(shifts) == 2
    for wrong in ("spectacles=0.3", "mask", "mask=0", "mask=-1"):
        with pytest.raises(ValueError, match="is no factor"):
            occluder_shifts([wrong])


def test_occluders_are_weighed_without_pictures_and_parts_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, out, bias = tmp_path / "run", tmp_path / "out", "module.out.bias"
    run.mkdir()
    before = torch.arange(float(len(PARTS) + len(OCCLUDERS)))
    torch.save({"average": {bias: before.clone()}}, run / "checkpoint.pt")
    (run / "card.json").write_text('{"name": "parser"}')
    monkeypatch.setattr(sys, "argv", ["balance", "--run", str(run), "--factor", "mask=8", "--out", str(out)])
    main()
    added = torch.load(out / "checkpoint.pt", weights_only=True)["average"][bias] - before
    assert added[len(PARTS) + OCCLUDERS.index("mask")] == pytest.approx(np.log(8.0), abs=1e-4)
    assert torch.count_nonzero(added) == 1
    assert json.loads((out / "card.json").read_text())["balance"] == {"factors": {"mask": 8.0}}
