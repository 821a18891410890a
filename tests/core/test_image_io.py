"""Every kind of photo reads alike, every bad one is a sentence, and files are written whole or not at all."""

import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from core import files, image_io
from core.errors import FaceError, ImageError, OutputError
from core.files import write_file
from core.image_io import png_bytes, read_photo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """(90, 120, 3) uint8 RGB of smooth colours with no symmetry, so that every turn shows."""
    y, x = np.mgrid[0:90, 0:120]
    return np.stack([40 + x * 1.5, 30 + y * 2.0, 200 - x * 0.5 - y], axis=2).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 95}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
    ],
)
def test_reads_colour(tmp_path: Path, picture: np.ndarray, kind: str, options: dict) -> None:
    path = tmp_path / "photo.dat"  # the content decides, not the name
    path.write_bytes(encode(Image.fromarray(picture), kind, **options))
    photo = read_photo(path)
    assert photo.pixels.dtype == np.uint8
    assert photo.scale == 1.0
    assert photo.original_size == (120, 90)
    assert photo.focal is None
    assert mean_difference(photo.pixels, picture) < 3.0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_grey_becomes_rgb(tmp_path: Path, picture: np.ndarray, kind: str) -> None:
    grey = Image.fromarray(picture).convert("L")
    (tmp_path / "grey").write_bytes(encode(grey, kind))
    photo = read_photo(tmp_path / "grey").pixels
    assert photo.shape == (90, 120, 3)
    assert mean_difference(photo, np.asarray(grey.convert("RGB"))) < 3.0


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits(tmp_path: Path, picture: np.ndarray, suffix: str, grey: bool) -> None:
    deep = picture.astype(np.uint16) * 257
    path = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(path), deep[:, :, 0] if grey else deep[:, :, ::-1])
    wanted = np.repeat(picture[:, :, :1], 3, axis=2) if grey else picture
    assert np.array_equal(read_photo(path).pixels, wanted)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_lies_over_grey(tmp_path: Path, picture: np.ndarray, kind: str) -> None:
    alpha = np.full((90, 120, 1), 255, np.uint8)
    alpha[:, :40] = 0
    rgba = Image.fromarray(np.concatenate([picture, alpha], axis=2))
    (tmp_path / "cut").write_bytes(encode(rgba, kind, **({"lossless": True} if kind == "WEBP" else {})))
    photo = read_photo(tmp_path / "cut").pixels
    assert (photo[:, :40] == image_io.TRANSPARENT).all()
    assert np.array_equal(photo[:, 40:], picture[:, 40:])


def test_palette_and_cmyk(tmp_path: Path, picture: np.ndarray) -> None:
    palette = Image.fromarray(picture).quantize(64)
    (tmp_path / "p.png").write_bytes(encode(palette, "PNG"))
    assert mean_difference(read_photo(tmp_path / "p.png").pixels, np.asarray(palette.convert("RGB"))) < 1.0
    for kind in ("JPEG", "TIFF"):
        (tmp_path / "c").write_bytes(encode(Image.fromarray(picture).convert("CMYK"), kind))
        assert mean_difference(read_photo(tmp_path / "c").pixels, picture) < 4.0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns(tmp_path: Path, picture: np.ndarray, kind: str, orientation: int) -> None:
    upright = Image.fromarray(picture)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored turned left, shown turned right
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x112] = orientation
    (tmp_path / "turned").write_bytes(encode(stored, kind, exif=exif.tobytes()))
    photo = read_photo(tmp_path / "turned")
    assert photo.original_size == (120, 90)
    assert mean_difference(photo.pixels, picture) < 4.0


