"""The command of ``zkfake run``: its start, the signals that it gets, and what it leaves behind.

The rules that live here:

- Where standard input is a terminal, the command stays in the process group of zkfake, so it can
  read from the terminal. The terminal itself sends Ctrl-C to both; it is not sent a second time.
- Elsewhere the command leads a process group of its own. Signals go to the whole group. What is
  left of the group when the command ends gets SIGTERM, and two seconds later SIGKILL.
- SIGTERM and SIGHUP mean the end. A command that goes on all the same is killed after a while.
- A signal that was ignored when zkfake started (``nohup``) stays ignored, by the command too.
- A system without process groups (Windows) ends what the command has started, or does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zkfake._cli.process import Signals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CANNOT_RUN", "NOT_FOUND", "WrappedCommand"]

CANNOT_RUN, NOT_FOUND = 126, 127
"""The exit statuses that shells have for a command that cannot be started."""

_OF_A_SIGNAL = 128
"""Added to a signal's number: the exit status of a command that a signal has ended."""

_BY_TERMINALS = ("SIGINT", "SIGQUIT")
_MEAN_THE_END = ("SIGTERM", "SIGHUP")

_LEFT_BEHIND = 2.0
"""Seconds for what the command leaves behind, from SIGTERM to SIGKILL."""


class WrappedCommand(Signals):
    """A command that gets the signals of this process.

    Signals count from the beginning of the ``with`` block. What the command has left behind is
    ended at the end of the block.
    """

    NAMES = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")

    def __init__(self, kill_after: float) -> None:
        """``kill_after``: seconds from a signal that means the end until the command is killed."""
        self._kill_after = kill_after
        self._has_group = os.name == "posix" and not _at_terminal()
        self._process: subprocess.Popen[bytes] | None = None

    def __exit__(self, *_: object) -> None:
        try:
            if self._process is not None:
                self._finish(self._process)
        finally:
            super().__exit__()

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Runs the command until it ends: its exit status, or 128 and the number of the signal that
        has ended it.

        A signal that means the end and comes before the command is started keeps it from starting.
        Raises `OSError` where it cannot be started.
        """
        early = []
        while number := self.next(0):
            if _name(number) in _MEAN_THE_END:
                return _OF_A_SIGNAL + number
            early.append(number)
        options: dict[str, Any] = {}
        if self._has_group:
            if sys.version_info >= (3, 11):
                options["process_group"] = 0
            else:
                options["start_new_session"] = True
        process = self._process = subprocess.Popen(words, env=environment, **options)
        # A system may not let a thread wait for a process and for a signal, so two do.
        waiting = threading.Thread(target=self._wait, args=(process,), name="command", daemon=True)
        waiting.start()
        for number in early:
            self._pass_on(process, number)
        self._pass_on_all(process)
        waiting.join()
        status = process.returncode
        return status if status >= 0 else _OF_A_SIGNAL - status

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self.end()

    def _pass_on_all(self, process: subprocess.Popen[bytes]) -> None:
        """Passes signals on until the command has ended."""
        deadline: float | None = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            number = self.next(left)
            if number == 0:
                return
            if number is None:
                self._kill(process)
                deadline = None
            else:
                self._pass_on(process, number)
                if deadline is None and _name(number) in _MEAN_THE_END:
                    deadline = time.monotonic() + self._kill_after

    def _pass_on(self, process: subprocess.Popen[bytes], number: int) -> None:
        if self._has_group:
            with suppress(OSError):  # it ends just now
                os.killpg(process.pid, number)
        elif _name(number) not in _BY_TERMINALS:
            process.send_signal(number)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        if self._has_group:
            self._pass_on(process, signal.SIGKILL)
        else:
            process.kill()

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
        """Ends what is left: the command too, if `run` has failed."""
        if process.returncode is None:
            self._kill(process)
            process.wait()
        if not self._has_group:
            return
        with suppress(OSError):  # nothing is left
            os.killpg(process.pid, signal.SIGTERM)
            end = time.monotonic() + _LEFT_BEHIND
            while time.monotonic() < end:
                os.killpg(process.pid, 0)
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)


def _at_terminal() -> bool:
    """Whether standard input is a terminal, of which the command may want to read."""
    try:
        return os.isatty(0)
    except OSError:  # there is none
        return False


def _name(number: int) -> str:
    return signal.Signals(number).name
