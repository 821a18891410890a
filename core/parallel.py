"""Several planes of a picture at once: numpy, SciPy's products and OpenCV let other threads run while they compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")
_POOL = ThreadPoolExecutor(min(max(os.cpu_count() or 1, 2), 4), thread_name_prefix="facewright-planes")


def each(function: Callable[..., Answer], *columns: Iterable[object]) -> list[Answer]:
    """`function` of each row of the columns, in order; the function must not call this itself."""
    return list(_POOL.map(function, *columns))
