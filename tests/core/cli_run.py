"""The command line, called as a function, and what it wrote."""

from pathlib import Path

from core import cli


def run(*arguments: object) -> int:
    """The exit status."""
    return cli.main([str(argument) for argument in arguments])


def read_obj(path: Path) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = {}
    for line in path.read_text().splitlines():
        key, *rest = line.split()
        rows.setdefault(key, []).append(rest)
    return rows
