"""Programs of the command ``zkfake`` that a test starts and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = [sys.executable, "-m", "zkfake"]
SCRIPT = [str(Path(sys.executable).with_name("zkfake"))]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


def first_line(output: IO[str] | None) -> str:
    assert output is not None
    return output.readline().strip()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell's background jobs ignore SIGINT and SIGQUIT, and so would all that they start."""
    numbers = [*ENDING, *([signal.SIGQUIT] if hasattr(signal, "SIGQUIT") else [])]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def program(
    *arguments: str, command: list[str] = MODULE, **options: object
) -> Iterator[subprocess.Popen[str]]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    started = subprocess.Popen([*command, *arguments], **streams)  # type: ignore[call-overload]
    try:
        yield started
    finally:
        started.kill()
        started.communicate(timeout=60)


def once_opened(fifo: Path, reader: subprocess.Popen[str]) -> TextIO:
    """The writing end of a FIFO, once ``reader`` has opened the other one."""
    while True:
        with suppress(OSError):
            return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "w")
        with suppress(subprocess.TimeoutExpired):
            reader.wait(0.01)
            pytest.fail(f"it ended with status {reader.returncode} and never opened {fifo.name}")


posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for one process")
