"""Runs of many seeds in several processes, told in the order of the seeds.

Rules that live here: a process is forked where the platform forks safely, so that any program can
be run, a function inside a test as well. Elsewhere the program has to be one that a new process can
import, and if it is not, its seeds are run in this process. Ctrl-C and a failure end every process.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from multiprocessing.context import BaseContext

__all__ = ["default_jobs", "ordered"]

R = TypeVar("R")

_SHARE = 4
"""Seeds that a process is given at once: few, so that a budget and Ctrl-C end soon."""


def default_jobs() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered(run: Callable[[int], R], seeds: Iterable[int], jobs: int) -> Generator[R, None, None]:
    """``run(seed)`` for each seed, in their order. ``jobs``: how many processes.

    What ``run`` raises is raised here. Closing the iterator ends the processes.
    """
    context = _context(run) if jobs > 1 else None
    if context is None:
        yield from map(run, seeds)
        return
    pool = context.Pool(jobs, _begin, (_SeedRunner(run),))
    try:
        yield from pool.imap(_call, seeds, _SHARE)
    finally:
        pool.terminate()
        pool.join()


def _context(run: Callable[[int], Any]) -> BaseContext | None:
    """How to start processes for ``run``; ``None`` where there is no way."""
    # A forked process has no other thread of its parent; what those held locked stays locked.
    if sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    try:
        # A new process runs the main module once more, which may not be made for that.
        if b"__main__" in pickle.dumps(run):
            return None
    except Exception:  # what cannot be pickled raises almost anything
        return None
    return multiprocessing.get_context("spawn")


class _SeedRunner(Generic[R]):
    """What every process runs; sent to it once."""

    run: Callable[[int], R]

    def __init__(self, run: Callable[[int], R]) -> None:
        self.run = run


_RUN: list[Callable[[int], Any]] = []


def _begin(sent: _SeedRunner[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes
    _RUN[:] = [sent.run]


def _call(seed: int) -> Any:
    return _RUN[0](seed)