def test_exif_focal_length(tmp_path: Path, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    (tmp_path / "f.jpg").write_bytes(encode(Image.fromarray(picture), "JPEG", exif=exif.tobytes()))
    assert read_photo(tmp_path / "f.jpg").focal == pytest.approx(50 / 43.267 * 150.0, rel=1e-3)


def test_exif_focal_length_from_the_sensor(tmp_path: Path, picture: np.ndarray) -> None:
    exif = Image.Exif()
    ifd = exif.get_ifd(0x8769)
    ifd[0x920A], ifd[0xA20E] = IFDRational(8), IFDRational(100)  # mm, pixels per unit
    ifd[0xA210], ifd[0xA002] = 4, 240  # the unit is mm; width as taken
    (tmp_path / "f.jpg").write_bytes(encode(Image.fromarray(picture), "JPEG", exif=exif.tobytes()))
    assert read_photo(tmp_path / "f.jpg").focal == pytest.approx(400.0, rel=1e-3)  # reduced to half since


def test_damaged_exif_is_ignored(tmp_path: Path, picture: np.ndarray) -> None:
    data = encode(Image.fromarray(picture), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    (tmp_path / "x.jpg").write_bytes(data)
    assert read_photo(tmp_path / "x.jpg").original_size == (120, 90)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_truncated(tmp_path: Path, kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    (tmp_path / "cut.jpg").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match="damaged or cut off"):
        read_photo(tmp_path / "cut.jpg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"This is a letter, not a picture.\n" * 20, "not a picture"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 200, "HEIC"),
        (b"%PDF-1.7 and so on", "not a picture"),
        (b"\xff\xd8\xff", "damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "damaged"),
    ],
)
def test_not_a_picture(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=words) as caught:
        read_photo(path)
    assert isinstance(caught.value, FaceError)
    assert "photo.jpg" in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no file"):
        read_photo(tmp_path / "nothing.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_photo(tmp_path)


def test_hundred_megapixels(tmp_path: Path) -> None:
    blank = np.full((8000, 12500, 3), (90, 140, 200), np.uint8)
    blank[:4000, :6250] = (200, 100, 50)
    data = cv2.imencode(".jpg", blank[:, :, ::-1])[1].tobytes()
    (tmp_path / "large.jpg").write_bytes(data)
    photo = read_photo(tmp_path / "large.jpg")
    height, width = photo.pixels.shape[:2]
    assert photo.original_size == (12500, 8000)
    assert width * height <= image_io.WORKING_PIXELS
    assert photo.scale == pytest.approx(width / 12500)
    assert mean_difference(photo.pixels[10, 10], np.array([200, 100, 50])) < 5
    assert mean_difference(photo.pixels[-10, -10], np.array([90, 140, 200])) < 5


def test_absurd_size_is_refused_before_decoding(tmp_path: Path, picture: np.ndarray) -> None:
    data = bytearray(encode(Image.fromarray(picture), "PNG"))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    (tmp_path / "bomb.png").write_bytes(bytes(data))
    with pytest.raises(ImageError, match="60000 x 60000"):
        read_photo(tmp_path / "bomb.png")


def test_saves_and_reads_back(tmp_path: Path, picture: np.ndarray) -> None:
    write_file(tmp_path / "new" / "a.png", png_bytes(picture))  # the folder is made
    assert np.array_equal(read_photo(tmp_path / "new" / "a.png").pixels, picture)
    write_file(tmp_path / "grey.png", png_bytes(picture[:, :, 0]))
    assert read_photo(tmp_path / "grey.png").pixels.shape == (90, 120, 3)


def test_never_overwrites_unasked(tmp_path: Path, picture: np.ndarray) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"something else")
    with pytest.raises(OutputError, match="already there"):
        write_file(path, png_bytes(picture))
    assert path.read_bytes() == b"something else"
    write_file(path, png_bytes(picture), overwrite=True)
    assert np.array_equal(read_photo(path).pixels, picture)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "cannot")]
)
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"the old one")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OutputError, match=words):
        write_file(path, png_bytes(picture), overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"the old one"


def test_full_disk_for_real(tmp_path: Path) -> None:
    """A 64 KiB disk in a mount namespace of its own, which vanishes with the process."""
    code = (
        "import os, pathlib, sys\n"
        "from core import files, errors\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "files.write_file(folder / 'old', b'kept')\n"
        "try: files.write_files({folder / 'old': b'new', folder / 'large': bytes(100_000)}, overwrite=True)\n"
        "except errors.OutputError as error: print(error)\n"
        "print(os.listdir(folder), (folder / 'old').read_bytes())\n"
    )
    mount = 'mount -t tmpfs -o size=64k tmpfs "$1" || exit 77; exec "$2" -c "$3" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare (Linux)")
    done = subprocess.run([*command, str(tmp_path), sys.executable, code], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip("this machine lets no one mount a small disk")
    assert done.returncode == 0, done.stderr
    assert "The disk is full" in done.stdout
    assert "['old'] b'kept'" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    code = (
        "import pathlib, sys, os\n"
        "from core import files, errors\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # root may write anywhere
        "try: files.write_file(pathlib.Path(sys.argv[1]), b'x')\n"
        "except errors.OutputError as error: print(error)\n"
    )
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    command = [sys.executable, "-c", code, str(folder / "a.bin")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "read-only" in done.stdout
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="in the way"):
        files.write_file(tmp_path / "out" / "a.bin", b"x")
