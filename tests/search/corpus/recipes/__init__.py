"""Programs that use kazoo's recipes as people do: one for each way of failing that
`docs/recipes.md` tells of.

Rules that live here: a program does nothing wrong itself, and its check looks for one way of
failing only; the others are none of its business. The cause is the one that the page names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import groups, locks, queues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zkfake.simulation import Simulation

__all__ = ["RECIPES", "RecipeUse"]

_NO_ARGUMENTS: Mapping[str, Any] = {}
_ENSEMBLE: Mapping[str, Any] = {"servers": 3}

_LOST_REPLY = ("lost before the reply",)
_CUT = ("is lost", "is cut")
_EXPIRY = ("expires", "is paused", "is cut", "pings")
_SLOW_THREAD = ("stands still",)
_BEHIND = ("appl", "link between", "is cut off", "is paused", "messages between servers")


class RecipeUse(NamedTuple):
    """A program, and the check that finds one way in which its recipe fails."""

    name: str
    mistake: str
    """What the recipe does, as `docs/recipes.md` says."""
    wrong: Callable[[Simulation], None]
    check: Callable[[Simulation], None]
    cause: tuple[str, ...]
    """The explanation of the failure has one of these words."""
    arguments: Mapping[str, Any] = _NO_ARGUMENTS
    """For `explore`."""


RECIPES = (
    RecipeUse(
        "Lock_paused",
        "a holder that stands still has lost it",
        locks.lock,
        locks.not_paused,
        ("is paused", "stands still", "wait"),
    ),
    RecipeUse(
        "Lock_unaware",
        "a holder has not heard that it has lost it",
        locks.lock,
        locks.not_unaware,
        _EXPIRY,
    ),
    RecipeUse("Lock_told", "a holder was told, and went on", locks.lock, locks.not_told, _EXPIRY),
    RecipeUse(
        "Lock_itself",
        "waits for a node of its own",
        locks.lock_for_ever,
        locks.nobody_waits,
        _BEHIND,
        _ENSEMBLE,
    ),
    RecipeUse(
        "Lock_twin", "one of two nodes stays behind", locks.lock, locks.no_twin, _BEHIND, _ENSEMBLE
    ),
    RecipeUse("Lock_orphan", "a cleanup is tried once", locks.lock, locks.no_orphan, _CUT),
    RecipeUse(
        "Lock_late",
        "takes the node of a lost session",
        locks.lock_for_jobs,
        locks.own_session,
        _BEHIND,
        _ENSEMBLE,
    ),
    RecipeUse(
        "Lock_past",
        "NoNodeError from acquire()",
        locks.lock_for_jobs,
        locks.no_error,
        _BEHIND,
        _ENSEMBLE,
    ),
    RecipeUse(
        "Lock_again",
        "is not acquired again before it was released",
        locks.lock_again,
        locks.not_refused,
        _EXPIRY,
    ),
    RecipeUse(
        "Semaphore_late",
        "returns the lease of a lost session",
        locks.semaphore,
        locks.not_late,
        _EXPIRY,
    ),
    RecipeUse(
        "Semaphore_slow",
        "a slow thread gets a lease too many",
        locks.semaphore,
        locks.one_lease,
        _SLOW_THREAD,
    ),
    RecipeUse(
        "LockingQueue_put",
        "a put that is tried again puts twice",
        queues.queue,
        queues.put_once,
        _LOST_REPLY,
    ),
    RecipeUse(
        "LockingQueue_late",
        "returns an item of a lost session",
        queues.queue,
        locks.not_late,
        _EXPIRY,
    ),
    RecipeUse(
        "LockingQueue_deaf",
        "a waiting get() does not survive a lost connection",
        queues.waiting,
        queues.nobody_is_deaf,
        _CUT,
    ),
    RecipeUse(
        "LockingQueue_dropped",
        "a waiting get() dies of an error",
        queues.waiting,
        queues.nobody_is_dropped,
        _CUT,
    ),
    RecipeUse(
        "LockingQueue_stuck",
        "an item that nobody has",
        queues.queue,
        queues.nothing_is_stuck,
        _LOST_REPLY,
    ),
    RecipeUse(
        "LockingQueue_ghost",
        "a get() that raised goes on",
        queues.queue,
        queues.nothing_is_ghostly,
        _CUT,
    ),
    RecipeUse(
        "LockingQueue_husk", "the mark of an item that is gone", queues.queue, queues.no_husk, _CUT
    ),
    RecipeUse(
        "LockingQueue_consume",
        "NoNodeError, whether it did or not",
        queues.quick,
        queues.consume_tells,
        (*_LOST_REPLY, *_EXPIRY),
    ),
    RecipeUse("LockingQueue_get", "NoNodeError from get()", queues.quick, queues.get_gets, _EXPIRY),
    RecipeUse(
        "LockingQueue_slow",
        "a slow thread is told yes",
        queues.quick,
        queues.consumed_is_gone,
        _SLOW_THREAD,
    ),
    RecipeUse(
        "Counter_double", "counts more than once", groups.counter, groups.counted_once, _LOST_REPLY
    ),
    RecipeUse(
        "SetPartitioner_release",
        "release_set() raises ValueError",
        groups.partitioner,
        groups.no_value_error,
        (*_CUT, *_EXPIRY),
    ),
    RecipeUse(
        "SetPartitioner_kept",
        "keeps a lock when it is over",
        groups.partitioner,
        groups.keeps_no_lock,
        (*_CUT, *_EXPIRY),
    ),
    RecipeUse(
        "SetPartitioner_revived",
        "a failed one goes on",
        groups.locked_partitioner,
        groups.stays_failed,
        (*_SLOW_THREAD, *_EXPIRY),
    ),
    RecipeUse(
        "Barrier_deaf",
        "a wait does not survive a lost connection",
        groups.barrier,
        groups.nobody_waits_at_it,
        _CUT,
    ),
    RecipeUse(
        "Barrier_denies",
        "nothing was there, it says",
        groups.barrier,
        groups.it_was_there,
        _LOST_REPLY,
    ),
    RecipeUse(
        "Barrier_behind",
        "one that stands lets through",
        groups.barrier,
        groups.nobody_is_let_through,
        _BEHIND,
        _ENSEMBLE,
    ),
    RecipeUse(
        "DoubleBarrier_deaf",
        "a wait does not survive a lost connection",
        groups.double_barrier,
        groups.nobody_waits_for_all,
        _CUT,
    ),
    RecipeUse(
        "DoubleBarrier_early",
        "leave() returns before the others leave",
        groups.double_barrier,
        groups.nobody_leaves_early,
        _LOST_REPLY,
    ),
    RecipeUse(
        "Party_gone",
        "participating, and not in the party",
        groups.party,
        groups.everybody_is_a_member,
        _EXPIRY,
    ),
    RecipeUse(
        "Party_denies",
        "leave() says that it was not there",
        groups.party,
        groups.everybody_was_a_member,
        _LOST_REPLY,
    ),
    RecipeUse(
        "NonBlockingLease_over",
        "a lease that has ended is handed out",
        groups.lease,
        groups.a_lease_lasts,
        (*_CUT, *_EXPIRY, "stands still", "take"),
    ),
)
