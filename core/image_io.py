"""Reads photos and encodes pictures. Errors are sentences."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from . import image_header
from .errors import ImageError
from .image_header import Header

LOG = logging.getLogger(__name__)

WORKING_PIXELS = 25_000_000  # larger photos are reduced to this while reading; a face needs no more
MAX_PIXELS = 250_000_000  # larger ones are refused: decoding them would need gigabytes
MAX_ASPECT = 20  # longer side over the shorter one
TRANSPARENT = 128  # grey level put behind transparent pixels
READABLE = "JPEG, PNG, WebP, TIFF or BMP"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as read: upright, and reduced when it was very large."""

    pixels: np.ndarray  # (H, W, 3) uint8 RGB
    scale: float  # pixels of `pixels` per pixel of the upright original, at most 1
    original_size: tuple[int, int]  # width, height of the upright original, pixels
    focal: float | None  # from EXIF, in pixels of `pixels`


def read_photo(path: Path | str, *, whole: bool = False) -> Photo:
    """Read JPEG, PNG, WebP, TIFF or BMP: 8 or 16 bit, grey, palette, CMYK, alpha, turned by EXIF.

    Photos of more than `WORKING_PIXELS` are reduced to that unless the `whole` is wanted. Raises `ImageError` for
    everything that cannot be read, with what to do about it.
    """
    path = Path(path)
    data = _read_bytes(path)
    header = image_header.parse(data)
    _check_header(header, path)
    decoded = _decode(data, header, whole)
    if decoded is None:
        raise ImageError(_damaged(path))
    pixels = _to_rgb(decoded if whole else _reduce(decoded), path)
    if header.kind != "TIFF":  # OpenCV turns TIFF itself, whatever it is told
        pixels = _turn(pixels, header.orientation)
    original = (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)
    scale = pixels.shape[1] / original[0]
    return Photo(pixels, scale, original, header.focal * scale if header.focal else None)


def read_mask(path: Path | str) -> np.ndarray:
    """(H, W) uint8 of a picture's brightness, upright and never reduced; transparent pixels are 0."""
    path = Path(path)
    data = _read_bytes(path)
    header = image_header.parse(data)
    _check_header(header, path)
    decoded = _decode(data, header, whole=True)
    if decoded is None:
        raise ImageError(_damaged(path))
    grey = cv2.cvtColor(_to_rgb(decoded[..., :3] if decoded.ndim == 3 else decoded, path), cv2.COLOR_RGB2GRAY)
    if decoded.ndim == 3 and decoded.shape[2] == 4:
        opaque = decoded[..., 3].astype(np.float32) / np.iinfo(decoded.dtype).max
        grey = (grey * opaque + 0.5).astype(np.uint8)
    return grey if header.kind == "TIFF" else _turn(grey, header.orientation)


def png_bytes(image: np.ndarray) -> bytes:
    """A (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey uint8 picture as a PNG file."""
    if image.dtype != np.uint8:
        raise ValueError(f"picture has type {image.dtype}, expected uint8")
    conversion = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(image.shape[2] if image.ndim == 3 else 1)
    bgr = image if conversion is None else cv2.cvtColor(image, conversion)
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 4])[1].tobytes()


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(16)
            _check_start(start, path)  # before gigabytes of something else are read
            return start + file.read()
    except FileNotFoundError as error:
        raise ImageError(f"There is no file {path}. Check the path.") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path} is a folder. Name a picture inside it.") from error
    except OSError as error:
        if path.is_dir():  # Windows reports a folder as a missing permission
            raise ImageError(f"{path} is a folder. Name a picture inside it.") from error
        raise ImageError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error


def _check_start(start: bytes, path: Path) -> None:
    if not start:
        raise ImageError(f"{path.name} is empty (0 bytes). Copy it again from where it came from.")
    if image_header.is_phone_format(start):
        raise ImageError(f"{path.name} is a HEIC or AVIF picture. Export it as JPEG or PNG first.")
    if image_header.sniff(start) is None:
        raise ImageError(f"{path.name} is not a picture that can be read, whatever its name. Use {READABLE}.")


def _check_header(header: Header, path: Path) -> None:
    if not header.complete or min(header.width, header.height) < 1:
        raise ImageError(_damaged(path))
    sides = (header.width, header.height)
    if header.width * header.height > MAX_PIXELS or max(sides) > MAX_ASPECT * min(sides):
        raise ImageError(
            f"{path.name} has {header.width} x {header.height} pixels, more than can be handled "
            f"({MAX_PIXELS // 1_000_000} megapixels, sides at most 1:{MAX_ASPECT}). "
            "Crop it round the face, or make it smaller."
        )


def _damaged(path: Path) -> str:
    return f"{path.name} is damaged or cut off. Copy it again from where it came from, or save it anew."


def _decode(data: bytes, header: Header, whole: bool = False) -> np.ndarray | None:
    """The stored picture in OpenCV's own order and depth, not turned; None when it is damaged."""
    flags = cv2.IMREAD_UNCHANGED
    if header.kind == "JPEG":  # JPEG can leave out resolution while decoding, at a fraction of the time
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        for denominator, reduced in ((2, cv2.IMREAD_REDUCED_COLOR_2), (4, cv2.IMREAD_REDUCED_COLOR_4)):
            if not whole and header.width * header.height >= denominator**2 * WORKING_PIXELS:
                flags = reduced | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with _quiet_opencv():
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        LOG.debug("OpenCV refused a %s file: %s", header.kind, error)
        return None


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's own messages about damaged files off the terminal: the error says it better."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _reduce(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    factor = (WORKING_PIXELS / (width * height)) ** 0.5
    if factor >= 1.0:
        return image
    size = (max(int(width * factor), 1), max(int(height * factor), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _to_rgb(image: np.ndarray, path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB from grey, BGR or BGRA of 8 or 16 bits, or of floats in [0, 1]."""
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1.0 / 257.0)
    elif image.dtype in (np.float32, np.float64):
        image = (np.nan_to_num(image).clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != np.uint8 or channels not in (1, 3, 4):
        raise ImageError(f"{path.name} stores its colours in an unusual way. Save it as a plain JPEG or PNG.")
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGB)
    return rgb if channels == 3 else _over_grey(rgb, image[:, :, 3])


def _over_grey(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Put the picture over grey where it is transparent: hidden colours there mean nothing."""
    if alpha.min() == 255:
        return rgb
    weight = alpha[:, :, None].astype(np.float32) / 255.0
    return (rgb * weight + TRANSPARENT * (1.0 - weight) + 0.5).astype(np.uint8)


def _turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Bring a stored picture upright by its EXIF orientation."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
