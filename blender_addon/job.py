"""Background work: one worker thread, a queue of what it has to say, and nothing of bpy.

The worker computes; the main thread drains the queue from a modal timer and touches Blender. Cancelling is a
flag that the work looks at between its stages.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import Cancelled, FaceError

LOGGER = logging.getLogger(__name__)
ReportProgress = Callable[[str, float], None]  # stage name, fraction done in [0, 1]
IsCancelled = Callable[[], bool]
Work = Callable[[ReportProgress, IsCancelled], object]


@dataclass(frozen=True)
class Progress:
    """How far the work is."""

    stage: str
    fraction: float  # in [0, 1]


@dataclass(frozen=True)
class Done:
    """The work is finished."""

    outcome: object


@dataclass(frozen=True)
class Failed:
    """The work stopped: cancelled, refused (`FaceError`), or broken (anything else)."""

    error: BaseException


class Job:
    """One piece of work on its own thread. All methods are for the main thread."""

    def __init__(self, title: str, work: Work) -> None:
        self.title = title
        self.progress = Progress("Starting", 0.0)
        self._work = work
        self._events: queue.SimpleQueue[Progress | Done | Failed] = queue.SimpleQueue()
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"facewright {title}", daemon=True)

    def start(self) -> None:
        """Begin; at most once."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next stage."""
        self._cancel.set()

    @property
    def cancelling(self) -> bool:
        """Whether the work was asked to stop."""
        return self._cancel.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for the thread to end; whether it did."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def poll(self) -> Done | Failed | None:
        """Take everything the worker said; the end of the work, or None while it goes on."""
        while not self._events.empty():
            event = self._events.get()
            if isinstance(event, Progress):
                self.progress = event
            else:
                return event
        return None

    def _run(self) -> None:
        def report(stage: str, fraction: float) -> None:
            self._events.put(Progress(stage, min(max(fraction, 0.0), 1.0)))

        try:
            outcome = self._work(report, self._cancel.is_set)
            if self._cancel.is_set():
                raise Cancelled
        except FaceError as error:
            self._events.put(Failed(error))
        except Exception as error:  # noqa: BLE001 - a thread must hand over every failure, or the job never ends
            self._events.put(Failed(error))
        else:
            self._events.put(Done(outcome))


_current: Job | None = None


def current() -> Job | None:
    """The job that runs now."""
    return _current


def begin(title: str, work: Work) -> Job:
    """Start a job; only one runs at a time."""
    global _current
    if _current is not None:
        raise FaceError(f"{_current.title} is still running. Wait for it or cancel it first.")
    _current = Job(title, work)
    _current.start()
    return _current


def end(job: Job) -> None:
    """Forget a job, asking it to stop if it still runs."""
    global _current
    job.cancel()
    if _current is job:
        _current = None


def stop(seconds: float = 5.0) -> None:
    """Cancel whatever runs and wait a little for it: before a file is opened or the add-on leaves."""
    job = _current
    if job is None:
        return
    end(job)
    if not job.wait(seconds):
        LOGGER.warning("%s did not stop within %.0f s.", job.title, seconds)
