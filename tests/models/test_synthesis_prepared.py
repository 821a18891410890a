"""What workers keep from one process to the next."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from core.geometry.face_model import FaceModel
from models.synthesis.prepared import prepared


def test_arrays_are_made_once_for_each_model(model: FaceModel, tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"a/b": np.arange(6, dtype=np.uint8).reshape(2, 3)}

    for _ in range(2):
        arrays = prepared("thing", model, make, tmp_path, tmp_path / "cache")
        assert arrays["a/b"].dtype == np.uint8 and arrays["a/b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(made) == 1
    prepared("thing", replace(model, vertices=model.vertices * 1.01), make, tmp_path, tmp_path / "cache")
    assert len(made) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 1  # of two models the later one's


def test_a_damaged_file_and_new_source_data_are_noticed(model: FaceModel, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    prepared("thing", model, lambda: {"x": np.zeros(3)}, tmp_path, cache)
    next(cache.iterdir()).write_bytes(b"no archive")
    again = prepared("thing", model, lambda: {"x": np.ones(3)}, tmp_path, cache)
    assert again["x"].tolist() == [1.0, 1.0, 1.0]
    other = tmp_path / "data"
    (other / "hdri").mkdir(parents=True)
    (other / "hdri" / "sky.hdr").write_bytes(b"sky")
    assert prepared("thing", model, lambda: {"x": np.full(3, 2.0)}, other, cache)["x"][0] == 2.0
