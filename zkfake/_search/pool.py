"""Runs of many seeds in several processes, told in the order of the seeds.

Rules that live here: processes are forked, so that any program can be run, a function inside a test
as well. Where that is not safe, all seeds are run in this process. Ctrl-C and a failure end every
process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

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
    if jobs == 1 or not _may_fork():
        yield from map(run, seeds)
        return
    pool = multiprocessing.get_context("fork").Pool(jobs, _begin, (run,))
    try:
        yield from pool.imap(_call, seeds, _SHARE)
    finally:
        pool.terminate()
        pool.join()


def _may_fork() -> bool:
    """Whether a forked process can go on: of other threads it would have what they held locked, and
    nobody to unlock it.
    """
    # Not all threads are `threading`'s: those of a worker of pytest-xdist are not.
    threads = len(sys._current_frames())  # noqa: SLF001  # it is public
    return sys.platform == "linux" and threads == 1


_RUN: list[Callable[[int], Any]] = []


def _begin(run: Callable[[int], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes
    _RUN[:] = [run]


def _call(seed: int) -> Any:
    return _RUN[0](seed)
