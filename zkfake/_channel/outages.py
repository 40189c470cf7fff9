"""What lasts until it is healed, and what faults need of the driver they work in.

Rules that live here: an outage begins when it is made and ends once, by ``heal()``, at the end of
its ``with`` block, after its duration, or with all others.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Self

__all__ = [
    "ChannelHold",
    "Direction",
    "Driver",
    "Hold",
    "Outage",
    "Outages",
    "check_choice",
    "check_duration",
    "check_server",
    "milliseconds",
    "ticks",
]

Direction = Literal["both", "to_server", "to_client"]
"""Of what a partition between clients and servers stops."""


class Driver(Protocol):
    """The driver of a fake or a proxy, as its faults see it."""

    def acting(self) -> AbstractContextManager[None]:
        """`at_work`, for who begins something. Raises `RuntimeError` where nothing runs."""

    def at_work(self) -> AbstractContextManager[None]:
        """Nobody else is at work while the block lasts."""

    def later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        """Call ``action`` when that time has passed, unless what is returned is called before."""

    def note(self, name: str, text: str) -> None:
        """A fault begins, strikes or ends."""

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until ``condition`` holds, asked after each `tell`. False when time was up first."""

    def tell(self) -> None:
        """What somebody waits for may have happened."""

    def act(self, action: Callable[[], object]) -> None:
        """What a rule calls."""


class Outage:
    """A fault that lasts until it is healed. Healing twice does nothing. A ``with`` block heals it
    at its end.
    """

    def __init__(self, driver: Driver, name: str, text: str, end: Callable[[], object]) -> None:
        """``end`` is called when it is healed."""
        self._driver = driver
        self._end = end
        self._forget_time = _nothing
        self.name = name
        """What it does, as the history and the log name it."""
        self.text = text
        """The client, the servers or the links that it concerns, in words."""
        self.over = False
        """Whether it is healed."""

    def heal(self) -> None:
        """End it. Raises `RuntimeError` in a forked child."""
        with self._driver.at_work():
            if not self.over:
                self.over = True
                self._forget_time()
                self._end()
                self._driver.note(f"{self.name} healed", self.text)
                self._driver.tell()

    def heal_after(self, seconds: float) -> None:
        """Let it end by itself after so many seconds: virtual ones in a simulation, else real. Of
        several such times the earliest counts. Does nothing if it is over. Raises `ValueError` for
        negative seconds.
        """
        check_duration("seconds", seconds)
        with self._driver.at_work():
            if not self.over:
                self._forget_time = self._driver.later(seconds, self.heal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<{self.name} of {self.text}{', over' if self.over else ''}>"


class Hold(Outage):
    """An outage that holds back what a client and a server send each other."""

    struck = False
    """Whether it has held anything back so far."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has held something back, or is over, or until ``timeout`` seconds have
        passed; ``None`` waits without a limit. Returns whether it has held something back. Raises
        `RuntimeError` in the action of a rule in real time.
        """
        self._driver.wait_for(lambda: self.struck or self.over, timeout)
        return self.struck


class ChannelHold(Hold):
    """A hold, as channels see it."""

    def strike(self) -> None:
        """It holds something back."""
        if not self.struck:
            self.struck = True
            self._driver.tell()


Kind = TypeVar("Kind", bound=Outage)


class Outages:
    """The outages of one fake."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._begun: tuple[Outage, ...] = ()

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Those that are not over, oldest first."""
        return tuple(outage for outage in self._begun if not outage.over)

    def heal(self) -> None:
        """End every outage."""
        for outage in self.outages:
            outage.heal()

    def _begin(self, outage: Kind, begin: Callable[[], object], duration: float | None) -> Kind:
        if duration is not None:
            check_duration("duration", duration)
        begin()
        self._begun = (*self.outages, outage)
        self._driver.note(outage.name, outage.text)
        if duration is not None:
            outage.heal_after(duration)
        return outage


def _nothing() -> None:
    pass


def check_server(server: object, count: int) -> int:
    """The number of a server. Raises `TypeError` or `ValueError` where it is none of ``count``."""
    if not isinstance(server, int) or isinstance(server, bool):
        raise TypeError(f"{server!r} is not a server: they go by their numbers, from 1")
    if not 1 <= server <= count:
        raise ValueError(f"there is no server {server}, only 1 to {count}")
    return server


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raises `ValueError` for a value that is none of those there are."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}; expected one of {', '.join(choices)}")


def check_duration(name: str, seconds: float) -> None:
    """Raises `ValueError` for what is no time that something can take."""
    if not seconds >= 0:
        raise ValueError(f"{name}={seconds!r}; expected seconds, 0 or more")


def ticks(seconds: tuple[float, float], second: int) -> tuple[int, int]:
    """A range of seconds, in ticks. Raises `TypeError` or `ValueError` where it is none."""
    told = (
        f"{seconds!r} is no range of seconds: expected two finite numbers, (shortest, longest), "
        "from 0 on"
    )
    try:
        low, high = seconds
    except (TypeError, ValueError) as error:
        raise type(error)(told) from None
    if not 0 <= low <= high < inf:
        raise ValueError(told)
    return round(low * second), round(high * second)


def milliseconds(seconds: tuple[float, float]) -> tuple[int, int]:
    """A range of seconds, as the core has it. Raises as `ticks`."""
    return ticks(seconds, 1000)
