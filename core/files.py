"""Writes files whole or not at all, and never over something else without being told to."""

from __future__ import annotations

import errno
import os
import secrets
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
    """Write `content` beside `path`, then rename; folders are made. Raises `OutputError`, leaving nothing."""
    if not overwrite and path.exists():
        raise OutputError(f"{path} is already there. Choose another name or folder, or allow to replace it.")
    partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """The sentence for a failed write."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}. Choose another folder.")
    return OutputError(f"{path} cannot be written. {reason}")
