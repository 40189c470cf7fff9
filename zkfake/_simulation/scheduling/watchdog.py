"""Says so when a task blocks the one real thread that every task shares.

Rules that live here: the watchdog is a thread that looks, every now and then, whether the scheduler
has made a step. When none was made for its real-time limit, it writes to standard error which task
runs and where, and interrupts it, if the simulation runs in the main thread, with
`TaskInterrupted`; the simulation then fails with `SimulationBlocked`. A task that stands at a
debugger's prompt is left alone.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from zkfake._simulation.errors import SimulationBlocked

if TYPE_CHECKING:
    from types import FrameType

    from zkfake._simulation.scheduling.scheduler import Scheduler

__all__ = ["TaskInterrupted", "Watchdog"]


_DEBUGGERS = frozenset(
    {"bdb", "pdb", "ipdb", "pdbpp", "pudb", "pydevd", "_pydevd_bundle", "debugpy", "wdb", "rpdb"}
)
"""The top-level modules of debuggers: their code runs while a task stands at a prompt."""


class TaskInterrupted(BaseException):
    """Raised inside the task that blocks the real thread, where nothing should catch it."""


class Watchdog:
    """Watches one scheduler from `start` to `stop`."""

    def __init__(self, scheduler: Scheduler, limit: float) -> None:
        self._scheduler = scheduler
        self._limit = limit
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="simulation watchdog", daemon=True)
        self._watched = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._previous: Any = None
        self._struck = False

    def start(self) -> None:
        """To be called by the thread to watch, before the simulation's patches are in place."""
        if self._is_main:
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
        self._thread.start()

    def stop(self) -> None:
        """To be called once the patches are gone."""
        self._over.set()
        self._thread.join()
        if self._is_main:
            signal.signal(signal.SIGINT, self._previous)

    def _watch(self) -> None:
        seen = -1
        while not self._over.wait(self._limit):
            steps = self._scheduler.steps
            if steps == seen:
                frame = sys._current_frames().get(self._watched)  # noqa: SLF001  # a public function
                if not _is_at_prompt(frame):
                    self._strike(frame)
            seen = steps

    def _strike(self, frame: FrameType | None) -> None:
        task = self._scheduler.current
        place = "".join(traceback.format_stack(frame)) if frame else ""
        text = (
            f"{task.name} has blocked the thread of the whole simulation for {self._limit} real "
            f"seconds or more; it runs\n{place}"
        )
        sys.stderr.write(f"zkfake.simulation: {text}\n")
        self._scheduler.interrupt(SimulationBlocked(text))
        if self._is_main:
            self._struck = True
            if hasattr(signal, "pthread_kill"):  # it interrupts a system call, too
                signal.pthread_kill(self._watched, signal.SIGINT)
            else:
                _thread.interrupt_main()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._struck:
            self._struck = False
            raise TaskInterrupted
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            raise KeyboardInterrupt


def _is_at_prompt(frame: FrameType | None) -> bool:
    """Whether this thread runs a debugger's code.

    A trace function says nothing of that: coverage.py has one as well, and a debugger on
    `sys.monitoring` has none.
    """
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False
