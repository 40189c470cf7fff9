"""The kinds of finding, each with its cause. ``docs/recipes.md`` tells more of each.

Rules that live here: a *limit* is what no recipe of its kind can avoid, a *defect* is kazoo's and
known, a *wrong* is explained by nothing yet. Wrongs fail the tests; so does a limit or a defect of
another recipe, or one of ensembles where there is one server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY, ENSEMBLE = 1, 3
"""How many servers a kind takes at least."""

LOCKS = ("Lock", "Election", "Semaphore")
LOCKED = (*LOCKS, "SetPartitioner", "NonBlockingLease")
"""Those with a lock inside."""
LEASES = (*LOCKS, "LockingQueue", "SetPartitioner")
QUEUE = {"LockingQueue": ANY}
PARTITION = {"SetPartitioner": ANY}
BASIC = {"Barrier": ANY, "Party": ANY}


@dataclass(frozen=True, eq=False)
class Kind:
    """``recipes``: which are known to do that, and with how many servers."""

    name: str
    nature: Literal["limit", "defect", "wrong"]
    text: str
    recipes: Mapping[str, int] = field(default_factory=dict)


PAUSED = Kind(
    "paused",
    "limit",
    "a holder stands still, and its session is over",
    dict.fromkeys(LEASES, ANY),
)
UNAWARE = Kind(
    "unaware",
    "limit",
    "a holder has not heard yet that its session is over",
    dict.fromkeys(LEASES, ANY),
)
TOLD = Kind(
    "told",
    "limit",
    "a holder was told SUSPENDED or LOST and went on",
    dict.fromkeys(LEASES, ANY),
)
PUT_TWICE = Kind("put-twice", "limit", "the reply to put() was lost, and it was put again", QUEUE)

LATE = Kind(
    "late",
    "defect",
    "handed out, though taken in a session that was lost before",
    {"Semaphore": ANY, "LockingQueue": ANY, "Lock": ENSEMBLE, "Election": ENSEMBLE},
)
OVER = Kind(
    "over",
    "defect",
    "said to be given when its time was over",
    {"NonBlockingLease": ANY},
)
ITSELF = Kind(
    "itself",
    "defect",
    "a client waits for another node of its own",
    dict.fromkeys(LOCKED, ENSEMBLE),
)
TWIN = Kind(
    "twin",
    "defect",
    "the other of two nodes of a client stays behind",
    dict.fromkeys(LOCKED, ENSEMBLE),
)
ORPHAN = Kind(
    "orphan",
    "defect",
    "a node stays behind: its cleanup was given up",
    dict.fromkeys(LOCKED, ANY),
)
PAST = Kind(
    "past",
    "defect",
    "NoNodeError: the next session is at a server that is behind",
    dict.fromkeys(LOCKED, ENSEMBLE),
)
DOUBLE = Kind(
    "double", "defect", "the reply to a write was lost: it counts twice", {"Counter": ANY}
)
DEAF = Kind(
    "deaf",
    "defect",
    "it waits: its watch ended with a connection",
    {**QUEUE, "Barrier": ANY, "DoubleBarrier": ANY},
)
DROPPED = Kind("dropped", "defect", "get() waits: its watch died of an error", QUEUE)
STUCK = Kind("stuck", "defect", "taken, but the reply was lost: nobody has it", QUEUE)
GHOST = Kind("ghost", "defect", "taken by a get() that had raised: nobody has it", QUEUE)
HUSK = Kind("husk", "defect", "the mark of a taken item outlives the item", QUEUE)
CONSUME = Kind("consume", "defect", "consume() raises NoNodeError", QUEUE)
GET = Kind("get", "defect", "get() raises NoNodeError", QUEUE)

RELEASE = Kind("release", "defect", "release_set() raises ValueError", PARTITION)
REVIVED = Kind("revived", "defect", "a failed partitioner goes on, and is in no party", PARTITION)
KEPT = Kind("kept", "defect", "a partitioner that is over keeps a lock", PARTITION)
BEHIND = Kind("behind", "limit", "a server has not heard yet of a barrier", {"Barrier": ENSEMBLE})
EARLY = Kind("early", "defect", "leave() returns before the others leave", {"DoubleBarrier": ANY})
DENIES = Kind("denies", "defect", "it says that nothing was there, and removed it", BASIC)
GONE = Kind("gone", "defect", "participating, and not in the party", {"Party": ANY})

FROZEN = Kind("frozen", "wrong", "a cache does not show what there is")
BROKEN = Kind("broken", "wrong", "more good claims than the recipe permits")
DELETED = Kind("deleted", "wrong", "a holder's node is gone and its session lives")
WAITS = Kind("waits", "wrong", "a client waits for ever")
LEFT = Kind("left", "wrong", "a node, a lease or the mark of an item that nobody has")
MISCOUNTED = Kind("miscounted", "wrong", "a count that no lost reply explains")
VANISHED = Kind("vanished", "wrong", "an item is gone and nobody consumed it")
REMAINS = Kind("remains", "wrong", "consume() said yes, and the item is there")
ERROR = Kind("error", "wrong", "an error that users are not told to expect")

KINDS = tuple(each for each in list(globals().values()) if isinstance(each, Kind))

ERRORS = {
    ("NoNodeError", "LockingQueue.consume"): CONSUME,
    ("NoNodeError", "LockingQueue.get"): GET,
    ("NoNodeError", "Lock.acquire"): PAST,
    ("NoNodeError", "Election.run"): PAST,
    ("NoNodeError", "Semaphore.acquire"): PAST,
    ("ValueError", "SetPartitioner.release_set"): RELEASE,
    ("ValueError", "SetPartitioner.finish"): RELEASE,
}
"""What a recipe raises against its documentation: the error's type, and the call."""


def is_expected(kind: Kind, recipe: str, servers: int) -> bool:
    """Whether it is known that this recipe does that with so many servers."""
    return recipe in kind.recipes and servers >= kind.recipes[recipe]
