from __future__ import annotations

import multiprocessing
import os
import threading

import numpy as np
import pytest

from core.parallel import each


def test_answers_come_in_order_and_all_at_once() -> None:
    """Two that wait for each other only end when they run at the same time."""
    meeting = threading.Barrier(2)

    def meet(number: int, factor: float) -> float:
        meeting.wait(timeout=30)
        return number * factor

    assert each(meet, [1, 2], [10.0, 100.0]) == [10.0, 200.0]


def test_planes_are_changed_in_place() -> None:
    planes = [np.full((4, 4), float(k)) for k in range(5)]
    each(lambda plane: np.multiply(plane, 2.0, out=plane), planes)
    assert [float(plane.mean()) for plane in planes] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_errors_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda value: 1 / value, [1, 0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """Its parent's are gone, though the pool that it inherits believes them idle."""
    assert each(abs, [-1, -2, -3]) == [1, 2, 3]
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_work)
    child.start()
    child.join(timeout=60)
    alive = child.is_alive()
    child.kill()
    assert not alive and child.exitcode == 0


def _work() -> None:
    assert each(abs, [-4, -5]) == [4, 5]
