"""Two leaders for a while: the old one does not notice yet that the others have elected another.

A real one is in that state when its process stood still (SIGSTOP, a virtual machine that moves, a
long collection of garbage): it goes on where it was, with its connections open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from zkfake.simulation import Simulation


def coups(
    sim: Simulation,
    dice: random.Random,
    pauses: tuple[float, ...] = (1, 10, 30),
    lengths: tuple[float, ...] = (3, 11, 25),
) -> None:
    """Leaders stand still or are cut off, one after the other; times in seconds."""
    for _ in range(3):
        sim.sleep(dice.choice(pauses))
        if sim.leader is not None:
            fault = dice.choice([sim.faults.pause_server, sim.faults.isolate])
            fault(None, duration=dice.choice(lengths))
