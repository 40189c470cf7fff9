"""Modules of the standard library that programs use through others: pools, logs, temporary files.

Rules that live here: a `ThreadPoolExecutor` made inside a simulation has tasks for threads, counted
from 0 in each simulation; a log record made inside a simulation has its time, and the name of its
task. The locks of `logging` stay real, as its handlers serve every thread of the process. Temporary
files are real, with names from the seed. Processes are refused: they would run beside it. An event
loop of asyncio that is made inside a simulation runs in virtual time
(`zkfake._simulation.stand_ins.event_loop`).
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import greenlet

from zkfake._simulation.errors import SimulationBlocked
from zkfake._simulation.stand_ins.current import LOCAL
from zkfake._simulation.stand_ins.stand_ins import facade, replacement
from zkfake._simulation.stand_ins.threads import REPLACED as THREADS
from zkfake._simulation.stand_ins.threads import is_simulated
from zkfake._simulation.stand_ins.virtual_time import localtime

__all__ = ["PATCHED_BESIDE", "forget_threads", "patches"]

PATCHED_BESIDE = (
    "concurrent.futures._base",
    "concurrent.futures.thread",
    "_threading_local",
    "tempfile",
)
"""Modules that are patched as those that a program names."""

_real_pool_number = vars(ThreadPoolExecutor).get("_counter")


def _pool_number() -> Any:
    simulation = LOCAL.simulation
    if simulation is None:
        assert _real_pool_number is not None
        return _real_pool_number()
    return simulation.scheduler.count("thread pool") - 1


class _PoolLogger(logging.LoggerAdapter):  # type: ignore[type-arg]  # generic from 3.11 on
    """The logger of pools, which is not told of workers that end with their simulation."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        if not isinstance(sys.exc_info()[1], greenlet.GreenletExit):
            super().log(level, msg, *args, **kwargs)


class _StartTime:
    """``logging._startTime``: what a record's ``relativeCreated`` counts from."""

    def __init__(self, real: float) -> None:
        self._real = real
        self._unit = 1_000_000_000 if isinstance(real, int) else 1

    def __rsub__(self, created: float) -> float:
        simulation = LOCAL.simulation
        if simulation is None:
            return created - self._real
        return self._unit * simulation.scheduler.now / 1e6


def patches() -> list[tuple[Any, str, Any]]:
    """What is replaced: in what object, its name, by what."""
    base = sys.modules["concurrent.futures._base"]
    found: list[tuple[Any, str, Any]] = [
        (base, "LOGGER", _PoolLogger(vars(base)["LOGGER"], {})),
        (logging, "time", replacement(time)),
        (logging, "os", replacement(os)),
        (logging, "threading", facade(threading, _IDENTITY)),
        (logging, "_startTime", _StartTime(vars(logging)["_startTime"])),
        (logging.Formatter, "converter", staticmethod(localtime)),
    ]
    if "tempfile" in sys.modules:
        found.append((sys.modules["tempfile"], "_name_sequence", None))  # it draws its seed anew
    if "asyncio.base_events" in sys.modules:
        # Importing asyncio takes longer than most simulations: only where a program has done so.
        found += importlib.import_module("zkfake._simulation.stand_ins.event_loop").loop_patches()
    if "multiprocessing.process" in sys.modules:
        found.append(_refused("multiprocessing.process", "BaseProcess", "start"))
    if "concurrent.futures.process" in sys.modules:
        found.append(_refused("concurrent.futures.process", "ProcessPoolExecutor", "__init__"))
    if _real_pool_number is not None:
        found.append((ThreadPoolExecutor, "_counter", staticmethod(_pool_number)))
    return found


def _refused(module: str, kind: str, method: str) -> tuple[Any, str, Any]:
    """A class whose objects start processes, which would not be in the simulation."""
    owner = getattr(sys.modules[module], kind)
    real = vars(owner)[method]

    @functools.wraps(real)
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        simulation = LOCAL.simulation
        if simulation is None:
            return real(self, *args, **kwargs)
        raise SimulationBlocked(
            f"{simulation.scheduler.current.name} wants a {type(self).__name__}, which would run "
            "beside the simulation, in real time: use a ThreadPoolExecutor, threads or sim.spawn"
        )

    return owner, method, refuse


def forget_threads() -> None:
    """Let nobody wait for the threads of pools that a simulation left behind: they have ended, and
    the interpreter joins what it knows of when it exits.
    """
    threads = vars(sys.modules["concurrent.futures.thread"]).get("_threads_queues", {})
    for thread in list(threads):
        if is_simulated(thread):
            del threads[thread]


_IDENTITY = {
    name: THREADS[name] for name in ("current_thread", "get_ident", "get_native_id", "main_thread")
}
