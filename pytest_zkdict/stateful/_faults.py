"""The faults of a world, as rules of a state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_zkdict.stateful._places import Place

__all__ = ["FaultSteps", "kinds_of_faults", "numbers_of_dicts"]

#: Of a machine's dicts, and so of their clients; mostly that which was struck last.
numbers_of_dicts = st.runner().flatmap(
    lambda machine: st.sampled_from([*range(machine.size), *machine.struck])
)
#: The kinds of fault of one example: with a few, one and the same strikes now and again, and calls
#: are made in between.
kinds_of_faults = st.runner().flatmap(
    lambda machine: st.lists(st.sampled_from(sorted(machine.faults)), unique=True, max_size=6)
)
#: ``None`` is the leader.
_servers = st.sampled_from([None, 1, 2, 3, None])
#: Mostly the next one.
_nth = st.sampled_from([1, 1, 1, 2, 3])
#: Seconds; a dict shows its own writes unconfirmed sooner than that.
_SLOW = 5
_WRITES = ("create2", "setData", "delete", "multi")
_operations = st.sampled_from([None, None, *_WRITES])
#: Shorter and longer than a session.
_seconds = st.sampled_from([1, 5, 30, 5])


def _fault(name: str) -> Callable[[Any], Any]:
    """A rule for a fault; where the machine's faults do not have it, it is never chosen."""
    return precondition(lambda machine: machine.has_fault(name))


class FaultSteps(RuleBasedStateMachine):
    """Rules for the faults of connections and servers. Each ends by itself, or when everything is
    healed.
    """

    #: The faults that may strike, by their names in `zkfake.simulation`'s ``sim.faults``.
    faults: ClassVar[frozenset[str]] = frozenset(
        {
            "drop_before_request", "drop_before_reply", "drop_after_reply", "drop", "expire",
            "partition", "hold_events", "hold_watches", "pause", "lose_quorum", "stop_server",
            "pause_server", "isolate", "freeze",
        }
    )  # fmt: skip

    place: Place | None

    def __init__(self) -> None:
        super().__init__()
        self.place = None
        self.outages: list[Any] = []
        self.kinds: list[str] | None = None
        """The faults that may strike in this example; ``None``: all."""
        self.struck: list[int] = []
        """The dict whose client was struck last, twice."""
        self.servers_differ = False
        """Whether a server may believe that it still leads."""

    def has_fault(self, name: str) -> bool:
        """Whether this fault may strike now."""
        place = self.place
        allowed = self.faults if self.kinds is None else self.faults.intersection(self.kinds)
        return name in allowed and place is not None and hasattr(place.faults, name)

    def strike(
        self, name: str, *arguments: Any, seconds: float | None = None, **keywords: Any
    ) -> None:
        """Have a fault strike, for so many seconds of virtual time."""
        assert self.place is not None
        if seconds is not None:
            keywords["duration"] = self.place.scale(seconds)
        try:
            outage = getattr(self.place.faults, name)(*arguments, **keywords)
        except ValueError:
            if self.place.repeats:
                raise
            return  # in real time a client may have no session at this moment
        except RuntimeError:
            return  # no server leads at present
        if hasattr(outage, "heal"):  # what happens at once is over
            self.outages.append(outage)

    def _trouble(self, on: int, name: str | None) -> list[Any]:
        """Have a fault strike the next call of a dict; what still waits for its request."""
        if name is None or name not in self.faults or self.place is None:
            return []
        fault = getattr(self.place.faults, name, None)
        if fault is None:
            return []
        if name == "drop_before_reply":
            return [fault(self._client(on), operation=operation) for operation in _WRITES]
        self.strike(name, self._client(on), seconds=_SLOW)
        return []

    def _client(self, on: int) -> Any:
        assert self.place is not None
        self.struck = [on, on]
        return self.place.clients[on]

    @_fault("drop_before_reply")
    @rule(on=numbers_of_dicts, operation=_operations, nth=_nth)
    def drop_before_reply(self, on: int, operation: str | None, nth: int) -> None:
        """The n-th request from now on (that does this) is carried out, and its reply is lost."""
        self.strike("drop_before_reply", self._client(on), operation=operation, nth=nth)

    @_fault("drop_before_request")
    @rule(on=numbers_of_dicts, operation=_operations, nth=_nth)
    def drop_before_request(self, on: int, operation: str | None, nth: int) -> None:
        self.strike("drop_before_request", self._client(on), operation=operation, nth=nth)

    @_fault("drop_after_reply")
    @rule(on=numbers_of_dicts, operation=_operations, nth=_nth)
    def drop_after_reply(self, on: int, operation: str | None, nth: int) -> None:
        self.strike("drop_after_reply", self._client(on), operation=operation, nth=nth)

    @_fault("drop")
    @rule(on=numbers_of_dicts)
    def drop(self, on: int) -> None:
        self.strike("drop", self._client(on))

    @_fault("expire")
    @rule(on=numbers_of_dicts)
    def expire(self, on: int) -> None:
        self.strike("expire", self._client(on))

    @_fault("partition")
    @rule(on=numbers_of_dicts, seconds=_seconds)
    def partition(self, on: int, seconds: float) -> None:
        self.strike("partition", self._client(on), seconds=seconds)

    @_fault("hold_events")
    @rule(on=numbers_of_dicts, seconds=_seconds)
    def hold_events(self, on: int, seconds: float) -> None:
        self.strike("hold_events", self._client(on), seconds=seconds)

    @_fault("hold_watches")
    @rule(on=numbers_of_dicts, seconds=_seconds)
    def hold_watches(self, on: int, seconds: float) -> None:
        self.strike("hold_watches", self._client(on), seconds=seconds)

    @_fault("pause")
    @rule(on=numbers_of_dicts, seconds=_seconds)
    def pause(self, on: int, seconds: float) -> None:
        self.strike("pause", self._client(on), seconds=seconds)

    @_fault("lose_quorum")
    @rule(seconds=_seconds)
    def lose_quorum(self, seconds: float) -> None:
        self.strike("lose_quorum", seconds=seconds)

    @_fault("stop_server")
    @rule(server=_servers, seconds=_seconds)
    def stop_server(self, server: int | None, seconds: float) -> None:
        self.strike("stop_server", server, seconds=seconds)

    @_fault("pause_server")
    @rule(server=_servers, seconds=_seconds)
    def pause_server(self, server: int | None, seconds: float) -> None:
        self.servers_differ = True
        self.strike("pause_server", server, seconds=seconds)

    @_fault("isolate")
    @rule(server=_servers, seconds=_seconds)
    def isolate(self, server: int | None, seconds: float) -> None:
        self.servers_differ = True
        self.strike("isolate", server, seconds=seconds)

    @_fault("freeze")
    @rule(server=_servers, seconds=_seconds)
    def freeze(self, server: int | None, seconds: float) -> None:
        """A server that applies nothing: stale reads."""
        self.strike("freeze", server, seconds=seconds)
