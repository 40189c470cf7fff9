"""What a program may promise of itself, for `History.check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkfake._history.judges.claims import AtMost
from zkfake._history.judges.records import AddsUp, AtLeastOnce, ExactlyOnce, InOrder
from zkfake._history.judges.registers import Register

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake._history.judge import Judge

    Promise = Callable[[], Judge]
    """Makes the judge of one promise, anew for each history."""

__all__ = [
    "adds_up",
    "at_least_once",
    "at_most",
    "exactly_once",
    "in_order",
    "register",
]


def at_most(limit: int, name: str, *, good: bool = True) -> Promise:
    """At most ``limit`` claims of ``name`` hold at one time (`History.claim`).

    A claim holds while its znode is there; with ``good=False`` as long as the program believes it.
    Raises `ValueError` for a limit below 1.
    """
    AtMost(limit, name)
    return lambda: AtMost(limit, name, good=good)


def exactly_once(name: str, *, of: str | None = None, maybe: str | None = None) -> Promise:
    """Each key that was recorded under ``of`` was recorded under ``name``, once, and nothing else
    was; but what was recorded under ``maybe`` may or may not have been. Without ``of``: no key was
    recorded twice.
    """
    return lambda: ExactlyOnce(name, of, maybe)


def at_least_once(name: str, *, of: str, maybe: str | None = None) -> Promise:
    """As `exactly_once`, but a key may have been recorded under ``name`` more than once."""
    return lambda: AtLeastOnce(name, of, maybe)


def in_order(name: str) -> Promise:
    """The values recorded under ``name`` never fall, each key for itself."""
    return lambda: InOrder(name)


def adds_up(total: str, *, of: str, maybe: str | None = None) -> Promise:
    """The last value recorded under ``total`` is the sum of those under ``of``, each key for
    itself; of those under ``maybe`` any may be in it.
    """
    return lambda: AddsUp(total, of, maybe)


def register(path: str) -> Promise:
    """Who syncs before a read of ``path`` finds what had been written and acknowledged before.

    ZooKeeper does not promise it while a leader is replaced.
    """
    return lambda: Register(path)
