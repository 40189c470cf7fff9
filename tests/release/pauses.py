"""Stops processes of a test run for seconds, as a busy machine does.

The rules that live here:

- Workers of pytest-xdist and servers in Java are stopped, each by itself. A test may not take a
  late reply for a lost one.
- A process that a test has stopped is the test's own.
- All go on when the block is left. Linux only, as it reads /proc.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Pauses", "Process", "processes"]

EVERY = 0.25
"""Seconds between two looks at the processes."""
LONGEST, MEAN = 6.0, 0.9
"""Seconds that one stands still. A client whose session may take 10 s loses no session by it."""


class Process(NamedTuple):
    name: str
    state: str
    """T: stopped by a signal."""
    parent: int


def processes() -> dict[int, Process]:
    """All there are."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            before, _, after = (directory / "stat").read_text("utf-8", "replace").rpartition(")")
            state, parent, *_ = after.split()
            found[int(directory.name)] = Process(before.partition("(")[2], state, int(parent))
    return found


class Pauses:
    """Stops workers and live servers of a run of pytest now and then, while the block runs.

    ``controller``: the process that pytest was started as. ``chance``: of each process, at each
    look, to be stopped. The seed decides which are, and for how long.
    """

    def __init__(self, controller: int, seed: int, chance: float = 0.05) -> None:
        self._controller = controller
        self._random = random.Random(seed)
        self._chance = chance
        self._until: dict[int, float] = {}
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pauses")
        self.count = 0
        """How many there were."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._left.wait(EVERY):
                self._look()
        finally:
            for process in self._until:
                _send(process, signal.SIGCONT)

    def _look(self) -> None:
        now = time.monotonic()
        for process, until in list(self._until.items()):
            if until <= now:
                _send(process, signal.SIGCONT)
                del self._until[process]
        all_ = processes()
        for process, (name, state, parent) in all_.items():
            is_worker = parent == self._controller and name.startswith("python")
            if not is_worker and not (name == "java" and self._is_below(process, all_)):
                continue
            if state != "T" and self._random.random() < self._chance:
                self._until[process] = now + min(LONGEST, self._random.expovariate(1 / MEAN))
                _send(process, signal.SIGSTOP)
                self.count += 1

    def _is_below(self, process: int, all_: dict[int, Process]) -> bool:
        while process in all_ and process != self._controller:
            process = all_[process].parent
        return process == self._controller


def _send(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
