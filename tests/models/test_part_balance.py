"""How readily the parser names each part."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")

from core.types import OCCLUDERS, PARTS
from models.training.parsing_samples import IGNORED
from models.training.part_balance import Seen, balance, occluder_shifts


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
