"""`reconstruct --same-person`."""

import json
from pathlib import Path

import numpy as np
import pytest

from core import cli
from core.geometry.face_model import FaceModel
from core.geometry.teeth_rows import TeethRows

from .cli_run import read_obj, run

pytestmark = pytest.mark.usefixtures("small_networks")


def test_reconstruct_one_person(photos: Path, tmp_path: Path, face_model: FaceModel) -> None:
    out = tmp_path / "out"
    assert run("reconstruct", "--same-person", photos / "one.png", photos / "two.png", "--out", out) == cli.DONE
    names = ("one", "person", "two")
    assert sorted(path.name for path in out.glob("*.obj")) == [f"{name}.obj" for name in names]
    one, person, two = (json.loads((out / f"{name}.json").read_text()) for name in names)
    assert one["coefficients"]["identity"] == two["coefficients"]["identity"] == person["coefficients"]["identity"]
    assert one["landmarks_2d"] != two["landmarks_2d"]
    assert person["photos"] == ["one", "two"]
    assert len(one["photo_light"]) == len(two["photo_light"]) == 9 and "photo_light" not in person
    assert len(person["white_color"]) == 3
    assert (out / "person_texture.png").read_bytes() == (out / "two_texture.png").read_bytes()
    rest = face_model.shape(np.array(person["coefficients"]["identity"], np.float32))
    assert person["coefficients"]["teeth_lowered"] == one["coefficients"]["teeth_lowered"] > 0.0
    rest = TeethRows(face_model).lowered(rest, person["coefficients"]["teeth_lowered"])
    vertices = np.array(read_obj(out / "person.obj")["v"], float)
    np.testing.assert_allclose(vertices, rest, atol=1e-5)
    # done again, an earlier result is replaced
    assert run("reconstruct", "--same-person", photos / "one.png", photos / "two.png", "--out", out) == cli.DONE


@pytest.mark.parametrize("bad", ["none.png", "torn.jpg"])
def test_one_bad_photo_stops_the_person(photos: Path, tmp_path: Path, bad: str, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    assert run("reconstruct", "--same-person", photos / "one.png", photos / bad, "--out", out) == cli.FAILED
    assert f"{bad}: " in capsys.readouterr().err
    assert not out.exists()


def test_a_person_needs_several_photos(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("reconstruct", "--same-person", photos / "one.png", "--out", tmp_path / "out") == cli.WRONG_USE
    assert "at least two photos" in capsys.readouterr().err
    (photos / "two.png").rename(photos / "person.png")
    files_ = [photos / "one.png", photos / "person.png"]
    assert run("reconstruct", "--same-person", *files_, "--out", tmp_path / "out") == cli.WRONG_USE
    assert "Rename the photo" in capsys.readouterr().err
