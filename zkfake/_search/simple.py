"""The simplest things that can go wrong in a program: one fault at one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zkfake._history.events import Sent
from zkfake._simulation.chance.chance import FaultMoment, Struck
from zkfake._simulation.chance.kinds import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zkfake._channel.rules import Point
    from zkfake._simulation.simulation import Simulation

__all__ = ["is_left_out", "simple_parts"]

_LONG = 1.5
"""An outage, in the longest session timeouts."""


_RATES = {"freeze": "freeze_server"}
"""The rates of faults whose methods have another name."""


def is_left_out(method: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a search is not to have that fault: its rate is given as 0 among the arguments of its
    simulations.
    """
    return arguments.get(_RATES.get(method, method)) == 0


def simple_parts(sim: Simulation) -> Iterator[Struck]:
    """One fault at one request: every kind at every request of a run, the simplest kinds first.

    ``sim``: the run without any fault.
    """
    servers = len(sim.replicas)
    long = _LONG * sim.longest_session
    requests: list[tuple[str, int]] = []
    counts: dict[str, int] = {}
    for event in sim.history.of(Sent):
        if event.number:
            counts[event.client] = counts.get(event.client, 0) + 1
            requests.append((event.client, counts[event.client]))

    def at(
        request: tuple[str, int], method: str, *arguments: Any, point: Point, **options: Any
    ) -> Struck:
        return Struck(FaultMoment(0.0, *request, point), drawn(method, *arguments, **options))

    for method in ("drop_before_reply", "drop_before_request", "drop_after_reply"):
        for client, nth in requests:
            yield at((client, nth), method, client, point="before_request", nth=nth)
    for client, nth in requests:
        yield at((client, nth), "expire", client, point="before_request")
        yield at((client, nth), "expire", client, point="after_reply")
    for method in ("pause", "partition", "hold_watches", "hold_events"):
        for client, nth in requests:
            yield at((client, nth), method, client, point="after_reply", duration=long)
    if servers > 1:
        for client, nth in requests:
            for server in range(1, servers + 1):
                yield at((client, nth), "freeze", server, point="before_request", duration=long)
            yield at((client, nth), "stop_server", point="before_request", duration=long)
