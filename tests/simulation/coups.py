"""Two leaders for a while: the old one does not notice yet that the others have elected another.

A real one is in that state when its process stood still (SIGSTOP, a virtual machine that moves, a
long collection of garbage): it goes on where it was, with its connections open.

The simulation has no such fault of its own yet: here a leader's ends of broken links are told later
than the others'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

if TYPE_CHECKING:
    import random

    from zkfake.simulation import Simulation


def leaders_notice_late(sim: Simulation, seconds: float) -> None:
    """From now on a leader that is cut off goes on for so long after its followers have left."""
    ensemble = sim._world.ensemble
    links = ensemble.links

    def broken(key: tuple[int, int]) -> None:
        for end in links._between(key):
            if ensemble.leader is not None and end.source == ensemble.leader.id:
                links.timers.at(links.clock.now + round(seconds * 1000), end.lose)
            else:
                end.lose()

    links._break = broken  # type: ignore[method-assign]


def coups(sim: Simulation, dice: random.Random) -> None:
    """Leaders are cut off, one after the other, and notice late."""
    leaders_notice_late(sim, dice.choice([1.0, 5.0, 20.0]))
    for _ in range(3):
        sim.sleep(dice.choice([1, 10, 30]))
        try:
            sim.faults.isolate(None, duration=dice.choice([3.0, 10.0, 25.0]))
        except (RuntimeError, KazooException):  # nobody leads at the moment
            continue
