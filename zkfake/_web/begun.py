"""The faults that were begun through the endpoint.

Rules that live here: a fault has the name of the method of `zkfake.Faults` that begins it, and the
method's arguments. It has a number, by which it can be asked for and ended. Those that are over are
forgotten, the oldest first, when there are very many.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from zkfake._channel.outages import Hold
from zkfake._channel.rules import Rule
from zkfake._web.errors import Refused, refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zkfake._channel.outages import Outage
    from zkfake._realtime.faults import Faults

__all__ = ["FAULTS", "BegunFault", "BegunFaults"]

FAULTS = (
    "drop",
    "expire",
    "drop_before_request",
    "drop_before_reply",
    "drop_after_reply",
    "partition",
    "slow",
    "hold_events",
    "lose_pings",
    "pause_server",
    "mute_server",
    "stop_server",
    "cut_power",
    "lose_quorum",
    "isolate",
    "partition_servers",
    "slow_servers",
    "freeze",
    "lag",
    "slow_disk",
    "skew_clock",
)
"""All but ``upon``, which calls a function."""

_MOST = 1000


class BegunFault(NamedTuple):
    """A fault. ``done``: what began; how many it hit, if it was over at once."""

    number: int | None
    name: str
    arguments: Mapping[str, Any]
    done: Rule | Outage | int

    @property
    def over(self) -> bool:
        """Whether it does nothing any more."""
        return True if isinstance(self.done, int) else self.done.over

    @property
    def hits(self) -> list[str]:
        """The requests that it struck, in words; none of what does not wait for requests."""
        return list(self.done.hits) if isinstance(self.done, Rule) else []

    @property
    def struck(self) -> int:
        """How often it has struck: connections, sessions or requests. An outage strikes once."""
        if isinstance(self.done, int):
            return int(self.done)
        if isinstance(self.done, Rule):
            return len(self.done.hits)
        return int(self.done.struck) if isinstance(self.done, Hold) else 1

    def end(self) -> None:
        """It does nothing any more."""
        if isinstance(self.done, Rule):
            self.done.cancel()
        elif not isinstance(self.done, int):
            self.done.heal()


class BegunFaults:
    """The faults of one endpoint."""

    def __init__(self, faults: Callable[[], Faults]) -> None:
        """``faults``: where they are begun; every connection costs more once it was called."""
        self._faults = faults
        self._begun: dict[int, BegunFault] = {}
        self._numbers = count(1)

    def __iter__(self) -> Iterator[BegunFault]:
        return iter(self._begun.values())

    def __getitem__(self, number: int) -> BegunFault:
        """Raises `Refused`."""
        begun = self._begun.get(number)
        if begun is None:
            raise Refused(404, f"There is no fault {number}")
        return begun

    def begin(self, name: str, arguments: Mapping[str, Any], client: int | None) -> BegunFault:
        """``client``: what the argument of that name stands for. Raises `Refused`."""
        self._make_room()
        method = getattr(self._faults(), name)
        meant = dict(arguments)
        if "client" in meant:
            meant["client"] = client
        with refusing():
            done = method(**meant)
        if isinstance(done, int):
            return BegunFault(None, name, arguments, int(done))
        begun = BegunFault(next(self._numbers), name, arguments, done)
        assert begun.number is not None
        self._begun[begun.number] = begun
        return begun

    def heal(self) -> None:
        """All faults end, those included that were begun elsewhere."""
        self._faults().heal()

    def _make_room(self) -> None:
        if len(self._begun) >= _MOST:
            over = next((number for number, each in self._begun.items() if each.over), None)
            if over is None:
                raise Refused(409, f"There are {_MOST} faults already; end some of them")
            del self._begun[over]
