"""The command `deocclude`: what it writes, what it never writes over, and what heads tell of it."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from core import cli
from core.files import write_file
from core.image_io import png_bytes, read_mask, read_photo

from .cli_run import run

pytestmark = pytest.mark.usefixtures("small_networks")


def hide_the_mouth(photos: Path, name: str = "one.png", face: tuple[int, int] = (300, 240)) -> np.ndarray:
    """Put a blue mask, which the parser takes for one, before the face of a photo; the new photo."""
    shown = read_photo(photos / name).pixels.copy()
    shown[face[1] - 40 : face[1] + 40, face[0] - 50 : face[0] + 50] = (0, 0, 255)
    shown[192:224, 288:320] = (255, 0, 150)  # the detector's face
    write_file(photos / name, png_bytes(shown), overwrite=True)
    return shown


def test_deocclude(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    shown = hide_the_mouth(photos)
    bare = read_photo(photos / "two.png").pixels
    assert run("deocclude", photos / "one.png", photos / "two.png", "--out", out) == cli.DONE
    names = [f"{photo}{end}" for photo in ("one", "two") for end in (".png", "_completion.json", "_mask.png")]
    assert sorted(os.listdir(out)) == sorted(names)
    done, mask = read_photo(out / "one.png").pixels, read_mask(out / "one_mask.png")
    assert done.shape == shown.shape and mask.shape == shown.shape[:2]
    assert set(np.unique(mask)) == {0, 255}
    assert mask[260, 300] == 255
    assert np.array_equal(done[mask == 0], shown[mask == 0])
    assert not np.array_equal(done[260, 300], shown[260, 300])
    assert np.array_equal(read_photo(out / "two.png").pixels, bare)
    record = json.loads((out / "one_completion.json").read_text())
    assert record["method"] == "generator"
    assert record["painted"] == pytest.approx((mask > 0).mean(), abs=1e-5)
    errors = capsys.readouterr().err
    assert "two.png: Nothing was found before the face" in errors
    assert "one.png:" not in errors
    assert run("deocclude", photos / "one.png", "--out", out) == cli.DONE  # an earlier result is replaced


def test_deocclude_by_a_painted_mask(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out, mask = tmp_path / "out", np.zeros((480, 640), np.uint8)
    mask[220:260, 270:340] = 255
    write_file(tmp_path / "mask.png", png_bytes(mask))
    write_file(tmp_path / "small.png", png_bytes(mask[:100]))
    options = ("--out", out, "--mask")
    assert run("deocclude", photos / "one.png", *options, tmp_path / "mask.png", "--method", "telea") == cli.DONE
    assert np.array_equal(read_mask(out / "one_mask.png"), mask)
    assert run("deocclude", photos / "one.png", *options, tmp_path / "small.png") == cli.FAILED
    assert "The mask small.png has 640 x 100 pixels but the photo has 640 x 480" in capsys.readouterr().err
    assert run("deocclude", photos / "one.png", *options, photos / "torn.jpg") == cli.FAILED
    assert run("deocclude", photos / "one.png", photos / "two.png", *options, tmp_path / "mask.png") == cli.WRONG_USE


def test_deocclude_never_writes_over_what_it_reads(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    before = (photos / "one.png").read_bytes()
    assert run("deocclude", photos / "one.png", "--out", photos) == cli.FAILED
    assert "one.png is one of the files to read" in capsys.readouterr().err
    out = tmp_path / "out"
    assert run("deocclude", photos / "one.png", "--out", out) == cli.DONE
    done = (out / "one.png").read_bytes()
    assert run("deocclude", out / "one.png", "--out", out) == cli.FAILED  # although it is an earlier result
    assert run("deocclude", photos / "one.png", "--out", out, "--mask", out / "one_mask.png") == cli.FAILED
    assert (out / "one.png").read_bytes() == done
    assert (photos / "one.png").read_bytes() == before


def test_deocclude_works_at_the_photos_own_size(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = cv2.resize(hide_the_mouth(photos), (2560, 1920), interpolation=cv2.INTER_NEAREST)
    large[::2, ::2] ^= 1  # what reducing would lose
    write_file(photos / "large.png", png_bytes(large))
    monkeypatch.setattr("core.image_io.WORKING_PIXELS", 640 * 480)
    assert run("deocclude", photos / "large.png", "--out", tmp_path / "out") == cli.DONE
    mask = read_mask(tmp_path / "out" / "large_mask.png")
    done = read_photo(tmp_path / "out" / "large.png", whole=True).pixels
    assert mask.shape == (1920, 2560)
    assert mask[4 * 260, 4 * 300] == 255
    assert np.array_equal(done[mask == 0], large[mask == 0])


def test_deocclude_does_as_it_is_told(photos: Path, tmp_path: Path) -> None:
    hide_the_mouth(photos)
    sizes = []
    for number, grow in enumerate((0, 0.05)):
        out = tmp_path / str(number)
        assert run("deocclude", photos / "one.png", "--out", out, "--grow", grow, "--method", "autoencoder") == cli.DONE
        sizes.append((read_mask(out / "one_mask.png") > 0).sum())
        assert json.loads((out / "one_completion.json").read_text())["method"] == "autoencoder"
    assert sizes[1] > 1.3 * sizes[0] > 0


def test_reconstruct_tells_what_was_completed(photos: Path, tmp_path: Path) -> None:
    hide_the_mouth(photos)
    records = []
    for method in ("generator", "none"):
        out = tmp_path / method
        assert run("reconstruct", photos / "one.png", "--out", out, "--method", method) == cli.DONE
        records.append(json.loads((out / "one.json").read_text()))
        grey = cv2.imread(str(out / "one_confidence.png"), cv2.IMREAD_UNCHANGED)
        assert grey.shape == (1024, 1024)
        assert set(np.unique(grey)) <= set(records[-1]["confidence"].values())
    assert records[0]["completion"]["method"] == "generator"
    assert 0.0 < records[0]["completion"]["painted"] < 0.1
    assert records[1]["completion"] is None
