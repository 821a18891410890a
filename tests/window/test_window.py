"""The whole visit in a real window. It takes a minute and, the first time, 2.4 GB, so it runs only when asked for:
`FACEWRIGHT_WINDOW=1 python3 build.py test tests/window`, or `python3 build.py window`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not os.environ.get("FACEWRIGHT_WINDOW"), reason="set FACEWRIGHT_WINDOW=1 to open a real window")
def test_visit_in_a_real_window() -> None:
    assert subprocess.run([sys.executable, str(ROOT / "build.py"), "window"]).returncode == 0
    shots = {path.name for path in (ROOT / "out" / "window").glob("*.png")}
    assert {"1_panel.png", "2_progress.png", "3_head.png", "4_slider.png", "5_slider.png"} <= shots
    assert {"mask_added.png", "mask_removed.png"} <= shots
