"""A state machine for recipes: locks, semaphores, elections, queues, counters and barriers."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

from pytest_zkdict.stateful._faults import FaultSteps
from pytest_zkdict.stateful._holding import HoldSteps
from pytest_zkdict.stateful._meeting import MeetSteps
from pytest_zkdict.stateful._participants import ParticipantSteps
from pytest_zkdict.stateful._queueing import CountSteps, QueueSteps

__all__ = ["RecipeMachine"]

_RULES = {
    "hold": ("acquire", "begin_acquire", "acquire_within", "release", "begin_release", "use"),
    "lead": ("campaign", "begin_campaign", "resign", "use"),
    "items": ("put", "begin_put", "get", "begin_get", "get_within", "consume", "begin_consume"),
    "meet": ("enter", "begin_enter", "leave", "begin_leave"),
    "count": ("count", "begin_count"),
}
"""The rules for each kind of promise."""


class RecipeMachine(HoldSteps, QueueSteps, MeetSteps, CountSteps):
    """Several participants that use one recipe, such as a lock, while their sessions end, replies
    are lost, servers stop, and threads stand still.

    To be subclassed: `recipe` makes the recipe of a participant, and `promise` says what it has to
    keep, and so what the participants do with it::

        class LockMachine(RecipeMachine):
            promise = mutual_exclusion()
            recipe = staticmethod(lambda client, path: client.Lock(path))

    A participant claims what it was given (`zkfake.history.History.claim`), and records what it put
    and took; the judges of `zkfake.history` decide. At the end everything is healed. Then each
    participant that waits has to be given what nobody has, and a newcomer has to get it. It runs in
    virtual time, where all that is deterministic, and a failure shrinks. An example of 50 steps
    takes 40 to 90 ms of processor time.

    An example raises `InvalidArgument` where the class has no `promise` or no `recipe`, or where
    its `size` is not more than the number that may have it at one time.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls.TestCase.settings = settings(deadline=None, stateful_step_count=50)
        if cls.promise is None:
            return
        # A rule that never applies would cost Hypothesis choices, and examples that shrink.
        kept = {*_RULES[cls.promise.kind], *cls.faults}
        if cls.work is ParticipantSteps.work:
            kept.discard("use")
        rules = {name for names in _RULES.values() for name in names}
        for name in rules | FaultSteps.faults | ParticipantSteps.faults:
            if name not in kept:
                setattr(cls, name, None)
            elif getattr(cls, name) is None:  # a class above has another promise, or other faults
                setattr(cls, name, getattr(RecipeMachine, name))
