"""Writes files whole or not at all, and never over something else without being told to."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .errors import OutputError

_REASONS = {
    errno.ENOSPC: "The disk is full. Free some space or choose another folder.",
    errno.EDQUOT: "The disk quota is used up. Free some space or choose another folder.",
    errno.EROFS: "The folder is read-only. Choose another one.",
    errno.EACCES: "The folder is read-only. Choose another one.",
    errno.EPERM: "The folder is read-only. Choose another one.",
    errno.EEXIST: "A file is in the way. Choose another folder.",
    errno.ENOTDIR: "A file is in the way. Choose another folder.",
    errno.ENAMETOOLONG: "The name is too long. Choose a shorter one.",
}


def write_file(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write one file; see `write_files`."""
    write_files({path: content}, overwrite=overwrite)


def write_files(contents: Mapping[Path, bytes], *, overwrite: bool = False) -> None:
    """Write files that belong together: all beside their places first, then renamed in the given order.

    Folders are made. Raises `OutputError`; what was there before is then still there, and nothing else.
    """
    if not overwrite:
        for path in contents:
            check_free(path)
    partials: dict[Path, Path] = {}
    path = next(iter(contents))
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partials[path] = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
            _write(partials[path], content)
        for path, partial in partials.items():
            os.replace(partial, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        for partial in partials.values():
            with suppress(OSError):  # the reason why it cannot be removed was reported already
                partial.unlink(missing_ok=True)


def check_free(path: Path) -> None:
    """Raise `OutputError` when there is a file at `path`."""
    if path.exists():
        raise OutputError(f"{path} is already there. Choose another name or folder, or remove it first.")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for a failed write."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}. Choose another folder.")
    return OutputError(f"{path} cannot be written. {reason}")
