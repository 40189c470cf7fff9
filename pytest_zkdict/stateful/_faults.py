"""The faults of a world, as rules of a state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pytest_zkdict.stateful._examples import ExampleSteps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FaultSteps", "kinds_of_faults", "numbers_of_dicts", "troubles"]

#: Of a machine's dicts, and so of their clients; mostly that which was struck last.
numbers_of_dicts = st.runner().flatmap(
    lambda machine: st.sampled_from([*range(machine.size), *machine.struck])
)
#: The kinds of fault of one example: with a few, one and the same strikes now and again, and calls
#: are made in between.
kinds_of_faults = st.runner().flatmap(
    lambda machine: st.sampled_from([0, 2, 4, 6]).flatmap(  # a list alone is mostly short
        lambda size: st.lists(
            st.sampled_from(sorted(machine.faults)), unique=True,
            min_size=min(size, len(machine.faults)), max_size=size,
        )
    ) if machine.faults else st.just([])
)  # fmt: skip
#: The fault that a call meets: one call of three meets one.
troubles = st.runner().flatmap(
    lambda machine: st.sampled_from([None] * (2 * len(machine.troubles) or 1) + machine.troubles)
)
#: ``None`` is the leader.
_servers = st.sampled_from([None, 1, 2, 3, None])
#: Mostly the next one.
_nth = st.sampled_from([1, 1, 1, 2, 3])
_WRITES = ("create2", "setData", "delete", "multi")
#: What strikes one request of a client; a client, for so many seconds; and the leader, as a call is
#: made. Callbacks are slow for several calls: each takes 2 s by then. After 8 s a connection is
#: lost, and no session. In 5 s others are elected, and nobody has left the old leader.
_LOSSES = frozenset({"drop_before_request", "drop_before_reply"})
_OF_CLIENTS = {
    "drop": None, "expire": None, "hold_events": 20, "hold_watches": 20, "slow": 20,
    "partition": 8, "pause": 8,
}  # fmt: skip
_OF_SERVERS = {"lose_quorum": 5, "pause_server": 5}
_MET = _LOSSES.union(_OF_CLIENTS, _OF_SERVERS)
#: Seconds until the call: who has lost its connection knows.
_MOMENT = 0.001
#: Seconds that a message takes to a client that is slow, or from it.
_LATENCY = 0.5
_operations = st.sampled_from([None, None, *_WRITES])
#: Shorter and longer than a session.
_seconds = st.sampled_from([1, 5, 30, 5])


def _fault(name: str) -> Callable[[Any], Any]:
    """A rule for a fault; where the machine's faults do not have it, it is never chosen."""
    return precondition(lambda machine: machine.has_fault(name))


class FaultSteps(ExampleSteps):
    """Rules for the faults of connections and servers. Each fault ends by itself, or when
    everything is healed.
    """

    #: The faults that may strike, by their names in `zkfake.simulation`'s ``sim.faults``; those for
    #: which there is a rule. An empty set: none.
    faults: ClassVar[frozenset[str]] = frozenset(
        {
            "drop_before_request", "drop_before_reply", "drop_after_reply", "drop", "expire",
            "partition", "hold_events", "hold_watches", "pause", "lose_quorum", "stop_server",
            "pause_server", "isolate", "freeze", "slow",
        }
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
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

    @property
    def troubles(self) -> list[str]:
        """The faults that a call may meet in this example."""
        return [name for name in sorted(_MET) if self.has_fault(name)]

    def strike(
        self, name: str, *arguments: Any, seconds: float | None = None, **keywords: Any
    ) -> Any:
        """Have a fault strike, for so many seconds of virtual time. Returns what the fault's method
        returns; ``None`` if the fault cannot strike now: while no server leads, and in real time
        while the client has no session.
        """
        assert self.place is not None
        if seconds is not None:
            keywords["duration"] = self.place.scale(seconds)
        if name in ("pause_server", "isolate"):
            self.servers_differ = True
        try:
            outage = getattr(self.place.faults, name)(*arguments, **keywords)
        except ValueError:
            if self.place.repeats:
                raise
            return None  # in real time a client may have no session at this moment
        except RuntimeError:
            return None  # no server leads at present
        if hasattr(outage, "heal"):  # what happens at once is over
            self.outages.append(outage)
        return outage

    def meet(self, name: str | None, dicts: Sequence[int], *, writes: bool = True) -> list[Any]:
        """Have a fault strike the clients of these dicts, or the leader, before a call is made.

        What strikes one request strikes the next one that ``writes``, or any: those rules are
        returned, to be cancelled when the call is over.
        """
        if name is None:
            return []
        place = self.place
        assert place is not None
        if name not in self.faults or not hasattr(place.faults, name):
            return []  # a program of another place
        if name in _LOSSES:
            return [
                self.strike(name, self._client(on), operation=operation)
                for on in dicts
                for operation in (_WRITES if writes else (None,))
            ]
        if name in _OF_SERVERS:
            of = () if name == "lose_quorum" else (None,)
            self.strike(name, *of, seconds=_OF_SERVERS[name])
        for on in dicts if name in _OF_CLIENTS else ():
            more = (self._latency(),) if name == "slow" else ()
            self.strike(name, self._client(on), *more, seconds=_OF_CLIENTS[name])
        place.sleep(_MOMENT)
        return []

    def _latency(self) -> tuple[float, float]:
        assert self.place is not None
        seconds = self.place.scale(_LATENCY)
        return seconds, seconds

    def _client(self, on: int) -> Any:
        assert self.place is not None
        self.struck = [on, on]
        return self.place.clients[on]

    @_fault("drop_before_reply")
    @rule(on=numbers_of_dicts, operation=_operations, nth=_nth)
    def drop_before_reply(self, on: int, operation: str | None, nth: int) -> None:
        """The n-th request of this client from now on is carried out, and its reply is lost.
        ``operation``: only requests with this operation count.
        """
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

    @_fault("slow")
    @rule(on=numbers_of_dicts, seconds=_seconds)
    def slow(self, on: int, seconds: float) -> None:
        """What is sent to a client, or by it, takes long."""
        self.strike("slow", self._client(on), self._latency(), seconds=seconds)

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
        self.strike("pause_server", server, seconds=seconds)

    @_fault("isolate")
    @rule(server=_servers, seconds=_seconds)
    def isolate(self, server: int | None, seconds: float) -> None:
        self.strike("isolate", server, seconds=seconds)

    @_fault("freeze")
    @rule(server=_servers, seconds=_seconds)
    def freeze(self, server: int | None, seconds: float) -> None:
        """A server that applies nothing: stale reads."""
        self.strike("freeze", server, seconds=seconds)
