"""Faults that can strike at any request of a program, by name, for sweeps.

Rules that live here: a fault strikes once, at its request, and an outage that it begins ends after
at most two session timeouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._channel.rules import Point
    from zkfake._simulation.faults.faults import Faults

    _Begin = Callable[[Faults, str, float], object]

__all__ = ["ALL", "CLIENT_FAULTS", "SERVER_FAULTS", "FaultPoint", "fault_point"]


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """A fault that can strike at any request. ``arm`` sets it for the request with that number, of
    that client, in a simulation whose longest session timeout is ``timeout`` virtual seconds.
    """

    name: str
    arm: Callable[[Faults, str, int, float], object]

    def __repr__(self) -> str:
        return self.name


def _upon(name: str, begin: _Begin, point: Point = "before_request") -> FaultPoint:
    """A fault that begins when the request is at that point; ``name`` is what the history says."""

    def arm(faults: Faults, client: str, number: int, timeout: float) -> object:
        def strike() -> None:
            begin(faults, client, timeout)

        strike.__name__ = name
        return faults.upon(strike, client, point=point, number=number)

    return FaultPoint(name, arm)


CLIENT_FAULTS = (
    FaultPoint(
        "drop_before_request",
        lambda faults, client, number, _: faults.drop_before_request(client, number=number),
    ),
    FaultPoint(
        "drop_before_reply",
        lambda faults, client, number, _: faults.drop_before_reply(client, number=number),
    ),
    FaultPoint(
        "drop_after_reply",
        lambda faults, client, number, _: faults.drop_after_reply(client, number=number),
    ),
    _upon(
        "partition",
        lambda faults, client, timeout: faults.partition(client, duration=2 * timeout),
    ),
    _upon(
        "pause",
        lambda faults, client, timeout: faults.pause(client, duration=2 * timeout),
        "after_reply",
    ),
    _upon("expire", lambda faults, client, _: faults.expire(client)),
    _upon(
        "hold_watches",
        lambda faults, client, timeout: faults.hold_watches(client, duration=timeout),
    ),
)
"""The faults of a client and its connection."""


def _to_leader(begin: _Begin) -> _Begin:
    """A fault of the leader. Nothing happens while no server leads: an earlier fault of the run may
    be the reason, and that is no mistake of the program.
    """

    def begin_if_one_leads(faults: Faults, client: str, timeout: float) -> object:
        ensemble = faults._driver.ensemble  # noqa: SLF001  # of the same package
        return None if ensemble.leader is None else begin(faults, client, timeout)

    return begin_if_one_leads


SERVER_FAULTS = (
    _upon(
        "stop_leader",
        _to_leader(lambda faults, _, timeout: faults.stop_server(duration=timeout)),
    ),
    _upon("lose_quorum", lambda faults, _, timeout: faults.lose_quorum(duration=timeout)),
    _upon(
        "isolate_leader",
        _to_leader(lambda faults, _, timeout: faults.isolate(duration=timeout)),
    ),
)
"""The faults of servers: ``stop_leader`` and ``isolate_leader``, which do nothing while no server
leads, and ``lose_quorum``. ``isolate_leader`` has no effect on a standalone server.
"""

ALL = (*CLIENT_FAULTS, *SERVER_FAULTS)
"""Every fault that has a name here: of clients and of servers."""

_BY_NAME = {fault.name: fault for fault in ALL}


def fault_point(fault: FaultPoint | str) -> FaultPoint:
    """The fault of that name. Raises ``ValueError`` for an unknown one."""
    if isinstance(fault, FaultPoint):
        return fault
    if fault not in _BY_NAME:
        raise ValueError(f"{fault!r} is not a fault; expected one of {', '.join(_BY_NAME)}")
    return _BY_NAME[fault]
