"""A stock of pictures without people, for the detector's scenes and as its negatives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage.data

from core.geometry.lighting import linear_to_srgb
from models.synthesis.background import sample_background

HDRI = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "hdri"
# Pictures that come with scikit-image under free licences and show no person.
_STILLS = (
    "brick", "grass", "gravel", "chelsea", "coffee", "coins", "hubble_deep_field", "rocket", "text", "retina",
    "immunohistochemistry",
)  # fmt: skip
BACKGROUNDS_NOTICE = "Poly Haven environments (CC0), procedural rooms, free stills of scikit-image: " + ", ".join(
    _STILLS
)
_VIEWS = 260
_SIDE = 400  # pixels


def background_stock(seed: int = 0, views: int = _VIEWS, folder: Path = HDRI) -> list[np.ndarray]:
    """(h, w, 3) uint8 sRGB pictures: stills, whole environment maps, and views into rooms, streets and shapes."""
    rng = np.random.default_rng(seed)
    maps = environment_maps(folder)
    stock = [_still(name) for name in _STILLS for _ in range(3 if name == "chelsea" else 1)]
    for panorama in maps:
        stock += [_developed(panorama, level) for level in (0.12, 0.3)]
    for _ in range(views):
        where = int(rng.integers(max(len(maps), 1)))
        source = maps or [rng.random((64, 128, 3)).astype(np.float32)]
        stock.append(_encode(sample_background(rng, source, where, float(rng.random()), _SIDE)))
    return stock


def environment_maps(folder: Path) -> list[np.ndarray]:
    """(H, W, 3) float32 linear RGB maps; none where the folder is absent."""
    out = []
    for path in sorted(folder.glob("*.hdr")):
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if pixels is None:
            raise FileNotFoundError(f"Cannot read {path}; restore the environment maps.")
        out.append(np.ascontiguousarray(pixels[:, :, ::-1]))
    return out


def _developed(panorama: np.ndarray, level: float) -> np.ndarray:
    return _encode(panorama * (level / max(float(np.median(panorama)), 1e-4)))


def _encode(linear: np.ndarray) -> np.ndarray:
    return (linear_to_srgb(linear) * 255.0 + 0.5).astype(np.uint8)


def _still(name: str) -> np.ndarray:
    pixels = getattr(skimage.data, name)()
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    scale = _SIDE / min(pixels.shape[:2])
    return cv2.resize(pixels[..., :3], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
