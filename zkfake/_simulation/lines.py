"""Which lines of a traceback are the program's.

Rules that live here: the lines of kazoo, of this distribution, of pytest and of Python's own
library are not.
"""

from __future__ import annotations

import os
import sysconfig
import traceback

import greenlet
import kazoo

__all__ = ["is_of_program", "program_line"]

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
