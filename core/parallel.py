"""Several planes of a picture at once: numpy, SciPy's products and OpenCV let other threads run while they compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


class _Pool:
    """The threads of this process; a forked one has none of its parent's and starts its own."""

    def __init__(self) -> None:
        self.start()
        if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
            os.register_at_fork(after_in_child=self.start)

    def start(self) -> None:
        """Begin with no thread; they are started as they are needed."""
        count = min(max(os.cpu_count() or 1, 2), 4)
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="facewright-planes")


_POOL = _Pool()


def each(function: Callable[..., Answer], *columns: Iterable[object]) -> list[Answer]:
    """`function` of each row of the columns, in order; the function must not call this itself."""
    return list(_POOL.threads.map(function, *columns))
