"""The second renderer: one small picture whose labels agree with what Cycles drew, and the shapes that it stands on.

Blender keeps one scene per process, so the picture is made by the command itself, in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.geometry.face_model import DEFAULT_PATH
from models.face_model.sources import DATA
from models.synthesis.cycles.ground_lens import ground_lens
from models.synthesis.cycles.sets import SHARD, CyclesSet
from models.synthesis.labels import Label, Occluder
from models.synthesis.light import LUMINANCE
from models.synthesis.meshes import grid_triangles
from models.synthesis.shards import Shard, read_shard

ROOT = Path(__file__).resolve().parents[2]
COUNT, SIZE = 2, 64


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Shard:
    """Two small pictures rendered by the worker's command."""
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("Blender's module is not installed: `python3 build.py run` installs it.")
    if not (DATA / "makehuman").is_dir():
        pytest.skip("The source data is not beside the repository.")
    out = tmp_path_factory.mktemp("cycles")
    command = [sys.executable, "-W", "ignore", "-m", "models.synthesis.cycles", "--out", str(out), "--shard", "0"]
    command += ["--count", str(COUNT), "--size", str(SIZE), "--samples", "4", "--seed", "50002"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return read_shard(out / "shard_00000")


def test_a_shard_has_the_factorys_format(shard: Shard) -> None:
    assert shard.images.shape == (COUNT, SIZE, SIZE, 3)
    assert shard.labels.shape == shard.occluder.shape == (COUNT, SIZE, SIZE)
    assert shard.truth.landmarks.shape[0] == COUNT
    assert shard.images.std() > 10.0


def test_labels_agree_with_what_was_drawn(shard: Shard) -> None:
    """The landmarks lie on the face, and the face looks different from what is behind it."""
    for row in range(COUNT):
        labels = shard.labels[row]
        inner = shard.truth.landmarks[row, 27:68].round().astype(int).clip(0, SIZE - 1)
        under = labels[inner[:, 1], inner[:, 0]]
        face = (Label.SKIN, Label.NOSE, Label.UPPER_LIP, Label.LOWER_LIP, Label.MOUTH, Label.EYE_LEFT, Label.EYE_RIGHT)
        assert np.isin(under, (*face, Label.HAIR, Label.HAT)).mean() > 0.8
        if shard.truth.clean_row[row] < 0:
            assert not shard.occluder[row].any()
        else:
            assert (shard.occluder[row] > Occluder.TOUCHED).any()


def test_light_of_the_label_explains_the_skin(shard: Shard) -> None:
    """The constant term of the light times a middling albedo is of the order of the picture's skin."""
    for row in range(COUNT):
        light = float(shard.truth.coefficients[row, 224])
        skin = shard.clean(row)[np.isin(shard.labels[row], (Label.SKIN, Label.NOSE))] / 255.0
        linear = float(np.median(skin**2.2 @ LUMINANCE))
        assert 0.05 * light < linear + 0.02
        assert linear < 2.0 * light + 0.05


def test_missing_shards_only(tmp_path: Path) -> None:
    wanted = CyclesSet(tmp_path, 2 * SHARD + 30, 1, SIZE, 1, DEFAULT_PATH)
    wanted.folder(1).mkdir()
    assert wanted.missing == [0, 2]
    assert wanted.length(2) == 30


@pytest.mark.parametrize("dioptres", [-4.0, 0.0, 3.0])
def test_a_ground_lens_is_closed_and_as_strong_as_asked(dioptres: float) -> None:
    rows = columns = 9
    y, x = np.mgrid[-1:1:9j, -1:1:9j] * 0.02
    sheet = np.stack([x, y, np.zeros_like(x)], axis=2).reshape(-1, 3)
    normals = np.tile([0.0, 0.0, 1.0], (rows * columns, 1))
    vertices, triangles = ground_lens(sheet, grid_triangles(rows, columns), normals, dioptres)
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    corners = vertices[triangles].astype(float)
    volume = np.einsum("nd,nd->n", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6.0
    assert volume > 0
    thickness = sheet[:, 2] - vertices[rows * columns :, 2]
    middle, corner = thickness[rows * columns // 2], thickness[0]
    assert thickness.min() > 0.001
    # Lensmaker, thin lens of index 1.5: sag = power * r^2 / (2 (n - 1))
    assert corner - middle == pytest.approx(-dioptres * 2 * 0.02**2, abs=1e-6)
