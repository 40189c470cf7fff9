"""A line on standard error that counts the runs of a search, where that is a terminal."""

from __future__ import annotations

import sys
import time
from typing import Protocol

__all__ = ["Counted", "ProgressLine"]


class Counted(Protocol):
    """A report that grows."""

    @property
    def progress(self) -> str:
        """How far the search is, in a few words."""


class ProgressLine:
    """Called with the report after each run; writes at most five times a second."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, report: Counted) -> None:
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.2
            self._write(report)

    def end(self, report: Counted) -> None:
        """Write the last count, and end the line."""
        if self._shown:
            self._write(report)
            sys.stderr.write("\n")

    @staticmethod
    def _write(report: Counted) -> None:
        sys.stderr.write(f"\r{report.progress}")
        sys.stderr.flush()
