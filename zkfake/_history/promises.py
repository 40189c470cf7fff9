"""The promises of a program, for `History.check`."""

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

    A claim holds while the program believes that it holds and its znode exists; with
    ``good=False`` the znode does not matter. Without this promise at most one claim of each name
    may hold. Raises `ValueError` for a limit below 1.
    """
    AtMost(limit, name)
    return lambda: AtMost(limit, name, good=good)


def exactly_once(name: str, *, of: str | None = None, maybe: str | None = None) -> Promise:
    """Each key that was recorded under ``of`` was recorded under ``name`` exactly once, and no
    other key was. A key under ``maybe`` may have been recorded or not. Without ``of``: no key was
    recorded under ``name`` twice.
    """
    return lambda: ExactlyOnce(name, of, maybe)


def at_least_once(name: str, *, of: str, maybe: str | None = None) -> Promise:
    """As `exactly_once`, but a key may have been recorded under ``name`` more than once."""
    return lambda: AtLeastOnce(name, of, maybe)


def in_order(name: str) -> Promise:
    """The values recorded under ``name`` never decrease, for each key separately."""
    return lambda: InOrder(name)


def adds_up(total: str, *, of: str, maybe: str | None = None) -> Promise:
    """The last value recorded under ``total`` is the sum of the values under ``of``, for each key
    separately. It may include any of the values under ``maybe``.
    """
    return lambda: AddsUp(total, of, maybe)


def register(path: str) -> Promise:
    """A read of ``path`` after a sync finds what had been written and acknowledged before the sync.

    ZooKeeper does not promise it while a leader is replaced.
    """
    return lambda: Register(path)
