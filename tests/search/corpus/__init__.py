"""Small applications as people write them, each with one natural mistake, and mended.

What the search is measured on: `python -m tests.search.corpus`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from .wording import ANYWHERE, BEHIND, LATER, LOST_REPLY, SESSION_ENDS, SLOW, TORN_OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkfake.simulation import Simulation

    from .wording import Part

__all__ = ["CORPUS", "Application"]


class Application(NamedTuple):
    """A module of this package with `wrong`, `mended` and `check`."""

    name: str
    mistake: str
    cause: tuple[Part, ...]
    """What the failure may need: each thing is one of these, and is found by itself."""
    says: str = ""
    """What the explanation has to say first: a regular expression."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Those of `Simulation`: none, it is run as it is."""
        return {}

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


CORPUS = (
    Application(
        "producer",
        "puts again what may have been put already",
        ((LOST_REPLY, "create /queue/job-"),),
    ),
    Application(
        "visits",
        "reads, adds one and writes, without the version",
        ((LATER, "getData /visits"), (SLOW, ANYWHERE)),
    ),
    Application(
        "leader",
        "writes without the version that it had when it was elected",
        ((SESSION_ENDS, "create /leader|(get|set)Data /journal"),),
    ),
    Application(
        "batch",
        "remembers that a row is done before it is",
        (
            (LOST_REPLY, "setData /batch/next"),
            (TORN_OFF, r"exists /batch/done/\d|create /batch/done/\d"),
        ),
    ),
    Application(
        "follower",
        "sets its watch again only where the old one has told it",
        ((TORN_OFF, "getData /config"), (SESSION_ENDS, "getData /config")),
    ),
    Application(
        "suspended", "works on after it was told LOST", ((SESSION_ENDS, "create /leader"),)
    ),
    Application(
        "scheduler",
        "takes a worker that was there for one that is there",
        ((LOST_REPLY, "create /workers/"), (SESSION_ENDS, "create /workers/|connect")),
    ),
    Application(
        "pool",
        "takes a job with a znode that stays when it fails",
        (
            (LOST_REPLY, r"create /taken/\d"),
            (TORN_OFF, r"create /done/\d"),
            (SESSION_ENDS, r"create /(taken|done)/\d"),
        ),
    ),
    Application(
        "claims",
        "adds its result and deletes the job in two steps",
        (
            (LOST_REPLY, r"create /results/\d-"),
            (TORN_OFF, r"delete /jobs/\d"),
            (SESSION_ENDS, r"create /(claims|results)/\d-?|exists /jobs/\d"),
        ),
    ),
    Application(
        "registry",
        "registers once, for all its sessions",
        ((SESSION_ENDS, "create /services/web"),),
    ),
    Application(
        "discovery",
        "takes what its last session registered for its own",
        (
            (LOST_REPLY, "create /services/web"),
            (TORN_OFF, "close"),
            (r"the network of first is cut .*", "create /services/web"),
        ),
    ),
    Application(
        "limiter",
        "counts the calls, and then adds its own",
        ((LATER, "getChildren /calls"), (SLOW, ANYWHERE), (BEHIND, ANYWHERE)),
    ),
    Application(
        "two_keys",
        "reads two keys one after the other",
        ((LATER, "getData /host"), (SLOW, ANYWHERE)),
    ),
    Application(
        "barrier",
        "looks, and then sets the watch",
        (
            (LATER, "getChildren /barrier"),
            (TORN_OFF, "connect"),  # who comes later comes with another one
            (SLOW, ANYWHERE),
        ),
    ),
    Application(
        "cache", "reads, and then sets the watch", ((LATER, "getData /value"), (SLOW, ANYWHERE))
    ),
    Application(
        "ids",
        "takes the number of orders for the number of its own",
        ((LATER, "create /orders/order-"), (SLOW, ANYWHERE)),
    ),
    Application(
        "counter", "adds again what may have been added", ((LOST_REPLY, "setData /counter"),)
    ),
    Application(
        "lock",
        "relies on a lock that ends with its session",
        ((SESSION_ENDS, r"(get|set)Data /total|getChildren /lock"),),
    ),
    Application(
        "consumer", "deletes a job before it is done", ((LOST_REPLY, r"delete /queue/\w"),)
    ),
    Application("handover", "reads from a server that may not know yet", ((BEHIND, ANYWHERE),)),
    Application(
        "folder",
        "looks, and then creates",
        ((LATER, "exists /folder"), (SLOW, ANYWHERE), (BEHIND, ANYWHERE)),
    ),
    Application(
        "own_lock",
        "makes its znode again, whose first one may be there",
        ((LOST_REPLY, r"create /lock/\w+-"),),
    ),
    Application(
        "predecessor",
        "watches a znode that may have gone already",
        ((LATER, "getChildren /line"), (SLOW, ANYWHERE)),
    ),
)
