"""Reads picture files of the source data."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def read_texture(path: Path) -> np.ndarray:
    """(H, W, C) as stored: RGB or RGBA uint8, or float32 radiance for `.hdr`."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"Cannot read {path}; restore the source data.")
    order = [2, 1, 0, 3] if image.shape[2] == 4 else [2, 1, 0]
    return np.ascontiguousarray(image[:, :, order])
