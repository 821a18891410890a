"""Reads what a picture file says about itself before it is decoded: kind, size, completeness, EXIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

FULL_FRAME_DIAGONAL = 43.267  # mm, what EXIF's 35 mm equivalent refers to
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF FocalPlaneResolutionUnit
_TYPE_FORMAT = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 7: "B"}  # EXIF value types that are read here
_WIDTH, _HEIGHT, _ORIENTATION, _EXIF_POINTER = 0x100, 0x101, 0x112, 0x8769
_FOCAL, _PIXEL_WIDTH, _PLANE_X, _PLANE_UNIT, _FOCAL_35 = 0x920A, 0xA002, 0xA20E, 0xA210, 0xA405

Tags = dict[int, tuple[float, ...]]


@dataclass(frozen=True)
class Header:
    """A picture file's own description. Width and height are as stored, before the EXIF turn."""

    kind: str  # "JPEG", "PNG", "WebP", "TIFF" or "BMP"
    width: int = 0  # pixels; 0 when the file does not say
    height: int = 0
    complete: bool = True  # False when the end of the file is missing
    orientation: int = 1  # EXIF, 1 to 8
    focal: float | None = None  # pixels of the stored picture


def sniff(start: bytes) -> str | None:
    """Kind of picture by its first 16 bytes, None when it is none that can be read."""
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    return "BMP" if start.startswith(b"BM") else None


def is_phone_format(start: bytes) -> bool:
    """True for HEIC, HEIF and AVIF, which OpenCV cannot be relied on to read."""
    return start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")


def parse(data: bytes) -> Header:
    """The header of a whole file whose kind `sniff` knows; damaged fields are left at their defaults."""
    kind = sniff(data[:16])
    if kind is None:
        raise ValueError("not a known kind of picture")
    try:
        return _PARSERS[kind](data)
    except (struct.error, IndexError):  # the file ends inside its own header
        return Header(kind, complete=False)


def _parse_jpeg(data: bytes) -> Header:
    header, position, exif = Header("JPEG", complete=False), 2, b""
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        if marker == 0xDA:  # the picture itself: what matters now is whether its end is there
            return _with_exif(replace(header, complete=data.rfind(b"\xff\xd9", position) > 0), exif)
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif = body[6:]
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", body, 1)
            header = replace(header, width=width, height=height)
        position += 2 + length
    return header


def _parse_png(data: bytes) -> Header:
    header = Header("PNG", *struct.unpack_from(">II", data, 16), complete=False)
    position = 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length] if name == b"eXIf" else b""
        if body:
            header = _with_exif(header, body)
        position += 12 + length
        if name == b"IEND":
            return replace(header, complete=position <= len(data))
    return header


def _parse_webp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    header, position = Header("WebP", complete=len(data) >= size + 8), 12
    while position + 8 <= min(len(data), size + 8):
        name, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        if name == b"VP8X":
            width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
            header = replace(header, width=width, height=height)
        elif name == b"VP8 " and not header.width:
            width, height = struct.unpack_from("<HH", body, 6)
            header = replace(header, width=width & 0x3FFF, height=height & 0x3FFF)
        elif name == b"VP8L" and not header.width:
            (bits,) = struct.unpack_from("<I", body, 1)
            header = replace(header, width=(bits & 0x3FFF) + 1, height=(bits >> 14 & 0x3FFF) + 1)
        elif name == b"EXIF":
            header = _with_exif(header, body.removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    return header


def _parse_tiff(data: bytes) -> Header:
    tags = _read_tags(data)
    width, height = (int(tags.get(tag, (0,))[0]) for tag in (_WIDTH, _HEIGHT))
    return _with_exif(Header("TIFF", width, height), data)


def _parse_bmp(data: bytes) -> Header:
    width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", abs(width), abs(height))


_PARSERS = {
    "JPEG": _parse_jpeg,
    "PNG": _parse_png,
    "WebP": _parse_webp,
    "TIFF": _parse_tiff,
    "BMP": _parse_bmp,
}


def _with_exif(header: Header, block: bytes) -> Header:
    """The header with what an EXIF block (a small TIFF file) adds; a damaged block adds nothing."""
    try:
        tags = _read_tags(block)
    except struct.error:
        return header
    orientation = int(tags.get(_ORIENTATION, (1,))[0])
    return replace(
        header,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        focal=_focal_pixels(tags, header.width, header.height),
    )


def _focal_pixels(tags: Tags, width: int, height: int) -> float | None:
    """Focal length in pixels from the 35 mm equivalent, or from the sensor's resolution."""
    equivalent = tags.get(_FOCAL_35, (0,))[0]
    if equivalent > 0:
        return equivalent / FULL_FRAME_DIAGONAL * (width**2 + height**2) ** 0.5
    focal, resolution = (_ratio(tags.get(tag, ())) for tag in (_FOCAL, _PLANE_X))
    full_width = tags.get(_PIXEL_WIDTH, (0,))[0]
    unit = _UNIT_MM.get(int(tags.get(_PLANE_UNIT, (2,))[0]))
    if focal > 0 and resolution > 0 and full_width > 0 and unit:
        return focal * resolution / unit * width / full_width  # the photo may have been reduced since
    return None


def _ratio(value: tuple[float, ...]) -> float:
    return value[0] / value[1] if len(value) >= 2 and value[1] else 0.0


def _read_tags(block: bytes) -> Tags:
    """Tags of the first directory of a TIFF structure and of its EXIF directory."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return {}
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    tags = dict(_directory(block, order, first))
    if _EXIF_POINTER in tags:
        tags.update(_directory(block, order, int(tags[_EXIF_POINTER][0])))
    return tags


def _directory(block: bytes, order: str, start: int) -> Iterator[tuple[int, tuple[float, ...]]]:
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for index in range(count):
        entry = start + 2 + 12 * index
        tag, kind, items = struct.unpack_from(f"{order}HHI", block, entry)
        if kind not in _TYPE_FORMAT or not 0 < items <= 4:
            continue  # strings and long tables are of no use here
        layout = order + _TYPE_FORMAT[kind] * items
        at = entry + 8
        if struct.calcsize(layout) > 4:
            (at,) = struct.unpack_from(f"{order}I", block, at)
        yield tag, struct.unpack_from(layout, block, at)
