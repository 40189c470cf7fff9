"""Small applications as people write them, each with one natural mistake, and mended.

What the search is measured on: `python -m tests.search.corpus`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkfake.simulation import Simulation

__all__ = ["CORPUS", "Application"]

Part = tuple[str, str]
"""What goes wrong, and at which request: two regular expressions."""


class Application(NamedTuple):
    """A module of this package with `wrong`, `mended` and `check`."""

    name: str
    mistake: str
    cause: tuple[Part, ...]
    """What the failure may need: each thing is one of these, and is found by itself."""

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


# -- what can go wrong, in the words of explanations, and at which request

_LOST_REPLY = r"the connection of \w+ is lost before the reply"
_TORN_OFF = r"the connection of \w+ is lost before (the reply|arrives)"
_SESSION_ENDS = r"the session of \w+ expires.*|\w+ is paused for .*|the network of \w+ is cut .*"
_LATER = (
    r"the connection of \w+ is lost right after the reply|the reply takes .*|\w+ is paused for .*"
    r"|the network of \w+ is cut .*"
)
_SLOW = (
    r"messages between clients and servers take \S+ s|message \d+ from or to \w+ takes \S+ s"
    r"|takes .*"
    r"|task \w+ stands still for \S+ s at its step \d+.*|the network of \w+ is slow .*"
)
_BEHIND = (
    r"server \d applies (nothing|late) .*|servers apply transactions late: .*"
    r"|the link between servers \d and \d is (cut|slow) .*"
    r"|server \d is (cut off from the others|paused) .*"
)

_ANYWHERE = ".*"

CORPUS = (
    Application(
        "producer",
        "puts again what may have been put already",
        ((_LOST_REPLY, "create /queue/job-"),),
    ),
    Application(
        "visits",
        "reads, adds one and writes, without the version",
        ((_LATER, "getData /visits"), (_SLOW, _ANYWHERE)),
    ),
    Application(
        "leader",
        "writes without the version that it had when it was elected",
        ((_SESSION_ENDS, "create /leader|(get|set)Data /journal"),),
    ),
    Application(
        "batch",
        "remembers that a row is done before it is",
        (
            (_LOST_REPLY, "setData /batch/next"),
            (_TORN_OFF, r"exists /batch/done/\d|create /batch/done/\d"),
        ),
    ),
    Application(
        "follower",
        "sets its watch again only where the old one has told it",
        ((_TORN_OFF, "getData /config"), (_SESSION_ENDS, "getData /config")),
    ),
    Application(
        "suspended", "works on after it was told LOST", ((_SESSION_ENDS, "create /leader"),)
    ),
    Application(
        "scheduler",
        "takes a worker that was there for one that is there",
        ((_LOST_REPLY, "create /workers/"), (_SESSION_ENDS, "create /workers/|connect")),
    ),
    Application(
        "pool",
        "takes a job with a znode that stays when it fails",
        (
            (_LOST_REPLY, r"create /taken/\d"),
            (_TORN_OFF, r"create /done/\d"),
            (_SESSION_ENDS, r"create /(taken|done)/\d"),
        ),
    ),
    Application(
        "claims",
        "adds its result and deletes the job in two steps",
        (
            (_LOST_REPLY, r"create /results/\d-"),
            (_TORN_OFF, r"delete /jobs/\d"),
            (_SESSION_ENDS, r"create /(claims|results)/\d-?|exists /jobs/\d"),
        ),
    ),
    Application(
        "registry",
        "registers once, for all its sessions",
        ((_SESSION_ENDS, "create /services/web"),),
    ),
    Application(
        "discovery",
        "takes what its last session registered for its own",
        (
            (_LOST_REPLY, "create /services/web"),
            (_TORN_OFF, "close"),
            (r"the network of first is cut .*", "create /services/web"),
        ),
    ),
    Application(
        "limiter",
        "counts the calls, and then adds its own",
        ((_LATER, "getChildren /calls"), (_SLOW, _ANYWHERE), (_BEHIND, _ANYWHERE)),
    ),
    Application(
        "two_keys",
        "reads two keys one after the other",
        ((_LATER, "getData /host"), (_SLOW, _ANYWHERE)),
    ),
    Application(
        "barrier",
        "looks, and then sets the watch",
        (
            (_LATER, "getChildren /barrier"),
            (_TORN_OFF, "connect"),  # who comes later comes with another one
            (_SLOW, _ANYWHERE),
        ),
    ),
    Application(
        "cache", "reads, and then sets the watch", ((_LATER, "getData /value"), (_SLOW, _ANYWHERE))
    ),
    Application(
        "ids",
        "takes the number of orders for the number of its own",
        ((_LATER, "create /orders/order-"), (_SLOW, _ANYWHERE)),
    ),
    Application(
        "counter", "adds again what may have been added", ((_LOST_REPLY, "setData /counter"),)
    ),
    Application(
        "lock",
        "relies on a lock that ends with its session",
        ((_SESSION_ENDS, r"(get|set)Data /total|getChildren /lock"),),
    ),
    Application(
        "consumer", "deletes a job before it is done", ((_LOST_REPLY, r"delete /queue/\w"),)
    ),
    Application("handover", "reads from a server that may not know yet", ((_BEHIND, _ANYWHERE),)),
    Application(
        "folder",
        "looks, and then creates",
        ((_LATER, "exists /folder"), (_SLOW, _ANYWHERE), (_BEHIND, _ANYWHERE)),
    ),
    Application(
        "own_lock",
        "makes its znode again, whose first one may be there",
        ((_LOST_REPLY, r"create /lock/\w+-"),),
    ),
    Application(
        "predecessor",
        "watches a znode that may have gone already",
        ((_LATER, "getChildren /line"), (_SLOW, _ANYWHERE)),
    ),
)
