"""Several processes train one network as one process would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from models.training.checkpoints import CHECKPOINT  # noqa: E402
from models.training.ranks import Ranks  # noqa: E402

from . import brightness  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_repeat_the_curve_of_one(tmp_path) -> None:
    figures = brightness.train(tmp_path / "one")
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    words += ["-m", "tests.models.brightness", "--out", str(tmp_path / "two")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert len(one) == len(two) == brightness.STEPS + 1  # one process writes, and it alone
    for key in ("loss", "bright", "red"):
        curve = [row[key] for row in one if key in row]
        assert [row[key] for row in two if key in row] == pytest.approx(curve, rel=1e-4)
    assert two[-1]["validation_answer"] == pytest.approx(figures["validation_answer"], rel=1e-4)
    weights = [torch.load(tmp_path / run / CHECKPOINT, weights_only=True)["net"] for run in ("one", "two")]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-5)


def test_shares_make_up_the_batch() -> None:
    batch = {"image": np.arange(6)[:, None], "pairs": np.arange(12)}
    shares = [Ranks("cpu", rank, 3).share(batch) for rank in range(3)]
    for key, whole in batch.items():
        assert np.array_equal(np.concatenate([share[key] for share in shares]), whole)
    assert shares[1]["pairs"].tolist() == [4, 5, 6, 7]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    Ranks("cpu", 1, 3).check_batch(6)
    with pytest.raises(ValueError, match="multiple"):
        Ranks("cpu", 1, 3).check_batch(8)
