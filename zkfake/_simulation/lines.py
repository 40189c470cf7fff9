"""Which lines of a traceback, and of a stack, are the program's.

Rules that live here: the lines of kazoo, of this distribution, of pytest and of Python's own
library are not.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING

import greenlet
import kazoo

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["is_of_program", "line_of_what_is_sent", "program_line", "running_line"]

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LIBRARIES = tuple(
    os.path.join(path, "")
    for path in (
        os.path.dirname(os.path.abspath(str(kazoo.__file__))),
        os.path.dirname(os.path.abspath(str(greenlet.__file__))),
        *(os.path.join(_ROOT, package) for package in ("zkfake", "zkdict", "pytest_zkdict")),
    )
)
_STANDARD_LIBRARY = os.path.join(sysconfig.get_paths()["stdlib"], "")
_INSTALLED = tuple(os.path.join(_STANDARD_LIBRARY, name) for name in ("site-", "dist-"))
_RUNNERS = tuple(f"{os.sep}{package}{os.sep}" for package in ("_pytest", "pluggy"))
"""What runs a program that is a test. It need not be installed."""


def program_line(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost line of the program; where there is none, the innermost line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_library(os.path.abspath(frame.filename))]
    return own[-1] if own else (frames[-1] if frames else None)


def running_line() -> traceback.FrameSummary | None:
    """The innermost line of the program that the running task is at; ``None`` where it has none, as
    a task of a client that calls nothing of the program's. Cost: the depth of the stack; no source
    is read.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the only way there is
    while frame is not None:
        code = frame.f_code
        if not _is_library(os.path.abspath(code.co_filename)):
            return traceback.FrameSummary(
                code.co_filename, frame.f_lineno, code.co_name, lookup_line=False
            )
        frame = frame.f_back
    return None


def line_of_what_is_sent() -> traceback.FrameSummary | None:
    """Called while a client sends a request: the ``line`` of the result that waits for the answer,
    if it has one. kazoo sends in a thread of its own, and has the result in the function that does.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # the only way there is
    while frame is not None:
        if frame.f_code.co_name == "_send_request":
            line: traceback.FrameSummary | None
            line = getattr(frame.f_locals.get("async_object"), "line", None)
            return line
        frame = frame.f_back
    return None


@lru_cache(maxsize=1024)
def _is_library(path: str) -> bool:
    if path.startswith(_LIBRARIES) or any(runner in path for runner in _RUNNERS):
        return True
    return path.startswith(_STANDARD_LIBRARY) and not path.startswith(_INSTALLED)


def is_of_program(error: BaseException) -> bool:
    """Whether a line of the program has let it pass. Cost: no source is read."""
    return any(
        not _is_library(os.path.abspath(frame.f_code.co_filename))
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
