"""The pause before a dict tries again: it is stopped from anywhere, and its task ends with it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from kazoo.handlers.threading import SequentialThreadingHandler

from zkdict._copy.callbacks import Pause

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Handler(SequentialThreadingHandler):
    """Keeps the tasks that it is to start, for the test to run."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[Callable[[], None]] = []
        self.refusals = 0

    def spawn(self, function: Callable[..., None], *arguments: Any, **_: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("can't start new thread")
        self.tasks.append(lambda: function(*arguments))


def ends(thread: threading.Thread) -> bool:
    thread.join(60)
    return not thread.is_alive()


def stopped_at_line(number: int) -> bool:
    """Stop a pause where its task is about to run that line; whether there is such a line.

    It is what a finalizer does that the collector runs there.
    """
    handler = Handler()
    over: list[bool] = []
    pause = Pause(handler, lambda token: over.append(pause.is_over(token)))
    left = number

    def trace(_: FrameType, kind: str, __: object) -> Any:
        nonlocal left
        if kind == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                pause.stop()
        return trace

    def run() -> None:
        sys.settrace(trace)
        task()

    pause.begin(0.001)
    [task] = handler.tasks
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ends(thread), f"the task waits for itself when it is stopped at its line {number}"
    assert len(over) == 1
    return left <= 0


def test_a_finalizer_may_stop_a_pause_wherever_its_task_is() -> None:
    lines = 0
    while stopped_at_line(lines + 1):
        lines += 1
    assert lines > 2


def test_a_pause_that_is_stopped_ends_its_task() -> None:
    handler = Handler()
    over: list[bool] = []
    pause = Pause(handler, lambda token: over.append(pause.is_over(token)))
    pause.begin(100_000.0)
    pause.begin(200_000.0)  # the first ends sooner
    [task] = handler.tasks
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    pause.stop()
    assert ends(thread)
    assert over == [False]


def test_a_shorter_pause_takes_the_place_of_a_longer_one() -> None:
    handler = Handler()
    over: list[bool] = []
    pause = Pause(handler, lambda token: over.append(pause.is_over(token)))
    pause.begin(100_000.0)
    pause.begin(0.0)
    for task in handler.tasks:
        task()
    assert over == [False, True]


def test_a_pause_whose_task_could_not_be_started_can_be_begun_again() -> None:
    handler = Handler()
    over: list[bool] = []
    pause = Pause(handler, lambda token: over.append(pause.is_over(token)))
    handler.refusals = 1
    with pytest.raises(RuntimeError, match="thread"):
        pause.begin(0.0)
    pause.begin(0.0)
    [task] = handler.tasks
    task()
    assert over == [True]
