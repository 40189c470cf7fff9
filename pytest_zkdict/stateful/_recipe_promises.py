"""What a recipe promises, for `RecipeMachine`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hypothesis.errors import InvalidArgument

from zkfake.history import adds_up, at_least_once, at_most, exactly_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "RecipePromise",
    "all_wait_for_all",
    "at_most_hold",
    "counts_once",
    "each_item_at_least_once",
    "each_item_once",
    "mutual_exclusion",
    "one_leader",
]


@dataclass(frozen=True)
class RecipePromise:
    """What a recipe promises, and so what its participants do with it."""

    text: str
    kind: Literal["hold", "lead", "items", "meet", "count"]
    name: str = ""
    """The name of its claims in the history (`zkfake.history.Claimed`)."""
    limit: int = 1
    """How many may have it at one time."""
    judges: tuple[Callable[[], Any], ...] = ()
    """The promises that `zkfake.history.History.check` gets."""


def mutual_exclusion(*, believed: bool = False) -> RecipePromise:
    """One at a time holds it: a lock, with ``acquire`` and ``release``.

    A participant learns late that its session is over, and goes on. While its znode is gone it
    holds nothing, so that is no failure. With ``believed=True`` it is one.
    """
    return at_most_hold(1, believed=believed)


def at_most_hold(limit: int, *, believed: bool = False) -> RecipePromise:
    """At most ``limit`` hold it at one time: a semaphore; otherwise as `mutual_exclusion`.

    Raises `InvalidArgument` for a limit below 1.
    """
    if limit < 1:
        raise InvalidArgument(f"at_most_hold({limit}): expected at least 1")
    name = "the lock" if limit == 1 else "a lease"
    judge = at_most(limit, name, good=not believed)
    return RecipePromise(f"at most {limit} at one time holds {name}", "hold", name, limit, (judge,))


def one_leader(*, believed: bool = False) -> RecipePromise:
    """One at a time leads: an election, whose ``run(function)`` calls ``function`` to lead.

    ``believed``: as for `mutual_exclusion`.
    """
    judge = at_most(1, "the lead", good=not believed)
    return RecipePromise("one at a time leads", "lead", "the lead", 1, (judge,))


def each_item_once() -> RecipePromise:
    """Each item that was put is done once: a queue, with ``put`` and ``get``.

    Where it has ``consume``, an item is done when that says so; otherwise when ``get`` returns it.
    """
    judge = exactly_once("done", of="put")
    return RecipePromise("each item is done once", "items", judges=(judge,))


def each_item_at_least_once() -> RecipePromise:
    """Each item that was put is done, maybe more than once; otherwise as `each_item_once`."""
    judge = at_least_once("worked on", of="put")
    return RecipePromise("each item is done, once or more often", "items", judges=(judge,))


def all_wait_for_all() -> RecipePromise:
    """Nobody goes on before all have come: a barrier, with ``enter``, and perhaps ``leave``, which
    nobody returns from before all leave.
    """
    return RecipePromise("all wait for all", "meet")


def counts_once() -> RecipePromise:
    """What is counted is counted once: a counter, with ``+=`` and ``value``."""
    judge = adds_up("value", of="added", maybe="tried to add")
    return RecipePromise("what is counted is counted once", "count", judges=(judge,))
