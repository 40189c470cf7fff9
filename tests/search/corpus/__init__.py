"""Small applications as people write them, each with one natural mistake, and mended.

What the search is measured on: `python -m tests.search.corpus`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkfake.simulation import Simulation

__all__ = ["CORPUS", "Application"]


class Application(NamedTuple):
    """A module of this package with `wrong`, `mended` and `check`."""

    name: str
    mistake: str
    cause: tuple[str, ...]
    """The explanation of the failure has one of these words."""

    @property
    def wrong(self) -> Callable[[Simulation], None]:
        return self._part("wrong")

    @property
    def mended(self) -> Callable[[Simulation], None]:
        return self._part("mended")

    @property
    def check(self) -> Callable[[Simulation], None]:
        return self._part("check")

    def _part(self, name: str) -> Callable[[Simulation], None]:
        found: Callable[[Simulation], None] = getattr(
            import_module(f"{__name__}.{self.name}"), name
        )
        return found


_LOST_REPLY = ("lost before the reply",)
_SLOW = ("stands still", "is paused", "expires", "network", "is lost", "no fault", "take")
_EXPIRY = ("expires", "is paused", "network", "lose")
_CALM = ("no fault",)

CORPUS = (
    Application("producer", "puts again what may have been put already", _LOST_REPLY),
    Application("visits", "reads, adds one and writes, without the version", _CALM),
    Application("leader", "writes without the version that it had when it was elected", _EXPIRY),
    Application("batch", "remembers that a row is done before it is", ("is lost", "expires")),
    Application("follower", "relies on a watch that ends with its session", _EXPIRY),
    Application("suspended", "works on after it was told LOST", _EXPIRY),
    Application("scheduler", "takes a worker that was there for one that is there", _SLOW),
    Application("pool", "takes a job with a znode that stays when it fails", _EXPIRY),
    Application("claims", "adds its result though its claim may have ended", _EXPIRY),
    Application("registry", "registers once, for all its sessions", _EXPIRY),
    Application("discovery", "takes what its last session registered for its own", _CALM),
    Application("limiter", "looks, and lets through, without the version", _CALM),
    Application("two_keys", "reads two keys one after the other", ("take",)),
    Application("barrier", "looks, and then sets the watch", _SLOW),
    Application("cache", "reads, and then sets the watch", _SLOW),
    Application("ids", "takes the number of orders for the number of its own", _SLOW),
    Application("counter", "takes its own change for that of somebody else", _LOST_REPLY),
    Application("lock", "relies on a lock that ends with its session", _EXPIRY),
    Application("consumer", "deletes a job before it is done", ("is lost",)),
    Application(
        "handover", "reads without a sync", ("applies", "apply", "take", "link", "cut off")
    ),
    Application("folder", "looks, and then creates", _SLOW),
    Application("own_lock", "makes its znode again, whose first one may be there", _LOST_REPLY),
    Application("predecessor", "watches a znode that may have gone already", _SLOW),
)
