"""Answers that take long to find, kept under build/evaluation until what they depend on changes."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.fit_priors import FILE

from .data import BUILD, ROOT
from .systems import digest

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def kept_answers(name: str, depends: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays that `make` returns, made once for every value of `depends`, which stands for all they follow from."""
    path = BUILD / "answers" / f"{name}-{hashlib.sha256(depends.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        log.info("measuring %s", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part.npz")
        np.savez_compressed(draft, **make())  # pyright: ignore[reportArgumentType] - its stub types the one flag alone
        draft.rename(path)
    with np.load(path) as file:
        return dict(file)


def code_digest(*networks: str, also: Iterable[Path] = ()) -> str:
    """One SHA-256 of core, the face model, further files, and the named networks as far as they are there.

    The hashes in core's specs are left out: a new network must not make those anew that it has no part in.
    """
    weights = (ROOT / "models" / "weights" / f"{name}.onnx" for name in networks)
    code = (path for path in sorted((ROOT / "core").rglob("*.py")) if path.name != "specs.py")
    priors = ROOT / "models" / "weights" / FILE  # of the fit
    files = [*code, priors, ROOT / "models" / "face_model" / "face_model.npz", *also, *weights]
    return digest(tuple(path for path in files if path.exists()))


def spread(call: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """`call` of every item in order, in as many threads as there are processor cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(call, items))
