"""The batch commands: files, exit status, and reasons on stderr."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core import cli, files
from core.files import write_file
from core.geometry.face_model import FaceModel
from core.image_io import png_bytes, read_photo
from core.pipeline import Pipeline
from core.types import OCCLUDERS, PARTS, FaceResult, HairMesh

from .cli_run import read_obj, run

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("small_networks")


def test_landmarks(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    names = ["one.png", "none.png", "two.png", "torn.jpg"]
    status = run("landmarks", *(photos / name for name in names), "--out", tmp_path / "l.npz")
    assert status == cli.FAILED
    with np.load(tmp_path / "l.npz") as found:
        assert sorted(found.files) == ["one.png", "two.png"]
        assert found["one.png"].shape == (68, 2)
        assert found["one.png"].dtype == np.float32
        assert found["one.png"].mean(axis=0) == pytest.approx([303, 213], abs=20)
        assert found["two.png"][:, 0].mean() > 400  # the larger face
    errors = capsys.readouterr().err
    assert "none.png: No face was found" in errors
    assert "torn.jpg: torn.jpg is not a picture" in errors
    assert "networks run on: cpu" in errors


def test_landmarks_of_the_second_face(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "l.npz"
    assert run("landmarks", photos / "two.png", "--out", out, "--face", 1) == cli.DONE
    with np.load(out) as found:
        assert found["two.png"][:, 0].mean() < 200
    assert run("landmarks", photos / "two.png", "--out", out, "--face", 2) == cli.FAILED


def test_any_file_name_is_a_key(photos: Path, tmp_path: Path) -> None:
    (photos / "one.png").rename(photos / "file")  # the name of a parameter of numpy.savez
    assert run("landmarks", photos / "file", "--out", tmp_path / "l.npz") == cli.DONE
    with np.load(tmp_path / "l.npz") as found:
        assert found.files == ["file"]


def test_reduced_photo_gives_original_pixels(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("landmarks", photos / "one.png", "--out", tmp_path / "a.npz") == cli.DONE
    large = cv2.resize(read_photo(photos / "one.png").pixels, (2560, 1920), interpolation=cv2.INTER_NEAREST)
    write_file(photos / "large.png", png_bytes(large))
    monkeypatch.setattr("core.image_io.WORKING_PIXELS", 640 * 480)
    assert run("landmarks", photos / "large.png", "--out", tmp_path / "b.npz") == cli.DONE
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert b["large.png"] == pytest.approx((a["one.png"] + 0.5) * 4 - 0.5, abs=2.0)


def test_detect(photos: Path, tmp_path: Path) -> None:
    files_ = [photos / name for name in ("one.png", "two.png", "none.png")]
    assert run("detect", *files_, "--out", tmp_path) == cli.DONE
    faces = json.loads((tmp_path / "faces.json").read_text())["faces"]
    assert {name: len(boxes) for name, boxes in faces.items()} == {"one.png": 1, "two.png": 2, "none.png": 0}
    assert faces["one.png"][0]["box"] == pytest.approx([228.5, 132.5, 378.5, 282.5], abs=1)
    assert run("detect", *files_, "--out", tmp_path) == cli.DONE  # an earlier result is replaced


def test_reconstruct(photos: Path, tmp_path: Path, face_model: FaceModel) -> None:
    out = tmp_path / "out"
    assert run("reconstruct", photos / "one.png", "--out", out) == cli.DONE
    assert sorted(os.listdir(out)) == ["one.json", "one.mtl", "one.obj", "one_confidence.png", "one_texture.png"]
    record = json.loads((out / "one.json").read_text())
    assert set(record["coefficients"]["expression"]) == set(face_model.expression_names)
    assert len(record["coefficients"]["identity"]) == len(record["coefficients"]["albedo"]) == 80
    assert set(record["pose"]) == {"pitch", "yaw", "roll", "f", "t2d_x", "t2d_y"}
    assert list(record["timings"]) == ["detect", "landmark", "complete", "regress", "fit", "texture", "hair"]
    assert record["provider"] == "cpu"
    points_2d, points_3d = np.array(record["landmarks_2d"]), np.array(record["landmarks_3d"])
    assert points_2d.shape == (68, 2)
    assert points_3d.shape == (68, 3)
    camera = record["camera"]
    seen = points_3d @ np.array(camera["rotation"]).T + camera["translation"]
    projected = camera["focal"] * seen[:, :2] / seen[:, 2:] + camera["center"]
    assert projected == pytest.approx(np.array(record["landmarks_2d_fitted"]), abs=0.05)
    assert np.linalg.norm(projected - points_2d, axis=1)[17:].mean() < 6.0

    obj = read_obj(out / "one.obj")
    vertices = np.array(obj["v"], float)
    assert vertices.shape == face_model.vertices.shape
    assert np.abs(vertices).max() < 0.5  # metres
    distance = np.linalg.norm(vertices[None] - points_3d[17:, None], axis=2).min(axis=1)
    assert distance.max() < 0.01  # the landmarks lie on the mesh
    assert len(obj["vt"]) == len(face_model.uv)
    assert len(obj["f"]) == len(face_model.faces)
    assert {len(face) for face in obj["f"]} <= {3, 4}
    corners = np.array([[int(x) for x in corner.split("/")] for face in obj["f"] for corner in face])
    assert corners.min() == 1
    assert (corners.max(axis=0) == [len(vertices), len(obj["vt"])]).all()
    assert [name for (name,) in obj["g"]] == list(face_model.part_names)
    assert "map_Kd one_texture.png" in (out / "one.mtl").read_text()
    assert read_photo(out / "one_texture.png").pixels.shape == (1024, 1024, 3)


@pytest.fixture
def haired(monkeypatch: pytest.MonkeyPatch) -> HairMesh:
    """Two quads of hair on every head, unless the settings want none."""
    side = np.array([[0, 0.1, 0], [0.01, 0.1, 0], [0.02, 0.1, 0], [0, 0.09, 0], [0.01, 0.09, 0], [0.02, 0.09, 0]])
    faces = np.array([[0, 3, 4, 1], [1, 4, 5, 2]], np.int32)
    points = side.astype(np.float32)
    hair = HairMesh(points, faces, points[:, :2], faces, np.full((8, 8, 4), 90, np.uint8), np.zeros(6, np.float32))
    whole = Pipeline.reconstruct

    def reconstruct(self: Pipeline, *given: Any, **named: Any) -> FaceResult:
        return replace(whole(self, *given, **named), hair=hair if self.settings.hair else None)

    monkeypatch.setattr(Pipeline, "reconstruct", reconstruct)
    return hair


def test_hair_is_a_second_object_with_a_picture_of_its_own(
    photos: Path, tmp_path: Path, haired: HairMesh, face_model: FaceModel
) -> None:
    assert run("reconstruct", photos / "one.png", "--out", tmp_path) == cli.DONE
    obj = read_obj(tmp_path / "one.obj")
    assert obj["o"] == [["head"], ["hair"]]
    count, uvs = len(face_model.vertices), len(face_model.uv)
    assert np.array(obj["v"][count:], float) == pytest.approx(haired.vertices, abs=1e-6)
    assert obj["f"][-1] == [f"{count + 1 + v}/{uvs + 1 + v}" for v in (1, 4, 5, 2)]
    materials = (tmp_path / "one.mtl").read_text()
    assert "newmtl hair" in materials
    assert "map_d one_hair.png" in materials
    picture = cv2.imread(str(tmp_path / "one_hair.png"), cv2.IMREAD_UNCHANGED)
    assert (picture == haired.color).all()
    assert json.loads((tmp_path / "one.json").read_text())["files"]["hair"] == "one_hair.png"


def test_no_hair_leaves_none_of_an_earlier_results(photos: Path, tmp_path: Path, haired: HairMesh) -> None:
    assert run("reconstruct", photos / "one.png", "--out", tmp_path) == cli.DONE
    assert run("reconstruct", photos / "one.png", "--out", tmp_path, "--no-hair") == cli.DONE
    assert not (tmp_path / "one_hair.png").exists()
    assert read_obj(tmp_path / "one.obj")["o"] == [["head"]]
    assert "hair" not in json.loads((tmp_path / "one.json").read_text())["files"]


def test_a_picture_that_is_no_result_is_not_taken_for_hair(photos: Path, tmp_path: Path, haired: HairMesh) -> None:
    (tmp_path / "one_hair.png").write_bytes(b"precious")
    assert run("reconstruct", photos / "one.png", "--out", tmp_path) == cli.FAILED
    assert (tmp_path / "one_hair.png").read_bytes() == b"precious"
    assert not (tmp_path / "one.obj").exists()


def test_parse(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = read_photo(photos / "one.png").pixels.copy()
    shown[150:250, 230:380] = (0, 255, 0)
    shown[192:224, 288:320] = (255, 0, 150)  # the detector's face
    shown[224:250, 230:380] = (0, 0, 255)
    write_file(photos / "one.png", png_bytes(shown), overwrite=True)
    assert run("parse", photos / "one.png", "--out", out) == cli.DONE
    names = ["one_labels.png", "one_occluder.png", "one_occluder_type.png", "one_parsing.json"]
    assert sorted(os.listdir(out)) == names
    labels, occluder, kind = (cv2.imread(str(out / name), cv2.IMREAD_UNCHANGED) for name in names[:3])
    assert labels.shape == occluder.shape == kind.shape == (480, 640)
    assert labels.dtype == np.uint8
    assert labels[170, 300] == PARTS.index("skin")
    assert labels[208, 304] == PARTS.index("nose")
    assert labels[470, 10] == 0
    assert set(np.unique(occluder)) <= {0, 255}
    assert ((occluder > 0) == (kind > 0)).all()
    assert kind[240, 300] == OCCLUDERS.index("mask")
    record = json.loads((out / "one_parsing.json").read_text())
    assert list(record["labels"]) == list(PARTS)
    assert sum(record["labels"].values()) == pytest.approx(1.0, abs=1e-4)
    assert run("parse", photos / "one.png", "--out", out) == cli.DONE  # an earlier result is replaced


def test_parse_keeps_what_is_in_the_way(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (photos / "one_labels.png").write_bytes(b"the work of a week")
    assert run("parse", photos / "one.png", photos / "none.png", "--out", photos) == cli.FAILED
    assert (photos / "one_labels.png").read_bytes() == b"the work of a week"
    assert not (photos / "one_occluder.png").exists()
    errors = capsys.readouterr().err
    assert "one_labels.png is already there" in errors
    assert "none.png: No face was found" in errors


def test_parse_of_a_reduced_photo_has_the_original_size(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = cv2.resize(read_photo(photos / "one.png").pixels, (2560, 1920), interpolation=cv2.INTER_NEAREST)
    write_file(photos / "large.png", png_bytes(large))
    monkeypatch.setattr("core.image_io.WORKING_PIXELS", 640 * 480)
    assert run("parse", photos / "large.png", "--out", tmp_path / "out") == cli.DONE
    assert cv2.imread(str(tmp_path / "out" / "large_labels.png"), cv2.IMREAD_UNCHANGED).shape == (1920, 2560)


def test_parse_without_its_network_says_so(
    photos: Path, tmp_path: Path, models_dir: Path, capsys: pytest.CaptureFixture
) -> None:
    path = models_dir / "weights" / "parser.onnx"
    content = path.read_bytes()
    path.unlink()
    try:
        assert run("parse", photos / "one.png", "--out", tmp_path / "out") == cli.FAILED
    finally:
        path.write_bytes(content)
    assert "parser.onnx is missing" in capsys.readouterr().err


def test_reconstruct_again_replaces_only_its_own(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "one.obj").write_bytes(b"the work of a week")
    assert run("reconstruct", photos / "one.png", "--out", out) == cli.FAILED
    assert (out / "one.obj").read_bytes() == b"the work of a week"
    assert os.listdir(out) == ["one.obj"]
    (out / "one.obj").unlink()
    assert run("reconstruct", photos / "one.png", "--out", out) == cli.DONE
    assert run("reconstruct", photos / "one.png", "--out", out) == cli.DONE


def test_reconstruct_beside_the_photos_keeps_them(photos: Path) -> None:
    before = (photos / "one.png").read_bytes()
    assert run("reconstruct", photos / "one.png", "--out", photos) == cli.DONE
    assert (photos / "one.png").read_bytes() == before


def test_regressor_that_is_not_in_this_build(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ("reconstruct", photos / "one.png", "--out", tmp_path / "out", "--regressor")
    assert run(*arguments, "resnet50") == cli.FAILED
    assert "regressor resnet50 is not part of this build; choose student." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(*arguments, "student") == cli.DONE


def test_full_disk_leaves_nothing_behind(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import errno

    written: list[int] = []

    def fill(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fill)
    assert run("reconstruct", photos / "one.png", "--out", tmp_path / "out") == cli.FAILED
    assert "The disk is full" in capsys.readouterr().err
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["detect"],
        ["detect", "a.png"],
        ["paint", "a.png", "--out", "x"],
        ["landmarks", "a.png", "--out", "x.png"],
        ["landmarks", "a.png", "b/a.png", "--out", "x.npz"],
        ["reconstruct", "a.png", "a.jpg", "--out", "x"],
        ["reconstruct", "a.png", "--out", "x", "--face", "-1"],
        ["reconstruct", "a.png", "--out", "x", "--texture-size", "1000"],
        ["reconstruct", "a.png", "--out", "x", "--provider", "abacus"],
        ["reconstruct", "a.png", "--out", "x", "--provider", "coreml"],
        ["reconstruct", "a.png", "--out", "x", "--regressor", "abacus"],
        ["deocclude", "a.png", "--out", "x", "--regressor", "student"],
        ["reconstruct", "a.png", "--out", __file__],
        ["parse", "a.png", "--out", __file__],
        ["parse", "a.png", "a.jpg", "--out", "x"],
        ["deocclude", "a.png", "a.jpg", "--out", "x"],
        ["deocclude", "a.png", "--out", __file__],
        ["deocclude", "a.png", "--out", "x", "--method", "none"],
        ["deocclude", "a.png", "--out", "x", "--grow", "0.5"],
        ["deocclude", "a.png", "--out", "x", "--threshold", "1"],
        ["reconstruct", "a.png", "b.png", "--out", "x", "--mask", "m.png"],
    ],
)
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    assert cli.main(arguments) == cli.WRONG_USE
    assert capsys.readouterr().err


def test_help_is_no_error(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["reconstruct", "--help"]) == cli.DONE
    assert "--texture-size" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mine.npz", "mine.json"])
def test_output_is_not_written_over_something_else(photos: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"[1, 2, 3]")
    command = "landmarks" if name.endswith("npz") else "detect"
    assert run(command, photos / "one.png", "--out", tmp_path / name) == cli.FAILED
    assert (tmp_path / name).read_bytes() == b"[1, 2, 3]"


def test_one_bad_photo_does_not_stop_the_batch(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    original = Pipeline.detect

    def fail_once(self: Pipeline, photo: np.ndarray) -> list:
        if photo[300, 120].tolist() == [255, 0, 100]:
            raise ZeroDivisionError("a bug")
        return original(self, photo)

    monkeypatch.setattr(Pipeline, "detect", fail_once)
    out = tmp_path / "l.npz"
    assert run("landmarks", photos / "two.png", photos / "one.png", "--out", out) == cli.FAILED
    with np.load(out) as found:
        assert found.files == ["one.png"]
    assert "two.png: internal error (ZeroDivisionError" in capsys.readouterr().err


def test_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.cli", "landmarks", "--out", str(tmp_path / "x.npz")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == cli.WRONG_USE
    assert "FILE" in done.stderr
    assert "Traceback" not in done.stderr
