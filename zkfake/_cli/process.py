"""What the commands share: what they print, and how they end.

The rules that live here:

- the first line on standard output is the connect string, printed once connections are accepted;
  everything else goes to standard error, one line per message;
- SIGINT, SIGTERM and SIGHUP end a command, however many come and when. One that was ignored when
  the process started (``nohup``, a shell's background job) stays ignored.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from typing_extensions import Self

__all__ = [
    "ENDED",
    "FAILED",
    "REFUSED",
    "STATUSES",
    "EndingSignals",
    "Program",
    "Signals",
    "failure",
    "leave_signals_to_others",
    "print_lines",
    "reason",
    "say",
]

ENDED, FAILED, REFUSED = 0, 1, 2
"""The exit statuses."""

STATUSES = """\
exit status:
  0  ended by SIGINT (Ctrl-C), SIGTERM or SIGHUP
  1  could not print the connect string, or failed while it served
  2  an option, a file or an address is invalid
"""


class Program(NamedTuple):
    """A command that serves until it is told to end."""

    lines: list[str]
    """The first lines on standard output."""
    notes: list[str]
    """The lines on standard error."""
    begin: Callable[[], object] = tuple
    """Called after the lines are printed."""


class Signals:
    """The signals that this process gets during the ``with`` block, one after the other. For the
    main thread.

    A handler that raises, as Python's own for SIGINT does, strikes wherever the main thread happens
    to be, also while it is ending. One that runs in the main thread does not run while that waits
    for a process, if the system gives the signal to another thread. These do nothing: the
    interpreter tells a socket of every signal, and who waits reads from it.
    """

    NAMES: tuple[str, ...] = ()
    """The signals; not every system has all of them."""

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._told = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {}
        for name in self.NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _do_nothing)
        return self

    def next(self, seconds: float | None = None) -> int | None:
        """The next signal, even one before this call; 0 after `end`; ``None`` after so long."""
        self._reader.settimeout(seconds)
        try:
            return self._reader.recv(1)[0]
        except (TimeoutError, BlockingIOError):
            return None

    def end(self) -> None:
        """Lets `next` return, as a signal does. May be called from any thread."""
        with suppress(OSError):  # it ends already
            self._writer.send(b"\0")

    def __exit__(self, *_: object) -> None:
        # Python prints a traceback for a signal that comes just before its handler is taken away.
        with _held_back(self._before):
            for number, before in self._before.items():
                signal.signal(number, before or signal.SIG_DFL)
        signal.set_wakeup_fd(self._told)
        self._reader.close()
        self._writer.close()


class EndingSignals(Signals):
    """The signals that end the program."""

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

    def wait(self) -> None:
        """Returns after a signal, even one before this call, or after `end`."""
        self.next()
        # One that comes while the interpreter ends must not change the exit status.
        self._before = dict.fromkeys(self._before, signal.SIG_IGN)


def leave_signals_to_others() -> None:
    """This thread, which must not be the main one, gets no signals from now on."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@contextmanager
def _held_back(numbers: Iterable[int]) -> Iterator[None]:
    """Signals that come during the block reach this thread after it, unless ignored by then."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def print_lines(*lines: str) -> int:
    """Prints the lines on standard output; the exit status if that is impossible."""
    if sys.stdout is not None:  # closed before the start: no output is wanted
        try:
            for line in lines:
                print(line)
            sys.stdout.flush()
        except OSError as error:
            with suppress(OSError):
                sys.stdout.close()  # or the interpreter tries again at its end
            return say(f"cannot write to standard output: {error.strerror or error}", FAILED)
    return ENDED


def say(text: str, status: int = ENDED) -> int:
    """One line on standard error; returns ``status``."""
    if sys.stderr is not None:
        try:
            print(f"zkfake: {text}", file=sys.stderr, flush=True)
        except OSError:
            with suppress(OSError):
                sys.stderr.close()
    return status


def failure(error: RuntimeError) -> str:
    """The text of an error with which a fake or a proxy ends."""
    cause = error.__cause__
    return str(error) if cause is None or str(cause) == str(error) else f"{error}: {cause!r}"


def reason(error: Exception) -> str:
    """The text of an error, with its file."""
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{error.filename}: "
        return f"{name}{error.strerror}"
    return str(error)
