"""The clock and the calendar of a simulation.

Rules that live here: time begins at `MONOTONIC_START` for ``monotonic``, and where the servers'
clock begins for ``time``; the local time is UTC, as histories are the same on every machine; the
processor's time is refused, as no two runs have the same.
"""

from __future__ import annotations

import calendar
import datetime  # noqa: ICN001  # the module stands for itself here
import time
from typing import TYPE_CHECKING, Any

from zkfake._simulation.errors import SimulationBlocked
from zkfake._simulation.stand_ins.current import LOCAL

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

__all__ = ["REPLACED", "localtime", "real_sleep", "sleep", "utcnow"]

MONOTONIC_START = 1_000.0


real_sleep = time.sleep


def sleep(seconds: float) -> None:
    """`time.sleep` in virtual time inside a simulation, in real time elsewhere."""
    simulation = LOCAL.simulation
    if simulation is None:
        real_sleep(seconds)
    else:
        simulation.scheduler.sleep(seconds)


def _monotonic() -> float:
    simulation = LOCAL.simulation
    if simulation is None:
        return time.monotonic()
    return MONOTONIC_START + simulation.scheduler.now / 1e6


def _monotonic_ns() -> int:
    simulation = LOCAL.simulation
    if simulation is None:
        return time.monotonic_ns()
    return int(MONOTONIC_START) * 1_000_000_000 + simulation.scheduler.now * 1000


def _perf_counter() -> float:
    return time.perf_counter() if LOCAL.simulation is None else _monotonic()


def _perf_counter_ns() -> int:
    return time.perf_counter_ns() if LOCAL.simulation is None else _monotonic_ns()


def _time() -> float:
    simulation = LOCAL.simulation
    return time.time() if simulation is None else simulation.epoch_time()


def _time_ns() -> int:
    simulation = LOCAL.simulation
    return time.time_ns() if simulation is None else round(simulation.epoch_time() * 1e6) * 1000


def _gmtime(seconds: float | None = None) -> time.struct_time:
    return time.gmtime(_time() if seconds is None else seconds)


def localtime(seconds: float | None = None) -> time.struct_time:
    """`time.localtime`. A simulation is in UTC, as its histories are the same on every machine."""
    if LOCAL.simulation is None:
        return time.localtime(seconds)
    return time.gmtime(_time() if seconds is None else seconds)


def _mktime(when: Any) -> float:
    return time.mktime(when) if LOCAL.simulation is None else float(calendar.timegm(when))


def _strftime(form: str, when: Any = None) -> str:
    return time.strftime(form, localtime() if when is None else when)


def _asctime(when: Any = None) -> str:
    return time.asctime(localtime() if when is None else when)


def _ctime(seconds: float | None = None) -> str:
    return time.asctime(localtime(seconds))


def _clock(name: str) -> Callable[[int], Any]:
    def clock(number: int) -> Any:
        if LOCAL.simulation is None:
            return getattr(time, name)(number)
        if number == time.CLOCK_REALTIME:
            return _time_ns() if name.endswith("_ns") else _time()
        if number == getattr(time, "CLOCK_MONOTONIC", None):
            return _monotonic_ns() if name.endswith("_ns") else _monotonic()
        raise SimulationBlocked(
            f"time.{name}({number}): a simulation has the clocks CLOCK_REALTIME and "
            "CLOCK_MONOTONIC only"
        )

    return clock


def _no_processor_time(name: str) -> Callable[[], Any]:
    def measure() -> Any:
        simulation = LOCAL.simulation
        if simulation is None:
            return getattr(time, name)()
        raise SimulationBlocked(
            f"{simulation.scheduler.current.name} calls time.{name}(): the processor's time "
            "differs from run to run; use time.monotonic(), which is virtual"
        )

    return measure


class _DatetimeType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class _Datetime(datetime.datetime, metaclass=_DatetimeType):
    """`datetime.datetime` whose idea of now is the simulation's. Makes plain datetimes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # it makes its base
        return datetime.datetime(*args, **kwargs)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(_time(), tz)

    @classmethod
    def fromtimestamp(cls, timestamp: float, tz: datetime.tzinfo | None = None) -> Any:
        if tz is None and LOCAL.simulation is not None:
            return _utc(timestamp)
        return datetime.datetime.fromtimestamp(timestamp, tz)

    @classmethod
    def today(cls) -> Any:
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        return utcnow()


def _utc(timestamp: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc).replace(tzinfo=None)


def utcnow() -> datetime.datetime:
    """`datetime.datetime.utcnow`."""
    return _utc(_time())


class _DateType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.date)


class _Date(datetime.date, metaclass=_DateType):
    """`datetime.date` whose today is the simulation's. Makes plain dates."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # it makes its base
        return datetime.date(*args, **kwargs)

    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(_time())

    @classmethod
    def fromtimestamp(cls, timestamp: float) -> Any:
        if LOCAL.simulation is None:
            return datetime.date.fromtimestamp(timestamp)
        return _utc(timestamp).date()


REPLACED: dict[types.ModuleType, dict[str, Any]] = {
    time: {
        "sleep": sleep,
        "time": _time,
        "time_ns": _time_ns,
        "monotonic": _monotonic,
        "monotonic_ns": _monotonic_ns,
        "perf_counter": _perf_counter,
        "perf_counter_ns": _perf_counter_ns,
        "gmtime": _gmtime,
        "localtime": localtime,
        "mktime": _mktime,
        "strftime": _strftime,
        "asctime": _asctime,
        "ctime": _ctime,
        **{
            name: make(name)
            for make, names in (
                (_clock, ("clock_gettime", "clock_gettime_ns")),
                (
                    _no_processor_time,
                    ("process_time", "process_time_ns", "thread_time", "thread_time_ns"),
                ),
            )
            for name in names
            if hasattr(time, name)
        },
    },
    datetime: {"datetime": _Datetime, "date": _Date},
}
"""What code in patched modules gets instead: by module and name."""
