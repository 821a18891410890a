"""Progress, cancelling and the clock of one run through the stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .errors import Cancelled, ImageError, NoFaceFound

Progress = Callable[[str, float], None]  # stage that begins, share of the work done before it; ("done", 1)


class Run:
    """One run over one photo or several."""

    def __init__(
        self, stages: Sequence[str], progress: Progress | None, cancelled: Callable[[], bool] | None, photos: int = 1
    ) -> None:
        self.timings: dict[str, float] = dict.fromkeys(stages, 0.0)  # seconds by stage, of all photos
        self._progress = progress or (lambda stage, share: None)
        self._cancelled = cancelled or (lambda: False)
        self._done, self._steps = 0, len(stages) * photos

    @contextmanager
    def stage(self, name: str, steps: int = 1) -> Iterator[None]:
        """Report a stage, time it, and do not begin it when the run was cancelled."""
        self._check_cancelled()
        self._progress(name, self._done / self._steps)
        begin = time.perf_counter()
        yield
        self.timings[name] += time.perf_counter() - begin
        self._done += steps

    def finish(self) -> None:
        """Report the end unless the run was cancelled during the last stage."""
        self._check_cancelled()
        self._progress("done", 1.0)

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled


@contextmanager
def naming(photo: str) -> Iterator[None]:
    """Errors about one of several photos say which."""
    try:
        yield
    except (ImageError, NoFaceFound) as error:
        raise type(error)(f"{photo}: {error}") from error
