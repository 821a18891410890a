"""What is learned on the ICT connectivity, and its cache."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .albedo import AlbedoBasis
from .identity import IdentityBasis

CACHE = Path(__file__).resolve().parents[2] / "build" / "face_model" / "statistics.npz"


@dataclass(frozen=True)
class Statistics:
    """Everything learned on the ICT connectivity, metres, model frame."""

    mean: np.ndarray  # (26719, 3) symmetric
    mirror: np.ndarray  # (26719,)
    identity: IdentityBasis
    expression: np.ndarray  # (64, 26719, 3)
    albedo: AlbedoBasis  # on the first `SKIN` vertices
    label: np.ndarray  # (26719,) uint8 regions
    landmarks: np.ndarray  # (68, 3) points
    landmark_region: np.ndarray  # (68,) uint8: 0, or the lip the landmark must stay on
    dense: np.ndarray  # (320,) ICT vertices: right, mirrored, centre line
    eye_centers: np.ndarray  # (2, 3)


def save_statistics(statistics: Statistics, path: Path) -> None:
    """Write the statistics as a plain npz."""
    arrays = asdict(statistics)
    for group in ("identity", "albedo"):
        arrays.update({f"{group}.{key}": value for key, value in arrays.pop(group).items()})
    arrays["identity.held_out_mm"] = np.array(json.dumps(arrays["identity.held_out_mm"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def load_statistics(path: Path = CACHE) -> Statistics:
    """Read what `save_statistics` wrote."""
    with np.load(path, allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files}
    groups: dict[str, dict] = {"identity": {}, "albedo": {}}
    for key in [key for key in arrays if "." in key]:
        group, _, name = key.partition(".")
        groups[group][name] = arrays.pop(key)
    identity = groups["identity"]
    identity["held_out_mm"] = json.loads(str(identity["held_out_mm"]))
    groups["albedo"]["held_out"] = float(groups["albedo"]["held_out"])
    return Statistics(identity=IdentityBasis(**identity), albedo=AlbedoBasis(**groups["albedo"]), **arrays)
