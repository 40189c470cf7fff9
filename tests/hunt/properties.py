"""What `make hunt` looks at: properties that hold in every world, each drawn from a seed.

The rules that live here:

- A property is a function of a seed that raises where it does not hold. The same seed gives the
  same world in another process with the same PYTHONHASHSEED. (Threads in real time do not repeat;
  a failure of theirs tells its program.)
- One world takes seconds at most, needs no live server and leaves nothing behind.
- The test suite runs the same property on some seeds, the same ones each time where `CI` is set.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from pytest_zkdict.stateful import MappingMachine, ZooKeeperDictMachine

from ..dict import subtree_world
from ..dict.cache_world import walk
from ..ensemble import worlds
from ..simulation.test_dict import counting, leases
from ..simulation.test_dict_hostile import contested, deposed, hostile, released, troubled
from ..support import watching_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..ensemble.run import Run

__all__ = ["PROPERTIES"]

EXAMPLES = 5
"""Examples of a state machine in one world: Hypothesis begins with small ones."""


def world(property_: Callable[[int, int], object], servers: int) -> Callable[[int], None]:
    """The property of dicts under faults, judged by the server's log."""

    def run(number: int) -> None:
        property_(number, servers)
        gc.collect()  # a simulation leaves circles, and keeps the collector off while it lasts

    return run


def watching(property_: Callable[[int, int], object], servers: int) -> Callable[[int], None]:
    """The same, where the clients watch a subtree at once; some set their watches again."""
    plain = world(property_, servers)

    def run(number: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            watching_client.plant(patch, "setting-again" if number % 3 == 0 else "watching")
            plain(number)

    return run


def ensembles(*kinds: Callable[[int], Run]) -> Callable[[int], None]:
    """What an ensemble promises, in a world of each kind."""

    def run(number: int) -> None:
        for kind in kinds:
            worlds.judge(kind(number))

    return run


def calm(number: int) -> None:
    """What an ensemble promises while nothing fails."""
    worlds.judge_calm(worlds.calm(number))


def machine(machine: type[RuleBasedStateMachine]) -> Callable[[int], None]:
    """The property of a state machine that makes its own server."""

    def run(number: int) -> None:
        run_state_machine_as_test(
            seed(number)(machine),
            settings=settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=False,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )

    return run


PROPERTIES: dict[str, Callable[[int], object]] = {
    "hostile-1": world(hostile, servers=1),
    "hostile-3": world(hostile, servers=3),
    "released-1": world(released, servers=1),
    "released-3": world(released, servers=3),
    "troubled-1": world(troubled, servers=1),
    "troubled-3": world(troubled, servers=3),
    "deposed": world(deposed, servers=3),
    "contested-1": world(contested, servers=1),
    "contested-3": world(contested, servers=3),
    "leases": world(leases, servers=1),
    "counting-1": world(counting, servers=1),
    "counting-3": world(counting, servers=3),
    "watching-1": watching(hostile, servers=1),
    "watching-3": watching(hostile, servers=3),
    "watching-deposed": watching(deposed, servers=3),
    "copy": walk,
    "copy-subtree": subtree_world.walk,
    "ensemble": ensembles(worlds.troubled, worlds.wandering, worlds.cornered),
    "ensemble-calm": calm,
    "ensemble-changing": ensembles(
        worlds.changing, worlds.torn, partial(worlds.changing, power=True)
    ),
    "ensemble-deposed": ensembles(worlds.deposed, worlds.relapsing),
    "ensemble-power": ensembles(worlds.rotating, worlds.lingering),
    "machine": machine(MappingMachine),
    "dict-machine": machine(ZooKeeperDictMachine),
}
"""By the name that `make hunt HUNT=NAME` and the line that repeats a failure know."""
