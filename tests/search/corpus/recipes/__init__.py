"""Programs that use kazoo's recipes as people do: one for each way of failing that
`docs/recipes.md` tells of.

Rules that live here: a program does nothing wrong itself, and its check looks for one way of
failing only; the others are none of its business. The cause is the one that the page names: what
goes wrong, and at which request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..wording import (
    ANYWHERE,
    BEHIND,
    LATER,
    LOST_REPLY,
    PAUSED,
    SESSION_ENDS,
    SLOW,
    SLOW_TASK,
    TORN_OFF,
)
from . import groups, locks, queues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkfake.simulation import Simulation

    from ..wording import Part

__all__ = ["RECIPES", "RecipeUse"]

_NO_ARGUMENTS: Mapping[str, Any] = {}
_ENSEMBLE: Mapping[str, Any] = {"servers": 3}

_HELD = r"(getChildren|exists) /lock|(create|getData) /lock/\S+"
"""Requests of who is given a lock, or has it."""
_CUT = r"the connection of \w+ is lost.*|the network of \w+ is cut .*|the session of \w+ expires.*"
_WAITS = r"getChildren /queue/(entries|taken)|connect"
_TAKES = r"create /queue/taken/\S+|getData /queue/entries/\S+"
_HOLDS = r"(sync|getData) /queue/taken/\S+"


_MADE_TWO = (
    r"did not hear that its request \d+ \(create /lock/\S+\) was done at "
    r".* asked for the same again: request \d+, done at"
)


_ELSEWHERE = (
    (SESSION_ENDS, ANYWHERE),
    (TORN_OFF, ANYWHERE),
    (LATER, "connect"),
    (BEHIND, ANYWHERE),
)
"""A session ends, and the next one is soon at another server, which is behind."""


class RecipeUse(NamedTuple):
    """A program, and the check that finds one way in which its recipe fails."""

    name: str
    mistake: str
    """What the recipe does, as `docs/recipes.md` says."""
    wrong: Callable[[Simulation], None]
    check: Callable[[Simulation], None]
    cause: tuple[Part, ...]
    """What the failure may need: each thing is one of these."""
    arguments: Mapping[str, Any] = _NO_ARGUMENTS
    """For `explore`."""
    says: str = ""
    """What the explanation has to say first, where the cause is more than what the failure needs:
    a regular expression.
    """


RECIPES = (
    RecipeUse(
        "Lock_paused",
        "a holder that stands still has lost it",
        locks.lock,
        locks.not_paused,
        ((PAUSED, _HELD),),
    ),
    RecipeUse(
        "Lock_unaware",
        "a holder has not heard that it has lost it",
        locks.lock,
        locks.not_unaware,
        ((SESSION_ENDS, _HELD), (LATER, _HELD), (SLOW, _HELD)),
        says=r"session ended at .*, and /lock/\S+ was deleted with it.* became SUSPENDED at",
    ),
    RecipeUse(
        "Lock_told",
        "a holder was told, and went on",
        locks.lock,
        locks.not_told,
        ((SESSION_ENDS, _HELD), (_CUT, _HELD)),
    ),
    RecipeUse(
        "Lock_itself",
        "waits for a node of its own",
        locks.lock_for_ever,
        locks.nobody_waits,
        ((TORN_OFF, r"create /lock/\S+"), (BEHIND, ANYWHERE)),
        _ENSEMBLE,
        rf"{_MADE_TWO}|(\w+)'s create /lock/\S+ \S+ had not reached .* when it answered \1's",
    ),
    RecipeUse(
        "Lock_twin",
        "one of two nodes stays behind",
        locks.lock,
        locks.no_twin,
        ((TORN_OFF, r"create /lock/\S+"), (BEHIND, ANYWHERE)),
        _ENSEMBLE,
        _MADE_TWO,
    ),
    RecipeUse(
        "Lock_orphan",
        "a cleanup is tried once",
        locks.lock_for_long,
        locks.no_orphan,
        ((TORN_OFF, r"delete /lock/\S+"), (PAUSED, _HELD)),
    ),
    RecipeUse(
        "Lock_late",
        "takes the node of a lost session",
        locks.lock_alone,
        locks.own_session,
        _ELSEWHERE,
        _ENSEMBLE,
    ),
    RecipeUse(
        "Lock_past",
        "NoNodeError from acquire()",
        locks.lock_for_jobs,
        locks.no_error,
        _ELSEWHERE,
        _ENSEMBLE,
    ),
    RecipeUse(
        "Lock_again",
        "is not acquired again before it was released",
        locks.lock_again,
        locks.not_refused,
        ((SESSION_ENDS, _HELD),),
    ),
    RecipeUse(
        "Semaphore_late",
        "returns the lease of a lost session",
        locks.semaphore,
        locks.not_late,
        ((SESSION_ENDS, r"(create|exists) /leases/\S+|delete /leases-__lock__/\S+"),),
    ),
    RecipeUse(
        "Semaphore_slow",
        "a slow thread gets a lease too many",
        locks.semaphore,
        locks.one_lease,
        ((SESSION_ENDS, "getChildren /leases"), (SLOW_TASK, "getChildren /leases")),
    ),
    RecipeUse(
        "LockingQueue_put",
        "a put that is tried again puts twice",
        queues.queue,
        queues.put_once,
        ((LOST_REPLY, r"create /queue/entries/entry-\S+"),),
    ),
    RecipeUse(
        "LockingQueue_late",
        "returns an item of a lost session",
        queues.queue,
        locks.not_late,
        ((SESSION_ENDS, _TAKES),),
    ),
    RecipeUse(
        "LockingQueue_deaf",
        "a waiting get() does not survive a lost connection",
        queues.waiting,
        queues.nobody_is_deaf,
        ((_CUT, _WAITS),),
    ),
    RecipeUse(
        "LockingQueue_dropped",
        "a waiting get() dies of an error",
        queues.waiting,
        queues.nobody_is_dropped,
        ((TORN_OFF, r"create /queue/taken/\S+"),),
    ),
    RecipeUse(
        "LockingQueue_stuck",
        "an item that nobody has",
        queues.queue,
        queues.nothing_is_stuck,
        ((LOST_REPLY, r"create /queue/taken/\S+"),),
    ),
    RecipeUse(
        "LockingQueue_ghost",
        "a get() that raised goes on",
        queues.queue,
        queues.nothing_is_ghostly,
        ((TORN_OFF, _TAKES), (_CUT, _WAITS)),
    ),
    RecipeUse(
        "LockingQueue_husk",
        "the mark of an item that is gone",
        queues.queue,
        queues.no_husk,
        (
            (TORN_OFF, r"delete /queue/taken/\S+"),
            # Or it never hears of the mark; and the item went before it made that.
            (LOST_REPLY, r"create /queue/(taken/\S+|entries)"),
            (LATER, r"(exists|getChildren) /queue/(entries|taken)"),
        ),
        says=r"/queue/taken/\S+ is there until the end",
    ),
    RecipeUse(
        "LockingQueue_consume",
        "NoNodeError, whether it did or not",
        queues.quick,
        queues.consume_tells,
        ((LOST_REPLY, r"multi /queue/entries/\S+ .*"), (SESSION_ENDS, f"{_TAKES}|{_HOLDS}")),
    ),
    RecipeUse(
        "LockingQueue_get",
        "NoNodeError from get()",
        queues.quick,
        queues.get_gets,
        ((SESSION_ENDS, _TAKES),),
    ),
    RecipeUse(
        "LockingQueue_slow",
        "a slow thread is told yes",
        queues.quick,
        queues.consumed_is_gone,
        ((SESSION_ENDS, _HOLDS), (SLOW_TASK, _HOLDS)),
    ),
    RecipeUse(
        "Counter_double",
        "counts more than once",
        groups.counter,
        groups.counted_once,
        ((LOST_REPLY, "setData /counter"),),
    ),
    RecipeUse(
        "SetPartitioner_release",
        "release_set() raises ValueError",
        groups.partitioner,
        groups.no_value_error,
        ((_CUT, r"delete /p/locks/\w/\S+"), (BEHIND, ANYWHERE)),
        says=r"asked twice at the same time for delete /p/locks/\w/",
    ),
    RecipeUse(
        "SetPartitioner_kept",
        "keeps a lock when it is over",
        groups.partitioner,
        groups.keeps_no_lock,
        ((_CUT, ANYWHERE), (SLOW, ANYWHERE), (BEHIND, ANYWHERE)),
        says=r"created /p/locks/\w/\S+ at .* and did not delete it: it is there until the end",
    ),
    RecipeUse(
        "SetPartitioner_revived",
        "a failed one goes on",
        groups.locked_partitioner,
        groups.stays_failed,
        (
            (_CUT, ANYWHERE),
            (SESSION_ENDS, ANYWHERE),
            (f"{SLOW_TASK} in abort_if_needed\\)", ANYWHERE),
        ),
    ),
    RecipeUse(
        "Barrier_deaf",
        "a wait does not survive a lost connection",
        groups.barrier,
        groups.nobody_waits_at_it,
        ((_CUT, "exists /barrier"),),
    ),
    RecipeUse(
        "Barrier_denies",
        "nothing was there, it says",
        groups.barrier,
        groups.it_was_there,
        ((LOST_REPLY, "delete /barrier"),),
    ),
    RecipeUse(
        "Barrier_behind",
        "one that stands lets through",
        groups.barrier,
        groups.nobody_is_let_through,
        ((BEHIND, ANYWHERE),),
        _ENSEMBLE,
        r"create /barrier \S+ had not reached server \d when it answered .*\(exists /barrier\)",
    ),
    RecipeUse(
        "DoubleBarrier_deaf",
        "a wait does not survive a lost connection",
        groups.double_barrier,
        groups.nobody_waits_for_all,
        ((_CUT, r"(exists|getChildren) /double\S*"),),
    ),
    RecipeUse(
        "DoubleBarrier_early",
        "leave() returns before the others leave",
        groups.double_barrier,
        groups.nobody_leaves_early,
        ((LOST_REPLY, r"delete /double/\S+"), (SESSION_ENDS, r"\w+ /double(/\S+)?")),
    ),
    RecipeUse(
        "Party_gone",
        "participating, and not in the party",
        groups.party,
        groups.everybody_is_a_member,
        ((SESSION_ENDS, r"create /party/\S+|getChildren /party"),),
    ),
    RecipeUse(
        "Party_denies",
        "leave() says that it was not there",
        groups.party,
        groups.everybody_was_a_member,
        ((LOST_REPLY, r"delete /party/\S+"),),
    ),
    RecipeUse(
        "NonBlockingLease_over",
        "a lease that has ended is handed out",
        groups.lease,
        groups.a_lease_lasts,
        # The news that it has the lease comes late, or who hears it stands still.
        ((f"{LATER}|{SLOW_TASK}", r"(create|setData|delete|getData) /lease\S*"),),
    ),
)
