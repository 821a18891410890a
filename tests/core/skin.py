"""Made-up skin, and marks on it."""

import numpy as np


def scene(shape: tuple[int, int] = (640, 640), noise_level: float = 0.0) -> np.ndarray:
    """Skin that is lit from one side."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    light = 0.6 + 0.4 * x / shape[1] - 0.2 * y / shape[0]
    skin = light[..., None] * np.array([225, 170, 140], np.float32)
    skin += np.random.default_rng(0).normal(0, noise_level, skin.shape) if noise_level else 0
    return np.clip(skin, 0, 255).round().astype(np.uint8)


def disc(shape: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    """(H, W) uint8 mask, 255 in a disc."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.where(np.hypot(columns - x, rows - y) < radius, 255, 0).astype(np.uint8)
